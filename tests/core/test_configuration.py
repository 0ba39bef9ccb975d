"""Function configuration: every range at both edges, every rule in AWS's words."""

import dataclasses
import json
import string
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit.core.configuration import (
    RESERVED_ENVIRONMENT_VARIABLES,
    FunctionConfiguration,
    check_layers,
    validate,
)
from labkit.core.errors import ApiError

ROLE = "arn:aws:iam::123456789012:role/lab"
BASE = FunctionConfiguration(
    function_name="hello", runtime="python3.13", handler="app.handler", role_arn=ROLE
)
LAYER = "arn:aws:lambda:us-east-1:123456789012:layer:{name}:{version}"


def changed(**changes: Any) -> FunctionConfiguration:
    return dataclasses.replace(BASE, **changes)


def refused(**changes: Any) -> ApiError:
    with pytest.raises(ApiError) as refusal:
        validate(changed(**changes))
    assert refusal.value.status == 400
    return refusal.value


def test_defaults_are_aws_defaults() -> None:
    validate(BASE)
    assert (BASE.memory_mb, BASE.timeout_s, BASE.ephemeral_storage_mb) == (128, 3, 512)
    assert (BASE.architecture, BASE.package_type) == ("x86_64", "Zip")
    assert (BASE.tracing_mode, BASE.log_format) == ("PassThrough", "Text")


def test_log_group_name() -> None:
    assert BASE.log_group_name == "/aws/lambda/hello"
    assert changed(log_group="shared").log_group_name == "shared"


RANGES = [
    ("memory_mb", "memorySize", 128, 10_240),
    ("timeout_s", "timeout", 1, 900),
    ("ephemeral_storage_mb", "ephemeralStorage.size", 512, 10_240),
]


@pytest.mark.parametrize(("field", "path", "low", "high"), RANGES)
def test_ranges_at_both_edges(field: str, path: str, low: int, high: int) -> None:
    validate(changed(**{field: low}))
    validate(changed(**{field: high}))
    below, above = refused(**{field: low - 1}), refused(**{field: high + 1})
    assert below.code == above.code == "ValidationException"
    assert below.message == (
        f"1 validation error detected: Value '{low - 1}' at '{path}' failed to satisfy "
        f"constraint: Member must have value greater than or equal to {low}"
    )
    assert above.message == (
        f"1 validation error detected: Value '{high + 1}' at '{path}' failed to satisfy "
        f"constraint: Member must have value less than or equal to {high}"
    )


@given(st.integers(-100, 40_000), st.integers(-100, 6_000), st.integers(-100, 40_000))
def test_exactly_the_ranges_are_accepted(memory_mb: int, timeout_s: int, storage_mb: int) -> None:
    configuration = changed(
        memory_mb=memory_mb, timeout_s=timeout_s, ephemeral_storage_mb=storage_mb
    )
    broken = (
        (not 128 <= memory_mb <= 10_240)
        + (not 1 <= timeout_s <= 900)
        + (not 512 <= storage_mb <= 10_240)
    )
    if not broken:
        validate(configuration)
        return
    with pytest.raises(ApiError) as refusal:
        validate(configuration)
    assert refusal.value.message.startswith(f"{broken} validation error")


@pytest.mark.parametrize(
    ("field", "longest", "path"),
    [
        ("description", "d" * 256, "description"),
        ("handler", "h" * 128, "handler"),
        ("log_group", "g" * 512, "loggingConfig.logGroup"),
    ],
)
def test_lengths(field: str, longest: str, path: str) -> None:
    validate(changed(**{field: longest}))
    error = refused(**{field: longest + "x"})
    assert error.code == "ValidationException"
    assert error.message.endswith(
        f"at '{path}' failed to satisfy constraint: "
        f"Member must have length less than or equal to {len(longest)}"
    )


def test_function_name_of_65_characters() -> None:
    validate(changed(function_name="n" * 64))
    error = refused(function_name="n" * 65)
    assert error.code == "InvalidParameterValueException"
    assert error.message == (
        f"1 validation error detected: Value '{'n' * 65}' at 'functionName' failed to satisfy "
        "constraint: Member must have length less than or equal to 64"
    )


@given(st.text(max_size=70))
def test_function_names(name: str) -> None:
    allowed = set(string.ascii_letters + string.digits + "-_")
    if 1 <= len(name) <= 64 and set(name) <= allowed:
        validate(changed(function_name=name))
    else:
        refused(function_name=name)


