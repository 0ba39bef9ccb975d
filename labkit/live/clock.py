"""The lab clock: real time plus an offset, and the timers that wait for it.

Code runs in real time. Waiting does not have to: `advance` and `settle` move the offset, from timer
to timer.
"""

from __future__ import annotations

import heapq
import itertools
import logging
import math
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from types import TracebackType
from typing import Final

from labkit.live.real_time import real_time_s

_log = logging.getLogger(__name__)

_ADVANCE_MAX_S: Final = 100 * 366 * 86_400.0
# Python's dates end with the year 9999; what expires later than now must have a date, too.
_END_MS: Final = 253_370_764_800_000.0  # 9999-01-01
# While the machine sleeps, a waiting thread's time stands still and the wall clock's does not.
_LOOK_AGAIN_S: Final = 5.0
# Work that makes work, all at one lab time, has no end that a move of the clock could wait for.
_ENDLESS_S: Final = 60.0
_ENDLESS_WORK: Final = 1_000


@dataclass(frozen=True, slots=True)
class Moved:
    """Where a move of the clock ended.

    `now_ms` is the lab time, `fired` the number of timers that fired on the way, `settled` whether
    nothing is left to wait for: no work in progress and no timer that counts as pending.
    """

    now_ms: float
    fired: int
    settled: bool


class LabTimer:
    """A callback due at `time_ms` of lab time."""

    __slots__ = ("_clock", "callback", "order", "pending", "time_ms")

    def __init__(
        self,
        clock: LabClock,
        time_ms: float,
        order: int,
        callback: Callable[[], None],
        pending: bool,
    ) -> None:
        self._clock = clock
        self.time_ms = time_ms
        self.order = order
        self.callback: Callable[[], None] | None = callback
        self.pending = pending

    def __lt__(self, other: LabTimer) -> bool:
        return (self.time_ms, self.order) < (other.time_ms, other.order)

    def cancel(self) -> None:
        """Forget the callback. Cancelling a timer that has fired does nothing."""
        self._clock._cancel(self)


class _Working(AbstractContextManager[None]):
    """Counts the work in progress; one object serves all who work."""

    __slots__ = ("_changed", "awaited", "count", "ended")

    def __init__(self, changed: threading.Condition) -> None:
        self._changed = changed
        self.count = 0
        self.ended = 0
        self.awaited = False  # every invocation passes here: wake nobody who need not know

    def __enter__(self) -> None:
        with self._changed:
            self.count += 1

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with self._changed:
            self.count -= 1
            self.ended += 1
            if self.count == 0 and self.awaited:
                self._changed.notify_all()


