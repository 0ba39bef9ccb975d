"""The settings of a stream's mapping, and the lanes of its keys."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from labkit.core.stream_batches import StreamSettings, lane_of


@given(st.text(), st.integers(1, 10))
def test_a_key_has_one_lane(key: str, factor: int) -> None:
    assert lane_of(key, factor) == lane_of(key, factor) in range(factor)


def test_keys_spread_over_the_lanes() -> None:
    lanes = Counter(lane_of(f"user-{number}", 10) for number in range(1_000))
    assert set(lanes) == set(range(10))
    assert max(lanes.values()) < 2 * min(lanes.values())


def test_a_record_expires_by_its_age_or_with_the_stream() -> None:
    assert StreamSettings().expires_ms(5) == 86_400_005
    assert StreamSettings(maximum_record_age_s=60).expires_ms(5) == 60_005
    assert StreamSettings(maximum_record_age_s=604_800).expires_ms(0) == 86_400_000


@given(st.integers(1, 100_000), st.floats(0.1, 3_600))
def test_waits_grow_up_to_the_longest(failures: int, backoff_max_s: float) -> None:
    settings = StreamSettings(backoff_max_s=backoff_max_s)
    assert 0 < settings.backoff_ms(failures) <= backoff_max_s * 1000
    assert settings.backoff_ms(failures) <= settings.backoff_ms(failures + 1)


def test_retries() -> None:
    assert StreamSettings().may_retry(10**6)
    assert StreamSettings(maximum_retry_attempts=2).may_retry(1)
    assert not StreamSettings(maximum_retry_attempts=2).may_retry(2)
    assert not StreamSettings(maximum_retry_attempts=0).may_retry(0)
