"""The rules of one lane of a shard: batches one after the other, each until it is done.

A shard has as many lanes as the mapping's parallelization factor; each takes the records of its
partition keys, so that their order holds.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Final, Generic

from labkit.core import quotas
from labkit.core.partial_batch import ERROR, PARTIAL, SUCCESS, Verdict, checkpoint, judge
from labkit.core.stream_batches import (
    AVAILABLE,
    BISECT,
    PAYLOAD,
    RECORD_AGE_EXCEEDED,
    RETRY_ATTEMPTS_EXHAUSTED,
    SIZE,
    WINDOW,
    Drop,
    Outcome,
    R,
    StreamBatch,
    StreamSettings,
)
from labkit.core.stream_windows import TumblingWindow, read_state

_EVENT_BYTES: Final = len('{"Records":[]}')
_COMMA_BYTES: Final = 1


class Lane(Generic[R]):
    """One lane. `next_name` gives the name of a new batch."""

    def __init__(
        self, number: int, settings: StreamSettings, next_name: Callable[[], str], now_ms: float
    ) -> None:
        self.settings = settings
        self._number = number
        self._next_name = next_name
        self._waiting: deque[tuple[R, float]] = deque()  # with the time at which it was read
        self._tried: deque[StreamBatch[R]] = deque()
        self._running: StreamBatch[R] | None = None
        self._free_ms = now_ms
        self._window: TumblingWindow | None = None

    @property
    def is_blocked(self) -> bool:
        """Whether a batch runs, or waits for its next attempt."""
        return self._running is not None or bool(self._tried)

    @property
    def is_idle(self) -> bool:
        """Whether there is nothing to do and nothing to wait for."""
        return not (self.is_blocked or self._waiting or self._window)

    @property
    def wants(self) -> bool:
        """Whether it would gather further records now."""
        return not self.is_blocked and len(self._waiting) < self.settings.batch_size

    def add(self, record: R, now_ms: float) -> None:
        """Put a record behind those that wait."""
        self._waiting.append((record, now_ms))

    def drain(self) -> Iterable[tuple[R, float]]:
        """Forget the records that wait; return each with the time at which it was read."""
        records, self._waiting = self._waiting, deque()
        return records

    def take(self, now_ms: float, *, unread: bool) -> StreamBatch[R] | Drop[R] | None:
        """Return the batch to invoke now, or records to give up; None if there is neither."""
        if self._running is not None:
            return None
        if self._tried:
            batch = self._tried[0]
            if (expired := self._expired_of(batch, now_ms)) is not None:
                return expired
            return self._begin(self._tried.popleft(), now_ms) if batch.due_ms <= now_ms else None
        if (expired := self._expired_waiting(now_ms)) is not None:
            return expired
        if self._is_window_over(now_ms, unread=unread):
            batch = StreamBatch(self._next_name(), self._number, (), WINDOW, self._free_ms, now_ms)
            return self._begin(batch, now_ms)
        count, reason = self._extent(now_ms)
        return self._form(count, reason, now_ms) if count else None

    def answered(
        self, batch: StreamBatch[R], payload: bytes, now_ms: float, *, function_error: bool
    ) -> Outcome[R]:
        """Decide what a function's answer to a batch means."""
        self._running = None
        names = [record.sequence_number for record in batch.records]
        verdict = judge(
            payload,
            names,
            function_error=function_error,
            reports_failures=self.settings.report_batch_item_failures,
        )
        verdict = self._keep_state(batch, verdict, names, payload)
        if verdict.outcome == SUCCESS:
            if batch.window is not None and batch.window.is_final:
                self._window = None
            self._rest(now_ms)
            return Outcome(SUCCESS)
        done = checkpoint(verdict, names) if verdict.outcome == PARTIAL else 0
        return self._failed(batch, verdict.outcome, done, now_ms)

    def throttled(self, batch: StreamBatch[R], now_ms: float) -> StreamBatch[R]:
        """Try a batch again that did not reach the function: this does not count as a retry."""
        self._running = None
        return self._schedule(batch, now_ms)

    def next_due_ms(self, now_ms: float) -> float | None:
        """Return when `take` can give something without further records, if ever."""
        if self._running is not None:
            return None
        if self._tried:
            batch = self._tried[0]
            return min(batch.due_ms, self.settings.expires_ms(batch.arrived_ms))
        due = []
        if self._waiting:
            expires_ms = self.settings.expires_ms(self._waiting[0][0].arrived_ms)
            due += [self._opened_ms() + self.settings.window_s * 1000, expires_ms]
        if self._window is not None and self._window.end_ms > now_ms:
            due.append(self._window.end_ms)
        return min(due, default=None)

    def _begin(self, batch: StreamBatch[R], now_ms: float) -> StreamBatch[R]:
        if self._window is not None:
            batch.window = self._window.call(is_final=not batch.records)
        self._running = batch
        batch.begun_ms = now_ms
        return batch

    def _form(self, count: int, reason: str, now_ms: float) -> StreamBatch[R]:
        opened_ms = self._opened_ms()
        records = tuple(self._waiting.popleft()[0] for _ in range(count))
        if self.settings.tumbling_window_s and self._window is None:
            self._window = TumblingWindow(records[0].arrived_ms, self.settings.tumbling_window_s)
        batch = StreamBatch(self._next_name(), self._number, records, reason, opened_ms, now_ms)
        return self._begin(batch, now_ms)

    def _opened_ms(self) -> float:
        """When the batch being gathered was begun: not before the one ahead of it was done."""
        return max(self._free_ms, self._waiting[0][1])

    def _extent(self, now_ms: float) -> tuple[int, str]:
        """How many of the waiting records make the next batch, and what closes it; 0 for none."""
        if not self._waiting:
            return 0, ""
        window = self._window
        if window is None and self.settings.tumbling_window_s:
            first_ms = self._waiting[0][0].arrived_ms
            window = TumblingWindow(first_ms, self.settings.tumbling_window_s)
        size = _EVENT_BYTES
        for index, (record, _) in enumerate(self._waiting):
            if index >= self.settings.batch_size:
                return index, SIZE
            if window is not None and not window.holds(record.arrived_ms):
                return index, WINDOW
            size += record.size_bytes + (_COMMA_BYTES if index else 0)
            if index and size > quotas.BATCH_PAYLOAD_MAX_BYTES:
                return index, PAYLOAD
        count = len(self._waiting)
        if count >= self.settings.batch_size:
            return count, SIZE
        if now_ms >= self._opened_ms() + self.settings.window_s * 1000:
            return count, WINDOW if self.settings.window_s else AVAILABLE
        return 0, ""

    def _is_window_over(self, now_ms: float, *, unread: bool) -> bool:
        """Whether the tumbling window has to be told that it ends."""
        window = self._window
        if window is None:
            return False
        if window.is_terminated_early:
            return True
        if now_ms < window.end_ms:
            return False
        if self._waiting:
            return not window.holds(self._waiting[0][0].arrived_ms)
        return not unread

    def _keep_state(
        self, batch: StreamBatch[R], verdict: Verdict, names: list[str], payload: bytes
    ) -> Verdict:
        """Take over the state of a tumbling window; an answer without one is an error."""
        if self._window is None or batch.window is None or batch.window.is_final:
            return verdict
        if verdict.outcome not in (SUCCESS, PARTIAL):
            return verdict
        state = read_state(payload)
        if state is None:
            return Verdict(ERROR, tuple(names))
        self._window.keep(state)
        return verdict

    def _failed(self, batch: StreamBatch[R], outcome: str, done: int, now_ms: float) -> Outcome[R]:
        """Split, retry or give up what is left of a batch of which `done` records are done.

        With bisecting on, a split is no retry, be it in the middle or, when the function named a
        record, there.
        """
        bisects = self.settings.bisect_batch_on_function_error
        rest = replace(batch, records=batch.records[done:], failures=0 if done else batch.failures)
        failed = len(rest.records)
        if bisects and done:
            return Outcome(outcome, failed, retry=self._schedule(rest, now_ms))
        if bisects and failed > 1:
            first, second = self._split(rest, now_ms)
            self._tried.appendleft(second)
            first = self._schedule(first, now_ms)
            return Outcome(outcome, failed, retry=first, halves=(first, second))
        if self.settings.may_retry(batch.retries):
            rest.retries += 1
            return Outcome(outcome, failed, retry=self._schedule(rest, now_ms))
        if batch.window is not None and batch.window.is_final:
            self._window = None
        self._rest(now_ms)
        dropped = _drop(rest, rest.records, RETRY_ATTEMPTS_EXHAUSTED, batch.attempt)
        return Outcome(outcome, failed, dropped=dropped)

    def _split(self, batch: StreamBatch[R], now_ms: float) -> tuple[StreamBatch[R], StreamBatch[R]]:
        middle = len(batch.records) // 2
        parts = batch.records[:middle], batch.records[middle:]
        first, second = (
            StreamBatch(
                name=f"{batch.name}.{number}",
                lane=batch.lane,
                records=records,
                reason=BISECT,
                opened_ms=batch.opened_ms,
                formed_ms=now_ms,
                retries=batch.retries,
                request_id=batch.request_id,
            )
            for number, records in enumerate(parts, 1)
        )
        return first, second

    def _schedule(self, batch: StreamBatch[R], now_ms: float) -> StreamBatch[R]:
        failures = batch.failures + 1
        due_ms = now_ms + self.settings.backoff_ms(failures)
        self._tried.appendleft(replace(batch, failures=failures, due_ms=due_ms))
        return self._tried[0]

    def _rest(self, now_ms: float) -> None:
        if not self._tried:
            self._free_ms = now_ms

    def _expired_of(self, batch: StreamBatch[R], now_ms: float) -> Drop[R] | None:
        """Give up the records of a batch that have become too old while it waited."""
        if self.settings.expires_ms(batch.arrived_ms) > now_ms:
            return None
        kept = [r for r in batch.records if self.settings.expires_ms(r.arrived_ms) > now_ms]
        expired = batch.records[: len(batch.records) - len(kept)]
        batch.records = tuple(kept)
        if not kept:
            self._tried.popleft()
            if batch.window is not None and batch.window.is_final:
                self._window = None
            self._rest(now_ms)
        return _drop(batch, expired, RECORD_AGE_EXCEEDED, max(1, batch.retries))

    def _expired_waiting(self, now_ms: float) -> Drop[R] | None:
        """Give up records that were too old before any attempt; it counts as one all the same."""
        expired: list[R] = []
        while self._waiting and len(expired) < self.settings.batch_size:
            if self.settings.expires_ms(self._waiting[0][0].arrived_ms) > now_ms:
                break
            expired.append(self._waiting.popleft()[0])
        if not expired:
            return None
        name = self._next_name()
        return Drop(name, self._number, tuple(expired), RECORD_AGE_EXCEEDED, 1)


def _drop(
    batch: StreamBatch[R], records: tuple[R, ...], condition: str, invoke_count: int
) -> Drop[R]:
    return Drop(batch.name, batch.lane, records, condition, invoke_count, batch.request_id)
