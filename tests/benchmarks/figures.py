"""What the benchmarks share: a figure and its target, percentiles, and a look at processes."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any, NamedTuple

import boto3
from botocore.config import Config

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from harness import Function, Served, activate, is_running, zipped

AT_MOST, BELOW, EITHER_SIDE, INFORMATION = "at most", "below", "within ±", ""
HELLO = "def handler(event, context):\n    return 'hello'\n"


class Row(NamedTuple):
    """One figure. ``comparison`` says how it relates to its target; without one it is for the
    reader only."""

    name: str
    value: float
    unit: str
    target: float | None = None
    comparison: str = INFORMATION

    @property
    def is_met(self) -> bool | None:
        """Whether the target is met; None without one."""
        if self.target is None:
            return None
        match self.comparison:
            case "at most":
                return self.value <= self.target
            case "below":
                return self.value < self.target
            case "within ±":
                return abs(self.value) <= self.target
            case unknown:
                raise ValueError(f"unknown comparison {unknown!r}")


@contextlib.contextmanager
def lab(*options: str) -> Iterator[Served]:
    """A running lab of its own for one benchmark."""
    served = Served(*options)
    try:
        yield served
    finally:
        served.stop()


def create_function(client: Any, role_arn: str, name: str, code: str, **options: Any) -> None:
    """Create a Python function with any Lambda client."""
    client.create_function(
        FunctionName=name,
        Code={"ZipFile": zipped({"app.py": code})},
        Runtime=f"python3.{sys.version_info.minor}",
        Handler="app.handler",
        Role=role_arn,
        **options,
    )


def deploy(served: Served, name: str, code: str = HELLO, **options: Any) -> Function:
    """Create a function in the lab, active."""
    create_function(served.client("lambda"), served.role_arn, name, code, **options)
    activate(served, name)
    return Function(served, name)


def client_of(endpoint: str, service: str, key_id: str = "test", secret: str = "test") -> Any:
    """A boto3 client; without credentials for a server that checks none."""
    return boto3.client(
        service,
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id=key_id,
        aws_secret_access_key=secret,
        config=Config(
            retries={"total_max_attempts": 1}, read_timeout=120, max_pool_connections=120
        ),
    )


def end_environments(served: Served) -> None:
    """Let the lab's clock pass until no environment is left: the next invocation is cold."""
    served.control("POST", "advance", {"seconds": 2000})


def milliseconds(call: Callable[[], object]) -> float:
    """How long a call takes."""
    started_s = time.perf_counter()
    call()
    return (time.perf_counter() - started_s) * 1000


def quantile(values: Iterable[float], fraction: float) -> float:
    """The smallest value that at least ``fraction`` of the values do not exceed."""
    ordered = sorted(values)
    return ordered[min(int(fraction * len(ordered)), len(ordered) - 1)]


def at_once(calls: Sequence[Callable[[], Any]]) -> tuple[list[Any], float]:
    """Start all calls at the same moment: their results, and seconds until the last one is back.

    A call that raises has its exception as the result.
    """
    barrier = Barrier(len(calls) + 1)

    def run(call: Callable[[], Any]) -> Any:
        barrier.wait()
        try:
            return call()
        except Exception as error:
            return error

    with ThreadPoolExecutor(len(calls)) as pool:
        futures = [pool.submit(run, call) for call in calls]
        barrier.wait()
        started_s = time.perf_counter()
        results = [future.result() for future in futures]
        return results, time.perf_counter() - started_s


def memory_mb(pids: Iterable[int]) -> tuple[float, float]:
    """PSS and RSS of processes together. PSS counts a shared page by its share."""
    pss_kb = rss_kb = 0
    for pid in filter(is_running, pids):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                pss_kb += int(line.split()[1])
            elif line.startswith("Rss:"):
                rss_kb += int(line.split()[1])
    return pss_kb / 1024, rss_kb / 1024


@contextlib.contextmanager
def kept_busy(processes: int) -> Iterator[None]:
    """Meanwhile other processes keep the machine busy."""
    burners = [
        subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(processes)
    ]
    try:
        yield
    finally:
        for burner in burners:
            burner.kill()
            burner.wait()


def busy_fraction(seconds: float = 1.0) -> float:
    """How busy the machine's cores are right now, from 0 to 1: before a benchmark, with others."""

    def look() -> tuple[int, int]:
        first_line = Path("/proc/stat").read_text().partition("\n")[0]
        fields = [int(field) for field in first_line.split()[1:]]
        return sum(fields[:8]), fields[3] + fields[4]

    total, idle = look()
    time.sleep(seconds)
    total_after, idle_after = look()
    return 1 - (idle_after - idle) / max(total_after - total, 1)


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def say(line: str) -> None:
    """Print a line now."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
