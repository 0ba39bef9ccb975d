"""Mappings of Kinesis and DynamoDB Streams in a lab that really runs, with plain boto3."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from harness import Function, Served, create

Deploy = Callable[..., Function]

HANDLER = """
import base64
import json

def handler(event, context):
    print("EVENT " + json.dumps(event))
    for record in event["Records"]:
        text = json.dumps(record["dynamodb"]) if "dynamodb" in record else base64.b64decode(
            record["kinesis"]["data"]
        ).decode()
        if "poison" in text:
            raise ValueError("poisoned")
    if "state" in event:
        return {"state": {"count": event["state"].get("count", 0) + len(event["Records"])}}
"""
UUID = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d"


class Stream:
    """A Kinesis stream of the function's name."""

    def __init__(self, function: Function, shards: int = 1) -> None:
        self.function, self.served = function, function.served
        self.client = self.served.client("kinesis")
        self.client.create_stream(StreamName=function.name, ShardCount=shards)
        self.arn = self.client.describe_stream(StreamName=function.name)["StreamDescription"][
            "StreamARN"
        ]

    def put(self, *data: str, key: str = "k") -> None:
        self.client.put_records(
            StreamName=self.function.name,
            Records=[{"Data": text.encode(), "PartitionKey": key} for text in data],
        )

    def map(self, **options: Any) -> str:
        return create_mapping(self.function, self.arn, **options)


def create_mapping(function: Function, source_arn: str, **options: Any) -> str:
    """The UUID of a mapping that polls."""
    options.setdefault("StartingPosition", "TRIM_HORIZON")
    uuid = function.client.create_event_source_mapping(
        FunctionName=function.name, EventSourceArn=source_arn, **options
    )["UUID"]
    function.served.control("POST", "advance", {"seconds": 2})
    return str(uuid)


def settle(served: Served, limit_s: float = 86_400) -> bool:
    return bool(served.control("POST", "settle", {"limit_seconds": limit_s})["settled"])


def events_of(function: Function) -> list[dict[str, Any]]:
    """The events that the function got."""
    return [json.loads(line[6:]) for line in function.log() if line.startswith("EVENT ")]


def batches(function: Function) -> list[list[str]]:
    """The data of each batch that the function got from Kinesis."""
    return [
        [base64.b64decode(record["kinesis"]["data"]).decode() for record in event["Records"]]
        for event in events_of(function)
    ]


def queue(served: Served, name: str) -> tuple[str, Callable[[], list[Any]]]:
    """A queue's ARN, and what is in it."""
    client = served.client("sqs")
    url = client.create_queue(QueueName=name)["QueueUrl"]
    arn = client.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"][
        "QueueArn"
    ]

    def bodies() -> list[Any]:
        answer = client.receive_message(QueueUrl=url, MaxNumberOfMessages=10)
        return [json.loads(message["Body"]) for message in answer.get("Messages", [])]

    return arn, bodies


def table(function: Function, view_type: str = "NEW_AND_OLD_IMAGES") -> tuple[Any, str]:
    """A DynamoDB client, and the ARN of the stream of a table of the function's name."""
    client = function.served.client("dynamodb")
    description = client.create_table(
        TableName=function.name,
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
        StreamSpecification={"StreamEnabled": True, "StreamViewType": view_type},
    )["TableDescription"]
    return client, description["LatestStreamArn"]


def test_kinesis_records_arrive_in_order_and_in_shape(served: Served, deploy: Deploy) -> None:
    function = deploy(HANDLER)
    stream = Stream(function)
    uuid = stream.map()
    stream.put("a", "b", key="users")
    assert settle(served)
    assert batches(function) == [["a", "b"]]
    (event,) = events_of(function)
    record = event["Records"][0]
    assert list(event) == ["Records"]
    number = record["kinesis"]["sequenceNumber"]
    assert re.fullmatch(r"\d{56}", number)
    assert record == {
        "kinesis": {
            "kinesisSchemaVersion": "1.0",
            "partitionKey": "users",
            "sequenceNumber": number,
            "data": "YQ==",
            "approximateArrivalTimestamp": pytest.approx(
                served.control("GET", "clock")["now_ms"] / 1000, abs=60
            ),
        },
        "eventSource": "aws:kinesis",
        "eventVersion": "1.0",
        "eventID": f"shardId-000000000000:{number}",
        "eventName": "aws:kinesis:record",
        "invokeIdentityArn": served.role_arn,
        "awsRegion": "us-east-1",
        "eventSourceARN": stream.arn,
    }
    mapping = function.client.get_event_source_mapping(UUID=uuid)
    assert mapping["LastProcessingResult"] == "OK"
    (ended,) = function.events("batch_ended")
    assert (ended["mapping"], ended["records"], ended["outcome"]) == (uuid, 2, "success")
    assert 0 <= ended["age_ms"] < 5_000


