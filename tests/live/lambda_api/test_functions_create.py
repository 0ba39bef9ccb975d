from __future__ import annotations

import base64
import hashlib
from typing import Any

import pytest


def test_create_answers_pending_with_defaults(bench: Any, client: Any) -> None:
    answer = bench.create(active=False)
    answer.pop("ResponseMetadata")
    assert answer.pop("RevisionId")
    assert answer.pop("RuntimeVersionConfig")["RuntimeVersionArn"].startswith(
        "arn:aws:lambda:eu-central-1::runtime:"
    )
    assert answer == {
        "FunctionName": "hello",
        "FunctionArn": bench.arn(),
        "Runtime": "python3.13",
        "Role": bench.role,
        "Handler": "app.handler",
        "CodeSize": len(bench.code),
        "CodeSha256": base64.b64encode(hashlib.sha256(bench.code).digest()).decode(),
        "Description": "",
        "Timeout": 3,
        "MemorySize": 128,
        "LastModified": "2026-01-01T00:00:00.000+0000",
        "Version": "$LATEST",
        "TracingConfig": {"Mode": "PassThrough"},
        "State": "Pending",
        "StateReason": "The function is being created.",
        "StateReasonCode": "Creating",
        "PackageType": "Zip",
        "Architectures": ["x86_64"],
        "EphemeralStorage": {"Size": 512},
        "SnapStart": {"ApplyOn": "None", "OptimizationStatus": "Off"},
        "LoggingConfig": {"LogFormat": "Text", "LogGroup": "/aws/lambda/hello"},
    }


def test_create_statuses_are_those_of_the_model(bench: Any, client: Any) -> None:
    assert bench.create()["ResponseMetadata"]["HTTPStatusCode"] == 201
    deleted = client.delete_function(FunctionName="hello")
    assert deleted["ResponseMetadata"]["HTTPStatusCode"] == 200
    assert deleted["StatusCode"] == 200


def test_becomes_active_after_the_delay_of_lab_time(bench: Any, client: Any) -> None:
    created = bench.create(active=False)
    bench.clock.advance(0.2)
    assert client.get_function_configuration(FunctionName="hello")["State"] == "Pending"
    bench.clock.advance(0.1)
    found = client.get_function_configuration(FunctionName="hello")
    assert (found["State"], found["LastUpdateStatus"]) == ("Active", "Successful")
    assert "StateReason" not in found
    assert found["RevisionId"] != created["RevisionId"]


def test_everything_given_is_answered(bench: Any, client: Any) -> None:
    bench.create(
        Description="d",
        Timeout=900,
        MemorySize=10_240,
        EphemeralStorage={"Size": 10_240},
        Environment={"Variables": {"MODE": "test"}},
        Architectures=["arm64"],
        TracingConfig={"Mode": "Active"},
        LoggingConfig={"LogFormat": "JSON", "LogGroup": "/mine"},
        DeadLetterConfig={"TargetArn": "arn:aws:sqs:eu-central-1:123456789012:dead"},
        SnapStart={"ApplyOn": "PublishedVersions"},
        KMSKeyArn="arn:aws:kms:eu-central-1:123456789012:key/1",
        VpcConfig={"SubnetIds": ["subnet-1"], "SecurityGroupIds": ["sg-1"]},
        Tags={"team": "a"},
    )
    answer = client.get_function(FunctionName="hello")
    found = answer["Configuration"]
    assert answer["Tags"] == {"team": "a"}
    assert found["Description"] == "d"
    assert (found["Timeout"], found["MemorySize"]) == (900, 10_240)
    assert found["EphemeralStorage"] == {"Size": 10_240}
    assert found["Environment"] == {"Variables": {"MODE": "test"}}
    assert found["Architectures"] == ["arm64"]
    assert found["TracingConfig"] == {"Mode": "Active"}
    assert found["LoggingConfig"] == {
        "LogFormat": "JSON",
        "ApplicationLogLevel": "INFO",
        "SystemLogLevel": "INFO",
        "LogGroup": "/mine",
    }
    assert found["DeadLetterConfig"]["TargetArn"].endswith(":dead")
    assert found["SnapStart"] == {"ApplyOn": "PublishedVersions", "OptimizationStatus": "Off"}
    assert found["KMSKeyArn"].endswith("key/1")
    assert found["VpcConfig"]["SubnetIds"] == ["subnet-1"]


def test_an_empty_environment_is_shown_only_if_given(bench: Any, client: Any) -> None:
    bench.create("without")
    bench.create("with", Environment={"Variables": {}})
    assert "Environment" not in client.get_function_configuration(FunctionName="without")
    assert client.get_function_configuration(FunctionName="with")["Environment"] == {
        "Variables": {}
    }


