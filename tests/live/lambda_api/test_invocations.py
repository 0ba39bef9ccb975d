from __future__ import annotations

import base64
import json
from typing import Any

import pytest

INVOKE = "/2015-03-31/functions/hello/invocations"


def headers_of(response: Any) -> dict[str, str]:
    return {name.lower(): value for name, value in response.headers}


def test_request_response(bench: Any, client: Any) -> None:
    bench.create()
    answer = client.invoke(FunctionName="hello", Payload=b'{"n": 1}')
    assert answer["StatusCode"] == 200
    assert json.loads(answer["Payload"].read()) == "done"
    assert answer["ExecutedVersion"] == "$LATEST"
    assert "FunctionError" not in answer and "LogResult" not in answer
    headers = answer["ResponseMetadata"]["HTTPHeaders"]
    assert headers["content-type"] == "application/json"
    assert headers["x-amzn-remapped-content-length"] == "0"
    assert headers["x-amzn-trace-id"].startswith("Root=1-")
    (request,) = bench.lab.invoked
    assert headers["x-amzn-requestid"] == request.request_id
    assert (request.payload, request.invocation_type) == (b'{"n": 1}', "RequestResponse")
    assert request.invoked_arn == bench.arn()
    assert request.client_context is None


def test_without_a_payload_the_event_is_empty(bench: Any, client: Any) -> None:
    bench.create()
    client.invoke(FunctionName="hello")
    assert bench.lab.invoked[0].payload == b"{}"


def test_function_error_and_log_tail(bench: Any, client: Any) -> None:
    bench.create()
    log = b"x" * 5000 + b"END"
    bench.lab.result = {"function_error": "Unhandled", "payload": b"{}", "log_tail": log}
    answer = client.invoke(FunctionName="hello", LogType="Tail")
    assert (answer["StatusCode"], answer["FunctionError"]) == (200, "Unhandled")
    tail = base64.b64decode(answer["LogResult"])
    assert len(tail) == 4096 and tail.endswith(b"END")


def test_event(bench: Any, client: Any) -> None:
    bench.create()
    answer = client.invoke(FunctionName="hello", InvocationType="Event", Payload=b"1")
    assert answer["StatusCode"] == 202
    assert answer["Payload"].read() == b""
    assert "ExecutedVersion" not in answer
    assert bench.lab.invoked[0].invocation_type == "Event"


def test_dry_run_checks_and_does_not_run(bench: Any, client: Any, refused: Any) -> None:
    bench.create()
    answer = client.invoke(FunctionName="hello", InvocationType="DryRun")
    assert (answer["StatusCode"], answer["Payload"].read()) == (204, b"")
    assert bench.lab.invoked == []
    assert refused(client.invoke, FunctionName="nobody", InvocationType="DryRun").status == 404


def test_invoke_async(bench: Any, client: Any) -> None:
    bench.create()
    assert client.invoke_async(FunctionName="hello", InvokeArgs=b'{"n": 1}')["Status"] == 202
    assert bench.lab.invoked[0].invocation_type == "Event"
    path = "/2014-11-13/functions/hello/invoke-async"
    response = bench.request("POST", path, b'"' + b"x" * 262_143 + b'"')
    assert response.status == 413
    assert bench.request("POST", f"{path}/", b"{}").status == 202


def test_client_context_and_trace_header_are_passed_on(bench: Any, client: Any) -> None:
    bench.create()
    context = base64.b64encode(b'{"custom": {"who": "\xc3\xa9"}}').decode()
    trace = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1"
    headers = {"X-Amz-Client-Context": context, "X-Amzn-Trace-Id": trace}
    assert bench.request("POST", INVOKE, b"{}", headers).status == 200
    (request,) = bench.lab.invoked
    assert json.loads(request.client_context) == {"custom": {"who": "é"}}
    assert request.client_context.isascii()
    assert request.trace_header == trace


