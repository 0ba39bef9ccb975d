"""Event source mappings: what can be a source, which settings it has, and what is refused.

Source: service model (ranges), developer guide (the page of each event source), and error texts
that the service was recorded to give.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NoReturn

from labkit.core import quotas
from labkit.core.errors import ApiError, invalid_parameter, not_served, resource_conflict
from labkit.core.filters import Filters


class SourceKind(StrEnum):
    """The services that a mapping can poll, as filters call them."""

    SQS = "sqs"
    KINESIS = "kinesis"
    DYNAMODB = "dynamodb"


_NOT_SERVED: Final = {"kafka": "Amazon MSK", "mq": "Amazon MQ", "rds": "Amazon DocumentDB"}
_DESTINATIONS: Final = ("sqs", "sns", "s3")


@dataclass(frozen=True, slots=True)
class EventSource:
    """A queue or a stream, by its ARN."""

    arn: str
    kind: SourceKind
    region: str

    @property
    def is_fifo(self) -> bool:
        """Whether it is a FIFO queue."""
        return self.kind is SourceKind.SQS and self.arn.endswith(".fifo")

    @property
    def is_stream(self) -> bool:
        """Whether it has shards that keep their records."""
        return self.kind is not SourceKind.SQS


def event_source(arn: str | None) -> EventSource:
    """Read the ARN of an event source.

    Raises ApiError: 400 for what is no source, 501 for a source that this lab does not have.
    """
    parts = (arn or "").split(":", 5)
    if arn is None or len(parts) != 6:
        _unrecognized()
    service, region, resource = parts[2], parts[3], parts[5]
    if service in _NOT_SERVED:
        raise not_served(f"CreateEventSourceMapping for {_NOT_SERVED[service]}")
    if service == "sqs" and resource:
        return EventSource(arn, SourceKind.SQS, region)
    if service == "kinesis" and resource.startswith("stream/"):
        if "/consumer/" in resource:
            raise not_served("CreateEventSourceMapping for a consumer with enhanced fan-out")
        return EventSource(arn, SourceKind.KINESIS, region)
    if service == "dynamodb" and resource.startswith("table/") and "/stream/" in resource:
        return EventSource(arn, SourceKind.DYNAMODB, region)
    _unrecognized()


def _unrecognized() -> NoReturn:
    raise invalid_parameter("Unrecognized event source.")


@dataclass(frozen=True, slots=True, kw_only=True)
class MappingConfig:
    """The settings of a mapping; those of other sources have their defaults, and do nothing.

    -1 as `maximum_record_age_s` or `maximum_retry_attempts` means no limit but the stream's own.
    `starting_position_timestamp_s` is in seconds since 1970. `minimum_pollers` and
    `maximum_pollers` are set in provisioned mode alone.
    """

    batch_size: int
    maximum_batching_window_s: int = 0
    filters: Filters | None = None
    report_batch_item_failures: bool = False
    metrics: tuple[str, ...] = ()
    kms_key_arn: str | None = None
    # Queues.
    maximum_concurrency: int | None = None
    minimum_pollers: int | None = None
    maximum_pollers: int | None = None
    # Streams.
    starting_position: str | None = None
    starting_position_timestamp_s: float | None = None
    parallelization_factor: int = 1
    bisect_batch_on_function_error: bool = False
    maximum_record_age_s: int = -1
    maximum_retry_attempts: int = -1
    tumbling_window_s: int = 0
    on_failure_destination: str | None = None

    @classmethod
    def default(cls, source: EventSource) -> MappingConfig:
        """Return the settings of a mapping for which nothing was said."""
        if source.is_stream:
            return cls(batch_size=quotas.BATCH_SIZE_STREAM_DEFAULT)
        return cls(batch_size=quotas.BATCH_SIZE_SQS_DEFAULT)


_OF_ALL: Final = frozenset(
    {
        "BatchSize",
        "FilterCriteria",
        "FunctionResponseTypes",
        "KMSKeyArn",
        "MaximumBatchingWindowInSeconds",
        "MetricsConfig",
    }
)
_OF_QUEUES: Final = _OF_ALL | {"ProvisionedPollerConfig", "ScalingConfig"}
_OF_STREAMS: Final = _OF_ALL | {
    "BisectBatchOnFunctionError",
    "DestinationConfig",
    "MaximumRecordAgeInSeconds",
    "MaximumRetryAttempts",
    "ParallelizationFactor",
    "StartingPosition",
    "StartingPositionTimestamp",
    "TumblingWindowInSeconds",
}


def check_supported(source: EventSource, parameters: Iterable[str]) -> None:
    """Refuse settings that mappings of this source do not have. Raises ApiError (400).

    `parameters` are the names that the request gives, as in the API.
    """
    supported = _OF_STREAMS if source.is_stream else _OF_QUEUES
    for name in parameters:
        if name in supported:
            continue
        if name == "StartingPosition":
            raise invalid_parameter("StartingPosition is not valid for SQS event sources.")
        raise unsupported(name)


def unsupported(parameter: str) -> ApiError:
    """A setting, or a part of it, that mappings of this source do not have."""
    return invalid_parameter(
        f"Unsupported {parameter} parameter for given event source mapping type."
    )


def validate(config: MappingConfig, source: EventSource, now_ms: float) -> None:
    """Check the settings of a mapping. Raises ApiError (400).

    The ranges of the service model have been checked before. `now_ms` is lab time.
    """
    if source.is_stream:
        _check_starting_position(config, source, now_ms)
        _check_failures(config)
    else:
        _check_batches(config, source)
        _check_pollers(config)


def _check_batches(config: MappingConfig, source: EventSource) -> None:
    if source.is_fifo:
        if config.maximum_batching_window_s > 0:
            raise invalid_parameter("Batching window is not supported for FIFO queues")
        if config.batch_size > quotas.BATCH_SIZE_FIFO_MAX:
            raise invalid_parameter(
                f"A batch of a FIFO queue has at most {quotas.BATCH_SIZE_FIFO_MAX} messages, "
                f"not {config.batch_size}. Set a smaller BatchSize."
            )
    elif (
        config.batch_size > quotas.BATCH_SIZE_WITHOUT_WINDOW_MAX
        and config.maximum_batching_window_s == 0
    ):
        raise invalid_parameter(
            "Maximum batch window in seconds must be greater than 0 if maximum batch size is "
            f"greater than {quotas.BATCH_SIZE_WITHOUT_WINDOW_MAX}"
        )


def _check_pollers(config: MappingConfig) -> None:
    low, high = config.minimum_pollers, config.maximum_pollers
    if low is None or high is None:
        return
    if config.maximum_concurrency is not None:
        raise invalid_parameter(
            "A mapping has either ScalingConfig or ProvisionedPollerConfig, not both. "
            "Leave one of them out, or set it to {} to remove it."
        )
    least = quotas.SQS_PROVISIONED_POLLERS_MIN_DEFAULT
    if low < least or high < least:
        raise invalid_parameter(
            f"MinimumPollers and MaximumPollers of an SQS mapping must be at least {least}, "
            f"not {low} and {high}."
        )
    if low > high:
        raise invalid_parameter(
            f"MinimumPollers ({low}) must not be above MaximumPollers ({high})."
        )


def _check_starting_position(config: MappingConfig, source: EventSource, now_ms: float) -> None:
    timestamp_s = config.starting_position_timestamp_s
    if config.starting_position is None:
        raise invalid_parameter(
            "1 validation error detected: Value null at 'startingPosition' failed to satisfy "
            "constraint: Member must not be null."
        )
    if config.starting_position != "AT_TIMESTAMP":
        if timestamp_s is not None:
            raise invalid_parameter("Timestamp only valid with StartingPosition AT_TIMESTAMP")
        return
    if source.kind is SourceKind.DYNAMODB:
        raise invalid_parameter(f"Unsupported starting position for arn type: {source.arn}")
    if timestamp_s is None:
        raise invalid_parameter(
            "The StartingPosition AT_TIMESTAMP needs a StartingPositionTimestamp."
        )
    if timestamp_s < 0:
        raise invalid_parameter(
            "Received Exception while reading from provided stream. class java.lang.Long can not "
            "be converted to a Timestamp"
        )
    if timestamp_s * 1000 > now_ms:
        raise invalid_parameter("StartingPositionTimestamp cannot be in the future.")


def _check_failures(config: MappingConfig) -> None:
    age_s = config.maximum_record_age_s
    if age_s != -1 and age_s < quotas.RECORD_AGE_S_MIN:
        raise invalid_parameter(
            "MaximumRecordAgeInSeconds must be -1 (no limit) or from "
            f"{quotas.RECORD_AGE_S_MIN} to {quotas.RECORD_AGE_S_MAX}, not {age_s}."
        )
    target = config.on_failure_destination
    if target is not None and (target.split(":") + [""] * 3)[2] not in _DESTINATIONS:
        raise invalid_parameter(f"The destination ARN {target} is invalid.")


# Refusals that depend on what else there is.


def function_missing() -> ApiError:
    """The function of a mapping does not exist."""
    return invalid_parameter("Function does not exist")


def source_missing(source: EventSource) -> ApiError:
    """The queue or stream of a mapping does not exist."""
    if source.is_stream:
        return invalid_parameter(f"Stream not found: {source.arn}")
    return invalid_parameter(
        "Error occurred while ReceiveMessage. SQS Error Code: "
        "AWS.SimpleQueueService.NonExistentQueue. SQS Error Message: The specified queue does not "
        "exist."
    )


def already_mapped(source: EventSource, function_name: str, uuid: str) -> ApiError:
    """There is a mapping of the same source to the same function, of this UUID."""
    pair = f'arn (" {source.arn} ") and function (" {function_name} ")'
    words = (
        f"The event source {pair} provided mapping already exists."
        if source.is_stream
        else f"An event source mapping with SQS {pair} already exists."
    )
    return resource_conflict(
        f"{words} Please update or delete the existing mapping with UUID {uuid}"
    )


def queue_too_impatient(visibility_timeout_s: float, timeout_s: float) -> ApiError:
    """The queue would hand a message out again while the function still works on it."""
    return invalid_parameter(
        f"Queue visibility timeout: {visibility_timeout_s:.0f} seconds is less than Function "
        f"timeout: {timeout_s:.0f} seconds"
    )


def in_use(verb: str) -> ApiError:
    """A mapping that changes its state cannot be changed again; `verb` is update or delete."""
    return ApiError(
        "ResourceInUseException",
        f"Cannot {verb} the event source mapping because it is in use.",
        status=400,
    )
