"""The machine's own time, also where time.time() has been made to give lab time."""

from __future__ import annotations

import time
from collections.abc import Callable

_source: Callable[[], float] = time.time


def real_time_s() -> float:
    """Return the machine's time, in seconds since 1970-01-01 UTC."""
    return _source()


def take_from(source: Callable[[], float]) -> None:
    """Read the machine's time from `source` from now on."""
    global _source
    _source = source
