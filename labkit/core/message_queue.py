"""The rules of an SQS queue: order, delays, visibility timeouts, receive counts and retention.

What happens depends on what was done and on the lab time given (milliseconds), on nothing else.
Sources: the Amazon SQS Developer Guide, "visibility timeout", "delay queues", "dead-letter queues"
and "FIFO delivery logic".
"""

from __future__ import annotations

import heapq
import itertools
from collections import OrderedDict, deque
from collections.abc import Collection, Generator
from dataclasses import dataclass, field
from enum import Enum
from typing import Final, Generic, NamedTuple, Protocol, TypeVar

DEDUPLICATION_INTERVAL_S: Final = 300.0
VISIBILITY_TIMEOUT_S_MAX: Final = 43_200
_SPARE_ENTRIES: Final = 1_000

T = TypeVar("T")


class State(Enum):
    """Where a message is."""

    VISIBLE = "visible"
    DELAYED = "delayed"
    IN_FLIGHT = "in flight"
    GONE = "gone"


@dataclass(slots=True, eq=False)
class Held(Generic[T]):
    """A message in its queue.

    `number` tells the order of coming, `kept_ms` when its retention began. `received_ms` is the
    time of the last receive, `first_received_ms` that of the first. Of its receives,
    `receives_before` were in queues that gave it up.
    """

    number: int
    content: T
    group: str | None
    kept_ms: float
    receive_count: int = 0
    receives_before: int = 0
    first_received_ms: float | None = None
    received_ms: float | None = None
    visible_ms: float = 0.0
    state: State = State.GONE
    changes: int = 0
    """How often its state was set: what was noted of it before is out of date."""

    @property
    def in_flight(self) -> bool:
        """Whether it was received and its visibility timeout is not over."""
        return self.state is State.IN_FLIGHT

    def may_hide(self, now_ms: float, timeout_s: float) -> bool:
        """Tell whether it may stay in flight so long: 12 hours since its receive at most."""
        since_ms = now_ms if self.received_ms is None else self.received_ms
        return now_ms - since_ms + timeout_s * 1000 <= VISIBILITY_TIMEOUT_S_MAX * 1000


class Counts(NamedTuple):
    """How many messages are visible, delayed and in flight."""

    visible: int
    delayed: int
    in_flight: int


class Received(NamedTuple, Generic[T]):
    """The messages of one receive, and those that had been received too often, now taken out."""

    messages: list[Held[T]]
    exhausted: list[Held[T]]


