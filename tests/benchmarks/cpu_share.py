"""The CPU share that a function gets, and whether its reported duration is right under load."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import median
from typing import Any

from figures import (
    EITHER_SIDE,
    Row,
    deploy,
    kept_busy,
    lab,
)
from harness import Function, Served

FULL_CORE_MB = 1769
SHARE_SIZES_MB = (128, 256, 512, 1024, 1536, 1769)
SWEEP_SIZES_MB = (128, 256, 512, 1024, 1769, 3008)
ROUNDS, MOST_ROUNDS = 7, 12
BURN_S = 1.5

# What it used is read by the function itself, so that the lab does not mark its own work.
SHARE = """
import os, resource, subprocess, sys, threading, time, zlib

BURN = "import time; end_s = time.monotonic() + %f\\nwhile time.monotonic() < end_s: pass"

def burn(seconds):
    end_s = time.monotonic() + seconds
    while time.monotonic() < end_s:
        pass

def burn_without_lock(seconds):
    data, end_s = bytes(1 << 20), time.monotonic() + seconds
    while time.monotonic() < end_s:
        zlib.crc32(data)

def used_s():
    whose = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    usages = [resource.getrusage(who) for who in whose]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)

def handler(event, context):
    seconds, way = event["seconds"], event["way"]
    start_s, before_s = time.monotonic(), used_s()
    if way == "itself":
        burn(seconds)
    elif way == "child":
        subprocess.run([sys.executable, "-S", "-c", BURN % seconds], check=True)
    else:
        threads = [threading.Thread(target=burn_without_lock, args=(seconds,)) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    return (used_s() - before_s) / (time.monotonic() - start_s)
"""

PRIMES = """
def handler(event, context):
    return sum(all(n % d for d in range(2, int(n ** 0.5) + 1)) for n in range(2, event["below"]))
"""
PRIMES_BELOW = 90_000


def measure() -> list[Row]:
    with lab() as served:
        return [*share_rows(served), *thread_rows(served), *sweep_rows(served)]


@dataclass
class _Point:
    """One invocation: what the function answered and what the lab reported about it."""

    answer: Any
    duration_ms: float
    cpu_ms: float
    wait_ms: float
    disturbed: bool


def share_rows(served: Served) -> list[Row]:
    """Error of the share achieved, in percent of it, with the worst size as the figure."""
    functions = {size: _sized(served, "share", SHARE, size) for size in SHARE_SIZES_MB}
    rows = []
    for way, name in (("itself", "share error"), ("child", "share error, a child burns")):
        points = _quiet_rounds(functions, {"seconds": BURN_S, "way": way})
        errors = {size: _share_error_percent(taken, size) for size, taken in points.items()}
        rows.append(Row(f"{name}, worst size", _worst(errors), "%", 3, EITHER_SIDE))
        rows += [Row(f"  at {size:,} MB", error, "%") for size, error in errors.items()]
        rows.append(_disturbed_row(points))
    return rows


def thread_rows(served: Served) -> list[Row]:
    """Two threads: one core between them at 1,769 MB, two cores at 3,538 MB."""
    sizes = (FULL_CORE_MB, 2 * FULL_CORE_MB)
    functions = {size: _sized(served, "threads", SHARE, size) for size in sizes}
    points = _rounds(functions, {"seconds": BURN_S, "way": "threads"})
    return [
        Row(f"two threads at {size:,} MB: share error", _share_error_percent(taken, size), "%")
        for size, taken in points.items()
    ]


def sweep_rows(served: Served) -> list[Row]:
    """Reported durations of the same work against max(1, 1,769 / memory)."""
    functions = {size: _sized(served, "primes", PRIMES, size) for size in SWEEP_SIZES_MB}
    event = {"below": PRIMES_BELOW}
    quiet = _quiet_rounds(functions, event)
    with kept_busy(2):
        busy = _rounds(functions, event)
    kept = {size: _undisturbed(taken) for size, taken in quiet.items()}
    base_ms = median(point.duration_ms for point in kept[FULL_CORE_MB])
    return [
        *_sweep_rows("prime sweep", kept, base_ms),
        _disturbed_row(quiet),
        *_sweep_rows("prime sweep, two other busy processes", busy, base_ms),
        _disturbed_row(busy),
    ]


def _sweep_rows(name: str, points: Mapping[int, list[_Point]], base_ms: float) -> list[Row]:
    """The same work is not the same CPU time each time (caches, clock speed, other machines on the
    host), so the part of the error that is the lab's own is told apart from it."""
    factors = {size: max(1.0, FULL_CORE_MB / size) for size in points}
    unit_ms = {
        size: median(point.duration_ms for point in taken) / factors[size]
        for size, taken in points.items()
    }
    cpu_ms = {size: median(point.cpu_ms for point in taken) for size, taken in points.items()}
    own = {
        size: median(point.duration_ms / point.cpu_ms for point in taken) / factors[size]
        for size, taken in points.items()
    }
    errors = _errors(unit_ms)
    return [
        Row(f"{name}: error, worst size", _worst(errors), "%", 5, EITHER_SIDE),
        *(Row(f"  at {size:,} MB", error, "%") for size, error in errors.items()),
        Row("  worst against the quiet 1,769 MB", _worst(_errors(unit_ms, base_ms)), "%"),
        Row("  of CPU time itself (the machine's part)", _worst(_errors(cpu_ms)), "%"),
        Row("  against own CPU time (the lab's part)", _worst(_errors(own, 1.0)), "%"),
        Row("  one unit of work", median(unit_ms.values()), "ms"),
    ]


def _errors(values: Mapping[int, float], base: float | None = None) -> dict[int, float]:
    """In percent of ``base``, or of their median."""
    base = median(values.values()) if base is None else base
    return {size: 100 * (value / base - 1) for size, value in values.items()}


def _worst(errors: Mapping[int, float]) -> float:
    return max(errors.values(), key=abs)


def _rounds(functions: Mapping[int, Function], event: Any) -> dict[int, list[_Point]]:
    """Several rounds over all sizes, so that what changes meanwhile changes for all of them."""
    points: dict[int, list[_Point]] = {size: [] for size in functions}
    for _ in range(ROUNDS):
        for size, function in functions.items():
            points[size].append(_point(function, event))
    return points


def _quiet_rounds(functions: Mapping[int, Function], event: Any) -> dict[int, list[_Point]]:
    """The same on an idle machine: what the lab calls disturbed is taken again, a few times."""
    points = _rounds(functions, event)
    for _ in range(MOST_ROUNDS - ROUNDS):
        for size, function in functions.items():
            if sum(not point.disturbed for point in points[size]) < ROUNDS:
                points[size].append(_point(function, event))
    return points


def _point(function: Function, event: Any) -> _Point:
    answer = function.result(event)
    end = function.events("invoke_ended")[-1]
    disturbed = bool(end.get("disturbed"))
    return _Point(answer, end["duration_ms"], end["cpu_ms"], end["wait_ms"], disturbed)


def _undisturbed(taken: list[_Point]) -> list[_Point]:
    return [point for point in taken if not point.disturbed] or taken


def _share_error_percent(taken: list[_Point], memory_mb: int) -> float:
    achieved: float = median(point.answer for point in _undisturbed(taken))
    return 100 * (achieved * FULL_CORE_MB / memory_mb - 1)


def _disturbed_row(points: Mapping[int, list[_Point]]) -> Row:
    taken = [point for several in points.values() for point in several]
    return Row(
        "  invocations called disturbed",
        100 * sum(point.disturbed for point in taken) / len(taken),
        "%",
    )


def _sized(served: Served, name: str, code: str, memory_mb: int) -> Function:
    """The function at one memory size, warm."""
    function = deploy(served, f"{name}-{memory_mb}", code, MemorySize=memory_mb, Timeout=120)
    function.invoke({"seconds": 0.01, "way": "itself", "below": 10})
    return function