@pytest.mark.parametrize(
    ("field", "value", "ending"),
    [
        (
            "architecture",
            "riscv",
            (
                "Value '[riscv]' at 'architectures' failed to satisfy constraint: Member must "
                "satisfy "
                "constraint: [Member must satisfy enum value set: [x86_64, arm64], "
                "Member must not be null]"
            ),
        ),
        (
            "tracing_mode",
            "On",
            (
                "Value 'On' at 'tracingConfig.mode' failed to satisfy constraint: "
                "Member must satisfy enum value set: [Active, PassThrough]"
            ),
        ),
        (
            "log_format",
            "XML",
            (
                "Value 'XML' at 'loggingConfig.logFormat' failed to satisfy constraint: "
                "Member must satisfy enum value set: [JSON, Text]"
            ),
        ),
        (
            "application_log_level",
            "LOUD",
            (
                "Value 'LOUD' at 'loggingConfig.applicationLogLevel' failed to satisfy constraint: "
                "Member must satisfy enum value set: [TRACE, DEBUG, INFO, WARN, ERROR, FATAL]"
            ),
        ),
        (
            "system_log_level",
            "ERROR",
            (
                "Value 'ERROR' at 'loggingConfig.systemLogLevel' failed to satisfy constraint: "
                "Member must satisfy enum value set: [DEBUG, INFO, WARN]"
            ),
        ),
        (
            "snap_start_apply_on",
            "Always",
            (
                "Value 'Always' at 'snapStart.applyOn' failed to satisfy constraint: "
                "Member must satisfy enum value set: [PublishedVersions, None]"
            ),
        ),
        (
            "package_type",
            "Tar",
            (
                "Value 'Tar' at 'packageType' failed to satisfy constraint: "
                "Member must satisfy enum value set: [Zip, Image]"
            ),
        ),
        (
            "role_arn",
            "lab",
            (
                "Value 'lab' at 'role' failed to satisfy constraint: Member must satisfy regular "
                r"expression pattern: arn:(aws[a-zA-Z-]*)?:iam::\d{12}:role/?[a-zA-Z_0-9+=,.@\-_/]+"
            ),
        ),
        (
            "handler",
            "app handler",
            (
                "Value 'app handler' at 'handler' failed to satisfy constraint: Member must "
                "satisfy "
                r"regular expression pattern: [^\s]+"
            ),
        ),
        (
            "log_group",
            "a b",
            (
                "Value 'a b' at 'loggingConfig.logGroup' failed to satisfy constraint: Member must "
                r"satisfy regular expression pattern: [\.\-_/#A-Za-z0-9]+"
            ),
        ),
        (
            "environment",
            {"1X": "y"},
            (
                "Value at 'environment.variables' failed to satisfy constraint: Map keys must "
                "satisfy "
                "constraint: [Member must satisfy regular expression pattern: "
                "[a-zA-Z]([a-zA-Z0-9_])+]"
            ),
        ),
    ],
)
def test_constraints_of_the_model(field: str, value: object, ending: str) -> None:
    error = refused(**{field: value})
    assert error.code == "ValidationException"
    assert error.message == f"1 validation error detected: {ending}"


def test_all_violations_are_listed() -> None:
    error = refused(memory_mb=1, timeout_s=0, description="d" * 257, tracing_mode="x")
    assert error.message.startswith("4 validation errors detected: ")


@pytest.mark.parametrize("field", ["runtime", "handler"])
@pytest.mark.parametrize("value", [None, ""])
def test_zip_packages_need_runtime_and_handler(field: str, value: str | None) -> None:
    assert refused(**{field: value}).message == (
        "Runtime and Handler are mandatory parameters for functions created with deployment "
        "packages."
    )


def test_images_need_neither() -> None:
    validate(changed(package_type="Image", runtime=None, handler=None))


def test_retired_runtime() -> None:
    assert "no longer supported" in refused(runtime="python3.8").message


def test_snap_start_needs_a_runtime_that_has_it() -> None:
    validate(changed(snap_start_apply_on="PublishedVersions"))
    error = refused(snap_start_apply_on="PublishedVersions", runtime="nodejs24.x")
    assert error.message == "nodejs24.x is not supported for SnapStart enabled functions."


def test_log_levels_need_json() -> None:
    validate(changed(log_format="JSON", application_log_level="DEBUG", system_log_level="WARN"))
    assert "JSON log format" in refused(application_log_level="DEBUG").message
    assert "JSON log format" in refused(system_log_level="WARN").message


def test_log_group_of_aws() -> None:
    assert "aws/" in refused(log_group="aws/mine").message
    validate(changed(log_group="/aws/lambda/mine"))


