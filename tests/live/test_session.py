"""Runtimes that are killed while they start: what the session and the keeper make of that."""

from __future__ import annotations

import json
import os
import select
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import pytest

from labkit.live.runtime_api import RuntimeApi
from labkit.live.session import Ending, RuntimeSession
from labkit.live.supervisor import INSIDE_DIR, RuntimeProcess

_NEXT = b"GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: x\r\n\r\n"
_KILLED_KEEPERS_PARENT = f"""
import os, signal, sys
sys.path.append({str(INSIDE_DIR)!r})
import keeper
keeper._report = lambda plan, message: os.kill(os.getpid(), signal.SIGKILL)
keeper._become_keeper({{}})
print("lives on", flush=True)
"""


class Starting:
    """A runtime that has asked for its first event; what its keeper reports is up to the test."""

    def __init__(self, *, own_table: bool) -> None:
        poll = select.poll()
        api = RuntimeApi(poll.register, poll.unregister)
        output_fd, self._output = os.pipe()
        status_fd, self._status = os.pipe()
        os.set_blocking(output_fd, False)
        self.started: list[int | None] = []
        self.session = RuntimeSession(
            api,
            RuntimeProcess(output_fd, status_fd, own_table=own_table),
            poll,
            lambda data: None,
            lambda process: self.started.append(process.pid),
        )
        host, _, port = api.address.partition(":")
        self._runtime = socket.create_connection((host, int(port)))
        self._runtime.sendall(_NEXT)

    def report(self, **message: int) -> None:
        os.write(self._status, json.dumps(message).encode() + b"\n")

    def wait(self, seconds: float = 5.0) -> Ending:
        return self.session.wait(time.monotonic() + seconds)

    def close(self) -> None:
        for fd in (self._status, self._output):
            os.close(fd)
        self._runtime.close()
        self.session.close()


@pytest.fixture
def starting() -> Iterator[Callable[..., Starting]]:
    made: list[Starting] = []

    def make(*, own_table: bool) -> Starting:
        made.append(Starting(own_table=own_table))
        return made[-1]

    yield make
    for one in made:
        one.close()


def ended_process() -> int:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    return process.pid


def test_a_runtime_is_ready_when_its_number_is_known(starting: Callable[..., Starting]) -> None:
    runtime = starting(own_table=False)
    assert runtime.wait(0.2) is Ending.TIMEOUT
    number = ended_process()
    runtime.report(keeper=number)
    runtime.report(running=number)
    assert runtime.wait() is Ending.NEXT
    assert runtime.started == [number]


def test_a_runtime_that_was_killed_before_its_number_was_known(
    starting: Callable[..., Starting],
) -> None:
    runtime = starting(own_table=True)
    assert runtime.wait(0.2) is Ending.TIMEOUT
    runtime.report(keeper=ended_process())
    runtime.report(running=2)
    runtime.report(exit=-9)
    assert runtime.wait() is Ending.EXIT
    assert not runtime.session.is_ready


def test_a_keeper_that_nobody_was_told_of_ends() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _KILLED_KEEPERS_PARENT], capture_output=True, timeout=20, check=False
    )
    assert (done.stdout, done.stderr) == (b"", b"")
