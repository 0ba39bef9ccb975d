"""How a function fares over time: reading, asking, painting."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit.fleet.health import Health, HealthPlan

HEALTHS = st.sampled_from(list(Health))
TIMES = st.integers(0, 100)
PLANS = st.builds(
    lambda first, rest: HealthPlan.of([(0, first), *rest]),
    HEALTHS,
    st.lists(st.tuples(TIMES, HEALTHS), max_size=6),
)


@given(PLANS, HEALTHS, TIMES, TIMES, TIMES)
def test_painting_changes_what_is_painted_and_nothing_else(
    plan: HealthPlan, health: Health, start_s: int, end_s: int, asked_s: int
) -> None:
    painted = plan.painted(health, start_s, end_s)
    is_within = start_s <= asked_s < end_s
    assert painted.at(asked_s) is (health if is_within else plan.at(asked_s))
    starts = [spell.start_s for spell in painted.spells]
    assert starts == sorted(set(starts))
    assert starts[0] == 0
    following = zip(painted.spells, painted.spells[1:], strict=False)
    assert all(a.health is not b.health for a, b in following)


def test_painting_to_the_end_is_for_good() -> None:
    plan = HealthPlan.of([(0, "broken"), (50, "throttled")]).painted("healthy", 60)
    assert [plan.at(time) for time in (0, 55, 60, 1e9)] == [
        "broken",
        "throttled",
        "healthy",
        "healthy",
    ]


def test_spells_are_read_in_any_order() -> None:
    assert HealthPlan.of([(9, "healthy"), (0, "broken")]).at(10) is Health.HEALTHY


@pytest.mark.parametrize(
    ("spells", "words"),
    [
        ([], "begins at 0 s"),
        ([(5, "broken")], "begins at 0 s"),
        ([(0, "ill")], "healthy, broken, throttled, not 'ill'"),
        ([(-1, "broken")], "number of seconds from 0"),
        ([(math.inf, "broken")], "number of seconds from 0"),
    ],
)
def test_what_is_no_plan_is_refused(spells: list[tuple[float, str]], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        HealthPlan.of(spells)
