"""From the parameters of CreateFunction and UpdateFunctionConfiguration to a configuration."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from labkit.core.configuration import FunctionConfiguration
from labkit.core.errors import ApiError, not_served

_PLAIN = {
    "Role": "role_arn",
    "Handler": "handler",
    "Runtime": "runtime",
    "Description": "description",
    "Timeout": "timeout_s",
    "MemorySize": "memory_mb",
}
_NOT_SERVED = (
    "CapacityProviderConfig",
    "DurableConfig",
    "TenancyConfig",
    "RuntimeConfig",
    "AcceleratorConfig",
    "CodeSigningConfigArn",
    "PublishTo",
)


def refuse_not_served(operation: str, parameters: Mapping[str, Any]) -> None:
    """Refuse parameters whose effect this lab does not have, rather than ignore them."""
    for name in _NOT_SERVED:
        if name in parameters:
            raise _not_served(operation, name)


def _not_served(operation: str, name: str) -> ApiError:
    return not_served(f"{operation} with {name}")


def created(name: str, parameters: Mapping[str, Any]) -> FunctionConfiguration:
    """Return the configuration that CreateFunction asks for."""
    blank = FunctionConfiguration(function_name=name, runtime=None, handler=None, role_arn="")
    changed = changes(blank, parameters)
    if "PackageType" in parameters:
        changed["package_type"] = parameters["PackageType"]
    return dataclasses.replace(blank, **changed)


def updated(current: FunctionConfiguration, parameters: Mapping[str, Any]) -> FunctionConfiguration:
    """Return the configuration that UpdateFunctionConfiguration asks for."""
    return dataclasses.replace(current, **changes(current, parameters))


def changes(current: FunctionConfiguration, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields that the parameters set."""
    found: dict[str, Any] = {
        field: parameters[name] for name, field in _PLAIN.items() if name in parameters
    }
    if "EphemeralStorage" in parameters:
        found["ephemeral_storage_mb"] = parameters["EphemeralStorage"]["Size"]
    if "Environment" in parameters:
        found["environment"] = parameters["Environment"].get("Variables", {})
    if "Layers" in parameters:
        found["layer_arns"] = tuple(parameters["Layers"])
    if "Architectures" in parameters:
        found["architecture"] = parameters["Architectures"][0]
    if "Mode" in parameters.get("TracingConfig", {}):
        found["tracing_mode"] = parameters["TracingConfig"]["Mode"]
    if "ApplyOn" in parameters.get("SnapStart", {}):
        found["snap_start_apply_on"] = parameters["SnapStart"]["ApplyOn"]
    if "DeadLetterConfig" in parameters:
        found["dead_letter_target_arn"] = parameters["DeadLetterConfig"].get("TargetArn") or None
    if "LoggingConfig" in parameters:
        found.update(_logging(current, parameters["LoggingConfig"]))
    found["other"] = _other(current.other, parameters)
    return found


def _logging(current: FunctionConfiguration, given: Mapping[str, Any]) -> dict[str, Any]:
    """Levels belong to JSON: they become INFO when it is chosen, and go when it is left."""
    log_format = given.get("LogFormat", current.log_format)
    found: dict[str, Any] = {"log_format": log_format}
    if "LogGroup" in given:
        found["log_group"] = given["LogGroup"]
    levels = {
        "application_log_level": given.get("ApplicationLogLevel"),
        "system_log_level": given.get("SystemLogLevel"),
    }
    for field, level in levels.items():
        kept = getattr(current, field) or "INFO" if log_format == "JSON" else None
        found[field] = level or kept
    return found


def _other(current: Mapping[str, object], parameters: Mapping[str, Any]) -> dict[str, object]:
    found = dict(current)
    for name in ("KMSKeyArn", "FileSystemConfigs"):
        if name in parameters:
            found.pop(name, None)
            if parameters[name]:
                found[name] = parameters[name]
    if "VpcConfig" in parameters:
        given = parameters["VpcConfig"]
        found["VpcConfig"] = {
            "SubnetIds": given.get("SubnetIds", []),
            "SecurityGroupIds": given.get("SecurityGroupIds", []),
            "VpcId": "",
            "Ipv6AllowedForDualStack": given.get("Ipv6AllowedForDualStack", False),
        }
    return found
