"""Two weeks of lab time, in seconds: what fails all along comes again and again, and none is lost.

The lab's functions fail for more than thirteen days. The messages of a queue come back every
twelve hours; asynchronous events are tried three times and end in the dead-letter queue.
"""

from __future__ import annotations

import json
from typing import Any

from harness import Function, Served, activate, create

DAY_S = 86_400
MESSAGES = 30
EVENTS = 20

CODE = """
import os

def handler(event, context):
    bodies = [record["body"] for record in event.get("Records", [])]
    if not os.environ.get("HEALED"):
        raise RuntimeError("sick")
    print("DONE", *bodies)
"""


def queue(lab: Served, name: str, **attributes: str) -> tuple[str, str]:
    """The URL and the ARN of a new queue that keeps messages for two weeks."""
    sqs = lab.client("sqs")
    url = sqs.create_queue(
        QueueName=name, Attributes={"MessageRetentionPeriod": str(14 * DAY_S), **attributes}
    )["QueueUrl"]
    found = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
    return url, found["Attributes"]["QueueArn"]


def drained(lab: Served, url: str) -> list[dict[str, Any]]:
    """Every visible message of a queue."""
    sqs, found = lab.client("sqs"), []
    while messages := sqs.receive_message(
        QueueUrl=url, MaxNumberOfMessages=10, MessageAttributeNames=["All"]
    ).get("Messages"):
        found += messages
    return found


def count(lab: Served, url: str) -> int:
    attributes = lab.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["All"])
    return sum(
        int(value)
        for name, value in attributes["Attributes"].items()
        if name.startswith("ApproximateNumberOfMessages")
    )


def done(lab: Served, function: Function) -> list[str]:
    """The bodies of the messages that the function took without failing, from its log."""
    pages = lab.client("logs").get_paginator("filter_log_events")
    found = pages.paginate(logGroupName=f"/aws/lambda/{function.name}", filterPattern="DONE")
    lines = [event["message"] for page in found for event in page["events"]]
    return [body for line in lines for body in line.split()[1:]]


def heal(lab: Served, function: Function) -> None:
    function.client.update_function_configuration(
        FunctionName=function.name, Environment={"Variables": {"HEALED": "1"}}
    )
    activate(lab, function.name)


def test_fourteen_days_pass_and_no_event_is_lost(own_server: Served) -> None:
    lab = own_server
    work_url, work_arn = queue(lab, "work", VisibilityTimeout="43200")
    dead_url, dead_arn = queue(lab, "dead")
    function = create(lab, CODE, DeadLetterConfig={"TargetArn": dead_arn})
    sqs = lab.client("sqs")
    bodies = {f"message-{number}" for number in range(MESSAGES)}
    for body in sorted(bodies):
        sqs.send_message(QueueUrl=work_url, MessageBody=body)
    function.client.create_event_source_mapping(
        FunctionName=function.name, EventSourceArn=work_arn, BatchSize=10
    )
    request_ids = {
        function.invoke({"number": number}, InvocationType="Event")["ResponseMetadata"]["RequestId"]
        for number in range(EVENTS)
    }

    started_ms = lab.control("GET", "clock")["now_ms"]
    moved = lab.control("POST", "advance", {"seconds": 13.25 * DAY_S})
    assert 0 <= moved["now_ms"] - started_ms - 13.25 * DAY_S * 1000 < 120_000
    assert count(lab, work_url) == MESSAGES
    dead = drained(lab, dead_url)
    assert {m["MessageAttributes"]["RequestID"]["StringValue"] for m in dead} == request_ids
    assert sorted(json.loads(m["Body"])["number"] for m in dead) == list(range(EVENTS))

    heal(lab, function)
    lab.control("POST", "advance", {"seconds": 0.7 * DAY_S})
    assert sorted(done(lab, function)) == sorted(bodies)
    assert count(lab, work_url) == 0
    assert lab.control("POST", "settle")["settled"]
