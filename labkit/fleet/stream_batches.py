"""A Kinesis event source mapping in virtual time: one shard, its records, the rules of `core`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from labkit.core.events import EventKind
from labkit.core.stream_batches import (
    BISECT,
    Drop,
    Outcome,
    StreamBatch,
    StreamSettings,
    lane_of,
)
from labkit.core.stream_mapping import StreamShard
from labkit.fleet.batch_scenario import DISCARDED, Attempt, Life, Recorder
from labkit.fleet.clock import VirtualTimer

SHARD: Final = "shardId-000000000000"
_FUNCTION_ERROR: Final = "function_error"
_RECORD_BYTES: Final = 1_000


@dataclass(frozen=True, slots=True)
class _Record:
    number: int
    partition_key: str
    arrived_ms: float
    size_bytes: int = _RECORD_BYTES

    @property
    def sequence_number(self) -> str:
        return str(self.number)


_Batch = StreamBatch[_Record]


def play_stream(recorder: Recorder) -> None:
    """Play the scenario of a stream to its end."""
    for life in recorder.lives:
        life.lane = lane_of(life.key, recorder.scenario.parallelization_factor)
    recorder.arrivals(_Play(recorder).put)
    recorder.clock.settle(recorder.scenario.horizon_s * 1000)


class _Play:
    def __init__(self, recorder: Recorder) -> None:
        self._recorder, self._clock = recorder, recorder.clock
        self._scenario = scenario = recorder.scenario
        settings = StreamSettings(
            batch_size=scenario.batch_size,
            window_s=scenario.batching_window_s,
            parallelization_factor=scenario.parallelization_factor,
            bisect_batch_on_function_error=scenario.bisect_batch,
            maximum_retry_attempts=scenario.maximum_retry_attempts,
            report_batch_item_failures=scenario.report_batch_item_failures,
        )
        self._shard: StreamShard[_Record] = StreamShard(settings, self._clock.now_ms())
        self._unread: list[_Record] = []
        self._timer: VirtualTimer | None = None

    def put(self, lives: list[Life]) -> None:
        """Records arrive in the shard."""
        self._unread += [_Record(life.number, life.key, life.arrived_ms) for life in lives]
        self._pump()

    def _pump(self) -> None:
        """Read, invoke and give up as far as the rules allow it now."""
        now_ms = self._clock.now_ms()
        while True:
            self._read(now_ms)
            taken = self._shard.take(now_ms, unread=bool(self._unread))
            if taken is None:
                break
            if isinstance(taken, Drop):
                self._give_up(taken)
            else:
                self._invoke(taken)
        self._wake(now_ms)

    def _read(self, now_ms: float) -> None:
        due_ms = self._shard.poll_due_ms(now_ms)
        if not self._unread or due_ms is None or due_ms > now_ms:
            return
        count = self._shard.wants()
        read, self._unread = self._unread[:count], self._unread[count:]
        self._recorder.emit(EventKind.POLLED, shard=SHARD, records=len(read))
        self._shard.add(read, now_ms)

    def _wake(self, now_ms: float) -> None:
        dues = [self._shard.next_due_ms(now_ms)]
        if self._unread:
            dues.append(self._shard.poll_due_ms(now_ms))
        if self._timer is not None:
            self._timer.cancel()
        due_ms = min((due for due in dues if due is not None), default=None)
        self._timer = None if due_ms is None else self._clock.call_at(due_ms, self._pump)

    def _invoke(self, batch: _Batch) -> None:
        count = len(batch.records)
        if not batch.failures and batch.reason != BISECT:
            self._emit_of(batch, EventKind.BATCH_FORMED, records=count, reason=batch.reason)
        # The rules go on with the same batch: what it was at this attempt is kept.
        attempt = replace(batch)
        end_ms = batch.begun_ms + self._scenario.duration_ms(count)
        self._clock.call_at(end_ms, lambda: self._end(batch, attempt))

    def _end(self, batch: _Batch, attempt: _Batch) -> None:
        numbers = [record.number for record in attempt.records]
        answer = self._scenario.answer(numbers)
        now_ms = self._clock.now_ms()
        outcome = self._shard.answered(
            batch, answer.payload, now_ms, function_error=answer.is_function_error
        )
        count = outcome.failed_records
        failed = tuple(numbers[len(numbers) - count :])
        is_first = not attempt.failures and attempt.reason != BISECT
        self._recorder.attempted(
            Attempt(
                batch=attempt.name,
                lane=attempt.lane,
                attempt=attempt.attempt,
                reason=attempt.reason,
                opened_ms=attempt.opened_ms if is_first else attempt.begun_ms,
                formed_ms=attempt.formed_ms if is_first else attempt.begun_ms,
                start_ms=attempt.begun_ms,
                end_ms=now_ms,
                outcome=outcome.outcome,
                records=tuple(numbers),
                failed=failed,
            )
        )
        self._emit_of(
            attempt,
            EventKind.BATCH_ENDED,
            attempt=attempt.attempt,
            records=len(numbers),
            failed_records=count,
            outcome=outcome.outcome,
            age_ms=attempt.iterator_age_ms,
        )
        self._follow(attempt, outcome)
        self._pump()

    def _follow(self, attempt: _Batch, outcome: Outcome[_Record]) -> None:
        """Tell what comes of a failure: two halves, a retry, or nothing more."""
        for half in outcome.halves:
            count = len(half.records)
            self._emit_of(half, EventKind.BATCH_FORMED, records=count, reason=half.reason)
        if outcome.retry is not None and not outcome.halves:
            self._emit_of(
                attempt,
                EventKind.RETRY_SCHEDULED,
                attempt=attempt.attempt,
                due_ms=outcome.retry.due_ms,
                reason=_FUNCTION_ERROR,
            )
        if outcome.dropped is not None:
            self._give_up(outcome.dropped)

    def _give_up(self, drop: Drop[_Record]) -> None:
        self._recorder.emit(
            EventKind.DROPPED,
            shard=SHARD,
            batch=drop.batch,
            attempt=drop.invoke_count,
            records=len(drop.records),
            reason=drop.condition,
        )
        for record in drop.records:
            self._recorder.ended(record.number, DISCARDED)

    def _emit_of(self, batch: _Batch, kind: EventKind, **fields: object) -> None:
        self._recorder.emit(kind, shard=SHARD, batch=batch.name, **fields)
