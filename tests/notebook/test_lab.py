from __future__ import annotations

import json
import os
import queue
import select
import signal
import socket
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import boto3
import pytest
from harness import descendants, is_running, zipped

from labkit import Lab
from labkit.core.events import EventKind
from labkit.live.client import LabError

PACKAGE = zipped({"app.py": "def handler(event, context):\n    return 'ran'\n"})


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where labs of the test have their folders."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    monkeypatch.setenv("TMPDIR", str(folder))
    return folder


@pytest.fixture
def lab(folder: Path) -> Iterator[Lab]:
    with Lab.start(seed=3) as lab:
        yield lab


def test_after_start_plain_boto3_and_aws_use_the_lab(lab: Lab) -> None:
    client = boto3.client("lambda")
    assert client.meta.endpoint_url == lab.endpoint_url
    client.create_function(
        FunctionName="f",
        Runtime="python3.12",
        Handler="app.handler",
        Role=lab.role_arn,
        Code={"ZipFile": PACKAGE},
    )
    client.get_waiter("function_active_v2").wait(FunctionName="f")
    assert json.load(client.invoke(FunctionName="f")["Payload"]) == "ran"
    listed = subprocess.run(
        "aws lambda list-functions", shell=True, capture_output=True, text=True, timeout=60
    )
    assert [f["FunctionName"] for f in json.loads(listed.stdout)["Functions"]] == ["f"]
    assert boto3.client("sts").get_caller_identity()["Account"] == "123456789012"
    client.close()


def test_its_clock_events_and_settings(lab: Lab) -> None:
    before = lab.now
    assert before.tzinfo is UTC
    assert abs(before - datetime.now(UTC)) < timedelta(minutes=1)
    lab.advance(seconds=3600)
    assert lab.now - before >= timedelta(hours=1)
    assert lab.settle()
    assert lab.events() == []
    lab.configure(idle_life_s=60)
    assert lab.settings["idle_life_s"] == 60
    assert lab.settings["seed"] == 3
    with pytest.raises(LabError, match="no setting 'idle_ttl'"):
        lab.configure(idle_ttl=1)
    client = boto3.client("lambda")
    client.create_function(
        FunctionName="f",
        Runtime="python3.12",
        Handler="app.handler",
        Role=lab.role_arn,
        Code={"ZipFile": PACKAGE},
    )
    lab.settle()
    client.invoke(FunctionName="f")["Payload"].read()
    kinds = [event.kind for event in lab.events()]
    assert kinds.count(EventKind.INVOKE_ENDED) == 1
    client.invoke(FunctionName="f")["Payload"].read()
    events = lab.events()
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    assert lab.server_log == ""
    lab.reset()
    assert client.list_functions()["Functions"] == []
    assert lab.events()[: len(events)] == events
    client.close()


def test_it_prints_the_same_in_every_run(lab: Lab) -> None:
    assert repr(lab) == "<Lab in us-east-1, account 123456789012, running>"
    lab.stop()
    assert repr(lab) == "<Lab in us-east-1, account 123456789012, stopped>"


