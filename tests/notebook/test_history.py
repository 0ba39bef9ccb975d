"""What is read out of the lab's events."""

from __future__ import annotations

from typing import Any

import pytest

from labkit.core.events import Event
from labkit.notebook.history import Doing, HistoryBuilder, Row, history

INIT, INVOKE, FROZEN, NO_PROCESS = Doing.INIT, Doing.INVOKE, Doing.FROZEN, Doing.NO_PROCESS


def doings(row: Row) -> list[Doing]:
    return [span.doing for span in row.spans]


def test_the_summary_counts_what_happened(sleepers: Any) -> None:
    past = history(sleepers.events())
    assert past.summary() == "3 environments, 7 invocations (3 cold), 1 error"


def test_nothing_happened() -> None:
    assert history([]).summary() == "0 environments, 0 invocations (0 cold), 0 errors"


def test_throttles_are_counted_only_if_there_are_any(story: Any) -> None:
    story.init("a", 0, 10)
    story.invoke("a", 10, 5)
    assert history(story.events()).summary() == "1 environment, 1 invocation (1 cold), 0 errors"
    story.add("throttled", 12)
    assert history(story.events()).summary().endswith(", 0 errors, 1 throttle")


def test_a_cold_and_a_warm_invocation(story: Any) -> None:
    story.init("a", 0, 25)
    story.invoke("a", 25, 5)
    story.invoke("a", 100, 5)
    (row,) = history(story.events()).rows
    assert doings(row) == [INIT, INVOKE, FROZEN, INVOKE]
    assert [span.end_ms - span.start_ms for span in row.spans] == [25, 5, 70, 5]


def test_spans_follow_one_another_without_gap_or_overlap(sleepers: Any) -> None:
    for row in history(sleepers.events()).rows:
        for before, after in zip(row.spans, row.spans[1:], strict=False):
            assert before.end_ms == after.start_ms


def test_an_invocation_is_as_long_as_its_report_says(story: Any) -> None:
    """The event of its end comes later, when the log has been written."""
    story.init("a", 0, 25)
    story.invoke("a", 25, 40, duration_ms=2.0)
    (row,) = history(story.events()).rows
    assert [(span.doing, span.end_ms - span.start_ms) for span in row.spans[1:]] == [
        (INVOKE, 2),
        (FROZEN, 38),
    ]


@pytest.mark.parametrize(
    ("outcome", "error_type", "afterwards"),
    [
        ("timeout", "Sandbox.Timedout", NO_PROCESS),
        ("error", "Runtime.OutOfMemory", NO_PROCESS),
        ("error", "Runtime.ExitError", NO_PROCESS),
        ("error", "ValueError", FROZEN),
        ("error", "Runtime.MarshalError", FROZEN),
    ],
)
def test_whether_the_process_survives_an_error(
    story: Any, outcome: str, error_type: str, afterwards: Doing
) -> None:
    story.init("a", 0, 25)
    story.invoke("a", 25, 100, outcome=outcome, error_type=error_type)
    story.add("environment_ended", 900, environment="a", reason="idle")
    past = history(story.events())
    (row,) = past.rows
    assert doings(row) == [INIT, INVOKE, afterwards]
    assert past.errors == 1
    assert row.ended_ms is not None


def test_init_inside_an_invocation_is_no_cold_start(story: Any) -> None:
    story.init("a", 0, 25)
    story.invoke("a", 25, 1_000, outcome="timeout", error_type="Sandbox.Timedout")
    story.add("invoke_started", 2_000, environment="a")
    story.init("a", 2_001, 30, phase="invoke")
    story.add("invoke_ended", 2_050, environment="a", outcome="success", duration_ms=50.0)
    past = history(story.events())
    assert doings(past.rows[0]) == [INIT, INVOKE, NO_PROCESS, INVOKE, INIT, INVOKE]
    assert past.summary() == "1 environment, 2 invocations (1 cold), 1 error"


def test_after_a_failed_init_there_is_no_process(story: Any) -> None:
    story.init("a", 0, 25, outcome="error")
    story.invoke("a", 25, 1, outcome="error", error_type="Runtime.ImportModuleError")
    story.add("environment_ended", 500, environment="a")
    assert doings(history(story.events()).rows[0]) == [INIT, INVOKE, NO_PROCESS]


