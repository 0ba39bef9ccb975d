"""The messages of SQS, without moto: its queues are played by plain objects."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labkit.live.clock import LabClock
from labkit.live.moto_seam.sqs import ExpiredHandleError, QueueHandle, QueueStore
from labkit.live.moto_seam.sqs_messages import ReceiptHandleError

PREFIX = "arn:aws:sqs:us-east-1:123456789012:"


class MotoQueue:
    """What the store reads of moto's queue."""


class Lab:
    """A store of queues, whose real time stands still."""

    def __init__(self) -> None:
        self.clock = LabClock(lambda: 1_000_000.0)
        self.queues: dict[str, Any] = {}
        self.store = QueueStore(self.clock, self.queues.get)

    def make(self, name: str = "q", **options: Any) -> QueueHandle:
        values = {
            "queue_arn": PREFIX + name,
            "fifo_queue": name.endswith(".fifo"),
            "deduplication_scope": "queue",
            "message_retention_period": 345_600,
            "visibility_timeout": 30,
            "redrive_policy": None,
        }
        queue = MotoQueue()
        queue.__dict__.update(values | options)
        self.queues[PREFIX + name] = queue
        handle = self.store.find(PREFIX + name)
        assert handle is not None
        return handle

    def send(self, handle: QueueHandle, body: str = "m", **options: Any) -> None:
        self.store.send(
            self.queues[handle.arn],
            body,
            **{
                "attributes": {},
                "md5_of_attributes": None,
                "size_bytes": len(body),
                "delay_s": 0,
                "group_id": None,
                "deduplication_id": None,
                "trace_header": None,
                **options,
            },
        )


@pytest.fixture
def lab() -> Iterator[Lab]:
    lab = Lab()
    yield lab
    lab.clock.close()


def test_there_are_handles_only_of_queues_that_exist(lab: Lab) -> None:
    handle = lab.make()
    assert lab.store.find(PREFIX + "other") is None
    assert (handle.arn, handle.fifo, handle.exists) == (PREFIX + "q", False, True)
    lab.make()
    assert not handle.exists
    assert lab.store.find(PREFIX + "q").exists  # type: ignore[union-attr]


def test_a_poller_s_round(lab: Lab) -> None:
    """Receive, see nothing while in flight, give one back, delete the other."""
    queue = lab.make()
    for body in ("a", "b"):
        lab.send(queue, body)
    assert queue.visible_count() == 2
    first, second = queue.receive(10)
    assert (queue.visible_count(), queue.receive(10)) == (0, [])
    assert queue.next_visible_ms() == lab.clock.now_ms() + 30_000
    queue.make_visible([second.receipt_handle])
    queue.delete([first.receipt_handle, first.receipt_handle])
    assert [message.body for message in queue.receive(10)] == ["b"]
    lab.clock.advance(31)
    (again,) = queue.receive(10)
    assert again.attributes["ApproximateReceiveCount"] == "3"
    queue.make_visible([second.receipt_handle, "nonsense"])
    queue.delete(["nonsense"])
    assert queue.visible_count() == 0


def test_the_visibility_timeout_is_that_of_the_moment(lab: Lab) -> None:
    queue = lab.make()
    lab.queues[queue.arn].visibility_timeout = 90
    lab.send(queue)
    queue.receive(1)
    assert queue.visibility_timeout_s == 90
    assert queue.next_visible_ms() == lab.clock.now_ms() + 90_000


def test_busy_groups_are_passed_over(lab: Lab) -> None:
    queue = lab.make("q.fifo")
    for number, group in enumerate("aab"):
        lab.send(queue, str(number), group_id=group, deduplication_id=str(number))
    messages = queue.receive(10, frozenset("a"))
    assert [(message.group_id, message.body) for message in messages] == [("b", "2")]
    assert queue.visible_count() == 2
    assert [message.body for message in queue.receive(10)] == ["0", "1"]


def test_a_late_delete_from_a_fifo_queue_deletes_nothing(lab: Lab) -> None:
    queue = lab.make("q.fifo")
    lab.send(queue, group_id="g", deduplication_id="1")
    (late,) = queue.receive(1)
    lab.clock.advance(31)
    queue.delete([late.receipt_handle])
    with pytest.raises(ExpiredHandleError):
        lab.store.delete(lab.queues[queue.arn], late.receipt_handle)
    assert len(queue.receive(1)) == 1


