"""The life of one asynchronous event, read from the events of a lab or of the simulator."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from labkit.core.events import Event, EventKind

RUNNING: Final = "running"
THROTTLED: Final = "throttled"
WORDS: Final = {
    "success": "✓ success",
    "error": "▲ error",
    "timeout": "▲ timeout",
    THROTTLED: "✕ throttled",
    RUNNING: "running",
}
"""How an attempt ended: a mark and a word."""
TARGETS: Final = {
    "dead_letter": "dead-letter queue",
    "on_failure": "on-failure destination",
    "on_success": "on-success destination",
}
"""Where an event or its record can go, by the `reason` of its delivery."""
MEANINGS: Final = {
    "Success": "the function has done it",
    "RetriesExhausted": "no attempt is left",
    "EventAgeExceeded": "the next attempt would come after the maximum event age",
    "ZeroReservedConcurrency": "reserved concurrency is 0, so nothing may run",
    "RecursiveInvocation": "the event goes in circles",
}
"""What the condition means that ended a life."""
_WAITS: Final = {
    "queued": "in the queue",
    "function_error": "waits after a function error",
    "throttle": "waits after a throttle",
    "service_error": "waits after a service error",
}


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt to run the function; times are in ms after the event was stored.

    `outcome` is a key of `WORDS`. `number` counts the runs, so a throttle has the number of the
    run that it would have been.
    """

    number: int
    outcome: str
    start_ms: float
    end_ms: float
    event: Event = field(compare=False, repr=False)

    @property
    def ran(self) -> bool:
        """Whether the function ran: a throttle is no run."""
        return self.outcome != THROTTLED


@dataclass(frozen=True, slots=True)
class Wait:
    """A stretch in the queue before the next attempt."""

    start_ms: float
    end_ms: float
    reason: str

    def words(self) -> str:
        """Such as "waits after a throttle"."""
        return _WAITS.get(self.reason, self.reason)


@dataclass(slots=True)
class Life:
    """What has become of one event so far."""

    request_id: str = ""
    function: str = ""
    stored_ms: float = 0.0
    """Lab time of the 202; all other times count from here."""
    attempts: list[Attempt] = field(default_factory=list)
    waits: list[Wait] = field(default_factory=list)
    condition: str | None = None
    """How it ended, a key of `MEANINGS`; None if it goes on."""
    end_ms: float = 0.0
    """When it ended; if it goes on, the last that is known of it."""
    deliveries: list[Event] = field(default_factory=list)

    @property
    def runs(self) -> list[Attempt]:
        """The attempts that ran."""
        return [attempt for attempt in self.attempts if attempt.ran]

    @property
    def throttles(self) -> int:
        """How often it was throttled."""
        return len(self.attempts) - len(self.runs)

    def fate(self) -> str:
        """Where the event or its record is in the end, in a few words."""
        if self.condition is None:
            return "not over yet"
        places = [
            f"{TARGETS.get(event.reason or '', 'target')}"
            + (" (delivery failed)" if event.kind is EventKind.DELIVERY_FAILED else "")
            for event in self.deliveries
        ]
        if places:
            return " and ".join(dict.fromkeys(places))
        return "done" if self.condition == "Success" else "dropped for good"

    def outcomes(self) -> str:
        """Such as "3 attempts (error, error, success), 2 throttles"."""
        said = _count(len(self.runs), "attempt")
        if self.runs:
            said += f" ({', '.join(run.outcome for run in self.runs)})"
        if self.throttles:
            said += f", {_count(self.throttles, 'throttle')}"
        return said


def event_life(events: Iterable[Event], request_id: str | None = None) -> Life:
    """Read one event's life; `request_id` chooses it where there are several (default: the first).

    Without anything of it, the life is empty.
    """
    ordered = sorted(events, key=lambda event: event.seq)
    if request_id is None:
        queued = (event for event in ordered if event.kind is EventKind.QUEUED)
        request_id = next((event.request_id for event in queued), None)
    reader = _Reader(Life(request_id or ""))
    for event in ordered:
        if event.request_id is not None and event.request_id == request_id:
            reader.take(event)
    return reader.finished()


