"""One real invocation, with what it took and what it cost."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from botocore.config import Config

from labkit.core.report import ERROR, SUCCESS, TIMEOUT, Report, parse_report, report_of_record
from labkit.live.client import LabError
from labkit.pricing import invocation_cost_usd

if TYPE_CHECKING:
    from labkit.notebook.lab import Lab

_PAYLOAD_MAX: Final = 160
_READ_LIMIT_S: Final = 960
"""Longer than any function may run."""
_WAITER: Final = {"Delay": 0.05, "MaxAttempts": 1_200}


@dataclass(frozen=True, slots=True)
class Measurement:
    """What one invocation took, with the configuration that it ran with."""

    memory_mb: int
    timeout_s: int
    status_code: int
    function_error: str | None
    """"Unhandled" if the function failed, as its caller sees it; None if it did not."""
    payload: str
    """What the caller got, shortened."""
    outcome: str
    """"success", "error" or "timeout"."""
    duration_ms: float
    billed_ms: int
    init_ms: float | None
    """How long the init phase took; None after a warm start."""
    max_memory_mb: int
    cost_usd: float

    def __repr__(self) -> str:
        # Without figures that are new in each run, so that a cell may end with it.
        start = "warm" if self.init_ms is None else "cold"
        size = f"{self.memory_mb:,} MB, timeout {self.timeout_s} s"
        return f"<Measurement: {size}, {start}, {self.outcome}>"


def patient_client(lab: Lab) -> Any:
    """Return a boto3 client of Lambda which waits as long as a function may run, and never repeats
    a call by itself: an invocation is asked for once and happens once.
    """
    config = Config(read_timeout=_READ_LIMIT_S, retries={"total_max_attempts": 1})
    return lab.client("lambda", config)


def measure(client: Any, function: str, payload: str, wanted: Mapping[str, int]) -> Measurement:
    """Invoke a function once, with `wanted` of its configuration (such as MemorySize) changed first
    if it differs.

    Raises botocore's ClientError for what AWS refuses, LabError if the log shows no REPORT line.
    """
    name = {"FunctionName": function}
    present = client.get_function_configuration(**name)
    if any(present[key] != value for key, value in wanted.items()):
        present = client.update_function_configuration(**name, **wanted)
        client.get_waiter("function_updated_v2").wait(**name, WaiterConfig=_WAITER)
    response = client.invoke(**name, Payload=payload, LogType="Tail")
    report = _report(base64.b64decode(response["LogResult"]).decode(errors="replace"))
    error = response.get("FunctionError")
    return Measurement(
        memory_mb=report.memory_mb,
        timeout_s=present["Timeout"],
        status_code=response["StatusCode"],
        function_error=error,
        payload=_shortened(response["Payload"].read().decode(errors="replace")),
        outcome=_outcome(report, error),
        duration_ms=report.duration_ms,
        billed_ms=report.billed_ms,
        init_ms=report.init_ms,
        max_memory_mb=report.max_memory_mb,
        cost_usd=invocation_cost_usd(
            report.memory_mb, report.billed_ms, architecture=_architecture(present)
        ),
    )


def facts(measurement: Measurement) -> list[tuple[str, str]]:
    """Return what was measured, as (what, value with its unit)."""
    init_ms = measurement.init_ms
    return [
        ("duration", in_ms(measurement.duration_ms)),
        ("init", "none: warm" if init_ms is None else f"{in_ms(init_ms)}: cold"),
        ("billed", f"{measurement.billed_ms:,} ms"),
        ("max memory", f"{measurement.max_memory_mb:,} of {measurement.memory_mb:,} MB"),
        ("cost of a call", in_usd(measurement.cost_usd)),
        ("of a million calls", in_usd(1e6 * measurement.cost_usd)),
    ]


def caller_sees(measurement: Measurement) -> str:
    """Return what AWS tells the caller beside the payload."""
    error = measurement.function_error
    return f"status {measurement.status_code}" + (f", FunctionError {error}" if error else "")


def summary(measurement: Measurement) -> str:
    """Return the figures that one compares, in few words."""
    words = [in_ms(measurement.duration_ms)]
    if measurement.outcome != SUCCESS:
        words.append(f"({measurement.outcome})")
    if measurement.init_ms is not None:
        words.append(f"+ {in_ms(measurement.init_ms)} init")
    return f"{' '.join(words)}, {in_usd(1e6 * measurement.cost_usd)} a million calls"


def compared(a: Measurement, b: Measurement) -> str:
    """Tell how `b` compares with `a`, where there is something to compare."""
    if not (a.outcome == b.outcome == SUCCESS and a.duration_ms > 0):
        return "Only two invocations that succeeded can be compared in time."
    time, cost = b.duration_ms / a.duration_ms, b.cost_usd / a.cost_usd
    time, cost = (float(f"{ratio:.2g}") for ratio in (time, cost))
    return f"B takes {time:,g} times as long as A and costs {cost:,g} times as much."


def in_ms(duration_ms: float) -> str:
    """Write a duration with about three digits."""
    decimals = 2 if duration_ms < 10 else 1 if duration_ms < 100 else 0
    return f"{duration_ms:,.{decimals}f} ms"


def in_usd(price_usd: float) -> str:
    """Write a price: in cents from a cent on, and with two digits below."""
    if price_usd >= 0.01:
        return f"${price_usd:,.2f}"
    return f"${Decimal(f'{price_usd:.2g}'):f}"


def _architecture(configuration: Mapping[str, Any]) -> str:
    architecture: str = configuration["Architectures"][0]
    return architecture


def _report(tail: str) -> Report:
    """Find the REPORT line, of either log format, in the tail of a log."""
    for line in reversed(tail.splitlines()):
        if line.startswith("REPORT "):
            return parse_report(line)
        if line.startswith("{") and '"platform.report"' in line:
            return report_of_record(json.loads(line)["record"])
    raise LabError(
        "The function ran, but its log shows no REPORT line, so nothing was measured. Set the "
        "system log level to INFO."
    )


def _outcome(report: Report, function_error: str | None) -> str:
    if report.status == TIMEOUT:
        return TIMEOUT
    return SUCCESS if function_error is None else ERROR


def _shortened(text: str) -> str:
    return text if len(text) <= _PAYLOAD_MAX else f"{text[: _PAYLOAD_MAX - 2]} …"
