"""A history as columns of little-endian bytes: what the timeline's ES module draws.

`bars` and `marks` are in the order of their rows, and in a row of their time. Their times are ms
after `origin_ms`. `record` is an index into `records`, -1 for none.
"""

from __future__ import annotations

import math
import uuid
from typing import Any, Final

import numpy as np

from labkit.core.events import Event, EventKind
from labkit.notebook.history import Doing, History, Span

KINDS: Final = {Doing.FROZEN: 0, Doing.NO_PROCESS: 1, Doing.INVOKE: 2, Doing.INIT: 3}
ERROR_MARK, TIMEOUT_MARK, END_MARK, THROTTLE_MARK = range(4)
_PLACE: Final = (("row", "u4"), ("kind", "u1"), ("record", "i4"))
OUTCOMES: Final = ("success", "error", "timeout")


def columns(past: History) -> dict[str, Any]:
    """Return what the module needs to draw a history; see there for the names."""
    records = _Records()
    bars: list[tuple[float, float, int, int, int]] = []
    marks: list[tuple[float, int, int, int]] = []
    for number, row in enumerate(past.rows):
        for span in row.spans:
            record = records.add(span)
            start, end = span.start_ms - past.start_ms, span.end_ms - past.start_ms
            bars.append((start, end, number, KINDS[span.doing], record))
            outcome = span.event.outcome if span.event and span.doing is Doing.INVOKE else "success"
            if outcome != "success" and _ends_invocation(span):
                mark = TIMEOUT_MARK if outcome == "timeout" else ERROR_MARK
                marks.append((end, number, mark, record))
        if row.ended_ms is not None:
            marks.append((row.ended_ms - past.start_ms, number, END_MARK, -1))
    throttle_row = len(past.rows)
    marks += [
        (time_ms - past.start_ms, throttle_row, THROTTLE_MARK, -1) for time_ms in past.throttles_ms
    ]
    numbers: dict[str, int] = {}
    rows = []
    for row in past.rows:
        numbers[row.function] = numbers.get(row.function, 0) + 1
        rows.append([row.function, numbers[row.function]])
    return {
        "origin_ms": past.start_ms,
        "end_ms": past.end_ms - past.start_ms,
        "rows": rows,
        "bars": _packed(bars, ("start", "f8"), ("end", "f8"), *_PLACE),
        "marks": _packed(marks, ("time", "f8"), *_PLACE),
        "records": records.columns(),
        "error_types": records.error_types,
    }


def _ends_invocation(span: Span) -> bool:
    return span.event is not None and span.event.kind is EventKind.INVOKE_ENDED


class _Records:
    """What is known of each init and invocation that has ended."""

    def __init__(self) -> None:
        self.error_types: list[str] = []
        self._ids: list[bytes] = []
        self._rows: list[tuple[float, float, float, float, float, int, int]] = []

    def add(self, span: Span) -> int:
        event = span.event
        if event is None:
            return -1
        self._ids.append(_id_bytes(event))
        self._rows.append(
            (
                _number(event.duration_ms),
                _number(event.init_ms),
                _number(event.billed_ms),
                _number(event.memory_mb),
                _number(event.max_memory_mb),
                OUTCOMES.index(event.outcome) if event.outcome in OUTCOMES else 0,
                self._error_index(event.error_type),
            )
        )
        return len(self._rows) - 1

    def columns(self) -> dict[str, bytes]:
        names = (
            *(("duration_ms", "f4"), ("init_ms", "f4"), ("billed_ms", "f4"), ("memory_mb", "f4")),
            *(("max_memory_mb", "f4"), ("outcome", "u1"), ("error_type", "i2")),
        )
        return {"id": b"".join(self._ids), **_packed(self._rows, *names)}

    def _error_index(self, error_type: str | None) -> int:
        if error_type is None:
            return -1
        if error_type not in self.error_types:
            self.error_types.append(error_type)
        return self.error_types.index(error_type)


def _packed(rows: list[Any], *names: tuple[str, str]) -> dict[str, bytes]:
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
