"""What the timeline's module gets: columns of little-endian bytes."""

from __future__ import annotations

import uuid
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labkit.notebook.history import Doing, history
from labkit.notebook.widgets.timeline_columns import (
    END_MARK,
    ERROR_MARK,
    KINDS,
    THROTTLE_MARK,
    TIMEOUT_MARK,
    columns,
)

TYPES = {"start": "<f8", "end": "<f8", "time": "<f8", "row": "<u4", "kind": "u1", "record": "<i4"}


def column(group: dict[str, bytes], name: str, kind: str | None = None) -> NDArray[Any]:
    return np.frombuffer(group[name], kind or TYPES[name])


def test_nothing_is_empty_columns() -> None:
    data = columns(history([]))
    assert data["rows"] == []
    assert set(data["bars"].values()) == set(data["marks"].values()) == {b""}


def test_bars_are_in_the_order_of_rows_and_of_time(sleepers: Any) -> None:
    bars = columns(history(sleepers.events()))["bars"]
    places = list(zip(column(bars, "row"), column(bars, "start"), strict=True))
    assert places == sorted(places)
    assert (column(bars, "end") >= column(bars, "start")).all()


def test_times_are_relative_to_the_first_event(story: Any) -> None:
    story.add("accepted", 0)
    story.init("a", 200, 25)
    data = columns(history(story.events()))
    assert column(data["bars"], "start").tolist() == [0.0]
    assert column(data["bars"], "end").tolist() == [25.0] == [data["end_ms"]]


def test_a_record_is_what_the_event_says(story: Any) -> None:
    request_id = str(uuid.UUID(int=7))
    story.init("a", 0, 25)
    figures = {"init_ms": 25.0, "billed_ms": 66, "memory_mb": 128, "max_memory_mb": 40}
    failed = {"outcome": "error", "error_type": "ValueError"}
    story.invoke("a", 25, 40.5, request_id=request_id, **figures, **failed)
    data = columns(history(story.events()))
    index = column(data["bars"], "record")[list(column(data["bars"], "kind")).index(2)]
    records = data["records"]
    assert uuid.UUID(bytes=records["id"][16 * index : 16 * index + 16]) == uuid.UUID(request_id)
    for name, value in {**figures, "duration_ms": 40.5}.items():
        assert column(records, name, "<f4")[index] == value
    assert column(records, "outcome", "u1")[index] == 1
    assert data["texts"][column(records, "why", "<i4")[index]] == "ValueError"
    assert data["texts"][column(records, "function", "<i4")[index]] == "hello"


def test_what_is_not_known_is_no_number(story: Any) -> None:
    story.init("a", 0, 25)
    story.invoke("a", 25, 40)
    records = columns(history(story.events()))["records"]
    assert np.isnan(column(records, "memory_mb", "<f4")).all()
    assert records["id"] == bytes(len(records["id"]))


def test_marks(story: Any) -> None:
    story.init("a", 0, 10)
    story.invoke("a", 10, 10, outcome="error", error_type="ValueError")
    story.invoke("a", 30, 10, outcome="timeout", error_type="Sandbox.Timedout")
    story.add("environment_ended", 90, environment="a", reason="idle")
    story.add("throttled", 35, reason="limit")
    data = columns(history(story.events()))
    marks, texts = data["marks"], data["texts"]
    assert column(marks, "kind").tolist() == [ERROR_MARK, TIMEOUT_MARK, END_MARK, THROTTLE_MARK]
    assert column(marks, "row").tolist() == [0, 0, 0, 1], "throttles below all rows"
    why = column(data["records"], "why", "<i4")[column(marks, "record")]
    assert [texts[index] for index in why] == ["ValueError", "Sandbox.Timedout", "idle", "limit"]


def test_environments_are_numbered_for_each_function(story: Any) -> None:
    for number, name in enumerate(("hello", "other", "hello")):
        story.init(f"e{number}", number, 10, function=name)
    rows = columns(history(story.events()))["rows"]
    assert rows == [("hello", 1), ("other", 1), ("hello", 2)]


def test_what_goes_on_is_told(story: Any) -> None:
    story.init("a", 0, 10)
    story.init("b", 5, 10)
    story.invoke("a", 10, 30)
    story.add("invoke_started", 50, environment="b")
    story.init("c", 55, 10)
    story.add("environment_ended", 70, environment="c")
    data = columns(history(story.events()))
    kinds, rows = column(data["bars"], "kind"), column(data["bars"], "row")
    going_on = np.frombuffer(data["going_on"], "<u4")
    assert [(rows[bar], kinds[bar]) for bar in going_on] == [
        (0, KINDS[Doing.FROZEN]),
        (1, KINDS[Doing.INVOKE]),
    ]