def test_dynamodb_changes_arrive_in_shape(served: Served, deploy: Deploy) -> None:
    function = deploy(HANDLER)
    client, arn = table(function)
    create_mapping(function, arn)
    key = {"pk": {"S": "x"}}
    client.put_item(TableName=function.name, Item={**key, "blob": {"B": b"\xff"}})
    client.update_item(
        TableName=function.name,
        Key=key,
        UpdateExpression="SET n = :n REMOVE #b",
        ExpressionAttributeValues={":n": {"N": "5"}},
        ExpressionAttributeNames={"#b": "blob"},
    )
    client.delete_item(TableName=function.name, Key=key)
    assert settle(served)
    records = [record for event in events_of(function) for record in event["Records"]]
    assert [record["eventName"] for record in records] == ["INSERT", "MODIFY", "REMOVE"]
    changes = [record["dynamodb"] for record in records]
    assert changes[0]["NewImage"] == {**key, "blob": {"B": "/w=="}}
    assert (changes[1]["OldImage"], changes[1]["NewImage"]) == (
        {**key, "blob": {"B": "/w=="}},
        {**key, "n": {"N": "5"}},
    )
    assert "NewImage" not in changes[2]
    first = records[0]
    assert re.fullmatch("[0-9a-f]{32}", first["eventID"])
    assert (first["eventVersion"], first["eventSource"], first["eventSourceARN"]) == (
        "1.1",
        "aws:dynamodb",
        arn,
    )
    assert changes[0]["ApproximateCreationDateTime"] % 1 == 0
    assert (changes[0]["Keys"], changes[0]["SizeBytes"]) == (key, 11)
    assert changes[0]["StreamViewType"] == "NEW_AND_OLD_IMAGES"


def test_the_learner_reads_a_dynamodb_stream(served: Served, deploy: Deploy) -> None:
    function = deploy(HANDLER)
    client, arn = table(function)
    client.put_item(TableName=function.name, Item={"pk": {"S": "x"}})
    streams = served.client("dynamodbstreams")
    (shard,) = streams.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"]
    iterator = streams.get_shard_iterator(
        StreamArn=arn, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
    )["ShardIterator"]
    (record,) = streams.get_records(ShardIterator=iterator)["Records"]
    assert record["dynamodb"]["NewImage"] == {"pk": {"S": "x"}}


def test_a_poison_record_blocks_its_shard_until_it_is_given_up(
    served: Served, deploy: Deploy
) -> None:
    function = deploy(HANDLER)
    stream = Stream(function)
    target_arn, bodies = queue(served, f"{function.name}-failed")
    uuid = stream.map(
        BatchSize=1,
        MaximumRetryAttempts=2,
        DestinationConfig={"OnFailure": {"Destination": target_arn}},
    )
    stream.put("poison", "after")
    assert settle(served)
    assert batches(function) == [["poison"]] * 3 + [["after"]]
    ended = function.events("batch_ended")
    (record,) = bodies()
    info = record["KinesisBatchInfo"]
    assert re.fullmatch(rf"{TIME}\.\d{{3}}Z", record["timestamp"])
    assert re.fullmatch(rf"{TIME}\.\d{{3}}Z", info["approximateArrivalOfFirstRecord"])
    number = events_of(function)[0]["Records"][0]["kinesis"]["sequenceNumber"]
    assert record == {
        "requestContext": {
            "requestId": ended[2]["request_id"],
            "functionArn": function.client.get_function(FunctionName=function.name)[
                "Configuration"
            ]["FunctionArn"],
            "condition": "RetryAttemptsExhausted",
            "approximateInvokeCount": 3,
        },
        "responseContext": {
            "statusCode": 200,
            "executedVersion": "$LATEST",
            "functionError": "Unhandled",
        },
        "version": "1.0",
        "timestamp": record["timestamp"],
        "KinesisBatchInfo": {
            "shardId": "shardId-000000000000",
            "startSequenceNumber": number,
            "endSequenceNumber": number,
            "approximateArrivalOfFirstRecord": info["approximateArrivalOfFirstRecord"],
            "approximateArrivalOfLastRecord": info["approximateArrivalOfFirstRecord"],
            "batchSize": 1,
            "streamArn": stream.arn,
        },
    }
    assert list(record) == [
        "requestContext", "responseContext", "version", "timestamp", "KinesisBatchInfo"
    ]  # fmt: skip
    (delivered,) = function.events("delivered")
    assert (delivered["mapping"], delivered["target_arn"]) == (uuid, target_arn)