class _Reader:
    def __init__(self, life: Life) -> None:
        self._life = life
        self._is_stored = False
        self._waiting: tuple[float, str, float | None] | None = None  # since, why, until
        self._running: Event | None = None

    def take(self, event: Event) -> None:
        life = self._life
        if not self._is_stored:
            self._is_stored, life.stored_ms = True, event.time_ms
            life.function = event.function or ""
        now_ms = event.time_ms - life.stored_ms
        life.end_ms = max(life.end_ms, now_ms)
        match event.kind:
            case EventKind.QUEUED:
                life.stored_ms = event.time_ms
                self._waiting = (0.0, "queued", None)
            case EventKind.INVOKE_STARTED:
                self._wait_over(now_ms)
                self._running = event
            case EventKind.INVOKE_ENDED:
                self._ran(event)
            case EventKind.THROTTLED:
                self._wait_over(now_ms)
                number = event.attempt or len(life.runs) + 1
                life.attempts.append(Attempt(number, THROTTLED, now_ms, now_ms, event))
            case EventKind.RETRY_SCHEDULED:
                due_ms = None if event.due_ms is None else event.due_ms - life.stored_ms
                self._waiting = (now_ms, event.reason or "", due_ms)
            case EventKind.DROPPED:
                self._over(event.reason or "dropped", now_ms)
            case EventKind.DELIVERED | EventKind.DELIVERY_FAILED:
                life.deliveries.append(event)

    def finished(self) -> Life:
        life = self._life
        if self._running is not None:
            self._add(self._running, RUNNING, life.end_ms)
        if self._waiting is not None and life.condition is None:
            since_ms, reason, due_ms = self._waiting
            life.waits.append(Wait(since_ms, max(due_ms or 0.0, life.end_ms), reason))
        return life

    def _ran(self, event: Event) -> None:
        now_ms = event.time_ms - self._life.stored_ms
        started_ms = now_ms
        if self._running is not None:
            started_ms = self._running.time_ms - self._life.stored_ms
        # As long as the REPORT line says: the event itself comes once the log is written.
        end_ms = now_ms
        if event.duration_ms is not None:
            end_ms = min(now_ms, started_ms + event.duration_ms)
        self._add(event, event.outcome or "error", end_ms, started_ms)
        self._running = None
        if event.outcome == "success":
            self._over("Success", now_ms)

    def _add(
        self, event: Event, outcome: str, end_ms: float, started_ms: float | None = None
    ) -> None:
        start_ms = event.time_ms - self._life.stored_ms if started_ms is None else started_ms
        number = event.attempt or len(self._life.runs) + 1
        self._life.attempts.append(Attempt(number, outcome, start_ms, end_ms, event))

    def _wait_over(self, now_ms: float) -> None:
        if self._waiting is None:
            return
        since_ms, reason, _ = self._waiting
        self._waiting = None
        if now_ms > since_ms:
            self._life.waits.append(Wait(since_ms, now_ms, reason))

    def _over(self, condition: str, now_ms: float) -> None:
        self._wait_over(now_ms)
        self._life.condition, self._life.end_ms = condition, now_ms


def spoken(ms: float) -> str:
    """Return a time such as "0 s", "2.5 s", "1 min 2 s" or "1 h 2 min"."""
    seconds = ms / 1000
    if seconds < 59.95:
        return f"{seconds:.1f}".removesuffix(".0") + " s"
    whole = round(seconds)
    if whole < 3_600:
        minutes, rest = divmod(whole, 60)
        return f"{minutes} min" + (f" {rest} s" if rest else "")
    hours, rest = divmod(round(seconds / 60), 60)
    return f"{hours} h" + (f" {rest} min" if rest else "")


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
