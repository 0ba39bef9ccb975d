"""What destinations and dead-letter queues are told about an asynchronous invocation.

Source: developer guide, "Capturing records of Lambda asynchronous invocations"; the fields, their
order and their types as recorded from the service.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from labkit.core import quotas
from labkit.core.names import LATEST
from labkit.core.payloads import refuse_constant

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
FUNCTION_ERROR_STATUS: Final = 200
"""The service answers 200 for an invocation whose function failed."""


@dataclass(frozen=True, slots=True)
class LastResponse:
    """What the last attempt that ran answered; `function_error` is None if it succeeded."""

    payload: bytes
    executed_version: str
    function_error: str | None = None


@dataclass(frozen=True, slots=True)
class LastError:
    """Why an event could not be done: `code` is the status of HTTP, `message` the text."""

    code: int
    message: str


def invocation_record(
    *,
    now_ms: float,
    request_id: str,
    function_arn: str,
    condition: str,
    invoke_count: int,
    request_payload: bytes,
    response: LastResponse | None,
) -> dict[str, Any]:
    """Return the record of a finished event for its destination.

    `function_arn` is what was invoked: an ARN without a qualifier gets $LATEST. `response` is None
    if the function never ran.
    """
    record: dict[str, Any] = {
        "version": "1.0",
        "timestamp": timestamp(now_ms),
        "requestContext": {
            "requestId": request_id,
            "functionArn": qualified(function_arn),
            "condition": condition,
            "approximateInvokeCount": invoke_count,
        },
        "requestPayload": _value(request_payload),
    }
    if response is not None:
        context: dict[str, Any] = {
            "statusCode": FUNCTION_ERROR_STATUS,
            "executedVersion": response.executed_version,
        }
        if response.function_error is not None:
            context["functionError"] = response.function_error
        record["responseContext"] = context
        record["responsePayload"] = _value(response.payload)
    return record


def event_bus_entry(
    record: dict[str, Any], *, bus_arn: str, function_arn: str, succeeded: bool
) -> dict[str, Any]:
    """Return the entry of PutEvents that carries a record to an event bus."""
    outcome = "Success" if succeeded else "Failure"
    return {
        "EventBusName": bus_arn,
        "Source": "lambda",
        "DetailType": f"Lambda Function Invocation Result - {outcome}",
        "Resources": [bus_arn, qualified(function_arn)],
        "Detail": encoded(record),
    }


def function_error(response: LastResponse) -> LastError:
    """Return what the dead-letter queue is told about an error of the function."""
    payload = _value(response.payload)
    message = payload.get("errorMessage") if isinstance(payload, dict) else None
    if not isinstance(message, str):
        message = response.payload.decode(errors="replace")
    return LastError(FUNCTION_ERROR_STATUS, message)


def dead_letter_attributes(request_id: str, error: LastError) -> dict[str, tuple[str, str]]:
    """Return the message attributes of a dead letter: name to data type and value."""
    attributes = {
        "RequestID": ("String", request_id),
        "ErrorCode": ("Number", str(error.code)),
    }
    message = error.message.encode(errors="replace")[: quotas.DEAD_LETTER_ERROR_MESSAGE_MAX_BYTES]
    if message:  # a message attribute cannot be empty
        attributes["ErrorMessage"] = ("String", message.decode(errors="ignore"))
    return attributes


def object_key(folder: str, now_ms: float, object_id: str) -> str:
    """Return the S3 key of a record: `folder` is the function, or the mapping and the shard.

    `object_id` is a random UUID.
    """
    moment = _moment(now_ms)
    return f"aws/lambda/{folder}/{moment:%Y/%m/%d}/{moment:%Y-%m-%dT%H.%M.%S}-{object_id}"


def encoded(record: dict[str, Any]) -> str:
    """Return a record as JSON, without blanks."""
    text = json.dumps(record, separators=(",", ":"), ensure_ascii=False)
    try:
        text.encode()
    except UnicodeEncodeError:  # a lone surrogate, which JSON can hold only escaped
        return json.dumps(record, separators=(",", ":"))
    return text


def qualified(function_arn: str) -> str:
    """Return the ARN with a qualifier: $LATEST if it has none."""
    return function_arn if function_arn.count(":") > 6 else f"{function_arn}:{LATEST}"


def timestamp(time_ms: float) -> str:
    """Write a lab time as 2026-01-01T00:00:00.000Z."""
    return f"{_moment(time_ms):%Y-%m-%dT%H:%M:%S}.{int(time_ms % 1000):03d}Z"


def _moment(time_ms: float) -> datetime:
    return _EPOCH + timedelta(seconds=time_ms // 1000)


def _value(payload: bytes) -> Any:
    """The JSON value of a payload; the text of one that cannot be read as JSON.

    A runtime of one's own may answer what is none, and a function what is nested too deeply.
    """
    try:
        return json.loads(payload, parse_constant=refuse_constant, parse_float=_finite)
    except (ValueError, RecursionError):
        return payload.decode(errors="replace")


def _finite(number: str) -> float:
    value = float(number)
    if math.isinf(value):
        raise ValueError(f"{number} is beyond what a float holds")
    return value
