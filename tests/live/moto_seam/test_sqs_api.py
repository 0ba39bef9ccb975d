"""SQS as its clients see it, in a lab whose time moves."""

from __future__ import annotations

import hashlib
import itertools
import json
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError
from harness import Served

_names = (f"queue-{number}" for number in itertools.count())


class Queue:
    """A queue, with the calls that the tests make often."""

    def __init__(self, served: Served, fifo: bool = False, **attributes: str) -> None:
        self.client = served.client("sqs")
        self.name = next(_names) + (".fifo" if fifo else "")
        if fifo:
            attributes = {"FifoQueue": "true", "ContentBasedDeduplication": "true", **attributes}
        self.url = self.client.create_queue(QueueName=self.name, Attributes=attributes)["QueueUrl"]
        self.arn = self.attributes()["QueueArn"]

    def attributes(self) -> dict[str, str]:
        found: dict[str, str] = self.client.get_queue_attributes(
            QueueUrl=self.url, AttributeNames=["All"]
        )["Attributes"]
        return found

    def counts(self) -> tuple[int, int, int]:
        """Visible, delayed, in flight."""
        found = self.attributes()
        visible, delayed, in_flight = (
            int(found[f"ApproximateNumberOfMessages{kind}"])
            for kind in ("", "Delayed", "NotVisible")
        )
        return visible, delayed, in_flight

    def send(self, body: str = "m", **options: Any) -> dict[str, Any]:
        answer: dict[str, Any] = self.client.send_message(
            QueueUrl=self.url, MessageBody=body, **options
        )
        return answer

    def receive(self, limit: int = 10, **options: Any) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.client.receive_message(
            QueueUrl=self.url, MaxNumberOfMessages=limit, AttributeNames=["All"], **options
        ).get("Messages", [])
        return found

    def bodies(self, limit: int = 10, **options: Any) -> list[str]:
        return [message["Body"] for message in self.receive(limit, **options)]

    def delete(self, message: dict[str, Any]) -> None:
        self.client.delete_message(QueueUrl=self.url, ReceiptHandle=message["ReceiptHandle"])

    def hide(self, message: dict[str, Any], timeout_s: int) -> None:
        self.client.change_message_visibility(
            QueueUrl=self.url, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=timeout_s
        )


@pytest.fixture(scope="module")
def lab() -> Iterator[Served]:
    """A server whose time these tests move."""
    server = Served("--seed", "1")
    yield server
    server.stop()


@pytest.fixture
def make(lab: Served) -> Callable[..., Queue]:
    return lambda *args, **attributes: Queue(lab, *args, **attributes)


def advance(lab: Served, seconds: float) -> float:
    now_ms: float = lab.control("POST", "advance", {"seconds": seconds})["now_ms"]
    return now_ms


def code_of(call: Callable[..., object], *args: Any, **options: Any) -> str:
    with pytest.raises(ClientError) as error:
        call(*args, **options)
    code: str = error.value.response["Error"]["Code"]
    return code


def test_a_message_is_hidden_while_its_visibility_timeout_lasts(
    lab: Served, make: Callable[..., Queue]
) -> None:
    queue = make(VisibilityTimeout="600")
    sent = queue.send("one")
    (message,) = queue.receive()
    assert message["MessageId"] == sent["MessageId"]
    assert queue.receive() == []
    assert queue.counts() == (0, 0, 1)
    advance(lab, 590)
    assert queue.receive() == []
    advance(lab, 11)
    (again,) = queue.receive()
    assert again["Attributes"]["ApproximateReceiveCount"] == "2"
    first_ms, sent_ms = (
        int(again["Attributes"][name])
        for name in ("ApproximateFirstReceiveTimestamp", "SentTimestamp")
    )
    assert 0 <= first_ms - sent_ms < 100_000
    queue.delete(again)
    assert queue.counts() == (0, 0, 0)


def test_delays_of_a_message_and_of_a_queue_pass_in_lab_time(
    lab: Served, make: Callable[..., Queue]
) -> None:
    queue = make(DelaySeconds="300", VisibilityTimeout="7200")
    queue.send("by the queue")
    queue.send("by itself", DelaySeconds=900)
    queue.send("at once", DelaySeconds=0)
    assert queue.counts() == (1, 2, 0)
    assert queue.bodies() == ["at once"]
    advance(lab, 301)
    assert queue.bodies() == ["by the queue"]
    advance(lab, 600)
    assert queue.bodies() == ["by itself"]


