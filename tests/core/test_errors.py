"""Errors of the API: bodies byte for byte, status and headers."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit.core import errors
from labkit.core.errors import ApiError

ARN = "arn:aws:lambda:us-east-1:123456789012:function:hello"


@pytest.mark.parametrize(
    ("error", "status", "code", "body"),
    [
        (
            errors.function_not_found(ARN + ":$LATEST"),
            404,
            "ResourceNotFoundException",
            f'{{"Type":"User","Message":"Function not found: {ARN}:$LATEST"}}',
        ),
        (
            errors.other_region("eu-west-1", "us-east-1"),
            404,
            "ResourceNotFoundException",
            (
                '{"Type":"User","Message":"Functions from \'eu-west-1\' are not reachable in this '
                "region ('us-east-1')\"}"
            ),
        ),
        (
            errors.too_many_requests("ReservedFunctionConcurrentInvocationLimitExceeded"),
            429,
            "TooManyRequestsException",
            (
                '{"Reason":"ReservedFunctionConcurrentInvocationLimitExceeded","Type":"User",'
                '"message":"Rate Exceeded."}'
            ),
        ),
        (
            errors.state_pending(),
            409,
            "ResourceConflictException",
            (
                '{"Type":"User","message":"The operation cannot be performed at this time. The '
                'function is currently in the following state: Pending"}'
            ),
        ),
        (
            errors.update_in_progress(ARN),
            409,
            "ResourceConflictException",
            (
                '{"Type":"User","message":"The operation cannot be performed at this time. An '
                "update "
                f'is in progress for resource: {ARN}"}}'
            ),
        ),
        (
            errors.qualifiers_differ(),
            400,
            "InvalidParameterValueException",
            (
                '{"Type":"User","message":"The derived qualifier from the function name does not '
                'match the specified qualifier."}'
            ),
        ),
        (
            errors.stale_revision(),
            412,
            "PreconditionFailedException",
            (
                '{"Type":"User","message":"The Revision Id provided does not match the latest '
                "Revision Id. Call the GetFunction/GetAlias API to retrieve the latest Revision "
                'Id"}'
            ),
        ),
        (
            errors.bad_payload("Unexpected end-of-input"),
            400,
            "InvalidRequestContentException",
            (
                '{"Type":"User","message":"Could not parse request body into json: Could not parse '
                'payload into json: Unexpected end-of-input"}'
            ),
        ),
        (
            errors.validation("1 validation error detected: x"),
            400,
            "ValidationException",
            '{"message":"1 validation error detected: x"}',
        ),
        (
            errors.zip_too_large(52_428_800),
            413,
            "RequestEntityTooLargeException",
            '{"message":"Zipped size must be smaller than 52428800 bytes"}',
        ),
        (
            errors.request_too_large(70_167_211, "CreateFunction"),
            413,
            "RequestEntityTooLargeException",
            (
                '{"message":"Request must be smaller than 70167211 bytes for the CreateFunction '
                'operation"}'
            ),
        ),
        (
            errors.request_too_large(6_291_456, "Invoke"),
            413,
            "RequestEntityTooLargeException",
            (
                '{"Message":"Request must be smaller than 6291456 bytes for the InvokeFunction '
                'operation"}'
            ),
        ),
        (
            errors.not_authorized(
                "arn:aws:iam::123456789012:user/ada", "lambda:InvokeFunction", ARN, "of a policy"
            ),
            403,
            "AccessDeniedException",
            (
                '{"Message":"User: arn:aws:iam::123456789012:user/ada is not authorized to '
                "perform: "
                f'lambda:InvokeFunction on resource: {ARN} because of a policy"}}'
            ),
        ),
    ],
)
def test_recorded_errors(error: ApiError, status: int, code: str, body: str) -> None:
    assert error.body().decode() == body
    assert (error.status, error.code) == (status, code)
    assert error.headers()["x-amzn-ErrorType"] == code


def test_retry_after_is_a_header() -> None:
    reason = "ConcurrentInvocationLimitExceeded"
    assert "Retry-After" not in errors.too_many_requests(reason).headers()
    assert errors.too_many_requests(reason, retry_after_s=2).headers()["Retry-After"] == "2"


def test_not_served_names_the_operation() -> None:
    error = errors.not_served("CreateCapacityProvider")
    assert error.status == 501
    assert "CreateCapacityProvider" in error.message


def test_other_ready_made_texts() -> None:
    alias_arn = ARN + ":live"
    assert errors.alias_not_found(alias_arn).message == f"Cannot find alias arn: {alias_arn}"
    assert errors.alias_exists(alias_arn).message == f"Alias already exists: {alias_arn}"
    assert errors.function_exists("hello").message == "Function already exist: hello"
    assert errors.no_such_resource().message == "The resource you requested does not exist."
    assert errors.unzipped_too_large(262_144_000).message == (
        "Unzipped size must be smaller than 262144000 bytes"
    )
    assert errors.unreadable_zip().message.startswith("Could not unzip uploaded file.")
    assert errors.latest_cannot_be_deleted().status == 400
    assert errors.too_many_tags().message == "Number of tags exceeds resource tag limit."
    assert errors.role_not_assumable().message == (
        "The role defined for the function cannot be assumed by Lambda."
    )


@pytest.mark.parametrize(
    ("error", "status", "message_key"),
    [
        (errors.resource_not_found("m"), 404, "Message"),
        (errors.resource_conflict("m"), 409, "message"),
        (errors.precondition_failed("m"), 412, "message"),
        (errors.invalid_parameter("m"), 400, "message"),
        (errors.invalid_request_content("m"), 400, "message"),
        (errors.serialization_error("m"), 400, "Message"),
        (errors.policy_length_exceeded("m"), 400, "message"),
        (errors.service_exception("m"), 500, "Message"),
    ],
)
def test_status_and_message_key(error: ApiError, status: int, message_key: str) -> None:
    assert error.status == status
    assert json.loads(error.body())[message_key] == error.message


@given(st.text(), st.dictionaries(st.sampled_from(["Reason", "Resource"]), st.text()))
def test_body_is_json_with_the_message_last(message: str, fields: dict[str, str]) -> None:
    error = ApiError("SomeException", message, status=400, fields=fields)
    content = json.loads(error.body())
    assert list(content) == [*fields, "Type", "message"]
    assert content["message"] == message
    assert content | fields == content


def test_error_prints_code_and_message() -> None:
    assert str(errors.invalid_parameter("no")) == "InvalidParameterValueException: no"
