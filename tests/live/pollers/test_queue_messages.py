"""Messages on their way into an event: records, filters, traces."""

from __future__ import annotations

import json
from collections.abc import Mapping

from memory_queue import ReceivedMessage

from labkit.live.pollers.queue_messages import sort_out, trace_header

ARN = "arn:aws:sqs:us-east-1:123456789012:orders"


def message(name: str, body: str = "{}", **attributes: str) -> ReceivedMessage:
    return ReceivedMessage(name, f"{name}-handle", body, attributes)


class Keeps:
    """Filters that keep one body."""

    def __init__(self, body: str) -> None:
        self.body = body

    def matches(self, record: Mapping[str, object], source: str) -> bool:
        assert source == "sqs"
        return record["body"] == self.body


def test_the_records_are_ready_for_the_payload() -> None:
    (received,), others = sort_out([message("m1", "é", SentTimestamp="1")], ARN, None)
    record = json.loads(received.record)
    assert (record["messageId"], record["body"]) == ("m1", "é")
    assert (record["receiptHandle"], record["eventSourceARN"]) == ("m1-handle", ARN)
    assert record["attributes"] == {"SentTimestamp": "1"}
    assert received.size_bytes == len(received.record)
    assert received.group_id is None
    assert others == []


def test_two_receives_of_a_message_are_equal() -> None:
    matching, _ = sort_out([message("m1", "a"), message("m1", "b"), message("m2")], ARN, None)
    assert matching[0] == matching[1] != matching[2]
    assert len(set(matching)) == 2
    assert matching[0] != "m1"


def test_filters_sort_messages_out_in_order() -> None:
    messages = [message("m1", "a"), message("m2", "b"), message("m3", "a")]
    matching, others = sort_out(messages, ARN, Keeps("a"))
    assert [received.message.message_id for received in matching] == ["m1", "m3"]
    assert [other.message_id for other in others] == ["m2"]


def test_the_first_trace_goes_on() -> None:
    messages = [message("m1"), message("m2", AWSTraceHeader="two"), message("m3")]
    matching, _ = sort_out(messages, ARN, None)
    assert trace_header(matching) == "two"
    assert trace_header(matching[:1]) is None
