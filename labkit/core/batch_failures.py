"""What the on-failure destination of a stream's mapping is told of a batch that was given up.

The record has no payload of its own, save in S3: it tells where in the stream the records are.
Source: developer guide, "Configuring on-failure destinations"; as recorded from the service.
"""

from __future__ import annotations

from dataclasses import dataclass

from labkit.core.invocation_records import FUNCTION_ERROR_STATUS, timestamp


@dataclass(frozen=True, slots=True)
class BatchLocation:
    """Where the records of a batch are: sequence numbers and times of arrival, first and last."""

    stream_arn: str
    shard_id: str
    start_sequence_number: str
    end_sequence_number: str
    first_arrived_ms: float
    last_arrived_ms: float
    batch_size: int


@dataclass(frozen=True, slots=True)
class BatchResponse:
    """What the last invocation answered; `function_error` is None for a partial batch response."""

    executed_version: str
    function_error: str | None


def batch_failure_record(
    location: BatchLocation,
    *,
    now_ms: float,
    request_id: str,
    function_arn: str,
    condition: str,
    invoke_count: int,
    response: BatchResponse | None,
) -> dict[str, object]:
    """Return the record of a batch that was given up because of `condition`.

    `function_arn` is that of the mapping: it stays without $LATEST. `response` is None for records
    that became too old.
    """
    record: dict[str, object] = {
        "requestContext": {
            "requestId": request_id,
            "functionArn": function_arn.removesuffix(":$LATEST"),
            "condition": condition,
            "approximateInvokeCount": invoke_count,
        }
    }
    if response is not None:
        record["responseContext"] = {
            "statusCode": FUNCTION_ERROR_STATUS,
            "executedVersion": response.executed_version,
            "functionError": response.function_error,
        }
    is_kinesis = location.stream_arn.split(":")[2] == "kinesis"
    arrived = timestamp if is_kinesis else _seconds
    record["version"] = "1.0"
    record["timestamp"] = timestamp(now_ms)
    record["KinesisBatchInfo" if is_kinesis else "DDBStreamBatchInfo"] = {
        "shardId": location.shard_id,
        "startSequenceNumber": location.start_sequence_number,
        "endSequenceNumber": location.end_sequence_number,
        "approximateArrivalOfFirstRecord": arrived(location.first_arrived_ms),
        "approximateArrivalOfLastRecord": arrived(location.last_arrived_ms),
        "batchSize": location.batch_size,
        "streamArn": location.stream_arn,
    }
    return record


def _seconds(time_ms: float) -> str:
    return timestamp(time_ms)[: -len(".000Z")] + "Z"
