"""A lab that really runs, and a short way to create functions in it with plain boto3."""

from __future__ import annotations

import io
import itertools
import json
import os
import signal
import subprocess
import sys
import urllib.request
import zipfile
from collections.abc import Mapping
from typing import Any

import boto3
from botocore.config import Config

ROLE_NAME = "function-role"
_names = (f"function-{number}" for number in itertools.count(1))


def zipped(files: Mapping[str, str | bytes]) -> bytes:
    """A deployment package; every file may be executed."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            info = zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0))
            info.external_attr = 0o755 << 16
            archive.writestr(info, content)
    return buffer.getvalue()


class Served:
    """A `labkit serve` process, boto3 clients for it, and its control interface."""

    def __init__(self, *options: str, **environ: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "labkit", "serve", *options],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **environ},
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, "the server ended before it was ready"
        self.ready = json.loads(line)
        self.role_arn: str = self.client("iam").create_role(
            RoleName=ROLE_NAME, AssumeRolePolicyDocument="{}"
        )["Role"]["Arn"]

    def client(self, service: str, **options: Any) -> Any:
        return boto3.client(
            service,
            endpoint_url=self.ready["endpoint"],
            region_name=options.pop("region_name", self.ready["region"]),
            aws_access_key_id=options.pop("access_key_id", self.ready["access_key_id"]),
            aws_secret_access_key=options.pop("secret_key", self.ready["secret_access_key"]),
            config=Config(
                retries={"total_max_attempts": 1}, read_timeout=120, max_pool_connections=120
            ),
            **options,
        )

    def control(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        request = urllib.request.Request(
            f"{self.ready['endpoint']}/_lab/{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {self.ready['token']}"},
        )
        with urllib.request.urlopen(request, timeout=120) as response:
            return json.load(response)

    def events(self, after: int = 0) -> list[dict[str, Any]]:
        return self.control("GET", f"events?after={after}")["events"]

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(timeout=20)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return code


class Function:
    """A function in the lab, created and active."""

    def __init__(self, served: Served, name: str) -> None:
        self.served, self.name = served, name
        self.client = served.client("lambda")

    def invoke(self, event: Any = None, **options: Any) -> dict[str, Any]:
        """Invoke it: the answer, with ``Payload`` read and parsed."""
        options.setdefault("Payload", json.dumps({} if event is None else event))
        answer = self.client.invoke(FunctionName=self.name, **options)
        raw = answer["Payload"].read()
        answer["Payload"] = json.loads(raw) if raw else raw
        return answer

    def result(self, event: Any = None) -> Any:
        """What the handler returned; an error of the function fails the test."""
        answer = self.invoke(event)
        assert "FunctionError" not in answer, answer["Payload"]
        return answer["Payload"]

    def events(self, kind: str | None = None) -> list[dict[str, Any]]:
        """The lab's records of it."""
        return [
            event
            for event in self.served.events()
            if event.get("function") == self.name and kind in (None, event["kind"])
        ]

    def log(self) -> list[str]:
        """Every line it logged, from all its streams in the order of their last use."""
        logs = self.served.client("logs")
        group = f"/aws/lambda/{self.name}"
        streams = logs.describe_log_streams(logGroupName=group)["logStreams"]
        return [
            event["message"]
            for stream in streams
            for event in logs.get_log_events(
                logGroupName=group, logStreamName=stream["logStreamName"], startFromHead=True
            )["events"]
        ]


def create(
    served: Served,
    code: str = "",
    *,
    files: Mapping[str, str | bytes] | None = None,
    **options: Any,
) -> Function:
    name = options.pop("FunctionName", None) or next(_names)
    configuration = {
        "Runtime": f"python3.{sys.version_info.minor}",
        "Handler": "app.handler",
        "Role": served.role_arn,
        **options,
    }
    client = served.client("lambda")
    package = zipped(files or {"app.py": code})
    client.create_function(FunctionName=name, Code={"ZipFile": package}, **configuration)
    activate(served, name)
    return Function(served, name)


def activate(served: Served, name: str) -> None:
    """Let the lab's clock pass until the function is active and its update done."""
    served.control("POST", "advance", {"seconds": 2})
    state = served.client("lambda").get_function_configuration(FunctionName=name)
    assert (state["State"], state["LastUpdateStatus"]) == ("Active", "Successful")


def is_running(pid: int) -> bool:
    """Whether a process is there (a zombie is not)."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def descendants(pid: int) -> list[int]:
    """Every process below ``pid``."""
    found, waiting = [], [pid]
    while waiting:
        current = waiting.pop()
        for task in os.listdir(f"/proc/{current}/task") if is_running(current) else []:
            try:
                with open(f"/proc/{current}/task/{task}/children") as file:
                    children = [int(child) for child in file.read().split()]
            except FileNotFoundError:
                continue
            found += children
            waiting += children
    return found
