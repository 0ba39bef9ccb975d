"""The internal queue of asynchronous invocation: when an event is tried again, and when it ends.

Source: developer guide, "How Lambda handles errors and retries with asynchronous invocation"; the
look-ahead at the event's age as recorded from the service.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from labkit.core import quotas

_JITTER_SHARE: Final = 0.1


class Condition(StrEnum):
    """How an event ended, in the words of the invocation record."""

    SUCCESS = "Success"
    RETRIES_EXHAUSTED = "RetriesExhausted"
    EVENT_AGE_EXCEEDED = "EventAgeExceeded"
    ZERO_RESERVED_CONCURRENCY = "ZeroReservedConcurrency"
    RECURSIVE_INVOCATION = "RecursiveInvocation"


class RetryReason(StrEnum):
    """Why an event waits for a further attempt."""

    FUNCTION_ERROR = "function_error"
    THROTTLE = "throttle"
    SERVICE_ERROR = "service_error"


@dataclass(frozen=True, slots=True)
class EventInvokeConfig:
    """The settings that say how long an event is tried."""

    maximum_retry_attempts: int = quotas.RETRY_ATTEMPTS_DEFAULT
    maximum_event_age_s: int = quotas.EVENT_AGE_S_DEFAULT


@dataclass(frozen=True, slots=True)
class Retry:
    """The event goes back to the queue until `due_ms` of lab time."""

    due_ms: float
    reason: RetryReason


@dataclass(frozen=True, slots=True)
class Finish:
    """The event is over."""

    condition: Condition


class EventLife:
    """One event from its 202 at `queued_ms` to its end.

    After each attempt, one of the `after_` methods says what becomes of the event. `config` may be
    replaced on the way: each decision follows what is configured at its time. `invoke_count` is how
    often the function has run; a throttle is no run.
    """

    def __init__(self, queued_ms: float, config: EventInvokeConfig) -> None:
        self.queued_ms = queued_ms
        self.config = config
        self.invoke_count = 0
        self._waits = 0

    def age_ms(self, now_ms: float) -> float:
        """How long ago the event was stored."""
        return now_ms - self.queued_ms

    def before_attempt(self, now_ms: float) -> Finish | None:
        """Return the end of an event that has grown too old while it waited for its attempt."""
        return Finish(Condition.EVENT_AGE_EXCEEDED) if self._is_too_old(now_ms) else None

    def after_success(self, now_ms: float) -> Finish:
        """The function ran and returned."""
        self.invoke_count += 1
        return Finish(Condition.SUCCESS)

    def after_function_error(self, now_ms: float) -> Retry | Finish:
        """The function ran and failed: an exception, a time-out, an exit, a lack of memory."""
        self.invoke_count += 1
        if self.invoke_count > self.config.maximum_retry_attempts:
            return Finish(Condition.RETRIES_EXHAUSTED)
        delays_s = quotas.ASYNC_RETRY_DELAYS_S
        delay_s = delays_s[min(self.invoke_count, len(delays_s)) - 1]
        return self._wait(now_ms + delay_s * 1000, RetryReason.FUNCTION_ERROR)

    def after_throttle(
        self, now_ms: float, *, jitter: float = 0.0, backoff_max_s: float = 300.0
    ) -> Retry | Finish:
        """There was no concurrency for the attempt; this uses up no retry.

        The wait doubles from 1 s to `backoff_max_s`. `jitter`, from -1 to 1, moves it by up to a
        tenth.
        """
        return self._back_off(now_ms, jitter, backoff_max_s, RetryReason.THROTTLE)

    def after_service_error(
        self, now_ms: float, *, jitter: float = 0.0, backoff_max_s: float = 300.0
    ) -> Retry | Finish:
        """Lambda itself failed (5xx): the event waits as after a throttle."""
        return self._back_off(now_ms, jitter, backoff_max_s, RetryReason.SERVICE_ERROR)

    def zero_reserved(self) -> Finish:
        """The function's reserved concurrency is 0: no attempt, no wait."""
        return Finish(Condition.ZERO_RESERVED_CONCURRENCY)

    def recursive(self) -> Finish:
        """The event has come round in a loop too often: no attempt, no wait."""
        return Finish(Condition.RECURSIVE_INVOCATION)

    def _back_off(
        self, now_ms: float, jitter: float, backoff_max_s: float, reason: RetryReason
    ) -> Retry | Finish:
        # Beyond 2^20 s the wait is at its cap whatever that is; the power must not overflow.
        delay_s = min(quotas.ASYNC_BACKOFF_FIRST_S * 2.0 ** min(self._waits, 20), backoff_max_s)
        self._waits += 1
        return self._wait(now_ms + delay_s * (1 + _JITTER_SHARE * jitter) * 1000, reason)

    def _wait(self, due_ms: float, reason: RetryReason) -> Retry | Finish:
        """The age is checked ahead: nothing waits for an attempt that would come too late."""
        if self._is_too_old(due_ms):
            return Finish(Condition.EVENT_AGE_EXCEEDED)
        return Retry(due_ms, reason)

    def _is_too_old(self, time_ms: float) -> bool:
        return self.age_ms(time_ms) >= self.config.maximum_event_age_s * 1000
