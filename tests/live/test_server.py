from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from harness import Function, Served, create, descendants, is_running
from plain_http import fetch

from labkit.live.server import new_access_key

OTHER_KEY = "AKIAIOSFODNN7EXAMPLE"


def spawn(*options: str, **popen: Any) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "labkit", "serve", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **popen,
    )


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where servers of the test have their folders, apart from those of others."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    return tmp_path


def test_the_ready_line_is_all_that_it_prints(own_server: Served) -> None:
    ready = own_server.ready
    assert list(ready) == ["endpoint", "region", "access_key_id", "secret_access_key", "token"]
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+", ready["endpoint"])
    assert ready["region"] == "us-east-1"
    assert re.fullmatch(r"AKIA[A-Z2-7]{16}", ready["access_key_id"])
    assert re.fullmatch(r"[A-Za-z0-9+/]{40}", ready["secret_access_key"])
    assert len(ready["token"]) >= 40
    own_server.client("s3").list_buckets()
    own_server.process.send_signal(signal.SIGTERM)
    assert own_server.process.stdout is not None
    assert own_server.process.stdout.read() == ""
    assert own_server.process.wait(20) == 0


def test_credentials_are_new_each_time() -> None:
    keys = {new_access_key() for _ in range(100)}
    assert len({key.access_key_id for key in keys}) == len({key.secret for key in keys}) == 100


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_it_and_all_that_it_started(
    folder: Path, own_server: Served, number: int
) -> None:
    function = create(own_server, "def handler(event, context):\n    return 1\n")
    assert function.result() == 1
    started = descendants(own_server.process.pid)
    assert started
    assert len(list(folder.iterdir())) == 1
    own_server.process.send_signal(number)
    assert own_server.process.wait(20) == 0
    assert not any(is_running(pid) for pid in started)
    assert list(folder.iterdir()) == []


