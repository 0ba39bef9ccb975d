"""The concurrency lanes without a browser: settings, answers to the page, words, live events."""

from __future__ import annotations

import io
import threading
from typing import Any

import pytest
import traitlets
from PIL import Image

from labkit import Goal, Lab
from labkit.core.events import Event, EventKind
from labkit.notebook.widgets.lanes import ConcurrencyLanes

RESERVED = "ReservedFunctionConcurrentInvocationLimitExceeded"


def turn(widget: ConcurrencyLanes, seq: int = 1, *, begins: bool = True, **values: Any) -> None:
    """What the page says when something is turned."""
    content = {"type": "set", "view": "v", "seq": seq, "begins": begins, "values": values}
    widget._handle_custom_msg(content, [])


def test_the_line_is_the_same_in_every_run() -> None:
    line = repr(ConcurrencyLanes())
    assert line == repr(ConcurrencyLanes())
    assert line.startswith("ConcurrencyLanes: reserved concurrency 5; 47 requests: ")


def test_the_default_shows_throttles_below_the_account() -> None:
    widget = ConcurrencyLanes()
    assert (widget._picture["ceiling"], widget._picture["slots"]) == (5, 10)
    assert len(widget._picture["throttles"]) >= 5
    assert RESERVED in widget._picture["headline"]


def test_a_turn_is_answered_with_its_number() -> None:
    widget = ConcurrencyLanes()
    before = len(widget.run.throttles)
    turn(widget, 9, reserved_concurrency=8)
    assert (widget._picture["view"], widget._picture["seq"]) == ("v", 9)
    assert widget.reserved_concurrency == 8
    assert len(widget.run.throttles) < before
    assert widget._picture["before"] == {"ceiling": 5, "fell": before}
    turn(widget, 10, begins=False, reserved_concurrency=None)
    assert widget._picture["ceiling"] == 10
    assert widget._picture["before"]["ceiling"] == 5


def test_the_same_requests_arrive_whatever_is_set() -> None:
    widget = ConcurrencyLanes()
    arrived = [event.time_ms for event in widget.events(kind="accepted")]
    widget.reserved_concurrency = 0
    assert [event.time_ms for event in widget.events(kind="accepted")] == arrived
    assert len(widget.run.throttles) == len(arrived)


def test_others_leave_less_of_the_unreserved_pool() -> None:
    widget = ConcurrencyLanes(reserved_concurrency=None, neighbour_concurrency=6)
    assert widget._picture["ceiling"] == 4
    assert {event.reason for event in widget.run.throttles} == {"ConcurrentInvocationLimitExceeded"}
    assert "without the 6 that others use" in repr(widget)


def test_what_is_provisioned_is_never_cold() -> None:
    widget = ConcurrencyLanes(
        knobs=("provisioned_concurrency",), reserved_concurrency=6, provisioned_concurrency=6
    )
    assert widget.run.cold == 0
    assert all(lane.is_provisioned for lane in widget.run.lanes)


