"""The retry timeline without a browser: settings, answers to the page, words, live events."""

from __future__ import annotations

import io
from typing import Any

import pytest
import traitlets
from PIL import Image

from labkit import Goal, Lab, goals
from labkit.core.events import Event, EventKind
from labkit.notebook.widgets.retries import RetryTimeline


def turn(widget: RetryTimeline, seq: int = 1, *, begins: bool = True, **values: Any) -> None:
    """What the page says when something is turned."""
    content = {"type": "set", "view": "v", "seq": seq, "begins": begins, "values": values}
    widget._handle_custom_msg(content, [])


def test_the_line_is_the_same_in_every_run() -> None:
    assert repr(RetryTimeline()) == (
        "RetryTimeline: 3 attempts (error, error, error) at 0 s, 1 min 2 s, 3 min 4 s; "
        "RetriesExhausted, dead-letter queue"
    )
    healed = RetryTimeline(health=[(0, "broken"), (30, "healthy")])
    assert repr(healed) == "RetryTimeline: 2 attempts (error, success) at 0 s, 1 min 2 s; done"


def test_a_turn_is_answered_with_its_number() -> None:
    widget = RetryTimeline()
    turn(widget, 7, health=[[0, "healthy"]])
    assert (widget._picture["view"], widget._picture["seq"]) == ("v", 7)
    assert widget._picture["life"]["condition"] == "Success"
    assert widget.health == [(0.0, "healthy")]
    assert widget._picture["before"]["condition"] == "RetriesExhausted"


def test_the_ghost_is_the_setting_before_the_drag() -> None:
    widget = RetryTimeline()
    for seq, end_s in enumerate((70, 80, 90)):
        health = [[0, "broken"], [end_s, "healthy"]]
        turn(widget, seq, begins=seq == 0, health=health)
    assert len(widget._picture["before"]["attempts"]) == 3
    assert widget._picture["before"]["condition"] == "RetriesExhausted"


def test_settings_turn_in_python_too() -> None:
    widget = RetryTimeline()
    widget.maximum_retry_attempts = 0
    assert len(widget.life.attempts) == 1
    widget.maximum_event_age_s = 60
    assert widget._picture["settings"] == {
        "maximum_retry_attempts": 0,
        "maximum_event_age_s": 60,
    }


def test_the_attempt_that_never_comes_is_told() -> None:
    widget = RetryTimeline(maximum_event_age_s=120)
    beyond = widget._picture["beyond"]
    assert beyond["start_ms"] == 184_000
    assert beyond["words"] == (
        "the next attempt would come at an age of 3 min 4 s; the maximum is 2 min"
    )
    assert "EventAgeExceeded at an age of 1 min 4 s" in widget._picture["headline"]


def test_what_is_wrong_is_told_and_changes_nothing() -> None:
    widget = RetryTimeline()
    turn(widget, maximum_event_age_s=59)
    assert "whole number from 60 to 21,600, not 59" in widget._picture["error"]
    assert widget.maximum_event_age_s == 21_600
    turn(widget, health=[[5, "broken"]])
    assert "the first spell begins at 0 s" in widget._picture["error"]
    turn(widget, maximum_retry_attempts=1)
    assert widget._picture["error"] == ""
    with pytest.raises(traitlets.TraitError, match="MaximumRetryAttempts"):
        RetryTimeline(maximum_retry_attempts=3)
    with pytest.raises(ValueError, match="knobs are some of"):
        RetryTimeline(knobs=("memory",))
    with pytest.raises(ValueError, match="target is"):
        RetryTimeline(target="nowhere")
    with pytest.raises(ValueError, match="takes more than 0 s"):
        RetryTimeline(duration_s=0)


def test_two_pins_are_compared() -> None:
    widget = RetryTimeline()
    widget.pin("B")
    widget.maximum_retry_attempts = 1
    widget.pin("A")
    assert widget.comparison == (
        "A: 1 retry, maximum age 6 h: 2 attempts (error, error), "
        "RetriesExhausted, dead-letter queue · "
        "B: 2 retries, maximum age 6 h: 3 attempts (error, error, error), "
        "RetriesExhausted, dead-letter queue"
    )
    with pytest.raises(ValueError, match="'A' or 'B'"):
        widget.pin("C")