@pytest.mark.parametrize("header", ["no base64!", base64.b64encode(b"no json").decode(), "MQ=="])
def test_bad_client_context(bench: Any, client: Any, refused: Any, header: str) -> None:
    bench.create()
    found = refused(client.invoke, FunctionName="hello", ClientContext=header)
    assert (found.status, found.code, found.message) == (
        400,
        "InvalidRequestContentException",
        "Client context must be a valid Base64-encoded JSON object.",
    )


def test_client_context_has_a_limit(bench: Any, client: Any, refused: Any) -> None:
    bench.create()
    header = base64.b64encode(json.dumps({"k": "v" * 2700}).encode()).decode()
    assert len(header) > 3583
    found = refused(client.invoke, FunctionName="hello", ClientContext=header)
    assert found.code == "InvalidRequestContentException" and "3583" in found.message


@pytest.mark.parametrize(
    ("name", "qualifier", "version"),
    [
        ("hello", None, "$LATEST"),
        ("hello", "$LATEST", "$LATEST"),
        ("hello", "1", "1"),
        ("hello", "live", "1"),
        ("hello:1", None, "1"),
        ("hello:live", None, "1"),
        ("hello:live", "live", "1"),
        ("{account}:function:hello", None, "$LATEST"),
        ("{account}:function:hello:live", None, "1"),
        ("arn:aws:lambda:eu-central-1:{account}:function:hello", "1", "1"),
        ("arn:aws:lambda:eu-central-1:{account}:function:hello:live", None, "1"),
    ],
)
def test_names_and_qualifiers(
    bench: Any, client: Any, name: str, qualifier: str | None, version: str
) -> None:
    bench.create(Publish=True)
    client.create_alias(FunctionName="hello", Name="live", FunctionVersion="1")
    given = {} if qualifier is None else {"Qualifier": qualifier}
    answer = client.invoke(FunctionName=name.format(account=bench.account), **given)
    assert answer["ExecutedVersion"] == version
    asked = qualifier or next((end for end in ("live", "1") if name.endswith(f":{end}")), None)
    assert bench.lab.invoked[0].invoked_arn == bench.arn(qualifier=asked)


INVALID_TYPE = (
    "1 validation error detected: Value 'Sometimes' at 'invocationType' failed to satisfy "
    "constraint: Member must satisfy enum value set: [Event, RequestResponse, DryRun]"
)
REFUSALS: list[tuple[dict[str, Any], int, str, str]] = [
    (
        {"FunctionName": "nobody"},
        404,
        "ResourceNotFoundException",
        "Function not found: arn:aws:lambda:eu-central-1:123456789012:function:nobody:$LATEST",
    ),
    (
        {"Qualifier": "7"},
        404,
        "ResourceNotFoundException",
        "Function not found: arn:aws:lambda:eu-central-1:123456789012:function:hello:7",
    ),
    (
        {"Qualifier": "nolive"},
        404,
        "ResourceNotFoundException",
        "Function not found: arn:aws:lambda:eu-central-1:123456789012:function:hello:nolive",
    ),
    (
        {"FunctionName": "hello:1", "Qualifier": "2"},
        400,
        "InvalidParameterValueException",
        "The derived qualifier from the function name does not match the specified qualifier.",
    ),
    (
        {"FunctionName": "arn:aws:lambda:us-east-1:123456789012:function:hello"},
        404,
        "ResourceNotFoundException",
        "Functions from 'us-east-1' are not reachable in this region ('eu-central-1')",
    ),
    (
        {"Payload": b"not json"},
        400,
        "InvalidRequestContentException",
        "Could not parse request body into json: Could not parse payload into json: Unrecognized "
        "token 'not': was expecting (JSON String, Number, Array, Object or token 'null', 'true' "
        "or 'false')\n at [Source: (byte[])\"not json\"; line: 1, column: 4]",
    ),
    (
        {"Payload": b'"' + b"x" * 6_291_555 + b'"'},
        413,
        "RequestTooLargeException",
        "6291557 byte payload is too large for the RequestResponse invocation type (limit 6291556 "
        "bytes)",
    ),
    (
        {"Payload": b'"' + b"x" * 1_048_575 + b'"', "InvocationType": "Event"},
        413,
        "RequestTooLargeException",
        "1048577 byte payload is too large for the Event invocation type (limit 1048576 bytes)",
    ),
    ({"InvocationType": "Sometimes"}, 400, "ValidationException", INVALID_TYPE),
    (
        {"LogType": "Head"},
        400,
        "ValidationException",
        "1 validation error detected: Value 'Head' at 'logType' failed to satisfy constraint: "
        "Member must satisfy enum value set: [None, Tail]",
    ),
]


