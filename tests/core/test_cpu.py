"""CPU share and corrected duration."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit.core.cpu import (
    cpu_share,
    is_disturbed,
)

MEMORY_MB = st.integers(min_value=128, max_value=10_240)
MS = st.floats(min_value=0.0, max_value=900_000.0)
SHARE = st.floats(min_value=128 / 1769, max_value=10_240 / 1769)


@pytest.mark.parametrize(
    ("memory_mb", "share"), [(1_769, 1.0), (128, 0.0724), (3_538, 2.0), (10_240, 5.7886)]
)
def test_share_of_known_sizes(memory_mb: int, share: float) -> None:
    assert cpu_share(memory_mb) == pytest.approx(share, abs=1e-4)


@given(MEMORY_MB, MEMORY_MB)
def test_share_is_proportional_to_memory(one_mb: int, other_mb: int) -> None:
    assert cpu_share(one_mb) * other_mb == pytest.approx(cpu_share(other_mb) * one_mb)
    assert (cpu_share(one_mb) < cpu_share(other_mb)) == (one_mb < other_mb)


@pytest.mark.parametrize(
    ("waiting_ms", "duration_ms", "disturbed"),
    [(0, 100, False), (2, 10, False), (2.1, 10, True), (29, 1000, False), (31, 1000, True)],
)
def test_a_measurement_is_disturbed_by_more_than_2_ms_and_3_percent_of_waiting(
    waiting_ms: float, duration_ms: float, disturbed: bool
) -> None:
    assert is_disturbed(waiting_ms, duration_ms) is disturbed
