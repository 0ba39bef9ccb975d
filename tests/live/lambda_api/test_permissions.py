from __future__ import annotations

import json
from typing import Any

import pytest

PERMISSION = {
    "FunctionName": "hello",
    "StatementId": "s1",
    "Action": "lambda:InvokeFunction",
    "Principal": "s3.amazonaws.com",
}
GONE = "The resource you requested does not exist."
NO_POLICY = "No policy is associated with the given resource."


def statements(answer: Any) -> list[str]:
    return [one["Sid"] for one in json.loads(answer["Policy"])["Statement"]]


def test_add_get_remove(bench: Any, client: Any, refused: Any) -> None:
    bench.create()
    answer = client.add_permission(**PERMISSION, SourceArn="arn:aws:s3:::bucket")
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 201
    statement = {
        "Sid": "s1",
        "Effect": "Allow",
        "Principal": {"Service": "s3.amazonaws.com"},
        "Action": "lambda:InvokeFunction",
        "Resource": bench.arn(),
        "Condition": {"ArnLike": {"AWS:SourceArn": "arn:aws:s3:::bucket"}},
    }
    assert json.loads(answer["Statement"]) == statement
    policy = client.get_policy(FunctionName="hello")
    assert json.loads(policy["Policy"]) == {
        "Version": "2012-10-17",
        "Id": "default",
        "Statement": [statement],
    }
    function = client.get_function_configuration(FunctionName="hello")
    assert policy["RevisionId"] == function["RevisionId"]
    removed = client.remove_permission(FunctionName="hello", StatementId="s1")
    assert removed["ResponseMetadata"]["HTTPStatusCode"] == 204
    found = refused(client.get_policy, FunctionName="hello")
    assert (found.status, found.message) == (404, GONE)


@pytest.mark.parametrize(
    ("principal", "expected"),
    [
        ("*", "*"),
        ("999999999999", {"AWS": "arn:aws:iam::999999999999:root"}),
        ("arn:aws:iam::999999999999:role/r", {"AWS": "arn:aws:iam::999999999999:role/r"}),
        ("events.amazonaws.com", {"Service": "events.amazonaws.com"}),
    ],
)
def test_principals(bench: Any, client: Any, principal: str, expected: Any) -> None:
    bench.create()
    answer = client.add_permission(**{**PERMISSION, "Principal": principal})
    assert json.loads(answer["Statement"])["Principal"] == expected


def test_conditions(bench: Any, client: Any) -> None:
    bench.create()
    answer = client.add_permission(
        **PERMISSION,
        SourceAccount="999999999999",
        SourceArn="arn:aws:s3:::bucket",
        PrincipalOrgID="o-1234567890",
        FunctionUrlAuthType="NONE",
        EventSourceToken="token",
        InvokedViaFunctionUrl=True,
    )
    assert json.loads(answer["Statement"])["Condition"] == {
        "StringEquals": {
            "AWS:SourceAccount": "999999999999",
            "aws:PrincipalOrgID": "o-1234567890",
            "lambda:FunctionUrlAuthType": "NONE",
            "lambda:EventSourceToken": "token",
        },
        "ArnLike": {"AWS:SourceArn": "arn:aws:s3:::bucket"},
        "Bool": {"lambda:InvokedViaFunctionUrl": "true"},
    }


def test_policies_are_per_qualifier(bench: Any, client: Any, refused: Any) -> None:
    bench.create(Publish=True)
    alias = client.create_alias(FunctionName="hello", Name="live", FunctionVersion="1")
    client.add_permission(**{**PERMISSION, "StatementId": "f"})
    client.add_permission(**{**PERMISSION, "StatementId": "v"}, Qualifier="1")
    answer = client.add_permission(
        **{**PERMISSION, "StatementId": "a"}, Qualifier="live", RevisionId=alias["RevisionId"]
    )
    assert json.loads(answer["Statement"])["Resource"] == bench.arn(qualifier="live")
    assert statements(client.get_policy(FunctionName="hello")) == ["f"]
    assert statements(client.get_policy(FunctionName="hello", Qualifier="1")) == ["v"]
    of_alias = client.get_policy(FunctionName="hello", Qualifier="live")
    assert statements(of_alias) == ["a"]
    assert of_alias["RevisionId"] != alias["RevisionId"]
    client.publish_version(FunctionName="hello")
    assert refused(client.get_policy, FunctionName="hello", Qualifier="2").message == GONE