def test_messages_are_kept_for_the_retention_period(
    lab: Served, make: Callable[..., Queue]
) -> None:
    queue = make(MessageRetentionPeriod="3600")
    queue.send("old")
    advance(lab, 3000)
    queue.send("new")
    advance(lab, 601)
    assert queue.bodies() == ["new"]
    queue.client.set_queue_attributes(
        QueueUrl=queue.url, Attributes={"MessageRetentionPeriod": "60"}
    )
    assert queue.counts() == (0, 0, 0)


def test_fourteen_days_pass_in_seconds_and_lose_nothing(
    lab: Served, make: Callable[..., Queue]
) -> None:
    """Each message comes every six hours, until its retention period is over."""
    queue = make(MessageRetentionPeriod="1209600", VisibilityTimeout="21600")
    for number in range(100):
        queue.send(str(number))
    started_ms = lab.control("GET", "clock")["now_ms"]
    for quarter in range(14 * 4 - 1):
        found = [body for _ in range(10) for body in queue.bodies()]
        assert len(found) == len(set(found)) == 100, f"quarter of a day {quarter}"
        now_ms = advance(lab, 21_600)
    assert now_ms - started_ms < 14 * 86_400_000
    (message, *_) = queue.receive(VisibilityTimeout=0)
    assert message["Attributes"]["ApproximateReceiveCount"] == str(14 * 4)
    advance(lab, 21_600)
    assert queue.counts() == (0, 0, 0)


def test_a_long_poll_gets_what_is_sent_while_it_waits(make: Callable[..., Queue]) -> None:
    queue = make()
    found: list[list[str]] = []
    thread = threading.Thread(target=lambda: found.append(queue.bodies(WaitTimeSeconds=20)))
    thread.start()
    started_s = time.monotonic()
    queue.send("late")
    thread.join(20)
    assert found == [["late"]]
    assert time.monotonic() - started_s < 15


@pytest.mark.parametrize("delay_s", [5, None])
def test_a_long_poll_ends_when_lab_time_has_passed(
    lab: Served, make: Callable[..., Queue], delay_s: int | None
) -> None:
    """With the message that appeared on the way, received at its time."""
    queue = make(VisibilityTimeout="60", ReceiveMessageWaitTimeSeconds="20")
    if delay_s is not None:
        queue.send("delayed", DelaySeconds=delay_s)
    found: list[list[dict[str, Any]]] = []
    thread = threading.Thread(target=lambda: found.append(queue.receive()))
    thread.start()
    moved_s = 0
    while thread.is_alive() and moved_s < 600:  # until the request is there, a move is for nothing
        advance(lab, 20)
        moved_s += 20
        thread.join(0.05)
    thread.join(20)
    (messages,) = found
    assert [message["Body"] for message in messages] == (["delayed"] if delay_s else [])
    if delay_s is None:
        return
    attributes = messages[0]["Attributes"]
    waited_ms = int(attributes["ApproximateFirstReceiveTimestamp"]) - int(
        attributes["SentTimestamp"]
    )
    assert waited_ms >= delay_s * 1000


def test_a_message_received_too_often_goes_to_the_dead_letter_queue(
    lab: Served, make: Callable[..., Queue]
) -> None:
    dead = make()
    policy = json.dumps({"deadLetterTargetArn": dead.arn, "maxReceiveCount": "2"})
    queue = make(VisibilityTimeout="10", RedrivePolicy=policy)
    sent = queue.send("poison", MessageAttributes={"n": {"DataType": "Number", "StringValue": "1"}})
    for _ in range(2):
        assert queue.bodies() == ["poison"]
        advance(lab, 11)
    assert dead.receive() == []
    assert queue.receive() == []
    (message,) = dead.receive(MessageAttributeNames=["All"])
    assert message["MessageId"] == sent["MessageId"]
    assert message["MessageAttributes"] == {"n": {"DataType": "Number", "StringValue": "1"}}
    attributes = message["Attributes"]
    assert attributes["DeadLetterQueueSourceArn"] == queue.arn
    assert attributes["ApproximateReceiveCount"] == "3"
    assert queue.counts() == (0, 0, 0)


def test_without_its_dead_letter_queue_a_message_keeps_coming(
    lab: Served, make: Callable[..., Queue]
) -> None:
    dead = make()
    policy = json.dumps({"deadLetterTargetArn": dead.arn, "maxReceiveCount": 1})
    queue = make(RedrivePolicy=policy)
    queue.send("poison")
    dead.client.delete_queue(QueueUrl=dead.url)
    for _ in range(3):
        assert queue.bodies(VisibilityTimeout=0) == ["poison"]


