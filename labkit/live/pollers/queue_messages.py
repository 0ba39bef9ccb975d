"""Messages of a queue on their way into a function's event."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from labkit.core.event_records import encode_record, sqs_record
from labkit.live.pollers.queue_port import Filters, ReceivedMessage


@dataclass(frozen=True, slots=True, eq=False)
class Received:
    """A message and its record, ready for the payload. Receives of one message are equal."""

    message: ReceivedMessage
    record: bytes

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Received) and other.message.message_id == self.message.message_id

    def __hash__(self) -> int:
        return hash(self.message.message_id)

    @property
    def size_bytes(self) -> int:
        """The size of the record in the event."""
        return len(self.record)

    @property
    def group_id(self) -> str | None:
        """The message group."""
        return self.message.group_id


def sort_out(
    messages: Iterable[ReceivedMessage], queue_arn: str, filters: Filters | None
) -> tuple[list[Received], list[ReceivedMessage]]:
    """Return the messages that match the filters, with their records, and the others."""
    matching, others = [], []
    for message in messages:
        record = sqs_record(
            message_id=message.message_id,
            receipt_handle=message.receipt_handle,
            body=message.body,
            attributes=message.attributes,
            message_attributes=message.message_attributes,
            md5_of_body=message.md5_of_body,
            md5_of_message_attributes=message.md5_of_message_attributes,
            queue_arn=queue_arn,
        )
        if filters is None or filters.matches(record, "sqs"):
            matching.append(Received(message, encode_record(record)))
        else:
            others.append(message)
    return matching, others


def trace_header(messages: Iterable[Received]) -> str | None:
    """Return the trace of the first message that was sent in one."""
    headers = (received.message.attributes.get("AWSTraceHeader") for received in messages)
    return next((header for header in headers if header), None)
