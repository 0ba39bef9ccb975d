"""What happened to each execution environment, read from the lab's events: what pictures draw."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum

from labkit.core import payloads
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
    NO_PROCESS = "no process"
    """After a timeout, a crash or a failed init: the environment and its /tmp are still there."""


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of lab time, in ms since 1970."""

    doing: Doing
    start_ms: float
    end_ms: float


@dataclass(slots=True)
class Row:
    """The life of one environment."""

    function: str
    environment: str
    spans: list[Span] = field(default_factory=list)
    errors_ms: list[float] = field(default_factory=list)
    """When invocations failed."""
    ended_ms: float | None = None
    """When the environment ended, None if it is still there."""


@dataclass(slots=True)
class History:
    """Environments in the order of their first event, and how often something happened."""

    rows: list[Row] = field(default_factory=list)
    throttles_ms: list[float] = field(default_factory=list)
    start_ms: float = 0.0
    end_ms: float = 0.0
    invocations: int = 0
    cold: int = 0
    errors: int = 0

    def summary(self) -> str:
        """One line such as "3 environments, 7 invocations (3 cold), 1 error"."""
        parts = [
            _count(len(self.rows), "environment"),
            f"{_count(self.invocations, 'invocation')} ({self.cold} cold)",
            _count(self.errors, "error"),
        ]
        if self.throttles_ms:
            parts.append(_count(len(self.throttles_ms), "throttle"))
        return ", ".join(parts)


def history(events: Iterable[Event], function: str | None = None) -> History:
    """Read the lab's events, all or those of one function.

    An invocation is cold if the init phase ran for it. What has not ended yet lasts until the last
    event.
    """
    chosen = sorted(
        (event for event in events if function is None or event.function == function),
        key=lambda event: event.seq,
    )
    result = History()
    lives: dict[str, _Life] = {}
    for event in chosen:
        if event.kind is EventKind.THROTTLED:
            result.throttles_ms.append(event.time_ms)
        elif event.environment is None:
            continue
        if not result.start_ms:
            result.start_ms = event.time_ms
        result.end_ms = event.time_ms
        if event.environment is None:
            continue
        if event.environment not in lives:
            lives[event.environment] = _Life(Row(event.function or "", event.environment))
        lives[event.environment].take(event)
    for life in lives.values():
        life.stop(result.end_ms)
        result.rows.append(life.row)
        result.invocations += life.invocations
        result.cold += life.cold
        result.errors += len(life.row.errors_ms)
    return result


class _Life:
    """Turns the events of one environment into spans."""

    def __init__(self, row: Row) -> None:
        self.row = row
        self.invocations = self.cold = 0
        self._process = False
        self._doing: Doing | None = None
        self._since_ms = self._invoked_ms = 0.0

    def take(self, event: Event) -> None:
        match event.kind:
            case EventKind.INIT_STARTED:
                self._turn(Doing.INIT, event.time_ms)
                self.cold += event.phase != "invoke"
            case EventKind.INIT_ENDED:
                self._process = event.outcome == "success"
                inside = self._process and event.phase == "invoke"
                self._turn(Doing.INVOKE if inside else self._waiting(), event.time_ms)
            case EventKind.INVOKE_STARTED:
                self._turn(Doing.INVOKE, event.time_ms)
                self._invoked_ms = event.time_ms
                self.invocations += 1
            case EventKind.INVOKE_ENDED:
                self._invoke_ended(event)
            case EventKind.ENVIRONMENT_ENDED:
                self._turn(None, event.time_ms)
                self.row.ended_ms = event.time_ms

    def stop(self, end_ms: float) -> None:
        self._turn(None, end_ms)

    def _invoke_ended(self, event: Event) -> None:
        # As long as the REPORT line says: the event itself comes once the log is written.
        end_ms = event.time_ms
        if event.duration_ms is not None:
            end_ms = max(self._since_ms, min(end_ms, self._invoked_ms + event.duration_ms))
        self._process = self._process and event.error_type not in _PROCESS_LOST
        self._turn(self._waiting(), end_ms)
        if event.outcome != "success":
            self.row.errors_ms.append(end_ms)

    def _waiting(self) -> Doing:
        return Doing.FROZEN if self._process else Doing.NO_PROCESS

    def _turn(self, doing: Doing | None, time_ms: float) -> None:
        if self._doing is not None and time_ms > self._since_ms:
            self.row.spans.append(Span(self._doing, self._since_ms, time_ms))
        self._doing, self._since_ms = doing, time_ms


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
