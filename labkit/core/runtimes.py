"""The runtimes of AWS Lambda: which identifiers it accepts today, and which it has retired.

Source: developer guide, "Lambda runtimes" (October 2026), and the service model's Runtime shape.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from labkit.core.constraints import one_of
from labkit.core.errors import ApiError, invalid_parameter


@dataclass(frozen=True, slots=True)
class Runtime:
    """One runtime identifier.

    `family` is "python", "nodejs", "java", "dotnet", "ruby", "go", "provided" or "custom";
    `version` is what follows the family in the identifier, such as "3.13" or "22.x".
    `deprecated` means that AWS refuses to create or update functions with it.
    """

    identifier: str
    family: str
    version: str
    deprecated: bool = False


_SUPPORTED: Final = {
    "python": ("3.10", "3.11", "3.12", "3.13", "3.14", "3.15"),
    "nodejs": ("22.x", "24.x", "26.x"),
    "java": (
        "8.al2",
        "8.al2023",
        "11",
        "11.al2023",
        "17",
        "17.al2023",
        "21",
        "25",
    ),
    "dotnet": ("8", "10"),
    "ruby": ("3.3", "3.4", "4.0"),
    "provided": (".al2", ".al2023"),
    "custom": ("",),
}

_RETIRED: Final = {
    "python": ("2.7", "3.6", "3.7", "3.8", "3.9"),
    "nodejs": (
        "",
        "4.3",
        "4.3-edge",
        "6.10",
        "8.10",
        "10.x",
        "12.x",
        "14.x",
        "16.x",
        "18.x",
        "20.x",
    ),
    "java": ("8",),
    "dotnet": ("core1.0", "core2.0", "core2.1", "core3.1", "6"),
    "ruby": ("2.5", "2.7", "3.2"),
    "go": ("1.x",),
    "provided": ("",),
}


def _table() -> Mapping[str, Runtime]:
    rows: dict[str, Runtime] = {}
    for deprecated, families in ((False, _SUPPORTED), (True, _RETIRED)):
        for family, versions in families.items():
            for version in versions:
                rows[family + version] = Runtime(
                    family + version, family, version.lstrip("."), deprecated
                )
    return MappingProxyType(rows)


RUNTIMES: Final = _table()
"""Every identifier that AWS ever accepted, by identifier."""

SUPPORTED_RUNTIMES: Final = tuple(
    identifier for identifier, runtime in RUNTIMES.items() if not runtime.deprecated
)
"""The identifiers that AWS accepts for a new function today."""


_SNAP_START_FROM: Final = {"python": (3, 12), "java": (11,), "dotnet": (8,)}


def supports_snap_start(identifier: str) -> bool:
    """Tell whether functions of this runtime can use SnapStart.

    Source: developer guide, "Improving startup performance with Lambda SnapStart": Java 11, Python
    3.12 and .NET 8, and later.
    """
    runtime = RUNTIMES.get(identifier)
    if runtime is None or runtime.deprecated or runtime.family not in _SNAP_START_FROM:
        return False
    numbers = tuple(int(part) for part in runtime.version.split(".") if part.isdigit())
    return numbers >= _SNAP_START_FROM[runtime.family]


def check_runtime(identifier: str) -> Runtime:
    """Return the runtime of this identifier, if a function may be created with it today.

    Raises ApiError (400 InvalidParameterValueException) for a retired and for an unknown one.
    """
    runtime = RUNTIMES.get(identifier)
    if runtime is None:
        raise _unknown(identifier)
    if runtime.deprecated:
        raise _retired(identifier)
    return runtime


def _retired(identifier: str) -> ApiError:
    return invalid_parameter(
        f"The runtime parameter of {identifier} is no longer supported for creating or updating "
        "AWS Lambda functions. We recommend you use a supported runtime while creating or "
        "updating functions."
    )


def _unknown(identifier: str) -> ApiError:
    # The service lists what can be created today, not all that its model knows.
    return invalid_parameter(
        f"Value {identifier} at 'runtime' failed to satisfy constraint: "
        f"{one_of(SUPPORTED_RUNTIMES)} or be a valid ARN"
    )
