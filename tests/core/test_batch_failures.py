"""The record of a batch that was given up, as it was recorded from the service."""

from __future__ import annotations

from labkit.core.batch_failures import BatchLocation, BatchResponse, batch_failure_record

NOW_MS = 1_764_088_530_123.7
FUNCTION_ARN = "arn:aws:lambda:us-east-1:123456789012:function:f"
STREAMS = {
    "kinesis": "arn:aws:kinesis:us-east-1:123456789012:stream/s",
    "dynamodb": "arn:aws:dynamodb:us-east-1:123456789012:table/t/stream/2025-11-25T16:00:00.000",
}


def record(source: str = "kinesis", response: BatchResponse | None = None) -> dict[str, object]:
    location = BatchLocation(
        stream_arn=STREAMS[source],
        shard_id="shardId-000000000000",
        start_sequence_number="1",
        end_sequence_number="3",
        first_arrived_ms=NOW_MS - 10_000,
        last_arrived_ms=NOW_MS,
        batch_size=3,
    )
    return batch_failure_record(
        location,
        now_ms=NOW_MS,
        request_id="id",
        function_arn=f"{FUNCTION_ARN}:$LATEST",
        condition="RetryAttemptsExhausted",
        invoke_count=2,
        response=response,
    )


def test_kinesis() -> None:
    response = BatchResponse("$LATEST", "Unhandled")
    assert record(response=response) == {
        "requestContext": {
            "requestId": "id",
            "functionArn": FUNCTION_ARN,
            "condition": "RetryAttemptsExhausted",
            "approximateInvokeCount": 2,
        },
        "responseContext": {
            "statusCode": 200,
            "executedVersion": "$LATEST",
            "functionError": "Unhandled",
        },
        "version": "1.0",
        "timestamp": "2025-11-25T16:35:30.123Z",
        "KinesisBatchInfo": {
            "shardId": "shardId-000000000000",
            "startSequenceNumber": "1",
            "endSequenceNumber": "3",
            "approximateArrivalOfFirstRecord": "2025-11-25T16:35:20.123Z",
            "approximateArrivalOfLastRecord": "2025-11-25T16:35:30.123Z",
            "batchSize": 3,
            "streamArn": STREAMS["kinesis"],
        },
    }


def test_dynamodb_tells_arrivals_without_milliseconds() -> None:
    info = record("dynamodb")["DDBStreamBatchInfo"]
    assert isinstance(info, dict)
    assert info["approximateArrivalOfFirstRecord"] == "2025-11-25T16:35:20Z"
    assert info["approximateArrivalOfLastRecord"] == "2025-11-25T16:35:30Z"


def test_a_partial_failure_has_no_function_error() -> None:
    context = record(response=BatchResponse("3", None))["responseContext"]
    assert context == {"statusCode": 200, "executedVersion": "3", "functionError": None}


def test_what_became_too_old_has_no_response() -> None:
    assert "responseContext" not in record()
