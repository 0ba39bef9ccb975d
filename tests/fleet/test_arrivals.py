"""Arrivals: the same for one seed, comparable between rates."""

from __future__ import annotations

import pytest

from labkit.fleet.arrivals import Burst, draw_requests


def test_a_seed_gives_the_same_requests() -> None:
    drawn = [
        draw_requests(seed=3, rate_per_s=2, length_s=30, duration_ms=900, burst=Burst(10, 15, 4))
        for _ in range(2)
    ]
    assert drawn[0] == drawn[1]
    arrivals = [request.arrival_ms for request in drawn[0]]
    assert arrivals == sorted(arrivals)
    assert 0 < arrivals[0] and arrivals[-1] < 30_000
    assert all(request.duration_ms > 0 for request in drawn[0])


def test_a_burst_brings_more_of_the_same() -> None:
    quiet, burst = (
        draw_requests(seed=1, rate_per_s=5, length_s=300, duration_ms=900, burst=each)
        for each in (None, Burst(100, 200, 5))
    )
    within = [request for request in burst if 100_000 <= request.arrival_ms < 200_000]
    assert 2_200 < len(within) < 2_800
    assert 1_300 < len(quiet) < 1_700
    before = [request for request in burst if request.arrival_ms < 100_000]
    assert before == quiet[: len(before)]


def test_a_higher_rate_moves_the_same_requests_together() -> None:
    slow, fast = (
        draw_requests(seed=1, rate_per_s=rate, length_s=60, duration_ms=900) for rate in (1, 2)
    )
    assert len(fast) > len(slow)
    for a, b in zip(slow, fast, strict=False):
        assert b.arrival_ms == pytest.approx(a.arrival_ms / 2)
        assert a.duration_ms == b.duration_ms


@pytest.mark.parametrize("wrong", ["rate_per_s", "length_s", "duration_ms"])
def test_what_is_not_positive_is_refused(wrong: str) -> None:
    given = {"rate_per_s": 1.0, "length_s": 1.0, "duration_ms": 1.0, wrong: 0.0}
    with pytest.raises(ValueError, match="above 0"):
        draw_requests(seed=1, **given)