REFUSALS: list[tuple[str, dict[str, Any], int, str, str]] = [
    (
        "add_permission",
        {**PERMISSION, "StatementId": "taken"},
        409,
        "ResourceConflictException",
        "The statement id (taken) provided already exists. Please provide a new statement id, or "
        "remove the existing statement.",
    ),
    (
        "add_permission",
        {**PERMISSION, "Qualifier": "$LATEST"},
        400,
        "InvalidParameterValueException",
        "We currently do not support adding policies for $LATEST.",
    ),
    (
        "add_permission",
        {**PERMISSION, "FunctionName": "nobody"},
        404,
        "ResourceNotFoundException",
        "Function not found: arn:aws:lambda:eu-central-1:123456789012:function:nobody",
    ),
    (
        "add_permission",
        {**PERMISSION, "Qualifier": "99"},
        404,
        "ResourceNotFoundException",
        "Function not found: arn:aws:lambda:eu-central-1:123456789012:function:hello:99",
    ),
    (
        "add_permission",
        {**PERMISSION, "Qualifier": "nolive"},
        404,
        "ResourceNotFoundException",
        "Cannot find alias arn: arn:aws:lambda:eu-central-1:123456789012:function:hello:nolive",
    ),
    (
        "add_permission",
        {**PERMISSION, "Principal": "nobody"},
        400,
        "InvalidParameterValueException",
        "The provided principal was invalid. Please check the principal and try again.",
    ),
    (
        "add_permission",
        {**PERMISSION, "RevisionId": "stale"},
        412,
        "PreconditionFailedException",
        "The Revision Id provided does not match the latest Revision Id. Call the "
        "GetPolicy API to retrieve the latest Revision Id",
    ),
    (
        "remove_permission",
        {"FunctionName": "hello", "StatementId": "taken", "RevisionId": "stale"},
        412,
        "PreconditionFailedException",
        "The Revision Id provided does not match the latest Revision Id. Call the "
        "GetPolicy API to retrieve the latest Revision Id",
    ),
    (
        "remove_permission",
        {"FunctionName": "hello", "StatementId": "x"},
        404,
        "ResourceNotFoundException",
        "Statement x is not found in resource policy.",
    ),
    (
        "remove_permission",
        {"FunctionName": "bare", "StatementId": "x"},
        404,
        "ResourceNotFoundException",
        NO_POLICY,
    ),
    ("get_policy", {"FunctionName": "bare"}, 404, "ResourceNotFoundException", GONE),
    ("get_policy", {"FunctionName": "nobody"}, 404, "ResourceNotFoundException", GONE),
]


@pytest.mark.parametrize(("operation", "given", "status", "code", "message"), REFUSALS)
def test_refusals(
    bench: Any,
    client: Any,
    refused: Any,
    operation: str,
    given: dict[str, Any],
    status: int,
    code: str,
    message: str,
) -> None:
    bench.create()
    bench.create("bare")
    client.add_permission(**{**PERMISSION, "StatementId": "taken"})
    found = refused(getattr(client, operation), **given)
    assert (found.status, found.code, found.message) == (status, code, message)


