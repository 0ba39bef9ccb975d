"""SQS event source mappings in a running lab, through plain boto3."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from typing import Any

import pytest
from harness import Function, Served, create

_names = (f"queue-{number}" for number in itertools.count(1))

PRINTS_EVENT = """
import json

def handler(event, context):
    print("EVENT", json.dumps(event))
"""
# Fails for bodies that begin with "bad".
POISONED = """
def handler(event, context):
    bodies = [record["body"] for record in event["Records"]]
    print("BODIES", *bodies)
    if any(body.startswith("bad") for body in bodies):
        raise ValueError("poison")
"""
REPORTS = """
def handler(event, context):
    bodies = [record["body"] for record in event["Records"]]
    print("BODIES", *bodies)
    return {
        "batchItemFailures": [
            {"itemIdentifier": record["messageId"]}
            for record in event["Records"] if record["body"].startswith("bad")
        ]
    }
"""


class Queue:
    """A queue of the lab, and a mapping from it."""

    def __init__(self, served: Served, *, fifo: bool = False, **attributes: str) -> None:
        self.served, self.fifo = served, fifo
        self.sqs = served.client("sqs")
        name = next(_names) + (".fifo" if fifo else "")
        if fifo:
            attributes |= {"FifoQueue": "true", "ContentBasedDeduplication": "true"}
        self.url = self.sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
        self.arn = self._attributes("QueueArn")["QueueArn"]

    def send(self, *bodies: str, **options: Any) -> None:
        for body in bodies:
            self.sqs.send_message(QueueUrl=self.url, MessageBody=body, **options)

    def count(self) -> int:
        """Every message in it, visible or not."""
        counts = self._attributes(
            "ApproximateNumberOfMessages",
            "ApproximateNumberOfMessagesNotVisible",
            "ApproximateNumberOfMessagesDelayed",
        )
        return sum(map(int, counts.values()))

    def visible(self) -> int:
        return int(self._attributes("ApproximateNumberOfMessages")["ApproximateNumberOfMessages"])

    def bodies(self) -> list[str]:
        """Receive what is visible."""
        found = []
        while messages := self.sqs.receive_message(
            QueueUrl=self.url, MaxNumberOfMessages=10, VisibilityTimeout=600
        ).get("Messages"):
            found += [message["Body"] for message in messages]
        return sorted(found)

    def map_to(self, function: Function, **options: Any) -> dict[str, Any]:
        mapping = function.client.create_event_source_mapping(
            FunctionName=function.name, EventSourceArn=self.arn, **options
        )
        self.served.control("POST", "advance", {"seconds": 2})
        return mapping

    def _attributes(self, *names: str) -> dict[str, str]:
        answer = self.sqs.get_queue_attributes(QueueUrl=self.url, AttributeNames=list(names))
        return answer["Attributes"]


def with_dead_letters(served: Served, receives: int, **attributes: str) -> tuple[Queue, Queue]:
    fifo = attributes.pop("fifo", "") == "yes"
    dead = Queue(served, fifo=fifo)
    policy = {"deadLetterTargetArn": dead.arn, "maxReceiveCount": str(receives)}
    return Queue(served, fifo=fifo, RedrivePolicy=json.dumps(policy), **attributes), dead


def settle(served: Served, limit_seconds: float = 86_400) -> None:
    assert served.control("POST", "settle", {"limit_seconds": limit_seconds})["settled"]


def printed(function: Function, word: str) -> list[str]:
    lines = (line for line in function.log() if line.startswith(f"{word} "))
    return [line.removeprefix(f"{word} ").rstrip("\n") for line in lines]


Deploy = Callable[..., Function]


def test_the_record_is_exactly_aws_s(served: Served, deploy: Deploy) -> None:
    function, queue = deploy(PRINTS_EVENT), Queue(served)
    queue.map_to(function)
    sent = queue.sqs.send_message(
        QueueUrl=queue.url,
        MessageBody='{"a": "é"}',
        MessageAttributes={
            "color": {"DataType": "String", "StringValue": "red"},
            "blob": {"DataType": "Binary", "BinaryValue": b"\x00\x01"},
        },
    )
    settle(served)
    (line,) = printed(function, "EVENT")
    event = json.loads(line)
    (record,) = event["Records"]
    assert list(event) == ["Records"]
    assert list(record) == [
        "messageId",
        "receiptHandle",
        "body",
        "attributes",
        "messageAttributes",
        "md5OfMessageAttributes",
        "md5OfBody",
        "eventSource",
        "eventSourceARN",
        "awsRegion",
    ]
    assert list(record["attributes"]) == [
        "ApproximateReceiveCount",
        "SentTimestamp",
        "SenderId",
        "ApproximateFirstReceiveTimestamp",
    ]
    assert all(isinstance(value, str) for value in record["attributes"].values())
    assert record["messageId"] == sent["MessageId"]
    assert record["body"] == '{"a": "é"}'
    assert record["md5OfBody"] == sent["MD5OfMessageBody"]
    assert record["md5OfMessageAttributes"] == sent["MD5OfMessageAttributes"]
    assert record["messageAttributes"] == {
        "color": {
            "stringValue": "red",
            "stringListValues": [],
            "binaryListValues": [],
            "dataType": "String",
        },
        "blob": {
            "binaryValue": "AAE=",
            "stringListValues": [],
            "binaryListValues": [],
            "dataType": "Binary",
        },
    }
    assert record["eventSource"] == "aws:sqs"
    assert record["eventSourceARN"] == queue.arn
    assert record["awsRegion"] == served.ready["region"]


def test_a_backlog_is_worked_off_and_nothing_is_left(served: Served, deploy: Deploy) -> None:
    function, queue = deploy(POISONED), Queue(served)
    bodies = [f"n{number:03}" for number in range(203)]
    for first in range(0, 203, 10):
        entries = [{"Id": body, "MessageBody": body} for body in bodies[first : first + 10]]
        queue.sqs.send_message_batch(QueueUrl=queue.url, Entries=entries)
    queue.map_to(function, BatchSize=7)
    settle(served)
    lines = printed(function, "BODIES")
    assert sorted(" ".join(lines).split()) == bodies
    assert max(len(line.split()) for line in lines) == 7
    assert queue.count() == 0


def test_poison_comes_back_and_ends_in_the_dead_letter_queue(
    served: Served, deploy: Deploy
) -> None:
    function = deploy(POISONED)
    queue, dead = with_dead_letters(served, 3, VisibilityTimeout="60")
    queue.map_to(function)
    queue.send("bad")
    settle(served)
    assert dead.bodies() == ["bad"]
    assert queue.count() == 0
    times = [event["time_ms"] for event in function.events("batch_formed")]
    waits = [round((b - a) / 1000) for a, b in itertools.pairwise(times)]
    assert waits == [60, 60]
    assert [event["outcome"] for event in function.events("batch_ended")] == ["error"] * 3


def test_partial_batch_responses(served: Served, deploy: Deploy) -> None:
    function = deploy(REPORTS)
    queue, dead = with_dead_letters(served, 2)
    for body in ("good", "bad1", "fine", "bad2"):
        queue.send(body)
    queue.map_to(function, FunctionResponseTypes=["ReportBatchItemFailures"])
    settle(served)
    first, second = printed(function, "BODIES")
    assert sorted(first.split()) == ["bad1", "bad2", "fine", "good"]
    assert sorted(second.split()) == ["bad1", "bad2"]
    assert dead.bodies() == ["bad1", "bad2"]
    assert queue.count() == 0


def test_a_timeout_fails_the_batch(served: Served, deploy: Deploy) -> None:
    function = deploy("import time\n\ndef handler(event, context):\n    time.sleep(9)\n", Timeout=1)
    queue, dead = with_dead_letters(served, 1)
    queue.map_to(function)
    queue.send("slow")
    settle(served)
    assert dead.bodies() == ["slow"]
    assert [event["outcome"] for event in function.events("batch_ended")] == ["timeout"]


def test_a_window_gathers_in_lab_time(served: Served, deploy: Deploy) -> None:
    function, queue = deploy(POISONED), Queue(served, VisibilityTimeout="600")
    queue.map_to(function, BatchSize=1000, MaximumBatchingWindowInSeconds=300)
    queue.send("one")
    served.control("POST", "advance", {"seconds": 200})
    queue.send("two")
    assert function.events("invoke_started") == []
    settle(served)
    (batch,) = printed(function, "BODIES")
    assert sorted(batch.split()) == ["one", "two"]


def test_fifo_keeps_the_order_of_each_group(served: Served, deploy: Deploy) -> None:
    function, queue = deploy(PRINTS_EVENT), Queue(served, fifo=True)
    for number in range(12):
        for group in "abc":
            queue.send(f"{group}{number:02}", MessageGroupId=group)
    queue.map_to(function, BatchSize=4)
    settle(served)
    batches = [json.loads(line)["Records"] for line in printed(function, "EVENT")]
    assert sum(map(len, batches)) == 36
    for group in "abc":
        of_group = [[r for r in batch if r["body"][0] == group] for batch in batches]
        # The logs of two environments have no order among them; a group's batches have no overlap.
        bodies = [record["body"] for part in sorted(of_group, key=_first_body) for record in part]
        assert bodies == [f"{group}{number:02}" for number in range(12)]
        for record in itertools.chain.from_iterable(of_group):
            assert record["attributes"]["MessageGroupId"] == group
            assert {"MessageDeduplicationId", "SequenceNumber"} <= set(record["attributes"])
    assert queue.count() == 0


def _first_body(records: list[dict[str, Any]]) -> str:
    return records[0]["body"] if records else ""


def test_a_poisoned_group_is_blocked_until_the_dead_letter_queue_takes_it(
    served: Served, deploy: Deploy
) -> None:
    function = deploy(POISONED)
    queue, dead = with_dead_letters(served, 2, fifo="yes", VisibilityTimeout="30")
    queue.send("bad", "a1", MessageGroupId="a")
    queue.send("b0", "b1", MessageGroupId="b")
    queue.map_to(function, BatchSize=1)
    settle(served)
    assert dead.bodies() == ["bad"]
    assert queue.count() == 0
    formed = [(event["shard"], event["time_ms"]) for event in function.events("batch_formed")]
    a_times = [time_ms for group, time_ms in formed if group == "a"]
    b_times = [time_ms for group, time_ms in formed if group == "b"]
    assert len(a_times) == 3 and len(b_times) == 2
    assert a_times[1] - a_times[0] >= 30_000 <= a_times[2] - a_times[0]
    assert b_times[-1] - b_times[0] < 30_000


def test_filtered_messages_are_deleted_without_an_invocation(
    served: Served, deploy: Deploy
) -> None:
    function, queue = deploy(POISONED), Queue(served)
    pattern = json.dumps({"body": {"kind": ["order"]}})
    queue.map_to(function, FilterCriteria={"Filters": [{"Pattern": pattern}]})
    queue.send('{"kind":"order"}', '{"kind":"other"}', "no JSON")
    settle(served)
    assert printed(function, "BODIES") == ['{"kind":"order"}']
    assert queue.count() == 0
    filtered = sum(event["records"] for event in function.events("filtered"))
    assert filtered == 2


def test_disable_enable_update_delete(served: Served, deploy: Deploy) -> None:
    function, queue = deploy(POISONED), Queue(served)
    client = function.client
    uuid = queue.map_to(function)["UUID"]

    def update(**changes: Any) -> None:
        client.update_event_source_mapping(UUID=uuid, **changes)
        served.control("POST", "advance", {"seconds": 2})

    update(Enabled=False)
    assert client.get_event_source_mapping(UUID=uuid)["State"] == "Disabled"
    queue.send("one", "two")
    settle(served)
    assert queue.visible() == 2
    update(BatchSize=1)
    update(Enabled=True)
    settle(served)
    assert sorted(printed(function, "BODIES")) == ["one", "two"]
    client.delete_event_source_mapping(UUID=uuid)
    served.control("POST", "advance", {"seconds": 2})
    queue.send("three")
    settle(served)
    assert queue.bodies() == ["three"]


def test_a_queue_created_anew_is_polled_at_once(served: Served, deploy: Deploy) -> None:
    function, queue = deploy(POISONED), Queue(served)
    queue.map_to(function)
    sqs = served.client("sqs")
    sqs.delete_queue(QueueUrl=queue.url)
    served.control("POST", "advance", {"seconds": 61})
    sqs.create_queue(QueueName=queue.url.rpartition("/")[2])
    queue.send("one")
    settle(served)
    assert printed(function, "BODIES") == ["one"]
    assert queue.count() == 0


def test_a_throttled_batch_stays_with_the_poller_then_returns(
    served: Served, deploy: Deploy
) -> None:
    function = deploy(POISONED)
    queue, dead = with_dead_letters(served, 1)
    function.client.put_function_concurrency(
        FunctionName=function.name, ReservedConcurrentExecutions=0
    )
    queue.map_to(function)
    queue.send("one")
    settle(served)
    assert dead.bodies() == ["one"]
    ended = function.events("batch_ended")
    assert {event["outcome"] for event in ended} == {"throttled"}
    assert len(ended) > 3
    assert {event["mapping"] for event in function.events("throttled")} == {ended[0]["mapping"]}
    assert function.events("invoke_started") == []


def test_maximum_concurrency_bounds_the_environments(served: Served, deploy: Deploy) -> None:
    function = deploy(
        "import time\n\ndef handler(event, context):\n    time.sleep(0.05)\n", MemorySize=1769
    )
    queue = Queue(served)
    queue.send(*(str(number) for number in range(20)))
    queue.map_to(function, BatchSize=1, ScalingConfig={"MaximumConcurrency": 2})
    settle(served)
    running = most = 0
    for event in function.events():
        running += {"invoke_started": 1, "invoke_ended": -1}.get(event["kind"], 0)
        most = max(most, running)
    assert most == 2
    assert queue.count() == 0


@pytest.mark.parametrize("qualifier", ["1", "live"])
def test_a_mapping_may_name_a_version_or_an_alias(
    served: Served, deploy: Deploy, qualifier: str
) -> None:
    function, queue = deploy(POISONED), Queue(served)
    client = function.client
    client.publish_version(FunctionName=function.name)
    client.create_alias(FunctionName=function.name, Name="live", FunctionVersion="1")
    served.control("POST", "advance", {"seconds": 2})
    client.create_event_source_mapping(
        FunctionName=f"{function.name}:{qualifier}", EventSourceArn=queue.arn
    )
    served.control("POST", "advance", {"seconds": 2})
    queue.send("one")
    settle(served)
    (started,) = function.events("invoke_started")
    assert (started["version"], started["qualifier"]) == ("1", qualifier)


def test_a_function_that_sends_to_its_own_queue_is_stopped(served: Served) -> None:
    code = """
import boto3

def handler(event, context):
    url = event["Records"][0]["body"]
    boto3.client("sqs").send_message(QueueUrl=url, MessageBody=url)
"""
    function = create(served, code, Timeout=30, MemorySize=1769)
    queue, dead = with_dead_letters(served, 1)
    queue.map_to(function)
    queue.send(queue.url)
    settle(served)
    assert dead.bodies() == [queue.url]
    assert len(function.events("invoke_started")) == 16
    assert queue.count() == 0


def test_two_regions_do_not_meet(served: Served) -> None:
    here = create(served, POISONED)
    queue = Queue(served)
    other = served.client("sqs", region_name="eu-west-1")
    url = other.create_queue(QueueName=queue.url.rpartition("/")[2])["QueueUrl"]
    queue.map_to(here)
    other.send_message(QueueUrl=url, MessageBody="elsewhere")
    settle(served)
    assert here.events("invoke_started") == []