def test_with_parent_it_ends_when_its_input_closes() -> None:
    with spawn("--with-parent", stdin=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        json.loads(process.stdout.readline())
        process.stdin.write("not the end\n")
        process.stdin.flush()
        process.stdin.close()
        assert process.wait(20) == 0


def test_without_parent_its_input_does_not_matter() -> None:
    with spawn(stdin=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        ready = json.loads(process.stdout.readline())
        assert fetch(ready["endpoint"] + "/_lab/clock").status == 401
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0


def test_a_port_can_be_asked_for_and_a_taken_one_is_said(folder: Path, own_server: Served) -> None:
    port = own_server.ready["endpoint"].rpartition(":")[2]
    with spawn("--port", port) as process:
        output, errors = process.communicate(timeout=20)
    assert (process.returncode, output) == (1, "")
    assert f"port {port} cannot be used: Address already in use" in errors
    assert len(list(folder.iterdir())) == 1


def test_an_account_begins_with_a_user_and_a_role(own_server: Served) -> None:
    identity = own_server.client("sts").get_caller_identity()
    assert identity["Account"] == "123456789012"
    assert identity["Arn"] == "arn:aws:iam::123456789012:user/learner"
    role = own_server.client("iam").get_role(RoleName="lab-execution-role")["Role"]
    assert role["Arn"] == "arn:aws:iam::123456789012:role/lab-execution-role"
    statement = role["AssumeRolePolicyDocument"]["Statement"][0]
    assert statement["Principal"] == {"Service": "lambda.amazonaws.com"}
    function = create(
        own_server, "def handler(event, context):\n    return 'ran'\n", Role=role["Arn"]
    )
    assert function.result() == "ran"


def test_a_function_uses_the_lab_as_its_role(deploy: Callable[..., Function]) -> None:
    function = deploy(
        "import boto3\n"
        "def handler(event, context):\n"
        "    boto3.client('s3').create_bucket(Bucket='made-by-a-function')\n"
        "    return boto3.client('sts').get_caller_identity()['Arn']\n",
        Timeout=30,
        MemorySize=1769,
    )
    arn = function.result()
    assert arn == f"arn:aws:sts::123456789012:assumed-role/function-role/{function.name}"
    buckets = function.served.client("s3").list_buckets()["Buckets"]
    assert "made-by-a-function" in [bucket["Name"] for bucket in buckets]


REFUSED: list[tuple[str, str, dict[str, Any], str, str]] = [
    ("lambda", "list_functions", {}, "UnrecognizedClientException", "InvalidSignatureException"),
    ("dynamodb", "list_tables", {}, "UnrecognizedClientException", "InvalidSignatureException"),
    ("sqs", "list_queues", {}, "UnrecognizedClientException", "InvalidSignatureException"),
    ("cloudwatch", "list_metrics", {}, "UnrecognizedClientException", "InvalidSignatureException"),
    ("apigateway", "get_rest_apis", {}, "UnrecognizedClientException", "InvalidSignatureException"),
    ("sts", "get_caller_identity", {}, "InvalidClientTokenId", "SignatureDoesNotMatch"),
    ("sns", "list_topics", {}, "InvalidClientTokenId", "SignatureDoesNotMatch"),
    ("ec2", "describe_vpcs", {}, "InvalidClientTokenId", "SignatureDoesNotMatch"),
    ("s3", "list_buckets", {}, "InvalidAccessKeyId", "SignatureDoesNotMatch"),
    (
        "s3",
        "get_object",
        {"Bucket": "b", "Key": "k"},
        "InvalidAccessKeyId",
        "SignatureDoesNotMatch",
    ),
]


@pytest.mark.parametrize(("service", "operation", "values", "unknown", "mismatch"), REFUSED)
def test_other_credentials_are_refused_in_the_words_of_each_service(
    served: Served,
    service: str,
    operation: str,
    values: dict[str, Any],
    unknown: str,
    mismatch: str,
) -> None:
    stranger = served.client(service, access_key_id=OTHER_KEY, secret_key="a guess")
    with pytest.raises(ClientError) as refused:
        getattr(stranger, operation)(**values)
    assert refused.value.response["Error"]["Code"] == unknown
    guesser = served.client(service, secret_key="a guess")
    with pytest.raises(ClientError) as refused:
        getattr(guesser, operation)(**values)
    assert refused.value.response["Error"]["Code"] == mismatch
    assert refused.value.response["Error"]["Message"].startswith("The request signature we calc")


def test_nobody_gets_credentials_without_having_some(served: Served) -> None:
    with pytest.raises(ClientError) as refused:
        served.client("sts").assume_role_with_web_identity(
            RoleArn=served.role_arn, RoleSessionName="thief", WebIdentityToken="any token"
        )
    assert refused.value.response["Error"]["Code"] == "MissingAuthenticationToken"


def test_the_control_interface_over_http(own_server: Served) -> None:
    before = own_server.control("GET", "clock")["now_ms"]
    moved = own_server.control("POST", "advance", {"seconds": 86_400})
    assert moved["now_ms"] >= before + 86_400_000
    own_server.client("lambda").list_functions()  # signatures count in real time
    assert own_server.control("PATCH", "settings", {"max_environments": 3})["max_environments"] == 3
    assert own_server.control("GET", "settings")["max_environments"] == 3
    for path in ("/_lab/clock", "/moto-api/data.json"):
        assert fetch(own_server.ready["endpoint"] + path).status == 401


def test_the_seed_is_a_setting() -> None:
    served = Served("--seed", "42")
    assert served.control("GET", "settings")["seed"] == 42
    served.stop()


def test_code_is_downloaded_from_where_get_function_says(deploy: Callable[..., Function]) -> None:
    function = deploy("def handler(event, context):\n    return 1\n")
    found = function.client.get_function(FunctionName=function.name)
    location = found["Code"]["Location"]
    assert location.startswith(function.served.ready["endpoint"] + "/_lab/code/")
    content = fetch(location).body
    assert content.startswith(b"PK")
    assert len(content) == found["Configuration"]["CodeSize"]
    assert fetch(location[:-3] + "xyz").status == 404


def test_reset_forgets_everything_but_time_and_events(own_server: Served) -> None:
    function = create(own_server, "def handler(event, context):\n    return 1\n")
    function.result()
    environment = descendants(own_server.process.pid)
    own_server.client("s3").create_bucket(Bucket="bucket")
    own_server.control("POST", "advance", {"seconds": 100})
    clock, last = own_server.control("GET", "clock"), own_server.events()[-1]["seq"]
    own_server.control("POST", "reset")
    assert function.client.list_functions()["Functions"] == []
    assert own_server.client("s3").list_buckets()["Buckets"] == []
    assert own_server.client("logs").describe_log_groups()["logGroups"] == []
    roles = own_server.client("iam").list_roles()["Roles"]
    assert [role["RoleName"] for role in roles] == ["lab-execution-role"]
    assert own_server.control("GET", "clock")["now_ms"] > clock["now_ms"]
    assert own_server.events()[-1]["seq"] >= last
    assert "environment_ended" in [event["kind"] for event in own_server.events()]
    assert set(descendants(own_server.process.pid)) < set(environment)


def test_logs_of_a_time_to_come_can_be_read(own_server: Served) -> None:
    own_server.control("POST", "advance", {"seconds": 3 * 86_400})
    function = create(own_server, "def handler(event, context):\n    print('from the future')\n")
    function.result()
    assert "from the future\n" in function.log()
    logs = own_server.client("logs")
    stream = logs.describe_log_streams(logGroupName=f"/aws/lambda/{function.name}")["logStreams"][0]
    assert stream["lastEventTimestamp"] >= own_server.control("GET", "clock")["now_ms"] - 60_000


def test_an_environment_holds_nothing_of_the_server(deploy: Callable[..., Function]) -> None:
    function = deploy("import os\ndef handler(event, context):\n    return dict(os.environ)\n")
    assert not {"MOTO_PORT", "MOTO_DISABLE_GLOBAL_CORS"} & set(function.result())


def test_many_callers_at_once(served: Served) -> None:
    function = create(served, "def handler(event, context):\n    return event\n", MemorySize=1769)
    processes = served.control("GET", "settings")["max_environments"]
    assert processes >= 10
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(10) as pool:
        results = list(pool.map(function.result, range(60)))
    assert results == list(range(60))


def test_a_key_is_not_shown_when_it_is_printed() -> None:
    key = new_access_key()
    assert key.secret not in repr(key)
    assert "token" not in repr(replace(key, session_token="token-text"))


def test_the_servers_own_aws_is_not_the_users(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A profile that does not exist would stop boto3, which moto uses inside."""
    config = tmp_path / "config"
    config.write_text("not a configuration")
    with monkeypatch.context() as outside:
        outside.setenv("AWS_PROFILE", "no-such-profile")
        outside.setenv("AWS_CONFIG_FILE", str(config))
        process = spawn()
        assert process.stdout is not None
        ready = json.loads(process.stdout.readline())
    with process:
        for service, call in (("s3", "list_buckets"), ("sqs", "list_queues")):
            client = boto3.client(
                service,
                endpoint_url=ready["endpoint"],
                region_name="us-east-1",
                aws_access_key_id=ready["access_key_id"],
                aws_secret_access_key=ready["secret_access_key"],
            )
            getattr(client, call)()
            client.close()
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
