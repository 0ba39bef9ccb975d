"""moto's Kinesis as the pollers read it, and as the learner's own client sees it."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from moto import mock_aws

from labkit.core.stream_mapping import ShardInfo
from labkit.live.moto_seam.streams import AT_TIMESTAMP, LATEST, TRIM_HORIZON, StreamStore

NOW_MS = 1_800_000_000_250.0
ROLE = "arn:aws:iam::123456789012:role/r"


class Clock:
    def __init__(self) -> None:
        self.time_ms = NOW_MS

    def now_ms(self) -> float:
        return self.time_ms


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(clock: Clock) -> Iterator[StreamStore]:
    with mock_aws():
        store = StreamStore(clock)  # type: ignore[arg-type]
        store.load()
        yield store


@pytest.fixture
def client(store: StreamStore) -> Any:
    client = boto3.client(
        "kinesis", region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="b"
    )
    client.create_stream(StreamName="s", ShardCount=1)
    return client


def arn(client: Any) -> str:
    return str(client.describe_stream(StreamName="s")["StreamDescription"]["StreamARN"])


def put(client: Any, *data: str, key: str = "k") -> list[str]:
    return [
        client.put_record(StreamName="s", Data=each.encode(), PartitionKey=key)["SequenceNumber"]
        for each in data
    ]


def test_a_record_has_the_shape_that_was_recorded(client: Any, store: StreamStore) -> None:
    (number,) = put(client, "hello")
    stream = store.find(arn(client))
    assert stream is not None
    assert (stream.source, stream.polls_per_s, stream.exists) == ("kinesis", 1, True)
    items, position = stream.read("shardId-000000000000", 0, 10)
    assert position == int(number)
    assert items[0].arrived_ms == pytest.approx(NOW_MS, abs=0.01)
    record = items[0].event_record("shardId-000000000000", ROLE)
    assert record == {
        "kinesis": {
            "kinesisSchemaVersion": "1.0",
            "partitionKey": "k",
            "sequenceNumber": number,
            "data": base64.b64encode(b"hello").decode(),
            "approximateArrivalTimestamp": 1_800_000_000.25,
        },
        "eventSource": "aws:kinesis",
        "eventVersion": "1.0",
        "eventID": f"shardId-000000000000:{number}",
        "eventName": "aws:kinesis:record",
        "invokeIdentityArn": ROLE,
        "awsRegion": "us-east-1",
        "eventSourceARN": stream.arn,
    }
    assert list(record) == [
        "kinesis", "eventSource", "eventVersion", "eventID", "eventName", "invokeIdentityArn",
        "awsRegion", "eventSourceARN",
    ]  # fmt: skip


def test_sequence_numbers_are_long_and_grow(client: Any) -> None:
    numbers = put(client, *"abcdefgh")
    assert {len(number) for number in numbers} == {56}
    assert numbers == sorted(set(numbers))


def test_positions(client: Any, store: StreamStore, clock: Clock) -> None:
    shard = "shardId-000000000000"
    put(client, "a")
    clock.time_ms += 1_000
    put(client, "b")
    stream = store.find(arn(client))
    assert stream is not None

    def data(position: int) -> list[str]:
        items, _ = stream.read(shard, position, 10)
        records: list[Any] = [item.event_record(shard, ROLE) for item in items]
        return [base64.b64decode(record["kinesis"]["data"]).decode() for record in records]

    assert data(stream.position(shard, TRIM_HORIZON, 0)) == ["a", "b"]
    assert data(stream.position(shard, AT_TIMESTAMP, NOW_MS + 1)) == ["b"]
    assert data(stream.position(shard, AT_TIMESTAMP, NOW_MS + 1_000)) == ["b"]
    latest = stream.position(shard, LATEST, 0)
    assert data(latest) == []
    assert not stream.has_more(shard, latest)
    put(client, "c")
    assert stream.has_more(shard, latest)
    assert data(latest) == ["c"]
    assert len(stream.read(shard, 0, 2)[0]) == 2


def test_records_expire_in_lab_time(client: Any, store: StreamStore, clock: Clock) -> None:
    put(client, "old")
    stream = store.find(arn(client))
    assert stream is not None
    assert stream.retention_s == 86_400
    clock.time_ms += 86_399_000
    put(client, "new")
    assert len(stream.read("shardId-000000000000", 0, 10)[0]) == 2
    clock.time_ms += 2_000
    assert len(stream.read("shardId-000000000000", 0, 10)[0]) == 1
    iterator = client.get_shard_iterator(
        StreamName="s", ShardId="shardId-000000000000", ShardIteratorType="TRIM_HORIZON"
    )["ShardIterator"]
    assert [r["Data"] for r in client.get_records(ShardIterator=iterator)["Records"]] == [b"new"]


def test_a_split_leaves_the_records_in_the_parent(client: Any, store: StreamStore) -> None:
    put(client, *"abc")
    stream = store.find(arn(client))
    assert stream is not None
    client.split_shard(
        StreamName="s",
        ShardToSplit="shardId-000000000000",
        NewStartingHashKey=str(2**127),
    )
    parent, low, high = (f"shardId-00000000000{number}" for number in range(3))
    assert stream.shards() == [
        ShardInfo(parent, (), True),
        ShardInfo(low, (parent,)),
        ShardInfo(high, (parent,)),
    ]
    assert len(stream.read(parent, 0, 10)[0]) == 3
    assert not stream.has_more(low, 0)
    placed = client.put_record(
        StreamName="s", Data=b"d", PartitionKey="k", ExplicitHashKey=str(2**128 - 1)
    )
    assert placed["ShardId"] == high
    client.merge_shards(StreamName="s", ShardToMerge=low, AdjacentShardToMerge=high)
    assert stream.shards()[-1] == ShardInfo("shardId-000000000003", (low, high))
    assert put(client, "e")
    assert stream.has_more("shardId-000000000003", 0)


def test_watchers_hear_of_records_deletion_and_creation(client: Any, store: StreamStore) -> None:
    heard: list[str] = []
    unwatch = store.watch(arn(client), lambda: heard.append("!"))
    put(client, "a")
    client.put_records(
        StreamName="s", Records=[{"Data": b"b", "PartitionKey": "k"} for _ in range(2)]
    )
    assert len(heard) == 3
    stream = store.find(arn(client))
    assert stream is not None
    client.delete_stream(StreamName="s")
    assert (len(heard), stream.exists, store.find(stream.arn)) == (4, False, None)
    client.create_stream(StreamName="s", ShardCount=1)
    assert len(heard) == 5
    unwatch()
    put(client, "c")
    assert len(heard) == 5
    assert not stream.exists, "another stream has the name now"


def test_unknown_streams_are_not_found(store: StreamStore) -> None:
    for unknown in (
        "arn:aws:kinesis:us-east-1:123456789012:stream/none",
        "arn:aws:kinesis:eu-west-9:123456789012:stream/none",
        "arn:aws:dynamodb:us-east-1:123456789012:table/t/stream/x",
        "arn:aws:dynamodb:us-east-1:123456789012:table/t",
        "arn:aws:sqs:us-east-1:123456789012:q",
        "nonsense",
    ):
        assert store.find(unknown) is None
