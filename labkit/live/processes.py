"""What the kernel tells about a process and its descendants: CPU time, waiting, memory.

Read straight from ``/proc``, a few microseconds a look. Where there is none (macOS) every look says
that the process cannot be found: CPU share and memory limit are then not held, and
``labkit doctor`` says so.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from dataclasses import dataclass

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_MAX_DESCENDANTS = 1100  # above the limit of a function, so that a fork bomb is seen as one


@dataclass(frozen=True, slots=True)
class TreeSample:
    """One look at a process and its descendants."""

    descendants: tuple[int, ...]
    root_bytes: int
    """The root's peak."""
    others_bytes: int
    """What its descendants hold now, pages that they share counted for each."""
    process_count: int
    """Processes and threads together, as Lambda counts them."""
    waiting_s: dict[int, float]
    """Per task: time spent runnable, waiting for a core."""


def cpu_s(pid: int) -> float:
    """CPU time of all threads of one process so far. Raises ProcessLookupError when it is gone."""
    try:
        return time.clock_gettime((~pid << 3) | 2)
    except OSError as error:
        raise ProcessLookupError(pid) from error


def reaped_children_cpu_s(pid: int) -> float:
    """CPU time of children that ended and were waited for (to 10 ms)."""
    fields = _read(f"/proc/{pid}/stat").rpartition(b")")[2].split()
    return (int(fields[13]) + int(fields[14])) / _TICKS_PER_S


def tree(pid: int, keeper: int) -> TreeSample:
    """Look at ``pid``, everything below it, and the orphans below its ``keeper``.

    Raises ProcessLookupError when ``pid`` is gone.
    """
    status = _read(f"/proc/{pid}/status")
    threads = _status_value(status, b"\nThreads:")
    root_bytes, others_bytes = _status_value(status, b"\nVmHWM:") * 1024, 0
    waiting: dict[int, float] = {}
    descendants = _children(pid, threads, waiting)
    descendants += [child for child in _children(keeper, 1, {}) if child != pid]
    count = threads
    index = 0
    while index < len(descendants) and count < _MAX_DESCENDANTS:
        child = descendants[index]
        index += 1
        try:
            status = _read(f"/proc/{child}/status")
            child_threads = _status_value(status, b"\nThreads:")
            others_bytes += _status_value(status, b"\nVmRSS:") * 1024
            descendants += _children(child, child_threads, waiting)
            count += child_threads
        except ProcessLookupError:
            count += 1
    return TreeSample(tuple(descendants), root_bytes, others_bytes, count, waiting)


def shared_out_bytes(pids: Iterable[int]) -> int:
    """Memory of several processes together, each page counted once (the kernel's PSS)."""
    total = 0
    for pid in pids:
        try:
            total += _status_value(_read(f"/proc/{pid}/smaps_rollup"), b"\nPss:") * 1024
        except (ProcessLookupError, PermissionError):
            continue
    return total


def _children(pid: int, threads: int, waiting: dict[int, float]) -> list[int]:
    tasks = [str(pid)]
    if threads > 1:
        try:
            tasks = os.listdir(f"/proc/{pid}/task")
        except FileNotFoundError as error:
            raise ProcessLookupError(pid) from error
    found: list[int] = []
    for task in tasks:
        try:
            found += map(int, _read(f"/proc/{pid}/task/{task}/children").split())
            waiting[int(task)] = int(_read(f"/proc/{pid}/task/{task}/schedstat").split()[1]) / 1e9
        except ProcessLookupError:
            continue
    return found


def main_thread_waiting_s(pid: int) -> float:
    """Time the main thread was runnable but waited for a core."""
    return int(_read(f"/proc/{pid}/schedstat").split()[1]) / 1e9


def _status_value(status: bytes, name: bytes) -> int:
    start = status.find(name)
    if start < 0:  # a zombie has no memory
        return 0
    start += len(name)
    return int(status[start : status.index(b"\n", start)].split()[0])


def _read(path: str) -> bytes:
    try:
        fd = os.open(path, os.O_RDONLY)
    except FileNotFoundError as error:
        raise ProcessLookupError(path) from error
    try:
        return os.read(fd, 65536)
    except OSError as error:  # ESRCH: it ended between open and read
        raise ProcessLookupError(path) from error
    finally:
        os.close(fd)
