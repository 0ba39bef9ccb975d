"""What the Lambda API answers about functions, aliases and layers, in the service's own fields."""

from __future__ import annotations

import hashlib
from typing import Any

from labkit.core.configuration import FunctionConfiguration
from labkit.core.names import partition
from labkit.live.lambda_api.store import (
    CREATING_REASON,
    Alias,
    Function,
    FunctionVersion,
    LayerVersion,
    timestamp,
)


def function_configuration(
    function: Function, version: FunctionVersion, *, qualifier: str | None = None
) -> dict[str, Any]:
    """Return one version's configuration as GetFunctionConfiguration answers it.

    `qualifier` is what ends the ARN: None leaves the ARN unqualified.
    """
    view = listed_configuration(function, version, qualifier=qualifier)
    if version.configuration.runtime is not None:
        view["RuntimeVersionConfig"] = {
            "RuntimeVersionArn": _runtime_version_arn(function.arn, version.configuration.runtime)
        }
    view["State"] = version.state
    if version.state == "Pending":
        view["StateReason"] = CREATING_REASON
        view["StateReasonCode"] = "Creating"
    if version.last_update_status is not None:
        view["LastUpdateStatus"] = version.last_update_status
    if version.last_update_status == "InProgress":
        view["LastUpdateStatusReason"] = CREATING_REASON
        view["LastUpdateStatusReasonCode"] = "Creating"
    return view


def listed_configuration(
    function: Function, version: FunctionVersion, *, qualifier: str | None = None
) -> dict[str, Any]:
    """Return one version's configuration as the list operations answer it: without its state."""
    configuration = version.configuration
    view: dict[str, Any] = {
        "FunctionName": function.name,
        "FunctionArn": function.arn if qualifier is None else f"{function.arn}:{qualifier}",
        "Role": configuration.role_arn,
        "CodeSize": version.package.size_bytes,
        "Description": configuration.description,
        "Timeout": configuration.timeout_s,
        "MemorySize": configuration.memory_mb,
        "LastModified": timestamp(version.last_modified_ms),
        "CodeSha256": version.package.sha256,
        "Version": version.version,
        "TracingConfig": {"Mode": configuration.tracing_mode},
        "RevisionId": version.revision_id,
        "PackageType": configuration.package_type,
        "Architectures": [configuration.architecture],
        "EphemeralStorage": {"Size": configuration.ephemeral_storage_mb},
        "SnapStart": _snap_start(version),
        "LoggingConfig": _logging(configuration),
    }
    view.update(_optional(version))
    return view


def _optional(version: FunctionVersion) -> dict[str, Any]:
    configuration = version.configuration
    view: dict[str, Any] = dict(configuration.other)
    if configuration.runtime is not None:
        view["Runtime"] = configuration.runtime
    if configuration.handler is not None:
        view["Handler"] = configuration.handler
    if version.environment_given:
        view["Environment"] = {"Variables": dict(configuration.environment)}
    if configuration.dead_letter_target_arn is not None:
        view["DeadLetterConfig"] = {"TargetArn": configuration.dead_letter_target_arn}
    if version.layers:
        view["Layers"] = [
            {"Arn": layer.arn, "CodeSize": layer.package.size_bytes} for layer in version.layers
        ]
    return view


def _snap_start(version: FunctionVersion) -> dict[str, str]:
    apply_on = version.configuration.snap_start_apply_on
    optimized = apply_on == "PublishedVersions" and version.made_from is not None
    return {"ApplyOn": apply_on, "OptimizationStatus": "On" if optimized else "Off"}


def _logging(configuration: FunctionConfiguration) -> dict[str, str]:
    view = {"LogFormat": configuration.log_format, "LogGroup": configuration.log_group_name}
    if configuration.application_log_level is not None:
        view["ApplicationLogLevel"] = configuration.application_log_level
    if configuration.system_log_level is not None:
        view["SystemLogLevel"] = configuration.system_log_level
    return view


def _runtime_version_arn(function_arn: str, runtime: str) -> str:
    region = function_arn.split(":")[3]
    digest = hashlib.sha256(runtime.encode()).hexdigest()
    return f"arn:{partition(region)}:lambda:{region}::runtime:{digest}"


def alias(function: Function, found: Alias) -> dict[str, Any]:
    """Return an alias as GetAlias answers it."""
    view: dict[str, Any] = {
        "AliasArn": f"{function.arn}:{found.name}",
        "Name": found.name,
        "FunctionVersion": found.function_version,
        "Description": found.description,
        "RevisionId": found.revision_id,
    }
    if found.weights:
        view["RoutingConfig"] = {"AdditionalVersionWeights": dict(found.weights)}
    return view


def layer_version(found: LayerVersion) -> dict[str, Any]:
    """Return a layer version as ListLayerVersions answers it: without its content."""
    view: dict[str, Any] = {
        "LayerVersionArn": found.arn,
        "Version": found.version,
        "Description": found.description,
        "CreatedDate": timestamp(found.created_ms),
    }
    if found.compatible_runtimes is not None:
        view["CompatibleRuntimes"] = found.compatible_runtimes
    if found.license_info is not None:
        view["LicenseInfo"] = found.license_info
    if found.compatible_architectures is not None:
        view["CompatibleArchitectures"] = found.compatible_architectures
    return view


def layer_version_with_content(found: LayerVersion, endpoint_url: str) -> dict[str, Any]:
    """Return a layer version as GetLayerVersion answers it."""
    return {
        "Content": {
            "Location": code_location(endpoint_url, found.package.token),
            "CodeSha256": found.package.sha256,
            "CodeSize": found.package.size_bytes,
        },
        "LayerArn": found.layer_arn,
        **layer_version(found),
    }


def code_location(endpoint_url: str, token: str) -> str:
    """Return the address from which a package can be downloaded."""
    return f"{endpoint_url}/_lab/code/{token}"
