"""Threads that sleep until something happens in lab time."""

from __future__ import annotations

import threading

from labkit.core.clock import Clock


class Nap:
    """Lets one thread sleep until another wakes it.

    From the waking until it sleeps again, or ends the nap, the thread counts as the clock's
    `working()`: a move of the clock waits for what it does.
    """

    def __init__(self, clock: Clock) -> None:
        self._working = clock.working()
        self._lock = threading.Lock()
        self._woken = threading.Event()
        self._holds = 0
        self._over = False

    def wake(self) -> None:
        """Wake the thread, or keep it from its next sleep. May be called from any thread."""
        with self._lock:
            if not self._over and not self._woken.is_set():
                self._working.__enter__()
                self._holds += 1
                self._woken.set()

    def sleep(self) -> None:
        """Sleep until `wake` is called, or has been since the last sleep."""
        with self._lock:
            self._release(keep=1 if self._woken.is_set() else 0)
        self._woken.wait()
        self._woken.clear()

    def end(self) -> None:
        """Be woken no more."""
        with self._lock:
            self._over = True
            self._release(keep=0)

    def _release(self, keep: int) -> None:
        while self._holds > keep:
            self._working.__exit__(None, None, None)
            self._holds -= 1
