"""The rules of an SQS event source mapping: when it polls, what it batches, when it retries.

No clock, no threads, no queue: `SqsMapping` is told what was received and what became of a batch,
and says how many messages to receive next, which batch to invoke and when to look again. The live
poller and the fleet simulator both drive it.

Source: developer guide, "Using Lambda with Amazon SQS" and its pages on scaling and on errors.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final, Generic, Protocol, TypeVar

from labkit.core import quotas
from labkit.core.sqs_scaling import PollerScaling, ScalingBounds

SIZE, WINDOW, PAYLOAD, AVAILABLE = "size", "window", "payload", "available"
"""What closed a batch: its size, its window, the cap of 6 MB, or the end of what a poll brought."""

_EVENT_BYTES: Final = len('{"Records":[]}')
_COMMA_BYTES: Final = 1
# How long the poller waits before it tries a throttled batch again is not documented: here from 1 s
# on, doubling.
_THROTTLE_WAIT_FIRST_MS: Final = 1_000.0
_THROTTLE_WAIT_MAX_MS: Final = 30_000.0


class Message(Protocol):
    """What the rules need to know of a received message.

    `size_bytes` is the size of its record in the event. `group_id` is its message group, which
    means something in FIFO queues only. Two receives of one message are equal and have one hash.
    """

    @property
    def size_bytes(self) -> int: ...

    @property
    def group_id(self) -> str | None: ...


M = TypeVar("M", bound=Message)


@dataclass(frozen=True, slots=True, kw_only=True)
class SqsSettings:
    """The settings of a mapping that its batches and pollers follow.

    `minimum_pollers` and `maximum_pollers` turn provisioned mode on.
    """

    batch_size: int = quotas.BATCH_SIZE_SQS_DEFAULT
    window_s: float = 0.0
    fifo: bool = False
    maximum_concurrency: int | None = None
    minimum_pollers: int | None = None
    maximum_pollers: int | None = None
    report_batch_item_failures: bool = False

    def bounds(self) -> ScalingBounds:
        """Return how the pollers scale."""
        return ScalingBounds.of(
            maximum_concurrency=self.maximum_concurrency,
            minimum_pollers=self.minimum_pollers,
            maximum_pollers=self.maximum_pollers,
        )


@dataclass(slots=True, eq=False)
class Batch(Generic[M]):
    """Messages of one invocation.

    `number` counts the batches of a mapping from 1. `polled_ms` is when its first message was
    received: the visibility timeout runs from there. `attempt` counts the invocations tried,
    `begun_ms` is when the last one began. `groups` are the message groups of a FIFO batch.
    """

    number: int
    messages: tuple[M, ...]
    reason: str
    polled_ms: float
    formed_ms: float
    groups: frozenset[str] = frozenset()
    attempt: int = 0
    begun_ms: float = 0.0

    @property
    def group(self) -> str | None:
        """The message group, if all messages are of one."""
        return next(iter(self.groups)) if len(self.groups) == 1 else None


@dataclass(slots=True)
class _Open(Generic[M]):
    """The batch that is being gathered."""

    opened_ms: float
    messages: dict[M, M] = field(default_factory=dict)
    payload_bytes: int = _EVENT_BYTES

    def has_room_for(self, message: M) -> bool:
        if not self.messages:
            return True  # a record is never split, however large
        return self._grown_bytes(message) <= quotas.BATCH_PAYLOAD_MAX_BYTES

    def append(self, message: M) -> bool:
        """Take a message; one that came back while the window lasts takes its own place.

        Return whether it is new.
        """
        self.payload_bytes = self._grown_bytes(message)
        is_new = message not in self.messages
        self.messages[message] = message
        return is_new

    def _grown_bytes(self, message: M) -> int:
        earlier = self.messages.get(message)
        if earlier is not None:
            return self.payload_bytes - earlier.size_bytes + message.size_bytes
        comma_bytes = _COMMA_BYTES if self.messages else 0
        return self.payload_bytes + comma_bytes + message.size_bytes


class SqsMapping(Generic[M]):
    """The state of one mapping. Not safe for several threads at once.

    The driver's loop: `take` batches and invoke each; ask `wants`, receive so many messages at
    most, `add` those that match the filters; again, until both give nothing. Then wait until
    `window_due_ms` or `next_slot_ms`, until a message becomes visible or a batch has ended. What
    became of an invocation goes to `throttled` or `ended`.
    """

    def __init__(self, settings: SqsSettings) -> None:
        self._settings = settings
        self._scaling = PollerScaling(settings.bounds())
        self._open: _Open[M] | None = None
        self._closed: list[Batch[M]] = []
        self._running: set[Batch[M]] = set()
        self._batches = 0

    @property
    def settings(self) -> SqsSettings:
        """Setting others takes effect on batches that are not closed yet."""
        return self._settings

    @settings.setter
    def settings(self, settings: SqsSettings) -> None:
        self._settings = settings
        self._scaling.bounds = settings.bounds()

    @property
    def in_flight(self) -> int:
        """Batches that run, wait for a retry or a slot, or are being gathered."""
        return len(self._running) + len(self._closed) + (self._open is not None)

    @property
    def busy_groups(self) -> frozenset[str]:
        """Message groups of which nothing may be received now (FIFO)."""
        return frozenset().union(*(batch.groups for batch in (*self._running, *self._closed)))

    def concurrency(self, now_ms: float) -> int:
        """Return how many batches may be in flight at `now_ms`."""
        return self._scaling.limit(now_ms)

    def room(self, now_ms: float) -> int:
        """Return how many messages the next poll may bring at `now_ms`, if there are any."""
        if self._open is None and self._free_slots(now_ms) <= 0:
            return 0
        gathered = len(self._open.messages) if self._open else 0
        return max(0, min(quotas.SQS_RECEIVE_MAX, self._settings.batch_size - gathered))

    def wants(self, now_ms: float, *, waiting: bool) -> int:
        """Return how many messages to receive in the next poll; 0 for no poll now.

        `waiting` tells whether the queue has visible messages: if every slot is taken then, the
        pollers scale up.
        """
        full = self._open is None and self._free_slots(now_ms) <= 0
        busy = bool(self._running or self._closed or self._open) or waiting
        self._scaling.observe(now_ms, busy=busy, saturated=full and waiting)
        return self.room(now_ms) if waiting else 0

    def add(self, messages: Iterable[M], now_ms: float) -> bool:
        """Gather the messages of one poll that match the filters, in the order of the queue.

        Return whether any of them is not in the batch that is being gathered already.
        """
        grown = False
        for message in messages:
            if self._open and not self._open.has_room_for(message):
                self._close(PAYLOAD, now_ms)
            if self._open is None:
                self._open = _Open(opened_ms=now_ms)
            grown |= self._open.append(message)
            if len(self._open.messages) >= self._settings.batch_size:
                self._close(SIZE, now_ms)
        if self._open and self._settings.window_s == 0:
            self._close(AVAILABLE, now_ms)
        return grown

    def take(self, now_ms: float) -> Batch[M] | None:
        """Return the next batch to invoke now, None if there is none or no slot is free."""
        if self._open and len(self._open.messages) >= self._settings.batch_size:
            self._close(SIZE, now_ms)  # the batch size was set lower meanwhile
        due_ms = self.window_due_ms()
        if due_ms is not None and now_ms >= due_ms:
            self._close(WINDOW, now_ms)
        if len(self._running) >= self._scaling.limit(now_ms):
            return None
        busy = frozenset().union(*(batch.groups for batch in self._running))
        for index, batch in enumerate(self._closed):
            if not batch.groups & busy:
                del self._closed[index]
                self._running.add(batch)
                return self.retry(batch, now_ms)
            busy |= batch.groups
        return None

    def retry(self, batch: Batch[M], now_ms: float) -> Batch[M]:
        """Count a further attempt at a batch that was throttled; return the batch."""
        batch.attempt += 1
        batch.begun_ms = now_ms
        return batch

    def throttled(
        self, batch: Batch[M], now_ms: float, visibility_timeout_s: float
    ) -> float | None:
        """Return when to try a throttled batch again, None to give it up.

        It is tried again while the messages are invisible to others; after that they are back in
        the queue, and the batch has `ended`.
        """
        self._scaling.back_off(now_ms, batch.begun_ms)
        doublings = min(batch.attempt - 1, 10)
        due_ms = now_ms + min(_THROTTLE_WAIT_MAX_MS, _THROTTLE_WAIT_FIRST_MS * 2**doublings)
        return due_ms if due_ms < batch.polled_ms + visibility_timeout_s * 1000 else None

    def ended(
        self, batch: Batch[M], now_ms: float, *, failed: bool, throttled: bool = False
    ) -> list[M]:
        """Take note that a batch has ended; return messages to give back to the queue.

        `failed` is true if any of its messages stays in the queue. Of a FIFO batch, what was
        gathered behind it of the same groups is given back then, so that no message overtakes.
        """
        self._running.discard(batch)
        if not failed:
            return []
        if not throttled and not self._settings.report_batch_item_failures:
            self._scaling.back_off(now_ms, batch.begun_ms)
        behind = [other for other in self._closed if other.groups & batch.groups]
        self._closed = [other for other in self._closed if other not in behind]
        return [message for other in behind for message in other.messages]

    def drain(self) -> list[M]:
        """Forget what was gathered but not invoked; return it, to be given back to the queue."""
        messages = [message for batch in self._closed for message in batch.messages]
        if self._open:
            messages += self._open.messages.values()
        self._closed, self._open = [], None
        return messages

    def window_due_ms(self) -> float | None:
        """Return when the batching window of the batch being gathered is over, if there is one."""
        if self._open is None:
            return None
        return self._open.opened_ms + self._settings.window_s * 1000

    def next_slot_ms(self, now_ms: float) -> float | None:
        """Return when one more batch may run, if messages wait for that."""
        if self._free_slots(now_ms) > 0:
            return None
        return self._scaling.next_slot_ms(now_ms)

    def _free_slots(self, now_ms: float) -> int:
        return self._scaling.limit(now_ms) - self.in_flight

    def _close(self, reason: str, now_ms: float) -> None:
        if self._open is None:
            return
        messages = tuple(self._open.messages.values())
        groups = (message.group_id for message in messages if self._settings.fifo)
        self._batches += 1
        self._closed.append(
            Batch(
                number=self._batches,
                messages=messages,
                reason=reason,
                polled_ms=self._open.opened_ms,
                formed_ms=now_ms,
                groups=frozenset(group for group in groups if group is not None),
            )
        )
        self._open = None
