"""What happened in a lab: events, log lines and REPORT lines, each with one repeatable line.

Durations differ from run to run, and a notebook's stored outputs are compared: so none of these
shows one in its `repr`.
"""

from __future__ import annotations

import html
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, overload

import pandas as pd
from botocore.client import BaseClient
from botocore.exceptions import ClientError

from labkit.core.events import Event, EventKind
from labkit.core.report import Report, parse_report, report_of_record
from labkit.live.client import LabError
from labkit.pricing import invocation_cost_usd

_GROUP_PREFIX: Final = "/aws/lambda/"
_ID_LENGTH: Final = 8


class Events(Sequence[Event]):
    """Events of the lab, oldest first."""

    def __init__(self, events: Iterable[Event] = ()) -> None:
        self._events = tuple(events)

    @overload
    def __getitem__(self, index: int) -> Event: ...
    @overload
    def __getitem__(self, index: slice) -> Events: ...
    def __getitem__(self, index: int | slice) -> Event | Events:
        if isinstance(index, slice):
            return Events(self._events[index])
        return self._events[index]

    def __len__(self) -> int:
        return len(self._events)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Events | list | tuple) and self._events == tuple(other)

    def __hash__(self) -> int:
        return hash(self._events)

    def __repr__(self) -> str:
        counts = Counter(event.kind for event in self._events)
        kinds = ", ".join(f"{counts[kind]} {kind}" for kind in EventKind if kind in counts)
        return f"{_count(len(self), 'event')}: {kinds}" if kinds else "no events"


@dataclass(frozen=True, slots=True)
class LogLine:
    """One event of CloudWatch Logs."""

    time_ms: int
    stream: str
    text: str
    request_id: str | None
    """The invocation in which it was written; None for what the init phase wrote."""


class Logs(Sequence[str]):
    """Lines of a function's log, oldest first; `print` shows them all."""

    def __init__(self, function: str, lines: Sequence[LogLine]) -> None:
        self.function, self.lines = function, tuple(lines)

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> list[str]: ...
    def __getitem__(self, index: int | slice) -> str | list[str]:
        if isinstance(index, slice):
            return [line.text for line in self.lines[index]]
        return self.lines[index].text

    def __len__(self) -> int:
        return len(self.lines)

    def __str__(self) -> str:
        return "\n".join(self)

    def __repr__(self) -> str:
        if not self.lines:
            return f"no log lines of {self.function} yet"
        streams = _count(len({line.stream for line in self.lines}), "log stream")
        return f"{_count(len(self), 'line')} of {self.function} in {streams}"


class Reports(pd.DataFrame):  # type: ignore[misc]  # pandas comes without types
    """The REPORT lines of the log as a table, oldest first; whatever is made from it is plain
    pandas.

    Columns: `time` (lab time, UTC), `function`, `request_id`, `duration_ms`, `billed_ms`, `init_ms`
    (NaN after a warm start), `memory_mb`, `max_memory_mb`, `status`, `error_type`, `cost_usd`
    (request and duration, first tier, us-east-1, x86).
    """

    @property
    def _constructor(self) -> Any:
        return pd.DataFrame

    def __repr__(self) -> str:
        functions = ", ".join(dict.fromkeys(self["function"]))
        if not functions:
            return "no REPORT lines yet"
        cold = int(self["init_ms"].notna().sum())
        return f"{_count(len(self), 'REPORT line')} of {functions}, {cold} cold"

    def _repr_html_(self) -> str:
        head = "".join(f"<th>{name}</th>" for name in _HEADS)
        body = "".join(f"<tr>{_row(row)}</tr>" for row in self.itertuples())
        table = f'<table class="labkit-reports"><thead><tr>{head}</tr></thead>'
        return f"{table}<tbody>{body}</tbody></table>"


_HEADS: Final = (
    *("function", "request", "duration (ms)", "init (ms)", "billed (ms)", "memory (MB)"),
    *("used (MB)", "status", "cost of a million (USD)"),
)
COLUMNS: Final = (
    *("time", "function", "request_id", "duration_ms", "billed_ms", "init_ms", "memory_mb"),
    *("max_memory_mb", "status", "error_type", "cost_usd"),
)


def _row(row: Any) -> str:
    cells = (
        row.function,
        row.request_id[:_ID_LENGTH],
        f"{row.duration_ms:.2f}",
        "–" if pd.isna(row.init_ms) else f"{row.init_ms:.2f}",
        f"{row.billed_ms:,}",
        f"{row.memory_mb:,}",
        f"{row.max_memory_mb:,}",
        row.status if row.error_type is None else f"{row.status}: {row.error_type}",
        f"{row.cost_usd * 1_000_000:,.2f}",
    )
    return "".join(f"<td>{html.escape(cell)}</td>" for cell in cells)


