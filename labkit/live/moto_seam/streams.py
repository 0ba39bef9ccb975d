"""Streams as the pollers of event source mappings read them: Kinesis and DynamoDB Streams alike."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Protocol

from labkit.core.clock import Clock
from labkit.core.stream_mapping import ShardInfo

TRIM_HORIZON, LATEST, AT_TIMESTAMP = "TRIM_HORIZON", "LATEST", "AT_TIMESTAMP"


class StreamItem(Protocol):
    """One record of a shard; see `labkit.core.stream_batches.StreamRecord`."""

    @property
    def sequence_number(self) -> str: ...

    @property
    def partition_key(self) -> str: ...

    @property
    def arrived_ms(self) -> float: ...

    def event_record(self, shard_id: str, role_arn: str) -> dict[str, object]:
        """Return the record as the event of a function has it."""


class StreamHandle(Protocol):
    """One stream. A position is the last sequence number that was read; any thread may call."""

    arn: str
    source: str
    """ "kinesis" or "dynamodb": what filters call it."""
    polls_per_s: int
    poll_records_max: int

    @property
    def exists(self) -> bool:
        """Whether the stream has not been deleted."""

    @property
    def retention_s(self) -> float:
        """How long a record is kept."""

    def shards(self) -> list[ShardInfo]:
        """Return the shards, closed ones too."""

    def position(self, shard_id: str, start: str, timestamp_ms: float) -> int:
        """Return the position of TRIM_HORIZON, LATEST or AT_TIMESTAMP in a shard."""

    def read(self, shard_id: str, position: int, limit: int) -> tuple[list[StreamItem], int]:
        """Return up to `limit` records after a position, and the position behind them."""

    def has_more(self, shard_id: str, position: int) -> bool:
        """Tell whether a shard has records after a position."""


class Changes:
    """Who wants to know that a stream has changed. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._watchers: dict[str, tuple[Callable[[], None], ...]] = {}

    def watch(self, stream_arn: str, callback: Callable[[], None]) -> Callable[[], None]:
        """Call `callback` after records have come, shards have changed, or the stream has gone.

        It must be short. Returns a function that ends this.
        """
        with self._lock:
            self._watchers[stream_arn] = (*self._watchers.get(stream_arn, ()), callback)
        return lambda: self._unwatch(stream_arn, callback)

    def tell(self, stream_arn: str) -> None:
        """A stream has changed."""
        for callback in self._watchers.get(stream_arn, ()):
            callback()

    def _unwatch(self, stream_arn: str, callback: Callable[[], None]) -> None:
        with self._lock:
            kept = tuple(each for each in self._watchers.get(stream_arn, ()) if each != callback)
            if kept:
                self._watchers[stream_arn] = kept
            else:
                self._watchers.pop(stream_arn, None)


class StreamStore:
    """All streams of the mocked AWS. `load` has to be called once, before `find`."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._changes = Changes()

    def load(self) -> None:
        """Import moto's services and teach them what they lack."""
        from labkit.live.moto_seam import dynamodb, kinesis

        kinesis.install(self._clock, self._changes)
        dynamodb.install(self._clock, self._changes)

    def find(self, stream_arn: str) -> StreamHandle | None:
        """Return the stream with this ARN, None if there is none."""
        from labkit.live.moto_seam import dynamodb, kinesis

        service = (stream_arn.split(":") + [""] * 3)[2]
        if service == "kinesis":
            return kinesis.find(stream_arn)
        return dynamodb.find(stream_arn) if service == "dynamodb" else None

    def watch(self, stream_arn: str, callback: Callable[[], None]) -> Callable[[], None]:
        """Watch a stream, see `Changes.watch`."""
        return self._changes.watch(stream_arn, callback)
