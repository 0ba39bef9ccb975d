"""moto's DynamoDB Streams: read by the pollers of event source mappings, and taught what they lack.

As moto has it, a record never expires, one update of a new item makes two records, a write that
changes nothing makes one, a refused transaction leaves its records, a stream that was disabled
breaks every write, and functions run within the write, which then empties the stream.
"""

from __future__ import annotations

import base64
import json
import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from labkit.core import quotas
from labkit.core.clock import Clock
from labkit.core.event_records import dynamodb_record
from labkit.core.stream_batches import RETENTION_DEFAULT_S
from labkit.core.stream_mapping import ShardInfo
from labkit.live.moto_seam.patching import original, replace
from labkit.live.moto_seam.streams import LATEST, Changes, StreamItem

if TYPE_CHECKING:
    from moto.dynamodb.models import DynamoDBBackend
    from moto.dynamodb.models.dynamo_type import Item
    from moto.dynamodb.models.table import StreamShard, Table

# One lock for all streams: moto copies its tables, and a lock cannot be copied.
_lock: Final = threading.RLock()


@dataclass(frozen=True, slots=True)
class DynamoItem:
    """A record of a stream. moto keeps it in place of its own, and calls `to_json` to show it.

    `images` are the keys and images as moto has them, with binary values in bytes.
    """

    sequence_number: str
    partition_key: str
    arrived_ms: float
    record: dict[str, Any]
    images: dict[str, Any]

    def event_record(self, shard_id: str, role_arn: str) -> dict[str, object]:
        """Return the record as the event of a function has it."""
        return self.record

    def to_json(self) -> dict[str, Any]:
        """Return the record as GetRecords has it."""
        shown = {name: value for name, value in self.record.items() if name != "eventSourceARN"}
        change = {name: self.images.get(name, value) for name, value in shown["dynamodb"].items()}
        created = datetime.fromtimestamp(self.arrived_ms // 1000, UTC).replace(tzinfo=None)
        shown["dynamodb"] = {**change, "ApproximateCreationDateTime": created}
        return shown


class DynamoStream:
    """A table's stream, as `labkit.live.moto_seam.streams.StreamHandle` describes it."""

    source = "dynamodb"
    polls_per_s = quotas.DYNAMODB_POLLS_PER_S
    poll_records_max = quotas.DYNAMODB_POLL_RECORDS_MAX
    retention_s = RETENTION_DEFAULT_S

    def __init__(self, stream_arn: str, find_shard: Callable[[], StreamShard | None]) -> None:
        self.arn = stream_arn
        self._shard = find_shard

    @property
    def exists(self) -> bool:
        """Whether the table has not been deleted."""
        return self._shard() is not None

    def shards(self) -> list[ShardInfo]:
        """Return the one shard, closed when the stream has been disabled."""
        shard = self._shard()
        return [ShardInfo(shard.id, (), _is_closed(shard))] if shard is not None else []

    def position(self, shard_id: str, start: str, timestamp_ms: float) -> int:
        """Return the position of TRIM_HORIZON or LATEST."""
        with _lock:
            shard = self._shard()
            return _end(shard) if shard is not None and start == LATEST else 0

    def read(self, shard_id: str, position: int, limit: int) -> tuple[list[StreamItem], int]:
        """Return up to `limit` records after a position, and the position behind them."""
        with _lock:
            shard = self._shard()
            if shard is None:
                return [], position
            _trim(shard)
            first = max(0, position + 1 - shard.starting_sequence_number)
            items: list[Any] = shard.items[first : first + limit]
        return items, int(items[-1].sequence_number) if items else position

    def has_more(self, shard_id: str, position: int) -> bool:
        """Tell whether there are records after a position."""
        with _lock:
            shard = self._shard()
            if shard is None:
                return False
            _trim(shard)
            return bool(shard.items) and _end(shard) > position


def find(stream_arn: str) -> DynamoStream | None:
    """Return the stream with this ARN."""
    from moto.dynamodb.models import dynamodb_backends

    parts = stream_arn.split(":", 5)
    path = parts[5].split("/") if len(parts) == 6 else []
    if len(path) != 4 or parts[4] not in dynamodb_backends:
        return None
    if parts[3] not in dynamodb_backends[parts[4]]:
        return None
    backend = dynamodb_backends[parts[4]][parts[3]]

    def shard() -> StreamShard | None:
        table = backend.tables.get(path[1])
        found: StreamShard | None = _streams(table).get(path[3]) if table is not None else None
        return found

    return DynamoStream(stream_arn, shard) if shard() is not None else None


_clock: Clock


def install(clock: Clock, changes: Changes) -> None:
    """Teach moto's DynamoDB Streams lab time, expiry, right records, and who wants to know."""
    global _clock
    _clock = clock
    _install_shards(changes)
    _install_tables(changes)
    _install_writes(changes)


def _install_shards(changes: Changes) -> None:
    from moto.dynamodb.models.table import StreamShard

    make = original(StreamShard.__init__)

    def init(self: StreamShard, account_id: str, table: Table) -> None:
        make(self, account_id, table)
        self.id = f"shardId-{int(_clock.now_ms()):020d}-{uuid.uuid4().hex[:8]}"

    def add(self: StreamShard, old: Item | None, new: Item | None) -> None:
        if _held.writes is not None:
            _held.writes.append(_Write(self.table.name, old, new))
        elif _append(self, old, new):
            changes.tell(_arn(self))

    def get(self: StreamShard, start: int, quantity: int) -> list[dict[str, Any]]:
        with _lock:
            _trim(self)
            first = max(0, start - self.starting_sequence_number)
            items: list[Any] = self.items[first : first + quantity]
        return [item.to_json() for item in items]

    replace(StreamShard, "__init__", init)
    replace(StreamShard, "add", add)
    replace(StreamShard, "get", get)


def _install_tables(changes: Changes) -> None:
    from moto.dynamodb.exceptions import StreamAlreadyEnabledException
    from moto.dynamodb.models import DynamoDBBackend
    from moto.dynamodb.models.table import Table

    specify = original(Table.set_stream_specification)
    delete = original(DynamoDBBackend.delete_table)

    def set_stream_specification(self: Table, streams: dict[str, Any] | None) -> None:
        specify(self, streams)
        shard = self.stream_shard
        if shard is None:
            return
        if self.stream_specification and self.stream_specification["StreamEnabled"]:
            label = f"{datetime.fromtimestamp(_clock.now_ms() / 1000, UTC):%Y-%m-%dT%H:%M:%S.%f}"
            self.latest_stream_label = label[:-3]
            shard.__dict__["lab_label"] = label[:-3]
            shard.__dict__["lab_view_type"] = self.stream_specification["StreamViewType"]
            _streams(self)[label[:-3]] = shard
        else:
            shard.__dict__["lab_closed"] = True
            self.stream_shard = None
            changes.tell(_arn(shard))

    def update_table_streams(
        self: DynamoDBBackend, table: Table, stream_specification: dict[str, Any]
    ) -> None:
        enables = stream_specification.get("StreamEnabled")
        if enables and table.stream_shard is not None:
            raise StreamAlreadyEnabledException
        table.set_stream_specification(stream_specification)

    def delete_table(self: DynamoDBBackend, name: str) -> Table:
        table: Table = delete(self, name)
        for shard in _streams(table).values():
            changes.tell(_arn(shard))
        return table

    replace(Table, "set_stream_specification", set_stream_specification)
    replace(DynamoDBBackend, "update_table_streams", update_table_streams)
    replace(DynamoDBBackend, "delete_table", delete_table)


@dataclass(frozen=True, slots=True)
class _Write:
    table: str
    old: Item | None
    new: Item | None


class _Held(threading.local):
    """The writes of the operation that this thread is at, None outside one."""

    writes: list[_Write] | None = None


_held: Final = _Held()


def _install_writes(changes: Changes) -> None:
    """Let operations of several steps write what they changed as a whole, if they succeed."""
    from moto.dynamodb.models import DynamoDBBackend

    def as_a_whole(function: Any) -> Any:
        def run(self: DynamoDBBackend, *args: Any, **kwargs: Any) -> Any:
            if _held.writes is not None:
                return function(self, *args, **kwargs)
            writes: list[_Write] = []
            _held.writes = writes
            try:
                result = function(self, *args, **kwargs)
            finally:
                _held.writes = None
            _write(self, writes, changes)
            return result

        return run

    for name in ("update_item", "transact_write_items"):
        replace(DynamoDBBackend, name, as_a_whole(original(getattr(DynamoDBBackend, name))))


def _write(backend: DynamoDBBackend, writes: list[_Write], changes: Changes) -> None:
    """Append the records of an operation, one for each item."""
    merged: dict[tuple[str, str], _Write] = {}
    for write in writes:
        key = write.table, _key_text(_keys(backend.tables[write.table], write.old or write.new))
        first = merged.get(key, write)
        merged[key] = _Write(write.table, first.old, write.new)
    for write in merged.values():
        shard = backend.tables[write.table].stream_shard
        if shard is not None and _append(shard, write.old, write.new):
            changes.tell(_arn(shard))


def _append(shard: StreamShard, old: Item | None, new: Item | None) -> bool:
    """Append the record of one change; False if nothing changed."""
    old_image = old.to_json()["Attributes"] if old is not None else None
    new_image = new.to_json()["Attributes"] if new is not None else None
    if old_image == new_image:
        return False
    keys = _keys(shard.table, old or new)
    event_name = "INSERT" if old is None else "REMOVE" if new is None else "MODIFY"
    with _lock:
        _trim(shard)
        now_ms = _clock.now_ms()
        number = str(_end(shard) + 1)
        record = dynamodb_record(
            event_id=uuid.uuid4().hex,
            event_name=event_name,
            keys=_plain(keys),
            new_image=_plain(new_image),
            old_image=_plain(old_image),
            sequence_number=number,
            arrived_ms=now_ms,
            view_type=shard.__dict__["lab_view_type"],
            stream_arn=_arn(shard),
        )
        images = {"Keys": keys, "NewImage": new_image, "OldImage": old_image}
        item: Any = DynamoItem(number, _key_text(keys), now_ms, record, images)
        shard.items.append(item)
    return True


def _plain(value: Any) -> Any:
    """A value with its bytes in base64, as JSON has them."""
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, dict):
        return {name: _plain(part) for name, part in value.items()}
    return [_plain(part) for part in value] if isinstance(value, list) else value


