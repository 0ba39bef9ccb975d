"""Billed duration."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit.core.billing import billed_duration_ms, hundredths_of_ms

MS = st.floats(min_value=0.0, max_value=900_000.0)


@pytest.mark.parametrize(
    ("duration_ms", "init_ms", "billed_ms"),
    [
        (133.61, 80.00, 214),
        (3016.78, 84.00, 3101),
        (3000.00, 402.04, 3403),
        (3.01, 110.10, 114),
        (2.90, 0.0, 3),
        (1.0, 0.0, 1),
        (1.01, 0.0, 2),
        (100.00000001, 0.0, 100),
        (99.999, 0.0, 100),
        (0.001, 0.0, 1),
        (0.0, 0.0, 0),
        (0.1 + 0.2, 0.7, 1),
    ],
)
def test_known_figures(duration_ms: float, init_ms: float, billed_ms: int) -> None:
    assert billed_duration_ms(duration_ms, init_ms) == billed_ms


@given(MS, MS)
def test_billed_is_the_printed_sum_rounded_up(duration_ms: float, init_ms: float) -> None:
    printed = hundredths_of_ms(duration_ms) + hundredths_of_ms(init_ms)
    billed_ms = billed_duration_ms(duration_ms, init_ms)
    assert isinstance(billed_ms, int)
    assert printed <= billed_ms * 100
    assert billed_ms * 100 < printed + 100 or billed_ms == 1


@given(MS, MS, MS)
def test_longer_is_never_cheaper(duration_ms: float, init_ms: float, more_ms: float) -> None:
    billed_ms = billed_duration_ms(duration_ms, init_ms)
    assert billed_duration_ms(duration_ms + more_ms, init_ms) >= billed_ms
    assert billed_duration_ms(duration_ms, init_ms + more_ms) >= billed_ms


@given(MS, MS)
def test_init_counts_like_duration(duration_ms: float, init_ms: float) -> None:
    assert billed_duration_ms(duration_ms, init_ms) == billed_duration_ms(init_ms, duration_ms)


@given(st.integers(min_value=0, max_value=900_000), st.floats(min_value=-0.004, max_value=0.004))
def test_noise_below_what_is_printed_costs_nothing(whole_ms: int, noise_ms: float) -> None:
    assert billed_duration_ms(max(whole_ms + 1 + noise_ms, 0.0)) == whole_ms + 1


@pytest.mark.parametrize(("duration_ms", "init_ms"), [(-0.1, 0.0), (1.0, -1.0)])
def test_negative_durations_are_refused(duration_ms: float, init_ms: float) -> None:
    with pytest.raises(ValueError, match="0 ms or more"):
        billed_duration_ms(duration_ms, init_ms)
