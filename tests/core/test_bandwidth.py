"""CPU bandwidth control in virtual time."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit.core.bandwidth import CpuBandwidth, first_budget_ms

SHARES = st.floats(0.05, 6.0)
MS = st.floats(0.01, 5_000)


@given(share=st.floats(0.05, 0.99), cpu_ms=st.floats(1, 5_000), pieces=st.integers(1, 40))
def test_computing_takes_its_share_whatever_the_pieces(
    share: float, cpu_ms: float, pieces: int
) -> None:
    model = CpuBandwidth(share)
    for _ in range(pieces):
        model.run(cpu_ms / pieces, cpu_ms / pieces)
    burst_ms = first_budget_ms(share, 20)
    # The first burst runs at full speed; all that is beyond it, at the share.
    assert model.elapsed_ms == pytest.approx(max((cpu_ms - burst_ms) / share, cpu_ms))


@given(memory_mb=st.integers(128, 1769), cpu_ms=st.floats(40, 5_000))
def test_duration_follows_memory(memory_mb: int, cpu_ms: float) -> None:
    model = CpuBandwidth(memory_mb / 1769)
    assert model.run(cpu_ms, cpu_ms) == pytest.approx(cpu_ms * 1769 / memory_mb, rel=0.026)


@given(share=SHARES, active_ms=MS)
def test_waiting_for_input_costs_no_quota(share: float, active_ms: float) -> None:
    model = CpuBandwidth(share)
    assert model.run(active_ms, 0.0) == pytest.approx(active_ms)
    assert model.throttled_ms == 0.0


@given(share=SHARES, steps=st.lists(st.tuples(MS, MS), max_size=20))
def test_never_faster_than_the_work_itself_nor_than_the_quota(
    share: float, steps: list[tuple[float, float]]
) -> None:
    model = CpuBandwidth(share)
    for active_ms, cpu_ms in steps:
        before = model.elapsed_ms
        assert model.run(active_ms, cpu_ms) >= before + active_ms - 1e-6
    used_ms = sum(cpu_ms for _, cpu_ms in steps)
    allowed_ms = first_budget_ms(share, 20) + share * model.elapsed_ms
    assert used_ms <= allowed_ms * (1 + 1e-9) + 1e-6
    active = sum(active_ms for active_ms, _ in steps)
    assert model.elapsed_ms == pytest.approx(active + model.throttled_ms)


def test_a_burst_within_the_quota_is_not_slowed() -> None:
    model = CpuBandwidth(128 / 1769)
    assert model.run(1.0, 1.0) == 1.0


def test_spread_out_work_below_the_share_is_not_slowed() -> None:
    model = CpuBandwidth(128 / 1769)
    for _ in range(50):
        model.run(20.0, 1.0)
    assert model.elapsed_ms == pytest.approx(1_000)


def test_two_threads_share_one_core() -> None:
    model = CpuBandwidth(1.0)
    model.run(500.0, 1_000.0)
    assert model.elapsed_ms == pytest.approx(1_000, abs=20)


@given(share=SHARES, cpu_ms=MS, waited_ms=MS)
def test_what_is_known_late_is_taken_back(share: float, cpu_ms: float, waited_ms: float) -> None:
    told_at_once, told_late = CpuBandwidth(share), CpuBandwidth(share)
    at_once_ms = told_at_once.run(cpu_ms, cpu_ms)
    told_late.run(waited_ms, 0.0)
    late_ms = told_late.run(cpu_ms - waited_ms, cpu_ms)
    # Quota above what keeps is lost while the wait still looks like a pause: by no more than it.
    assert at_once_ms - 1e-6 <= late_ms <= at_once_ms + waited_ms + 1e-6


def test_no_limit() -> None:
    model = CpuBandwidth(math.inf)
    assert model.run(100.0, 190.0) == 100.0


@pytest.mark.parametrize(("share", "period_ms"), [(0, 20), (-1, 20), (1, 0), (math.nan, 20)])
def test_bad_parameters(share: float, period_ms: float) -> None:
    with pytest.raises(ValueError, match="above 0"):
        CpuBandwidth(share, period_ms)