def test_a_fifo_queue_keeps_the_order_of_each_group(
    lab: Served, make: Callable[..., Queue]
) -> None:
    queue = make(True, VisibilityTimeout="30")
    numbers = [
        int(queue.send(f"{group}{number}", MessageGroupId=group)["SequenceNumber"])
        for number in range(3)
        for group in "ab"
    ]
    assert numbers == sorted(set(numbers))
    first, second = queue.receive(2)
    assert [first["Body"], second["Body"]] == ["a0", "a1"]
    assert queue.bodies(1) == ["b0"]
    assert queue.receive() == []
    queue.delete(first)
    assert queue.receive() == []
    advance(lab, 31)
    assert queue.bodies() == ["b0", "b1", "b2", "a1", "a2"]
    assert code_of(queue.delete, second) == "InvalidParameterValue"


def test_a_repeated_message_of_a_fifo_queue_is_taken_and_not_delivered(
    lab: Served, make: Callable[..., Queue]
) -> None:
    queue = make(True)
    first = queue.send("same", MessageGroupId="g")
    (message,) = queue.receive()
    queue.delete(message)
    repeated = queue.send("same", MessageGroupId="h")
    assert (repeated["MessageId"], repeated["SequenceNumber"]) == (
        first["MessageId"],
        first["SequenceNumber"],
    )
    assert queue.receive() == []
    queue.send("same", MessageGroupId="g", MessageDeduplicationId="another")
    advance(lab, 301)
    queue.send("same", MessageGroupId="g")
    first_message, second_message = queue.receive()
    assert first_message["Attributes"]["MessageDeduplicationId"] == "another"
    digest = hashlib.sha256(b"same").hexdigest()
    assert second_message["Attributes"]["MessageDeduplicationId"] == digest


def test_deduplication_within_the_message_group(make: Callable[..., Queue]) -> None:
    queue = make(True, DeduplicationScope="messageGroup", FifoThroughputLimit="perMessageGroupId")
    for group in "ghg":
        queue.send("same", MessageGroupId=group)
    assert len(queue.receive()) == 2


def test_what_was_sent_comes_back_as_it_was(make: Callable[..., Queue]) -> None:
    queue = make()
    attributes = {
        "text": {"DataType": "String", "StringValue": "grüße"},
        "kind.of": {"DataType": "Number.int", "StringValue": "7"},
        "bytes": {"DataType": "Binary", "BinaryValue": b"\x00\xff"},
    }
    trace = "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=1"
    sent = queue.send(
        "grüße 😀",
        MessageAttributes=attributes,
        MessageSystemAttributes={
            "AWSTraceHeader": {"DataType": "String", "StringValue": trace},
        },
    )
    (message,) = queue.receive(MessageAttributeNames=["All"], VisibilityTimeout=0)
    assert message["Body"] == "grüße 😀"
    assert message["MessageAttributes"] == attributes
    assert message["MD5OfMessageAttributes"] == sent["MD5OfMessageAttributes"]
    assert message["MD5OfBody"] == sent["MD5OfMessageBody"]
    assert message["Attributes"]["AWSTraceHeader"] == trace
    (message,) = queue.receive(MessageAttributeNames=["kind.*"], VisibilityTimeout=0)
    assert list(message["MessageAttributes"]) == ["kind.of"]
    (message,) = queue.receive()
    assert "MessageAttributes" not in message
    (again,) = queue.client.receive_message(
        QueueUrl=make_visible(queue, message).url, MessageSystemAttributeNames=["SenderId"]
    )["Messages"]
    assert list(again["Attributes"]) == ["SenderId"]


def make_visible(queue: Queue, message: dict[str, Any]) -> Queue:
    queue.hide(message, 0)
    return queue


def test_a_batch_is_sent_entry_by_entry(make: Callable[..., Queue]) -> None:
    queue = make()
    trace = {"AWSTraceHeader": {"DataType": "String", "StringValue": "Root=1-2-3"}}
    answer = queue.client.send_message_batch(
        QueueUrl=queue.url,
        Entries=[
            {"Id": "good", "MessageBody": "1", "MessageSystemAttributes": trace},
            {"Id": "late", "MessageBody": "2", "DelaySeconds": 901},
        ],
    )
    assert [entry["Id"] for entry in answer["Successful"]] == ["good"]
    (failed,) = answer["Failed"]
    assert (failed["Id"], failed["SenderFault"]) == ("late", True)
    assert failed["Code"] == "InvalidParameterValue"
    assert failed["Message"] == (
        "Value 901 for parameter DelaySeconds is invalid. "
        "Reason: DelaySeconds must be >= 0 and <= 900."
    )
    (message,) = queue.receive()
    assert message["Attributes"]["AWSTraceHeader"] == "Root=1-2-3"