LONG = "a" * 65
LAYER = "arn:aws:lambda:eu-central-1:123456789012:layer:{}"
ARCHITECTURE = (
    "1 validation error detected: Value '[x86]' at 'architectures' failed to satisfy constraint: "
    "Member must satisfy constraint: [Member must satisfy enum value set: [x86_64, arm64], "
    "Member must not be null]"
)
OUT_OF_RANGE = [
    ({"MemorySize": 127}, "memorySize", "127", "greater than or equal to 128"),
    ({"MemorySize": 10_241}, "memorySize", "10241", "less than or equal to 10240"),
    ({"Timeout": 0}, "timeout", "0", "greater than or equal to 1"),
    ({"Timeout": 901}, "timeout", "901", "less than or equal to 900"),
    (
        {"EphemeralStorage": {"Size": 511}},
        "ephemeralStorage.size",
        "511",
        "greater than or equal to 512",
    ),
    (
        {"EphemeralStorage": {"Size": 10_241}},
        "ephemeralStorage.size",
        "10241",
        "less than or equal to 10240",
    ),
]


@pytest.mark.parametrize(("given", "path", "value", "rule"), OUT_OF_RANGE)
def test_create_refuses_what_is_out_of_range(
    bench: Any, refused: Any, given: dict[str, Any], path: str, value: str, rule: str
) -> None:
    found = refused(bench.create, **given)
    assert (found.status, found.code) == (400, "ValidationException")
    assert found.message == (
        f"1 validation error detected: Value '{value}' at '{path}' failed to satisfy constraint: "
        f"Member must have value {rule}"
    )


CREATE_REFUSALS: list[tuple[dict[str, Any], int, str, str]] = [
    (
        {"name": LONG},
        400,
        "InvalidParameterValueException",
        f"1 validation error detected: Value '{LONG}' at 'functionName' failed to satisfy "
        "constraint: Member must have length less than or equal to 64",
    ),
    ({"Architectures": ["x86"]}, 400, "ValidationException", ARCHITECTURE),
    (
        {"Architectures": ["x86_64", "arm64"]},
        400,
        "ValidationException",
        "1 validation error detected: Value '[x86_64, arm64]' at 'architectures' failed to "
        "satisfy constraint: Member must have length less than or equal to 1",
    ),
    (
        {"Role": "lab"},
        400,
        "ValidationException",
        "1 validation error detected: Value 'lab' at 'role' failed to satisfy constraint: Member "
        r"must satisfy regular expression pattern: arn:(aws[a-zA-Z-]*)?:iam::\d{12}:role/?"
        r"[a-zA-Z_0-9+=,.@\-_/]+",
    ),
    (
        {"Role": "arn:aws:iam::123456789012:role/nobody"},
        400,
        "InvalidParameterValueException",
        "The role defined for the function cannot be assumed by Lambda.",
    ),
    (
        {"Runtime": None},
        400,
        "InvalidParameterValueException",
        "Runtime and Handler are mandatory parameters for functions created with deployment "
        "packages.",
    ),
    (
        {"Runtime": "python2.7"},
        400,
        "InvalidParameterValueException",
        "The runtime parameter of python2.7 is no longer supported for creating or updating AWS "
        "Lambda functions. We recommend you use a supported runtime while creating or updating "
        "functions.",
    ),
    (
        {"Environment": {"Variables": {"1": "x"}}},
        400,
        "ValidationException",
        "1 validation error detected: Value at 'environment.variables' failed to satisfy "
        "constraint: Map keys must satisfy constraint: [Member must satisfy regular expression "
        "pattern: [a-zA-Z]([a-zA-Z0-9_])+, Member must not be null]",
    ),
    (
        {"SnapStart": {"ApplyOn": "invalidOption"}},
        400,
        "ValidationException",
        "1 validation error detected: Value 'invalidOption' at 'snapStart.applyOn' failed to "
        "satisfy constraint: Member must satisfy enum value set: [PublishedVersions, None]",
    ),
    (
        {"Tags": {f"{number}_key": "v" for number in range(51)}},
        400,
        "InvalidParameterValueException",
        "Number of tags exceeds resource tag limit.",
    ),
    (
        {"Layers": [LAYER.format(f"l{number}:1") for number in range(6)]},
        400,
        "InvalidParameterValueException",
        "Cannot reference more than 5 layers.",
    ),
    (
        {"Layers": [LAYER.format("missing:1")]},
        400,
        "InvalidParameterValueException",
        f"Layer version {LAYER.format('missing:1')} does not exist.",
    ),
    (
        {"Layers": ["arn:aws:lambda:us-east-1:123456789012:layer:there:1"]},
        400,
        "InvalidParameterValueException",
        "Layers are not in the same region as the function. Layers are expected to be in region "
        "eu-central-1.",
    ),
    (
        {"Code": {"ZipFile": b"no zip"}},
        400,
        "InvalidParameterValueException",
        "Could not unzip uploaded file. Please check your file, then try to upload again.",
    ),
    (
        {"Code": {}},
        400,
        "InvalidParameterValueException",
        "Please provide a source for function code.",
    ),
    (
        {"Code": {"ZipFile": b""}},
        400,
        "InvalidParameterValueException",
        "Uploaded file must be a non-empty zip",
    ),
    (
        {"Code": {"ZipFile": b"zip", "S3Bucket": "bucket", "S3Key": "k"}},
        400,
        "InvalidParameterValueException",
        "Please do not provide other FunctionCode parameters when providing a ZipFile.",
    ),
    (
        {"Code": {"S3Bucket": "bucket", "S3Key": "k"}},
        400,
        "InvalidParameterValueException",
        "Error occurred while GetObject. S3 Error Code: NoSuchKey. S3 Error Message: The "
        "specified key does not exist.",
    ),
    (
        {"Code": {"ZipFile": b"0" * 52_428_801}},
        413,
        "RequestEntityTooLargeException",
        "Zipped size must be smaller than 52428800 bytes",
    ),
    (
        {"name": "arn:aws:lambda:ap-southeast-1:123456789012:function:f"},
        404,
        "ResourceNotFoundException",
        "Functions from 'ap-southeast-1' are not reachable in this region ('eu-central-1')",
    ),
]