def _keys(table: Table, item: Any) -> dict[str, Any]:
    keys = {table.hash_key_attr: item.hash_key.to_json()}
    if table.range_key_attr is not None:
        keys[table.range_key_attr] = item.range_key.to_json()
    return keys


def _key_text(keys: dict[str, Any]) -> str:
    return json.dumps(_plain(keys), sort_keys=True)


def _streams(table: Table) -> dict[str, Any]:
    """All streams that a table has had, by their labels."""
    streams: dict[str, Any] = table.__dict__.setdefault("lab_streams", {})
    return streams


def _arn(shard: StreamShard) -> str:
    return f"{shard.table.table_arn}/stream/{shard.__dict__['lab_label']}"


def _is_closed(shard: StreamShard) -> bool:
    return bool(shard.__dict__.get("lab_closed"))


def _end(shard: StreamShard) -> int:
    """The sequence number of the last record, or the one before the first."""
    return shard.starting_sequence_number + len(shard.items) - 1


def _trim(shard: StreamShard) -> None:
    """Forget the records that are older than a day."""
    oldest_ms = _clock.now_ms() - RETENTION_DEFAULT_S * 1000
    items: list[Any] = shard.items
    count = 0
    while count < len(items) and items[count].arrived_ms <= oldest_ms:
        count += 1
    del items[:count]
    shard.starting_sequence_number += count