def test_clients_of_the_lab_are_its_own(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cell may take a role or another Region, and the lab still reads its logs."""
    # Undone before the lab stops: else what it sets back would be undone after it.
    with monkeypatch.context() as changed:
        changed.setenv("AWS_ACCESS_KEY_ID", "AKIAOTHER")
        changed.setenv("AWS_SECRET_ACCESS_KEY", "other")
        changed.setenv("AWS_SESSION_TOKEN", "other")
        changed.setenv("AWS_DEFAULT_REGION", "eu-west-1")
        changed.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
        client = lab.client("sts")
        assert client.meta.region_name == "us-east-1"
        assert client.get_caller_identity()["Account"] == "123456789012"
        assert lab.client("sts") is client


def test_followers_hear_of_events_until_they_are_cancelled_or_the_lab_stops(lab: Lab) -> None:
    heard: queue.Queue[list[EventKind]] = queue.Queue()
    others = set(threading.enumerate())
    cancel = lab.follow(lambda events: heard.put([event.kind for event in events]))
    lab.follow(lambda events: None)
    assert heard.get(timeout=20) == []
    lab.deploy(handler)
    lab.client("lambda").invoke(FunctionName="handler")["Payload"].read()
    kinds: list[EventKind] = []
    while EventKind.INVOKE_ENDED not in kinds:
        kinds += heard.get(timeout=20)
    assert kinds == [event.kind for event in lab.events()]
    cancel()
    cancel()
    lab.stop()
    for thread in set(threading.enumerate()) - others:
        thread.join(20)
        assert not thread.is_alive()


def test_threads_that_read_events_at_once_see_each_once(lab: Lab) -> None:
    lab.deploy(handler)
    for _ in range(20):
        lab.client("lambda").invoke(FunctionName="handler")["Payload"].read()
    with ThreadPoolExecutor(8) as executor:
        seen = [future.result() for future in [executor.submit(lab.events) for _ in range(16)]]
    for events in seen:
        assert [event.seq for event in events] == list(range(1, len(events) + 1))


def handler(event: object, context: object) -> str:
    return "ran"


def test_after_stop_everything_says_so(lab: Lab) -> None:
    lab.deploy(handler)
    lab.stop()
    for call in (
        lambda: lab.deploy(handler),
        lambda: lab.deploy_source("", name="f"),
        lambda: lab.events(),
        lambda: lab.logs("handler"),
        lambda: lab.reports(),
        lambda: lab.follow(print),
        lambda: lab.client("lambda"),
        lambda: lab.now,
    ):
        with pytest.raises(LabError, match=r"has been stopped; Lab.start\(\) starts a new one"):
            call()


def test_starting_a_lab_loads_nothing_that_only_tables_and_notebooks_need() -> None:
    code = (
        "import sys\nfrom labkit import Lab\nprint('botocore' in sys.modules)\n"
        "with Lab.start() as lab:\n    lab.events()\n    print([m for m in ('IPython', 'pandas', 'matplotlib') if m in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert ran.stdout == "False\n[]\n", ran.stderr


def test_stop_sets_everything_back(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "mine")
    before = dict(os.environ)
    others = descendants(os.getpid())
    lab = Lab.start()
    assert "AWS_PROFILE" not in os.environ
    started = [pid for pid in descendants(os.getpid()) if pid not in others]
    assert started
    lab.stop()
    lab.stop()
    assert dict(os.environ) == before
    assert boto3.DEFAULT_SESSION is None
    assert not any(is_running(pid) for pid in started)
    assert list(folder.iterdir()) == []
    with pytest.raises(LabError, match=r"Lab.start\(\) starts a new one"):
        lab.advance(1)


def test_a_second_start_gives_a_fresh_lab(folder: Path) -> None:
    before = dict(os.environ)
    first = Lab.start()
    boto3.client("s3").create_bucket(Bucket="of-the-first")
    second = Lab.start()
    assert first.endpoint_url != second.endpoint_url
    assert "stopped" in repr(first)
    assert boto3.client("s3").list_buckets()["Buckets"] == []
    first.stop()
    assert os.environ["AWS_ENDPOINT_URL"] == second.endpoint_url
    second.stop()
    assert dict(os.environ) == before
    assert list(folder.iterdir()) == []


def test_a_server_that_does_not_come_up_is_explained(folder: Path) -> None:
    before = dict(os.environ)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(LabError) as failed:
            Lab.start(port=port)
    assert "ended with exit status 1" in str(failed.value)
    assert f"port {port} cannot be used: Address already in use" in str(failed.value)
    assert "labkit doctor" in str(failed.value)
    assert dict(os.environ) == before
    assert list(folder.iterdir()) == []


def test_files_beside_the_notebook_are_not_taken_for_modules(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("random.py", "boto3.py", "moto.py", "labkit.py"):
        (tmp_path / name).write_text("raise RuntimeError('a file of the learner')\n")
    monkeypatch.chdir(tmp_path)
    with Lab.start() as lab:
        assert lab.settle()


NOTEBOOK = """
    import os, sys, time, boto3, io, zipfile
    from labkit import Lab
    lab = Lab.start()
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        archive.writestr("app.py", "def handler(event, context): return 1\\n")
    client = boto3.client("lambda")
    client.create_function(FunctionName="f", Runtime="python3.12", Handler="app.handler",
                           Role=lab.role_arn, Code={"ZipFile": data.getvalue()})
    lab.settle()
    client.invoke(FunctionName="f")
    if "fork" in sys.argv and os.fork() == 0:
        time.sleep(60)  # holds every pipe of its parent open
    print("started", flush=True)
    sys.stdin.readline()
"""


@pytest.mark.parametrize("end", ["kill", "exit", "kill with a forked child"])
def test_a_kernel_that_ends_leaves_nothing_behind(folder: Path, end: str) -> None:
    arguments = ["fork"] if "fork" in end else []
    kernel = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(NOTEBOOK), *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert kernel.stdout is not None
    assert kernel.stdin is not None
    assert kernel.stdout.readline() == "started\n"
    below = descendants(kernel.pid)
    commands = {pid: Path(f"/proc/{pid}/cmdline").read_bytes() for pid in below}
    forked = [pid for pid, command in commands.items() if b"from labkit import Lab" in command]
    server = [pid for pid in below if b"serve" in commands[pid]]
    assert len(server) == 1
    if end == "exit":
        kernel.stdin.write("\n")
        kernel.stdin.flush()
    else:
        kernel.kill()
    kernel.stdin.close()
    kernel.wait(20)
    waiting = [pid for pid in below if pid not in forked]
    for pid in waiting:
        _wait_for_end(pid)
    assert list(folder.iterdir()) == []
    for pid in forked:
        os.kill(pid, signal.SIGKILL)
    kernel.stdout.close()


def _wait_for_end(pid: int) -> None:
    """Wait for a process that is nobody's child here."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        ready, _, _ = select.select([descriptor], [], [], 20)
        assert ready, f"process {pid} goes on"
    finally:
        os.close(descriptor)


class Recorder:
    """A proxy that lets nothing through and remembers who was to be reached."""

    def __init__(self) -> None:
        self.wanted: list[str] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._thread = threading.Thread(target=self._record, daemon=True)
        self._thread.start()

    def _record(self) -> None:
        while True:
            connection, _ = self._listener.accept()
            with connection:
                line = connection.recv(65536).partition(b"\r\n")[0].decode()
                if line == "end":
                    return
                self.wanted.append(line)
                connection.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")

    def close(self) -> None:
        with socket.create_connection(self._listener.getsockname()) as connection:
            connection.sendall(b"end\r\n")
        self._thread.join(10)
        self._listener.close()


@pytest.fixture
def outside(monkeypatch: pytest.MonkeyPatch) -> Iterator[Recorder]:
    """Every way out of this machine that clients of AWS know leads to the recorder."""
    recorder = Recorder()
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.setenv(name, recorder.url)
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    yield recorder
    recorder.close()


def shell(command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, shell=True, capture_output=True, text=True, timeout=120)


def test_no_command_reaches_anything_but_the_lab(outside: Recorder, lab: Lab) -> None:
    boto3.client("sqs").create_queue(QueueName="here")
    for command in (
        "aws sqs list-queues",
        "aws lambda list-functions",
        "cd / && aws --region eu-west-1 sqs list-queues",
    ):
        ran = shell(command)
        assert ran.returncode == 0, ran.stderr
    assert "/here" in shell("aws sqs list-queues").stdout
    for other in ("emr list-clusters", "rds describe-db-instances"):
        shell(f"aws {other}")
    ran = shell("aws sqs list-queues --endpoint-url http://127.0.0.1:9")
    assert 'Could not connect to the endpoint URL: "http://127.0.0.1:9/"' in ran.stderr
    boto3.client("s3").list_buckets()
    boto3.Session(region_name="ap-south-1").client("sqs").list_queues()
    assert outside.wanted == []


def test_the_recorder_would_have_seen_it(outside: Recorder, lab: Lab) -> None:
    """Without the lab's own `aws` the AWS CLI does try to reach AWS: the danger is real."""
    wrapper = shell("cat $(command -v aws)").stdout
    real = wrapper.partition("\nexec ")[2].split()[0]
    shell(f"AWS_MAX_ATTEMPTS=1 {real} sqs list-queues")
    assert any("amazonaws.com" in line for line in outside.wanted)
