"""Runtimes other than the lab's own interpreter, and what is refused at creation."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable

import pytest
from botocore.exceptions import ClientError
from harness import Function, Served, zipped

from labkit.core.runtimes import SUPPORTED_RUNTIMES
from labkit.live.interpreters import find_interpreters

Deploy = Callable[..., Function]

# The idea of AWS's tutorial "Building a custom runtime": a shell script that speaks the Runtime API.
BOOTSTRAP = """#!/bin/sh
set -eu
. "$LAMBDA_TASK_ROOT/$(echo "$_HANDLER" | cut -d. -f1).sh"
api="http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime/invocation"
while true; do
  headers="$(mktemp)"
  event="$(curl -sS -LD "$headers" "$api/next")"
  id="$(grep -Fi Lambda-Runtime-Aws-Request-Id "$headers" | tr -d '[:space:]' | cut -d: -f2)"
  answer="$($(echo "$_HANDLER" | cut -d. -f2) "$event")"
  curl -sS "$api/$id/response" -d "$answer" > /dev/null
done
"""
SHELL_FUNCTION = 'handler () { echo "Echoing: $1" 1>&2; echo "{\\"you\\": $1}"; }\n'
PYTHONS = [name for name in SUPPORTED_RUNTIMES if name.startswith("python")]


@pytest.mark.parametrize("runtime", PYTHONS)
def test_every_python_runtime_runs_and_init_start_says_on_what(
    runtime: str, deploy: Deploy
) -> None:
    function = deploy(
        "import json, sys, boto3\ndef handler(event, context): return list(sys.version_info[:3])",
        Runtime=runtime,
        MemorySize=1769,
        Timeout=30,
    )
    version = function.result()
    matching = find_interpreters().get(runtime)
    wanted = [int(part) for part in runtime.removeprefix("python").split(".")]
    assert version[:2] == (wanted if matching else list(sys.version_info[:2]))
    text = ".".join(map(str, version))
    expected = f"INIT_START Runtime Version: {runtime.replace('python', 'python:')}.labkit-cpython-{text}\t"
    assert function.log()[0].startswith(expected)


@pytest.mark.parametrize("runtime", [name for name in PYTHONS if name in find_interpreters()])
def test_errors_have_the_same_form_on_every_interpreter(runtime: str, deploy: Deploy) -> None:
    function = deploy(
        "def handler(event, context):\n    raise OSError('x')", Runtime=runtime, MemorySize=1769
    )
    payload = function.invoke()["Payload"]
    assert (payload["errorType"], payload["errorMessage"]) == ("OSError", "x")
    assert payload["stackTrace"][0].startswith('  File "/var/task/app.py", line 2, in handler')


def test_shell_script_runtime(deploy: Deploy) -> None:
    function = deploy(
        files={"bootstrap": BOOTSTRAP, "function.sh": SHELL_FUNCTION},
        Runtime="provided.al2023",
        Handler="function.handler",
        MemorySize=1769,
        Timeout=20,
    )
    for number in (1, 2):
        assert function.result({"n": number}) == {"you": {"n": number}}
    assert 'Echoing: {"n": 1}\n' in function.log()
    assert len(function.events("init_ended")) == 1


def test_a_custom_runtime_without_bootstrap(deploy: Deploy) -> None:
    function = deploy(files={"readme": ""}, Runtime="provided.al2023")
    payload = function.invoke()["Payload"]
    assert payload["errorType"] == "Runtime.InvalidEntrypoint"
    assert payload["errorMessage"].endswith(
        "Error: Couldn't find valid bootstrap(s): [/var/task/bootstrap /opt/bootstrap]"
    )


@pytest.mark.skipif(shutil.which("node") is None, reason="Node.js is not installed")
def test_node(deploy: Deploy) -> None:
    code = (
        "let calls = 0;\nexport const handler = async (event, context) => {\n"
        "  console.log('hello', event.name);\n  if (event.fail) throw new TypeError('bad');\n"
        "  return { calls: ++calls, id: context.awsRequestId };\n};\n"
    )
    function = deploy(files={"app.mjs": code}, Runtime="nodejs22.x", MemorySize=1769, Timeout=20)
    answer = function.invoke({"name": "you"})
    assert answer["Payload"] == {"calls": 1, "id": answer["ResponseMetadata"]["RequestId"]}
    failed = function.invoke({"fail": True})
    assert failed["FunctionError"] == "Unhandled"
    assert (failed["Payload"]["errorType"], failed["Payload"]["errorMessage"]) == (
        "TypeError",
        "bad",
    )
    assert function.result()["calls"] == 2
    assert any(line.endswith("\tINFO\thello you\n") for line in function.log())


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"Runtime": "java21"}, "provided.al2023"),
        ({"Runtime": "python3.8"}, "is no longer supported"),
        ({"Runtime": "python9.9"}, "Value python9.9 at 'runtime' failed to satisfy constraint"),
    ],
)
def test_what_cannot_run_is_refused_at_creation(
    options: dict[str, str], says: str, served: Served
) -> None:
    with pytest.raises(ClientError, match=says) as caught:
        served.client("lambda").create_function(
            FunctionName="refused",
            Role=served.role_arn,
            Handler="app.handler",
            Code={"ZipFile": zipped({"app.py": ""})},
            **options,
        )
    assert caught.value.response["Error"]["Code"] == "InvalidParameterValueException"


def test_container_images_are_refused_with_a_way_out(served: Served) -> None:
    image = "123456789012.dkr.ecr.us-east-1.amazonaws.com/app:1"
    with pytest.raises(ClientError, match=r"container engine.*\.zip package"):
        served.client("lambda").create_function(
            FunctionName="refused",
            Role=served.role_arn,
            PackageType="Image",
            Code={"ImageUri": image},
        )
