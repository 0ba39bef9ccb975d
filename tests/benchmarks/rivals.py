"""The other emulators that run Python functions without Docker, beside the lab in one run.

serverless-offline (npm) and MiniStack (PyPI) are installed into a temporary folder for this run,
which takes a minute or two and needs the registries; what cannot be installed is named and left
out. All are called through boto3, with the same functions and the same way to measure.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from botocore.exceptions import EndpointConnectionError
from bursts import SLEEPS
from figures import (
    HELLO,
    Row,
    at_once,
    client_of,
    create_function,
    end_environments,
    free_port,
    lab,
    milliseconds,
    say,
)
from start import serve_s

NPM_PACKAGES = ("serverless@3", "serverless-offline@13")  # Serverless 4 wants an account
PROJECT = Path(__file__).resolve().parents[2] / "pyproject.toml"
COLD_STARTS, BURSTS, TWENTY, WARM_CALLS = 15, 3, 20, 500
INSTALL_S, START_S = 600, 60
FUNCTIONS = {
    "warm": HELLO,
    **{f"cold{number}": HELLO for number in range(COLD_STARTS)},
    **{f"sleeps{number}": SLEEPS for number in range(BURSTS)},
}


class _Contestant(NamedTuple):
    """An emulator that is ready: each function of FUNCTIONS is there and was never invoked."""

    client: Any
    start_s: float
    prefix: str = ""
    """Before each function's name."""
    make_room: Callable[[], None] = lambda: None
    """Called before a burst."""


def measure() -> list[Row]:
    contestants = {
        "the lab": _the_lab,
        "serverless-offline": _serverless_offline,
        "MiniStack": _ministack,
    }
    rows = []
    for name, open_contestant in contestants.items():
        with tempfile.TemporaryDirectory() as folder:
            try:
                with open_contestant(Path(folder)) as contestant:
                    rows += _rows(name, contestant)
            except (OSError, subprocess.SubprocessError, RuntimeError) as error:
                say(f"{name} was not measured: {error}")
    return rows


def _rows(name: str, contestant: _Contestant) -> list[Row]:
    def invoke(function: str, payload: bytes = b"{}") -> None:
        answer = contestant.client.invoke(
            FunctionName=f"{contestant.prefix}{function}", Payload=payload
        )
        body = answer["Payload"].read()
        if "FunctionError" in answer:
            raise RuntimeError(f"{function} failed: {body!r}")

    cold = [milliseconds(partial(invoke, f"cold{number}")) for number in range(COLD_STARTS)]
    for _ in range(20):
        invoke("warm")
    warm = [milliseconds(partial(invoke, "warm")) for _ in range(WARM_CALLS)]
    bursts = []
    for number in range(BURSTS):
        contestant.make_room()
        call = partial(invoke, f"sleeps{number}", b'{"seconds": 1}')
        answers, seconds = at_once([call] * TWENTY)
        failed = [answer for answer in answers if answer is not None]
        if failed:
            raise RuntimeError(f"{len(failed)} of {TWENTY} sleeps failed: {failed[0]!r}")
        bursts.append(seconds)
    return [
        Row(f"{name}: start to the first answer", contestant.start_s, "s"),
        Row(f"{name}: warm p50", median(warm), "ms"),
        Row(f"{name}: cold p50", median(cold), "ms"),
        Row(f"{name}: twenty 1-second sleeps, cold", median(bursts), "s"),
    ]


@contextlib.contextmanager
def _the_lab(folder: Path) -> Iterator[_Contestant]:
    _, start_s = serve_s()
    with lab() as served:
        client = served.client("lambda")
        _create_all(client, served.client("iam"))
        served.control("POST", "advance", {"seconds": 2})
        yield _Contestant(client, start_s, make_room=lambda: end_environments(served))


