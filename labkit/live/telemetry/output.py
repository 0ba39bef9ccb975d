"""Split what a runtime writes into log events: framed records of AWS's client, and plain lines."""

from __future__ import annotations

from dataclasses import dataclass

_FRAME_START = b"\xa5\x5a\x00"  # then one byte of type, 4 of length, 8 of time in microseconds
_HEADER_BYTES = 16
_LEVELS = {0x0A: "DEBUG", 0x0E: "INFO", 0x12: "WARN", 0x16: "ERROR", 0x1A: "FATAL"}
MAX_EVENT_BYTES = 262_144  # CloudWatch Logs: the largest log event


@dataclass(frozen=True, slots=True)
class OutputEvent:
    """One log event of the function. ``level`` is None where the runtime gave none."""

    text: str
    level: str | None = None


class OutputParser:
    """Feed it bytes as they come; it returns the events that became complete.

    The frames are those of ``_LAMBDA_TELEMETRY_LOG_FD`` (AWS's Python client): they keep a record
    of several lines together. Everything else is one event a line.
    """

    def __init__(self) -> None:
        self._buffer = b""

    def feed(self, data: bytes) -> list[OutputEvent]:
        """Add ``data``; return the complete events in their order."""
        self._buffer += data
        events: list[OutputEvent] = []
        while self._buffer:
            start = self._buffer.find(_FRAME_START)
            if start == 0:
                if not self._take_frame(events):
                    break
            elif not self._take_lines(events, start):
                break
        return events

    def flush(self) -> list[OutputEvent]:
        """The rest, when nothing more will come."""
        rest, self._buffer = self._buffer, b""
        return [_event(rest)] if rest else []

    def _take_frame(self, events: list[OutputEvent]) -> bool:
        if len(self._buffer) < _HEADER_BYTES:
            return False
        length = int.from_bytes(self._buffer[4:8], "big")
        end = _HEADER_BYTES + length
        if len(self._buffer) < end:
            return False
        level = _LEVELS.get(self._buffer[3] & ~1)  # odd types are those of the text format
        events.append(_event(self._buffer[_HEADER_BYTES:end], level))
        self._buffer = self._buffer[end:]
        return True

    def _take_lines(self, events: list[OutputEvent], frame_start: int) -> bool:
        plain = self._buffer if frame_start < 0 else self._buffer[:frame_start]
        end = plain.rfind(b"\n") + 1
        if frame_start > 0:
            end = frame_start  # a frame cuts an unfinished line off
        elif end == 0:
            if len(plain) < MAX_EVENT_BYTES:
                return False
            end = len(plain)
        events += [_event(line) for line in plain[:end].splitlines(keepends=True)]
        self._buffer = self._buffer[end:]
        return True


def _event(data: bytes, level: str | None = None) -> OutputEvent:
    text = data[:MAX_EVENT_BYTES].decode("utf-8", "replace")
    return OutputEvent(text if text.endswith("\n") else text + "\n", level)
