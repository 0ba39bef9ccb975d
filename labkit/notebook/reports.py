"""The REPORT lines of the log as a table, with one repeatable line of text.

Beside the other records because it needs pandas, which takes a while to load.
"""

from __future__ import annotations

import contextlib
import html
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import pandas as pd

from labkit.core.events import Event
from labkit.core.report import Report, parse_report, report_of_record
from labkit.notebook.records import GROUP_PREFIX, configuration_of, count, json_of, log_events
from labkit.pricing import invocation_cost_usd

if TYPE_CHECKING:
    from botocore.client import BaseClient

_ID_LENGTH: Final = 8


class Reports(pd.DataFrame):  # type: ignore[misc]  # pandas comes without types
    """The REPORT lines of the log as a table, oldest first; whatever is made from it is plain
    pandas.

    Columns: `time` (lab time, UTC), `function`, `request_id`, `duration_ms`, `billed_ms`, `init_ms`
    (NaN after a warm start), `memory_mb`, `max_memory_mb`, `status` ("success", "error" or
    "timeout") and `error_type` (both are the invocation's, also where the text line leaves them
    out: when the handler raised), `cost_usd` (request and duration, first tier).
    """

    @property
    def _constructor(self) -> Any:
        return pd.DataFrame

    def __repr__(self) -> str:
        if not self._is_as_read():
            return str(super().__repr__())
        functions = ", ".join(dict.fromkeys(self["function"]))
        if not functions:
            return "no REPORT lines"
        cold = int(self["init_ms"].notna().sum())
        return f"{count(len(self), 'REPORT line')} of {functions}, {cold} cold"

    def _repr_html_(self) -> str:
        if not self._is_as_read():
            return str(super()._repr_html_())
        head = "".join(f"<th>{name}</th>" for name in _HEADS)
        body = "".join(f"<tr>{_row(row)}</tr>" for row in self.itertuples())
        table = f'<table class="labkit-reports"><thead><tr>{head}</tr></thead>'
        return f"{table}<tbody>{body}</tbody></table>"

    def _is_as_read(self) -> bool:
        """Whether nobody has added or removed a column, which would not be shown."""
        return list(self.columns) == list(_COLUMNS)


_HEADS: Final = (
    *("function", "request", "duration (ms)", "init (ms)", "billed (ms)", "memory (MB)"),
    *("used (MB)", "status", "cost of a million (USD)"),
)
_COLUMNS: Final = {
    "time": "datetime64[ms, UTC]",
    "function": "str",
    "request_id": "str",
    "duration_ms": "float64",
    "billed_ms": "int64",
    "init_ms": "float64",
    "memory_mb": "int64",
    "max_memory_mb": "int64",
    "status": "str",
    "error_type": "object",
    "cost_usd": "float64",
}


def _row(row: Any) -> str:
    cells = (
        row.function,
        row.request_id[:_ID_LENGTH],
        f"{row.duration_ms:,.2f}",
        "–" if pd.isna(row.init_ms) else f"{row.init_ms:,.2f}",
        f"{row.billed_ms:,}",
        f"{row.memory_mb:,}",
        f"{row.max_memory_mb:,}",
        row.status if row.error_type is None else f"{row.status}: {row.error_type}",
        f"{row.cost_usd * 1_000_000:,.2f}",
    )
    return "".join(f"<td>{html.escape(cell)}</td>" for cell in cells)


@dataclass(frozen=True, slots=True)
class ReportLine:
    """A REPORT line and where it stands."""

    time_ms: int
    function: str
    architecture: str
    report: Report


def read_report_lines(
    logs: BaseClient, functions: BaseClient, name: str | None
) -> list[ReportLine]:
    """Return the REPORT lines of one function, or of all there are or were, oldest first.

    Raises LabError if there is neither such a function nor a log of one.
    """
    found = []
    for function in [name] if name is not None else _known_functions(logs, functions):
        configuration = configuration_of(functions, function)
        (architecture,) = (configuration or {}).get("Architectures", ["x86_64"])
        for line in log_events(logs, configuration, function):
            report = _report(line.text)
            if report is not None:
                found.append(ReportLine(line.time_ms, function, architecture, report))
    return sorted(found, key=lambda line: line.time_ms)


def reports_of(lines: Iterable[ReportLine], ended: Iterable[Event], region: str) -> Reports:
    """Return the table of REPORT lines; `ended` are the events invoke_ended of the lab."""
    # Attempts of one asynchronous invocation share their request id.
    events = {(event.request_id, event.billed_ms, event.duration_ms): event for event in ended}
    rows = []
    for line in lines:
        report = line.report
        event = events.get((report.request_id, report.billed_ms, report.duration_ms))
        rows.append(
            {
                "time": pd.Timestamp(line.time_ms, unit="ms", tz="UTC"),
                "function": line.function,
                "request_id": report.request_id,
                "duration_ms": report.duration_ms,
                "billed_ms": report.billed_ms,
                "init_ms": float("nan") if report.init_ms is None else report.init_ms,
                "memory_mb": report.memory_mb,
                "max_memory_mb": report.max_memory_mb,
                "status": report.status if event is None else event.outcome,
                "error_type": report.error_type if event is None else event.error_type,
                "cost_usd": invocation_cost_usd(
                    report.memory_mb,
                    report.billed_ms,
                    architecture=line.architecture,
                    region=region,
                ),
            }
        )
    columns = {
        name: pd.Series([row[name] for row in rows], dtype=kind) for name, kind in _COLUMNS.items()
    }
    return Reports(columns)


def _report(text: str) -> Report | None:
    # A function may print what looks like such a line.
    with contextlib.suppress(ValueError, KeyError, TypeError):
        if text.startswith("REPORT "):
            return parse_report(text)
        record = json_of(text)
        if record.get("type") == "platform.report":
            return report_of_record(record["record"])
    return None


def _known_functions(logs: BaseClient, functions: BaseClient) -> list[str]:
    """The functions that there are, and those that were and have left a log."""
    present = {
        function["FunctionName"]: function["LoggingConfig"]["LogGroup"]
        for page in functions.get_paginator("list_functions").paginate()
        for function in page["Functions"]
    }
    groups = logs.get_paginator("describe_log_groups").paginate(logGroupNamePrefix=GROUP_PREFIX)
    logged = [
        group["logGroupName"].removeprefix(GROUP_PREFIX)
        for page in groups
        for group in page["logGroups"]
        if group["logGroupName"] not in present.values()
    ]
    return list(dict.fromkeys([*present, *logged]))
