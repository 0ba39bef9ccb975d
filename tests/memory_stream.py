"""A small stream in memory, in lab time, with the interface that the pollers use."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from labkit.core.event_records import kinesis_record
from labkit.core.stream_mapping import ShardInfo
from labkit.live.clock import LabClock
from labkit.live.moto_seam.streams import LATEST, TRIM_HORIZON


@dataclass(frozen=True)
class Item:
    sequence_number: str
    partition_key: str
    arrived_ms: float
    data: str

    def event_record(self, shard_id: str, role_arn: str) -> dict[str, object]:
        return kinesis_record(
            partition_key=self.partition_key,
            sequence_number=self.sequence_number,
            data=self.data,
            arrived_ms=self.arrived_ms,
            shard_id=shard_id,
            stream_arn=MemoryStream.arn,
            role_arn=role_arn,
        )


@dataclass
class _Shard:
    info: ShardInfo
    items: list[Item] = field(default_factory=list)


class MemoryStream:
    """Shards by name; `data` of a record is any text."""

    arn = "arn:aws:kinesis:us-east-1:123456789012:stream/s"
    source = "kinesis"
    polls_per_s = 1
    poll_records_max = 10_000

    def __init__(self, clock: LabClock, *shards: str) -> None:
        self.exists = True
        self.retention_s = 86_400.0
        self.reads = 0
        self._clock = clock
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)
        self._shards = {name: _Shard(ShardInfo(name)) for name in shards or ("shard-0",)}
        self._watchers: list[Callable[[], None]] = []

    # As the learner's own clients see it.

    def put(self, *data: str, key: str = "k", shard: str = "shard-0", age_s: float = 0) -> None:
        arrived_ms = self._clock.now_ms() - age_s * 1000
        with self._lock:
            items = [Item(str(next(self._numbers)), key, arrived_ms, text) for text in data]
            self._shards[shard].items += items
        self.tell()

    def split(self, parent: str, *children: str) -> None:
        with self._lock:
            self._shards[parent].info = ShardInfo(parent, (), True)
            for child in children:
                self._shards[child] = _Shard(ShardInfo(child, (parent,)))
        self.tell()

    def delete(self) -> None:
        self.exists = False
        self.tell()

    def tell(self) -> None:
        for callback in list(self._watchers):
            callback()

    # As the store gives it.

    def find(self, arn: str) -> MemoryStream | None:
        return self if self.exists and arn == self.arn else None

    def watch(self, arn: str, callback: Callable[[], None]) -> Callable[[], None]:
        self._watchers.append(callback)
        return lambda: self._watchers.remove(callback)

    def shards(self) -> list[ShardInfo]:
        with self._lock:
            return [shard.info for shard in self._shards.values()]

    def position(self, shard_id: str, start: str, timestamp_ms: float) -> int:
        with self._lock:
            items = self._shards[shard_id].items
            before = [
                int(item.sequence_number)
                for item in items
                if start == LATEST or (start != TRIM_HORIZON and item.arrived_ms < timestamp_ms)
            ]
        return before[-1] if before else 0

    def read(self, shard_id: str, position: int, limit: int) -> tuple[list[Item], int]:
        with self._lock:
            self.reads += 1
            items = [i for i in self._shards[shard_id].items if int(i.sequence_number) > position]
        taken = items[:limit]
        return taken, int(taken[-1].sequence_number) if taken else position

    def has_more(self, shard_id: str, position: int) -> bool:
        with self._lock:
            items = self._shards[shard_id].items
            return bool(items) and int(items[-1].sequence_number) > position
