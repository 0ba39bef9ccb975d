"""The processes of one hand-in: all that descend from this worker."""

from __future__ import annotations

import contextlib
import os
import re

import psutil

_MB = 1_000_000
_PSS = re.compile(rb"^Pss:\s+(\d+) kB", re.MULTILINE)


def descendants() -> list[psutil.Process]:
    """All living processes below this one."""
    found = []
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            if process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def memory_mb(processes: list[psutil.Process], enough_mb: float) -> float:
    """What they hold together; exact (shared pages counted once) only above `enough_mb`."""
    resident = sum(map(_resident_bytes, processes)) / _MB
    return resident if resident <= enough_mb else sum(map(_shared_out_bytes, processes)) / _MB


def end_all() -> None:
    """Kill everything below this process, also what forks, ignores signals or left its session.

    Stops all first, until there is nothing that could start another one.
    """
    stopped: set[psutil.Process] = set()
    while fresh := [process for process in descendants() if process not in stopped]:
        for process in fresh:
            with contextlib.suppress(psutil.Error):
                process.suspend()
        stopped.update(fresh)
    for process in stopped:
        with contextlib.suppress(psutil.Error):
            process.kill()
    while True:  # orphans come to this process, so that none is left when no child is left
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            return


def reap() -> dict[int, int]:
    """Take in the children that ended: exit status by process id (negative: a signal's number)."""
    ended = {}
    with contextlib.suppress(ChildProcessError):
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                break
            ended[pid] = os.waitstatus_to_exitcode(status)
    return ended


def _resident_bytes(process: psutil.Process) -> int:
    with contextlib.suppress(psutil.Error):
        return int(process.memory_info().rss)
    return 0


def _shared_out_bytes(process: psutil.Process) -> int:
    with contextlib.suppress(OSError):
        with open(f"/proc/{process.pid}/smaps_rollup", "rb") as file:
            found = _PSS.search(file.read())
        return int(found[1]) * 1024 if found else 0
    return _resident_bytes(process)