class MessageQueue(Generic[T]):
    """The messages of one queue. Not safe to use from several threads at once.

    A standard queue gives the oldest visible message first. A FIFO queue gives the messages of a
    message group in order, and none while some of the group are in flight. `retention_s` may be
    changed at any time. No operation looks through all messages.
    """

    def __init__(self, *, fifo: bool = False, retention_s: float = 345_600.0) -> None:
        self.retention_s = retention_s
        self._order: _Order[T] = _Grouped() if fifo else _OldestFirst()
        self._numbers = itertools.count(1)
        self._messages: dict[int, Held[T]] = {}
        self._counts = dict.fromkeys(State, 0)
        self._waiting: list[tuple[float, int, int, Held[T]]] = []
        self._kept: list[tuple[float, int, Held[T]]] = []

    def add(
        self,
        content: T,
        now_ms: float,
        *,
        group: str | None = None,
        delay_s: float = 0.0,
    ) -> Held[T]:
        """Put a message at the end."""
        self._pass(now_ms)
        held = Held(next(self._numbers), content, group, kept_ms=now_ms)
        return self._put(held, now_ms, delay_s)

    def adopt(self, content: T, held: Held[T], now_ms: float, *, keeps_age: bool) -> Held[T]:
        """Put a message that another queue gave up at the end, as a dead-letter queue does.

        Its retention began with the first queue's if it `keeps_age`, else it begins now.
        """
        self._pass(now_ms)
        adopted = Held(
            next(self._numbers),
            content,
            held.group,
            kept_ms=held.kept_ms if keeps_age else now_ms,
            receive_count=held.receive_count,
            receives_before=held.receive_count,
            first_received_ms=held.first_received_ms,
        )
        return self._put(adopted, now_ms, 0.0)

    def _put(self, held: Held[T], now_ms: float, delay_s: float) -> Held[T]:
        self._messages[held.number] = held
        heapq.heappush(self._kept, (held.kept_ms, held.number, held))
        if len(self._kept) > 2 * len(self._messages) + _SPARE_ENTRIES:
            self._kept = [(m.kept_ms, m.number, m) for m in self._messages.values()]
            heapq.heapify(self._kept)
        if delay_s > 0:
            self._hide(held, State.DELAYED, now_ms + delay_s * 1000)
        else:
            self._show(held)
        return held

    def receive(
        self,
        now_ms: float,
        limit: int,
        timeout_s: float,
        *,
        receives_max: int | None = None,
        exclude: Collection[str] = (),
    ) -> Received[T]:
        """Take up to `limit` visible messages into flight for `timeout_s`.

        Groups in `exclude` are passed over. A message that was received `receives_max` times from
        this queue already is not given but taken out of it.
        """
        self._pass(now_ms)
        received: Received[T] = Received([], [])
        candidates = self._order.candidates(limit, exclude)
        while len(received.messages) < limit and (held := next(candidates, None)) is not None:
            receives = held.receive_count - held.receives_before
            if receives_max is not None and receives >= receives_max:
                self._remove(held)
                received.exhausted.append(held)
                continue
            held.receive_count += 1
            held.received_ms = now_ms
            if held.first_received_ms is None:
                held.first_received_ms = now_ms
            self._hide(held, State.IN_FLIGHT, now_ms + timeout_s * 1000)
            received.messages.append(held)
        candidates.close()
        if timeout_s <= 0:
            self._pass(now_ms)
        return received

    def find(self, number: int, now_ms: float) -> Held[T] | None:
        """Return the message of a number; None if it is gone."""
        self._pass(now_ms)
        return self._messages.get(number)

    def delete(self, held: Held[T]) -> None:
        """Take a message out of the queue."""
        if held.state is not State.GONE:
            self._remove(held)

    def change_visibility(self, held: Held[T], now_ms: float, timeout_s: float) -> bool:
        """Let a message in flight be visible `timeout_s` from now; False if it is not in flight."""
        self._pass(now_ms)
        if held.state is not State.IN_FLIGHT:
            return False
        if timeout_s > 0:
            self._hide(held, State.IN_FLIGHT, now_ms + timeout_s * 1000)
        else:
            self._show(held)
        return True

    def clear(self) -> None:
        """Take every message out of the queue."""
        for held in list(self._messages.values()):
            self._remove(held)

    def counts(self, now_ms: float) -> Counts:
        """Return how many messages are visible, delayed and in flight."""
        self._pass(now_ms)
        return Counts(
            self._counts[State.VISIBLE],
            self._counts[State.DELAYED],
            self._counts[State.IN_FLIGHT],
        )

    def receivable(self, now_ms: float) -> int:
        """Return how many visible messages no group holds back."""
        self._pass(now_ms)
        return self._order.receivable

    def next_visible_ms(self, now_ms: float) -> float | None:
        """Return when the next message that is delayed or in flight can appear."""
        self._pass(now_ms)
        while self._waiting and self._waiting[0][2] != self._waiting[0][3].changes:
            heapq.heappop(self._waiting)
        return self._waiting[0][0] if self._waiting else None

    def _pass(self, now_ms: float) -> None:
        """Do what time has brought: messages appear, and old ones go."""
        while self._waiting and self._waiting[0][0] <= now_ms:
            _, _, changes, held = heapq.heappop(self._waiting)
            if changes == held.changes:
                self._show(held)
        oldest_ms = now_ms - self.retention_s * 1000
        while self._kept and (
            self._kept[0][2].state is State.GONE or self._kept[0][0] <= oldest_ms
        ):
            self.delete(heapq.heappop(self._kept)[2])

    def _show(self, held: Held[T]) -> None:
        self._set(held, State.VISIBLE)

    def _hide(self, held: Held[T], state: State, visible_ms: float) -> None:
        self._set(held, state)
        held.visible_ms = visible_ms
        heapq.heappush(self._waiting, (visible_ms, held.number, held.changes, held))
        hidden = self._counts[State.DELAYED] + self._counts[State.IN_FLIGHT]
        if len(self._waiting) > 2 * hidden + _SPARE_ENTRIES:
            self._waiting = [entry for entry in self._waiting if entry[2] == entry[3].changes]
            heapq.heapify(self._waiting)

    def _remove(self, held: Held[T]) -> None:
        del self._messages[held.number]
        self._set(held, State.GONE)

    def _set(self, held: Held[T], state: State) -> None:
        before, held.state = held.state, state
        held.changes += 1
        self._counts[before] -= 1
        self._counts[state] += 1
        self._order.moved(held, before)


