"""What the picture of lanes shows and says, made of a run."""

from __future__ import annotations

from collections import Counter
from typing import Any, Final

from labkit.core.concurrency import ThrottleReason
from labkit.core.events import Event
from labkit.notebook.event_lives import spoken
from labkit.notebook.history import Doing, Span
from labkit.notebook.lane_rows import LaneRun, span_facts

_KINDS: Final = {
    Doing.INIT: "init",
    Doing.INVOKE: "invoke",
    Doing.FROZEN: "idle",
    Doing.PROVISIONED: "idle",
    Doing.NO_PROCESS: "idle",
}
REASONS: Final[dict[str, str]] = {
    ThrottleReason.RESERVED_CONCURRENCY: "all that is reserved was busy",
    ThrottleReason.CONCURRENCY: "nothing of the account's unreserved pool was free",
    ThrottleReason.RESERVED_RATE: "over 10 requests a second for each unit that is reserved",
    ThrottleReason.RATE: "over 10 requests a second for each unit of the account",
}
"""Why a request was refused, by the reason of its 429."""


def headline(run: LaneRun) -> str:
    """Tell a run in one or two sentences, for the line above the picture."""
    ran, fell = run.invocations, len(run.throttles)
    if ran + fell == 0:
        return "No requests yet: invoke the function, and they appear here."
    said = f"{_count(ran + fell, 'request')}: "
    if ran:
        said += (
            f"{ran:,} ran, {run.cold:,} of them after a cold start; at most {run.peak:,} at once."
        )
    else:
        said += "none ran."
    if not fell:
        return f"{said} Nothing was throttled."
    (reason, _), *others = Counter(event.reason for event in run.throttles).most_common()
    why = REASONS.get(reason or "", "no environment was free, and none could be added")
    named = f" {reason}" if reason else ""
    more = " There were other reasons, too." if others else ""
    return f"{said} {fell:,} throttled (429){named}: {why}.{more}"


def packed_lanes(run: LaneRun) -> dict[str, Any]:
    """The run as the page draws it: bars, throttles and records; times in ms from its start.

    A bar is [lane, start, end, kind, place of its record, whether a request begins with it].
    """
    bars: list[list[Any]] = []
    records: list[dict[str, Any]] = []
    for place, lane in enumerate(run.lanes):
        was_init = False
        for environment, span in lane.spans:
            start_ms = max(span.start_ms, run.start_ms) - run.start_ms
            end_ms = min(span.end_ms, run.end_ms) - run.start_ms
            is_work = span.doing in (Doing.INIT, Doing.INVOKE)
            if end_ms < start_ms or (end_ms == start_ms and span.doing is not Doing.INVOKE):
                continue
            bars.append(
                [
                    place,
                    start_ms,
                    end_ms,
                    _KINDS[span.doing],
                    len(records),
                    is_work and not was_init,
                ]
            )
            records.append(_record(environment, span, run.start_ms))
            was_init = span.doing is Doing.INIT
    throttles = []
    for event in run.throttles:
        throttles.append([event.time_ms - run.start_ms, len(records)])
        records.append(_refusal(event, run.start_ms))
    return {"bars": bars, "throttles": throttles, "records": records}


def _record(environment: str, span: Span, zero_ms: float) -> dict[str, Any]:
    title, facts = span_facts(environment, span, zero_ms)
    is_error = (
        span.doing is Doing.INVOKE
        and span.event is not None
        and span.event.outcome in ("error", "timeout")
    )
    return {"title": title, "facts": facts, "is_error": is_error}


def _refusal(event: Event, zero_ms: float) -> dict[str, Any]:
    facts = [("at", spoken(event.time_ms - zero_ms)), ("reason", event.reason or "unknown")]
    if event.reason in REASONS:
        facts.append(("meaning", REASONS[event.reason]))
    facts.append(("the caller", "gets 429; an SDK tries again, a queue keeps its message"))
    if event.request_id:
        facts.append(("request id", event.request_id))
    return {"title": "✕ throttled: no environment for it", "facts": facts, "is_error": False}


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
