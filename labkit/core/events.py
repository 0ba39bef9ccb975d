"""The one vocabulary of events, written by the live Lambda and by the fleet simulator alike."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any


class EventKind(StrEnum):
    """What happened."""

    ACCEPTED = "accepted"
    QUEUED = "queued"
    THROTTLED = "throttled"
    INIT_STARTED = "init_started"
    INIT_ENDED = "init_ended"
    INVOKE_STARTED = "invoke_started"
    INVOKE_ENDED = "invoke_ended"
    RETRY_SCHEDULED = "retry_scheduled"
    DELIVERED = "delivered"
    DROPPED = "dropped"
    ENVIRONMENT_ENDED = "environment_ended"


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One thing that happened; `None` marks a field that does not apply to its kind.

    `time_ms` is lab time in milliseconds since 1970. `phase` is "init" or "invoke" (an init that
    runs inside an invocation). `outcome` is "success", "error" or "timeout". `cpu_ms` is processor
    time used, `wait_ms` time spent waiting for a core of the machine; `disturbed` tells that the
    machine's other load made the measurement unreliable.
    """

    seq: int
    time_ms: float
    kind: EventKind
    function: str | None = None
    version: str | None = None
    environment: str | None = None
    request_id: str | None = None
    attempt: int | None = None
    phase: str | None = None
    outcome: str | None = None
    error_type: str | None = None
    architecture: str | None = None
    memory_mb: int | None = None
    duration_ms: float | None = None
    init_ms: float | None = None
    billed_ms: int | None = None
    cpu_ms: float | None = None
    wait_ms: float | None = None
    max_memory_mb: int | None = None
    disturbed: bool | None = None
    reason: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the fields that are set, `kind` as its plain text: ready for JSON."""
        return {
            name: str(value) if name == "kind" else value
            for name in _FIELD_NAMES
            if (value := getattr(self, name)) is not None
        }

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> Event:
        """Read back what `to_dict` wrote.

        Raises TypeError for an unknown or missing field, ValueError for an unknown kind.
        """
        values = dict(record)
        if "kind" in values:
            values["kind"] = EventKind(values["kind"])
        return cls(**values)


_FIELD_NAMES = tuple(field.name for field in fields(Event))
