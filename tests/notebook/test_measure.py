from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import botocore.exceptions
import pytest

from labkit import Lab
from labkit.live.client import LabError
from labkit.notebook.measure import (
    Measurement,
    caller_sees,
    compared,
    facts,
    in_ms,
    in_usd,
    measure,
    patient_client,
    summary,
)
from labkit.pricing import invocation_cost_usd

SOURCE = """
import time

def handler(event, context):
    if event.get("fail"):
        raise ValueError("no such order")
    time.sleep(event.get("seconds", 0))
    return "x" * event.get("length", 1)
"""
COLD = Measurement(
    memory_mb=1769,
    timeout_s=3,
    status_code=200,
    function_error=None,
    payload="1",
    outcome="success",
    duration_ms=61.234,
    billed_ms=1_152,
    init_ms=1_090.5,
    max_memory_mb=41,
    cost_usd=0.0000334,
)
TIMED_OUT = Measurement(
    memory_mb=128,
    timeout_s=1,
    status_code=200,
    function_error="Unhandled",
    payload="{}",
    outcome="timeout",
    duration_ms=1_000.0,
    billed_ms=1_000,
    init_ms=None,
    max_memory_mb=33,
    cost_usd=0.0000023,
)


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with Lab.start(seed=5) as lab:
        yield lab


@pytest.fixture(scope="module")
def client(lab: Lab) -> Iterator[Any]:
    client = patient_client(lab)
    yield client
    client.close()


@pytest.fixture
def function(lab: Lab) -> str:
    return lab.deploy_source(SOURCE, name="f", memory_mb=512, timeout_s=3).name


def run(client: Any, function: str, event: object, **wanted: int) -> Measurement:
    return measure(client, function, json.dumps(event), wanted)


def test_what_the_report_line_says_is_measured(lab: Lab, client: Any, function: str) -> None:
    cold = run(client, function, {}, MemorySize=256)
    warm = run(client, function, {}, MemorySize=256)
    assert cold.init_ms is not None
    assert warm.init_ms is None
    for measured, row in zip((cold, warm), lab.reports(function).itertuples(), strict=True):
        assert measured.duration_ms == row.duration_ms
        assert measured.billed_ms == row.billed_ms
        assert measured.memory_mb == 256
        assert measured.max_memory_mb == row.max_memory_mb
        assert measured.cost_usd == invocation_cost_usd(256, measured.billed_ms)
        assert (measured.status_code, measured.outcome, measured.payload) == (200, "success", '"x"')


def test_only_what_differs_changes_the_function(lab: Lab, client: Any, function: str) -> None:
    run(client, function, {})
    before = client.get_function_configuration(FunctionName=function)["LastModified"]
    run(client, function, {}, MemorySize=512, Timeout=3)
    assert client.get_function_configuration(FunctionName=function)["LastModified"] == before
    assert run(client, function, {}, Timeout=7).timeout_s == 7


def test_a_function_that_fails_is_a_result(client: Any, function: str) -> None:
    failed = run(client, function, {"fail": True})
    assert (failed.status_code, failed.function_error, failed.outcome) == (
        200,
        "Unhandled",
        "error",
    )
    assert "no such order" in failed.payload
    late = run(client, function, {"seconds": 5}, Timeout=1)
    assert late.outcome == "timeout"
    assert late.duration_ms >= 1000
    assert "Sandbox.Timedout" in late.payload


def test_a_long_payload_is_shortened(client: Any, function: str) -> None:
    payload = run(client, function, {"length": 10_000}).payload
    assert len(payload) == 160
    assert payload.endswith("x …")


def test_reports_in_json_are_read_too(client: Any, function: str) -> None:
    logging = {"LogFormat": "JSON", "SystemLogLevel": "INFO"}
    client.update_function_configuration(FunctionName=function, LoggingConfig=logging)
    client.get_waiter("function_updated_v2").wait(FunctionName=function)
    assert run(client, function, {}).outcome == "success"
    logging["SystemLogLevel"] = "WARN"
    client.update_function_configuration(FunctionName=function, LoggingConfig=logging)
    client.get_waiter("function_updated_v2").wait(FunctionName=function)
    with pytest.raises(LabError, match="shows no REPORT line"):
        run(client, function, {})


def test_what_aws_refuses_is_raised(client: Any, function: str) -> None:
    with pytest.raises(botocore.exceptions.ClientError, match="ResourceNotFoundException"):
        run(client, "nobody", {})
    with pytest.raises(botocore.exceptions.ClientError, match="memorySize"):
        run(client, function, {}, MemorySize=99_999)


def test_the_figures_have_their_units() -> None:
    assert facts(COLD) == [
        ("duration", "61.2 ms"),
        ("init", "1,090 ms: cold"),
        ("billed", "1,152 ms"),
        ("max memory", "41 of 1,769 MB"),
        ("cost of a call", "$0.000033"),
        ("of a million calls", "$33.40"),
    ]
    assert dict(facts(TIMED_OUT))["init"] == "none: warm"
    assert summary(COLD) == "61.2 ms + 1,090 ms init, $33.40 a million calls"
    assert summary(TIMED_OUT) == "1,000 ms (timeout), $2.30 a million calls"
    assert caller_sees(COLD) == "status 200"
    assert caller_sees(TIMED_OUT) == "status 200, FunctionError Unhandled"


def test_two_are_compared_by_time_and_cost() -> None:
    slow = replace(COLD, memory_mb=128, duration_ms=979.0, cost_usd=0.0000023)
    assert compared(COLD, slow) == "B takes 16 times as long as A and costs 0.069 times as much."


@pytest.mark.parametrize("other", [TIMED_OUT, replace(COLD, outcome="error", duration_ms=0.0)])
def test_what_failed_is_not_compared(other: Measurement) -> None:
    for pair in ((COLD, other), (other, COLD)):
        assert compared(*pair).startswith("Only two invocations that succeeded")


def test_the_text_of_a_measurement_is_the_same_in_each_run() -> None:
    assert repr(COLD) == "<Measurement: 1,769 MB, timeout 3 s, cold, success>"
    assert repr(TIMED_OUT) == "<Measurement: 128 MB, timeout 1 s, warm, timeout>"


@pytest.mark.parametrize(
    ("duration_ms", "text"),
    [
        (0.5, "0.50 ms"),
        (9.994, "9.99 ms"),
        (12.34, "12.3 ms"),
        (99.96, "100.0 ms"),
        (1234.5, "1,234 ms"),
    ],
)
def test_durations_have_about_three_digits(duration_ms: float, text: str) -> None:
    assert in_ms(duration_ms) == text


@pytest.mark.parametrize(
    ("price_usd", "text"),
    [(2.1e-7, "$0.00000021"), (0.0042, "$0.0042"), (1.5, "$1.50"), (1234.5, "$1,234.50")],
)
def test_prices_are_readable(price_usd: float, text: str) -> None:
    assert in_usd(price_usd) == text
