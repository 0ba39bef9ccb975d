from __future__ import annotations

from typing import Any

import pytest

from labkit.core.events import EventKind
from labkit.fleet.batch_scenario import DISCARDED, DONE, WAITING, BatchScenario, Blocked, Run
from labkit.fleet.batches import simulate


def play(
    arrivals_s: list[float], poisoned: tuple[int, ...] = (), keys: str = "", **settings: Any
) -> Run:
    return simulate(
        BatchScenario(
            source="kinesis",
            arrivals_ms=tuple(time * 1000 for time in arrivals_s),
            keys=tuple(keys or "A" * len(arrivals_s)),
            poisoned=frozenset(poisoned),
            **settings,
        )
    )


def batches(run: Run) -> list[tuple[str, tuple[int, ...], float]]:
    return [(a.batch, a.records, a.start_ms / 1000) for a in run.attempts]


def test_a_shard_is_read_once_a_second_and_one_batch_runs_at_a_time() -> None:
    run = play([0, 0.2, 0.4, 1.1, 1.2], batch_size=2)
    assert batches(run) == [("1", (1,), 0), ("2", (2, 3), 1), ("3", (4, 5), 2)]


def test_a_window_gathers_until_it_is_over() -> None:
    run = play([0, 0.5, 1.5, 9], batching_window_s=3)
    assert batches(run)[0] == ("1", (1, 2, 3), 3)
    assert run.attempts[0].reason == "window"


def test_a_poisoned_record_blocks_the_shard_until_its_retries_are_used_up() -> None:
    run = play([0, 0, 0.5, 5], (2,), batch_size=2, maximum_retry_attempts=2)
    assert batches(run) == [
        ("1", (1, 2), 0),
        ("1", (1, 2), 2.7),
        ("1", (1, 2), 7.4),
        ("2", (3, 4), 8.1),
    ]
    assert run.blocked == [Blocked(0, 700, 8100)]
    dropped = [event for event in run.events if event.kind is EventKind.DROPPED]
    assert [(e.reason, e.attempt, e.records) for e in dropped] == [("RetryAttemptsExhausted", 3, 2)]


def test_bisecting_finds_the_poisoned_record() -> None:
    run = play([0] * 4, (3,), batch_size=4, bisect_batch=True, maximum_retry_attempts=0)
    assert {life.number for life in run.lives if life.end == DISCARDED} == {3}
    assert run.count(DONE) == 3


def test_reported_failures_retry_from_the_first_failed_record_on() -> None:
    run = play([0] * 4, (3,), report_batch_item_failures=True, maximum_retry_attempts=0)
    first = run.attempts[-1]
    assert first.outcome == "partial"
    assert first.failed[0] == 3
    assert [life.end for life in run.lives][:3] == [DONE, DONE, DISCARDED]


def test_keys_of_another_sub_shard_go_on() -> None:
    # Of two sub-shards A takes one and D the other.
    run = play([0, 0, 2, 2], (1,), "ADAD", batch_size=1, parallelization_factor=2)
    (blocked,) = run.blocked
    assert blocked.lane == run.lives[0].lane != run.lives[1].lane
    assert run.lives[3].ended_ms is not None and run.lives[2].ended_ms is not None
    assert run.lives[3].ended_ms < blocked.to_ms < run.lives[2].ended_ms


def test_without_a_limit_it_is_blocked_to_the_end() -> None:
    run = play([0, 5], (1,), maximum_retry_attempts=-1, horizon_s=60)
    assert run.blocked == [Blocked(0, 600, 60_000)]
    assert [life.end for life in run.lives] == [WAITING, WAITING]
    waits = [b.start_ms - a.end_ms for a, b in zip(run.attempts, run.attempts[1:], strict=False)]
    assert waits[:4] == pytest.approx([2000, 4000, 8000, 10_000])


def test_order_holds_within_a_key() -> None:
    run = play([0.1 * n for n in range(12)], (5,), "ABCD" * 3, parallelization_factor=4)
    for key in "ABCD":
        ended = [life.ended_ms or 0 for life in run.lives if life.key == key]
        assert ended == sorted(ended)


def test_a_retry_and_a_split_are_told() -> None:
    run = play([0, 0], (2,), bisect_batch=True, maximum_retry_attempts=1, batch_size=2)
    told = [
        (event.kind.value, event.batch, event.attempt, event.records, event.reason)
        for event in run.events
    ]
    assert told == [
        ("polled", None, None, 2, None),
        ("batch_formed", "1", None, 2, "size"),
        ("batch_ended", "1", 1, 2, None),
        ("batch_formed", "1.1", None, 1, "bisect"),
        ("batch_formed", "1.2", None, 1, "bisect"),
        ("batch_ended", "1.1", 1, 1, None),
        ("batch_ended", "1.2", 1, 1, None),
        ("retry_scheduled", "1.2", 1, None, "function_error"),
        ("batch_ended", "1.2", 2, 1, None),
        ("dropped", "1.2", 2, 1, "RetryAttemptsExhausted"),
    ]
    ages = [event.age_ms for event in run.events if event.kind is EventKind.BATCH_ENDED]
    assert ages == [0, 2700, 3300, 5900]
