"""A history as columns of little-endian bytes: what the timeline's ES module draws.

`bars` and `marks` are in the order of their rows, and in a row of their time; throttles are in a
lane of their own below the rows. Their times are ms after `origin_ms`. `record` is an index into
`records`, -1 for none; there NaN and an index of -1 into `texts` mean that nothing is known.
`going_on` holds the bars that have no end yet.
"""

from __future__ import annotations

import math
import uuid
from collections.abc import Iterator
from typing import Any, Final

import numpy as np

from labkit.core.events import Event
from labkit.notebook.history import Doing, History, Row, Span

KINDS: Final = {
    Doing.FROZEN: 0,
    Doing.NO_PROCESS: 1,
    Doing.INVOKE: 2,
    Doing.INIT: 3,
    Doing.PROVISIONED: 4,
}
ERROR_MARK, TIMEOUT_MARK, END_MARK, THROTTLE_MARK = range(4)
OUTCOMES: Final = ("success", "error", "timeout")
ARCHITECTURES: Final = ("x86_64", "arm64")

_PLACE: Final = (("row", "u4"), ("kind", "u1"), ("record", "i4"))
_BAR: Final = (("start", "f8"), ("end", "f8"), *_PLACE)
_MARK: Final = (("time", "f8"), *_PLACE)
_RECORD: Final = (
    *(("duration_ms", "f4"), ("init_ms", "f4"), ("billed_ms", "f4")),
    *(("memory_mb", "f4"), ("max_memory_mb", "f4")),
    *(("outcome", "u1"), ("architecture", "u1"), ("is_inside", "u1")),
    *(("why", "i4"), ("function", "i4")),
)


def columns(past: History) -> dict[str, Any]:
    """Return what the module needs to draw a history; see there for the names."""
    records = _Records()
    bars: list[tuple[float, float, int, int, int]] = []
    marks: list[tuple[float, int, int, int]] = []
    going_on: list[tuple[int]] = []
    for number, row in enumerate(past.rows):
        for span in row.spans:
            record = records.add(span.event)
            start, end = span.start_ms - past.start_ms, span.end_ms - past.start_ms
            bars.append((start, end, number, KINDS[span.doing], record))
            mark = _mark_of(span)
            if mark is not None:
                marks.append((end, number, mark, record))
        if row.ended is None and row.spans and _goes_on(row.spans[-1], past.end_ms):
            going_on.append((len(bars) - 1,))
        if row.ended is not None:
            end = row.ended.time_ms - past.start_ms
            marks.append((end, number, END_MARK, records.add(row.ended)))
    for event in past.throttles:
        time_ms = event.time_ms - past.start_ms
        marks.append((time_ms, len(past.rows), THROTTLE_MARK, records.add(event)))
    return {
        "origin_ms": past.start_ms,
        "end_ms": past.end_ms - past.start_ms,
        "rows": list(_names(past.rows)),
        "bars": _packed(bars, _BAR),
        "marks": _packed(marks, _MARK),
        "records": {"id": b"".join(records.ids), **_packed(records.rows, _RECORD)},
        "texts": list(records.texts),
        "going_on": _packed(going_on, (("bar", "u4"),))["bar"],
    }


def _mark_of(span: Span) -> int | None:
    event = span.event
    if event is None or span.doing is not Doing.INVOKE or event.outcome == "success":
        return None
    return TIMEOUT_MARK if event.outcome == "timeout" else ERROR_MARK


def _goes_on(span: Span, end_ms: float) -> bool:
    return span.event is None and span.end_ms >= end_ms


def _names(rows: list[Row]) -> Iterator[tuple[str, int]]:
    """The function of each row, and the number of the environment among those of the function."""
    numbers: dict[str, int] = {}
    for row in rows:
        numbers[row.function] = numbers.get(row.function, 0) + 1
        yield row.function, numbers[row.function]


class _Records:
    """What is known of each thing that was recorded."""

    def __init__(self) -> None:
        self.texts: dict[str, int] = {}
        self.ids: list[bytes] = []
        self.rows: list[tuple[float | int, ...]] = []

    def add(self, event: Event | None) -> int:
        if event is None:
            return -1
        self.ids.append(_id_bytes(event))
        self.rows.append(
            (
                _number(event.duration_ms),
                _number(event.init_ms),
                _number(event.billed_ms),
                _number(event.memory_mb),
                _number(event.max_memory_mb),
                OUTCOMES.index(event.outcome) if event.outcome in OUTCOMES else 0,
                ARCHITECTURES.index(event.architecture or ARCHITECTURES[0]),
                event.phase == "invoke",  # an init inside an invocation
                self._text_index(event.error_type or event.reason),
                self._text_index(event.function),
            )
        )
        return len(self.rows) - 1

    def _text_index(self, text: str | None) -> int:
        return -1 if text is None else self.texts.setdefault(text, len(self.texts))


def _packed(rows: list[Any], names: tuple[tuple[str, str], ...]) -> dict[str, bytes]:
    columns = list(zip(*rows, strict=True)) or [()] * len(names)
    return {
        name: np.array(column, dtype=f"<{kind}").tobytes()
        for (name, kind), column in zip(names, columns, strict=True)
    }


def _id_bytes(event: Event) -> bytes:
    """A request id in its 16 bytes; zeros where there is none."""
    try:
        return uuid.UUID(event.request_id or "").bytes
    except ValueError:
        return bytes(16)


def _number(value: float | None) -> float:
    return math.nan if value is None else float(value)
