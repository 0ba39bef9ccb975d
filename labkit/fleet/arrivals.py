"""When requests arrive and how long each takes: drawn once, so that settings can be compared."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Final

_SIGMA: Final = 0.35
"""How widely the durations of one function spread (of their logarithm)."""


@dataclass(frozen=True, slots=True)
class Request:
    """One request: when it comes, in ms, and how long the handler runs for it."""

    arrival_ms: float
    duration_ms: float


@dataclass(frozen=True, slots=True)
class Burst:
    """From `start_s` to `end_s` requests come `factor` times as often."""

    start_s: float
    end_s: float
    factor: float


def draw_requests(
    *,
    seed: int,
    rate_per_s: float,
    length_s: float,
    duration_ms: float,
    burst: Burst | None = None,
) -> list[Request]:
    """Draw requests at random, independent of each other, `rate_per_s` on average.

    The same seed gives the same random numbers whatever the rate: with a higher one the same
    requests come closer together, and more follow. `duration_ms` is the median. Raises ValueError
    for what is not positive.
    """
    if min(rate_per_s, length_s, duration_ms) <= 0:
        raise ValueError("rate_per_s, length_s and duration_ms must be above 0")
    gaps, lengths = random.Random(f"{seed} gaps"), random.Random(f"{seed} lengths")
    drawn: list[Request] = []
    passed = 0.0  # how many requests are to be expected up to here
    while True:
        passed += gaps.expovariate(1.0)
        arrival_s = _when(passed / rate_per_s, burst)
        if arrival_s >= length_s:
            return drawn
        drawn.append(Request(arrival_s * 1000, duration_ms * lengths.lognormvariate(0.0, _SIGMA)))


def _when(even_s: float, burst: Burst | None) -> float:
    """Return when the burst lets happen what would happen at `even_s` without it."""
    if burst is None or even_s <= burst.start_s:
        return even_s
    within_s = (burst.end_s - burst.start_s) * burst.factor
    beyond_s = even_s - burst.start_s
    if beyond_s <= within_s:
        return burst.start_s + beyond_s / burst.factor
    return burst.end_s + beyond_s - within_s
