"""The metrics of Lambda in CloudWatch: what each way to call a function, and each failure, makes."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError
from harness import Function, Served

FAILING = "def handler(event, context):\n    raise ValueError('as asked')\n"
WORKING = "def handler(event, context):\n    return None\n"


def metrics(served: Served, function: str, *, resource: str | None = None) -> dict[str, Any]:
    """Sum or maximum of every metric of a function in the last week of the lab."""
    client = served.client("cloudwatch")
    wanted = [{"Name": "FunctionName", "Value": function}]
    if resource is not None:
        wanted.append({"Name": "Resource", "Value": resource})
    now = datetime.fromtimestamp(served.control("GET", "clock")["now_ms"] / 1000, UTC)
    found = {}
    for metric in client.list_metrics(Namespace="AWS/Lambda", Dimensions=wanted)["Metrics"]:
        if len(metric["Dimensions"]) != len(wanted):
            continue
        points = client.get_metric_statistics(
            **metric,
            StartTime=now - timedelta(days=7),
            EndTime=now + timedelta(minutes=1),
            Period=86_400 * 30,
            Statistics=["Sum", "Maximum"],
        )["Datapoints"]
        gauge = "Concurren" in metric["MetricName"] and "Invocations" not in metric["MetricName"]
        column = "Maximum" if gauge or metric["MetricName"].endswith("Age") else "Sum"
        found[metric["MetricName"]] = max(point[column] for point in points)
    return found


def settle(served: Served) -> None:
    assert served.control("POST", "settle", {})["settled"]


def test_asynchronous_events_and_their_dead_letters(
    served: Served, deploy: Callable[..., Function]
) -> None:
    sqs = served.client("sqs")
    url = sqs.create_queue(QueueName="dead-letters-of-metrics")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"][
        "QueueArn"
    ]
    function = deploy(FAILING, DeadLetterConfig={"TargetArn": arn})
    sqs.delete_queue(QueueUrl=url)
    function.client.invoke(FunctionName=function.name, InvocationType="Event", Payload=b"{}")
    settle(served)
    found = metrics(served, function.name)
    assert {name: found[name] for name in found if name not in ("Duration", "AsyncEventAge")} == {
        "AsyncEventsReceived": 1,
        "AsyncEventsDropped": 1,
        "ConcurrentExecutions": 1,
        "DeadLetterErrors": 1,
        "Errors": 3,
        "Invocations": 3,
    }
    assert 180_000 <= found["AsyncEventAge"] < 200_000


def test_throttles(served: Served, deploy: Callable[..., Function]) -> None:
    function = deploy(WORKING)
    function.client.put_function_concurrency(
        FunctionName=function.name, ReservedConcurrentExecutions=0
    )
    for _ in range(2):
        with pytest.raises(ClientError, match="Rate Exceeded"):
            function.invoke()
    assert metrics(served, function.name) == {"Throttles": 2}
    assert metrics(served, function.name, resource=function.name) == {"Throttles": 2}


def test_provisioned_concurrency_and_versions(
    served: Served, deploy: Callable[..., Function]
) -> None:
    function = deploy(WORKING, Publish=True)
    name, client = function.name, function.client
    client.create_alias(FunctionName=name, Name="live", FunctionVersion="1")
    client.put_provisioned_concurrency_config(
        FunctionName=name, Qualifier="live", ProvisionedConcurrentExecutions=2
    )
    settle(served)
    function.invoke(Qualifier="live")
    function.invoke()
    found = metrics(served, name, resource=f"{name}:live")
    assert {key: value for key, value in found.items() if key != "Duration"} == {
        "ConcurrentExecutions": 1,
        "Errors": 0,
        "Invocations": 1,
        "ProvisionedConcurrencyInvocations": 1,
        "ProvisionedConcurrencyUtilization": 0.5,
        "ProvisionedConcurrentExecutions": 1,
    }
    assert metrics(served, name)["Invocations"] == 2
    assert metrics(served, name, resource=name)["Invocations"] == 1


def test_the_age_of_the_records_of_a_stream(
    served: Served, deploy: Callable[..., Function]
) -> None:
    function, kinesis = deploy(FAILING), served.client("kinesis")
    kinesis.create_stream(StreamName="aged", ShardCount=1)
    stream = kinesis.describe_stream(StreamName="aged")["StreamDescription"]["StreamARN"]
    kinesis.put_record(StreamName="aged", PartitionKey="k", Data=json.dumps({}).encode())
    function.client.create_event_source_mapping(
        EventSourceArn=stream,
        FunctionName=function.name,
        StartingPosition="TRIM_HORIZON",
        MaximumRecordAgeInSeconds=60,
    )
    settle(served)
    found = metrics(served, function.name)
    assert 30_000 < found["IteratorAge"] <= 62_000
    assert found["Invocations"] == found["Errors"] > 4
