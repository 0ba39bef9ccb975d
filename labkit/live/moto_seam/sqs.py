"""The queues of moto's SQS: their messages are kept by the rules of the lab, in lab time.

moto keeps a queue's name, attributes, policy and tags. Its own messages are looked through one by
one at each call, and wait for real time.
"""

from __future__ import annotations

import hashlib
import itertools
import secrets
import threading
import uuid
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace
from typing import Any, Final

from labkit.core.clock import Clock
from labkit.core.message_queue import Deduplication, Held, MessageQueue
from labkit.live.moto_seam.sqs_messages import (
    ReceiptHandleError,
    ReceivedMessage,
    Sent,
    read_handle,
    received,
)
from labkit.live.nap import Nap

_SEQUENCE_START: Final = 18_870_000_000_000_000_000
_SEQUENCE_STEP: Final = 256

Watcher = Callable[[], None]


class _Stock:
    """What the lab keeps for one queue of moto's."""

    def __init__(self, fifo: bool) -> None:
        self.messages: MessageQueue[Sent] = MessageQueue(fifo=fifo)
        self.deduplication: Deduplication[Sent] = Deduplication()
        self.watchers: list[Watcher] = []
        self.secret = secrets.token_hex(48)


class ExpiredHandleError(Exception):
    """The handle is not that of the last receive, or its visibility timeout is over."""