def test_the_age_of_a_record_ends_its_retries(served: Served, deploy: Deploy) -> None:
    function = deploy(HANDLER)
    client, arn = table(function)
    target_arn, bodies = queue(served, f"{function.name}-failed")
    create_mapping(
        function,
        arn,
        MaximumRecordAgeInSeconds=60,
        DestinationConfig={"OnFailure": {"Destination": target_arn}},
    )
    client.put_item(TableName=function.name, Item={"pk": {"S": "poison"}})
    assert settle(served)
    assert len(events_of(function)) == 8
    (record,) = bodies()
    assert "responseContext" not in record
    assert record["requestContext"]["condition"] == "RecordAgeExceeded"
    assert record["requestContext"]["approximateInvokeCount"] == 8
    info = record["DDBStreamBatchInfo"]
    assert re.fullmatch(f"{TIME}Z", info["approximateArrivalOfFirstRecord"])
    assert info["streamArn"] == arn


def test_a_bucket_gets_the_records_as_well(served: Served, deploy: Deploy) -> None:
    function = deploy(HANDLER)
    stream, s3 = Stream(function), served.client("s3")
    bucket = f"{function.name}-failed"
    s3.create_bucket(Bucket=bucket)
    uuid = stream.map(
        MaximumRetryAttempts=0,
        DestinationConfig={"OnFailure": {"Destination": f"arn:aws:s3:::{bucket}"}},
    )
    stream.put("poison")
    assert settle(served)
    (listed,) = s3.list_objects_v2(Bucket=bucket)["Contents"]
    assert re.fullmatch(
        rf"aws/lambda/{uuid}/shardId-000000000000/\d{{4}}/\d\d/\d\d/"
        rf"\d{{4}}-\d\d-\d\dT\d\d\.\d\d\.\d\d-{UUID}",
        listed["Key"],
    )
    content = json.loads(s3.get_object(Bucket=bucket, Key=listed["Key"])["Body"].read())
    assert json.loads(content["payload"]) == events_of(function)[0]
    assert content["requestContext"]["condition"] == "RetryAttemptsExhausted"


def test_by_default_a_poison_record_blocks_until_it_expires(served: Served, deploy: Deploy) -> None:
    function = deploy("def handler(event, context):\n    raise ValueError")
    stream = Stream(function)
    uuid = stream.map(BatchSize=1)
    stream.put("poison")
    assert not settle(served, 600)
    assert function.client.get_event_source_mapping(UUID=uuid)["LastProcessingResult"].startswith(
        "PROBLEM"
    )
    attempts = [event["time_ms"] for event in function.events("batch_ended")]
    assert len(attempts) == pytest.approx(62, abs=2)
    function.client.delete_event_source_mapping(UUID=uuid)
    assert settle(served)
    assert len(function.events("batch_ended")) == len(attempts)


def test_filters(served: Served, deploy: Deploy) -> None:
    function = deploy(HANDLER)
    stream = Stream(function)
    pattern = json.dumps({"data": {"kind": ["order"]}})
    stream.map(FilterCriteria={"Filters": [{"Pattern": pattern}]})
    order, other = json.dumps({"kind": "order"}), json.dumps({"kind": "other"})
    stream.put(other, order, "no json", other)
    assert settle(served)
    assert batches(function) == [[order]]
    assert [event["records"] for event in function.events("filtered")] == [3]


