"""moto's Kinesis: read by the pollers of event source mappings, and taught what it lacks.

As moto has it, a record is numbered from 1 in each shard, never expires, moves to another shard
when its own is split, and invokes functions within PutRecord.
"""

from __future__ import annotations

import itertools
import threading
from collections import OrderedDict
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import md5
from typing import TYPE_CHECKING, Any, Final

from labkit.core import quotas
from labkit.core.clock import Clock
from labkit.core.event_records import kinesis_record
from labkit.core.stream_mapping import ShardInfo
from labkit.live.moto_seam.patching import original, replace
from labkit.live.moto_seam.streams import LATEST, TRIM_HORIZON, Changes, StreamItem

if TYPE_CHECKING:
    from moto.kinesis.models import Shard, Stream

# One lock for all streams: moto copies its objects, and a lock cannot be copied.
_lock: Final = threading.RLock()


@dataclass(frozen=True, slots=True)
class KinesisItem:
    """A record of a shard; `data` is in base64."""

    stream_arn: str
    partition_key: str
    sequence_number: str
    data: str
    arrived_ms: float

    def event_record(self, shard_id: str, role_arn: str) -> dict[str, object]:
        """Return the record as the event of a function has it."""
        return kinesis_record(
            partition_key=self.partition_key,
            sequence_number=self.sequence_number,
            data=self.data,
            arrived_ms=self.arrived_ms,
            shard_id=shard_id,
            stream_arn=self.stream_arn,
            role_arn=role_arn,
        )


class KinesisStream:
    """A stream, as `labkit.live.moto_seam.streams.StreamHandle` describes it."""

    source = "kinesis"
    polls_per_s = quotas.KINESIS_POLLS_PER_S
    poll_records_max = quotas.KINESIS_POLL_RECORDS_MAX

    def __init__(self, backend: Any, stream: Stream) -> None:
        self.arn: str = stream.arn
        self._backend = backend
        self._stream = stream

    @property
    def exists(self) -> bool:
        """Whether the stream has not been deleted."""
        return self._backend.streams.get(self._stream.stream_name) is self._stream

    @property
    def retention_s(self) -> float:
        """How long a record is kept."""
        return _retention_s(self._stream)

    def shards(self) -> list[ShardInfo]:
        """Return the shards, closed ones too."""
        with _lock:
            shards = list(self._stream.shards.values())
        return [
            ShardInfo(
                shard.shard_id,
                tuple(name for name in (shard.parent, shard.adjacent_parent) if name),
                not shard.is_open,
            )
            for shard in shards
        ]

    def position(self, shard_id: str, start: str, timestamp_ms: float) -> int:
        """Return the position of TRIM_HORIZON, LATEST or AT_TIMESTAMP in a shard."""
        shard = self._stream.shards[shard_id]
        if start == TRIM_HORIZON:
            return 0
        with _lock:
            if start == LATEST:
                return shard.get_max_sequence_number()
            before = [
                number
                for number, record in shard.records.items()
                if record.created_at * 1000 < timestamp_ms
            ]
        return before[-1] if before else 0

    def read(self, shard_id: str, position: int, limit: int) -> tuple[list[StreamItem], int]:
        """Return up to `limit` records after a position, and the position behind them."""
        with _lock:
            _trim(self._stream)
            records = self._stream.shards[shard_id].records
            unread = itertools.dropwhile(lambda pair: pair[0] <= position, records.items())
            taken = list(itertools.islice(unread, limit))
        items: list[StreamItem] = [
            KinesisItem(
                self.arn,
                record.partition_key,
                str(number),
                record.data,
                record.created_at * 1000,
            )
            for number, record in taken
        ]
        return items, taken[-1][0] if taken else position

    def has_more(self, shard_id: str, position: int) -> bool:
        """Tell whether a shard has records after a position."""
        with _lock:
            _trim(self._stream)
            records = self._stream.shards[shard_id].records
            return bool(records) and next(reversed(records)) > position


def find(stream_arn: str) -> KinesisStream | None:
    """Return the stream with this ARN."""
    from moto.kinesis.models import kinesis_backends

    _, _, _, region, account_id, resource = stream_arn.split(":", 5)
    if account_id not in kinesis_backends or region not in kinesis_backends[account_id]:
        return None
    backend = kinesis_backends[account_id][region]
    stream = backend.streams.get(resource.removeprefix("stream/"))
    return KinesisStream(backend, stream) if stream and stream.arn == stream_arn else None


_clock: Clock


def install(clock: Clock, changes: Changes) -> None:
    """Teach moto's Kinesis lab time, expiry, sequence numbers, splits, and who wants to know."""
    global _clock
    _clock = clock
    _install_records(changes)
    _install_resharding(changes)
    _install_backend(changes)


