"""Records arrive, batches form: an event source mapping that the learner turns and poisons."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar, Final

import traitlets

from labkit.core.events import Event
from labkit.fleet.batch_scenario import SOURCES, SQS, BatchScenario, Run, arriving
from labkit.fleet.batches import simulate
from labkit.notebook.batching_words import (
    KNOBS,
    NOUNS,
    columns,
    facts,
    label,
    setting_words,
    summary,
)
from labkit.notebook.widgets.virtual import VirtualWidget, module, styles

RECORDS_MAX: Final = 40
"""So many rows can still be told apart."""
_NAMES: Final = {"sqs": "SQS", "kinesis": "Kinesis"}


class BatchingExplorer(VirtualWidget):
    """Records arrive on a time axis, batches form, are invoked, fail and come back.

    `source` is "sqs" or "kinesis". `knobs` are the settings that can be turned, some of KNOBS; the
    others stay at what `settings` gives them, and are shown as text. `poisoned` are the numbers,
    from 1 on, of the records that the function fails on; a click poisons or heals one. `records` of
    them arrive at random, `rate_per_s` a second on average, the same for the same `seed`.

    Nothing is deployed: the rules of the live Lambda are played in virtual time. Raises ValueError
    for an unknown source, knob or setting, and for what AWS refuses.
    """

    _esm = module("batching")
    _css = styles("batching")
    _settings: ClassVar = (*KNOBS, "poisoned")

    source = traitlets.Unicode(read_only=True)
    batch_size = traitlets.Int()
    batching_window_s = traitlets.Int()
    parallelization_factor = traitlets.Int()
    report_batch_item_failures = traitlets.Bool()
    bisect_batch = traitlets.Bool()
    maximum_retry_attempts = traitlets.Int()
    visibility_timeout_s = traitlets.Int()
    max_receive_count = traitlets.Int()
    poisoned: traitlets.List[int] = traitlets.List(traitlets.Int())
    """The records that the function fails on, by their numbers from 1 on."""

    def __init__(
        self,
        source: str = SQS,
        *,
        knobs: Iterable[str] = ("batch_size",),
        poisoned: Iterable[int] = (8,),
        records: int = 20,
        rate_per_s: float = 2.5,
        seed: int = 1,
        **settings: int | bool,
    ) -> None:
        turned = _checked(source, tuple(knobs), settings)
        if not 1 <= records <= RECORDS_MAX:
            raise ValueError(f"records are from 1 to {RECORDS_MAX}, not {records!r}")
        self._arrivals_ms, self._keys = arriving(records, rate_per_s, seed)
        self.set_trait("source", source)
        given = {**_DEFAULTS[source], **settings}
        self._initial: dict[str, Any] = {
            **{name: given.get(name, getattr(_NEUTRAL, name)) for name in KNOBS},
            "poisoned": sorted(set(poisoned)),
        }
        super().__init__(knobs=turned, **self._initial)

    @property
    def run(self) -> Run:
        """What was played with the present settings."""
        result: Run = self._result
        return result

    def scenario(self) -> BatchScenario:
        """Return what is played with the present settings. Raises ValueError for wrong ones."""
        return BatchScenario(
            source=self.source,
            arrivals_ms=self._arrivals_ms,
            keys=self._keys,
            poisoned=frozenset(self.poisoned),
            **{name: getattr(self, name) for name in KNOBS},
        )

    def _run(self) -> Run:
        return simulate(self.scenario())

    def _events(self) -> list[Event]:
        return list(self.run.events)

    def _kept(self) -> Run:
        return self.run

    def _pinned_words(self, pin: Run) -> str:
        return f"{label(pin.scenario)}: {summary(pin)}"

    def _paint(self) -> dict[str, Any]:
        before = self._before
        is_other = before is not None and before.scenario != self.run.scenario
        return {
            **columns(self.run),
            "title": self._title,
            "knobs": [_described(name, self.source) for name in self.knobs],
            "initial": self._initial,
            "fixed": setting_words(self.run.scenario, self._fixed),
            "ghost": columns(before) if is_other else None,
            "pins": {
                name: {"label": label(pin.scenario), "facts": facts(pin)}
                for name, pin in self._pinned()
            },
        }

    @property
    def _title(self) -> str:
        return f"Batching of {_NAMES[self.source]} {NOUNS[self.source]}s"

    @property
    def _fixed(self) -> list[str]:
        known = (name for name, knob in KNOBS.items() if self.source in knob.sources)
        return [name for name in known if name not in self.knobs]

    def _text(self) -> str:
        words = ", ".join(setting_words(self.run.scenario, self.knobs))
        count = len(self.run.lives)
        noun = f"{NOUNS[self.source]}{'s' * (count > 1)}"
        return f"{self._title}: {count} {noun}, {words}; {summary(self.run)}"

    def _still_png(self) -> bytes:
        from labkit.notebook.batching_figure import batching_figure

        return batching_figure(self.run).png


_NEUTRAL: Final = BatchScenario(source=SQS, arrivals_ms=(), keys=())
_DEFAULTS: Final[dict[str, dict[str, Any]]] = {
    "sqs": {"batch_size": 5, "batching_window_s": 2},
    "kinesis": {"batch_size": 5, "batching_window_s": 2},
}


def _checked(source: str, knobs: tuple[str, ...], settings: dict[str, Any]) -> list[str]:
    """Return the knobs in their order. Raises ValueError for what the source does not have."""
    if source not in SOURCES:
        raise ValueError(f"source is one of {', '.join(SOURCES)}, not {source!r}")
    known = [name for name in KNOBS if source in KNOBS[name].sources]
    unknown = [name for name in (*knobs, *settings) if name not in known]
    if unknown or not knobs:
        raise ValueError(
            f"knobs and settings of {source} are {', '.join(known)}, not {', '.join(unknown) or ()}"
        )
    return [name for name in known if name in knobs]


def _described(name: str, source: str) -> dict[str, Any]:
    """A knob as the page needs it."""
    knob = KNOBS[name]
    unit = f"{NOUNS[source]}s" if knob.unit == "records" else knob.unit
    return {"name": name, **knob._asdict(), "unit": unit}