def test_latest_misses_what_came_before_the_mapping_polls(served: Served, deploy: Deploy) -> None:
    function = deploy(HANDLER)
    stream = Stream(function)
    stream.put("before")
    uuid = function.client.create_event_source_mapping(
        FunctionName=function.name, EventSourceArn=stream.arn, StartingPosition="LATEST"
    )["UUID"]
    stream.put("while it is created")
    served.control("POST", "advance", {"seconds": 3})
    assert function.client.get_event_source_mapping(UUID=uuid)["State"] == "Enabled"
    stream.put("after")
    assert settle(served)
    assert batches(function) == [["after"]]


def test_a_disabled_mapping_goes_on_where_it_was(served: Served, deploy: Deploy) -> None:
    function = deploy(HANDLER)
    stream = Stream(function)
    uuid = stream.map()
    stream.put("a")
    assert settle(served)
    function.client.update_event_source_mapping(UUID=uuid, Enabled=False)
    served.control("POST", "advance", {"seconds": 3})
    stream.put("b")
    assert settle(served)
    assert batches(function) == [["a"]]
    function.client.update_event_source_mapping(UUID=uuid, Enabled=True, BatchSize=1)
    stream.put("c")
    assert settle(served)
    assert batches(function) == [["a"], ["b"], ["c"]]


def test_shards_run_at_once_and_a_split_keeps_the_order(served: Served, deploy: Deploy) -> None:
    function = deploy(HANDLER)
    stream = Stream(function)
    stream.map(BatchSize=2)
    texts = [str(number) for number in range(5)]
    stream.put(*texts)
    stream.client.split_shard(
        StreamName=function.name,
        ShardToSplit="shardId-000000000000",
        NewStartingHashKey=str(2**127),
    )
    more = [str(number) for number in range(5, 9)]
    stream.put(*more)
    assert settle(served)
    assert [text for batch in batches(function) for text in batch] == texts + more
    assert len({event["shard"] for event in function.events("batch_ended")}) == 2


def test_a_tumbling_window(served: Served, deploy: Deploy) -> None:
    function = deploy(HANDLER)
    stream = Stream(function)
    stream.map(TumblingWindowInSeconds=30)
    stream.put("a", "b")
    assert settle(served)
    *_, final = events_of(function)
    assert final == {
        "Records": [],
        "window": final["window"],
        "state": {"count": 2},
        "shardId": "shardId-000000000000",
        "eventSourceARN": stream.arn,
        "isFinalInvokeForWindow": True,
        "isWindowTerminatedEarly": False,
    }
    assert re.fullmatch(rf"{TIME}Z", final["window"]["start"])
    assert final["window"]["start"][-3:-1] in ("00", "30")


def test_a_throttled_batch_waits_and_is_not_lost(served: Served, deploy: Deploy) -> None:
    function = deploy(HANDLER)
    stream = Stream(function)
    function.client.put_function_concurrency(
        FunctionName=function.name, ReservedConcurrentExecutions=0
    )
    stream.map(MaximumRetryAttempts=0)
    stream.put("a")
    assert not settle(served, 30)
    assert {event["outcome"] for event in function.events("batch_ended")} == {"throttled"}
    function.client.delete_function_concurrency(FunctionName=function.name)
    assert settle(served)
    assert batches(function) == [["a"]]


def test_a_reset_ends_what_mappings_wait_for(own_server: Served) -> None:
    function = create(own_server, HANDLER)
    stream = Stream(function)
    stream.map()
    stream.put("poison")
    assert not settle(own_server, 60)
    own_server.control("POST", "reset", {})
    moved = own_server.control("POST", "settle", {"limit_seconds": 600})
    assert (moved["settled"], moved["fired"]) == (True, 0)


def test_idle_mappings_set_no_timers(own_server: Served) -> None:
    function = create(own_server, HANDLER)
    stream = Stream(function, shards=4)
    _, arn = table(function)
    for source_arn in (stream.arn, arn):
        create_mapping(function, source_arn)
    own_server.control("POST", "settle", {})
    moved = own_server.control("POST", "advance", {"seconds": 86_400})
    assert (moved["settled"], moved["fired"]) == (True, 0)
