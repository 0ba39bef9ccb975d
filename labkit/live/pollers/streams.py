"""The poller of one stream's mapping: it does what `core.stream_mapping` decides.

It sleeps until something happens: records come, a batch ends, a timer is due.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from labkit.core.batch_failures import BatchResponse
from labkit.core.clock import Timer
from labkit.core.errors import ApiError
from labkit.core.event_records import encode_record, event_payload
from labkit.core.partial_batch import ERROR, SERVICE_ERROR, TIMEOUT, retry_reason
from labkit.core.stream_batches import BISECT, Drop, StreamSettings
from labkit.core.stream_mapping import ShardInfo, StreamShard, readable
from labkit.core.stream_windows import window_fields
from labkit.live.invoke import InvokeResult
from labkit.live.moto_seam.streams import LATEST, TRIM_HORIZON, StreamHandle
from labkit.live.pollers.stream_port import StreamConfig, StreamContext, StreamMapping
from labkit.live.pollers.stream_reports import ReadBatch, ReadRecord, StreamReports

NO_RECORDS: Final = "No records processed"
OK: Final = "OK"
FAILED: Final = "PROBLEM: Function call failed"
"""What LastProcessingResult of the mapping says."""

_LATEST_VERSION: Final = "$LATEST"
# Whatever failed in the lab itself, the mapping must not stand still for good.
_AFTER_FAILURE_MS: Final = 1_000.0


@dataclass(slots=True, eq=False)
class _Shard:
    """A shard that is read: its rules, the last sequence number read, and when it is polled next.

    `poll_ms` is set while there is something to read and a batch to read it for.
    """

    shard_id: str
    rules: StreamShard[ReadRecord]
    position: int
    poll_ms: float | None = None

    def expect_poll(self, stream: StreamHandle, now_ms: float) -> bool:
        """Fix when to poll, unless that is fixed; tell whether there is something to read."""
        unread = stream.has_more(self.shard_id, self.position)
        if not unread or not self.rules.wants():
            self.poll_ms = None
        elif self.poll_ms is None:
            self.poll_ms = self.rules.poll_due_ms(now_ms)
        return unread


class StreamPoller:
    """Reads, batches and invokes, for one mapping.

    The methods may be called from any thread and return at once; the work runs in the lab's
    workers. After `stop` the batches that run are finished; `start` goes on where that ended.
    `last_result` is the mapping's LastProcessingResult.
    """

    def __init__(self, *, mapping: StreamMapping, context: StreamContext) -> None:
        self._mapping = mapping
        self._context = context
        self._reports = StreamReports(mapping, context)
        self._lock = threading.Lock()
        self._stream: StreamHandle | None = None
        self._was_found = False
        self._positions: dict[str, int] = {}
        self._shards: dict[str, _Shard] = {}
        self._finished: set[str] = set()
        self._unwatch: Callable[[], None] | None = None
        self._running = False
        self._polling = False
        self._again = False
        self._timer: Timer | None = None
        self._due_ms: float | None = None
        self.last_result: str | None = NO_RECORDS

    def start(self) -> None:
        """Begin to poll; the first time from the starting position."""
        if self._unwatch is None:
            arn = self._mapping.event_source_arn
            self._unwatch = self._context.streams.watch(arn, self._wake)
        with self._lock:
            self._running = True
            self._find_stream()
        self._wake()

    def stop(self) -> None:
        """Read no more, and begin no further attempt."""
        with self._lock:
            self._running = False
            self._set_timer(None)
            unwatch, self._unwatch = self._unwatch, None
        if unwatch is not None:
            unwatch()

    def update(self, config: StreamConfig) -> None:
        """Follow the other settings that the mapping has now."""
        self._wake()

    # Polling. One thread polls at a time; whoever has news meanwhile sets `_again`.

    def _wake(self) -> None:
        with self._lock:
            if not self._running:
                return
            if self._polling:
                self._again = True
                return
            self._polling = True
        self._context.workers.submit(self._poll)

    def _poll(self) -> None:
        try:
            while self._poll_once():
                pass
        except BaseException:
            with self._lock:
                self._polling = self._again = False
            clock = self._context.clock
            clock.call_at(clock.now_ms() + _AFTER_FAILURE_MS, self._wake, pending=False)
            raise

    def _poll_once(self) -> bool:
        """Do all that is due now; return whether to look again at once."""
        now_ms = self._context.clock.now_ms()
        with self._lock:
            self._again = False
            shards = self._open_shards(now_ms) if self._running else []
        due = [at for shard in shards if (at := self._work(shard, now_ms)) is not None]
        with self._lock:
            if self._running:
                self._set_timer(min(due, default=None))
                if self._again or self._has_ended_shards():
                    return True
            self._polling = False
            return False

    def _work(self, shard: _Shard, now_ms: float) -> float | None:
        """Read the shard if a poll is due, start what can run; return when to come again."""
        stream = self._stream
        if stream is None:
            return None
        with self._lock:
            shard.rules.settings = self._settings(stream)
            shard.expect_poll(stream, now_ms)
            limit = shard.rules.wants()
            is_due = shard.poll_ms is not None and shard.poll_ms <= now_ms
        if is_due:
            self._read(stream, shard, limit, now_ms)
        batches: list[ReadBatch] = []
        drops: list[Drop[ReadRecord]] = []
        with self._lock:
            unread = stream.has_more(shard.shard_id, shard.position)
            while self._running and (taken := shard.rules.take(now_ms, unread=unread)) is not None:
                if isinstance(taken, Drop):
                    drops.append(taken)
                else:
                    batches.append(taken)
            shard.expect_poll(stream, now_ms)
            due_ms = shard.rules.next_due_ms(now_ms)
        for batch in batches:
            self._start(shard, batch)
        for drop in drops:
            self._reports.dropped(shard.shard_id, drop, None)
        return min((at for at in (shard.poll_ms, due_ms) if at is not None), default=None)

    def _read(self, stream: StreamHandle, shard: _Shard, limit: int, now_ms: float) -> None:
        """Poll once: the records that match wait to be batched, the others are passed over."""
        items, position = stream.read(shard.shard_id, shard.position, limit)
        filters = self._mapping.config.filters
        matching = []
        for item in items:
            record = item.event_record(shard.shard_id, self._mapping.role_arn)
            if filters is None or filters.matches(record, stream.source):
                matching.append(ReadRecord(item, encode_record(record)))
        if items:  # else they have expired meanwhile
            self._reports.polled(shard.shard_id, len(items), len(matching))
        with self._lock:
            shard.position, shard.poll_ms = position, None
            shard.rules.add(matching, now_ms)

    # Shards. The caller holds the lock.

    def _find_stream(self) -> StreamHandle | None:
        """The stream. One that was made anew under the old name is read from its beginning."""
        if self._stream is not None and self._stream.exists:
            return self._stream
        self._stream = self._context.streams.find(self._mapping.event_source_arn)
        self._positions.clear()
        self._shards.clear()
        self._finished.clear()
        if self._stream is not None:
            start = self._mapping.config.starting_position or LATEST
            self._enter(self._stream, TRIM_HORIZON if self._was_found else start)
            self._was_found = True
        return self._stream

    def _enter(self, stream: StreamHandle, start: str) -> None:
        """Fix where reading begins, in each shard that has no position yet."""
        timestamp_ms = (self._mapping.config.starting_position_timestamp_s or 0.0) * 1000
        for shard in stream.shards():
            if shard.shard_id not in self._positions:
                position = stream.position(shard.shard_id, start, timestamp_ms)
                self._positions[shard.shard_id] = position

    def _open_shards(self, now_ms: float) -> list[_Shard]:
        """The shards to read now; a parent comes before its children."""
        stream = self._find_stream()
        if stream is None:
            return []
        self._enter(stream, TRIM_HORIZON)
        shards = stream.shards()
        self._finished |= {shard.shard_id for shard in shards if self._is_finished(stream, shard)}
        opened = []
        for shard_id in readable(shards, self._finished):
            if shard_id not in self._shards:
                rules: StreamShard[ReadRecord] = StreamShard(self._settings(stream), now_ms)
                self._shards[shard_id] = _Shard(shard_id, rules, self._positions[shard_id])
            opened.append(self._shards[shard_id])
        return opened

    def _has_ended_shards(self) -> bool:
        """Whether a shard has come to its end meanwhile, so that its children can be read."""
        stream = self._stream
        if stream is None or not stream.exists:
            return False
        return any(
            shard.shard_id not in self._finished and self._is_finished(stream, shard)
            for shard in stream.shards()
        )

    def _is_finished(self, stream: StreamHandle, info: ShardInfo) -> bool:
        shard = self._shards.get(info.shard_id)
        position = shard.position if shard else self._positions.get(info.shard_id, 0)
        if not info.is_closed or stream.has_more(info.shard_id, position):
            return False
        return shard is None or shard.rules.is_idle

    def _set_timer(self, due_ms: float | None) -> None:
        if due_ms == self._due_ms and self._timer is not None:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._due_ms, self._timer = due_ms, None
        if due_ms is not None:
            self._timer = self._context.clock.call_at(due_ms, lambda: self._on_timer(due_ms))

    def _on_timer(self, due_ms: float) -> None:
        with self._lock:
            if self._due_ms == due_ms:  # else another was set while this one fired
                self._due_ms = self._timer = None
        self._wake()

    def _settings(self, stream: StreamHandle) -> StreamSettings:
        config = self._mapping.config
        return StreamSettings(
            batch_size=config.batch_size,
            window_s=config.maximum_batching_window_s,
            parallelization_factor=config.parallelization_factor,
            bisect_batch_on_function_error=config.bisect_batch_on_function_error,
            maximum_retry_attempts=config.maximum_retry_attempts,
            maximum_record_age_s=config.maximum_record_age_s,
            tumbling_window_s=config.tumbling_window_s,
            report_batch_item_failures=config.report_batch_item_failures,
            polls_per_s=stream.polls_per_s,
            poll_records_max=stream.poll_records_max,
            backoff_max_s=self._context.settings.stream_backoff_max_s,
            retention_s=stream.retention_s,
        )

    # Invoking. The caller does not hold the lock.

    def _start(self, shard: _Shard, batch: ReadBatch) -> None:
        if batch.failures == 0 and batch.reason != BISECT:  # else told before
            self._reports.formed(shard.shard_id, batch)
        batch.request_id = str(uuid.uuid4())
        self._context.workers.submit(lambda: self._invoke(shard, batch))

    def _invoke(self, shard: _Shard, batch: ReadBatch) -> None:
        window = batch.window
        fields = None
        if window is not None:
            fields = window_fields(window, shard.shard_id, self._mapping.event_source_arn)
        try:
            result = self._context.calls.invoke(
                self._mapping.function_arn,
                event_payload((record.record for record in batch.records), fields),
                request_id=batch.request_id,
                attempt=batch.attempt,
                mapping=self._mapping.uuid,
            )
        except ApiError as error:
            # What the Invoke API refuses for good (the function is gone) may be mended, too.
            self._refused(shard, batch, retry_reason(error.status) or SERVICE_ERROR)
        except BaseException:
            self._refused(shard, batch, SERVICE_ERROR)
            raise
        else:
            self._answered(shard, batch, result)
        finally:
            self._wake()

    def _refused(self, shard: _Shard, batch: ReadBatch, reason: str) -> None:
        with self._lock:
            self.last_result = FAILED
            retry = shard.rules.throttled(batch, self._context.clock.now_ms())
        self._reports.refused(shard.shard_id, batch, retry.due_ms, reason)

    def _answered(self, shard: _Shard, batch: ReadBatch, result: InvokeResult) -> None:
        now_ms = self._context.clock.now_ms()
        is_error = result.function_error is not None
        with self._lock:
            outcome = shard.rules.answered(batch, result.payload, now_ms, function_error=is_error)
            self.last_result = FAILED if outcome.outcome in (ERROR, TIMEOUT) else OK
            if self._stream is not None and self._shards.get(shard.shard_id) is shard:
                shard.expect_poll(self._stream, now_ms)
        self._reports.answered(shard.shard_id, batch, outcome)
        if outcome.dropped is not None:
            response = BatchResponse(
                result.executed_version or _LATEST_VERSION, result.function_error
            )
            self._reports.dropped(shard.shard_id, outcome.dropped, response)