@pytest.mark.parametrize(
    ("given", "status", "code", "message"),
    CREATE_REFUSALS,
    ids=[f"{'-'.join(row[0])}-{number}" for number, row in enumerate(CREATE_REFUSALS)],
)
def test_create_refusals(
    bench: Any, refused: Any, given: dict[str, Any], status: int, code: str, message: str
) -> None:
    found = refused(bench.create, **given)
    assert (found.status, found.code, found.message) == (status, code, message)
    assert bench.client().list_functions()["Functions"] == []
    assert bench.folders() == []


def test_unknown_runtime_lists_the_known_ones(bench: Any, refused: Any) -> None:
    found = refused(bench.create, Runtime="cobol85")
    assert found.code == "InvalidParameterValueException"
    assert found.message.startswith(
        "Value cobol85 at 'runtime' failed to satisfy constraint: Member must satisfy enum value "
        "set: ["
    )
    assert found.message.endswith("] or be a valid ARN")


def test_runtime_that_this_machine_lacks_is_refused(bench: Any, refused: Any) -> None:
    bench.lab.missing_runtimes.add("nodejs24.x")
    assert refused(bench.create, Runtime="nodejs24.x").message == "nodejs24.x cannot run here."


def test_container_image_is_refused(bench: Any, refused: Any) -> None:
    found = refused(
        bench.create,
        PackageType="Image",
        Code={"ImageUri": "1.dkr.ecr.eu-central-1.amazonaws.com/i:1"},
        Runtime=None,
        Handler=None,
    )
    assert found.message == "Image cannot run here."


def test_what_the_lab_has_not_is_refused_not_ignored(bench: Any, refused: Any) -> None:
    found = refused(bench.create, TenancyConfig={"TenantIsolationMode": "PER_TENANT"})
    assert found.status == 501
    assert "TenancyConfig" in found.message


def test_all_violations_are_listed_in_one_error(bench: Any, refused: Any) -> None:
    found = refused(bench.create, MemorySize=1, Timeout=0, Handler="a b")
    assert found.message == (
        "3 validation errors detected: Value 'a b' at 'handler' failed to satisfy constraint: "
        r"Member must satisfy regular expression pattern: [^\s]+; Value '0' at 'timeout' failed "
        "to satisfy constraint: Member must have value greater than or equal to 1; Value '1' at "
        "'memorySize' failed to satisfy constraint: Member must have value greater than or equal "
        "to 128"
    )


def test_a_name_can_be_taken_once_in_a_region(bench: Any, client: Any, refused: Any) -> None:
    bench.create()
    found = refused(bench.create)
    assert (found.status, found.code) == (409, "ResourceConflictException")
    assert found.message == "Function already exist: hello"
    assert bench.client("us-east-1").list_functions()["Functions"] == []


def test_create_by_arn_and_partial_arn(bench: Any, client: Any) -> None:
    assert bench.create(bench.arn("one"))["FunctionName"] == "one"
    assert bench.create(f"{bench.account}:function:two")["FunctionName"] == "two"


def test_oversized_request_is_refused_by_its_size(bench: Any) -> None:
    response = bench.request("POST", "/2015-03-31/functions", b"{" + b" " * 70_167_211)
    assert response.status == 413
    assert b"Request must be smaller than 70167211 bytes for the CreateFunction operation" in (
        response.body
    )


def test_code_from_s3(bench: Any, client: Any) -> None:
    bench.lab.objects["bucket", "code.zip"] = bench.code
    answer = bench.create(Code={"S3Bucket": "bucket", "S3Key": "code.zip"})
    assert answer["CodeSize"] == len(bench.code)
