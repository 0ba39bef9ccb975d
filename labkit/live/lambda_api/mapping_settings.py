"""Settings of event source mappings: from the fields of a request, to the fields of an answer."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, Final

from labkit.core import quotas
from labkit.core.filters import Filters
from labkit.core.mapping import EventSource, MappingConfig, check_supported, unsupported
from labkit.live.lambda_api.store import EventSourceMapping

# What the API and the configuration both hold as a plain value.
_QUEUE_FIELDS: Final = {
    "BatchSize": "batch_size",
    "MaximumBatchingWindowInSeconds": "maximum_batching_window_s",
}
_STREAM_FIELDS: Final = {
    "BisectBatchOnFunctionError": "bisect_batch_on_function_error",
    "MaximumRecordAgeInSeconds": "maximum_record_age_s",
    "MaximumRetryAttempts": "maximum_retry_attempts",
    "ParallelizationFactor": "parallelization_factor",
    "StartingPosition": "starting_position",
    "TumblingWindowInSeconds": "tumbling_window_s",
}
_OPTIONAL_FIELDS: Final = {
    "KMSKeyArn": "kms_key_arn",
    "StartingPositionTimestamp": "starting_position_timestamp_s",
}
_PLAIN_FIELDS: Final = {**_QUEUE_FIELDS, **_STREAM_FIELDS, **_OPTIONAL_FIELDS}
_NOT_SETTINGS: Final = frozenset({"Enabled", "EventSourceArn", "FunctionName", "Tags", "UUID"})
_NO_RECORDS: Final = "No records processed"


def changed(
    config: MappingConfig, source: EventSource, parameters: Mapping[str, Any]
) -> MappingConfig:
    """Return `config` with the settings that a request gives.

    A structure without content removes what it stands for. Raises ApiError (400).
    """
    given = {name: value for name, value in parameters.items() if name not in _NOT_SETTINGS}
    check_supported(source, given)
    changes: dict[str, Any] = {
        field: given[name] for name, field in _PLAIN_FIELDS.items() if name in given
    }
    if "FilterCriteria" in given:
        patterns = [one.get("Pattern", "") for one in given["FilterCriteria"].get("Filters", [])]
        changes["filters"] = Filters(tuple(patterns)) if patterns else None
    if "FunctionResponseTypes" in given:
        changes["report_batch_item_failures"] = bool(given["FunctionResponseTypes"])
    if "MetricsConfig" in given:
        changes["metrics"] = _metrics(given["MetricsConfig"])
    if "ScalingConfig" in given:
        changes["maximum_concurrency"] = given["ScalingConfig"].get("MaximumConcurrency")
    if "ProvisionedPollerConfig" in given:
        changes.update(_provisioned(config, given["ProvisionedPollerConfig"]))
    if "DestinationConfig" in given:
        changes["on_failure_destination"] = _destination(given["DestinationConfig"])
    return dataclasses.replace(config, **changes)


def _metrics(given: Mapping[str, Any]) -> tuple[str, ...]:
    metrics = tuple(given.get("Metrics", ()))
    if "KafkaMetrics" in metrics:
        raise unsupported("MetricsConfig")
    return metrics


def _provisioned(config: MappingConfig, given: Mapping[str, Any]) -> dict[str, int | None]:
    if "PollerGroupName" in given:
        raise unsupported("PollerGroupName")
    if not given:
        return {"minimum_pollers": None, "maximum_pollers": None}
    low = config.minimum_pollers or quotas.SQS_PROVISIONED_POLLERS_MIN_DEFAULT
    high = config.maximum_pollers or quotas.SQS_PROVISIONED_POLLERS_MAX_DEFAULT
    return {
        "minimum_pollers": given.get("MinimumPollers", low),
        "maximum_pollers": given.get("MaximumPollers", high),
    }


def _destination(given: Mapping[str, Any]) -> str | None:
    if "OnSuccess" in given:
        raise unsupported("DestinationConfig")
    return given.get("OnFailure", {}).get("Destination") or None


def view(mapping: EventSourceMapping, last_result: str | None) -> dict[str, Any]:
    """Return a mapping as the API answers it.

    `last_result` is what its poller says of the last batch, None if it has no poller yet.
    """
    config, is_stream = mapping.config, mapping.source.is_stream
    fields = {**_QUEUE_FIELDS, **(_STREAM_FIELDS if is_stream else {})}
    answer: dict[str, Any] = {
        "UUID": mapping.uuid,
        "EventSourceMappingArn": mapping.arn,
        "EventSourceArn": mapping.source.arn,
        "FunctionArn": mapping.function_arn,
        "LastModified": mapping.last_modified_ms / 1000,
        "State": mapping.state,
        "StateTransitionReason": "User action" if is_stream else "USER_INITIATED",
        "FunctionResponseTypes": (
            ["ReportBatchItemFailures"] if config.report_batch_item_failures else []
        ),
        **{name: getattr(config, field) for name, field in fields.items()},
    }
    if is_stream:
        target = config.on_failure_destination
        answer["DestinationConfig"] = {"OnFailure": {"Destination": target} if target else {}}
        answer["LastProcessingResult"] = last_result or _NO_RECORDS
    answer.update(_optional(config))
    return answer


def _optional(config: MappingConfig) -> dict[str, Any]:
    """Return what is answered only if it has been set."""
    found: dict[str, Any] = {
        name: value
        for name, field in _OPTIONAL_FIELDS.items()
        if (value := getattr(config, field)) is not None
    }
    if config.filters is not None:
        patterns = config.filters.patterns
        found["FilterCriteria"] = {"Filters": [{"Pattern": pattern} for pattern in patterns]}
    if config.metrics:
        found["MetricsConfig"] = {"Metrics": list(config.metrics)}
    if config.maximum_concurrency is not None:
        found["ScalingConfig"] = {"MaximumConcurrency": config.maximum_concurrency}
    if config.minimum_pollers is not None:
        found["ProvisionedPollerConfig"] = {
            "MinimumPollers": config.minimum_pollers,
            "MaximumPollers": config.maximum_pollers,
        }
    return found
