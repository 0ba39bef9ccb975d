from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit.core import mapping
from labkit.core.errors import ApiError
from labkit.core.mapping import EventSource, MappingConfig, SourceKind

HERE = "us-east-1:123456789012"
QUEUE = mapping.event_source(f"arn:aws:sqs:{HERE}:orders")
FIFO = mapping.event_source(f"arn:aws:sqs:{HERE}:orders.fifo")
STREAM = mapping.event_source(f"arn:aws:kinesis:{HERE}:stream/clicks")
TABLE = mapping.event_source(f"arn:aws:dynamodb:{HERE}:table/t/stream/2026-01-01T00:00:00.000")
NOW_MS = 1_000_000.0


def refusal(source: EventSource, **settings: Any) -> str | None:
    """The text with which settings are refused, None if they are accepted."""
    given = {"starting_position": "LATEST"} if source.is_stream else {}
    config = dataclasses.replace(MappingConfig.default(source), **{**given, **settings})
    try:
        mapping.validate(config, source, NOW_MS)
    except ApiError as error:
        assert (error.status, error.code) == (400, "InvalidParameterValueException")
        return error.message
    return None


def test_sources() -> None:
    assert [each.kind for each in (QUEUE, FIFO, STREAM, TABLE)] == [
        SourceKind.SQS,
        SourceKind.SQS,
        SourceKind.KINESIS,
        SourceKind.DYNAMODB,
    ]
    assert [each.is_fifo for each in (QUEUE, FIFO, STREAM)] == [False, True, False]
    assert [each.is_stream for each in (QUEUE, STREAM, TABLE)] == [False, True, True]
    assert QUEUE.region == "us-east-1"


@pytest.mark.parametrize(
    "arn",
    [
        None,
        "",
        "orders",
        f"arn:aws:sns:{HERE}:topic",
        f"arn:aws:sqs:{HERE}:",
        f"arn:aws:kinesis:{HERE}:clicks",
        f"arn:aws:dynamodb:{HERE}:table/t",
        "arn:aws:s3:::bucket",
    ],
)
def test_what_is_no_source(arn: str | None) -> None:
    with pytest.raises(ApiError) as caught:
        mapping.event_source(arn)
    assert (caught.value.status, caught.value.message) == (400, "Unrecognized event source.")


@pytest.mark.parametrize(
    "arn",
    [
        f"arn:aws:kafka:{HERE}:cluster/c/1",
        f"arn:aws:mq:{HERE}:broker:b:1",
        f"arn:aws:rds:{HERE}:cluster:c",
        f"arn:aws:kinesis:{HERE}:stream/clicks/consumer/c:1",
    ],
)
def test_sources_that_the_lab_does_not_have(arn: str) -> None:
    with pytest.raises(ApiError) as caught:
        mapping.event_source(arn)
    assert caught.value.status == 501


def test_defaults() -> None:
    assert MappingConfig.default(QUEUE).batch_size == 10
    assert MappingConfig.default(TABLE).batch_size == 100
    assert refusal(QUEUE) is None
    assert refusal(FIFO) is None
    assert refusal(STREAM) is None


def test_batches_of_queues() -> None:
    big = "Maximum batch window in seconds must be greater than 0 if maximum batch size is greater than 10"
    assert refusal(QUEUE, batch_size=11) == big
    assert refusal(QUEUE, batch_size=10_000, maximum_batching_window_s=1) is None
    assert refusal(FIFO, batch_size=11) is not None
    assert (
        refusal(FIFO, maximum_batching_window_s=1)
        == "Batching window is not supported for FIFO queues"
    )
    assert refusal(STREAM, batch_size=10_000) is None


def test_pollers_of_queues() -> None:
    assert refusal(QUEUE, minimum_pollers=2, maximum_pollers=200) is None
    assert "at least 2" in str(refusal(QUEUE, minimum_pollers=1, maximum_pollers=200))
    assert "not be above" in str(refusal(QUEUE, minimum_pollers=3, maximum_pollers=2))
    both = {"minimum_pollers": 2, "maximum_pollers": 2, "maximum_concurrency": 2}
    assert "not both" in str(refusal(QUEUE, **both))


