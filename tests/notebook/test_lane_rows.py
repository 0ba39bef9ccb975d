"""Environments read as lanes, and what is said of them."""

from __future__ import annotations

from typing import Any

from labkit.core.events import Event, EventKind
from labkit.fleet.arrivals import Request
from labkit.fleet.lanes import LanesScenario, simulate_lanes
from labkit.notebook.lane_rows import LaneRun, lane_run
from labkit.notebook.lane_words import headline, packed_lanes

AT_ONCE = tuple(Request(float(number), 1_000.0) for number in range(6))


def run(**limits: Any) -> LaneRun:
    scenario = LanesScenario(requests=AT_ONCE, init_ms=500.0, **limits)
    return lane_run(simulate_lanes(scenario), start_ms=0.0, length_ms=3_000.0)


def test_each_environment_is_a_lane_and_the_rest_falls_off() -> None:
    found = run(reserved_concurrency=4)
    assert len(found.lanes) == 4
    assert (found.invocations, found.cold, len(found.throttles), found.peak) == (4, 4, 2, 4)
    assert found.summary() == "6 requests: 4 ran (4 cold), 2 throttled, peak 4"
    assert headline(found) == (
        "6 requests: 4 ran, 4 of them after a cold start; at most 4 at once. 2 throttled (429) "
        "ReservedFunctionConcurrentInvocationLimitExceeded: all that is reserved was busy."
    )


def test_provisioned_lanes_lie_at_the_bottom_and_are_never_cold() -> None:
    found = run(reserved_concurrency=6, provisioned_concurrency=2)
    assert [lane.is_provisioned for lane in found.lanes] == [True, True] + [False] * 4
    assert (found.invocations, found.cold) == (6, 4)


def test_bars_say_with_which_a_request_begins() -> None:
    packed = packed_lanes(run(reserved_concurrency=2))
    kinds = [(bar[0], bar[3], bar[5]) for bar in packed["bars"] if bar[3] != "idle"]
    assert kinds == [
        (0, "init", True),
        (0, "invoke", False),
        (1, "init", True),
        (1, "invoke", False),
    ]
    assert len(packed["throttles"]) == 4
    facts = dict(packed["records"][packed["throttles"][0][1]]["facts"])
    assert facts["reason"] == "ReservedFunctionConcurrentInvocationLimitExceeded"
    assert facts["meaning"] == "all that is reserved was busy"
    assert all(0 <= bar[1] <= bar[2] <= 3_000 for bar in packed["bars"])


def made(*given: tuple[float, str, dict[str, Any]]) -> list[Event]:
    return [
        Event(seq=seq, time_ms=1e12 + time_ms, kind=EventKind(kind), function="f", **fields)
        for seq, (time_ms, kind, fields) in enumerate(given, start=1)
    ]


def test_a_lane_is_used_again_after_the_end_of_its_environment() -> None:
    found = lane_run(
        made(
            (0, "init_started", {"environment": "a", "phase": "init"}),
            (10, "init_ended", {"environment": "a", "outcome": "success"}),
            (10, "invoke_started", {"environment": "a", "request_id": "1"}),
            (20, "invoke_ended", {"environment": "a", "outcome": "error", "duration_ms": 10.0}),
            (50, "environment_ended", {"environment": "a"}),
            (60, "init_started", {"environment": "b", "phase": "init"}),
            (70, "init_ended", {"environment": "b", "outcome": "success"}),
            (70, "invoke_started", {"environment": "b", "request_id": "2"}),
        )
    )
    assert [{name for name, _ in lane.spans} for lane in found.lanes] == [{"a", "b"}]
    assert found.invocations == 2
    packed = packed_lanes(found)
    assert [record["is_error"] for record in packed["records"] if record["is_error"]] == [True]


def test_of_a_lab_the_last_seconds_are_shown() -> None:
    events = made(
        *[
            (at_ms, kind, {"environment": "a", **fields})
            for start_ms in (0, 100_000)
            for at_ms, kind, fields in (
                (start_ms, "invoke_started", {"request_id": str(start_ms)}),
                (start_ms + 500, "invoke_ended", {"outcome": "success", "duration_ms": 500.0}),
            )
        ]
    )
    found = lane_run(events, "f", length_ms=20_000.0)
    assert (found.start_ms, found.end_ms) == (1e12 + 100_000, 1e12 + 100_500)
    assert found.invocations == 1
    assert lane_run(events, "other").lanes == []
    assert headline(lane_run([])) == ("No requests yet: invoke the function, and they appear here.")