def test_the_record_of_a_message(lab: Lab) -> None:
    queue = lab.make("q.fifo")
    lab.send(
        queue,
        "body",
        group_id="g",
        deduplication_id="d",
        trace_header="Root=1",
        md5_of_attributes="md5",
        size_bytes=44,
        attributes={
            "s": {"DataType": "String", "StringValue": "x"},
            "b": {"DataType": "Binary", "BinaryValue": b"\x00\x01"},
        },
    )
    now_ms = lab.clock.now_ms()
    (message,) = queue.receive(1)
    assert message.md5_of_body == "841a2d689ad86bd1611447453c22c6fc"
    assert message.md5_of_message_attributes == "md5"
    assert (message.group_id, message.size_bytes, message.sent_ms) == ("g", 44, now_ms)
    assert message.message_attributes == {
        "s": {
            "stringValue": "x",
            "stringListValues": [],
            "binaryListValues": [],
            "dataType": "String",
        },
        "b": {
            "binaryValue": "AAE=",
            "stringListValues": [],
            "binaryListValues": [],
            "dataType": "Binary",
        },
    }
    assert len(message.attributes["SequenceNumber"]) == 20
    assert list(message.attributes) == [
        "ApproximateReceiveCount",
        "AWSTraceHeader",
        "SentTimestamp",
        "SequenceNumber",
        "MessageGroupId",
        "SenderId",
        "MessageDeduplicationId",
        "ApproximateFirstReceiveTimestamp",
    ]
    assert message.attributes["SentTimestamp"] == str(int(now_ms))


def test_watchers_hear_of_all_but_time(lab: Lab) -> None:
    queue = lab.make()
    heard: list[str] = []
    event = "sent"
    unwatch = queue.watch(lambda: heard.append(event))
    lab.send(queue)
    (message,) = queue.receive(1)
    event = "changed"
    queue.make_visible([message.receipt_handle])
    event = "purged"
    lab.store.purge(lab.queues[queue.arn])
    event = "deleted"
    lab.store.tell_deleted()
    del lab.queues[queue.arn]
    lab.store.tell_deleted()
    assert heard == ["sent", "changed", "purged", "deleted"]
    unwatch()
    unwatch()
    lab.store.tell_deleted()
    assert len(heard) == 4


def test_watchers_of_a_dead_letter_queue_hear_of_what_it_gets(lab: Lab) -> None:
    dead = lab.make("dead")
    queue = lab.make(redrive_policy={"deadLetterTargetArn": dead.arn, "maxReceiveCount": 1})
    lab.send(queue, "poison")
    heard = threading.Event()
    dead.watch(heard.set)
    queue.receive(1)
    lab.clock.advance(31)
    assert queue.receive(1) == []
    assert heard.is_set()
    (message,) = dead.receive(1)
    assert message.attributes["DeadLetterQueueSourceArn"] == queue.arn


def test_a_fifo_delete_lets_the_next_of_the_group_be_received(lab: Lab) -> None:
    queue = lab.make("q.fifo")
    for number in range(2):
        lab.send(queue, str(number), group_id="g", deduplication_id=str(number))
    (first,) = queue.receive(1)
    heard = threading.Event()
    queue.watch(heard.set)
    assert queue.visible_count() == 0
    queue.delete([first.receipt_handle])
    assert heard.is_set()
    assert queue.visible_count() == 1


def test_many_threads_receive_each_message_once(lab: Lab) -> None:
    queue = lab.make()
    for number in range(2_000):
        lab.send(queue, str(number))
    found: list[str] = []

    def drain() -> None:
        while messages := queue.receive(10):
            found.extend(message.body for message in messages)
            queue.delete([message.receipt_handle for message in messages])

    threads = [threading.Thread(target=drain) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(found, key=int) == [str(number) for number in range(2_000)]
    assert lab.store.counts(lab.queues[queue.arn]) == (0, 0, 0)


@settings(max_examples=50)
@given(text=st.text(max_size=30) | st.binary(max_size=30).map(repr))
def test_what_is_no_handle_is_refused(text: str) -> None:
    lab = Lab()
    queue = lab.make()
    with pytest.raises(ReceiptHandleError):
        lab.store.delete(lab.queues[queue.arn], text)
    lab.clock.close()


def test_twelve_hours_are_the_longest_visibility_timeout(lab: Lab) -> None:
    queue = lab.make()
    lab.send(queue)
    (message,) = queue.receive(1)
    lab.clock.advance(20)
    own = lab.queues[queue.arn]
    with pytest.raises(ValueError, match="43181"):
        lab.store.change_visibility(own, message.receipt_handle, 43_181)
    lab.store.change_visibility(own, message.receipt_handle, 43_180)
    assert queue.next_visible_ms() == lab.clock.now_ms() + 43_180_000