def test_knobs_stay_in_their_ranges() -> None:
    widget = ConcurrencyLanes(reserved_concurrency=6, provisioned_concurrency=2)
    ranges = widget._picture["ranges"]
    assert ranges["reserved_concurrency"] == (2, 10)
    assert ranges["provisioned_concurrency"] == (0, 6)
    turn(widget, reserved_concurrency=-1)
    assert "reserved_concurrency" in widget._picture["error"]
    assert widget.reserved_concurrency == 6
    turn(widget, reserved_concurrency=1)
    assert (
        "provisioned concurrency, 2, is more than what is reserved, 1" in widget._picture["error"]
    )
    assert widget.reserved_concurrency == 6
    turn(widget, reserved_concurrency=7)
    assert (widget._picture["error"], widget.reserved_concurrency) == ("", 7)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"knobs": ("memory",)}, "knobs are some of"),
        ({"account_concurrency": 21}, "at most 20"),
        ({"rate_per_s": 9.0}, "at most 150"),
        ({"reserved_concurrency": 11}, "reserved, 11, leaves less than"),
        ({"reserved_concurrency": 8, "unreserved_minimum": 3}, "reserved, 8, leaves less than"),
        ({"provisioned_concurrency": 6}, "is more than what is reserved"),
        (
            {"provisioned_concurrency": 11, "reserved_concurrency": None},
            "is more than the account's unreserved pool",
        ),
    ],
)
def test_what_cannot_be_is_refused(wrong: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        ConcurrencyLanes(**wrong)
    with pytest.raises(traitlets.TraitError):
        ConcurrencyLanes(reserved_concurrency=-1)


def test_two_pins_are_compared() -> None:
    widget = ConcurrencyLanes()
    widget.pin("A")
    widget.reserved_concurrency = 7
    widget.pin("B")
    assert widget.comparison.startswith("A: ceiling 5: 47 requests: ")
    assert " · B: ceiling 7: 47 requests: " in widget.comparison


def test_goals_count_what_is_tried() -> None:
    widget = ConcurrencyLanes()
    goal = Goal("Cause a throttle", kind="throttled", reason=RESERVED)
    assert widget.reached(goal)
    widget.reserved_concurrency = None
    assert not widget.reached(goal)


def test_the_still_picture_is_a_png_that_fits_a_notebook() -> None:
    png = ConcurrencyLanes(reserved_concurrency=6, provisioned_concurrency=3)._still_png()
    with Image.open(io.BytesIO(png)) as picture:
        assert picture.width > 600
    assert len(png) < 25_000


class FakeClient:
    def get_account_settings(self) -> Any:
        return {"AccountLimit": {"ConcurrentExecutions": 10, "UnreservedConcurrentExecutions": 7}}

    def get_function_concurrency(self, FunctionName: str) -> Any:
        return {"ReservedConcurrentExecutions": 3} if FunctionName == "f" else {}

    def list_provisioned_concurrency_configs(self, FunctionName: str) -> Any:
        return {"ProvisionedConcurrencyConfigs": []}


class FakeLab:
    """A lab whose events the test makes."""

    def __init__(self) -> None:
        self.made: list[Event] = []
        self.callback: Any = None

    def events(self) -> list[Event]:
        return list(self.made)

    def follow(self, callback: Any, ended: Any) -> Any:
        self.callback = callback
        return lambda: None

    def client(self, name: str) -> FakeClient:
        assert name == "lambda"
        return FakeClient()

    def emit(self, kind: str, function: str = "f", **fields: Any) -> None:
        seq = len(self.made) + 1
        time_ms = 1e12 + seq * 100
        event = Event(seq=seq, time_ms=time_ms, kind=EventKind(kind), function=function, **fields)
        self.made.append(event)
        if self.callback is not None:
            self.callback([event])


def test_a_lab_is_followed() -> None:
    lab: Any = FakeLab()
    widget = ConcurrencyLanes(lab=lab, function="f")
    shown = threading.Semaphore(0)
    widget.observe(lambda _: shown.release(), "_picture")
    assert repr(widget) == (
        "ConcurrencyLanes of f: 0 requests: 0 ran (0 cold), 0 throttled, peak 0"
    )
    assert widget._picture["ceiling"] == 3
    lab.emit("init_started", environment="a", phase="init")
    lab.emit("init_ended", environment="a", outcome="success")
    lab.emit("invoke_started", environment="a", request_id="1")
    lab.emit("throttled", function="g", reason=RESERVED)
    lab.emit("throttled", reason=RESERVED)
    assert repr(widget) == (
        "ConcurrencyLanes of f: 2 requests: 1 ran (1 cold), 1 throttled, peak 1"
    )
    while len(widget._picture["throttles"]) < 1:
        assert shown.acquire(timeout=10)
    widget.close()
    assert ConcurrencyLanes(lab=lab, function="g")._picture["ceiling"] == 7
    with pytest.raises(ValueError, match="say which function"):
        ConcurrencyLanes(lab=lab)


def test_of_many_requests_the_last_are_shown() -> None:
    lab: Any = FakeLab()
    lab.emit("init_started", environment="a", phase="init")
    lab.emit("init_ended", environment="a", outcome="success")
    for number in range(3_000):
        lab.emit("invoke_started", environment="a", request_id=str(number))
        lab.emit("invoke_ended", environment="a", outcome="success", duration_ms=1.0)
    widget = ConcurrencyLanes(lab=lab, function="f", length_s=3_600)
    assert widget.run.invocations == 150
    assert len(widget.events()) <= 4_000
    assert widget.events()[0].kind is EventKind.INIT_STARTED
    widget.close()


def test_real_requests_are_shown() -> None:
    with Lab.start(seed=3) as lab:
        function = lab.deploy_source("def handler(event, context): return 1", name="limited")
        client = lab.client("lambda")
        client.invoke(FunctionName=function.name)
        client.put_function_concurrency(FunctionName="limited", ReservedConcurrentExecutions=0)
        with pytest.raises(client.exceptions.TooManyRequestsException):
            client.invoke(FunctionName=function.name)
        widget = ConcurrencyLanes(lab=lab, function="limited")
        assert widget._picture["ceiling"] == 0
        assert widget.run.invocations == 1
        assert {event.reason for event in widget.run.throttles} == {RESERVED}
        widget.close()
