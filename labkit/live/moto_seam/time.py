"""The time that moto sees: lab time, in the whole server process.

moto asks for the time in hundreds of places, by time.time() and by datetime.now(). Waits and
time.monotonic() stay real, and so does the time of the processes that run the learner's code.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any, Protocol

from labkit.live import real_time


class Followed(Protocol):
    """A clock that tells how far it is ahead of real time, at once and at each change."""

    def follow(self, follower: Callable[[float], None]) -> None: ...


def install(clock: Followed) -> None:
    """Make this process's time follow `clock`, to the end of the process."""
    time_machine = _load()
    traveller = time_machine.travel(time.time(), tick=True).start()
    time.time()  # from its first reading on it goes
    real_time.take_from(time_machine.escape_hatch.time.time)
    traveller.shift(real_time.real_time_s() - time.time())
    shifted_ms = 0.0

    def follow(offset_ms: float) -> None:
        nonlocal shifted_ms
        traveller.shift((offset_ms - shifted_ms) / 1000)
        shifted_ms = offset_ms

    clock.follow(follow)


def _load() -> Any:
    """Import time-machine without its plugin for pytest: 60 ms of processor time and 6 MB."""
    absent = "pytest" not in sys.modules
    if absent:
        sys.modules["pytest"] = None  # type: ignore[assignment]
    try:
        import time_machine
    finally:
        if absent:
            del sys.modules["pytest"]
    return time_machine
