"""What a stream's mapping tells: its events, and the records of batches that it gave up."""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from labkit.core.batch_failures import BatchLocation, BatchResponse, batch_failure_record
from labkit.core.event_records import event_payload
from labkit.core.events import EventKind
from labkit.core.names import qualifier_of
from labkit.core.stream_batches import Drop, Outcome, StreamBatch
from labkit.live.moto_seam.streams import StreamItem
from labkit.live.pollers.stream_port import StreamContext, StreamMapping

_FUNCTION_ERROR: Final = "function_error"
_THROTTLED: Final = "throttled"


@dataclass(frozen=True, slots=True)
class ReadRecord:
    """A record of the stream, and its record in the event."""

    item: StreamItem
    record: bytes

    @property
    def sequence_number(self) -> str:
        return self.item.sequence_number

    @property
    def partition_key(self) -> str:
        return self.item.partition_key

    @property
    def arrived_ms(self) -> float:
        return self.item.arrived_ms

    @property
    def size_bytes(self) -> int:
        return len(self.record)


ReadBatch = StreamBatch[ReadRecord]


class StreamReports:
    """The voice of one mapping."""

    def __init__(self, mapping: StreamMapping, context: StreamContext) -> None:
        self._mapping = mapping
        self._context = context
        self._name = secrets.token_hex(4)  # batches of two shards or pollers must not share a name

    def polled(self, shard_id: str, records: int, matching: int) -> None:
        """Records were read, of which so many match the filters."""
        self._emit(EventKind.POLLED, shard_id, records=records)
        if matching < records:
            self._emit(EventKind.FILTERED, shard_id, records=records - matching)

    def formed(self, shard_id: str, batch: ReadBatch) -> None:
        """A batch was closed, or made by splitting another."""
        self._emit(
            EventKind.BATCH_FORMED,
            shard_id,
            batch=self._batch(shard_id, batch.name),
            records=len(batch.records),
            reason=batch.reason,
        )

    def answered(self, shard_id: str, batch: ReadBatch, outcome: Outcome[ReadRecord]) -> None:
        """The function answered an attempt at a batch."""
        self._ended(shard_id, batch, outcome.outcome, outcome.failed_records)
        for half in outcome.halves:
            self.formed(shard_id, half)
        if outcome.retry is not None and not outcome.halves:
            self._retried(shard_id, batch, outcome.retry.due_ms, _FUNCTION_ERROR)

    def refused(self, shard_id: str, batch: ReadBatch, due_ms: float, reason: str) -> None:
        """An attempt did not reach the function: "throttle" or "service_error"."""
        self._ended(shard_id, batch, _THROTTLED, len(batch.records))
        self._retried(shard_id, batch, due_ms, reason)

    def dropped(
        self, shard_id: str, drop: Drop[ReadRecord], response: BatchResponse | None
    ) -> None:
        """Records were given up: the on-failure destination, if there is one, is told."""
        self._emit(
            EventKind.DROPPED,
            shard_id,
            batch=self._batch(shard_id, drop.batch),
            attempt=drop.invoke_count,
            records=len(drop.records),
            reason=drop.condition,
        )
        target_arn = self._mapping.config.on_failure_destination
        if target_arn is None or not drop.records:
            return
        self._context.destinations.deliver_batch_failure(
            target_arn,
            batch_failure_record(
                self._location(shard_id, drop.records),
                now_ms=self._context.clock.now_ms(),
                request_id=drop.request_id or str(uuid.uuid4()),
                function_arn=self._mapping.function_arn,
                condition=drop.condition,
                invoke_count=drop.invoke_count,
                response=response,
            ),
            mapping_uuid=self._mapping.uuid,
            shard_id=shard_id,
            records=len(drop.records),
            payload=event_payload(record.record for record in drop.records).decode(),
        )

    def _location(self, shard_id: str, records: Sequence[ReadRecord]) -> BatchLocation:
        first, last = records[0], records[-1]
        return BatchLocation(
            stream_arn=self._mapping.event_source_arn,
            shard_id=shard_id,
            start_sequence_number=first.sequence_number,
            end_sequence_number=last.sequence_number,
            first_arrived_ms=first.arrived_ms,
            last_arrived_ms=last.arrived_ms,
            batch_size=len(records),
        )

    def _ended(self, shard_id: str, batch: ReadBatch, outcome: str, failed: int) -> None:
        self._emit(
            EventKind.BATCH_ENDED,
            shard_id,
            batch=self._batch(shard_id, batch.name),
            attempt=batch.attempt,
            request_id=batch.request_id,
            records=len(batch.records),
            failed_records=failed,
            outcome=outcome,
            age_ms=batch.iterator_age_ms,
        )

    def _retried(self, shard_id: str, batch: ReadBatch, due_ms: float, reason: str) -> None:
        self._emit(
            EventKind.RETRY_SCHEDULED,
            shard_id,
            batch=self._batch(shard_id, batch.name),
            attempt=batch.attempt,
            due_ms=due_ms,
            reason=reason,
        )

    def _batch(self, shard_id: str, name: str) -> str:
        return f"{self._name}-{shard_id}-{name}"

    def _emit(self, kind: EventKind, shard_id: str, **fields: object) -> None:
        self._context.events.append(
            kind,
            function=self._mapping.function_arn.split(":")[6],
            qualifier=qualifier_of(self._mapping.function_arn),
            mapping=self._mapping.uuid,
            shard=shard_id,
            **fields,
        )
