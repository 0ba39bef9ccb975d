"""What an invocation is billed for.

Source: AWS Lambda pricing, and the compute blog of 29 April 2025: since 1 August 2025 the init
phase is billed for every function, so Billed Duration = ceil(Duration + Init Duration).
"""

from __future__ import annotations

_HUNDREDTHS_PER_MS = 100


def hundredths_of_ms(duration_ms: float) -> int:
    """Return a duration as the REPORT line prints it, counted in hundredths of a millisecond."""
    return round(duration_ms * 100.0)


def billed_duration_ms(duration_ms: float, init_ms: float = 0.0) -> int:
    """Return the billed duration in ms: the sum of both, rounded up to the next millisecond.

    Both durations count as printed, with two decimals: noise in the last bits of a float
    (100.00000001) is not billed as a millisecond more than what the reader can add up. What ran at
    all is billed one millisecond at least.
    """
    if duration_ms < 0.0 or init_ms < 0.0:
        raise ValueError("durations must be 0 ms or more")
    hundredths = hundredths_of_ms(duration_ms) + hundredths_of_ms(init_ms)
    billed_ms = -(-hundredths // _HUNDREDTHS_PER_MS)
    if billed_ms == 0 and duration_ms + init_ms > 0.0:
        return 1
    return billed_ms
