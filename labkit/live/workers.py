"""Threads for the lab's own work: invocations that its queues and event source mappings make."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable
from typing import Final

from labkit.core.clock import Clock

_log = logging.getLogger(__name__)

_REST_S: Final = 5.0
_AGAIN_S: Final = 1.0


class Workers:
    """Runs work in the order of its coming, `limit()` pieces at once at most.

    Work counts as the lab clock's `working()` from its coming to its end, so that a move of the
    clock waits for it. A thread without work ends after some seconds. Safe to use from several
    threads.
    """

    def __init__(self, clock: Clock, limit: Callable[[], int]) -> None:
        self._clock = clock
        self._limit = limit
        self._changed = threading.Condition(threading.Lock())
        self._work: deque[Callable[[], None]] = deque()
        self._threads = 0
        self._resting = 0
        self._closed = False

    def submit(self, work: Callable[[], None]) -> None:
        """Run `work` in a thread as soon as one is free. What it raises is logged.

        After `close` nothing is run any more.
        """
        with self._changed:
            if self._closed:
                return
            self._clock.working().__enter__()
            self._work.append(work)
            if self._resting >= len(self._work):
                self._changed.notify()
                return
        self._add_thread()

    def _add_thread(self) -> None:
        """Start a further thread, if there may be one and there is work for it."""
        with self._changed:
            if not self._work or self._threads >= self._limit():
                return
            self._threads += 1
        try:
            threading.Thread(target=self._run, name="lab work", daemon=True).start()
        except RuntimeError:  # the machine has no room for a further thread now
            with self._changed:
                self._threads -= 1
                is_last = self._threads == 0
            if is_last:  # else the others will do the work
                due_ms = self._clock.now_ms() + _AGAIN_S * 1000
                self._clock.call_at(due_ms, self._add_thread, pending=False)

    def close(self) -> None:
        """Forget the work that has not begun."""
        with self._changed:
            self._closed = True
            for _ in self._work:
                self._clock.working().__exit__(None, None, None)
            self._work.clear()
            self._changed.notify_all()

    def _run(self) -> None:
        while (work := self._next()) is not None:
            try:
                work()
            except Exception:
                _log.exception("work of the lab failed")
            finally:
                self._clock.working().__exit__(None, None, None)

    def _next(self) -> Callable[[], None] | None:
        """Wait for work; None when the thread shall end."""
        with self._changed:
            self._resting += 1
            try:
                if not self._work and not self._closed:
                    self._changed.wait_for(lambda: self._work or self._closed, _REST_S)
                if self._work:
                    return self._work.popleft()
                self._threads -= 1
                return None
            finally:
                self._resting -= 1
