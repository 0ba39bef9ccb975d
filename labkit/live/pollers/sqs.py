"""The poller of one SQS event source mapping: it does what `core.sqs_mapping` decides.

It sleeps until something happens: a message becomes visible, a batch ends, a timer is due.
"""

from __future__ import annotations

import secrets
import threading
import uuid
from collections.abc import Callable, Sequence
from typing import Final

from labkit.core.clock import Timer
from labkit.core.errors import ApiError
from labkit.core.event_records import event_payload
from labkit.core.events import EventKind
from labkit.core.partial_batch import ERROR, Verdict, judge, retry_reason
from labkit.core.sqs_mapping import Batch, SqsMapping, SqsSettings
from labkit.live.pollers.queue_messages import Received, sort_out, trace_header
from labkit.live.pollers.queue_port import (
    QueueConfig,
    QueueContext,
    QueueHandle,
    QueueMapping,
)

_THROTTLED: Final = "throttled"
# Whatever failed in the lab itself, the mapping must not stand still for good.
_AFTER_FAILURE_MS: Final = 1_000.0


_Batch = Batch[Received]


class SqsPoller:
    """Receives, batches, invokes and deletes, for one enabled mapping.

    The methods may be called from any thread and return at once; the work runs in the lab's
    workers. After `stop` the batches that run are finished, and what was received but not invoked
    is visible in the queue again.
    """

    last_result: str | None = None  # only mappings of streams tell one

    def __init__(self, *, mapping: QueueMapping, context: QueueContext) -> None:
        self._mapping = mapping
        self._config = mapping.config
        self._context = context
        self._rules: SqsMapping[Received] = SqsMapping(
            _settings(mapping.config, mapping.event_source_arn)
        )
        self._name = secrets.token_hex(4)
        self._lock = threading.Lock()
        self._queue: QueueHandle | None = None
        self._unwatch: Callable[[], None] | None = None
        self._running = False
        self._polling = False
        self._again = False
        self._timer: Timer | None = None
        self._due: tuple[float, bool] | None = None  # when, and whether settling waits for it
        self._retries: dict[_Batch, Timer] = {}

    def start(self) -> None:
        """Begin to poll, or go on after `stop`."""
        with self._lock:
            self._running = True
        self._wake()

    def stop(self) -> None:
        """Take no more messages."""
        with self._lock:
            self._running = False
            self._set_timer(None)
            unwatch, self._unwatch = self._unwatch, None
            throttled = list(self._retries)
            for timer in self._retries.values():
                timer.cancel()
            self._retries.clear()
            back = self._rules.drain()
            for batch in throttled:
                back += batch.messages
                self._rules.ended(batch, self._context.clock.now_ms(), failed=False)
        if unwatch is not None:
            unwatch()
        self._give_back(back)

    def update(self, config: QueueConfig) -> None:
        """Follow other settings from now on."""
        with self._lock:
            self._config = config
            self._rules.settings = _settings(config, self._mapping.event_source_arn)
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
            while True:
                queue = self._find_queue()
                while queue is not None and self._receive(queue):
                    pass
                with self._lock:
                    if not (self._again and self._running):
                        self._polling = self._again = False
                        return
                    self._again = False
        except BaseException:
            with self._lock:
                self._polling = self._again = False
            clock = self._context.clock
            clock.call_at(clock.now_ms() + _AFTER_FAILURE_MS, self._wake, pending=False)
            raise

    def _find_queue(self) -> QueueHandle | None:
        """The queue, watched; None if it is gone, or the poller has been stopped."""
        with self._lock:
            if not self._running:
                return None
            if self._unwatch is not None and self._queue is not None and self._queue.exists:
                return self._queue
            unwatch, self._unwatch = self._unwatch, None
        if unwatch is not None:
            unwatch()
        queues, arn = self._context.queues, self._mapping.event_source_arn
        queue = queues.find(arn)
        if queue is not None:
            unwatch = queue.watch(self._wake)
        else:  # a queue that was deleted may be created anew
            unwatch = queues.watch_creation(arn, self._wake)
            if queues.find(arn) is not None:
                self._wake()
        with self._lock:
            self._queue = queue
            if self._running:
                self._unwatch, unwatch = unwatch, None
        if unwatch is not None:  # stopped meanwhile
            unwatch()
            return None
        return queue

    def _receive(self, queue: QueueHandle) -> bool:
        """Start what can run and receive once; return whether to do so again."""
        waiting = queue.visible_count() > 0
        visible_ms = queue.next_visible_ms()
        with self._lock:
            if not self._running:
                return False
            now_ms = self._context.clock.now_ms()
            batches = self._take(now_ms)
            limit = self._rules.wants(now_ms, waiting=waiting)
            busy = self._rules.busy_groups
            self._set_next_timer(now_ms, visible_ms)
        for batch in batches:
            self._start(batch)
        if not limit:
            return False
        received = queue.receive(limit, busy)
        if not received:
            return False
        self._emit(EventKind.POLLED, records=len(received))
        matching, others = sort_out(received, queue.arn, self._config.filters)
        if others:
            queue.delete([message.receipt_handle for message in others])
            self._emit(EventKind.FILTERED, records=len(others))
        with self._lock:
            if self._running:
                grown = self._rules.add(matching, self._context.clock.now_ms())
                # Without a visibility timeout the queue gives the same messages again and again.
                return grown or bool(others) or queue.visibility_timeout_s > 0
        self._give_back(matching)
        return False

    def _take(self, now_ms: float) -> list[_Batch]:
        batches = []
        while (batch := self._rules.take(now_ms)) is not None:
            batches.append(batch)
        return batches

    def _set_next_timer(self, now_ms: float, visible_ms: float | None) -> None:
        """Be woken by what comes next of itself. The caller holds the lock."""
        due = [self._rules.window_due_ms()]
        if self._rules.room(now_ms) > 0:
            due.append(visible_ms)
        awaited_ms = [at for at in due if at is not None]
        # Settling need not wait for a free slot: the batches that hold the slots end before.
        slot_ms = self._rules.next_slot_ms(now_ms)
        first_ms = min([*awaited_ms, *([] if slot_ms is None else [slot_ms])], default=None)
        self._set_timer(first_ms, pending=bool(awaited_ms))

    def _set_timer(self, time_ms: float | None, *, pending: bool = True) -> None:
        """The caller holds the lock."""
        due = None if time_ms is None else (time_ms, pending)
        if due == self._due:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._due, self._timer = due, None
        if due is not None:
            self._timer = self._context.clock.call_at(
                due[0], lambda: self._on_timer(due), pending=pending
            )

    def _on_timer(self, due: tuple[float, bool]) -> None:
        with self._lock:
            if self._due == due:  # else another was set while this one fired
                self._due = self._timer = None
        self._wake()

    # Invoking.

    def _start(self, batch: _Batch) -> None:
        self._emit_of(batch, EventKind.BATCH_FORMED, reason=batch.reason)
        self._context.workers.submit(lambda: self._invoke(batch))

    def _retry(self, batch: _Batch) -> None:
        with self._lock:
            if self._retries.pop(batch, None) is None:
                return  # stopped, and given back
            self._rules.retry(batch, self._context.clock.now_ms())
        self._context.workers.submit(lambda: self._invoke(batch))

    def _invoke(self, batch: _Batch) -> None:
        request_id = str(uuid.uuid4())
        identifiers = [received.message.message_id for received in batch.messages]
        config = self._config
        try:
            result = self._context.calls.invoke(
                self._mapping.function_arn,
                event_payload(received.record for received in batch.messages),
                request_id=request_id,
                attempt=batch.attempt,
                trace_header=trace_header(batch.messages),
                mapping=self._mapping.uuid,
            )
        except ApiError as error:
            reason = retry_reason(error.status)
            if reason is not None:
                self._refused(batch, request_id, reason)
                return
            verdict = Verdict(ERROR, tuple(identifiers))
        except BaseException:
            self._end(batch, request_id, Verdict(ERROR, tuple(identifiers)))
            raise
        else:
            verdict = judge(
                result.payload,
                identifiers,
                function_error=result.function_error is not None,
                reports_failures=config.report_batch_item_failures,
            )
        self._end(batch, request_id, verdict)

    def _refused(self, batch: _Batch, request_id: str, reason: str) -> None:
        """Try a throttled batch again later, or leave its messages to the queue."""
        queue = self._queue
        visibility_s = queue.visibility_timeout_s if queue is not None and queue.exists else 0.0
        with self._lock:
            now_ms = self._context.clock.now_ms()
            due_ms = self._rules.throttled(batch, now_ms, visibility_s) if self._running else None
            if due_ms is not None:
                self._retries[batch] = self._context.clock.call_at(
                    due_ms, lambda: self._retry(batch)
                )
        names = tuple(received.message.message_id for received in batch.messages)
        if due_ms is None:
            self._end(batch, request_id, Verdict(_THROTTLED, names))
            return
        self._emit_ended(batch, request_id, Verdict(_THROTTLED, names))
        self._emit_of(
            batch, EventKind.RETRY_SCHEDULED, attempt=batch.attempt, due_ms=due_ms, reason=reason
        )

    def _end(self, batch: _Batch, request_id: str, verdict: Verdict) -> None:
        """Delete what is done; the rest comes back after its visibility timeout."""
        failed = frozenset(verdict.failed)
        done = [
            received.message.receipt_handle
            for received in batch.messages
            if received.message.message_id not in failed
        ]
        if done and self._queue is not None:
            self._queue.delete(done)
        self._emit_ended(batch, request_id, verdict)
        with self._lock:
            behind = self._rules.ended(
                batch,
                self._context.clock.now_ms(),
                failed=bool(failed),
                throttled=verdict.outcome == _THROTTLED,
            )
        self._give_back(behind)
        self._wake()

    def _give_back(self, messages: Sequence[Received]) -> None:
        if messages and self._queue is not None:
            self._queue.make_visible([received.message.receipt_handle for received in messages])

    # Events.

    def _emit_ended(self, batch: _Batch, request_id: str, verdict: Verdict) -> None:
        self._emit_of(
            batch,
            EventKind.BATCH_ENDED,
            attempt=batch.attempt,
            request_id=request_id,
            failed_records=len(verdict.failed),
            outcome=verdict.outcome,
        )

    def _emit_of(self, batch: _Batch, kind: EventKind, **fields: object) -> None:
        self._emit(
            kind,
            shard=batch.group,
            batch=f"{self._name}-{batch.number}",
            records=len(batch.messages),
            **fields,
        )

    def _emit(self, kind: EventKind, **fields: object) -> None:
        self._context.events.append(
            kind,
            function=self._mapping.function_arn.split(":")[6],
            mapping=self._mapping.uuid,
            **fields,
        )


def _settings(config: QueueConfig, queue_arn: str) -> SqsSettings:
    return SqsSettings(
        batch_size=config.batch_size,
        window_s=config.maximum_batching_window_s,
        fifo=queue_arn.endswith(".fifo"),
        maximum_concurrency=config.maximum_concurrency,
        minimum_pollers=config.minimum_pollers,
        maximum_pollers=config.maximum_pollers,
        report_batch_item_failures=config.report_batch_item_failures,
    )