@contextlib.contextmanager
def _ministack(folder: Path) -> Iterator[_Contestant]:
    python = folder / "venv" / "bin" / "python"
    _install([sys.executable, "-m", "venv", str(python.parents[1])], folder)
    bench = tomllib.loads(PROJECT.read_text())["project"]["optional-dependencies"]["bench"]
    _install([str(python), "-m", "pip", "install", "--quiet", *bench], folder)
    port = free_port()
    environ = {"GATEWAY_PORT": str(port), "BIND_HOST": "127.0.0.1", "TMPDIR": str(folder)}
    client = client_of(f"http://127.0.0.1:{port}", "lambda")
    command = [str(python), "-m", "ministack"]
    with _running(command, folder, environ, client.list_functions) as start_s:
        _create_all(client, client_of(f"http://127.0.0.1:{port}", "iam"))
        yield _Contestant(client, start_s)


@contextlib.contextmanager
def _serverless_offline(folder: Path) -> Iterator[_Contestant]:
    if shutil.which("npm") is None:
        raise RuntimeError("npm is not installed")
    npm = ["npm", "install", "--silent", "--no-audit", "--no-fund", "--prefix", str(folder)]
    _install([*npm, *NPM_PACKAGES], folder)
    _write_service(folder)
    port = free_port()
    ports = ["--lambdaPort", str(port), "--httpPort", str(free_port())]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environ = {"PATH": path, "SLS_TELEMETRY_DISABLED": "1", "SLS_NOTIFICATIONS_MODE": "off"}
    command = ["node_modules/.bin/serverless", "offline", "--noSponsor", *ports]
    client = client_of(f"http://127.0.0.1:{port}", "lambda")
    ping = partial(client.invoke, FunctionName="bench-dev-ping")
    with _running(command, folder, environ, ping) as start_s:
        yield _Contestant(client, start_s, prefix="bench-dev-")


def _write_service(folder: Path) -> None:
    """A project with a module and a function for each of FUNCTIONS."""
    functions = {}
    for name, code in {**FUNCTIONS, "ping": HELLO}.items():
        (folder / f"{name}.py").write_text(code)
        functions[name] = {"handler": f"{name}.handler", "timeout": 30, "memorySize": 1769}
    runtime = f"python3.{min(sys.version_info.minor, 12)}"
    service = {
        "service": "bench",
        "frameworkVersion": "3",
        "provider": {"name": "aws", "runtime": runtime},
        "plugins": ["serverless-offline"],
        "functions": functions,
    }
    (folder / "serverless.yml").write_text(json.dumps(service))  # JSON is YAML


def _create_all(client: Any, iam: Any) -> None:
    role = iam.create_role(RoleName="bench", AssumeRolePolicyDocument="{}")["Role"]
    for name, code in FUNCTIONS.items():
        create_function(client, role["Arn"], name, code, MemorySize=1769, Timeout=30)


def _install(command: list[str], folder: Path) -> None:
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=INSTALL_S, check=False
    )
    if done.returncode != 0:
        last = (done.stderr or done.stdout).strip().splitlines()[-1:]
        raise RuntimeError(f"{' '.join(command[:4])} … failed: {' '.join(last)}")


@contextlib.contextmanager
def _running(
    command: list[str], folder: Path, environ: Mapping[str, str], ping: Callable[[], object]
) -> Iterator[float]:
    """A server while it is needed; gives the seconds until it answered ``ping``."""
    started_s = time.perf_counter()
    with open(folder / "server.log", "w") as log:
        process = subprocess.Popen(
            command, cwd=folder, env={**os.environ, **environ}, stdin=subprocess.DEVNULL,
            stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
        try:
            _wait_for(ping, process, started_s + START_S)
            yield time.perf_counter() - started_s
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _wait_for(ping: Callable[[], object], process: subprocess.Popen[Any], until_s: float) -> None:
    while process.poll() is None and time.perf_counter() < until_s:
        try:
            ping()
            return
        except EndpointConnectionError:
            time.sleep(0.005)
    raise RuntimeError("it did not start")
