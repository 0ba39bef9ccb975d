"""Cold and warm invocations through boto3: ours, and the same call on a plain moto server."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from statistics import median

from figures import (
    AT_MOST,
    BELOW,
    HELLO,
    Row,
    at_once,
    deploy,
    end_environments,
    lab,
    milliseconds,
    quantile,
)
from harness import Function, Served
from plain_moto import plain_moto

COLD_STARTS = 30
WARM_CALLS = 3000
CALLERS, CALLS_EACH = 10, 300
IMPORTS_BOTO3 = f"import boto3\n{HELLO}"


def measure() -> list[Row]:
    with lab() as served:
        rows = cold_rows(served)
        function = deploy(served, "warm", MemorySize=1769)
        return [*rows, *warm_rows(function), *throughput_rows(function)]


def cold_rows(served: Served) -> list[Row]:
    """Medians, next to what an interpreter itself takes."""
    hello = deploy(served, "hello", MemorySize=1769)
    small = deploy(served, "small", MemorySize=128)
    imports = deploy(served, "imports", IMPORTS_BOTO3, MemorySize=1769)
    cold = {function.name: _cold_ms(served, function) for function in (hello, small, imports)}
    bare_ms, import_ms = _interpreter_ms("pass"), _interpreter_ms("import boto3")
    hello_ms, imports_ms = median(cold["hello"]), median(cold["imports"])
    return [
        Row("cold hello-world, p50", hello_ms, "ms", 50, AT_MOST),
        Row("cold hello-world, p95", quantile(cold["hello"], 0.95), "ms"),
        Row("cold hello-world at 128 MB, p50", median(cold["small"]), "ms"),
        Row("  an interpreter's start alone", bare_ms, "ms"),
        Row("cold with import boto3, p50", imports_ms, "ms"),
        Row("  the import alone, in a bare interpreter", import_ms - bare_ms, "ms"),
        Row("  the import's part of that cold start", (imports_ms - hello_ms) / imports_ms, ""),
    ]


def _cold_ms(served: Served, function: Function) -> list[float]:
    times = []
    invoke = _invoking(function)
    for _ in range(COLD_STARTS):
        end_environments(served)
        times.append(milliseconds(invoke))
    starts = [event for event in function.events("invoke_ended") if "init_ms" in event]
    assert len(starts) == COLD_STARTS, f"{len(starts)} of {COLD_STARTS} were cold"
    return times


def _interpreter_ms(code: str) -> float:
    command = [sys.executable, "-X", "utf8", "-c", code]
    return median(
        milliseconds(lambda: subprocess.run(command, check=True)) for _ in range(COLD_STARTS)
    )


def warm_rows(function: Function) -> list[Row]:
    """One caller; ours and moto's call take turns, so that both meet the same machine."""
    with plain_moto() as other:
        calls = {
            "ours": _invoking(function),
            "moto": lambda: other.invoke(FunctionName="hello", Payload=b"{}")["Payload"].read(),
        }
        times: dict[str, list[float]] = {name: [] for name in calls}
        for turn in range(WARM_CALLS + 100):
            for name, call in calls.items():
                elapsed_ms = milliseconds(call)
                if turn >= 100:
                    times[name].append(elapsed_ms)
    ours_ms, moto_ms = median(times["ours"]), median(times["moto"])
    ours_p99_ms = quantile(times["ours"], 0.99)
    alone = [milliseconds(calls["ours"]) for _ in range(WARM_CALLS)]
    return [
        Row("warm at 1,769 MB, p50", ours_ms, "ms", 2, BELOW),
        Row("warm at 1,769 MB, p99", ours_p99_ms, "ms"),
        Row("  p99 / p50", ours_p99_ms / ours_ms, "", 3, AT_MOST),
        Row("  plain moto server (canned answer), p50", moto_ms, "ms"),
        Row("  plain moto server (canned answer), p99", quantile(times["moto"], 0.99), "ms"),
        Row("  ours / plain moto, p50", ours_ms / moto_ms, "", 1, AT_MOST),
        Row("warm without turns with moto, p50", median(alone), "ms"),
        Row("warm without turns with moto, p99", quantile(alone, 0.99), "ms"),
    ]


def throughput_rows(function: Function) -> list[Row]:
    """Ten threads of one process, so boto3's own work counts against it."""

    def caller() -> list[float]:
        invoke = _invoking(Function(function.served, function.name))
        return [milliseconds(invoke) for _ in range(CALLS_EACH)]

    at_once([_invoking(function)] * CALLERS)
    results, seconds = at_once([caller] * CALLERS)
    times = [elapsed_ms for result in results for elapsed_ms in result]
    return [
        Row(f"warm, {CALLERS} callers", len(times) / seconds, "calls/s"),
        Row(f"warm, {CALLERS} callers, p50", median(times), "ms"),
        Row(f"warm, {CALLERS} callers, p99", quantile(times, 0.99), "ms"),
    ]


def _invoking(function: Function) -> Callable[[], bytes]:
    def invoke() -> bytes:
        answer = function.client.invoke(FunctionName=function.name, Payload=b"{}")
        assert "FunctionError" not in answer, answer["Payload"].read()
        return bytes(answer["Payload"].read())

    return invoke