def read_logs(logs: BaseClient, functions: BaseClient, name: str, request_id: str | None) -> Logs:
    """Return the log of a function, all or what one invocation wrote.

    `logs` and `functions` are boto3's clients of CloudWatch Logs and of Lambda. Raises LabError if
    there is neither such a function nor a log of one.
    """
    lines = _with_request_ids(_log_events(logs, _log_group(functions, name), name))
    if request_id is not None:
        lines = [line for line in lines if line.request_id == request_id]
    return Logs(name, lines)


def read_reports(logs: BaseClient, functions: BaseClient, name: str | None) -> Reports:
    """Return the REPORT lines of one function, or of all that have a log. Raises as read_logs."""
    names = [name] if name is not None else _logged_functions(logs)
    rows = []
    for function in names:
        for line in read_logs(logs, functions, function, None).lines:
            report = _report(line.text)
            if report is not None:
                rows.append(_fields(line, function, report))
    rows.sort(key=lambda row: row["time"])
    return Reports(rows, columns=list(COLUMNS))


def _fields(line: LogLine, function: str, report: Report) -> dict[str, Any]:
    return {
        "time": datetime.fromtimestamp(line.time_ms / 1000, UTC),
        "function": function,
        "request_id": report.request_id,
        "duration_ms": report.duration_ms,
        "billed_ms": report.billed_ms,
        "init_ms": float("nan") if report.init_ms is None else report.init_ms,
        "memory_mb": report.memory_mb,
        "max_memory_mb": report.max_memory_mb,
        "status": report.status,
        "error_type": report.error_type,
        "cost_usd": invocation_cost_usd(report.memory_mb, report.billed_ms),
    }


def _report(text: str) -> Report | None:
    if text.startswith("REPORT "):
        return parse_report(text)
    record = _platform_record(text)
    return report_of_record(record["record"]) if record.get("type") == "platform.report" else None


def _platform_record(text: str) -> dict[str, Any]:
    """The content of a platform line of the JSON format; empty for any other line."""
    if not text.startswith('{"time":'):
        return {}
    try:
        content = json.loads(text)
    except ValueError:
        return {}
    is_record = isinstance(content, dict) and isinstance(content.get("record"), dict)
    return content if is_record else {}


def _log_group(functions: BaseClient, name: str) -> str | None:
    """The log group that a function says it has; None if there is no such function."""
    try:
        configuration = functions.get_function_configuration(FunctionName=name)
    except functions.exceptions.ResourceNotFoundException:
        return None
    return str(configuration["LoggingConfig"]["LogGroup"])


def _log_events(logs: BaseClient, group: str | None, name: str) -> list[LogLine]:
    pages = logs.get_paginator("filter_log_events")
    try:
        found = [
            LogLine(event["timestamp"], event["logStreamName"], event["message"].rstrip("\n"), None)
            for page in pages.paginate(logGroupName=group or _GROUP_PREFIX + name)
            for event in page["events"]
        ]
    except ClientError as error:
        if error.response["Error"]["Code"] != "ResourceNotFoundException":
            raise
        if group is None:
            raise LabError(f"There is no function {name!r}, and no log of one.") from None
        return []
    return sorted(found, key=lambda line: line.time_ms)


def _with_request_ids(lines: Iterable[LogLine]) -> list[LogLine]:
    """Say of each line which invocation wrote it: what stands between its START and its REPORT."""
    current: dict[str, str] = {}
    told = []
    for line in lines:
        kind, request_id = _boundary(line.text)
        if kind == "start" and request_id is not None:
            current[line.stream] = request_id
        told.append(
            LogLine(line.time_ms, line.stream, line.text, current.get(line.stream, request_id))
        )
        if kind == "report":
            current.pop(line.stream, None)
    return told


def _boundary(text: str) -> tuple[str, str | None]:
    """Whether a line begins or ends an invocation, and which one."""
    for word, kind in (("START RequestId: ", "start"), ("REPORT RequestId: ", "report")):
        if text.startswith(word):
            return kind, text.removeprefix(word).split()[0]
    record = _platform_record(text)
    kind = str(record.get("type", "")).removeprefix("platform.")
    return kind, record["record"].get("requestId") if record else None


def _logged_functions(logs: BaseClient) -> list[str]:
    pages = logs.get_paginator("describe_log_groups").paginate(logGroupNamePrefix=_GROUP_PREFIX)
    return [
        group["logGroupName"].removeprefix(_GROUP_PREFIX)
        for page in pages
        for group in page["logGroups"]
    ]


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
