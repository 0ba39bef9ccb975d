"""Goals that are reached by events."""

from __future__ import annotations

import dataclasses

import pytest

from labkit import Goal
from labkit.core.events import Event, EventKind


def event(kind: str, **fields: object) -> Event:
    return Event.from_dict({"seq": 1, "time_ms": 0.0, "kind": kind, **fields})


EVENTS = [
    event("throttled", function="hello"),
    event("invoke_ended", function="hello", outcome="timeout"),
    event("invoke_ended", function="hello", outcome="success"),
    event("invoke_ended", function="other", outcome="timeout"),
]


def test_a_goal_counts_the_events_that_have_all_its_values() -> None:
    assert Goal("anything").count(EVENTS) == 4
    assert Goal("end", kind="invoke_ended").count(EVENTS) == 3
    timeouts = Goal("two timeouts", at_least=2, kind=EventKind.INVOKE_ENDED, outcome="timeout")
    assert timeouts.count(EVENTS) == 2
    assert timeouts.reached(iter(EVENTS))
    assert not timeouts.reached(EVENTS[:3])
    assert not Goal("mine", outcome="timeout", function="mine").reached(EVENTS)
    assert Goal("no outcome", outcome=None).count(EVENTS) == 1


@pytest.mark.parametrize(
    ("arguments", "error", "said"),
    [
        ({"colour": "red"}, TypeError, "events have no field colour; their fields are seq, time"),
        ({"kind": "exploded"}, ValueError, "exploded"),
        ({"at_least": 0}, ValueError, "at least one event"),
    ],
)
def test_a_goal_that_nothing_can_reach_is_refused(
    arguments: dict[str, object], error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said):
        Goal("wrong", **arguments)  # type: ignore[arg-type]


def test_goals_are_values() -> None:
    goal = Goal("a timeout", outcome="timeout")
    assert goal == Goal("a timeout", outcome="timeout")
    assert hash(goal) == hash(Goal("a timeout", outcome="timeout"))
    assert goal != Goal("a timeout", outcome="error")
    with pytest.raises(dataclasses.FrozenInstanceError):
        goal.text = "another"  # type: ignore[misc]
