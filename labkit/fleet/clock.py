"""Virtual time: a clock that goes from timer to timer, without waiting in between."""

from __future__ import annotations

import heapq
import itertools
import math
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext


class VirtualTimer:
    """A callback due at `time_ms` of virtual time."""

    __slots__ = ("_clock", "callback", "order", "pending", "time_ms")

    def __init__(
        self,
        clock: VirtualClock,
        time_ms: float,
        order: int,
        callback: Callable[[], None],
        pending: bool,
    ) -> None:
        self._clock = clock
        self.time_ms, self.order, self.pending = time_ms, order, pending
        self.callback: Callable[[], None] | None = callback

    def __lt__(self, other: VirtualTimer) -> bool:
        return (self.time_ms, self.order) < (other.time_ms, other.order)

    def cancel(self) -> None:
        """Forget the callback. Cancelling a timer that has fired does nothing."""
        self._clock._take(self)


class VirtualClock:
    """A clock for one thread, as `labkit.core.clock.Clock` describes it.

    Timers fire in the order of (time, creation), so that a run is the same each time. A timer whose
    time is past fires next, and time stays where it is.
    """

    def __init__(self, start_ms: float = 0.0) -> None:
        self._now_ms = start_ms
        self._timers: list[VirtualTimer] = []
        self._orders = itertools.count()
        self._pending = 0

    def now_ms(self) -> float:
        """Return the virtual time in milliseconds."""
        return self._now_ms

    def call_at(
        self, time_ms: float, callback: Callable[[], None], *, pending: bool = True
    ) -> VirtualTimer:
        """Call `callback` once when time reaches `time_ms`; next if that is past.

        `pending=False` marks what `settle` does not wait for. Raises ValueError for NaN.
        """
        if math.isnan(time_ms):
            raise ValueError("a timer needs a time, not NaN")
        timer = VirtualTimer(self, time_ms, next(self._orders), callback, pending)
        heapq.heappush(self._timers, timer)
        self._pending += pending
        return timer

    def working(self) -> AbstractContextManager[None]:
        """Nothing to wait for: in virtual time all work is done in its callback."""
        return nullcontext()

    def run_until(self, time_ms: float) -> None:
        """Fire all timers up to `time_ms`, and go there. Time never goes back."""
        while self._timers and self._timers[0].time_ms <= time_ms:
            self._fire()
        self._now_ms = max(self._now_ms, time_ms)

    def settle(self, limit_ms: float = math.inf) -> bool:
        """Fire timers until none that counts as pending is left; tell whether that was reached.

        Goes no further than the time `limit_ms`, and then stands there.
        """
        while self._pending:
            if self._timers[0].time_ms > limit_ms:
                self._now_ms = max(self._now_ms, limit_ms)
                return False
            self._fire()
        return True

    def _fire(self) -> None:
        timer = heapq.heappop(self._timers)
        callback = self._take(timer)
        if callback is not None:
            self._now_ms = max(self._now_ms, timer.time_ms)
            callback()

    def _take(self, timer: VirtualTimer) -> Callable[[], None] | None:
        """Take the callback out of a timer, once; a timer without one is passed over later."""
        callback, timer.callback = timer.callback, None
        if callback is not None:
            self._pending -= timer.pending
        return callback
