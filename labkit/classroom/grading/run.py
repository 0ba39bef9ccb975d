"""Run one task in a worker of its own: what an executor is given to do."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import select
import shutil
import subprocess
import sys
import threading
import time
from typing import Any, Final

import psutil

from labkit.classroom.grading.places import import_path
from labkit.classroom.grading.task import Ran, Shown, Task

# What a worker needs beyond the time of its hand-in: start, kill, clean up.
_GRACE_S: Final = 90.0
_running: set[subprocess.Popen[bytes]] = set()
_lock = threading.Lock()


def run(task: Task) -> Ran:
    """Run a merged hand-in under its limits. Blocks; never raises for what the hand-in does."""
    environment = {**os.environ, **import_path()}
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "labkit.classroom.grading.worker"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env=environment, start_new_session=True,
    )  # fmt: skip
    with _lock:
        _running.add(process)
    try:
        return _talk(process, task)
    finally:
        with _lock:
            _running.discard(process)
        _end(process)


def stop_all() -> None:
    """End the workers of this process, with everything below them."""
    with _lock:
        for process in _running:
            if process.stdin is not None:
                process.stdin.close()


def _talk(process: subprocess.Popen[bytes], task: Task) -> Ran:
    assert process.stdin is not None and process.stdout is not None and process.stderr is not None
    message = json.dumps(dataclasses.asdict(task)).encode() + b"\n"
    with contextlib.suppress(BrokenPipeError):
        process.stdin.write(message)
        process.stdin.flush()
    shown: dict[str, Shown] = {}
    facts: dict[str, Any] = {}
    deadline_s = time.monotonic() + task.limits.total_s + _GRACE_S
    began_s = time.monotonic()
    output, words = b"", b""
    streams = {process.stdout.fileno(): True, process.stderr.fileno(): False}
    while streams and time.monotonic() < deadline_s:
        for fd in select.select(list(streams), [], [], 1)[0]:
            data = os.read(fd, 262_144)
            if not data:
                del streams[fd]
            elif streams[fd]:
                output += data
            else:
                words = (words + data)[-2000:]
        *lines, output = output.split(b"\n")
        for line in map(json.loads, lines):
            if "cell" in line:
                shown[line["cell"]] = Shown(**line["shown"])
            else:
                facts |= line
    stopped = facts.get("stopped")
    if stopped is None:
        stopped = _lost_words(process, words)
        _end(process)
        _clean_up(facts.get("folder"))
    return Ran(
        shown, stopped, tuple(facts.get("tried", ())), bool(facts.get("sealed")),
        facts.get("took_s", time.monotonic() - began_s),
    )  # fmt: skip


def _clean_up(folder: str | None) -> None:
    """Do what a lost worker could not: end what has its temporary files there, and remove them."""
    if folder is None:
        return
    while strays := [process for process in psutil.process_iter() if _is_of(process, folder)]:
        for process in strays:
            with contextlib.suppress(psutil.Error):
                process.kill()
        psutil.wait_procs(strays, timeout=5)
    shutil.rmtree(folder, ignore_errors=True)


def _is_of(process: psutil.Process, folder: str) -> bool:
    with contextlib.suppress(psutil.Error):
        if process.status() != psutil.STATUS_ZOMBIE:
            return str(process.environ().get("TMPDIR")).startswith(f"{folder}/")
    return False


def _lost_words(process: subprocess.Popen[bytes], words: bytes) -> str:
    try:
        status = process.wait(1)
    except subprocess.TimeoutExpired:
        return "its worker did not end in time and was killed"
    last = words.decode(errors="replace").strip().splitlines()[-1:] or [""]
    return f"its worker was lost (exit status {status}) {last[0]}".strip()


def _end(process: subprocess.Popen[bytes]) -> None:
    assert process.stdin is not None and process.stdout is not None and process.stderr is not None
    with contextlib.suppress(OSError):
        process.stdin.close()  # a worker that still lives ends by this, with all below it
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        with contextlib.suppress(psutil.Error):
            for below in psutil.Process(process.pid).children(recursive=True):
                with contextlib.suppress(psutil.Error):
                    below.kill()
        process.kill()
        process.wait()
    process.stdout.close()
    process.stderr.close()