class _Order(Protocol[T]):
    """Which visible message comes next."""

    receivable: int

    def moved(self, held: Held[T], before: State) -> None:
        """Note that a message has another state than `before`."""

    def candidates(self, limit: int, exclude: Collection[str]) -> Generator[Held[T], None, None]:
        """Give visible messages in their order; the caller takes each out of that state."""


class _OldestFirst(Generic[T]):
    """A standard queue."""

    def __init__(self) -> None:
        self.receivable = 0
        self._visible: list[tuple[int, int, Held[T]]] = []

    def moved(self, held: Held[T], before: State) -> None:
        self.receivable += (held.state is State.VISIBLE) - (before is State.VISIBLE)
        if held.state is State.VISIBLE:
            heapq.heappush(self._visible, (held.number, held.changes, held))

    def candidates(self, limit: int, exclude: Collection[str]) -> Generator[Held[T], None, None]:
        while self._visible:
            _, changes, held = heapq.heappop(self._visible)
            if changes == held.changes:
                yield held


@dataclass(slots=True)
class _Group(Generic[T]):
    messages: OrderedDict[int, Held[T]] = field(default_factory=OrderedDict)
    visible: int = 0
    in_flight: int = 0
    offered: int = 0
    """Its messages that count as receivable."""
    noted: int | None = None
    """The number of the message under which it is among the open groups."""

    @property
    def first(self) -> Held[T] | None:
        """The first message, if it can be received."""
        if self.in_flight or not self.messages:
            return None
        first = next(iter(self.messages.values()))
        return first if first.state is State.VISIBLE else None


class _Grouped(Generic[T]):
    """A FIFO queue. Groups are open for a receive from the oldest first message on."""

    def __init__(self) -> None:
        self.receivable = 0
        self._groups: dict[str, _Group[T]] = {}
        self._open: list[tuple[int, str]] = []

    def moved(self, held: Held[T], before: State) -> None:
        name = held.group or ""
        group = self._groups.get(name)
        if group is None:
            group = self._groups[name] = _Group()
        group.visible += (held.state is State.VISIBLE) - (before is State.VISIBLE)
        group.in_flight += (held.state is State.IN_FLIGHT) - (before is State.IN_FLIGHT)
        if held.state is State.GONE:
            del group.messages[held.number]
        else:
            group.messages.setdefault(held.number, held)
        first = group.first
        offered = group.visible if first is not None else 0
        self.receivable += offered - group.offered
        group.offered = offered
        if first is not None and group.noted != first.number:
            group.noted = first.number
            heapq.heappush(self._open, (first.number, name))
        if not group.messages:
            del self._groups[name]

    def candidates(self, limit: int, exclude: Collection[str]) -> Generator[Held[T], None, None]:
        passed_over = []
        try:
            while self._open:
                entry = heapq.heappop(self._open)
                number, name = entry
                group = self._groups.get(name)
                if group is None or group.noted != number:
                    continue
                first = group.first
                if first is not None and first.number == number and name in exclude:
                    passed_over.append(entry)
                    continue
                group.noted = None
                if first is not None and first.number == number:
                    for held in list(itertools.islice(group.messages.values(), limit)):
                        if held.state is not State.VISIBLE:
                            break
                        yield held
        finally:
            for entry in passed_over:
                heapq.heappush(self._open, entry)


class Deduplication(Generic[T]):
    """What was sent to a FIFO queue within the deduplication interval."""

    def __init__(self) -> None:
        self._sent: dict[tuple[str, str | None], T] = {}
        self._order: deque[tuple[float, tuple[str, str | None]]] = deque()

    def first(
        self, content: T, deduplication_id: str, scope: str | None, now_ms: float
    ) -> T | None:
        """Note a message; return the one that it repeats, which may be received and deleted by now.

        `scope` is the message group where identifiers count within it, else None.
        """
        end_ms = now_ms - DEDUPLICATION_INTERVAL_S * 1000
        while self._order and self._order[0][0] <= end_ms:
            del self._sent[self._order.popleft()[1]]
        key = deduplication_id, scope
        found = self._sent.get(key)
        if found is not None:
            return found
        self._sent[key] = content
        self._order.append((now_ms, key))
        return None
