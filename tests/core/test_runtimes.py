"""Runtimes: what AWS accepts today, what it has retired, and what it never knew."""

import pytest
from botocore.loaders import Loader
from hypothesis import given
from hypothesis import strategies as st

from labkit.core.errors import ApiError
from labkit.core.runtimes import (
    RUNTIMES,
    SUPPORTED_RUNTIMES,
    check_runtime,
    supports_snap_start,
)


def test_table_holds_exactly_the_models_identifiers() -> None:
    model = Loader().load_service_model("lambda", "service-2")
    assert set(RUNTIMES) == set(model["shapes"]["Runtime"]["enum"])


@pytest.mark.parametrize("identifier", SUPPORTED_RUNTIMES)
def test_supported(identifier: str) -> None:
    runtime = check_runtime(identifier)
    assert runtime.identifier == identifier
    assert identifier.startswith(runtime.family)
    assert not runtime.deprecated


@pytest.mark.parametrize(
    ("identifier", "family", "version"),
    [
        ("python3.10", "python", "3.10"),
        ("python3.15", "python", "3.15"),
        ("nodejs22.x", "nodejs", "22.x"),
        ("java8.al2", "java", "8.al2"),
        ("dotnet8", "dotnet", "8"),
        ("ruby4.0", "ruby", "4.0"),
        ("provided.al2", "provided", "al2"),
        ("provided.al2023", "provided", "al2023"),
        ("custom", "custom", ""),
    ],
)
def test_family_and_version(identifier: str, family: str, version: str) -> None:
    runtime = check_runtime(identifier)
    assert (runtime.family, runtime.version) == (family, version)


@pytest.mark.parametrize(
    "identifier",
    [
        "python2.7",
        "python3.6",
        "python3.9",
        "nodejs",
        "nodejs4.3-edge",
        "nodejs20.x",
        "provided",
        "go1.x",
        "java8",
        "dotnetcore3.1",
        "dotnet6",
        "ruby3.2",
    ],
)
def test_retired(identifier: str) -> None:
    with pytest.raises(ApiError) as refusal:
        check_runtime(identifier)
    assert RUNTIMES[identifier].deprecated
    assert refusal.value.code == "InvalidParameterValueException"
    assert refusal.value.message == (
        f"The runtime parameter of {identifier} is no longer supported for creating or updating "
        "AWS Lambda functions. We recommend you use a supported runtime while creating or "
        "updating functions."
    )


@given(st.text(max_size=20).filter(lambda text: text not in RUNTIMES))
def test_unknown(identifier: str) -> None:
    with pytest.raises(ApiError) as refusal:
        check_runtime(identifier)
    message = refusal.value.message
    assert refusal.value.code == "InvalidParameterValueException"
    assert message.startswith(
        f"Value {identifier} at 'runtime' failed to satisfy constraint: "
        "Member must satisfy enum value set: ["
    )
    assert message.endswith("] or be a valid ARN")
    listed = message.rsplit("set: [", 1)[1].removesuffix("] or be a valid ARN")
    assert tuple(listed.split(", ")) == SUPPORTED_RUNTIMES


@pytest.mark.parametrize(
    ("identifier", "supported"),
    [
        ("python3.11", False),
        ("python3.12", True),
        ("python3.14", True),
        ("java8.al2", False),
        ("java11", True),
        ("java17.al2023", True),
        ("dotnet8", True),
        ("nodejs24.x", False),
        ("provided.al2023", False),
        ("python3.9", False),
        ("fortran77", False),
    ],
)
def test_snap_start(identifier: str, supported: bool) -> None:
    assert supports_snap_start(identifier) is supported