class QueueStore:
    """The messages of all queues. `queues` finds moto's queue of an ARN, None if there is none.

    Where a method takes a `queue`, it is moto's. Safe to use from several threads; watchers are
    called without locks held.
    """

    def __init__(self, clock: Clock, queues: Callable[[str], Any]) -> None:
        self.clock = clock
        self._queues = queues
        self._lock = threading.Lock()
        self._sequence = itertools.count(_SEQUENCE_START, _SEQUENCE_STEP)
        self._watched: dict[Any, _Stock] = {}
        self._awaited: dict[str, list[Watcher]] = {}

    def find(self, queue_arn: str) -> QueueHandle | None:
        """Return the queue of an ARN, None if there is none."""
        queue = self._queues(queue_arn)
        return None if queue is None else QueueHandle(self, queue)

    def exists(self, queue: Any) -> bool:
        """Tell whether the queue has not been deleted."""
        return self._queues(queue.queue_arn) is queue

    def send(
        self,
        queue: Any,
        body: str,
        *,
        attributes: Mapping[str, Mapping[str, Any]],
        md5_of_attributes: str | None,
        size_bytes: int,
        delay_s: float,
        group_id: str | None,
        deduplication_id: str | None,
        trace_header: str | None,
    ) -> Sent:
        """Put a message into the queue; return it, or the one that it repeats."""
        now_ms = self.clock.now_ms()
        md5 = hashlib.md5(body.encode(), usedforsecurity=False).hexdigest()
        with self._lock:
            stock = _stock(queue)
            sequence = str(next(self._sequence)) if queue.fifo_queue else None
            sent = Sent(
                message_id=str(uuid.uuid4()),
                body=body,
                md5_of_body=md5,
                attributes=attributes,
                md5_of_attributes=md5_of_attributes,
                size_bytes=size_bytes,
                sent_ms=now_ms,
                trace_header=trace_header,
                group_id=group_id,
                deduplication_id=deduplication_id,
                sequence_number=sequence,
            )
            if queue.fifo_queue and deduplication_id is not None:
                scope = group_id if queue.deduplication_scope == "messageGroup" else None
                first = stock.deduplication.first(sent, deduplication_id, scope, now_ms)
                if first is not None:
                    return first
            stock.messages.add(sent, now_ms, group=group_id, delay_s=delay_s)
            watchers = tuple(stock.watchers)
        _call(watchers)
        return sent

    def receive(
        self, queue: Any, limit: int, timeout_s: float, exclude_groups: Collection[str] = ()
    ) -> list[ReceivedMessage]:
        """Receive up to `limit` messages; those received too often go to the dead-letter queue."""
        now_ms = self.clock.now_ms()
        policy = queue.redrive_policy
        target = None if policy is None else self._queues(policy["deadLetterTargetArn"])
        watchers: tuple[Watcher, ...] = ()
        with self._lock:
            stock = _stock(queue)
            taken = stock.messages.receive(
                now_ms,
                limit,
                timeout_s,
                receives_max=None if target is None else policy["maxReceiveCount"],
                exclude=exclude_groups,
            )
            if taken.exhausted:
                dead = _stock(target)
                watchers = tuple(dead.watchers)
                for held in taken.exhausted:
                    content = replace(held.content, source_arn=queue.queue_arn)
                    dead.messages.adopt(content, held, now_ms, keeps_age=not queue.fifo_queue)
            found = [received(held, stock.secret) for held in taken.messages]
        _call(watchers)
        return found

    def wait_and_receive(
        self, queue: Any, limit: int, timeout_s: float, wait_s: float
    ) -> list[ReceivedMessage]:
        """Receive as soon as there is a message, for `wait_s` of lab time at most."""
        if wait_s <= 0:
            return self.receive(queue, limit, timeout_s)
        end_ms = self.clock.now_ms() + wait_s * 1000
        nap = Nap(self.clock)
        unwatch = self.watch(queue, nap.wake)
        try:
            while True:
                found = self.receive(queue, limit, timeout_s)
                if found or self.clock.now_ms() >= end_ms or not self.exists(queue):
                    return found
                next_ms = self.next_visible_ms(queue)
                wake_ms = end_ms if next_ms is None else min(next_ms, end_ms)
                timer = self.clock.call_at(wake_ms, nap.wake, pending=False)
                nap.sleep()
                timer.cancel()
        finally:
            unwatch()
            nap.end()

    def delete(self, queue: Any, receipt_handle: str) -> None:
        """Delete a message; one that is gone does not matter.

        Raises ReceiptHandleError, and for a FIFO queue ExpiredHandleError.
        """
        with self._lock:
            stock = _stock(queue)
            held, is_last = self._held(stock, receipt_handle)
            if held is None:
                return
            if queue.fifo_queue and not (is_last and held.in_flight):
                raise ExpiredHandleError
            stock.messages.delete(held)
            watchers = tuple(stock.watchers) if queue.fifo_queue else ()
        _call(watchers)

    def change_visibility(self, queue: Any, receipt_handle: str, timeout_s: float) -> None:
        """Let a message be visible again `timeout_s` from now.

        Raises ReceiptHandleError, ExpiredHandleError for a message that is not in flight, and
        ValueError if it would be invisible for more than 12 hours in all.
        """
        now_ms = self.clock.now_ms()
        with self._lock:
            stock = _stock(queue)
            held, is_last = self._held(stock, receipt_handle)
            if held is None or not (is_last and held.in_flight):
                raise ExpiredHandleError
            if not held.may_hide(now_ms, timeout_s):
                raise ValueError(timeout_s)
            stock.messages.change_visibility(held, now_ms, timeout_s)
            watchers = tuple(stock.watchers)
        _call(watchers)

    def purge(self, queue: Any) -> None:
        """Delete all messages."""
        with self._lock:
            stock = _stock(queue)
            stock.messages.clear()
            watchers = tuple(stock.watchers)
        _call(watchers)

    def counts(self, queue: Any) -> tuple[int, int, int]:
        """Return how many messages are visible, delayed and in flight."""
        with self._lock:
            return _stock(queue).messages.counts(self.clock.now_ms())

    def receivable(self, queue: Any) -> int:
        """Return how many messages a receive could give."""
        with self._lock:
            return _stock(queue).messages.receivable(self.clock.now_ms())

    def next_visible_ms(self, queue: Any) -> float | None:
        """Return when the next message that is delayed or in flight can appear."""
        with self._lock:
            return _stock(queue).messages.next_visible_ms(self.clock.now_ms())

    def watch(self, queue: Any, watcher: Watcher) -> Callable[[], None]:
        """Call `watcher` after anything but time changed what can be received."""
        with self._lock:
            stock = self._watched[queue] = _stock(queue)
            stock.watchers.append(watcher)

        def unwatch() -> None:
            with self._lock:
                if watcher in stock.watchers:
                    stock.watchers.remove(watcher)
                if not stock.watchers:
                    self._watched.pop(queue, None)

        return unwatch

    def watch_creation(self, queue_arn: str, watcher: Watcher) -> Callable[[], None]:
        """Call `watcher` after a queue with this ARN was created."""
        with self._lock:
            self._awaited.setdefault(queue_arn, []).append(watcher)

        def unwatch() -> None:
            with self._lock:
                kept = [one for one in self._awaited.pop(queue_arn, ()) if one is not watcher]
                if kept:
                    self._awaited[queue_arn] = kept

        return unwatch

    def tell_created(self, queue_arn: str) -> None:
        """Call those who wait for the queue."""
        with self._lock:
            watchers = tuple(self._awaited.get(queue_arn, ()))
        _call(watchers)

    def tell_deleted(self) -> None:
        """Call the watchers of queues that moto has deleted."""
        with self._lock:
            watched = [(queue, tuple(stock.watchers)) for queue, stock in self._watched.items()]
        for queue, watchers in watched:
            if not self.exists(queue):
                _call(watchers)

    def _held(self, stock: _Stock, receipt_handle: str) -> tuple[Held[Sent] | None, bool]:
        """The message of a handle, None if it is gone; whether it is the last receive's."""
        number, count = read_handle(receipt_handle, stock.secret)
        held = stock.messages.find(number, self.clock.now_ms())
        return held, held is not None and held.receive_count == count


