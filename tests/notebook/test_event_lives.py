"""Reading one event's life from events, whoever wrote them."""

from __future__ import annotations

from typing import Any

import pytest

from labkit.core.events import Event, EventKind
from labkit.fleet.event_life import EventScenario, simulate_event
from labkit.fleet.health import HealthPlan
from labkit.notebook.event_lives import event_life, spoken

START = 1_700_000_000_000.0


def made(*given: tuple[float, str, dict[str, Any]]) -> list[Event]:
    common = {"function": "worker", "request_id": "a"}
    return [
        Event(seq=seq, time_ms=START + time_ms, kind=EventKind(kind), **{**common, **fields})
        for seq, (time_ms, kind, fields) in enumerate(given, start=1)
    ]


def test_a_whole_life() -> None:
    plan = HealthPlan.of([(0, "throttled"), (0.5, "broken")])
    life = event_life(simulate_event(EventScenario(plan)))
    assert [(a.outcome, a.start_ms) for a in life.attempts] == [
        ("throttled", 0),
        ("error", 1_000),
        ("error", 63_000),
        ("error", 185_000),
    ]
    assert [(w.start_ms, w.end_ms, w.reason) for w in life.waits] == [
        (0, 1_000, "throttle"),
        (3_000, 63_000, "function_error"),
        (65_000, 185_000, "function_error"),
    ]
    assert (life.condition, life.end_ms, life.fate()) == (
        "RetriesExhausted",
        187_000,
        "dead-letter queue",
    )
    assert life.outcomes() == "3 attempts (error, error, error), 1 throttle"


def test_times_count_from_the_202_and_the_report_says_how_long_it_ran() -> None:
    life = event_life(
        made(
            (0, "accepted", {}),
            (2, "queued", {}),
            (102, "invoke_started", {"attempt": 1}),
            (900, "invoke_ended", {"attempt": 1, "outcome": "success", "duration_ms": 500.0}),
        )
    )
    (run,) = life.attempts
    assert (run.start_ms, run.end_ms) == (100, 600)
    assert [(wait.start_ms, wait.end_ms) for wait in life.waits] == [(0, 100)]
    assert (life.condition, life.fate()) == ("Success", "done")


def test_what_goes_on_is_shown_so_far() -> None:
    waiting = event_life(
        made(
            (0, "queued", {}),
            (0, "invoke_started", {"attempt": 1}),
            (10, "invoke_ended", {"attempt": 1, "outcome": "error", "duration_ms": 10.0}),
            (
                10,
                "retry_scheduled",
                {"attempt": 1, "due_ms": START + 60_010, "reason": "function_error"},
            ),
        )
    )
    assert waiting.condition is None
    assert waiting.waits[-1].end_ms == 60_010
    assert waiting.fate() == "not over yet"
    running = event_life(made((0, "queued", {}), (5, "invoke_started", {"attempt": 1})))
    assert [(a.outcome, a.start_ms) for a in running.attempts] == [("running", 5)]
    assert event_life([]).attempts == []


def test_other_events_are_passed_over() -> None:
    events = made(
        (0, "queued", {}),
        (0, "queued", {"request_id": "b"}),
        (1, "throttled", {"request_id": "b", "attempt": 1}),
        (2, "dropped", {"reason": "ZeroReservedConcurrency"}),
        (2, "delivered", {"reason": "on_failure"}),
        (2, "delivery_failed", {"reason": "dead_letter"}),
    )
    life = event_life(events)
    assert (life.request_id, life.throttles, life.condition) == ("a", 0, "ZeroReservedConcurrency")
    assert life.fate() == "on-failure destination and dead-letter queue (delivery failed)"
    assert event_life(events, "b").throttles == 1


@pytest.mark.parametrize(
    ("ms", "words"),
    [
        (0, "0 s"),
        (2_500, "2.5 s"),
        (59_940, "59.9 s"),
        (59_960, "1 min"),
        (62_000, "1 min 2 s"),
        (3_599_600, "1 h"),
        (21_600_000, "6 h"),
        (5_430_000, "1 h 30 min"),
    ],
)
def test_times_are_spoken(ms: float, words: str) -> None:
    assert spoken(ms) == words