def test_starting_positions() -> None:
    missing = (
        "1 validation error detected: Value null at 'startingPosition' failed to satisfy "
        "constraint: Member must not be null."
    )
    assert refusal(STREAM, starting_position=None) == missing
    assert refusal(TABLE, starting_position=None) == missing
    at = {"starting_position": "AT_TIMESTAMP"}
    assert refusal(TABLE, **at) == f"Unsupported starting position for arn type: {TABLE.arn}"
    assert "needs a StartingPositionTimestamp" in str(refusal(STREAM, **at))
    assert refusal(STREAM, **at, starting_position_timestamp_s=1000) is None
    assert "future" in str(refusal(STREAM, **at, starting_position_timestamp_s=1000.1))
    assert "AT_TIMESTAMP" in str(refusal(STREAM, starting_position_timestamp_s=5))


def test_failures_of_streams() -> None:
    assert [age for age in (-1, 60, 604_800) if refusal(STREAM, maximum_record_age_s=age)] == []
    assert [age for age in (0, 1, 59) if not refusal(STREAM, maximum_record_age_s=age)] == []
    for good in ("sqs", "sns"):
        assert refusal(STREAM, on_failure_destination=f"arn:aws:{good}:{HERE}:x") is None
    assert refusal(STREAM, on_failure_destination="arn:aws:s3:::x") is None
    bad = f"arn:aws:lambda:{HERE}:function:f"
    assert refusal(STREAM, on_failure_destination=bad) == f"The destination ARN {bad} is invalid."


def test_settings_of_other_sources_are_refused() -> None:
    mapping.check_supported(QUEUE, ["BatchSize", "ScalingConfig", "FilterCriteria"])
    mapping.check_supported(STREAM, ["BatchSize", "ParallelizationFactor", "DestinationConfig"])
    with pytest.raises(ApiError) as caught:
        mapping.check_supported(QUEUE, ["BatchSize", "ParallelizationFactor"])
    assert caught.value.message == (
        "Unsupported ParallelizationFactor parameter for given event source mapping type."
    )
    with pytest.raises(ApiError, match="StartingPosition is not valid for SQS event sources"):
        mapping.check_supported(QUEUE, ["StartingPosition"])
    with pytest.raises(ApiError, match="Unsupported ScalingConfig"):
        mapping.check_supported(STREAM, ["ScalingConfig"])
    with pytest.raises(ApiError, match="Unsupported Topics"):
        mapping.check_supported(STREAM, ["Topics"])


def test_texts_that_name_other_things() -> None:
    assert mapping.already_mapped(QUEUE, "f", "u").message == (
        f'An event source mapping with SQS arn (" {QUEUE.arn} ") and function (" f ") already '
        "exists. Please update or delete the existing mapping with UUID u"
    )
    assert mapping.already_mapped(TABLE, "f", "u").message == (
        f'The event source arn (" {TABLE.arn} ") and function (" f ") provided mapping already '
        "exists. Please update or delete the existing mapping with UUID u"
    )
    assert mapping.already_mapped(TABLE, "f", "u").status == 409
    assert mapping.source_missing(STREAM).message == f"Stream not found: {STREAM.arn}"
    assert mapping.source_missing(QUEUE).message == (
        "Error occurred while ReceiveMessage. SQS Error Code: "
        "AWS.SimpleQueueService.NonExistentQueue. SQS Error Message: The specified queue does not exist."
    )
    assert mapping.queue_too_impatient(30.0, 60).message == (
        "Queue visibility timeout: 30 seconds is less than Function timeout: 60 seconds"
    )
    assert mapping.in_use("delete").code == "ResourceInUseException"


@given(
    st.sampled_from([QUEUE, FIFO, STREAM, TABLE]),
    st.integers(1, 10_000),
    st.integers(0, 300),
    st.integers(-1, 604_800),
)
def test_what_is_accepted_keeps_the_documented_ranges(
    source: EventSource, batch_size: int, window_s: int, age_s: int
) -> None:
    settings = {"batch_size": batch_size, "maximum_batching_window_s": window_s}
    refused = refusal(source, **settings, maximum_record_age_s=age_s)
    if source.is_stream:
        assert (refused is None) == (age_s == -1 or age_s >= 60)
    elif source.is_fifo:
        assert (refused is None) == (batch_size <= 10 and window_s == 0)
    else:
        assert (refused is None) == (batch_size <= 10 or window_s >= 1)
