from __future__ import annotations

import json
import logging
import threading
import timeit
from typing import Any

import pytest

from labkit.live.lambda_api import model


def test_every_operation_is_served_or_refused_by_name(bench: Any) -> None:
    served = bench.api.served_operations
    assert served <= set(model.operations())
    for name, operation in model.operations().items():
        if name in served:
            continue
        path = "/" + "/".join(part or "x" for part in operation.segments)
        query = "&".join(f"{key}={value}" for key, value in operation.marks)
        response = bench.request(operation.method, path, b"{}", query=query)
        assert response.status == 501, name
        assert f"operation {name} " in json.loads(response.body)["message"]


def test_unknown_paths(bench: Any) -> None:
    for method, path in (("GET", "/2015-03-31/nothing"), ("PATCH", "/2015-03-31/functions")):
        response = bench.request(method, path)
        headers = dict(response.headers)
        assert response.status == 404
        assert headers["x-amzn-ErrorType"] == "UnknownOperationException"
        assert headers["x-amzn-RequestId"]


def test_trailing_slash_and_encoded_names(bench: Any) -> None:
    bench.create()
    assert bench.request("GET", "/2015-03-31/functions/").status == 200
    encoded = bench.arn().replace(":", "%3A")
    assert bench.request("GET", f"/2015-03-31/functions/{encoded}").status == 200
    assert bench.request("GET", f"/2015-03-31/functions/{bench.arn()}").status == 200


def test_errors_carry_type_and_request_id(bench: Any) -> None:
    response = bench.request("GET", "/2015-03-31/functions/nobody")
    headers = dict(response.headers)
    assert headers["x-amzn-ErrorType"] == "ResourceNotFoundException"
    assert headers["Content-Type"] == "application/json"
    assert len(headers["x-amzn-RequestId"]) == 36
    assert json.loads(response.body) == {
        "Type": "User",
        "Message": f"Function not found: {bench.arn('nobody')}",
    }


def test_a_failure_of_ours_is_a_500_with_a_traceback_in_the_log(
    bench: Any, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(arn: str) -> bool:
        raise ZeroDivisionError("in the lab")

    monkeypatch.setattr(bench.lab, "role_exists", fail)
    body = {
        "FunctionName": "f",
        "Role": bench.role,
        "Code": {},
        "Runtime": "python3.13",
        "Handler": "a.b",
    }
    with caplog.at_level(logging.ERROR):
        response = bench.request("POST", "/2015-03-31/functions", json.dumps(body).encode())
    assert response.status == 500
    assert dict(response.headers)["x-amzn-ErrorType"] == "ServiceException"
    assert "ZeroDivisionError: in the lab" in caplog.text


@pytest.mark.parametrize(
    ("body", "code", "text"),
    [
        (b"{", "InvalidRequestContentException", "Could not parse request body into json: "),
        (b"[]", "SerializationException", "structure"),
        (
            b'{"Timeout": "5"}',
            "SerializationException",
            "STRING_VALUE can not be converted to an Integer",
        ),
        (b'{"Timeout": true}', "SerializationException", "TRUE_VALUE can not be converted"),
        (
            b'{"Environment": {"Variables": {"AA": 1}}}',
            "SerializationException",
            "NUMBER_VALUE can not be converted to a String",
        ),
        (b'{"Layers": "x"}', "SerializationException", "STRING_VALUE"),
        (b'{"Handler": {}}', "SerializationException", "Start of structure or map found"),
        (b'{"Handler": []}', "SerializationException", "Start of list found"),
        (b'{"Code": {"ZipFile": "*"}}', "SerializationException", "base64"),
        (b"{}", "ValidationException", "Value null at 'functionName' failed to satisfy"),
        (b'{"FunctionName": null}', "ValidationException", "Value null at 'functionName'"),
    ],
)
def test_bodies_that_do_not_fit(bench: Any, body: bytes, code: str, text: str) -> None:
    response = bench.request("POST", "/2015-03-31/functions", body)
    assert response.status == 400
    assert dict(response.headers)["x-amzn-ErrorType"] == code
    assert text in response.body.decode()


def test_query_number_that_is_none(bench: Any) -> None:
    response = bench.request("GET", "/2015-03-31/functions", query="MaxItems=many")
    assert (response.status, dict(response.headers)["x-amzn-ErrorType"]) == (
        400,
        "SerializationException",
    )


def test_regions_are_apart(bench: Any, refused: Any) -> None:
    bench.create()
    there = bench.client("us-east-1")
    found = refused(there.get_function, FunctionName="hello")
    assert found.message == (
        f"Function not found: arn:aws:lambda:us-east-1:{bench.account}:function:hello"
    )


def test_another_account(client: Any, refused: Any) -> None:
    arn = "arn:aws:lambda:eu-central-1:999999999999:function:theirs"
    found = refused(client.get_function, FunctionName=arn)
    assert (found.status, found.code) == (403, "AccessDeniedException")


def test_creating_one_name_at_once_succeeds_once(bench: Any) -> None:
    body = json.dumps(
        {
            "FunctionName": "race",
            "Role": bench.role,
            "Runtime": "python3.13",
            "Handler": "app.handler",
            "Code": {"ZipFile": __import__("base64").b64encode(bench.code).decode()},
        }
    ).encode()
    statuses: list[int] = []
    start = threading.Barrier(8)

    def create() -> None:
        start.wait()
        statuses.append(bench.request("POST", "/2015-03-31/functions", body).status)

    threads = [threading.Thread(target=create) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [201] + [409] * 7
    assert len(bench.folders()) == 1


def test_the_invoke_route_is_cheap(bench: Any) -> None:
    bench.create()
    path = "/2015-03-31/functions/hello/invocations"
    headers = {"X-Amz-Invocation-Type": "RequestResponse", "X-Amz-Log-Type": "None"}
    call = lambda: bench.request("POST", path, b'{"n": 1}', headers)  # noqa: E731
    seconds = min(timeit.repeat(call, number=200, repeat=5)) / 200
    assert seconds < 200e-6  # about 30 us; twice the budget, for a busy machine
