"""The lab's event log: what happened, in order, for widgets, checks and tests to read."""

from __future__ import annotations

import itertools
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from labkit.core.clock import Clock
from labkit.core.events import Event, EventKind
from labkit.live.settings import Settings


class EventLog:
    """Events with their sequence numbers, from 1 upwards without gaps.

    The oldest are dropped beyond the setting `event_log_max`. Safe to use from several threads.
    """

    def __init__(self, clock: Clock, settings: Settings) -> None:
        self._clock = clock
        self._settings = settings
        self._changed = threading.Condition(threading.Lock())
        self._events: deque[Event] = deque()
        self._subscribers: tuple[Callable[[Event], None], ...] = ()
        self._last = 0

    def append(self, kind: EventKind, **fields: Any) -> Event:
        """Add an event at the present lab time and return it.

        `fields` are those of Event. Raises TypeError for one that it does not have.
        """
        with self._changed:
            event = Event(seq=self._last + 1, time_ms=self._clock.now_ms(), kind=kind, **fields)
            self._last = event.seq
            self._events.append(event)
            for subscriber in self._subscribers:
                subscriber(event)
            while len(self._events) > self._settings.event_log_max:
                self._events.popleft()
            self._changed.notify_all()
        return event

    def subscribe(self, subscriber: Callable[[Event], None]) -> None:
        """Call `subscriber` with each event from now on, in their order.

        Whoever appends an event waits for it: it must be very short, and append none itself.
        """
        with self._changed:
            self._subscribers = (*self._subscribers, subscriber)

    @property
    def last(self) -> int:
        """The sequence number of the newest event; 0 if there was none."""
        return self._last

    def after(self, seq: int, wait_s: float = 0.0) -> list[Event]:
        """Return the events that are newer than `seq`, oldest first.

        If there are none, wait up to `wait_s` seconds of real time for one.
        """
        deadline_s = time.monotonic() + wait_s
        with self._changed:
            while self._last <= seq:
                left_s = deadline_s - time.monotonic()
                if left_s <= 0:
                    return []
                self._changed.wait(left_s)
            first = self._last - len(self._events) + 1
            return list(itertools.islice(self._events, max(seq + 1 - first, 0), None))
