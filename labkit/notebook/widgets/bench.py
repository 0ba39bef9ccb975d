"""Knobs for real invocations: memory size and timeout, turned by hand and fired by a button."""

from __future__ import annotations

import json
import threading
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

import traitlets
from botocore.exceptions import ClientError

from labkit.core.cpu import FULL_CORE_MB
from labkit.core.report import ERROR, SUCCESS, TIMEOUT
from labkit.notebook.deploy import Function
from labkit.notebook.measure import (
    Measurement,
    caller_sees,
    compared,
    facts,
    measure,
    patient_client,
    summary,
)
from labkit.notebook.widgets.base import STATIC, LabWidget

if TYPE_CHECKING:
    from labkit.notebook.lab import Lab

KNOBS: Final = {"memory_mb": "MemorySize", "timeout_s": "Timeout"}
"""What can be turned, and how AWS calls it."""


_OUTCOMES: Final = {SUCCESS: "✓ Success", ERROR: "▲ Error", TIMEOUT: "▲ Timeout"}


class InvokeBench(LabWidget):
    """A bench for one function: turn a knob, press *Invoke*, see what it took and what it cost.

    `function` is a deployed function or its name, `event` is what it gets, `knobs` are some of
    "memory_mb" and "timeout_s"; what is no knob stays as the function has it. Each press is a real
    invocation. Raises ValueError for an unknown knob, botocore's ClientError if there is no such
    function.
    """

    _esm = STATIC / "bench.js"
    _css = STATIC / "bench.css"

    function = traitlets.Unicode().tag(sync=True)
    knobs = traitlets.List(traitlets.Unicode()).tag(sync=True)
    memory_mb = traitlets.Int().tag(sync=True)
    """The function's memory size in MB, as far as the bench knows."""
    timeout_s = traitlets.Int().tag(sync=True)
    """The function's timeout in seconds, as far as the bench knows."""
    busy = traitlets.Bool(False).tag(sync=True)
    error = traitlets.Unicode().tag(sync=True)
    """Why the last press led to no measurement; empty if it did."""
    pins = traitlets.Dict().tag(sync=True)
    """Which results are kept to be compared, as "A" and "B": their places in the list."""
    comparison = traitlets.Unicode().tag(sync=True)
    """The pinned results in words."""
    _results = traitlets.List(traitlets.Dict()).tag(sync=True)
    _full_core_mb = traitlets.Int(FULL_CORE_MB).tag(sync=True)

    def __init__(
        self,
        lab: Lab,
        function: str | Function,
        event: object,
        *,
        knobs: tuple[str, ...] = ("memory_mb",),
    ) -> None:
        unknown = [knob for knob in knobs if knob not in KNOBS]
        if unknown or not knobs:
            raise ValueError(f"knobs are some of {', '.join(KNOBS)}, not {knobs!r}")
        name = function if isinstance(function, str) else function.name
        self._payload = json.dumps(event)
        self._client = patient_client(lab)
        self._one_at_a_time = threading.Lock()
        self.measurements: list[Measurement] = []
        """The invocations so far, oldest first."""
        present = self._client.get_function_configuration(FunctionName=name)
        super().__init__(
            function=name,
            knobs=[knob for knob in KNOBS if knob in knobs],
            memory_mb=present["MemorySize"],
            timeout_s=present["Timeout"],
        )
        self.on_msg(self._pressed)

    def invoke(self, *, memory_mb: int | None = None, timeout_s: int | None = None) -> Measurement:
        """Set what is given, invoke the function once, and add what it took to the picture.

        Raises botocore's ClientError for what AWS refuses, LabError if nothing could be measured.
        """
        given = {"memory_mb": memory_mb, "timeout_s": timeout_s}
        wanted = {KNOBS[knob]: value for knob, value in given.items() if value is not None}
        with self._one_at_a_time:
            measurement = measure(self._client, self.function, self._payload, wanted)
            self.measurements.append(measurement)
            with self.hold_sync():
                self.memory_mb, self.timeout_s = measurement.memory_mb, measurement.timeout_s
                self._results = [*self._results, self._shown(measurement)]
        return measurement

    def _pressed(self, _: object, content: dict[str, Any], buffers: object) -> None:
        if content.get("type") != "invoke" or self.busy:
            return
        self.busy = True
        # In a thread, or the kernel, and with it the page, would wait for a function of minutes.
        threading.Thread(target=self._fire, args=(content,), daemon=True).start()

    def _fire(self, content: dict[str, Any]) -> None:
        error = ""
        try:
            self.invoke(**{knob: content[knob] for knob in self.knobs})
        except Exception as failure:  # whatever it is belongs in front of who pressed
            error = _line(failure)
        with self._one_at_a_time, self.hold_sync():
            self.error, self.busy = error, False

    def _shown(self, measurement: Measurement) -> dict[str, Any]:
        setting = f"{measurement.memory_mb:,} MB"
        if "timeout_s" in self.knobs:
            setting += f", timeout {measurement.timeout_s:,} s"
        return {
            **asdict(measurement),
            "setting": setting,
            "headline": f"{_OUTCOMES[measurement.outcome]} with {setting}.",
            "caller": f" The caller got {caller_sees(measurement)}, payload ",
            "facts": facts(measurement),
            "summary": f"{setting}, {summary(measurement)}",
        }

    @traitlets.observe("pins")
    def _compare(self, _: object) -> None:
        pinned = {name: self._results[place] for name, place in sorted(self.pins.items())}
        words = " · ".join(f"{name}: {result['summary']}" for name, result in pinned.items())
        if {"A", "B"} <= set(pinned):
            words += f". {compared(*(self.measurements[self.pins[name]] for name in 'AB'))}"
        self.comparison = words

    def _text(self) -> str:
        count = len(self.measurements)
        noun = "invocation" if count == 1 else "invocations"
        size = f"memory {self.memory_mb:,} MB, timeout {self.timeout_s} s"
        return f"InvokeBench of {self.function}: {size}; {count} {noun}"

    def _still_png(self) -> bytes:
        from labkit.notebook.bench_figure import bench_figure

        timeout_s = self.timeout_s if "timeout_s" in self.knobs else None
        return bench_figure(self.function, self.measurements, timeout_s=timeout_s).png


def _line(failure: Exception) -> str:
    """Tell in one line what went wrong; AWS's own words where it was AWS."""
    if isinstance(failure, ClientError):
        error = failure.response["Error"]
        return f"{error['Code']}: {' '.join(error['Message'].split())}"
    return " ".join(str(failure).split()) or type(failure).__name__
