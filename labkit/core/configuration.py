"""What a function is configured to be, and which configurations the service refuses."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from labkit.core import quotas
from labkit.core.constraints import (
    Violation,
    enum_violations,
    length_violations,
    list_members,
    map_keys,
    matches,
    max_length,
    min_length,
    one_of,
    pattern_violations,
    range_violations,
    validation_error,
    validation_message,
)
from labkit.core.errors import invalid_parameter
from labkit.core.names import LayerVersionRef, parse_layer_version_arn
from labkit.core.runtimes import check_runtime, supports_snap_start

# Source: service model; the patterns are part of AWS's error messages.
NAME_PATTERN: Final = r"[a-zA-Z0-9-_]+"
HANDLER_PATTERN: Final = r"[^\s]+"
ROLE_PATTERN: Final = r"arn:(aws[a-zA-Z-]*)?:iam::\d{12}:role/?[a-zA-Z_0-9+=,.@\-_/]+"
LOG_GROUP_PATTERN: Final = r"[\.\-_/#A-Za-z0-9]+"
ENVIRONMENT_KEY_PATTERN: Final = r"[a-zA-Z]([a-zA-Z0-9_])+"
LAYER_VERSION_ARN_PATTERN: Final = (
    r"((arn:(aws[a-zA-Z-]*)?:lambda:(eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:"
    r"\d{12}:layer:[a-zA-Z0-9-_]+:[0-9]+)|(arn:[a-zA-Z0-9-]+:lambda:::awslayer:[a-zA-Z0-9-_]+))"
)
ARCHITECTURES: Final = ("x86_64", "arm64")
TRACING_MODES: Final = ("Active", "PassThrough")
LOG_FORMATS: Final = ("JSON", "Text")
APPLICATION_LOG_LEVELS: Final = ("TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL")
SYSTEM_LOG_LEVELS: Final = ("DEBUG", "INFO", "WARN")
SNAP_START_APPLY_ON: Final = ("PublishedVersions", "None")
PACKAGE_TYPES: Final = ("Zip", "Image")

RESERVED_ENVIRONMENT_VARIABLES: Final = frozenset(
    {
        "_HANDLER",
        "_X_AMZN_TRACE_ID",
        "AWS_ACCESS_KEY",
        "AWS_ACCESS_KEY_ID",
        "AWS_DEFAULT_REGION",
        "AWS_EXECUTION_ENV",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
        "AWS_LAMBDA_FUNCTION_NAME",
        "AWS_LAMBDA_FUNCTION_VERSION",
        "AWS_LAMBDA_INITIALIZATION_TYPE",
        "AWS_LAMBDA_LOG_GROUP_NAME",
        "AWS_LAMBDA_LOG_STREAM_NAME",
        "AWS_LAMBDA_MAX_CONCURRENCY",
        "AWS_LAMBDA_METADATA_API",
        "AWS_LAMBDA_METADATA_TOKEN",
        "AWS_LAMBDA_RUNTIME_API",
        "AWS_REGION",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "LAMBDA_RUNTIME_DIR",
        "LAMBDA_TASK_ROOT",
    }
)
"""Names that Lambda sets itself. Source: developer guide, "Environment variables"."""


@dataclass(frozen=True, kw_only=True)
class FunctionConfiguration:
    """One function's configuration, as CreateFunction and UpdateFunctionConfiguration set it.

    `runtime` and `handler` are None for container images. `log_group` None means
    "/aws/lambda/<function name>" (see `log_group_name`). `other` keeps what the lab stores and
    shows but does not act on (VpcConfig, KMSKeyArn, FileSystemConfigs), in the API's own form.
    """

    function_name: str
    runtime: str | None
    handler: str | None
    role_arn: str
    description: str = ""
    memory_mb: int = quotas.MEMORY_MB_DEFAULT
    timeout_s: int = quotas.TIMEOUT_S_DEFAULT
    ephemeral_storage_mb: int = quotas.EPHEMERAL_STORAGE_MB_DEFAULT
    environment: Mapping[str, str] = field(default_factory=dict)
    layer_arns: tuple[str, ...] = ()
    architecture: str = "x86_64"
    tracing_mode: str = "PassThrough"
    log_format: str = "Text"
    application_log_level: str | None = None
    system_log_level: str | None = None
    log_group: str | None = None
    dead_letter_target_arn: str | None = None
    snap_start_apply_on: str = "None"
    package_type: str = "Zip"
    other: Mapping[str, object] = field(default_factory=dict)

    @property
    def log_group_name(self) -> str:
        """The log group that the function writes to."""
        return self.log_group or f"/aws/lambda/{self.function_name}"


def validate(configuration: FunctionConfiguration) -> None:
    """Refuse what the service refuses.

    The limits are those of ordinary functions (10,240 MB, 900 s), which are lower than the service
    model's. Raises ApiError: ValidationException listing every value out of range, otherwise
    InvalidParameterValueException for the first rule broken.
    """
    violations = constraint_violations(configuration)
    if violations:
        raise validation_error(violations)
    check_new_name(configuration.function_name)
    _check_package(configuration)
    _check_snap_start(configuration)
    _check_logging(configuration)
    _check_dead_letters(configuration.dead_letter_target_arn)
    check_environment(configuration.environment)
    check_layers(configuration.layer_arns)


def check_new_name(name: str) -> None:
    """Refuse what cannot be the name of a function: letters, digits, "-", "_", 1 to 64 of them.

    Raises ApiError. The text is that of a constraint, but the service sends it as
    InvalidParameterValueException here, because its model allows longer names (whole ARNs).
    """
    found = length_violations(
        name, "functionName", minimum=1, maximum=quotas.FUNCTION_NAME_MAX_LENGTH
    )
    found += pattern_violations(name, "functionName", NAME_PATTERN)
    if found:
        raise invalid_parameter(validation_message(found))


def constraint_violations(configuration: FunctionConfiguration) -> list[Violation]:
    """Return every value that breaks a constraint of the API, in a fixed order."""
    return [
        *_size_violations(configuration),
        *_text_violations(configuration),
        *_enum_violations(configuration),
        *_environment_violations(configuration.environment),
        *_layer_violations(configuration.layer_arns),
    ]


def _size_violations(configuration: FunctionConfiguration) -> list[Violation]:
    ranges = (
        (configuration.memory_mb, "memorySize", quotas.MEMORY_MB_MIN, quotas.MEMORY_MB_MAX),
        (configuration.timeout_s, "timeout", quotas.TIMEOUT_S_MIN, quotas.TIMEOUT_S_MAX),
        (
            configuration.ephemeral_storage_mb,
            "ephemeralStorage.size",
            quotas.EPHEMERAL_STORAGE_MB_MIN,
            quotas.EPHEMERAL_STORAGE_MB_MAX,
        ),
    )
    return [
        violation
        for value, path, minimum, maximum in ranges
        for violation in range_violations(value, path, minimum=minimum, maximum=maximum)
    ]


def _text_violations(configuration: FunctionConfiguration) -> list[Violation]:
    found = pattern_violations(configuration.role_arn, "role", ROLE_PATTERN)
    found += length_violations(
        configuration.description, "description", maximum=quotas.DESCRIPTION_MAX_LENGTH
    )
    if configuration.handler:
        found += length_violations(
            configuration.handler, "handler", maximum=quotas.HANDLER_MAX_LENGTH
        )
        found += pattern_violations(configuration.handler, "handler", HANDLER_PATTERN)
    if configuration.log_group is not None:
        path = "loggingConfig.logGroup"
        found += length_violations(
            configuration.log_group, path, minimum=1, maximum=quotas.LOG_GROUP_NAME_MAX_LENGTH
        )
        found += pattern_violations(configuration.log_group, path, LOG_GROUP_PATTERN)
    return found


def _enum_violations(configuration: FunctionConfiguration) -> list[Violation]:
    enums = (
        (configuration.tracing_mode, "tracingConfig.mode", TRACING_MODES),
        (configuration.log_format, "loggingConfig.logFormat", LOG_FORMATS),
        (
            configuration.application_log_level,
            "loggingConfig.applicationLogLevel",
            APPLICATION_LOG_LEVELS,
        ),
        (configuration.system_log_level, "loggingConfig.systemLogLevel", SYSTEM_LOG_LEVELS),
        (configuration.snap_start_apply_on, "snapStart.applyOn", SNAP_START_APPLY_ON),
        (configuration.package_type, "packageType", PACKAGE_TYPES),
    )
    found = [
        violation
        for value, path, allowed in enums
        if value is not None
        for violation in enum_violations(value, path, allowed)
    ]
    if configuration.architecture not in ARCHITECTURES:
        constraint = list_members(one_of(ARCHITECTURES))
        found.append(Violation([configuration.architecture], "architectures", constraint))
    return found


def _environment_violations(environment: Mapping[str, str]) -> list[Violation]:
    for key in environment:
        if key not in RESERVED_ENVIRONMENT_VARIABLES and pattern_violations(
            key, "", ENVIRONMENT_KEY_PATTERN
        ):
            constraint = map_keys(matches(ENVIRONMENT_KEY_PATTERN))
            return [Violation(None, "environment.variables", constraint, hidden=True)]
    return []


def _layer_violations(layer_arns: Sequence[str]) -> list[Violation]:
    if any(pattern_violations(arn, "", LAYER_VERSION_ARN_PATTERN) for arn in layer_arns):
        constraint = list_members(
            max_length(2048), min_length(1), matches(LAYER_VERSION_ARN_PATTERN)
        )
        return [Violation(list(layer_arns), "layers", constraint)]
    return []


def _check_package(configuration: FunctionConfiguration) -> None:
    if configuration.package_type == "Image":
        return
    if not configuration.runtime or not configuration.handler:
        raise invalid_parameter(
            "Runtime and Handler are mandatory parameters for functions created with deployment "
            "packages."
        )
    check_runtime(configuration.runtime)


def _check_snap_start(configuration: FunctionConfiguration) -> None:
    if configuration.snap_start_apply_on == "None" or configuration.runtime is None:
        return
    if not supports_snap_start(configuration.runtime):
        raise invalid_parameter(
            f"{configuration.runtime} is not supported for SnapStart enabled functions."
        )


def _check_logging(configuration: FunctionConfiguration) -> None:
    if configuration.log_group is not None and configuration.log_group.startswith("aws/"):
        raise invalid_parameter("Log group name must not start with 'aws/'.")
    levels = configuration.application_log_level or configuration.system_log_level
    if configuration.log_format == "Text" and levels:
        raise invalid_parameter(
            "ApplicationLogLevel and SystemLogLevel can only be set for functions configured to "
            "use JSON log format."
        )


def _check_dead_letters(target_arn: str | None) -> None:
    """Refuse what is neither a standard queue nor a standard topic; it may not exist yet."""
    if target_arn is None:
        return
    parts = target_arn.split(":")
    if len(parts) != 6 or parts[2] not in ("sqs", "sns") or target_arn.endswith(".fifo"):
        raise invalid_parameter(
            f"Invalid dead letter queue ARN: {target_arn} is neither a standard SQS queue nor a "
            "standard SNS topic. FIFO queues and topics are not supported."
        )


def check_environment(environment: Mapping[str, str]) -> None:
    """Refuse names that Lambda sets itself, and more than 4 KB of variables.

    The size is that of the variables as compact JSON, which the error quotes.
    Raises ApiError (400 InvalidParameterValueException).
    """
    because = (
        "Lambda was unable to configure your environment variables because the environment "
        "variables you have provided"
    )
    reserved = [name for name in environment if name in RESERVED_ENVIRONMENT_VARIABLES]
    if reserved:
        raise invalid_parameter(
            f"{because} contains reserved keys that are currently not supported for "
            f"modification. Reserved keys used in this request: {', '.join(reserved)}"
        )
    measured = json.dumps(dict(environment), separators=(",", ":"), ensure_ascii=False)
    size_bytes = len(measured.encode("utf-8", "surrogatepass"))
    if environment and size_bytes > quotas.ENVIRONMENT_VARIABLES_MAX_BYTES:
        raise invalid_parameter(f"{because} exceeded the 4KB limit. String measured: {measured}")


def check_layers(layer_arns: Sequence[str], *, region: str | None = None) -> None:
    """Refuse more than five layers, two versions of one layer, and layers of another Region.

    `region` is the function's Region; None leaves that rule out.
    Raises ApiError (400 InvalidParameterValueException).
    """
    if len(layer_arns) > quotas.LAYERS_PER_FUNCTION_MAX:
        raise invalid_parameter(
            f"Cannot reference more than {quotas.LAYERS_PER_FUNCTION_MAX} layers."
        )
    seen: dict[str, LayerVersionRef] = {}
    for arn in layer_arns:
        layer = parse_layer_version_arn(arn)
        if layer is None:  # layers of AWS's own form, which name no account and no version
            continue
        if region is not None and layer.region != region:
            raise invalid_parameter(
                "Layers are not in the same region as the function. "
                f"Layers are expected to be in region {region}."
            )
        if layer.layer_arn in seen:
            raise invalid_parameter(
                "Two different versions of the same layer are not allowed to be referenced in the "
                f"same function. {arn} and {seen[layer.layer_arn].arn} are versions of the same "
                "layer."
            )
        seen[layer.layer_arn] = layer
