"""What happened in a lab: events and log lines, each with one repeatable line.

Durations differ from run to run, and a notebook's stored outputs are compared: so none of these
shows one in its `repr`.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, overload

from labkit.core.events import Event, EventKind
from labkit.live.client import LabError

if TYPE_CHECKING:  # it takes a while to load, which Lab.start() does while the server starts
    from botocore.client import BaseClient

GROUP_PREFIX: Final = "/aws/lambda/"


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
        return f"{count(len(self), 'event')}: {kinds}" if kinds else "no events"


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
            return f"no log lines of {self.function}"
        streams = count(len({line.stream for line in self.lines}), "log stream")
        return f"{count(len(self), 'line')} of {self.function} in {streams}"


def read_logs(logs: BaseClient, functions: BaseClient, name: str, request_id: str | None) -> Logs:
    """Return the log of a function, all or what the invocation wrote whose id begins so.

    `logs` and `functions` are boto3's clients of CloudWatch Logs and of Lambda. Raises LabError if
    there is neither such a function nor a log of one.
    """
    lines = _with_request_ids(log_events(logs, configuration_of(functions, name), name))
    if request_id is not None:
        lines = [line for line in lines if (line.request_id or "").startswith(request_id)]
    return Logs(name, lines)


def json_of(text: str) -> dict[str, Any]:
    """Return the content of a line of the JSON format; empty for any other line."""
    if not text.startswith("{"):
        return {}
    try:
        content = json.loads(text)
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}


def configuration_of(functions: BaseClient, name: str) -> dict[str, Any] | None:
    """Return the configuration of a function; None if there is no such function."""
    try:
        return dict(functions.get_function_configuration(FunctionName=name))
    except functions.exceptions.ResourceNotFoundException:
        return None


def log_events(logs: BaseClient, configuration: dict[str, Any] | None, name: str) -> list[LogLine]:
    """Return the log events of a function; without a configuration, of one that was there once.

    Raises LabError if there is no such log and no configuration either.
    """
    own_group = GROUP_PREFIX + name
    group = own_group if configuration is None else configuration["LoggingConfig"]["LogGroup"]
    pages = logs.get_paginator("filter_log_events").paginate(logGroupName=group)
    try:
        found = [
            LogLine(event["timestamp"], event["logStreamName"], event["message"].rstrip("\n"), None)
            for page in pages
            for event in page["events"]
            # Other groups may be shared, and name the function in their streams.
            if group == own_group or f"/{name}[" in event["logStreamName"]
        ]
    except logs.exceptions.ResourceNotFoundException:
        if configuration is None:
            raise LabError(f"There is no function {name!r}, and no log of one.") from None
        return []
    return sorted(found, key=lambda line: line.time_ms)


def _with_request_ids(lines: Iterable[LogLine]) -> list[LogLine]:
    """Say of each line which invocation wrote it: what stands between its START and its REPORT."""
    current: dict[str, str] = {}
    told = []
    for line in lines:
        begins, ends, request_id = _boundary(line.text)
        if begins and request_id is not None:
            current[line.stream] = request_id
        writer = current.get(line.stream, request_id)
        told.append(LogLine(line.time_ms, line.stream, line.text, writer))
        if ends:
            current.pop(line.stream, None)
    return told


def _boundary(text: str) -> tuple[bool, bool, str | None]:
    """Whether a line begins or ends an invocation, and which one it names."""
    match = _PLATFORM_LINE.match(text)
    if match is not None:
        return match["word"] == "START", match["word"] == "REPORT", match["request_id"]
    content = json_of(text)
    kind, record = content.get("type"), content.get("record")
    # What the function logs in the JSON format names its invocation too.
    request_id = (record if isinstance(record, dict) else content).get("requestId")
    if not isinstance(request_id, str):
        return False, False, None
    return kind == "platform.start", kind == "platform.report", request_id


_PLATFORM_LINE: Final = re.compile(
    r"(?P<word>START|END|REPORT) RequestId: "
    r"(?P<request_id>[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})\b"
)


def count(number: int, noun: str) -> str:
    """Return a number with its noun, as in "1 line" or "2 lines"."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