def _install_records(changes: Changes) -> None:
    from moto.kinesis.models import Record, Shard, Stream

    def put_into_shard(self: Shard, partition_key: str, data: str, explicit_hash_key: str) -> str:
        now_ms = _clock.now_ms()
        number = _next_number(self, now_ms)
        record = Record(partition_key, data, number, explicit_hash_key)
        record.created_at = now_ms / 1000
        record.created_at_datetime = datetime.fromtimestamp(now_ms / 1000, UTC).replace(tzinfo=None)
        self.records[number] = record
        return str(number)

    def put(self: Stream, partition_key: str, explicit_hash_key: str, data: str) -> tuple[str, str]:
        with _lock:
            _trim(self)
            shard = self.get_shard_for_key(partition_key, explicit_hash_key)
            assert shard is not None
            number = shard.put_record(partition_key, data, explicit_hash_key)
        changes.tell(self.arn)
        return number, shard.shard_id

    check_key = original(Stream.get_shard_for_key)

    def shard_for_key(self: Stream, partition_key: str, explicit_hash_key: str) -> Shard:
        check_key(self, partition_key, explicit_hash_key)
        digest = md5(partition_key.encode(), usedforsecurity=False).hexdigest()
        key = int(explicit_hash_key) if explicit_hash_key else int(digest, 16)
        shards = list(self.shards.values())
        return next(s for s in shards if s.is_open and s.starting_hash <= key <= s.ending_hash)

    replace(Shard, "put_record", put_into_shard)
    replace(Shard, "get_min_sequence_number", lambda self: _numbers(self)[0])
    replace(Shard, "get_max_sequence_number", lambda self: _numbers(self)[1])
    replace(Stream, "put_record", put)
    replace(Stream, "get_shard_for_key", shard_for_key)


def _install_resharding(changes: Changes) -> None:
    from moto.kinesis.models import Stream

    split, merge = original(Stream.split_shard), original(Stream.merge_shards)

    def keeping_records(self: Stream, reshard: Any, *shards_and_key: str) -> None:
        """Reshard; the records stay where they are, to be read before those of the children."""
        with _lock:
            kept = {name: shard.records for name, shard in self.shards.items()}
            for shard in self.shards.values():
                shard.records = OrderedDict()
            try:
                reshard(self, *shards_and_key)
            finally:
                for name, records in kept.items():
                    self.shards[name].records = records
        changes.tell(self.arn)

    replace(Stream, "split_shard", lambda self, *given: keeping_records(self, split, *given))
    replace(Stream, "merge_shards", lambda self, *given: keeping_records(self, merge, *given))


def _install_backend(changes: Changes) -> None:
    from moto.kinesis.models import KinesisBackend

    create, delete = (
        original(KinesisBackend.create_stream),
        original(KinesisBackend.delete_stream),
    )
    read = original(KinesisBackend.get_records)

    def get_records(
        self: KinesisBackend, stream_arn: str | None, shard_iterator: str, limit: int | None
    ) -> Any:
        with _lock:
            for stream in self.streams.values():
                _trim(stream)
            return read(self, stream_arn, shard_iterator, limit)

    def create_stream(self: KinesisBackend, *args: Any, **kwargs: Any) -> Stream:
        stream: Stream = create(self, *args, **kwargs)
        changes.tell(stream.arn)
        return stream

    def delete_stream(self: KinesisBackend, *args: Any, **kwargs: Any) -> Stream:
        stream: Stream = delete(self, *args, **kwargs)
        changes.tell(stream.arn)
        return stream

    replace(KinesisBackend, "get_records", get_records)
    replace(KinesisBackend, "create_stream", create_stream)
    replace(KinesisBackend, "delete_stream", delete_stream)


def _numbers(shard: Shard) -> tuple[int, int]:
    """The sequence number at which a shard begins, and the last one that it gave out."""
    numbers: tuple[int, int] | None = shard.__dict__.get("lab_numbers")
    if numbers is None:
        first = _number(_clock.now_ms(), 0, shard._shard_id)
        numbers = shard.__dict__["lab_numbers"] = (first, first)
    return numbers


def _next_number(shard: Shard, now_ms: float) -> int:
    first, last = _numbers(shard)
    last = max(_number(now_ms, 0, shard._shard_id), last + _STEP)
    shard.__dict__["lab_numbers"] = (first, last)
    return last


_STEP: Final = 16**9


def _number(time_ms: float, count: int, shard: int) -> int:
    """A sequence number of 56 digits, as AWS's are: it grows with the time, then with the count."""
    return int(f"2{0:016x}{int(time_ms // 1000):09x}{count:012x}{shard:08x}2", 16)


def _trim(stream: Stream) -> None:
    """Forget the records that are older than the retention period."""
    oldest_s = _clock.now_ms() / 1000 - _retention_s(stream)
    for shard in stream.shards.values():
        while shard.records:
            number, record = next(iter(shard.records.items()))
            if record.created_at > oldest_s:
                break
            del shard.records[number]


def _retention_s(stream: Stream) -> float:
    return float(stream.retention_period_hours) * 3600
