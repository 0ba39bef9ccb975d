"""The messages of SQS: as they were sent, as they were received, and the handles of a receive."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from labkit.core.message_queue import Held

_SENDER_ID: Final = "AIDAIT2UOQQY3AUEKVGXU"


@dataclass(frozen=True, slots=True)
class Sent:
    """A message as it was sent; `attributes` as SQS's API has them."""

    message_id: str
    body: str
    md5_of_body: str
    attributes: Mapping[str, Mapping[str, Any]]
    md5_of_attributes: str | None
    size_bytes: int
    sent_ms: float
    trace_header: str | None = None
    group_id: str | None = None
    deduplication_id: str | None = None
    sequence_number: str | None = None
    source_arn: str | None = None
    """The queue that gave it up, in a dead-letter queue."""


@dataclass(frozen=True, slots=True)
class ReceivedMessage:
    """A message as it was received, in the form of the Lambda record."""

    sent: Sent
    receipt_handle: str
    attributes: dict[str, str]

    @property
    def message_id(self) -> str:
        return self.sent.message_id

    @property
    def body(self) -> str:
        return self.sent.body

    @property
    def md5_of_body(self) -> str:
        return self.sent.md5_of_body

    @property
    def md5_of_message_attributes(self) -> str | None:
        return self.sent.md5_of_attributes

    @property
    def group_id(self) -> str | None:
        return self.sent.group_id

    @property
    def size_bytes(self) -> int:
        """The size of body and attributes as SQS counts it."""
        return self.sent.size_bytes

    @property
    def sent_ms(self) -> float:
        return self.sent.sent_ms

    @property
    def message_attributes(self) -> dict[str, dict[str, Any]]:
        """The message attributes with the names that Lambda's record gives them."""
        return {name: _lambda_attribute(value) for name, value in self.sent.attributes.items()}


class ReceiptHandleError(Exception):
    """No message of the queue was ever received with this handle."""


def received(held: Held[Sent], secret: str) -> ReceivedMessage:
    """Return a message as its last receive gave it; `secret` is the queue's own."""
    text = f"{secret}/{held.number}/{held.receive_count}"
    handle = base64.b64encode(text.encode()).decode()
    return ReceivedMessage(held.content, handle, _system_attributes(held))


def read_handle(receipt_handle: str, secret: str) -> tuple[int, int]:
    """Return the number of a handle's message and that of its receive.

    Raises ReceiptHandleError for what is no handle of the queue with this `secret`.
    """
    try:
        text = base64.b64decode(receipt_handle, validate=True).decode("ascii")
        given, number, count = text.split("/")
        if given != secret:
            raise ReceiptHandleError
        return int(number), int(count)
    except ValueError:
        raise ReceiptHandleError from None


def _system_attributes(held: Held[Sent]) -> dict[str, str]:
    """The attributes in the order of Lambda's record."""
    sent = held.content
    values: dict[str, object] = {
        "ApproximateReceiveCount": held.receive_count,
        "AWSTraceHeader": sent.trace_header,
        "SentTimestamp": int(sent.sent_ms),
        "SequenceNumber": sent.sequence_number,
        "MessageGroupId": sent.group_id,
        "SenderId": _SENDER_ID,
        "MessageDeduplicationId": sent.deduplication_id,
        "ApproximateFirstReceiveTimestamp": int(held.first_received_ms or 0),
        "DeadLetterQueueSourceArn": sent.source_arn,
    }
    return {name: str(value) for name, value in values.items() if value is not None}


def _lambda_attribute(value: Mapping[str, Any]) -> dict[str, Any]:
    """One message attribute as Lambda's record has it. Source: recorded events."""
    attribute: dict[str, Any] = {}
    if value.get("StringValue") is not None:
        attribute["stringValue"] = value["StringValue"]
    if value.get("BinaryValue") is not None:
        binary = value["BinaryValue"]
        encoded = base64.b64encode(binary).decode() if isinstance(binary, bytes) else binary
        attribute["binaryValue"] = encoded
    return {
        **attribute,
        "stringListValues": [],
        "binaryListValues": [],
        "dataType": value["DataType"],
    }