def test_the_trace_of_the_request_is_the_message_s(lab: Served) -> None:
    queue = Queue(lab)
    queue.client.meta.events.register(
        "before-call.sqs",
        lambda params, **_: params["headers"].update({"X-Amzn-Trace-Id": "Root=1-5-7"}),
    )
    queue.send("one")
    queue.client.send_message_batch(
        QueueUrl=queue.url, Entries=[{"Id": "1", "MessageBody": "of a batch"}]
    )
    traces = [message["Attributes"]["AWSTraceHeader"] for message in queue.receive()]
    assert traces == ["Root=1-5-7", "Root=1-5-7"]


def test_batches_that_are_refused_as_a_whole(make: Callable[..., Queue]) -> None:
    queue = make()

    def send(*entries: tuple[str, str]) -> None:
        queue.client.send_message_batch(
            QueueUrl=queue.url,
            Entries=[{"Id": name, "MessageBody": body} for name, body in entries],
        )

    prefix = "AWS.SimpleQueueService."
    assert code_of(send).removeprefix(prefix) == "EmptyBatchRequest"
    twice = (("a", "1"), ("a", "2"))
    assert code_of(send, *twice).removeprefix(prefix) == "BatchEntryIdsNotDistinct"
    assert code_of(send, ("a b", "1")).removeprefix(prefix) == "InvalidBatchEntryId"
    eleven = [(str(number), "1") for number in range(11)]
    assert code_of(send, *eleven).removeprefix(prefix) == "TooManyEntriesInBatchRequest"
    large = [(str(number), "x" * 600_000) for number in range(2)]
    assert code_of(send, *large).removeprefix(prefix) == "BatchRequestTooLong"
    assert queue.counts() == (0, 0, 0)


@pytest.mark.parametrize(
    ("fifo", "options", "text"),
    [
        (False, {"DelaySeconds": 901}, "DelaySeconds must be >= 0 and <= 900"),
        (False, {"MessageBody": "x" * 2_001}, "Message must be shorter than 2000 bytes"),
        (True, {}, "must contain the parameter MessageGroupId"),
        (True, {"MessageGroupId": "g", "DelaySeconds": 1}, "not valid for this queue type"),
    ],
)
def test_messages_that_are_refused(
    make: Callable[..., Queue], fifo: bool, options: dict[str, Any], text: str
) -> None:
    queue = make(fifo, MaximumMessageSize="2000")
    with pytest.raises(ClientError, match=text):
        queue.client.send_message(QueueUrl=queue.url, **{"MessageBody": "m", **options})
    assert queue.counts() == (0, 0, 0)


def test_a_fifo_message_needs_something_to_tell_repetitions_by(make: Callable[..., Queue]) -> None:
    queue = make(True, ContentBasedDeduplication="false")
    with pytest.raises(ClientError, match="MessageDeduplicationId provided explicitly"):
        queue.send("m", MessageGroupId="g")
    queue.send("m", MessageGroupId="g", MessageDeduplicationId="1")


@pytest.mark.parametrize(
    "options",
    [{"MaxNumberOfMessages": 11}, {"WaitTimeSeconds": 21}, {"VisibilityTimeout": 43_201}],
)
def test_receives_that_are_refused(make: Callable[..., Queue], options: dict[str, int]) -> None:
    queue = make()
    code = code_of(queue.client.receive_message, QueueUrl=queue.url, **options)
    assert code == "InvalidParameterValue"


def test_receipt_handles(lab: Served, make: Callable[..., Queue]) -> None:
    """An old handle still deletes; that of a message that is gone does nothing."""
    queue, other = make(VisibilityTimeout="0"), make()
    queue.send()
    (first,), (second,) = queue.receive(), queue.receive()
    assert first["ReceiptHandle"] != second["ReceiptHandle"]
    assert code_of(other.delete, first) == "ReceiptHandleIsInvalid"
    assert code_of(other.delete, {"ReceiptHandle": "none"}) == "ReceiptHandleIsInvalid"
    queue.delete(first)
    queue.delete(second)
    assert queue.counts() == (0, 0, 0)