def test_policy_of_more_than_twenty_kilobytes(bench: Any, client: Any, refused: Any) -> None:
    bench.create()
    long_arn = "arn:aws:s3:::" + "b" * 6_000
    for number in range(3):
        client.add_permission(**{**PERMISSION, "StatementId": f"s{number}"}, SourceArn=long_arn)
    found = refused(
        client.add_permission, **{**PERMISSION, "StatementId": "s9"}, SourceArn=long_arn
    )
    assert (found.status, found.code) == (400, "PolicyLengthExceededException")
    assert found.message.endswith("is bigger than the limit (20480).")
    assert statements(client.get_policy(FunctionName="hello")) == ["s0", "s1", "s2"]


LAYER_PERMISSION = {
    "LayerName": "tools",
    "VersionNumber": 1,
    "StatementId": "s1",
    "Action": "lambda:GetLayerVersion",
    "Principal": "*",
}


@pytest.fixture
def layer(bench: Any, client: Any) -> str:
    answer = client.publish_layer_version(LayerName="tools", Content={"ZipFile": bench.code})
    return str(answer["LayerVersionArn"])


def test_layer_permissions(client: Any, layer: str) -> None:
    added = client.add_layer_version_permission(**LAYER_PERMISSION)
    assert json.loads(added["Statement"]) == {
        "Sid": "s1",
        "Effect": "Allow",
        "Principal": "*",
        "Action": "lambda:GetLayerVersion",
        "Resource": layer,
    }
    second = client.add_layer_version_permission(
        **{**LAYER_PERMISSION, "StatementId": "s2", "OrganizationId": "o-1234567890"},
        RevisionId=added["RevisionId"],
    )
    policy = client.get_layer_version_policy(LayerName="tools", VersionNumber=1)
    assert policy["RevisionId"] == second["RevisionId"]
    assert statements(policy) == ["s1", "s2"]
    client.remove_layer_version_permission(
        LayerName="tools", VersionNumber=1, StatementId="s2", RevisionId=second["RevisionId"]
    )
    assert statements(client.get_layer_version_policy(LayerName="tools", VersionNumber=1)) == ["s1"]


STALE_LAYER = (
    "The Revision Id provided does not match the latest Revision Id. Call the GetLayerPolicy API "
    "to retrieve the latest Revision Id"
)
LAYER_REFUSALS: list[tuple[str, dict[str, Any], int, str]] = [
    ("add", {"StatementId": "taken"}, 409, "The statement id (taken) provided already exists."),
    ("add", {"RevisionId": "stale"}, 412, STALE_LAYER),
    (
        "add",
        {"Action": "*"},
        400,
        "1 validation error detected: Value '*' at 'action' failed to satisfy constraint: Member "
        "must satisfy regular expression pattern: lambda:GetLayerVersion",
    ),
    (
        "add",
        {"LayerName": "none"},
        404,
        "Layer version arn:aws:lambda:eu-central-1:123456789012:layer:none:1 does not exist.",
    ),
    (
        "add",
        {"VersionNumber": 2},
        404,
        "Layer version arn:aws:lambda:eu-central-1:123456789012:layer:tools:2 does not exist.",
    ),
    ("remove", {"StatementId": "x"}, 404, "Statement x is not found in resource policy."),
    ("remove", {"RevisionId": "stale", "StatementId": "taken"}, 412, STALE_LAYER),
]


@pytest.mark.parametrize(("verb", "given", "status", "message"), LAYER_REFUSALS)
def test_layer_refusals(
    client: Any,
    layer: str,
    refused: Any,
    verb: str,
    given: dict[str, Any],
    status: int,
    message: str,
) -> None:
    client.add_layer_version_permission(**{**LAYER_PERMISSION, "StatementId": "taken"})
    base = LAYER_PERMISSION if verb == "add" else {"LayerName": "tools", "VersionNumber": 1}
    operation = getattr(client, f"{verb}_layer_version_permission")
    found = refused(operation, **{**base, **given})
    assert found.status == status
    assert found.message.startswith(message)


def test_layer_without_policy(client: Any, layer: str, refused: Any) -> None:
    found = refused(client.get_layer_version_policy, LayerName="tools", VersionNumber=1)
    assert (found.status, found.message) == (404, NO_POLICY)
