"""A small SQS queue in memory, in lab time, with the interface that the pollers use."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from labkit.live.clock import LabClock


@dataclass(frozen=True)
class ReceivedMessage:
    """What was received of a message, as the real store gives it."""

    message_id: str
    receipt_handle: str
    body: str
    attributes: dict[str, str]
    message_attributes: dict[str, dict[str, object]] = field(default_factory=dict)
    md5_of_body: str = ""
    md5_of_message_attributes: str | None = None
    group_id: str | None = None


@dataclass
class _Stored:
    message_id: str
    body: str
    group: str | None
    trace: str | None
    visible_ms: float
    received: int = 0


class MemoryQueue:
    """Standard or FIFO; `dead` gets the bodies of messages received `max_receives` times."""

    def __init__(
        self,
        clock: LabClock,
        *,
        fifo: bool = False,
        visibility_timeout_s: float = 30.0,
        max_receives: int | None = None,
    ) -> None:
        self.arn = "arn:aws:sqs:us-east-1:123456789012:orders" + (".fifo" if fifo else "")
        self.fifo = fifo
        self.visibility_timeout_s = visibility_timeout_s
        self.max_receives = max_receives
        self.exists = True
        self.dead: list[str] = []
        self.calls = 0
        self._clock = clock
        self._lock = threading.Lock()
        self._messages: dict[str, _Stored] = {}
        self._numbers = itertools.count(1)
        self._watchers: list[Callable[[], None]] = []

    # As the learner's own clients see it.

    def send(self, *bodies: str, group: str | None = None, trace: str | None = None) -> None:
        with self._lock:
            for body in bodies:
                name = f"m{next(self._numbers)}"
                self._messages[name] = _Stored(name, body, group, trace, self._clock.now_ms())
        self._notify()

    def delete_queue(self) -> None:
        with self._lock:
            self.exists = False
            self._messages.clear()
        self._notify()

    @property
    def bodies(self) -> list[str]:
        with self._lock:
            return [stored.body for stored in self._messages.values()]

    @property
    def watched(self) -> bool:
        return bool(self._watchers)

    # As the poller sees it.

    def receive(
        self, limit: int, exclude_groups: frozenset[str] = frozenset()
    ) -> list[ReceivedMessage]:
        now_ms = self._clock.now_ms()
        blocked = set(exclude_groups)
        found = []
        with self._lock:
            self.calls += 1
            for stored in list(self._messages.values()):
                if len(found) >= limit or (self.fifo and stored.group in blocked):
                    continue
                if stored.visible_ms > now_ms:
                    if self.fifo and stored.group is not None:
                        blocked.add(stored.group)
                    continue
                if stored.received == self.max_receives:
                    self.dead.append(self._messages.pop(stored.message_id).body)
                    continue
                stored.received += 1
                stored.visible_ms = now_ms + self.visibility_timeout_s * 1000
                found.append(self._received(stored))
        return found

    def delete(self, receipt_handles: Iterable[str]) -> None:
        with self._lock:
            for handle in receipt_handles:
                self._messages.pop(handle.partition("/")[0], None)
        self._notify()

    def make_visible(self, receipt_handles: Iterable[str]) -> None:
        with self._lock:
            for handle in receipt_handles:
                self._messages[handle.partition("/")[0]].visible_ms = self._clock.now_ms()
        self._notify()

    def visible_count(self) -> int:
        now_ms = self._clock.now_ms()
        with self._lock:
            return sum(stored.visible_ms <= now_ms for stored in self._messages.values())

    def next_visible_ms(self) -> float | None:
        now_ms = self._clock.now_ms()
        with self._lock:
            times = (stored.visible_ms for stored in self._messages.values())
            return min((time_ms for time_ms in times if time_ms > now_ms), default=None)

    def watch(self, callback: Callable[[], None]) -> Callable[[], None]:
        self._watchers.append(callback)
        return lambda: self._watchers.remove(callback)

    def _received(self, stored: _Stored) -> ReceivedMessage:
        attributes = {"ApproximateReceiveCount": str(stored.received)}
        if stored.trace is not None:
            attributes["AWSTraceHeader"] = stored.trace
        return ReceivedMessage(
            message_id=stored.message_id,
            receipt_handle=f"{stored.message_id}/{stored.received}",
            body=stored.body,
            attributes=attributes,
            group_id=stored.group,
        )

    def _notify(self) -> None:
        for callback in list(self._watchers):
            callback()
