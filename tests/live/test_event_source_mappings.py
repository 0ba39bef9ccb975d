"""Event source mappings of a running lab: what is polled, and when that begins and ends."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError
from harness import Function, Served
from harness import create as create_function

CODE = """
import json
def handler(event, context):
    print("GOT", json.dumps([record.get("body") or record["eventSource"] for record in event["Records"]]))
"""


class Queue:
    def __init__(self, served: Served, name: str) -> None:
        self.client = served.client("sqs")
        self.url = self.client.create_queue(QueueName=name)["QueueUrl"]
        self.arn = self.attributes()["QueueArn"]

    def attributes(self) -> dict[str, str]:
        return self.client.get_queue_attributes(QueueUrl=self.url, AttributeNames=["All"])[
            "Attributes"
        ]

    def send(self, *bodies: str) -> None:
        for body in bodies:
            self.client.send_message(QueueUrl=self.url, MessageBody=body)

    def count(self) -> int:
        attributes = self.attributes()
        return sum(
            int(attributes[f"ApproximateNumberOfMessages{part}"])
            for part in ("", "NotVisible", "Delayed")
        )


def got(function: Function) -> list[str]:
    """The bodies that the function has been given."""
    lines = [line.split("GOT ", 1)[1] for line in function.log() if "GOT " in line]
    return sorted(body for line in lines for body in json.loads(line))


def settle(served: Served) -> None:
    assert served.control("POST", "settle", {"limit_seconds": 3600})["settled"]


@pytest.fixture
def function(deploy: Callable[..., Function]) -> Function:
    return deploy(CODE)


def create(served: Served, function: Function, queue: Queue, **options: Any) -> str:
    answer = function.client.create_event_source_mapping(
        EventSourceArn=queue.arn, FunctionName=function.name, **options
    )
    return answer["UUID"]


def test_messages_wait_while_a_mapping_is_created_disabled_or_deleted(
    served: Served, function: Function
) -> None:
    queue = Queue(served, "switched")
    queue.send("a")
    uuid = create(served, function, queue, Enabled=False)
    settle(served)
    assert (queue.count(), function.events()) == (1, [])
    function.client.update_event_source_mapping(UUID=uuid, Enabled=True)
    settle(served)
    assert (queue.count(), got(function)) == (0, ["a"])
    function.client.update_event_source_mapping(UUID=uuid, Enabled=False)
    queue.send("b")
    settle(served)
    assert (queue.count(), got(function)) == (1, ["a"])
    function.client.update_event_source_mapping(UUID=uuid, Enabled=True)
    settle(served)
    assert got(function) == ["a", "b"]
    function.client.delete_event_source_mapping(UUID=uuid)
    queue.send("c")
    settle(served)
    assert (queue.count(), got(function)) == (1, ["a", "b"])
    with pytest.raises(ClientError, match="The resource you requested does not exist"):
        function.client.get_event_source_mapping(UUID=uuid)


def test_messages_that_do_not_match_are_deleted(served: Served, function: Function) -> None:
    queue = Queue(served, "filtered")
    pattern = json.dumps({"body": {"kind": ["order"]}})
    uuid = create(served, function, queue, FilterCriteria={"Filters": [{"Pattern": pattern}]})
    order = json.dumps({"kind": "order"})
    queue.send(order, json.dumps({"kind": "offer"}), "no JSON")
    settle(served)
    assert (queue.count(), got(function)) == (0, [order])
    filtered = [event["records"] for event in function.events("filtered")]
    assert (sum(filtered), {event["mapping"] for event in function.events("filtered")}) == (
        2,
        {uuid},
    )


def test_an_update_changes_function_and_batches(
    served: Served, function: Function, deploy: Callable[..., Function]
) -> None:
    queue, other = Queue(served, "updated"), deploy(CODE)
    uuid = create(served, function, queue)
    queue.send("a")
    settle(served)
    function.client.update_event_source_mapping(UUID=uuid, FunctionName=other.name, BatchSize=1)
    settle(served)
    queue.send("b", "c")
    settle(served)
    assert (got(function), got(other)) == (["a"], ["b", "c"])
    assert {event["records"] for event in other.events("batch_formed")} == {1}


def test_a_stream_from_its_beginning(served: Served, function: Function) -> None:
    kinesis = served.client("kinesis")
    kinesis.create_stream(StreamName="read", ShardCount=1)
    arn = kinesis.describe_stream(StreamName="read")["StreamDescription"]["StreamARN"]
    kinesis.put_record(StreamName="read", PartitionKey="k", Data=b"{}")
    make = function.client.create_event_source_mapping
    given = {
        "EventSourceArn": arn,
        "FunctionName": function.name,
        "StartingPosition": "TRIM_HORIZON",
    }
    uuid = make(**given)["UUID"]
    settle(served)
    assert got(function) == ["aws:kinesis"]
    found = function.client.get_event_source_mapping(UUID=uuid)
    assert (found["State"], found["LastProcessingResult"]) == ("Enabled", "OK")
    with pytest.raises(ClientError, match="provided mapping already exists"):
        make(**given)


def test_sources_that_do_not_exist(served: Served, function: Function) -> None:
    make = function.client.create_event_source_mapping
    here = "us-east-1:123456789012"
    with pytest.raises(ClientError, match="The specified queue does not exist"):
        make(EventSourceArn=f"arn:aws:sqs:{here}:nowhere", FunctionName=function.name)
    for arn in (
        f"arn:aws:kinesis:{here}:stream/nowhere",
        f"arn:aws:dynamodb:{here}:table/nowhere/stream/2026-01-01T00:00:00.000",
    ):
        with pytest.raises(ClientError, match=f"Stream not found: {arn}"):
            make(EventSourceArn=arn, FunctionName=function.name, StartingPosition="LATEST")


def test_metrics_of_a_mapping(served: Served, function: Function) -> None:
    queue = Queue(served, "counted")
    uuid = create(served, function, queue, MetricsConfig={"Metrics": ["EventCount"]})
    queue.send("a", "b", "c")
    settle(served)
    metrics = served.client("cloudwatch").list_metrics(
        Dimensions=[{"Name": "EventSourceMappingUUID", "Value": uuid}]
    )["Metrics"]
    assert {metric["MetricName"] for metric in metrics} == {
        "PolledEventCount",
        "InvokedEventCount",
        "DeletedEventCount",
    }


def test_a_reset_ends_the_mappings(own_server: Served) -> None:
    function = create_function(own_server, CODE)
    uuid = create(own_server, function, Queue(own_server, "again"))
    settle(own_server)
    own_server.control("POST", "reset", {})
    with pytest.raises(ClientError):
        function.client.get_event_source_mapping(UUID=uuid)
    queue = Queue(own_server, "again")
    queue.send("a")
    settle(own_server)
    assert queue.count() == 1
