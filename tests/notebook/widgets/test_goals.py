from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from labkit import Goal, Lab, goals
from labkit.core.events import Event

SOURCE = "def handler(event, context):\n    return 1\n"
INVOKED = Goal("Invoke it", function="hello", kind="invoke_ended")
TWICE = Goal("Invoke it twice", function="hello", kind="invoke_ended", at_least=2)
THROTTLE = Goal("Cause a throttle", kind="throttled")


class Told:
    """A lab whose events the test tells."""

    def __init__(self, events: list[Event]) -> None:
        self.told, self.follows = events, 0

    def events(self) -> list[Event]:
        return self.told

    def follow(self, callback: Callable[[list[Event]], None]) -> Callable[[], None]:
        self.follows += 1
        self.callback = callback
        return self.cancel

    def cancel(self) -> None:
        self.follows -= 1


def invocations(count: int) -> list[Event]:
    record = {"time_ms": 0.0, "kind": "invoke_ended", "function": "hello"}
    return [Event.from_dict({**record, "seq": number}) for number in range(1, count + 1)]


@pytest.fixture
def told() -> Told:
    return Told([])


def test_the_line_tells_the_state_at_the_display() -> None:
    lab: Any = Told(invocations(1))
    line = "1 of 3 goals reached: [x] Invoke it; [ ] Invoke it twice; [ ] Cause a throttle"
    assert repr(goals(lab, INVOKED, TWICE, THROTTLE)) == line
    assert repr(goals(lab, THROTTLE)) == "0 of 1 goal reached: [ ] Cause a throttle"


def test_events_of_before_the_display_count_once(told: Any) -> None:
    told.told = invocations(1)
    checklist = goals(told, TWICE, THROTTLE)
    told.callback(told.told)
    assert checklist.counts == [1, 0]
    told.callback(invocations(1))
    assert checklist.counts == [2, 0]
    assert checklist.reached == [True, False]


def test_once_all_is_reached_the_lab_is_followed_no_longer(told: Any) -> None:
    checklist = goals(told, INVOKED)
    assert told.follows == 1
    told.callback(invocations(3))
    assert checklist.all_reached
    assert told.follows == 0


def test_what_is_reached_already_needs_no_following() -> None:
    lab: Any = Told(invocations(2))
    assert goals(lab, INVOKED, TWICE).all_reached
    assert lab.follows == 0


def test_a_closed_checklist_does_not_follow(told: Any) -> None:
    goals(told, THROTTLE).close()
    assert told.follows == 0


def test_a_checklist_needs_a_goal(told: Any) -> None:
    with pytest.raises(ValueError, match="takes a goal"):
        goals(told)


@pytest.fixture
def lab() -> Iterator[Lab]:
    with Lab.start(seed=4) as lab:
        yield lab


def test_a_real_invocation_ticks_a_goal(lab: Lab) -> None:
    lab.deploy_source(SOURCE, name="hello")
    checklist = goals(lab, INVOKED, TWICE)
    assert checklist.reached == [False, False]
    twice = threading.Event()
    checklist.observe(lambda change: twice.set() if change.new == [2, 2] else None, "counts")
    for _ in range(2):
        lab.client("lambda").invoke(FunctionName="hello")
    assert twice.wait(20)
    assert checklist.all_reached
