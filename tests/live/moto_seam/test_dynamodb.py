"""moto's DynamoDB Streams as the pollers read it, and as the learner's own client sees it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws
from moto.dynamodbstreams.models import dynamodbstreams_backends

from labkit.live.moto_seam.streams import LATEST, TRIM_HORIZON, StreamHandle, StreamStore

NOW_MS = 1_800_000_000_250.0


class Clock:
    def __init__(self) -> None:
        self.time_ms = NOW_MS

    def now_ms(self) -> float:
        return self.time_ms


def client_of(service: str) -> Any:
    return boto3.client(
        service, region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="b"
    )


class Bench:
    def __init__(self) -> None:
        self.clock = Clock()
        self.store = StreamStore(self.clock)  # type: ignore[arg-type]
        self.store.load()
        self.client = client_of("dynamodb")

    def table(self, view_type: str = "NEW_AND_OLD_IMAGES", *, with_range: bool = False) -> None:
        names = ["pk", "sk"][: 1 + with_range]
        description = self.client.create_table(
            TableName="t",
            KeySchema=[
                {"AttributeName": name, "KeyType": kind}
                for name, kind in zip(names, ["HASH", "RANGE"], strict=False)
            ],
            AttributeDefinitions=[{"AttributeName": n, "AttributeType": "S"} for n in names],
            BillingMode="PAY_PER_REQUEST",
            StreamSpecification={"StreamEnabled": True, "StreamViewType": view_type},
        )["TableDescription"]
        self.arn = description["LatestStreamArn"]

    @property
    def stream(self) -> StreamHandle:
        stream = self.store.find(self.arn)
        assert stream is not None
        return stream

    def records(self) -> list[Any]:
        (shard,) = self.stream.shards()
        items, _ = self.stream.read(shard.shard_id, 0, 100)
        return [item.event_record(shard.shard_id, "role") for item in items]

    def changes(self) -> list[tuple[str, Any, Any]]:
        return [
            (r["eventName"], r["dynamodb"].get("OldImage"), r["dynamodb"].get("NewImage"))
            for r in self.records()
        ]

    def put(self, key: str = "x", **attributes: Any) -> None:
        self.client.put_item(TableName="t", Item={"pk": {"S": key}, **attributes})


@pytest.fixture
def bench() -> Iterator[Bench]:
    with mock_aws():
        yield Bench()


def test_a_record_has_the_shape_that_was_recorded(bench: Bench) -> None:
    bench.table("NEW_IMAGE")
    bench.put()
    (record,) = bench.records()
    assert len(record.pop("eventID")) == 32
    assert len(record["dynamodb"].pop("SequenceNumber")) >= 21
    assert record == {
        "eventName": "INSERT",
        "eventVersion": "1.1",
        "eventSource": "aws:dynamodb",
        "awsRegion": "us-east-1",
        "dynamodb": {
            "ApproximateCreationDateTime": 1_800_000_000.0,
            "Keys": {"pk": {"S": "x"}},
            "NewImage": {"pk": {"S": "x"}},
            "SizeBytes": 6,
            "StreamViewType": "NEW_IMAGE",
        },
        "eventSourceARN": bench.arn,
    }
    assert list(record) == [
        "eventName", "eventVersion", "eventSource", "awsRegion", "dynamodb", "eventSourceARN"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("view_type", "images"),
    [
        ("KEYS_ONLY", set()),
        ("NEW_IMAGE", {"NewImage"}),
        ("OLD_IMAGE", {"OldImage"}),
        ("NEW_AND_OLD_IMAGES", {"NewImage", "OldImage"}),
    ],
)
def test_the_view_type_chooses_the_images(bench: Bench, view_type: str, images: set[str]) -> None:
    bench.table(view_type)
    bench.put(n={"N": "1"})
    bench.put(n={"N": "2"})
    change = bench.records()[1]["dynamodb"]
    assert {name for name in change if name.endswith("Image")} == images
    assert change["Keys"] == {"pk": {"S": "x"}}


def test_each_kind_of_change(bench: Bench) -> None:
    bench.table()
    one, two = ({"pk": {"S": "x"}, "n": {"N": n}} for n in "12")
    bench.put(n={"N": "1"})
    bench.put(n={"N": "1"})  # changes nothing: no record
    bench.client.update_item(
        TableName="t", Key={"pk": {"S": "x"}}, UpdateExpression="SET n = :n",
        ExpressionAttributeValues={":n": {"N": "2"}},
    )  # fmt: skip
    bench.client.delete_item(TableName="t", Key={"pk": {"S": "x"}})
    bench.client.delete_item(TableName="t", Key={"pk": {"S": "x"}})
    assert bench.changes() == [
        ("INSERT", None, one), ("MODIFY", one, two), ("REMOVE", two, None)
    ]  # fmt: skip


def test_an_update_of_a_new_item_is_one_insertion(bench: Bench) -> None:
    bench.table()
    bench.client.update_item(
        TableName="t", Key={"pk": {"S": "x"}}, UpdateExpression="SET n = :n",
        ExpressionAttributeValues={":n": {"N": "2"}},
    )  # fmt: skip
    assert bench.changes() == [("INSERT", None, {"pk": {"S": "x"}, "n": {"N": "2"}})]


def test_a_transaction_writes_all_or_nothing(bench: Bench) -> None:
    bench.table()
    bench.put("a")
    puts = [{"Put": {"TableName": "t", "Item": {"pk": {"S": key}}}} for key in "bc"]
    check = {
        "ConditionCheck": {
            "TableName": "t", "Key": {"pk": {"S": "a"}},
            "ConditionExpression": "attribute_not_exists(pk)",
        }
    }  # fmt: skip
    with pytest.raises(ClientError):
        bench.client.transact_write_items(TransactItems=[*puts, check])
    assert len(bench.records()) == 1
    bench.client.transact_write_items(TransactItems=puts)
    assert [r["dynamodb"]["Keys"]["pk"]["S"] for r in bench.records()] == ["a", "b", "c"]


def test_the_order_is_kept_for_each_item(bench: Bench) -> None:
    bench.table(with_range=True)
    for sort_key in "abab":
        bench.put("x", sk={"S": sort_key}, n={"N": str(len(bench.records()))})
    (shard,) = bench.stream.shards()
    items, _ = bench.stream.read(shard.shard_id, 0, 100)
    keys = [item.partition_key for item in items]
    assert keys[0] == keys[2] != keys[1] == keys[3]
    numbers = [int(item.sequence_number) for item in items]
    assert numbers == sorted(set(numbers))


def test_binary_values_are_in_base64(bench: Bench) -> None:
    bench.table()
    bench.put(b={"B": b"\x00\xff"}, bs={"BS": [b"a"]}, m={"M": {"l": {"L": [{"NULL": True}]}}})
    image = bench.records()[0]["dynamodb"]["NewImage"]
    assert (image["b"], image["bs"]) == ({"B": "AP8="}, {"BS": ["YQ=="]})


def test_positions_and_expiry(bench: Bench) -> None:
    bench.table()
    bench.put("a")
    stream, (shard,) = bench.stream, bench.stream.shards()
    name = shard.shard_id
    latest = stream.position(name, LATEST, 0)
    assert not stream.has_more(name, latest)
    assert stream.has_more(name, stream.position(name, TRIM_HORIZON, 0))
    bench.clock.time_ms += 86_399_000
    bench.put("b")
    assert stream.has_more(name, latest)
    assert [item.arrived_ms for item in stream.read(name, latest, 10)[0]] == [NOW_MS + 86_399_000]
    bench.clock.time_ms += 2_000
    assert len(bench.records()) == 1
    assert stream.has_more(name, latest)
    assert len(stream.read(name, latest, 10)[0]) == 1


def test_get_records_shows_the_same(bench: Bench) -> None:
    bench.table()
    bench.put("a", b={"B": b"\xff"})
    streams = dynamodbstreams_backends["123456789012"]["us-east-1"]
    (shard,) = streams.describe_stream(bench.arn)["Shards"]
    iterator = streams.get_shard_iterator(bench.arn, shard["ShardId"], "TRIM_HORIZON")
    answer = streams.get_records(iterator.arn, 1_000)
    (record,) = answer["Records"]
    assert record["dynamodb"]["Keys"] == {"pk": {"S": "a"}}
    assert record["dynamodb"]["NewImage"]["b"] == {"B": b"\xff"}
    created = record["dynamodb"]["ApproximateCreationDateTime"]
    assert created.replace(tzinfo=UTC).timestamp() == NOW_MS // 1000
    bench.put("b")
    (more,) = streams.get_records(answer["NextShardIterator"], 1_000)["Records"]
    assert more["dynamodb"]["Keys"] == {"pk": {"S": "b"}}


def test_a_stream_that_is_disabled_ends_and_another_begins(bench: Bench) -> None:
    bench.table()
    bench.put("a")
    heard: list[str] = []
    bench.store.watch(bench.arn, lambda: heard.append("!"))
    bench.client.update_table(TableName="t", StreamSpecification={"StreamEnabled": False})
    old = bench.stream
    assert (len(heard), [shard.is_closed for shard in old.shards()]) == (1, [True])
    bench.put("b")
    assert len(bench.records()) == 1
    bench.clock.time_ms += 5
    bench.client.update_table(
        TableName="t",
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "KEYS_ONLY"},
    )
    bench.arn = bench.client.describe_table(TableName="t")["Table"]["LatestStreamArn"]
    assert bench.arn != old.arn
    bench.put("c")
    assert [r["dynamodb"]["Keys"]["pk"]["S"] for r in bench.records()] == ["c"]


def test_watchers_hear_of_writes_and_deletion(bench: Bench) -> None:
    bench.table()
    heard: list[str] = []
    bench.store.watch(bench.arn, lambda: heard.append("!"))
    bench.put("a")
    bench.put("a")
    assert len(heard) == 1
    stream = bench.stream
    bench.client.delete_table(TableName="t")
    assert (len(heard), stream.exists, stream.shards()) == (2, False, [])
    assert stream.read("x", 3, 10) == ([], 3)
    assert not stream.has_more("x", 0)
    assert bench.store.find(bench.arn) is None
