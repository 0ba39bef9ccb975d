"""The virtual clock: order, cancelling, settling."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit.core.clock import Clock
from labkit.fleet.clock import VirtualClock


def test_it_keeps_the_protocol() -> None:
    clock: Clock = VirtualClock(5.0)
    with clock.working():
        assert clock.now_ms() == 5.0


@given(st.lists(st.integers(0, 50)))
def test_timers_fire_by_time_then_by_creation(times: list[int]) -> None:
    clock = VirtualClock()
    fired: list[tuple[int, int]] = []
    for order, time_ms in enumerate(times):
        clock.call_at(time_ms, lambda entry=(time_ms, order): fired.append(entry))
    assert clock.settle()
    assert fired == sorted(fired)
    assert len(fired) == len(times)
    assert clock.now_ms() == max(times, default=0)


def test_a_timer_may_set_the_next() -> None:
    clock = VirtualClock()
    seen: list[float] = []

    def tick() -> None:
        seen.append(clock.now_ms())
        if len(seen) < 3:
            clock.call_at(clock.now_ms() + 10, tick)

    clock.call_at(10, tick)
    clock.run_until(25)
    assert (seen, clock.now_ms()) == ([10, 20], 25)
    assert clock.settle()
    assert seen == [10, 20, 30]


def test_what_is_past_fires_now_and_time_stays() -> None:
    clock = VirtualClock(100)
    seen: list[float] = []
    clock.call_at(1, lambda: seen.append(clock.now_ms()))
    clock.run_until(50)
    assert (seen, clock.now_ms()) == ([100], 100)


def test_a_cancelled_timer_neither_fires_nor_holds_anything_up() -> None:
    clock = VirtualClock()
    timer = clock.call_at(10, lambda: pytest.fail("it was cancelled"))
    timer.cancel()
    timer.cancel()
    assert clock.settle()
    assert clock.now_ms() == 0


def test_settling_waits_for_what_is_pending_alone() -> None:
    clock = VirtualClock()
    seen: list[str] = []
    clock.call_at(10, lambda: seen.append("idle life"), pending=False)
    clock.call_at(5, lambda: seen.append("retry"))
    assert clock.settle()
    assert (seen, clock.now_ms()) == (["retry"], 5)


def test_settling_stops_at_its_limit() -> None:
    clock = VirtualClock()
    clock.call_at(10, lambda: None)
    assert not clock.settle(limit_ms=9)
    assert clock.settle(limit_ms=10)


def test_nan_is_no_time() -> None:
    with pytest.raises(ValueError, match="NaN"):
        VirtualClock().call_at(math.nan, lambda: None)