def test_the_visibility_of_a_message_changes(lab: Served, make: Callable[..., Queue]) -> None:
    queue = make()
    queue.send()
    (message,) = queue.receive()
    queue.hide(message, 600)
    advance(lab, 599)
    assert queue.receive() == []
    assert code_of(queue.hide, message, 43_200) == "InvalidParameterValue"
    queue.hide(message, 0)
    assert code_of(queue.hide, message, 5) == "InvalidParameterValue"
    (again,) = queue.receive()
    answer = queue.client.change_message_visibility_batch(
        QueueUrl=queue.url,
        Entries=[
            {"Id": name, "ReceiptHandle": handle, "VisibilityTimeout": timeout_s}
            for name, handle, timeout_s in (
                ("good", again["ReceiptHandle"], 0),
                ("long", again["ReceiptHandle"], 43_201),
                ("none", "none", 1),
            )
        ],
    )
    assert [entry["Id"] for entry in answer["Successful"]] == ["good"]
    assert [(entry["Id"], entry["Code"]) for entry in answer["Failed"]] == [
        ("long", "InvalidParameterValue"),
        ("none", "ReceiptHandleIsInvalid"),
    ]
    assert len(queue.receive()) == 1


def test_a_batch_of_deletions(make: Callable[..., Queue]) -> None:
    queue = make()
    queue.send()
    (message,) = queue.receive()
    answer = queue.client.delete_message_batch(
        QueueUrl=queue.url,
        Entries=[
            {"Id": "good", "ReceiptHandle": message["ReceiptHandle"]},
            {"Id": "none", "ReceiptHandle": "none"},
        ],
    )
    assert [entry["Id"] for entry in answer["Successful"]] == ["good"]
    assert [(entry["Id"], entry["Code"]) for entry in answer["Failed"]] == [
        ("none", "ReceiptHandleIsInvalid")
    ]


def test_a_purged_queue_is_empty(make: Callable[..., Queue]) -> None:
    queue = make()
    for _ in range(3):
        queue.send()
    (message,) = queue.receive(1)
    queue.client.purge_queue(QueueUrl=queue.url)
    assert queue.counts() == (0, 0, 0)
    queue.delete(message)
    queue.send("next")
    assert queue.bodies() == ["next"]


def test_a_long_poll_ends_with_its_queue(make: Callable[..., Queue]) -> None:
    queue = make()
    found: list[object] = []

    def poll() -> None:
        try:
            found.append(queue.bodies(WaitTimeSeconds=20))
        except ClientError as error:  # the queue was gone before the request came
            found.append(error.response["Error"]["Code"])

    thread = threading.Thread(target=poll)
    started_s = time.monotonic()
    thread.start()
    queue.client.delete_queue(QueueUrl=queue.url)
    thread.join(20)
    assert found in ([[]], ["AWS.SimpleQueueService.NonExistentQueue"])
    assert time.monotonic() - started_s < 15


def test_topics_and_buses_send_to_the_same_queues(lab: Served, make: Callable[..., Queue]) -> None:
    queue = make()
    sns, events = lab.client("sns"), lab.client("events")
    topic = sns.create_topic(Name=queue.name)["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue.arn)
    sns.publish(TopicArn=topic, Message="from a topic")
    assert json.loads(queue.bodies()[0])["Message"] == "from a topic"
    events.put_rule(Name=queue.name, EventPattern='{"source": ["test"]}')
    events.put_targets(Rule=queue.name, Targets=[{"Id": "q", "Arn": queue.arn}])
    events.put_events(Entries=[{"Source": "test", "DetailType": "t", "Detail": '{"a": 1}'}])
    assert json.loads(queue.bodies()[0])["detail"] == {"a": 1}


def test_two_thousand_messages_are_received_and_deleted_once_each(
    make: Callable[..., Queue],
) -> None:
    queue = make()
    for start in range(0, 2_000, 10):
        queue.client.send_message_batch(
            QueueUrl=queue.url,
            Entries=[{"Id": str(n), "MessageBody": str(start + n)} for n in range(10)],
        )
    assert queue.counts() == (2_000, 0, 0)
    bodies = []
    while messages := queue.receive():
        bodies += [int(message["Body"]) for message in messages]
        queue.client.delete_message_batch(
            QueueUrl=queue.url,
            Entries=[
                {"Id": str(n), "ReceiptHandle": message["ReceiptHandle"]}
                for n, message in enumerate(messages)
            ],
        )
    assert bodies == list(range(2_000))
    assert queue.counts() == (0, 0, 0)
