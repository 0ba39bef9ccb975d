"""What SQS refuses of the messages sent to it, in the words of its API."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Any, Final

BATCH_MAX: Final = 10
_BATCH_BYTES_MAX: Final = 1_048_576
_DELAY_S_MAX: Final = 900
_ENTRY_ID: Final = re.compile(r"[\w-]{1,80}", re.ASCII)


def check_batch(entries: list[dict[str, Any]]) -> None:
    """Raise SQS's error for a batch that is refused as a whole."""
    from moto.sqs import exceptions

    if not entries:
        raise exceptions.EmptyBatchRequest
    if len(entries) > BATCH_MAX:
        raise exceptions.TooManyEntriesInBatchRequest(len(entries))
    seen = set()
    for entry in entries:
        if _ENTRY_ID.fullmatch(entry["Id"]) is None:
            raise exceptions.InvalidBatchEntryId
        if entry["Id"] in seen:
            raise exceptions.BatchEntryIdsNotDistinct(entry["Id"])
        seen.add(entry["Id"])
    total_bytes = sum(
        size_bytes(entry["MessageBody"], entry.get("MessageAttributes") or {}) for entry in entries
    )
    if total_bytes > _BATCH_BYTES_MAX:
        raise exceptions.BatchRequestTooLong(total_bytes)


def check_range(name: str, value: int, low: int, high: int, rule: str) -> None:
    """Raise SQS's error for a parameter that is not from `low` to `high`."""
    from moto.sqs.exceptions import InvalidParameterValue

    if not low <= value <= high:
        raise InvalidParameterValue(
            f"Value {value} for parameter {name} is invalid. Reason: {rule}, if provided."
        )


def check_size(size_bytes: int, bytes_max: int) -> None:
    """Raise SQS's error for a message that is too large for its queue."""
    from moto.sqs.exceptions import InvalidParameterValue

    if size_bytes > bytes_max:
        raise InvalidParameterValue(
            "One or more parameters are invalid. Reason: Message must be shorter than "
            f"{bytes_max} bytes."
        )


def delay_s(queue: Any, given: int | None) -> int:
    """Return how long a message is delayed: its own delay, or the queue's.

    Raises SQS's error for a delay that the queue does not take.
    """
    from moto.sqs.exceptions import InvalidParameterValue

    own: int = queue.delay_seconds
    if given is None:
        return own
    reason = None
    if queue.fifo_queue and int(given) > 0:
        reason = "The request include parameter that is not valid for this queue type."
    elif not 0 <= int(given) <= _DELAY_S_MAX:
        reason = f"DelaySeconds must be >= 0 and <= {_DELAY_S_MAX}."
    if reason is not None:
        raise InvalidParameterValue(
            f"Value {given} for parameter DelaySeconds is invalid. Reason: {reason}"
        )
    return own if queue.fifo_queue else int(given)


def deduplication_id(queue: Any, body: str, group_id: str | None, given: str | None) -> str:
    """Return the deduplication id of a message of a FIFO queue.

    Raises SQS's error if it, or the message group, is missing.
    """
    from moto.sqs.exceptions import InvalidParameterValue, MissingParameter

    if not group_id:
        raise MissingParameter("MessageGroupId")
    if given:
        return given
    if not queue.content_based_deduplication:
        raise InvalidParameterValue(
            "The queue should either have ContentBasedDeduplication enabled or "
            "MessageDeduplicationId provided explicitly"
        )
    return hashlib.sha256(body.encode()).hexdigest()


def size_bytes(body: str, attributes: Mapping[str, Mapping[str, Any]]) -> int:
    """Return the size that SQS counts: the body, and each attribute's name, type and value."""
    size = len(body.encode())
    for name, attribute in attributes.items():
        value = attribute.get("StringValue") or attribute.get("BinaryValue") or ""
        size += len(name.encode()) + len(attribute["DataType"]) + len(_bytes(value))
    return size


def _bytes(value: str | bytes) -> bytes:
    return value.encode() if isinstance(value, str) else value


def invalid_handle(handle: str, reason: str) -> Exception:
    """Return SQS's error for a receipt handle that was once right."""
    from moto.sqs.exceptions import InvalidParameterValue

    return InvalidParameterValue(
        f"Value {handle} for parameter ReceiptHandle is invalid. Reason: {reason}"
    )
