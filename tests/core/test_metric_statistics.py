from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit.core.metric_statistics import Sample, merged, percentile_of

NAMES = ("SampleCount", "Sum", "Average", "Minimum", "Maximum")
VALUES = st.lists(st.integers(-1000, 1000), min_size=1)


def sample(*values: float) -> Sample:
    return Sample(Counter(values))


def test_statistics_of_values() -> None:
    found = {name: sample(1, 2, 2, 5).statistic(name) for name in NAMES}
    assert found == {"SampleCount": 4, "Sum": 10, "Average": 2.5, "Minimum": 1, "Maximum": 5}


def test_values_and_summaries_together() -> None:
    both = Sample(Counter([4.0]), [(1.0, 9.0, 16.0, 3.0)])
    found = {name: both.statistic(name) for name in NAMES}
    assert found == {"SampleCount": 4, "Sum": 20, "Average": 5, "Minimum": 1, "Maximum": 9}
    assert both.statistic("p50") is None


def test_nothing_has_no_statistics() -> None:
    assert [Sample().statistic(name) for name in (*NAMES, "p50")] == [None] * 6
    assert sample(1).statistic("Median") is None


@pytest.mark.parametrize(
    ("name", "percent"),
    [
        ("p0", 0),
        ("p50", 50),
        ("p99.9", 99.9),
        ("p100", 100),
        ("p101", None),
        ("p", None),
        ("P5", None),
    ],
)
def test_names_of_percentiles(name: str, percent: float | None) -> None:
    assert percentile_of(name) == percent


def test_percentiles() -> None:
    hundred = sample(*range(1, 101))
    assert [hundred.statistic(f"p{n}") for n in (1, 50, 99, 100)] == [1, 50, 99, 100]


@given(VALUES, st.integers(0, 100))
def test_so_many_values_are_not_above_a_percentile(values: list[int], percent: int) -> None:
    found = sample(*values).statistic(f"p{percent}")
    assert found in values
    assert sum(value <= found for value in values) >= percent / 100 * len(values)


@given(st.lists(VALUES))
def test_merging_is_like_having_all_values_at_once(parts: list[list[int]]) -> None:
    whole = merged(sample(*part) for part in parts)
    everything = sample(*(value for part in parts for value in part))
    assert [whole.statistic(name) for name in (*NAMES, "p90")] == [
        everything.statistic(name) for name in (*NAMES, "p90")
    ]
