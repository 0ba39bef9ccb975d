"""What happened to each execution environment, read from the lab's events: what pictures draw."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum

from labkit.core import payloads
from labkit.core.concurrency import PROVISIONED_CONCURRENCY
from labkit.core.events import Event, EventKind

# After an exception of its handler a function's process lives on; after these it is gone.
_PROCESS_LOST = frozenset(
    {
        payloads.TIMED_OUT,
        payloads.EXIT_ERROR,
        payloads.OUT_OF_MEMORY,
        payloads.SANDBOX_FAILURE,
    }
)


class Doing(StrEnum):
    """What an environment does in a span of time."""

    INIT = "init"
    INVOKE = "invoke"
    FROZEN = "frozen"
    PROVISIONED = "provisioned"
    """Frozen as well, but kept ready: the environment was ordered as provisioned concurrency."""
    NO_PROCESS = "no process"
    """After a timeout, a crash or a failed init: the environment and its /tmp are still there."""


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of lab time, in ms since 1970."""

    doing: Doing
    start_ms: float
    end_ms: float
    event: Event | None = field(default=None, compare=False, repr=False)
    """What ended it: the record of an init or an invocation; None if nothing was recorded."""


@dataclass(slots=True)
class Row:
    """The life of one environment."""

    function: str
    environment: str
    spans: list[Span] = field(default_factory=list)
    errors_ms: list[float] = field(default_factory=list)
    """When invocations failed."""
    ended: Event | None = None
    """The end of the environment, None if it is still there."""

    @property
    def ended_ms(self) -> float | None:
        """When the environment ended, None if it is still there."""
        return None if self.ended is None else self.ended.time_ms


@dataclass(slots=True)
class History:
    """Environments in the order of their first event, and how often something happened."""

    rows: list[Row] = field(default_factory=list)
    throttles: list[Event] = field(default_factory=list)
    start_ms: float = 0.0
    end_ms: float = 0.0
    invocations: int = 0
    cold: int = 0
    errors: int = 0

    @property
    def throttles_ms(self) -> list[float]:
        """When invocations were refused."""
        return [event.time_ms for event in self.throttles]

    def summary(self) -> str:
        """One line such as "3 environments, 7 invocations (3 cold), 1 error"."""
        parts = [
            _count(len(self.rows), "environment"),
            f"{_count(self.invocations, 'invocation')} ({self.cold} cold)",
            _count(self.errors, "error"),
        ]
        if self.throttles:
            parts.append(_count(len(self.throttles), "throttle"))
        return ", ".join(parts)


def history(events: Iterable[Event], function: str | None = None) -> History:
    """Read the lab's events, all or those of one function.

    An invocation is cold if the init phase ran for it. What has not ended yet lasts until the last
    event.
    """
    builder = HistoryBuilder(function)
    for event in sorted(events, key=lambda event: event.seq):
        builder.take(event)
    return builder.history()


class HistoryBuilder:
    """Reads events one by one, each once and in the order of their `seq`."""

    def __init__(self, function: str | None = None) -> None:
        self._function = function
        self._lives: dict[str, _Life] = {}
        self._throttles: list[Event] = []
        self._start_ms: float | None = None
        self._end_ms = 0.0

    def take(self, event: Event) -> None:
        """Go on with the next event; those of other functions are passed over."""
        if self._function is not None and event.function != self._function:
            return
        if event.kind is EventKind.THROTTLED:
            self._throttles.append(event)
        elif event.environment is None:
            return
        if self._start_ms is None:
            self._start_ms = self._end_ms = event.time_ms
        self._start_ms = min(self._start_ms, event.time_ms)
        self._end_ms = max(self._end_ms, event.time_ms)
        if event.environment is None:
            return
        if event.environment not in self._lives:
            self._lives[event.environment] = _Life(Row(event.function or "", event.environment))
        self._lives[event.environment].take(event)

    def history(self) -> History:
        """What has been read so far."""
        lives = self._lives.values()
        return History(
            rows=[life.until(self._end_ms) for life in lives],
            throttles=list(self._throttles),
            start_ms=self._start_ms or 0.0,
            end_ms=self._end_ms,
            invocations=sum(life.invocations for life in lives),
            cold=sum(life.cold for life in lives),
            errors=sum(len(life.row.errors_ms) for life in lives),
        )


class _Life:
    """Turns the events of one environment into spans."""

    def __init__(self, row: Row) -> None:
        self.row = row
        self.invocations = self.cold = 0
        self._process = self._provisioned = False
        self._doing: Doing | None = None
        self._since_ms = self._invoked_ms = 0.0

    def take(self, event: Event) -> None:
        match event.kind:
            case EventKind.INIT_STARTED:
                self._turn(Doing.INIT, event.time_ms)
                self._provisioned |= event.initialization_type == PROVISIONED_CONCURRENCY
                self.cold += event.phase != "invoke" and not self._provisioned
            case EventKind.INIT_ENDED:
                self._process = event.outcome == "success"
                # An init inside an invocation ends, well or badly, and the invocation goes on.
                inside = event.phase == "invoke"
                self._turn(Doing.INVOKE if inside else self._waiting(), event.time_ms, event)
            case EventKind.INVOKE_STARTED:
                self._turn(Doing.INVOKE, event.time_ms)
                self._invoked_ms = event.time_ms
                self.invocations += 1
            case EventKind.INVOKE_ENDED:
                self._invoke_ended(event)
            case EventKind.ENVIRONMENT_ENDED:
                self._turn(None, event.time_ms)
                self.row.ended = event

    def until(self, end_ms: float) -> Row:
        """The row up to now: what goes on lasts until `end_ms`."""
        row = self.row
        spans = list(row.spans)
        # What runs is shown from the moment when it began.
        if self._doing in (Doing.INIT, Doing.INVOKE) or (self._doing and end_ms > self._since_ms):
            spans.append(Span(self._doing, self._since_ms, max(end_ms, self._since_ms)))
        return Row(row.function, row.environment, spans, list(row.errors_ms), row.ended)

    def _invoke_ended(self, event: Event) -> None:
        # As long as the REPORT line says: the event itself comes once the log is written.
        end_ms = event.time_ms
        if event.duration_ms is not None:
            end_ms = max(self._since_ms, min(end_ms, self._invoked_ms + event.duration_ms))
        self._process = self._process and event.error_type not in _PROCESS_LOST
        self._turn(self._waiting(), end_ms, event)
        if event.outcome != "success":
            self.row.errors_ms.append(end_ms)

    def _waiting(self) -> Doing:
        if not self._process:
            return Doing.NO_PROCESS
        return Doing.PROVISIONED if self._provisioned else Doing.FROZEN

    def _turn(self, doing: Doing | None, time_ms: float, event: Event | None = None) -> None:
        # An invocation is kept however short it was: it is a record to be looked at.
        if self._doing is not None and (time_ms > self._since_ms or event is not None):
            self.row.spans.append(Span(self._doing, self._since_ms, time_ms, event))
        self._doing, self._since_ms = doing, time_ms


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
