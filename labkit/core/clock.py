"""What the rules may ask of time, without reading a clock themselves.

The live Lambda and the fleet simulator each bring a clock of their own that keeps this protocol.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Protocol


class Timer(Protocol):
    """One callback that is due at a lab time."""

    def cancel(self) -> None:
        """Forget the callback. Cancelling a timer that has fired does nothing."""


class Clock(Protocol):
    """Lab time: real time plus an offset that only grows."""

    def now_ms(self) -> float:
        """Return the lab time in milliseconds since 1970-01-01 UTC."""

    def call_at(
        self, time_ms: float, callback: Callable[[], None], *, pending: bool = True
    ) -> Timer:
        """Call `callback` once when lab time reaches `time_ms`; at once if that is past.

        `pending=False` marks what settling does not wait for, such as the end of an idle life.
        """

    def working(self) -> AbstractContextManager[None]:
        """Mark work in progress that a move of the clock must let finish first."""