KEYS = st.from_regex(r"\A[a-zA-Z][a-zA-Z0-9_]{1,12}\Z").filter(
    lambda key: key not in RESERVED_ENVIRONMENT_VARIABLES
)


@given(st.dictionaries(KEYS, st.text(max_size=20), max_size=8))
def test_ordinary_environment_variables(environment: dict[str, str]) -> None:
    validate(changed(environment=environment))


@pytest.mark.parametrize("name", sorted(RESERVED_ENVIRONMENT_VARIABLES))
def test_reserved_environment_variables(name: str) -> None:
    error = refused(environment={"MINE": "1", name: "2"})
    assert error.code == "InvalidParameterValueException"
    assert error.message == (
        "Lambda was unable to configure your environment variables because the environment "
        "variables you have provided contains reserved keys that are currently not supported for "
        f"modification. Reserved keys used in this request: {name}"
    )


def test_several_reserved_names_are_listed_as_given() -> None:
    error = refused(environment={"LAMBDA_TASK_ROOT": "", "AWS_REGION": ""})
    assert error.message.endswith("used in this request: LAMBDA_TASK_ROOT, AWS_REGION")


@pytest.mark.parametrize("filler", ["x", "é", "☃"])
def test_environment_variables_of_4_kb(filler: str) -> None:
    per_character = len(filler.encode())
    overhead = len('{"BIG":""}')
    fitting = (4096 - overhead) // per_character
    validate(changed(environment={"BIG": filler * fitting}))
    too_big = {"BIG": filler * (fitting + 1)}
    measured = json.dumps(too_big, separators=(",", ":"), ensure_ascii=False)
    assert refused(environment=too_big).message == (
        "Lambda was unable to configure your environment variables because the environment "
        f"variables you have provided exceeded the 4KB limit. String measured: {measured}"
    )


def layer(name: str, version: int = 1) -> str:
    return LAYER.format(name=name, version=version)


def test_five_layers_and_no_more() -> None:
    validate(changed(layer_arns=tuple(layer(f"l{n}") for n in range(5))))
    error = refused(layer_arns=tuple(layer(f"l{n}") for n in range(6)))
    assert error.message == "Cannot reference more than 5 layers."


def test_two_versions_of_one_layer() -> None:
    error = refused(layer_arns=(layer("a", 1), layer("b"), layer("a", 2)))
    assert error.message == (
        "Two different versions of the same layer are not allowed to be referenced in the same "
        f"function. {layer('a', 2)} and {layer('a', 1)} are versions of the same layer."
    )


def test_layer_of_another_region() -> None:
    check_layers([layer("a")], region="us-east-1")
    with pytest.raises(ApiError) as refusal:
        check_layers([layer("a")], region="eu-west-1")
    assert refusal.value.message == (
        "Layers are not in the same region as the function. "
        "Layers are expected to be in region eu-west-1."
    )


def test_layer_without_version() -> None:
    arn = layer("a").rsplit(":", 1)[0]
    error = refused(layer_arns=(arn,))
    assert error.message.startswith(
        f"1 validation error detected: Value '[{arn}]' at 'layers' failed to satisfy constraint: "
        "Member must satisfy constraint: [Member must have length less than or equal to 2048, "
        "Member must have length greater than or equal to 1, "
        "Member must satisfy regular expression pattern: "
    )


def test_layers_in_awss_own_form_are_left_alone() -> None:
    validate(changed(layer_arns=("arn:aws:lambda:::awslayer:AmazonLinux1703",)))


@pytest.mark.parametrize("target", ["sqs:us-east-1:123456789012:dead", "sns:us-east-1:1:dead"])
def test_dead_letters_go_to_a_queue_or_a_topic(target: str) -> None:
    validate(changed(dead_letter_target_arn=f"arn:aws:{target}"))


@pytest.mark.parametrize(
    "target",
    [
        "arn:aws:sqs:us-east-1:123456789012:dead.fifo",
        "arn:aws:sns:us-east-1:123456789012:dead.fifo",
        "arn:aws:lambda:us-east-1:123456789012:function:dead",
        "arn:aws:s3:::dead",
        "arn:aws:sqs",
    ],
)
def test_dead_letters_go_nowhere_else(target: str) -> None:
    error = refused(dead_letter_target_arn=target)
    assert error.code == "InvalidParameterValueException"
    assert error.message.startswith(f"Invalid dead letter queue ARN: {target} is neither")


def test_configuration_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        BASE.memory_mb = 256  # type: ignore[misc]
