from __future__ import annotations

from typing import Any

from labkit.core.events import EventKind
from labkit.fleet.batch_scenario import DEAD_LETTER, DONE, BatchScenario, Run
from labkit.fleet.batches import simulate


def play(arrivals_s: list[float], poisoned: tuple[int, ...] = (), **settings: Any) -> Run:
    return simulate(
        BatchScenario(
            source="sqs",
            arrivals_ms=tuple(time * 1000 for time in arrivals_s),
            keys=("A",) * len(arrivals_s),
            poisoned=frozenset(poisoned),
            **settings,
        )
    )


def batches(run: Run) -> list[tuple[tuple[int, ...], float, str]]:
    return [(a.records, a.start_ms / 1000, a.reason) for a in run.attempts]


def test_without_a_window_a_poll_takes_what_is_there() -> None:
    assert batches(play([0, 0.1, 1])) == [
        ((1,), 0, "available"),
        ((2,), 0.1, "available"),
        ((3,), 1, "available"),
    ]


def test_a_window_gathers_until_it_is_over_or_the_batch_is_full() -> None:
    run = play([0, 1, 2, 5, 6], batch_size=3, batching_window_s=4)
    assert batches(run) == [((1, 2, 3), 2, "size"), ((4, 5), 9, "window")]


def test_a_failed_batch_comes_back_whole_when_its_visibility_timeout_is_over() -> None:
    run = play([0, 1], (2,), batch_size=2, batching_window_s=5, visibility_timeout_s=20)
    # Each message was received when it came: the timeouts end one after the other.
    assert run.lives[0].visible_ms == [0, 20_000, 40_000, 60_000]
    assert run.lives[1].visible_ms == [1000, 21_000, 41_000, 61_000]
    assert [attempt.start_ms for attempt in run.attempts] == [1000, 21_000, 41_000]
    assert {attempt.outcome for attempt in run.attempts} == {"error"}
    assert [(life.end, life.ended_ms) for life in run.lives] == [
        (DEAD_LETTER, 60_000),
        (DEAD_LETTER, 61_000),
    ]
    assert run.repeated == 4


def test_reported_failures_come_back_alone() -> None:
    run = play(
        [0, 1],
        (2,),
        batch_size=2,
        batching_window_s=5,
        visibility_timeout_s=20,
        max_receive_count=2,
        report_batch_item_failures=True,
    )
    assert [attempt.records for attempt in run.attempts] == [(1, 2), (2,)]
    assert [attempt.outcome for attempt in run.attempts] == ["partial", "partial"]
    assert [life.end for life in run.lives] == [DONE, DEAD_LETTER]
    assert run.longest_ms == 1000 + 700


def test_after_an_error_fewer_batches_run_at_once() -> None:
    slow: dict[str, Any] = {"batch_size": 1, "invocation_ms": 10_000, "visibility_timeout_s": 60}
    arrivals_s = [0.0] * 5 + [20.0] * 5
    failing, calm = play(arrivals_s, (1,), **slow), play(arrivals_s, **slow)
    begun = [sum(a.start_ms == 20_000 for a in run.attempts) for run in (failing, calm)]
    assert begun == [2, 5]


def test_a_visibility_timeout_shorter_than_the_work_hands_a_message_out_twice() -> None:
    run = play([0], visibility_timeout_s=2, invocation_ms=5000)
    assert [attempt.start_ms for attempt in run.attempts] == [0, 2000, 4000]
    assert [(life.end, life.ended_ms, life.attempts) for life in run.lives] == [(DONE, 5100, 3)]


def test_the_events_of_a_batch_come_in_their_order() -> None:
    run = play([0, 0.5], (1,), batch_size=2, batching_window_s=1, max_receive_count=1)
    told = [(event.kind, event.time_ms, event.records, event.reason) for event in run.events]
    assert told == [
        (EventKind.POLLED, 0, 1, None),
        (EventKind.POLLED, 500, 1, None),
        (EventKind.BATCH_FORMED, 500, 2, "size"),
        (EventKind.BATCH_ENDED, 1200, 2, None),
    ]
    assert {(event.function, event.mapping) for event in run.events} == {
        ("batch-handler", "mapping")
    }


def test_a_longest_time_needs_a_success() -> None:
    run = play([0], (1,), max_receive_count=1)
    assert run.longest_ms is None
    assert run.busy_ms == 600