def test_what_still_runs_lasts_until_the_last_event(story: Any) -> None:
    story.init("a", 0, 25)
    story.add("invoke_started", 25, environment="a")
    story.add("throttled", 75)
    (row,) = history(story.events()).rows
    assert (row.spans[-1].doing, row.spans[-1].end_ms - row.spans[-1].start_ms) == (INVOKE, 50)


def test_one_function_alone(story: Any) -> None:
    for name in ("hello", "other"):
        story.init(name, 0, 10, function=name)
        story.invoke(name, 10, 10, function=name)
    assert [row.function for row in history(story.events()).rows] == ["hello", "other"]
    assert [row.function for row in history(story.events(), "other").rows] == ["other"]


def test_time_begins_with_the_first_thing_to_be_seen(story: Any) -> None:
    story.add("accepted", 0)
    story.init("a", 200, 25)
    assert history(story.events()).start_ms == history(story.events()).rows[0].spans[0].start_ms


def test_event_by_event_it_comes_to_the_same(sleepers: Any) -> None:
    builder, events = HistoryBuilder(), sleepers.events()
    for number, event in enumerate(events, start=1):
        builder.take(event)
        assert builder.history() == history(events[:number])


def test_what_was_read_before_does_not_change_with_what_comes(story: Any) -> None:
    story.init("a", 0, 25)
    story.invoke("a", 25, 40)
    builder, events = HistoryBuilder(), story.events()
    for event in events[:3]:
        builder.take(event)
    early = builder.history()
    assert doings(early.rows[0]) == [INIT, INVOKE]
    builder.take(events[3])
    assert early.rows[0].spans[-1].event is None
    assert builder.history().rows[0].spans[-1].event == events[3]


def test_what_has_just_begun_is_there(story: Any) -> None:
    story.init("a", 0, 25)
    story.add("invoke_started", 25, environment="a")
    (row,) = history(story.events()).rows
    assert (row.spans[-1].doing, row.spans[-1].start_ms) == (INVOKE, row.spans[-1].end_ms)


def test_provisioned_concurrency_waits_as_such_and_is_no_cold_start(story: Any) -> None:
    story.add(
        "init_started",
        0,
        environment="a",
        phase="init",
        initialization_type="provisioned-concurrency",
    )
    story.add("init_ended", 40, environment="a", phase="init", outcome="success")
    story.invoke("a", 100, 20)
    story.add("environment_ended", 500, environment="a", reason="provisioned")
    past = history(story.events())
    assert doings(past.rows[0]) == [INIT, Doing.PROVISIONED, INVOKE, Doing.PROVISIONED]
    assert past.cold == 0
    assert past.rows[0].ended is not None


def test_throttles_keep_why(story: Any) -> None:
    story.add("throttled", 12, reason="ConcurrentInvocationLimitExceeded")
    past = history(story.events())
    assert [event.reason for event in past.throttles] == ["ConcurrentInvocationLimitExceeded"]
    assert past.throttles_ms == [past.start_ms]


def test_an_invocation_whose_init_inside_it_fails_is_an_invocation(story: Any) -> None:
    """After a lost process: init runs inside the invocation, fails, and fails the invocation."""
    story.init("a", 0, 10)
    story.invoke("a", 10, 5, outcome="timeout", error_type="Sandbox.Timedout")
    story.add("invoke_started", 30, environment="a")
    story.init("a", 31, 9, phase="invoke", outcome="error")
    story.add("invoke_ended", 41, environment="a", outcome="error", duration_ms=11.0)
    past = history(story.events())
    spans = past.rows[0].spans
    assert doings(past.rows[0]) == [INIT, INVOKE, NO_PROCESS, INVOKE, INIT, INVOKE]
    assert spans[-1].event is not None and spans[-1].event.kind == "invoke_ended"
    assert past.errors == 2


def test_times_that_run_backwards_do_not_turn_the_axis(story: Any) -> None:
    events = [
        Event.from_dict(
            {"seq": seq, "time_ms": time_ms, "kind": "init_started", "environment": name}
        )
        for seq, (time_ms, name) in enumerate([(100.0, "a"), (50.0, "b")], 1)
    ]
    past = history(events)
    assert (past.start_ms, past.end_ms) == (50.0, 100.0)
