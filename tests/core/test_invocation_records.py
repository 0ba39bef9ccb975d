from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit.core.invocation_records import (
    LastError,
    LastResponse,
    dead_letter_attributes,
    encoded,
    event_bus_entry,
    function_error,
    invocation_record,
    object_key,
    qualified,
    timestamp,
)

ARN = "arn:aws:lambda:us-east-1:123456789012:function:work"
NOW_MS = 1_764_109_105_123.9  # 2025-11-25T22:18:25.123Z
REQUEST_ID = "8f2d1fd5-0c3a-4a5c-9b1e-1f2a3b4c5d6e"
ERROR = {"errorMessage": "no", "errorType": "Exception", "requestId": REQUEST_ID, "stackTrace": []}
FAILED = LastResponse(json.dumps(ERROR).encode(), "$LATEST", "Unhandled")


def record(**changes: Any) -> dict[str, Any]:
    given: dict[str, Any] = {
        "now_ms": NOW_MS,
        "request_id": REQUEST_ID,
        "function_arn": ARN,
        "condition": "RetriesExhausted",
        "invoke_count": 3,
        "request_payload": b'{"raise_error": 1}',
        "response": FAILED,
    }
    return invocation_record(**{**given, **changes})


def test_the_record_of_a_failure() -> None:
    expected = {
        "version": "1.0",
        "timestamp": "2025-11-25T22:18:25.123Z",
        "requestContext": {
            "requestId": REQUEST_ID,
            "functionArn": ARN + ":$LATEST",
            "condition": "RetriesExhausted",
            "approximateInvokeCount": 3,
        },
        "requestPayload": {"raise_error": 1},
        "responseContext": {
            "statusCode": 200,
            "executedVersion": "$LATEST",
            "functionError": "Unhandled",
        },
        "responsePayload": ERROR,
    }
    assert encoded(record()) == json.dumps(expected, separators=(",", ":"))


def test_the_record_of_a_success_names_no_error() -> None:
    found = record(
        condition="Success",
        invoke_count=1,
        function_arn=ARN + ":live",
        response=LastResponse(b'"done"', "7"),
    )
    assert found["responseContext"] == {"statusCode": 200, "executedVersion": "7"}
    assert found["responsePayload"] == "done"
    assert found["requestContext"]["functionArn"] == ARN + ":live"


def test_the_record_of_an_event_that_never_ran() -> None:
    found = record(condition="ZeroReservedConcurrency", invoke_count=0, response=None)
    assert list(found) == ["version", "timestamp", "requestContext", "requestPayload"]
    assert found["requestContext"]["approximateInvokeCount"] == 0


@pytest.mark.parametrize(
    ("succeeded", "detail_type"),
    [
        (True, "Lambda Function Invocation Result - Success"),
        (False, "Lambda Function Invocation Result - Failure"),
    ],
)
def test_on_an_event_bus_the_record_is_the_detail(succeeded: bool, detail_type: str) -> None:
    bus = "arn:aws:events:us-east-1:123456789012:event-bus/results"
    assert event_bus_entry(record(), bus_arn=bus, function_arn=ARN, succeeded=succeeded) == {
        "EventBusName": bus,
        "Source": "lambda",
        "DetailType": detail_type,
        "Resources": [bus, ARN + ":$LATEST"],
        "Detail": encoded(record()),
    }


def test_a_dead_letter_tells_the_error() -> None:
    assert function_error(FAILED) == LastError(200, "no")
    assert dead_letter_attributes(REQUEST_ID, function_error(FAILED)) == {
        "RequestID": ("String", REQUEST_ID),
        "ErrorCode": ("Number", "200"),
        "ErrorMessage": ("String", "no"),
    }


def test_an_answer_without_an_error_message_is_told_as_it_is() -> None:
    assert function_error(LastResponse(b'{"x": 1}', "1", "Unhandled")).message == '{"x": 1}'
    assert function_error(LastResponse(b"\xffno JSON", "1", "Unhandled")).message.endswith("JSON")


def test_an_empty_error_message_is_left_out() -> None:
    assert "ErrorMessage" not in dead_letter_attributes(REQUEST_ID, LastError(200, ""))


@given(st.text(st.characters(codec="utf-8"), min_size=1, max_size=2_000))
def test_an_error_message_is_at_most_1_kb_and_still_text(message: str) -> None:
    kind, value = dead_letter_attributes(REQUEST_ID, LastError(200, message))["ErrorMessage"]
    assert kind == "String"
    assert message.startswith(value)
    assert len(value.encode()) <= 1024
    if len(message.encode()) > 1024:
        assert len(value.encode()) > 1020


def test_a_lone_surrogate_reaches_its_destination() -> None:
    text = encoded(record(request_payload=b'{"text": "\\ud800 \\u00e9"}'))
    assert json.loads(text.encode())["requestPayload"] == {"text": "\ud800 \u00e9"}
    answer = LastResponse(b'{"errorMessage": "no \\ud800"}', "$LATEST", "Unhandled")
    attributes = dead_letter_attributes(REQUEST_ID, function_error(answer))
    assert attributes["ErrorMessage"] == ("String", "no ?")


def test_an_answer_that_is_nested_too_deeply_is_told_as_text() -> None:
    deep = b"[" * 100_000 + b"]" * 100_000
    answer = LastResponse(deep, "$LATEST", "Unhandled")
    assert function_error(answer).message == deep.decode()
    assert json.loads(encoded(record(response=answer)))["responsePayload"] == deep.decode()


def test_keys_of_objects() -> None:
    assert object_key("async/work", NOW_MS, "11-22") == (
        "aws/lambda/async/work/2025/11/25/2025-11-25T22.18.25-11-22"
    )


def test_texts() -> None:
    assert timestamp(0.0) == "1970-01-01T00:00:00.000Z"
    assert timestamp(999.99) == "1970-01-01T00:00:00.999Z"
    assert qualified(ARN) == ARN + ":$LATEST"
    assert qualified(ARN + ":3") == ARN + ":3"
    assert encoded({"ä": "ß"}) == '{"ä":"ß"}'
