"""One asynchronous event in virtual time, by the rules of `labkit.core.asynchronous`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from labkit.core.asynchronous import Condition, EventInvokeConfig, EventLife, Finish, Retry
from labkit.core.events import Event, EventKind
from labkit.fleet.clock import VirtualClock
from labkit.fleet.health import Health, HealthPlan

REQUEST_ID: Final = "00000000-0000-4000-8000-000000000001"
"""The request id of the simulated event: the same at each attempt."""
_ENVIRONMENT: Final = "environment-1"
_CONCURRENCY_REASON: Final = "ReservedFunctionConcurrentInvocationLimitExceeded"


@dataclass(frozen=True, slots=True)
class EventScenario:
    """One event that is stored at time 0, and what it meets.

    `duration_ms` is how long each attempt runs, `target` what waits for an event that failed:
    "dead_letter", "on_failure", or None for nothing. `backoff_max_s` is the longest wait after a
    throttle, `jitter` its share that chance adds or takes, from -1 to 1.
    """

    health: HealthPlan
    config: EventInvokeConfig = EventInvokeConfig()
    duration_ms: float = 2_000.0
    function: str = "worker"
    target: str | None = "dead_letter"
    backoff_max_s: float = 300.0
    jitter: float = 0.0


def simulate_event(scenario: EventScenario) -> list[Event]:
    """Return all events of one event's life, from its 202 to its end, in their order.

    Times are in ms after the 202.
    """
    return _Run(scenario).events


class _Run:
    """The queue and the function, for one event."""

    def __init__(self, scenario: EventScenario) -> None:
        self._scenario, self._clock = scenario, VirtualClock()
        self._life = EventLife(0.0, scenario.config)
        self.events: list[Event] = []
        self._emit(EventKind.ACCEPTED, invocation_type="Event")
        self._emit(EventKind.QUEUED)
        self._clock.call_at(0.0, self._try)
        self._clock.settle()

    def _emit(self, kind: EventKind, **fields: Any) -> None:
        common = {"function": self._scenario.function, "version": "$LATEST"}
        self.events.append(
            Event(
                seq=len(self.events) + 1,
                time_ms=self._clock.now_ms(),
                kind=kind,
                request_id=REQUEST_ID,
                **{**common, **fields},
            )
        )

    def _try(self) -> None:
        now_ms = self._clock.now_ms()
        if too_old := self._life.before_attempt(now_ms):
            self._go_on(too_old)
            return
        attempt = self._life.invoke_count + 1
        health = self._scenario.health.at(now_ms / 1000)
        if health is Health.THROTTLED:
            self._emit(EventKind.THROTTLED, attempt=attempt, reason=_CONCURRENCY_REASON)
            self._go_on(
                self._life.after_throttle(
                    now_ms, jitter=self._scenario.jitter, backoff_max_s=self._scenario.backoff_max_s
                )
            )
            return
        self._emit(EventKind.INVOKE_STARTED, **self._common(attempt, now_ms))
        end_ms = now_ms + self._scenario.duration_ms
        self._clock.call_at(end_ms, lambda: self._ran(health, attempt, now_ms))

    def _ran(self, health: Health, attempt: int, started_ms: float) -> None:
        now_ms, failed = self._clock.now_ms(), health is Health.BROKEN
        self._emit(
            EventKind.INVOKE_ENDED,
            outcome="error" if failed else "success",
            error_type="RuntimeError" if failed else None,
            duration_ms=self._scenario.duration_ms,
            **self._common(attempt, started_ms),
        )
        after = self._life.after_function_error if failed else self._life.after_success
        self._go_on(after(now_ms))

    def _common(self, attempt: int, age_ms: float) -> dict[str, Any]:
        return {
            "attempt": attempt,
            "environment": _ENVIRONMENT,
            "age_ms": age_ms,
            "invocation_type": "Event",
        }

    def _go_on(self, verdict: Retry | Finish) -> None:
        attempt = self._life.invoke_count
        if isinstance(verdict, Retry):
            self._emit(
                EventKind.RETRY_SCHEDULED,
                attempt=attempt,
                due_ms=verdict.due_ms,
                reason=str(verdict.reason),
            )
            self._clock.call_at(verdict.due_ms, self._try)
        elif verdict.condition is not Condition.SUCCESS:
            self._emit(EventKind.DROPPED, attempt=attempt, reason=str(verdict.condition))
            if self._scenario.target is not None:
                self._emit(EventKind.DELIVERED, reason=self._scenario.target)
