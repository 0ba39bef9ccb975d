"""Invocations through boto3: answers, headers, and every way in which a function fails."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError
from harness import Function, Served

from labkit.core.quotas import SYNC_RESPONSE_MAX_BYTES

Deploy = Callable[..., Function]


def test_cold_then_warm_with_the_environment_kept(deploy: Deploy) -> None:
    function = deploy(
        "calls = 0\ndef handler(event, context):\n    global calls\n    calls += 1\n    return [event, calls]"
    )
    assert function.result({"a": 1}) == [{"a": 1}, 1]
    assert function.result({"a": 2}) == [{"a": 2}, 2]
    assert [event["kind"] for event in function.events()] == [
        "accepted", "init_started", "init_ended", "invoke_started", "invoke_ended",
        "accepted", "invoke_started", "invoke_ended",
    ]  # fmt: skip
    first, second = function.events("invoke_ended")
    assert first["environment"] == second["environment"]
    assert first["init_ms"] > 0 and "init_ms" not in second
    assert first["billed_ms"] >= first["init_ms"] + first["duration_ms"] - 0.01


def test_answer_of_a_synchronous_invocation(deploy: Deploy) -> None:
    function = deploy(
        "import os\ndef handler(event, context):\n    return [context.aws_request_id, os.environ['_X_AMZN_TRACE_ID']]"
    )
    answer = function.invoke()
    headers = answer["ResponseMetadata"]["HTTPHeaders"]
    assert answer["StatusCode"] == 200
    assert answer["ExecutedVersion"] == "$LATEST"
    assert "FunctionError" not in answer
    assert headers["x-amzn-remapped-content-length"] == "0"
    assert headers["content-type"] == "application/json"
    request_id, trace = answer["Payload"]
    assert request_id == answer["ResponseMetadata"]["RequestId"]
    assert re.fullmatch(r"Root=1-[0-9a-f]{8}-[0-9a-f]{24};Parent=[0-9a-f]{16};Sampled=0.*", trace)
    assert headers["x-amzn-trace-id"].startswith(trace.split(";")[0])


def test_none_is_null(deploy: Deploy) -> None:
    function = deploy("def handler(event, context): pass")
    assert function.client.invoke(FunctionName=function.name)["Payload"].read() == b"null"


def test_log_tail_is_what_the_invocation_wrote(deploy: Deploy) -> None:
    function = deploy("def handler(event, context): print('seen')")
    tail = base64.b64decode(function.invoke(LogType="Tail")["LogResult"]).decode()
    lines = tail.splitlines()
    assert [line.split()[0] for line in lines[-4:]] == ["START", "seen", "END", "REPORT"]
    assert "LogResult" not in function.invoke()


def test_log_tail_is_at_most_4_kb(deploy: Deploy) -> None:
    function = deploy("def handler(event, context): print('x' * 9000)")
    assert len(base64.b64decode(function.invoke(LogType="Tail")["LogResult"])) == 4096


def test_dry_run_runs_nothing(deploy: Deploy) -> None:
    function = deploy("def handler(event, context): pass")
    answer = function.invoke(InvocationType="DryRun")
    assert (answer["StatusCode"], answer["Payload"]) == (204, b"")
    assert function.events() == []


def test_event_is_answered_202_and_runs_once(deploy: Deploy, served: Served) -> None:
    function = deploy("def handler(event, context): return 1")
    answer = function.invoke({"n": 1}, InvocationType="Event")
    assert (answer["StatusCode"], answer["Payload"]) == (202, b"")
    assert "ExecutedVersion" not in answer
    assert served.control("POST", "settle", {"limit_seconds": 60})["settled"] is True
    (ended,) = function.events("invoke_ended")
    assert ended["request_id"] == answer["ResponseMetadata"]["RequestId"]


def test_client_context_arrives(deploy: Deploy) -> None:
    function = deploy(
        "def handler(event, context):\n    c = context.client_context\n    return [c.custom, c.env, c.client.app_title]"
    )
    sent = {"custom": {"a": "b"}, "env": {"locale": "de"}, "client": {"app_title": "t"}}
    encoded = base64.b64encode(json.dumps(sent).encode()).decode()
    assert function.invoke(ClientContext=encoded)["Payload"] == [{"a": "b"}, {"locale": "de"}, "t"]


# An interpreter that is not the lab's own gets the Runtime API's client in pure Python.
@pytest.mark.parametrize("runtime", ["python3.11", "python3.12", "python3.13"])
def test_context_object(deploy: Deploy, runtime: str) -> None:
    function = deploy(
        "def handler(event, context):\n"
        "    return {'name': context.function_name, 'version': context.function_version,"
        " 'memory': context.memory_limit_in_mb, 'arn': context.invoked_function_arn,"
        " 'group': context.log_group_name, 'stream': context.log_stream_name,"
        " 'left': context.get_remaining_time_in_millis()}",
        MemorySize=256,
        Timeout=9,
        Runtime=runtime,
    )
    seen = function.result()
    assert seen["name"] == function.name
    assert (seen["version"], seen["memory"]) == ("$LATEST", "256")
    assert seen["arn"] == f"arn:aws:lambda:us-east-1:123456789012:function:{function.name}"
    assert seen["group"] == f"/aws/lambda/{function.name}"
    assert re.fullmatch(r"\d{4}/\d\d/\d\d/\[\$LATEST\][0-9a-f]{32}", seen["stream"])
    assert 8_000 < seen["left"] <= 9_000


FAILURES = {
    "exception": (
        "def handler(event, context):\n    raise ValueError('wrong')",
        {
            "errorMessage": "wrong",
            "errorType": "ValueError",
            "requestId": "{id}",
            "stackTrace": [
                "  File \"/var/task/app.py\", line 2, in handler\n    raise ValueError('wrong')\n"
            ],
        },
    ),
    "missing module": (
        "import no_such_module",
        {
            "errorMessage": "Unable to import module 'app': No module named 'no_such_module'",
            "errorType": "Runtime.ImportModuleError",
            "requestId": "",
            "stackTrace": [],
        },
    ),
    "missing handler": (
        "def other(event, context): pass",
        {
            "errorMessage": "Handler 'handler' missing on module 'app'",
            "errorType": "Runtime.HandlerNotFound",
            "requestId": "",
            "stackTrace": [],
        },
    ),
    "syntax error": (
        "def handler(event, context)\n    pass",
        {
            "errorMessage": "Syntax error in module 'app': expected ':' (app.py, line 1)",
            "errorType": "Runtime.UserCodeSyntaxError",
            "requestId": "",
            "stackTrace": ['  File "/var/task/app.py" Line 1\n    def handler(event, context)\n'],
        },
    ),
    "unserialisable result": (
        "def handler(event, context): return {1, 2}",
        {
            "errorMessage": "Unable to marshal response: "
            "Object of type set is not JSON serializable",
            "errorType": "Runtime.MarshalError",
            "requestId": "{id}",
            "stackTrace": [],
        },
    ),
    "sys.exit": (
        "import sys\ndef handler(event, context): sys.exit(0)",
        {
            "errorType": "Runtime.ExitError",
            "errorMessage": "RequestId: {id} Error: Runtime exited without providing a reason",
        },
    ),
    "exit status": (
        "import os\ndef handler(event, context): os._exit(127)",
        {
            "errorType": "Runtime.ExitError",
            "errorMessage": "RequestId: {id} Error: Runtime exited with error: exit status 127",
        },
    ),
    "killed": (
        "import os\ndef handler(event, context): os.kill(os.getpid(), 9)",
        {
            "errorType": "Runtime.ExitError",
            "errorMessage": "RequestId: {id} Error: Runtime exited with error: signal: killed",
        },
    ),
    "crash": (
        "import os\ndef handler(event, context): os.abort()",
        {
            "errorType": "Runtime.ExitError",
            "errorMessage": "RequestId: {id} Error: Runtime exited with error: signal: aborted",
        },
    ),
    "exit in init": (
        "import sys\nsys.exit(1)",
        {
            "errorType": "Runtime.ExitError",
            "errorMessage": "RequestId: {id} Error: Runtime exited with error: exit status 1",
        },
    ),
    "time-out": (
        "import time\ndef handler(event, context): time.sleep(60)",
        {
            "errorType": "Sandbox.Timedout",
            "errorMessage": "RequestId: {id} Error: Task timed out after 1.00 seconds",
        },
    ),
    "response too large": (
        f"def handler(event, context): return 'x' * {SYNC_RESPONSE_MAX_BYTES}",
        {
            "errorMessage": "Response payload size exceeded maximum allowed payload size "
            "(6291556 bytes).",
            "errorType": "Function.ResponseSizeTooLarge",
        },
    ),
}


@pytest.mark.parametrize("case", FAILURES)
def test_what_the_caller_sees_of_a_failure(case: str, deploy: Deploy) -> None:
    code, expected = FAILURES[case]
    function = deploy(code, Timeout=1, MemorySize=1769)
    answer = function.invoke()
    request_id = answer["ResponseMetadata"]["RequestId"]
    assert answer["StatusCode"] == 200
    assert answer["FunctionError"] == "Unhandled"
    filled: dict[str, Any] = {
        key: value.replace("{id}", request_id) if isinstance(value, str) else value
        for key, value in expected.items()
    }
    assert answer["Payload"] == filled
    (ended,) = function.events("invoke_ended")
    assert ended["outcome"] == ("timeout" if case == "time-out" else "error")
    assert ended["error_type"] == expected["errorType"]


def test_exception_at_import_shows_the_import_machinery_first(deploy: Deploy) -> None:
    payload = deploy("raise KeyError('at import')").invoke()["Payload"]
    assert (payload["errorType"], payload["requestId"]) == ("KeyError", "")
    assert "importlib" in payload["stackTrace"][0]
    assert payload["stackTrace"][-1].startswith('  File "/var/task/app.py", line 1')


def test_out_of_memory(deploy: Deploy) -> None:
    function = deploy(
        "def handler(event, context):\n    data = bytearray(400 * 1024 * 1024)\n    return len(data)",
        MemorySize=256,
        Timeout=60,
    )
    answer = function.invoke()
    request_id = answer["ResponseMetadata"]["RequestId"]
    assert answer["Payload"] == {
        "errorType": "Runtime.OutOfMemory",
        "errorMessage": f"RequestId: {request_id} Error: Runtime exited with error: signal: killed",
    }
    report = function.log()[-1]
    assert "\tMemory Size: 256 MB\tMax Memory Used: 256 MB\t" in report
    assert report.endswith("\tStatus: error\tError Type: Runtime.OutOfMemory\n")


def test_the_answer_counts_even_if_the_process_ends_right_after_it(deploy: Deploy) -> None:
    function = deploy(
        "import os, threading, time\n"
        "def later():\n    time.sleep(0.05)\n    os._exit(3)\n"
        "def handler(event, context):\n    threading.Thread(target=later).start()\n    return 'kept'"
    )
    assert function.result() == "kept"


def test_unknown_function(served: Served) -> None:
    with pytest.raises(ClientError) as caught:
        served.client("lambda").invoke(FunctionName="nobody")
    assert caught.value.response["Error"]["Code"] == "ResourceNotFoundException"
    assert caught.value.response["Error"]["Message"] == (
        "Function not found: arn:aws:lambda:us-east-1:123456789012:function:nobody:$LATEST"
    )


def test_qualifier_chooses_the_version(deploy: Deploy) -> None:
    function = deploy("def handler(event, context): return context.function_version")
    function.client.publish_version(FunctionName=function.name)
    function.client.create_alias(FunctionName=function.name, Name="live", FunctionVersion="1")
    for qualifier, version in (("$LATEST", "$LATEST"), ("1", "1"), ("live", "1")):
        answer = function.invoke(Qualifier=qualifier)
        assert (answer["Payload"], answer["ExecutedVersion"]) == (version, version)
