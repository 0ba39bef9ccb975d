"""An SQS event source mapping in virtual time: a queue, its messages, and the rules of `core`."""

from __future__ import annotations

from dataclasses import dataclass

from labkit.core.events import EventKind
from labkit.core.message_queue import Held, MessageQueue
from labkit.core.partial_batch import Verdict, judge
from labkit.core.sqs_mapping import Batch, SqsMapping, SqsSettings
from labkit.fleet.batch_scenario import DEAD_LETTER, Attempt, Life, Recorder
from labkit.fleet.clock import VirtualTimer

_MESSAGE_BYTES = 1_000


@dataclass(frozen=True, slots=True)
class _Message:
    held: Held[int]
    size_bytes: int = _MESSAGE_BYTES
    group_id: str | None = None

    @property
    def number(self) -> int:
        return self.held.content


def play_queue(recorder: Recorder) -> None:
    """Play the scenario of a queue to its end."""
    recorder.arrivals(_Play(recorder).send)
    recorder.clock.settle(recorder.scenario.horizon_s * 1000)


class _Play:
    def __init__(self, recorder: Recorder) -> None:
        self._recorder, self._clock = recorder, recorder.clock
        self._scenario = scenario = recorder.scenario
        self._mapping: SqsMapping[_Message] = SqsMapping(
            SqsSettings(
                batch_size=scenario.batch_size,
                window_s=scenario.batching_window_s,
                report_batch_item_failures=scenario.report_batch_item_failures,
            )
        )
        self._queue: MessageQueue[int] = MessageQueue()
        self._back_ms: dict[int, float] = {}  # when a message that was received is visible again
        self._timer: VirtualTimer | None = None

    def send(self, lives: list[Life]) -> None:
        """Messages arrive in the queue."""
        for life in lives:
            self._queue.add(life.number, self._clock.now_ms())
        self._pump()

    def _pump(self) -> None:
        """Receive, gather and invoke as far as the rules allow it now."""
        mapping, now_ms = self._mapping, self._clock.now_ms()
        while True:
            while (batch := mapping.take(now_ms)) is not None:
                self._invoke(batch)
            waiting = self._queue.receivable(now_ms) > 0
            wanted = mapping.wants(now_ms, waiting=waiting)
            if not wanted:
                break
            messages = self._receive(wanted, now_ms)
            if messages:
                self._recorder.emit(EventKind.POLLED, records=len(messages))
                mapping.add(messages, now_ms)
        self._wake(now_ms, waiting)

    def _receive(self, limit: int, now_ms: float) -> list[_Message]:
        """Receive messages; those that were received too often go to the dead-letter queue."""
        timeout_s, most = self._scenario.visibility_timeout_s, self._scenario.max_receive_count
        received = self._queue.receive(now_ms, limit, timeout_s, receives_max=most)
        for held in (*received.messages, *received.exhausted):
            if held.content in self._back_ms:
                self._recorder.life(held.content).visible_ms.append(self._back_ms[held.content])
            self._back_ms[held.content] = now_ms + timeout_s * 1000
        for held in received.exhausted:
            self._recorder.ended(held.content, DEAD_LETTER)
        return [_Message(held) for held in received.messages]

    def _wake(self, now_ms: float, waiting: bool) -> None:
        """Look again when a window is over, a slot is free or a message is visible again."""
        dues = [self._mapping.window_due_ms(), self._queue.next_visible_ms(now_ms)]
        if waiting:
            dues.append(self._mapping.next_slot_ms(now_ms))
        if self._timer is not None:
            self._timer.cancel()
        due_ms = min((due for due in dues if due is not None), default=None)
        self._timer = None if due_ms is None else self._clock.call_at(due_ms, self._pump)

    def _invoke(self, batch: Batch[_Message]) -> None:
        count = len(batch.messages)
        name = str(batch.number)
        self._recorder.emit(EventKind.BATCH_FORMED, batch=name, records=count, reason=batch.reason)
        end_ms = batch.begun_ms + self._scenario.duration_ms(count)
        self._clock.call_at(end_ms, lambda: self._end(batch))

    def _end(self, batch: Batch[_Message]) -> None:
        numbers = [message.number for message in batch.messages]
        verdict = self._verdict(numbers)
        failed = tuple(int(name) for name in verdict.failed)
        for message in batch.messages:
            if message.number not in failed:
                self._queue.delete(message.held)
        self._mapping.ended(batch, self._clock.now_ms(), failed=bool(failed))
        self._recorder.attempted(
            Attempt(
                batch=str(batch.number),
                lane=0,
                attempt=batch.attempt,
                reason=batch.reason,
                opened_ms=batch.polled_ms,
                formed_ms=batch.formed_ms,
                start_ms=batch.begun_ms,
                end_ms=self._clock.now_ms(),
                outcome=verdict.outcome,
                records=tuple(dict.fromkeys(numbers)),  # one may have been received twice
                failed=tuple(dict.fromkeys(failed)),
            )
        )
        self._recorder.emit(
            EventKind.BATCH_ENDED,
            batch=str(batch.number),
            attempt=batch.attempt,
            records=len(numbers),
            failed_records=len(failed),
            outcome=verdict.outcome,
        )
        self._pump()

    def _verdict(self, numbers: list[int]) -> Verdict:
        answer = self._scenario.answer(numbers)
        return judge(
            answer.payload,
            [str(number) for number in numbers],
            function_error=answer.is_function_error,
            reports_failures=self._scenario.report_batch_item_failures,
        )
