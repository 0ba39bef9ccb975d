"""Records of the events that mappings hand over: keys, their order, nulls, encoding."""

import json

from hypothesis import given
from hypothesis import strategies as st

from labkit.core.event_records import encode_record, event_payload, sqs_record

QUEUE_ARN = "arn:aws:sqs:eu-west-1:123456789012:orders"


def record(**changes: object) -> dict[str, object]:
    values: dict[str, object] = {
        "message_id": "id",
        "receipt_handle": "handle",
        "body": "hello",
        "attributes": {"ApproximateReceiveCount": "1", "SentTimestamp": "1"},
        "message_attributes": {},
        "md5_of_body": "5d41402abc4b2a76b9719d911017c592",
        "md5_of_message_attributes": None,
        "queue_arn": QUEUE_ARN,
    }
    return sqs_record(**{**values, **changes})  # type: ignore[arg-type]


def test_the_record_of_a_message_without_attributes() -> None:
    assert list(record().items()) == [
        ("messageId", "id"),
        ("receiptHandle", "handle"),
        ("body", "hello"),
        ("attributes", {"ApproximateReceiveCount": "1", "SentTimestamp": "1"}),
        ("messageAttributes", {}),
        ("md5OfMessageAttributes", None),
        ("md5OfBody", "5d41402abc4b2a76b9719d911017c592"),
        ("eventSource", "aws:sqs"),
        ("eventSourceARN", QUEUE_ARN),
        ("awsRegion", "eu-west-1"),
    ]


def test_message_attributes_are_passed_on() -> None:
    color = {
        "stringValue": "red",
        "stringListValues": [],
        "binaryListValues": [],
        "dataType": "String",
    }
    made = record(message_attributes={"color": color}, md5_of_message_attributes="x")
    assert made["messageAttributes"] == {"color": color}
    assert made["md5OfMessageAttributes"] == "x"


def test_records_are_encoded_without_blanks_in_utf8() -> None:
    assert encode_record({"body": "é", "n": None}) == '{"body":"é","n":null}'.encode()


def test_a_lone_surrogate_does_not_stop_the_event() -> None:
    assert json.loads(encode_record({"body": "\ud800"})) == {"body": "?"}


def test_the_payload_of_no_record() -> None:
    assert json.loads(event_payload([])) == {"Records": []}


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]))))
def test_what_is_encoded_is_read_back(bodies: list[str]) -> None:
    records = [record(body=body) for body in bodies]
    payload = event_payload(encode_record(one) for one in records)
    assert json.loads(payload) == {"Records": records}
    size = sum(len(encode_record(one)) for one in records) + max(0, len(records) - 1)
    assert len(payload) == size + len('{"Records":[]}')