class LabClock:
    """Lab time, its timers, and the moves of it. Safe to use from several threads.

    One thread fires the timers in the order of (time, creation); a callback should be short, and
    what takes long should run in a thread of its own that is `working()` before the callback ends.
    While the clock is moved, a timer that the move has reached fires only when all work in
    progress is done. `time_s` is the source of real time.
    """

    def __init__(self, time_s: Callable[[], float] = real_time_s) -> None:
        self._time_s = time_s
        self._changed = threading.Condition(threading.Lock())
        self._working = _Working(self._changed)
        self._moving = threading.Lock()
        self._timers: list[LabTimer] = []
        self._orders = itertools.count()
        self._offset_ms = 0.0
        self._followers: list[Callable[[float], None]] = []
        self._real_ms = time_s() * 1000
        self._reached_ms = -math.inf  # timers up to here were reached by a move, not by waiting
        self._pending = 0
        self._cancelled = 0  # among the timers; the first of them is none of these
        self._in_callback = False
        self._fired = 0
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="lab clock", daemon=True)
        self._thread.start()

    def now_ms(self) -> float:
        """Return the lab time in milliseconds since 1970-01-01 UTC. It never goes back."""
        with self._changed:
            return self._now_ms()

    @property
    def offset_ms(self) -> float:
        """How far lab time is ahead of real time."""
        with self._changed:
            return self._offset_ms

    def call_at(
        self, time_ms: float, callback: Callable[[], None], *, pending: bool = True
    ) -> LabTimer:
        """Call `callback` once when lab time reaches `time_ms`; at once if that is past.

        `pending=False` marks what settling does not wait for, such as the end of an idle life. An
        exception of the callback is logged and stops nothing. Raises ValueError for NaN.
        """
        if math.isnan(time_ms):
            raise ValueError("a timer needs a time, not NaN")
        with self._changed:
            timer = LabTimer(self, time_ms, next(self._orders), callback, pending)
            heapq.heappush(self._timers, timer)
            self._pending += pending
            if self._timers[0] is timer:
                self._changed.notify_all()
        return timer

    def working(self) -> AbstractContextManager[None]:
        """Mark work in progress that a move of the clock must let finish first."""
        return self._working

    def advance(self, seconds: float) -> Moved:
        """Go forward by `seconds` of lab time, firing each timer on the way in its order.

        Returns when the work that they started is done, or goes round in circles without end
        (a function that invokes itself): then the clock stops short, and is not `settled`.
        Raises ValueError for a number that is negative, not finite or over a hundred years, or
        would end after the year 9998.
        """
        _check_seconds("seconds", seconds)
        return self._move(seconds, until_settled=False)

    def settle(self, limit_seconds: float = 86_400) -> Moved:
        """Go forward until nothing is pending, by `limit_seconds` of lab time at most.

        If something is still pending then, the clock stands at the limit and `settled` is False.
        So it is for work that goes round in circles without end.
        Raises ValueError as `advance` does.
        """
        _check_seconds("limit_seconds", limit_seconds)
        return self._move(limit_seconds, until_settled=True)

    def follow(self, follower: Callable[[float], None]) -> None:
        """Call `follower` with `offset_ms`, now and after each change of it.

        It must be short and must not use the clock, whose lock is held.
        """
        with self._changed:
            self._followers.append(follower)
            follower(self._offset_ms)

    def close(self) -> None:
        """Fire no further timer and end the clock's thread."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        if threading.current_thread() is not self._thread:
            self._thread.join()

    # Below, the caller holds the lock `_changed` unless said otherwise.

    def _now_ms(self) -> float:
        real_ms = self._time_s() * 1000
        if real_ms < self._real_ms:  # somebody set the machine's clock back
            self._shift(self._real_ms - real_ms)
        self._real_ms = real_ms
        return real_ms + self._offset_ms

    def _shift(self, by_ms: float) -> None:
        self._offset_ms += by_ms
        for follower in self._followers:
            follower(self._offset_ms)

    def _cancel(self, timer: LabTimer) -> None:
        """Called without the lock."""
        with self._changed:
            if timer.callback is None:
                return
            timer.callback = None
            self._pending -= timer.pending
            self._cancelled += 1
            if self._timers[0] is timer or self._cancelled > len(self._timers) // 2:
                self._drop_cancelled()
            self._changed.notify_all()

    def _move(self, seconds: float, *, until_settled: bool) -> Moved:
        """Called without the lock. Moves of several threads come one after the other."""
        if threading.current_thread() is self._thread:
            raise RuntimeError("a timer's callback cannot move the clock that waits for it")
        with self._moving, self._changed:
            target_ms = self._now_ms() + seconds * 1000
            if target_ms > _END_MS:
                raise ValueError("lab time ends with the year 9998: start a new lab, or move less")
            fired_before = self._fired
            self._working.awaited = True
            try:
                while not self._closed:
                    if not self._await_quiet():
                        break
                    if until_settled and not self._pending:
                        break
                    if not self._timers or self._timers[0].time_ms > target_ms:
                        self._reach(target_ms)
                        break
                    self._reach(self._timers[0].time_ms)
            finally:
                self._reached_ms = -math.inf
                self._working.awaited = False
            settled = not self._pending and self._is_idle()
            return Moved(self._now_ms(), self._fired - fired_before, settled)

    def _reach(self, time_ms: float) -> None:
        """Make lab time at least `time_ms`."""
        now_ms = self._now_ms()
        if time_ms > now_ms:
            self._shift(time_ms - now_ms)
        self._reached_ms = max(self._reached_ms, time_ms)
        self._changed.notify_all()

    def _await_quiet(self) -> bool:
        """Wait until a move may go on; False if the work goes round in circles."""
        began_s, ended_before = time.monotonic(), self._working.ended
        while not self._is_quiet():
            self._changed.wait(_LOOK_AGAIN_S)
            ended = self._working.ended - ended_before
            if time.monotonic() - began_s > _ENDLESS_S and ended > _ENDLESS_WORK:
                _log.warning("a move of the lab clock gave up: %d pieces of work, no end", ended)
                return False
        return True

    def _is_idle(self) -> bool:
        return self._working.count == 0 and not self._in_callback

    def _is_quiet(self) -> bool:
        """No work in progress, and no timer that is due but has not fired."""
        if self._closed:
            return True
        due = bool(self._timers) and self._timers[0].time_ms <= self._now_ms()
        return self._is_idle() and not due

    def _run(self) -> None:
        """The clock's thread."""
        while True:
            with self._changed:
                timer = self._next_due()
                if timer is None:
                    return
                callback = timer.callback
                timer.callback = None
                self._pending -= timer.pending
                self._in_callback = True
                self._fired += 1
            try:
                if callback is not None:
                    callback()
            except Exception:
                _log.exception("a timer of the lab clock failed")
            finally:
                with self._changed:
                    self._in_callback = False
                    self._changed.notify_all()

    def _next_due(self) -> LabTimer | None:
        """Wait for the next timer to fire and take it; None when the clock is closed."""
        while not self._closed:
            timer = self._first_free()
            wait_s: float | None = None
            if timer is not None:
                wait_s = (timer.time_ms - self._now_ms()) / 1000
                if wait_s <= 0:
                    self._remove(timer)
                    return timer
                wait_s = min(wait_s, _LOOK_AGAIN_S)
            self._changed.wait(wait_s)
        return None

    def _first_free(self) -> LabTimer | None:
        """The timer to fire next.

        One that a move of the clock has reached has to wait for the work in progress. One that
        falls due while that work goes on has not: the work may be waiting for it.
        """
        if not self._timers:
            return None
        if self._timers[0].time_ms > self._reached_ms or self._is_idle():
            return self._timers[0]
        waiting = (t for t in self._timers if t.time_ms > self._reached_ms and t.callback)
        return min(waiting, default=None)

    def _remove(self, timer: LabTimer) -> None:
        if self._timers[0] is timer:
            heapq.heappop(self._timers)
            self._drop_cancelled()
        else:
            self._timers.remove(timer)
            heapq.heapify(self._timers)

    def _drop_cancelled(self) -> None:
        """Forget the cancelled timers that come first, and all when they are the most."""
        while self._timers and self._timers[0].callback is None:
            heapq.heappop(self._timers)
            self._cancelled -= 1
        if self._cancelled > len(self._timers) // 2:
            self._timers = [timer for timer in self._timers if timer.callback is not None]
            heapq.heapify(self._timers)
            self._cancelled = 0


def _check_seconds(name: str, seconds: float) -> None:
    if not (isinstance(seconds, (int, float)) and not isinstance(seconds, bool)):
        raise ValueError(f"{name} must be a number, not {seconds!r}")
    if not 0 <= seconds <= _ADVANCE_MAX_S:
        raise ValueError(
            f"{name} must be from 0 to {_ADVANCE_MAX_S:.0f} (a hundred years), not {seconds!r}; "
            "lab time never goes back"
        )