@pytest.mark.parametrize(
    ("given", "status", "code", "message"),
    REFUSALS,
    ids=[f"{'-'.join(row[0])}-{number}" for number, row in enumerate(REFUSALS)],
)
def test_refusals(
    bench: Any,
    client: Any,
    refused: Any,
    given: dict[str, Any],
    status: int,
    code: str,
    message: str,
) -> None:
    bench.create()
    found = refused(client.invoke, **{"FunctionName": "hello", **given})
    assert (found.status, found.code, found.message) == (status, code, message)
    assert bench.lab.invoked == []


@pytest.mark.parametrize("size", [6_291_556, 0])
def test_largest_payload(bench: Any, client: Any, size: int) -> None:
    bench.create()
    payload = b'"' + b"x" * (size - 2) + b'"' if size else b""
    assert client.invoke(FunctionName="hello", Payload=payload)["StatusCode"] == 200


@pytest.mark.parametrize(
    "payload",
    [b"{", b'{"a": }', b"NaN", b"[Infinity]", b"\xff", b"'a'", b"{} {}", b" ", b"[" * 100_000],
)
def test_what_is_no_json(bench: Any, client: Any, refused: Any, payload: bytes) -> None:
    bench.create()
    found = refused(client.invoke, FunctionName="hello", Payload=payload)
    assert (found.status, found.code) == (400, "InvalidRequestContentException")
    assert found.message.startswith(
        "Could not parse request body into json: Could not parse payload into json: "
    )


def test_while_pending(bench: Any, client: Any, refused: Any) -> None:
    bench.create(active=False)
    found = refused(client.invoke, FunctionName="hello")
    assert (found.status, found.code, found.message) == (
        409,
        "ResourceConflictException",
        "The operation cannot be performed at this time. The function is currently in the "
        "following state: Pending",
    )


def test_during_an_update_the_old_code_runs(bench: Any, client: Any) -> None:
    bench.create()
    client.update_function_configuration(FunctionName="hello", Timeout=99)
    client.invoke(FunctionName="hello")
    bench.settle()
    client.invoke(FunctionName="hello")
    during, after = bench.lab.invoked
    assert during.deployment.configuration.timeout_s == 3
    assert after.deployment.configuration.timeout_s == 99
    assert during.deployment.identity != after.deployment.identity


@pytest.mark.parametrize("header", ["X-Amz-Tenant-Id", "X-Amz-Durable-Execution-Name"])
def test_headers_of_what_the_lab_has_not(bench: Any, header: str) -> None:
    bench.create()
    response = bench.request("POST", INVOKE, b"{}", {header: "x"})
    assert response.status == 501 and header.encode() in response.body


def test_without_a_data_plane(bench: Any) -> None:
    bench.create()
    bench.api.invoker = None
    response = bench.request("POST", INVOKE, b"{}")
    assert headers_of(response)["x-amzn-errortype"] == "ServiceException"


def test_name_that_is_no_name(bench: Any) -> None:
    response = bench.request("POST", "/2015-03-31/functions/a%20b/invocations", b"{}")
    assert response.status == 400
    assert b"1 validation error detected: Value 'a b' at 'functionName'" in response.body