class QueueHandle:
    """One queue, for a poller. Its methods may be called from any thread."""

    def __init__(self, store: QueueStore, queue: Any) -> None:
        self._store = store
        self._queue = queue
        self.arn: str = queue.queue_arn
        self.fifo: bool = queue.fifo_queue

    @property
    def exists(self) -> bool:
        """False from the deletion on, also when a queue of the same name is created later."""
        return self._store.exists(self._queue)

    @property
    def visibility_timeout_s(self) -> float:
        """The queue's setting, as it is now."""
        return float(self._queue.visibility_timeout)

    def receive(
        self, limit: int, exclude_groups: frozenset[str] = frozenset()
    ) -> list[ReceivedMessage]:
        """Receive up to `limit` messages, none of `exclude_groups`: they become invisible."""
        return self._store.receive(self._queue, limit, self.visibility_timeout_s, exclude_groups)

    def delete(self, receipt_handles: Iterable[str]) -> None:
        """Delete messages; one that is gone, or came back meanwhile to a FIFO queue, is passed."""
        for handle in receipt_handles:
            try:
                self._store.delete(self._queue, handle)
            except (ReceiptHandleError, ExpiredHandleError):
                continue

    def make_visible(self, receipt_handles: Iterable[str]) -> None:
        """End the visibility timeout of messages now; those not in flight are passed."""
        for handle in receipt_handles:
            try:
                self._store.change_visibility(self._queue, handle, 0)
            except (ReceiptHandleError, ExpiredHandleError):
                continue

    def visible_count(self) -> int:
        """Return how many messages can be received now."""
        return self._store.receivable(self._queue)

    def next_visible_ms(self) -> float | None:
        """Return when the next delayed or in-flight message can appear, in lab time."""
        return self._store.next_visible_ms(self._queue)

    def watch(self, callback: Watcher) -> Callable[[], None]:
        """Call `callback`, which must be short, after a message was sent, became visible by a
        change of visibility or was deleted from a FIFO queue, and after the queue was purged or
        deleted. Returns what ends that."""
        return self._store.watch(self._queue, callback)


def _stock(queue: Any) -> _Stock:
    """What the lab keeps for the queue. The caller holds the lock."""
    stock: _Stock | None = getattr(queue, "lab_stock", None)
    if stock is None:
        stock = queue.lab_stock = _Stock(queue.fifo_queue)
    stock.messages.retention_s = queue.message_retention_period
    return stock


def _call(watchers: Iterable[Watcher]) -> None:
    for watcher in watchers:
        watcher()
