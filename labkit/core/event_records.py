"""The records of the events that event source mappings hand to a function.

Source: developer guide, the page of each event source; order of the keys and fields that may be
null as recorded from the service.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping

from labkit.core.dynamodb_items import Item, item_bytes


def sqs_record(
    *,
    message_id: str,
    receipt_handle: str,
    body: str,
    attributes: Mapping[str, str],
    message_attributes: Mapping[str, Mapping[str, object]],
    md5_of_body: str,
    md5_of_message_attributes: str | None,
    queue_arn: str,
) -> dict[str, object]:
    """Return the record of one SQS message.

    `attributes` are the system attributes, all texts; `message_attributes` has for each name
    stringValue or binaryValue, stringListValues, binaryListValues and dataType.
    """
    return {
        "messageId": message_id,
        "receiptHandle": receipt_handle,
        "body": body,
        "attributes": dict(attributes),
        "messageAttributes": {name: dict(value) for name, value in message_attributes.items()},
        "md5OfMessageAttributes": md5_of_message_attributes,
        "md5OfBody": md5_of_body,
        "eventSource": "aws:sqs",
        "eventSourceARN": queue_arn,
        "awsRegion": queue_arn.split(":")[3],
    }


def kinesis_record(
    *,
    partition_key: str,
    sequence_number: str,
    data: str,
    arrived_ms: float,
    shard_id: str,
    stream_arn: str,
    role_arn: str,
) -> dict[str, object]:
    """Return the record of one Kinesis record; `data` is in base64."""
    return {
        "kinesis": {
            "kinesisSchemaVersion": "1.0",
            "partitionKey": partition_key,
            "sequenceNumber": sequence_number,
            "data": data,
            "approximateArrivalTimestamp": math.floor(arrived_ms) / 1000,
        },
        "eventSource": "aws:kinesis",
        "eventVersion": "1.0",
        "eventID": f"{shard_id}:{sequence_number}",
        "eventName": "aws:kinesis:record",
        "invokeIdentityArn": role_arn,
        "awsRegion": stream_arn.split(":")[3],
        "eventSourceARN": stream_arn,
    }


def dynamodb_record(
    *,
    event_id: str,
    event_name: str,
    keys: Item,
    new_image: Item | None,
    old_image: Item | None,
    sequence_number: str,
    arrived_ms: float,
    view_type: str,
    stream_arn: str,
) -> dict[str, object]:
    """Return the record of one change of a DynamoDB item.

    `event_name` is INSERT, MODIFY or REMOVE. Keys and images have DynamoDB's type descriptors, with
    binary values in base64; which of the images show is up to `view_type`.
    """
    change: dict[str, object] = {
        "ApproximateCreationDateTime": float(arrived_ms // 1000),
        "Keys": keys,
    }
    images = {}
    if new_image is not None and view_type in ("NEW_IMAGE", "NEW_AND_OLD_IMAGES"):
        images["NewImage"] = new_image
    if old_image is not None and view_type in ("OLD_IMAGE", "NEW_AND_OLD_IMAGES"):
        images["OldImage"] = old_image
    change |= images
    change["SequenceNumber"] = sequence_number
    change["SizeBytes"] = item_bytes(keys) + sum(map(item_bytes, images.values()))
    change["StreamViewType"] = view_type
    return {
        "eventID": event_id,
        "eventName": event_name,
        "eventVersion": "1.1",
        "eventSource": "aws:dynamodb",
        "awsRegion": stream_arn.split(":")[3],
        "dynamodb": change,
        "eventSourceARN": stream_arn,
    }


def encode_record(record: Mapping[str, object]) -> bytes:
    """Return a record as it stands in the payload: JSON without blanks, in UTF-8."""
    # A lone surrogate has no UTF-8; the event must reach the function all the same.
    text = json.dumps(record, ensure_ascii=False, separators=(",", ":"))
    return text.encode("utf-8", "replace")


def event_payload(records: Iterable[bytes], fields: Mapping[str, object] | None = None) -> bytes:
    """Return the payload that holds these encoded records, and further fields behind them."""
    text = b'{"Records":[' + b",".join(records) + b"]"
    return text + (b"," + encode_record(fields)[1:] if fields else b"}")
