"""The life of execution environments: reuse, freezing, reset, replacement, end."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from botocore.exceptions import ClientError
from harness import Function, Served, activate, create, descendants, is_running, zipped

Deploy = Callable[..., Function]
WHO = "import uuid\nme = str(uuid.uuid4())\n"


def together(function: Function, count: int) -> list[Any]:
    """Results of ``count`` invocations that all run at the same time."""
    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(lambda _: function.result(), range(count)))


def test_one_invocation_at_a_time_and_the_most_recently_used_first(deploy: Deploy) -> None:
    function = deploy(
        WHO
        + "import time\ndef handler(event, context):\n    time.sleep(event.get('s', 0.4))\n    return me"
    )
    assert len(set(together(function, 3))) == 3
    last = function.result({"s": 0})
    assert [function.result({"s": 0}) for _ in range(3)] == [last] * 3


def test_a_frozen_environment_does_not_move(deploy: Deploy) -> None:
    function = deploy(
        "import threading, time\nticks = 0\n"
        "def tick():\n    global ticks\n    while True:\n        ticks += 1\n        time.sleep(0.001)\n"
        "threading.Thread(target=tick, daemon=True).start()\n"
        "def handler(event, context):\n    before = ticks\n    time.sleep(event['s'])\n    return [before, ticks]"
    )
    _, after_first = function.result({"s": 0.2})
    waited = threading.Event()
    waited.wait(1.0)
    before_second, after_second = function.result({"s": 0.2})
    assert before_second - after_first < 20, "the thread ran while nothing was invoked"
    assert after_second - before_second > 20


def test_tmp_and_globals_survive_between_calls_and_only_tmp_a_timeout(deploy: Deploy) -> None:
    function = deploy(
        "import os, time\ntime.sleep(0.2)\ncalls = 0\ndef handler(event, context):\n"
        "    global calls\n    calls += 1\n    there = os.path.exists('/tmp/mark')\n"
        "    open('/tmp/mark', 'w').close()\n    time.sleep(event.get('s', 0))\n    return [calls, there]",
        Timeout=1,
        MemorySize=1769,
    )
    assert function.result() == [1, False]
    assert function.result() == [2, True]
    assert function.invoke({"s": 30})["Payload"]["errorType"] == "Sandbox.Timedout"
    answer = function.invoke()
    assert answer["Payload"] == [1, True]
    *_, again = function.events("init_ended")
    assert again["phase"] == "invoke"
    *_, ended = function.events("invoke_ended")
    # Init inside an invocation is part of its duration, and no field of its own.
    assert "init_ms" not in ended and ended["duration_ms"] >= 200
    assert len({event["environment"] for event in function.events("invoke_ended")}) == 1


@pytest.mark.parametrize("fail", ["os._exit(1)", "bytearray(500 * 1024 * 1024)"])
def test_tmp_survives_a_crash(fail: str, deploy: Deploy) -> None:
    function = deploy(
        f"import os\ndef handler(event, context):\n    if os.path.exists('/tmp/mark'):\n        return 'kept'\n"
        f"    open('/tmp/mark', 'w').close()\n    {fail}",
        MemorySize=256,
        Timeout=60,
    )
    assert "FunctionError" in function.invoke()
    assert function.result() == "kept"


def test_an_exception_keeps_the_process(deploy: Deploy) -> None:
    function = deploy(
        WHO + "def handler(event, context):\n    if event: raise ValueError(me)\n    return me"
    )
    assert function.invoke({"fail": 1})["Payload"]["errorMessage"] == function.result()


def test_failed_init_is_tried_again_in_the_next_invocation(deploy: Deploy) -> None:
    function = deploy(
        "import os\nif not os.path.exists('/tmp/mark'):\n    open('/tmp/mark', 'w').close()\n"
        "    raise RuntimeError('first time')\ndef handler(event, context): return 'ok'"
    )
    assert function.invoke()["Payload"]["errorMessage"] == "first time"
    assert function.result() == "ok"
    assert [event["phase"] for event in function.events("init_ended")] == ["init", "invoke"]


def test_init_has_its_own_limit_and_runs_again_inside_the_invocation(own_server: Served) -> None:
    own_server.control("PATCH", "settings", {"init_timeout_s": 1})
    function = create(
        own_server,
        "import os, time\nif not os.path.exists('/tmp/mark'):\n    open('/tmp/mark', 'w').close()\n"
        "    time.sleep(30)\ndef handler(event, context): return 'ok'",
        Timeout=5,
    )
    assert function.result() == "ok"
    first, second = function.events("init_ended")
    assert (first["phase"], first["outcome"]) == ("init", "timeout")
    assert (second["phase"], second["outcome"]) == ("invoke", "success")
    reports = [line for line in function.log() if "REPORT" in line]
    assert re.match(
        r"INIT_REPORT Init Duration: 10\d\d\.\d\d ms\tPhase: init\tStatus: timeout\n", reports[0]
    )
    assert "Init Duration" not in reports[1]


@pytest.mark.parametrize("change", ["code", "configuration"])
def test_new_code_and_new_configuration_mean_new_environments(
    change: str, deploy: Deploy, served: Served
) -> None:
    function = deploy(WHO + "def handler(event, context): return me")
    before = function.result()
    if change == "code":
        package = zipped({"app.py": WHO + "def handler(event, context): return 'new'"})
        function.client.update_function_code(FunctionName=function.name, ZipFile=package)
    else:
        function.client.update_function_configuration(FunctionName=function.name, MemorySize=256)
    assert function.result() == before, "until the update is done, the old code answers"
    activate(served, function.name)
    assert function.result() != before
    (ended,) = function.events("environment_ended")
    assert ended["reason"] == "replaced"


def test_idle_environments_end_in_lab_time(own_server: Served) -> None:
    own_server.control("PATCH", "settings", {"idle_life_s": 600})
    function = create(own_server, WHO + "def handler(event, context): return me")
    first = function.result()
    own_server.control("POST", "advance", {"seconds": 599})
    assert function.result() == first
    own_server.control("POST", "advance", {"seconds": 599})
    assert function.result() == first
    own_server.control("POST", "advance", {"seconds": 601})
    (ended,) = function.events("environment_ended")
    assert ended["reason"] == "idle"
    assert function.result() != first


def test_old_environments_end_even_when_busy(own_server: Served) -> None:
    own_server.control("PATCH", "settings", {"idle_life_s": 3600, "max_age_s": 7200})
    function = create(own_server, WHO + "def handler(event, context): return me")
    seen = []
    for _ in range(5):
        seen.append(function.result())
        own_server.control("POST", "advance", {"seconds": 3000})
    assert len(set(seen)) == 2
    assert {event["reason"] for event in function.events("environment_ended")} == {"maximum age"}


def test_beyond_the_number_of_environments_comes_429(own_server: Served) -> None:
    own_server.control("PATCH", "settings", {"max_environments": 2})
    function = create(
        own_server, "import time\ndef handler(event, context): time.sleep(1.5)", Timeout=10
    )

    def attempt(_: int) -> Any:
        try:
            return function.invoke()["StatusCode"]
        except ClientError as error:
            return error.response

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(attempt, range(4)))
    refused = [answer for answer in answers if answer != 200]
    assert len(refused) == 2
    for response in refused:
        assert response["ResponseMetadata"]["HTTPStatusCode"] == 429
        assert response["Error"]["Code"] == "TooManyRequestsException"
        assert response["Error"]["Message"] == "Rate Exceeded."
        assert response["Reason"] == "ConcurrentInvocationLimitExceeded"
    assert len(function.events("throttled")) == 2


def test_an_idle_environment_makes_room_for_another_function(own_server: Served) -> None:
    own_server.control("PATCH", "settings", {"max_environments": 1})
    one, other = (create(own_server, "def handler(event, context): return 1") for _ in range(2))
    assert one.result() == other.result() == one.result() == 1


def test_what_is_not_packaged_cannot_be_imported(deploy: Deploy) -> None:
    function = deploy(
        "import importlib\ndef handler(event, context):\n    found = {}\n    for name in event:\n"
        "        try:\n            found[name] = importlib.import_module(name).__file__\n"
        "        except ModuleNotFoundError:\n            found[name] = None\n    return found",
        MemorySize=1769,
        Timeout=30,
    )
    found = function.result(["boto3", "moto", "pytest", "numpy", "labkit", "h11", "IPython"])
    assert found.pop("boto3").endswith("/boto3/__init__.py")
    assert set(found.values()) == {None}


def test_environment_variables(deploy: Deploy) -> None:
    function = deploy(
        "import os\ndef handler(event, context): return dict(os.environ)",
        Environment={"Variables": {"COLOUR": "blue", "TZ": "Europe/Berlin"}},
        MemorySize=256,
    )
    seen = function.result()
    assert (seen["COLOUR"], seen["TZ"]) == ("blue", "Europe/Berlin")
    expected = {
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_LAMBDA_FUNCTION_NAME": function.name,
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256",
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{function.name}",
        "_HANDLER": "app.handler",
        "LANG": "en_US.UTF-8",
        "LC_CTYPE": "C.UTF-8",
        "AWS_XRAY_CONTEXT_MISSING": "LOG_ERROR",
        "SHLVL": "0",
    }
    assert {key: seen.get(key) for key in expected} == expected
    assert seen["AWS_EXECUTION_ENV"].startswith("AWS_Lambda_python3.")
    for name in (
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "AWS_LAMBDA_RUNTIME_API",
    ):
        assert seen[name]
    assert not {"HOME", "USER", "VIRTUAL_ENV", "PYTHONSTARTUP"} & seen.keys()


def test_the_function_has_the_credentials_of_its_role(deploy: Deploy, served: Served) -> None:
    function = deploy(
        "import boto3\ndef handler(event, context): return boto3.client('sts').get_caller_identity()['Arn']",
        MemorySize=1769,
        Timeout=30,
    )
    role = served.role_arn.rpartition("/")[2]
    assert function.result() == f"arn:aws:sts::123456789012:assumed-role/{role}/{function.name}"


def test_layers_are_on_the_import_path_in_their_order(deploy: Deploy, served: Served) -> None:
    client = served.client("lambda")
    arns = [
        client.publish_layer_version(
            LayerName=f"layer-{number}",
            Content={
                "ZipFile": zipped(
                    {"python/shared.py": f"value = {number}", f"python/only_{number}.py": ""}
                )
            },
        )["LayerVersionArn"]
        for number in (1, 2)
    ]
    function = deploy(
        "import shared, only_1, only_2, os\ndef handler(event, context): return [shared.value, sorted(os.listdir('/opt/python'))]",
        Layers=arns,
    )
    value, files = function.result()
    assert value == 2, "the later layer wins"
    assert {"only_1.py", "only_2.py", "shared.py"} <= set(files)


def test_no_process_is_left_behind(own_server: Served) -> None:
    function = create(own_server, "import time\ndef handler(event, context): time.sleep(0.3)")
    together(function, 3)
    pids = descendants(own_server.process.pid)
    assert len(pids) >= 6
    assert own_server.stop() == 0
    assert not [pid for pid in pids if is_running(pid)]
