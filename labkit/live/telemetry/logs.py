"""The log stream of one execution environment."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from labkit.core import report
from labkit.core.configuration import FunctionConfiguration
from labkit.live.telemetry.output import OutputEvent, OutputParser

LogEvent = tuple[int, str]
Sink = Callable[[list[LogEvent]], None]
_TAIL_BYTES = 4096


class EnvironmentLog:
    """Collects an environment's log events in order and hands them to the ``sink`` in batches.

    The function's output beyond ``max_bytes`` in one phase is dropped, and one line says so.
    """

    def __init__(
        self,
        configuration: FunctionConfiguration,
        sink: Sink,
        now_ms: Callable[[], float],
        max_bytes: int,
        rewrite: tuple[str, str] | None = None,
    ) -> None:
        self.is_json = configuration.log_format == "JSON"
        self._application_level = configuration.application_log_level or "INFO"
        self._system_level = configuration.system_log_level or "INFO"
        self._sink, self._now_ms, self._max_bytes = sink, now_ms, max_bytes
        self._rewrite = rewrite
        self._parser = OutputParser()
        self._pending: list[LogEvent] = []
        self._tail: list[str] = []
        self._taken_bytes = self._dropped_bytes = 0

    def output(self, data: bytes) -> None:
        """What the runtime wrote to its standard output, error, or log descriptor."""
        room = self._max_bytes - self._taken_bytes
        if room <= 0:
            self._dropped_bytes += len(data)
            return
        self._taken_bytes += len(data)
        for event in self._parser.feed(data):
            self._application(event)

    def end_of_output(self) -> None:
        """The phase is over: an unfinished line becomes an event, and dropped output is
        reported.
        """
        for event in self._parser.flush():
            self._application(event)
        if self._dropped_bytes:
            reason = f"more than {self._max_bytes} bytes of output in one invocation"
            self._append(
                f"[labkit] {self._dropped_bytes} bytes of output dropped: {reason}, "
                "the lab's setting log_max_bytes\n"
            )
        self._taken_bytes = self._dropped_bytes = 0

    def platform(self, text: str | None, kind: str, record: Mapping[str, Any]) -> None:
        """A line of Lambda itself: ``text`` in text format (None: JSON only), ``record`` in
        JSON.
        """
        if not self.is_json:
            if text is not None:
                self._append(text)
        elif report.is_logged(report.platform_level(kind, record), self._system_level):
            self._append(report.json_line(self._now_ms(), kind, record))

    def start_tail(self) -> None:
        """From here on the lines count for the caller's log tail."""
        self._tail = []

    def tail(self) -> bytes:
        """The last 4 KB of the invocation's lines, without the tabs and newlines at the end."""
        return "".join(self._tail).rstrip("\t\n").encode()[-_TAIL_BYTES:]

    def write(self) -> None:
        """Hand everything collected to the sink."""
        if self._pending:
            pending, self._pending = self._pending, []
            self._sink(pending)

    def _application(self, event: OutputEvent) -> None:
        if self.is_json:
            level = event.level or _level_of(event.text)
            if not report.is_logged(level, self._application_level):
                return
        text = event.text if self._rewrite is None else event.text.replace(*self._rewrite)
        self._append(text)

    def _append(self, text: str) -> None:
        self._pending.append((int(self._now_ms()), text))
        self._tail.append(text)


def _level_of(text: str) -> str:
    """The level of a line that the runtime gave none: from its own JSON, otherwise INFO."""
    if text.startswith("{"):
        try:
            level = str(json.loads(text).get("level", "INFO")).upper()
        except ValueError:
            return "INFO"
        level = {"WARNING": "WARN", "CRITICAL": "FATAL"}.get(level, level)
        return level if level in ("TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL") else "INFO"
    return "INFO"