def test_goals_count_what_is_tried() -> None:
    widget = RetryTimeline()
    goal = Goal("Get it into the dead-letter queue", kind="delivered", reason="dead_letter")
    assert widget.reached(goal)
    seen: list[list[Event]] = []
    cancel = widget.follow(seen.append)
    turn(widget, health=[[0, "healthy"]])
    cancel()
    turn(widget, health=[[0, "broken"]])
    assert len(seen) == 2
    assert goal.count(seen[0]) == 1 and goal.count(seen[1]) == 0
    assert len(widget.events(kind="invoke_started")) == 3


def test_a_checklist_is_ticked_by_the_widget() -> None:
    widget: Any = RetryTimeline(health=[(0, "healthy")])
    checklist = goals(widget, Goal("Exhaust the retries", kind="dropped"))
    assert checklist.reached == [False]
    turn(widget, health=[[0, "broken"]])
    assert checklist.reached == [True]


def test_the_words_after_the_end() -> None:
    gone = RetryTimeline(target=None)
    assert gone._picture["headline"].endswith(
        "There is no dead-letter queue and no destination: the event is gone."
    )
    record = RetryTimeline(target="on_failure")
    assert record._picture["headline"].endswith("Its record is in the on-failure destination.")


def test_the_still_picture_is_a_png_that_fits_a_notebook() -> None:
    health = [(0, "throttled"), (20, "broken"), (200, "healthy")]
    png = RetryTimeline(health=health, maximum_event_age_s=300)._still_png()
    with Image.open(io.BytesIO(png)) as picture:
        assert picture.width > 600
    assert len(png) < 25_000


class FakeLab:
    """A lab whose events the test makes."""

    def __init__(self) -> None:
        self.made: list[Event] = []
        self.callback: Any = None
        self.ended: Any = None
        self.cancelled = False

    def events(self) -> list[Event]:
        return list(self.made)

    def follow(self, callback: Any, ended: Any) -> Any:
        self.callback, self.ended = callback, ended

        def cancel() -> None:
            self.cancelled = True

        return cancel

    def emit(self, kind: str, **fields: Any) -> None:
        seq = len(self.made) + 1
        event = Event(
            seq=seq, time_ms=1e12 + seq * 10, kind=EventKind(kind), function="worker", **fields
        )
        self.made.append(event)
        if self.callback is not None:
            self.callback([event])


def test_a_lab_is_followed() -> None:
    lab: Any = FakeLab()
    lab.emit("queued", request_id="a")
    widget = RetryTimeline(lab=lab)
    assert repr(widget) == "RetryTimeline: 0 attempts; not over yet"
    lab.emit("invoke_started", request_id="a", attempt=1)
    lab.emit("invoke_started", request_id="other", attempt=1)
    lab.emit("invoke_ended", request_id="a", attempt=1, outcome="success", duration_ms=5.0)
    assert repr(widget) == "RetryTimeline: 1 attempt (success); done"
    assert widget._picture["health"] is None
    lab.emit("queued", request_id="b")
    assert widget.life.request_id == "b"
    lab.ended()
    assert not widget._is_live
    widget.close()
    assert lab.cancelled


def test_one_event_of_a_lab_can_be_chosen() -> None:
    lab: Any = FakeLab()
    for request_id in "ab":
        lab.emit("queued", request_id=request_id)
    widget = RetryTimeline(lab=lab, request_id="a")
    lab.emit("dropped", request_id="a", reason="ZeroReservedConcurrency", attempt=0)
    assert repr(widget) == "RetryTimeline: 0 attempts; ZeroReservedConcurrency, dropped for good"
    assert repr(RetryTimeline(lab=FakeLab())) == "RetryTimeline: no asynchronous event yet"  # type: ignore[arg-type]


def test_a_real_event_is_shown() -> None:
    with Lab.start(seed=3) as lab:
        function = lab.deploy_source("def handler(event, context): 1 / 0", name="divides")
        widget = RetryTimeline(lab=lab)
        client = lab.client("lambda")
        client.invoke(FunctionName=function.name, InvocationType="Event", Payload=b"{}")
        assert lab.settle()
        shown = RetryTimeline(lab=lab, function="divides")
        assert repr(shown) == (
            "RetryTimeline: 3 attempts (error, error, error); RetriesExhausted, dropped for good"
        )
        assert [round(attempt.start_ms / 60_000) for attempt in shown.life.attempts] == [0, 1, 3]
        widget.close()
        shown.close()
