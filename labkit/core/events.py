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
    DELIVERY_FAILED = "delivery_failed"
    DROPPED = "dropped"
    POLLED = "polled"
    FILTERED = "filtered"
    BATCH_FORMED = "batch_formed"
    BATCH_ENDED = "batch_ended"
    PROVISIONED_CHANGED = "provisioned_changed"
    ENVIRONMENT_ENDED = "environment_ended"


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One thing that happened; `None` marks a field that does not apply to its kind.

    `time_ms` is lab time in milliseconds since 1970. `phase` is "init" or "invoke" (an init that
    runs inside an invocation). `outcome` is "success", "error" or "timeout". `cpu_ms` is processor
    time used, `wait_ms` time spent waiting for a core of the machine; `disturbed` tells that the
    machine's other load made the measurement unreliable.

    `qualifier` is the version or alias that the caller named. `age_ms` is how long an asynchronous
    event or the last record of a batch has waited; `due_ms` the lab time of the next attempt.
    `target_arn` is where a record of an invocation, or a dead letter, went.

    Of event source mappings: `mapping` is the UUID, `shard` the shard or the message group, `batch`
    names a batch over all its attempts, `records` counts the records that were polled, filtered
    out or batched, `failed_records` those of an ended batch that will come again or were given up.

    Of provisioned concurrency: `requested` and `allocated` count environments, `reason` is the
    status. `initialization_type` is "on-demand" or "provisioned-concurrency".
    """

    seq: int
    time_ms: float
    kind: EventKind
    function: str | None = None
    version: str | None = None
    environment: str | None = None
    request_id: str | None = None
    attempt: int | None = None
    qualifier: str | None = None
    invocation_type: str | None = None
    initialization_type: str | None = None
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
    age_ms: float | None = None
    due_ms: float | None = None
    target_arn: str | None = None
    mapping: str | None = None
    shard: str | None = None
    batch: str | None = None
    records: int | None = None
    failed_records: int | None = None
    requested: int | None = None
    allocated: int | None = None
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
