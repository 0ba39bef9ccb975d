from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit.core.events import EventKind
from labkit.fleet.batch_scenario import (
    DEAD_LETTER,
    DISCARDED,
    DONE,
    SOURCES,
    WAITING,
    BatchScenario,
)
from labkit.fleet.batches import simulate


def scenario(source: str = "sqs", **settings: Any) -> BatchScenario:
    """Ten records, one each second."""
    given = {
        "arrivals_ms": tuple(1000.0 * number for number in range(10)),
        "keys": tuple("ABABABABAB"),
        **settings,
    }
    return BatchScenario(source=source, **given)


scenarios = st.builds(
    lambda source, records, **settings: BatchScenario(
        source=source,
        arrivals_ms=tuple(sorted(time for time, _ in records)),
        keys=tuple(key for _, key in records),
        horizon_s=100_000,
        **settings,
    ),
    source=st.sampled_from(SOURCES),
    records=st.lists(
        st.tuples(st.floats(0, 60_000), st.sampled_from("ABCD")), min_size=1, max_size=15
    ),
    poisoned=st.frozensets(st.integers(1, 15), max_size=4),
    batch_size=st.integers(1, 10),
    batching_window_s=st.integers(0, 20),
    report_batch_item_failures=st.booleans(),
    visibility_timeout_s=st.integers(25, 40),
    max_receive_count=st.integers(1, 4),
    parallelization_factor=st.integers(1, 4),
    bisect_batch=st.booleans(),
    maximum_retry_attempts=st.integers(0, 4),
)


@given(scenarios)
def test_each_record_ends_once_and_only_poison_is_given_up_alone(played: BatchScenario) -> None:
    run = simulate(played)
    bad = played.poisoned
    lost = [life for life in run.lives if life.end in (DEAD_LETTER, DISCARDED)]
    assert run.count(DONE) + len(lost) == len(run.lives)
    assert all(life.end != DONE for life in run.lives if life.number in bad)
    if played.report_batch_item_failures and played.source == "sqs":
        assert {life.number for life in lost} <= bad


@given(scenarios)
def test_a_record_is_in_one_batch_at_a_time_and_never_before_it_came(
    played: BatchScenario,
) -> None:
    run = simulate(played)
    for life in run.lives:
        own = [attempt for attempt in run.attempts if life.number in attempt.records]
        assert len(own) == life.attempts
        assert all(attempt.start_ms >= life.arrived_ms for attempt in own)
        assert all(a.end_ms <= b.start_ms for a, b in zip(own, own[1:], strict=False))


@given(scenarios)
def test_batches_keep_their_size_and_their_window(played: BatchScenario) -> None:
    for attempt in simulate(played).attempts:
        assert 1 <= len(attempt.records) <= played.batch_size
        assert attempt.end_ms - attempt.start_ms == pytest.approx(
            played.duration_ms(len(attempt.records))
        )
        assert attempt.formed_ms - attempt.opened_ms <= played.batching_window_s * 1000 + 0.001


@given(scenarios)
def test_the_events_tell_what_the_attempts_tell(played: BatchScenario) -> None:
    run = simulate(played)
    ended = [event for event in run.events if event.kind is EventKind.BATCH_ENDED]
    assert sorted((e.batch, e.attempt, e.records, e.failed_records, e.outcome) for e in ended) == (
        sorted((a.batch, a.attempt, len(a.records), len(a.failed), a.outcome) for a in run.attempts)
    )
    assert [event.seq for event in run.events] == list(range(1, len(run.events) + 1))
    assert [e.time_ms for e in run.events] == sorted(e.time_ms for e in run.events)


@given(scenarios)
def test_the_same_scenario_runs_the_same_way(played: BatchScenario) -> None:
    assert simulate(played) == simulate(played)


def test_what_is_not_over_at_the_horizon_waits() -> None:
    run = simulate(scenario(poisoned=frozenset({5}), batch_size=1, horizon_s=6))
    assert run.end_ms == 6000
    assert run.lives[4].end == WAITING
    assert run.count(DONE) == 5  # the last of them at 5.6 s
