"""Execution environments as lanes: who ran in which, and who fell off at the ceiling."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from labkit.core.events import Event
from labkit.notebook.event_lives import spoken
from labkit.notebook.history import Doing, History, Row, Span, history

_BUSY: Final = (Doing.INIT, Doing.INVOKE)


@dataclass(frozen=True, slots=True)
class Lane:
    """What happened in one lane, from the bottom up; a lane may serve one environment after
    another."""

    is_provisioned: bool
    spans: list[tuple[str, Span]] = field(default_factory=list)
    """(environment, span) in the order of time."""


@dataclass(frozen=True, slots=True)
class LaneRun:
    """Lanes and what fell off, between two moments in ms."""

    start_ms: float
    end_ms: float
    lanes: list[Lane]
    throttles: list[Event]

    @property
    def invocations(self) -> int:
        """How many requests ran, or still run."""
        return sum(span.doing is Doing.INVOKE for lane in self.lanes for _, span in lane.spans)

    @property
    def cold(self) -> int:
        """How many requests had to wait for an init."""
        return sum(
            span.doing is Doing.INIT
            for lane in self.lanes
            if not lane.is_provisioned
            for _, span in lane.spans
        )

    @property
    def peak(self) -> int:
        """The most environments that were busy at once."""
        edges: list[tuple[float, int]] = []
        for lane in self.lanes:
            for _, span in lane.spans:
                if span.doing in _BUSY and span.end_ms > self.start_ms:
                    edges += [(span.start_ms, 1), (span.end_ms, -1)]
        busy = peak = 0
        for _, change in sorted(edges):  # at one moment, an end comes before a start
            busy += change
            peak = max(peak, busy)
        return peak

    def summary(self) -> str:
        """Such as "40 requests: 33 ran (6 cold), 7 throttled, peak 5"."""
        ran, fell = self.invocations, len(self.throttles)
        ends = f"{fell} throttled, peak {self.peak}"
        return f"{ran + fell} requests: {ran} ran ({self.cold} cold), {ends}"


def lane_run(
    events: Iterable[Event],
    function: str | None = None,
    *,
    start_ms: float | None = None,
    length_ms: float | None = None,
) -> LaneRun:
    """Read lanes from events, all or those of one function.

    The picture begins at `start_ms` and is `length_ms` long, or longer. Without a `start_ms` it
    shows what ran in the last `length_ms`, or everything if that is None, too.
    """
    past = history(events, function)
    busy = [span for row in past.rows for span in row.spans if span.doing in _BUSY]
    last_ms = max([*(span.end_ms for span in busy), *past.throttles_ms], default=past.end_ms)
    end_ms = last_ms
    if start_ms is None:
        from_ms = -math.inf if length_ms is None else last_ms - length_ms
        begun = [span.start_ms for span in busy if span.end_ms >= from_ms]
        begun += [time_ms for time_ms in past.throttles_ms if time_ms >= from_ms]
        start_ms = max(min(begun, default=past.start_ms), from_ms)
    elif length_ms is not None:
        end_ms = max(start_ms + length_ms, last_ms)
    return LaneRun(
        start_ms,
        end_ms,
        _lanes(past, start_ms, end_ms),
        [event for event in past.throttles if event.time_ms >= start_ms],
    )


def _lanes(past: History, start_ms: float, end_ms: float) -> list[Lane]:
    """Give each environment the lowest lane that is free; provisioned ones lie at the bottom."""
    rows = [(_is_provisioned(row), row) for row in past.rows if row.spans]
    rows = [(kind, row) for kind, row in rows if (row.ended_ms or end_ms) >= start_ms]
    rows.sort(key=lambda pair: (not pair[0], pair[1].spans[0].start_ms))
    lanes: list[Lane] = []
    free_ms: list[float] = []
    for is_provisioned, row in rows:
        place = next(
            (
                place
                for place, lane in enumerate(lanes)
                if free_ms[place] <= row.spans[0].start_ms and lane.is_provisioned == is_provisioned
            ),
            len(lanes),
        )
        if place == len(lanes):
            lanes.append(Lane(is_provisioned))
            free_ms.append(0.0)
        free_ms[place] = float("inf") if row.ended_ms is None else row.ended_ms
        lanes[place].spans.extend((row.environment, span) for span in _seen(row, start_ms, end_ms))
    return lanes


def _seen(row: Row, start_ms: float, end_ms: float) -> list[Span]:
    spans = list(row.spans)
    last = spans[-1]
    if row.ended is None and last.end_ms < end_ms:  # what waits goes on waiting
        doing = last.doing if last.doing not in _BUSY else Doing.FROZEN
        spans.append(Span(doing, last.end_ms, end_ms))
    return [span for span in spans if span.end_ms >= start_ms and span.start_ms <= end_ms]


def _is_provisioned(row: Row) -> bool:
    return any(span.doing is Doing.PROVISIONED for span in row.spans)


def span_facts(environment: str, span: Span, zero_ms: float) -> tuple[str, list[tuple[str, str]]]:
    """Return a title and facts about a stretch of a lane."""
    took = spoken(span.end_ms - span.start_ms)
    facts = [("environment", environment), ("from", spoken(span.start_ms - zero_ms))]
    event = span.event
    if span.doing is Doing.INVOKE:
        outcome = None if event is None else event.outcome
        title = "invoke" if outcome in (None, "success") else f"▲ invoke: {outcome}"
        facts.append(("duration", took))
    elif span.doing is Doing.INIT:
        title = "init: a cold start" if event is None or not event.phase == "invoke" else "init"
        facts.append(("took", took))
    else:
        title = "idle: kept ready" if span.doing is Doing.PROVISIONED else "idle: frozen"
        facts.append(("for", took))
    if event is not None and event.request_id:
        facts.append(("request id", event.request_id))
    return title, facts
