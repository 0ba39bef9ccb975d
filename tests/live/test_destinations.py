"""Where asynchronous invocations end: records and dead letters, in every kind of target."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from harness import Function, Served
from inbox import ACCOUNT, ECHO, FAILS, Inbox, configure, send, settle

from labkit.live.calls import Calls
from labkit.live.clock import LabClock
from labkit.live.destinations import Destinations
from labkit.live.event_log import EventLog
from labkit.live.settings import Settings

Deploy = Callable[..., Function]


def test_the_record_of_a_failure_exactly(deploy: Deploy, served: Served, inbox: Inbox) -> None:
    function = deploy(FAILS)
    configure(function, OnFailure=inbox.arn, MaximumRetryAttempts=0)
    request_id = send(function, {"ü": [1, None]})
    settle(served)
    (message,) = inbox.messages()
    record = json.loads(message["Body"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", record.pop("timestamp"))
    assert record == {
        "version": "1.0",
        "requestContext": {
            "requestId": request_id,
            "functionArn": f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:{function.name}:$LATEST",
            "condition": "RetriesExhausted",
            "approximateInvokeCount": 1,
        },
        "requestPayload": {"ü": [1, None]},
        "responseContext": {
            "statusCode": 200,
            "executedVersion": "$LATEST",
            "functionError": "Unhandled",
        },
        "responsePayload": {
            "errorMessage": "no",
            "errorType": "ValueError",
            "requestId": request_id,
            "stackTrace": [
                "  File \"/var/task/app.py\", line 2, in handler\n    raise ValueError('no')\n"
            ],
        },
    }
    assert message["Attributes"]["AWSTraceHeader"].startswith("Root=1-")
    (delivered,) = function.events("delivered")
    assert (delivered["reason"], delivered["target_arn"]) == ("on_failure", inbox.arn)


def test_dead_letters_in_a_queue(deploy: Deploy, served: Served, inbox: Inbox) -> None:
    function = deploy(FAILS, DeadLetterConfig={"TargetArn": inbox.arn})
    function.client.put_function_event_invoke_config(
        FunctionName=function.name,
        MaximumRetryAttempts=0,
        DestinationConfig={"OnFailure": {"Destination": inbox.arn}},
    )
    body = '{"as": "it came",   "n": 1}'
    request_id = function.invoke(Payload=body, InvocationType="Event")["ResponseMetadata"][
        "RequestId"
    ]
    settle(served)
    letters = [one for one in inbox.messages() if "MessageAttributes" in one]
    assert [one["Body"] for one in letters] == [body]
    assert letters[0]["MessageAttributes"] == {
        "RequestID": {"StringValue": request_id, "DataType": "String"},
        "ErrorCode": {"StringValue": "200", "DataType": "Number"},
        "ErrorMessage": {"StringValue": "no", "DataType": "String"},
    }
    # Both are told, the dead-letter queue first.
    assert [one["reason"] for one in function.events("delivered")] == ["dead_letter", "on_failure"]


def test_dead_letters_and_records_in_a_topic(deploy: Deploy, served: Served, inbox: Inbox) -> None:
    sns = served.client("sns")
    topic = sns.create_topic(Name="ends")["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=inbox.arn)
    function = deploy(FAILS, DeadLetterConfig={"TargetArn": topic})
    configure(function, OnFailure=topic, MaximumRetryAttempts=0)
    request_id = send(function, {"n": 1})
    settle(served)
    notices = inbox.bodies()
    (letter,) = (one for one in notices if "MessageAttributes" in one)
    (record,) = (one for one in notices if "MessageAttributes" not in one)
    assert json.loads(letter["Message"]) == {"n": 1}
    assert letter["MessageAttributes"] == {
        "RequestID": {"Type": "String", "Value": request_id},
        "ErrorCode": {"Type": "Number", "Value": "200"},
        "ErrorMessage": {"Type": "String", "Value": "no"},
    }
    assert json.loads(record["Message"])["requestContext"]["requestId"] == request_id


@pytest.mark.parametrize(("code", "outcome"), [(ECHO, "Success"), (FAILS, "Failure")])
def test_records_on_an_event_bus(
    deploy: Deploy, served: Served, inbox: Inbox, code: str, outcome: str
) -> None:
    events = served.client("events")
    name = f"results-{outcome}"
    bus = events.create_event_bus(Name=name)["EventBusArn"]
    events.put_rule(Name="all", EventBusName=name, EventPattern='{"source": ["lambda"]}')
    events.put_targets(Rule="all", EventBusName=name, Targets=[{"Id": "1", "Arn": inbox.arn}])
    function = deploy(code)
    configure(function, OnSuccess=bus, OnFailure=bus, MaximumRetryAttempts=0)
    send(function, {"n": 1})
    settle(served)
    (event,) = inbox.bodies()
    arn = f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:{function.name}:$LATEST"
    assert event["source"] == "lambda"
    assert event["detail-type"] == f"Lambda Function Invocation Result - {outcome}"
    assert event["resources"] == [bus, arn]
    assert event["detail"]["requestContext"]["functionArn"] == arn


def test_records_invoke_a_function(deploy: Deploy, served: Served, inbox: Inbox) -> None:
    after = deploy(ECHO)
    configure(after, OnSuccess=inbox.arn)
    function = deploy(FAILS)
    arn = f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:{after.name}"
    configure(function, OnFailure=arn, MaximumRetryAttempts=0)
    request_id = send(function, {"n": 1})
    settle(served)
    (record,) = inbox.bodies()
    inner = record["requestPayload"]
    assert inner["requestContext"]["requestId"] == request_id
    assert record["requestContext"]["requestId"] != request_id
    assert record["responsePayload"] == inner


def test_records_of_failures_in_a_bucket(deploy: Deploy, served: Served) -> None:
    s3 = served.client("s3")
    s3.create_bucket(Bucket="failures")
    function = deploy(FAILS)
    configure(function, OnFailure="arn:aws:s3:::failures", MaximumRetryAttempts=0)
    request_id = send(function)
    settle(served)
    (found,) = s3.list_objects_v2(Bucket="failures")["Contents"]
    assert re.fullmatch(
        rf"aws/lambda/async/{function.name}/\d{{4}}/\d\d/\d\d/"
        r"\d{4}-\d\d-\d\dT\d\d\.\d\d\.\d\d-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}",
        found["Key"],
    )
    record = json.load(s3.get_object(Bucket="failures", Key=found["Key"])["Body"])
    assert record["requestContext"]["requestId"] == request_id


def test_targets_that_are_gone(deploy: Deploy, served: Served, inbox: Inbox) -> None:
    gone = Inbox(served, "gone")
    function = deploy(FAILS, DeadLetterConfig={"TargetArn": gone.arn})
    configure(function, OnFailure=gone.arn, MaximumRetryAttempts=0)
    gone.client.delete_queue(QueueUrl=gone.url)
    send(function)
    settle(served)
    failed = function.events("delivery_failed")
    assert [one["reason"] for one in failed] == ["dead_letter", "on_failure"]
    assert {one["target_arn"] for one in failed} == {gone.arn}


def test_a_record_too_large_for_its_target(deploy: Deploy, served: Served, inbox: Inbox) -> None:
    function = deploy("def handler(event, context):\n    return 'x' * 2_000_000")
    configure(function, OnSuccess=inbox.arn)
    send(function)
    settle(served)
    assert [one["reason"] for one in function.events("delivery_failed")] == ["on_success"]


class Targets:
    """Takes everything, save what goes to what is called "full"."""

    def __init__(self) -> None:
        self.taken: list[tuple[str, ...]] = []

    def _take(self, *message: str) -> None:
        if message[1].endswith("full"):
            raise ConnectionError("no room")
        self.taken.append(message)

    def send_message(
        self,
        queue_arn: str,
        body: str,
        attributes: Mapping[str, tuple[str, str]],
        trace_header: str | None,
    ) -> None:
        self._take("sqs", queue_arn, body)

    def publish(
        self, topic_arn: str, message: str, attributes: Mapping[str, tuple[str, str]]
    ) -> None:
        self._take("sns", topic_arn, message)

    def put_event(self, entry: Mapping[str, Any]) -> None:
        self._take("events", entry["EventBusName"], entry["Detail"])

    def put_object(self, bucket_arn: str, key: str, content: bytes) -> None:
        self._take("s3", bucket_arn, content.decode(), key)


BATCH = {
    "requestContext": {
        "requestId": "id-1",
        "functionArn": f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:reads",
        "condition": "RetryAttemptsExhausted",
        "approximateInvokeCount": 2,
    },
    "version": "1.0",
}


@pytest.mark.parametrize(
    ("target_arn", "kind"),
    [
        ("arn:aws:sqs:us-east-1:1:failed", "delivered"),
        ("arn:aws:sns:us-east-1:1:failed", "delivered"),
        ("arn:aws:s3:::failed", "delivered"),
        ("arn:aws:sqs:us-east-1:1:full", "delivery_failed"),
        ("arn:aws:kafka:us-east-1:1:topic/failed", "delivery_failed"),
    ],
)
def test_the_record_of_a_batch(target_arn: str, kind: str) -> None:
    clock, targets = LabClock(), Targets()
    events = EventLog(clock, Settings())

    def resolve(arn: str) -> Any:
        raise AssertionError("nothing to call")

    destinations = Destinations(
        clock=clock, events=events, targets=targets, calls=Calls(resolve, resolve)
    )
    destinations.deliver_batch_failure(
        target_arn,
        BATCH,
        mapping_uuid="m-1",
        shard_id="shard-1",
        records=1,
        payload='{"Records":[]}',
    )
    clock.close()
    (event,) = events.after(0)
    assert event.to_dict() | {"time_ms": 0.0} == {
        "seq": 1,
        "time_ms": 0.0,
        "kind": kind,
        "target_arn": target_arn,
        "reason": "on_failure",
        "function": "reads",
        "request_id": "id-1",
        "mapping": "m-1",
        "shard": "shard-1",
        "records": 1,
    }
    for service, arn, body, *key in targets.taken:
        assert arn == target_arn
        # Only an object has room for the records themselves.
        payload = {"payload": '{"Records":[]}'} if service == "s3" else {}
        assert json.loads(body) == BATCH | payload
        assert all(
            re.fullmatch(r"aws/lambda/m-1/shard-1/\d{4}/\d\d/\d\d/[-\dT.]{19}-[-0-9a-f]{36}", one)
            for one in key
        )
    assert bool(targets.taken) == (kind == "delivered")
