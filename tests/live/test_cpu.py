"""The controller of running environments, on processes of its own making."""

from __future__ import annotations

import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest
from harness import is_running

from labkit.live import processes
from labkit.live.cpu import Channel, Controller
from labkit.live.watch import KILLED_FOR_MEMORY

BURN = "while True: pass"
CHILD_BURNS = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'while True: pass'])"
GROW = "data = []\nwhile True: data.append(bytearray(1 << 20))"


@pytest.fixture(scope="module")
def controller() -> Iterator[Controller]:
    controller = Controller()
    yield controller
    controller.close()


@pytest.fixture
def channel(controller: Controller) -> Iterator[Channel]:
    channel = Channel(controller)
    yield channel
    channel.close()


class Running:
    """A process group of its own, as an environment's runtime is one."""

    def __init__(self, code: str) -> None:
        self.popen = subprocess.Popen([sys.executable, "-c", code], start_new_session=True)
        self.pid = self.popen.pid
        while processes.cpu_s(self.pid) < 0.05:
            os.sched_yield()

    def end(self) -> None:
        os.killpg(self.pid, signal.SIGKILL)
        self.popen.wait()


@pytest.fixture
def run() -> Iterator[type[Running]]:
    started: list[Running] = []

    def start(code: str) -> Running:
        started.append(Running(code))
        return started[-1]

    yield start  # type: ignore[misc]
    for process in started:
        if process.popen.poll() is None:
            process.end()


def state(pid: int) -> str:
    """The kernel's letter for what a process does; T is stopped."""
    with open(f"/proc/{pid}/stat") as file:
        return file.read().rpartition(")")[2].split()[0]


def let_run(seconds: float) -> None:
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        time.sleep(left)


def test_holds_a_process_to_its_share(channel: Channel, run: type[Running]) -> None:
    process = run(BURN)
    os.killpg(process.pid, signal.SIGSTOP)  # an invocation begins frozen: nothing runs unseen
    while state(process.pid) != "T":
        os.sched_yield()
    before = processes.cpu_s(process.pid)
    channel.begin(process.pid, 0, 0.25, 1000, 20)
    os.killpg(process.pid, signal.SIGCONT)
    let_run(1.0)
    measured = channel.end(time.monotonic(), freeze=True)
    used_ms = (processes.cpu_s(process.pid) - before) * 1000
    assert used_ms == pytest.approx(measured.cpu_ms, abs=15)
    assert used_ms < 300, "a process that may use a quarter of a core used more"
    assert measured.stopped_ms > 100


def test_frozen_means_that_no_cpu_is_used(channel: Channel, run: type[Running]) -> None:
    process = run(BURN)
    channel.begin(process.pid, 0, math.inf, 1000, 20)
    channel.end(time.monotonic(), freeze=True)
    while state(process.pid) != "T":
        os.sched_yield()
    before = processes.cpu_s(process.pid)
    let_run(0.3)
    assert processes.cpu_s(process.pid) == before


def test_children_count(channel: Channel, run: type[Running]) -> None:
    process = Running.__new__(Running)
    process.popen = subprocess.Popen([sys.executable, "-c", CHILD_BURNS], start_new_session=True)
    process.pid = process.popen.pid
    try:
        channel.begin(process.pid, 0, 0.5, 1000, 20)
        let_run(1.5)
        measured = channel.end(time.monotonic(), freeze=True)
    finally:
        process.end()
    assert 100 < measured.cpu_ms < 900, "the child alone may use 750 ms of a half core in 1.5 s"


def test_kills_what_needs_too_much_memory(channel: Channel, run: type[Running]) -> None:
    process = run(BURN)
    process.end()
    grower = subprocess.Popen([sys.executable, "-c", GROW], start_new_session=True)
    channel.begin(grower.pid, 0, math.inf, 128, 20)
    assert grower.wait(timeout=30) == -signal.SIGKILL
    measured = channel.end(time.monotonic(), freeze=False)
    assert measured.killed == KILLED_FOR_MEMORY
    assert 128 < measured.memory_mb < 400


def test_without_a_limit_the_correction_is_what_others_took(
    channel: Channel, run: type[Running]
) -> None:
    process = run(BURN)
    channel.begin(process.pid, 0, math.inf, 1000, 20)
    let_run(0.3)
    measured = channel.end(time.monotonic(), freeze=False)
    # A look may see more waiting than its interval was long: then only the interval is taken off.
    assert -measured.waiting_ms - 1 <= measured.correction_ms <= 1
    assert measured.stopped_ms == 0


def test_ends_with_the_server(run: type[Running]) -> None:
    controller = Controller()
    pid = controller.pid
    assert is_running(pid)
    controller.close()
    assert not is_running(pid)
