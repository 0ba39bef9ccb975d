"""The platform's log lines, character for character."""

import json
import string
from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit.core import report
from labkit.core.report import Report, Tracing, parse_report

ID = "6d68ca91-49c9-448d-89b8-7ca3e6dc66aa"
ARN = "arn:aws:lambda:us-east-1::runtime:" + "0" * 64


def test_cold_report() -> None:
    line = Report(
        request_id=ID,
        duration_ms=3.01,
        billed_ms=114,
        memory_mb=128,
        max_memory_mb=36,
        init_ms=110.1,
    ).text()
    assert line == (
        f"REPORT RequestId: {ID}\tDuration: 3.01 ms\tBilled Duration: 114 ms\t"
        "Memory Size: 128 MB\tMax Memory Used: 36 MB\tInit Duration: 110.10 ms\t\n"
    )


def test_warm_report() -> None:
    line = Report(
        request_id=ID, duration_ms=2.9, billed_ms=3, memory_mb=128, max_memory_mb=36
    ).text()
    assert line == (
        f"REPORT RequestId: {ID}\tDuration: 2.90 ms\tBilled Duration: 3 ms\t"
        "Memory Size: 128 MB\tMax Memory Used: 36 MB\t\n"
    )


def test_traced_report() -> None:
    line = Report(
        request_id=ID,
        duration_ms=2.9,
        billed_ms=3,
        memory_mb=128,
        max_memory_mb=36,
        tracing=Tracing("1-5e34a614-10bdxxxxf1fb44f07bc535a1", "07f5xxxx2d1f6f85"),
    ).text()
    assert line == (
        f"REPORT RequestId: {ID}\tDuration: 2.90 ms\tBilled Duration: 3 ms\t"
        "Memory Size: 128 MB\tMax Memory Used: 36 MB\t\n"
        "XRAY TraceId: 1-5e34a614-10bdxxxxf1fb44f07bc535a1\tSegmentId: 07f5xxxx2d1f6f85\t"
        "Sampled: true\t\n"
    )


def test_timeout_report() -> None:
    line = Report(
        request_id=ID,
        duration_ms=3016.78,
        billed_ms=3101,
        memory_mb=128,
        max_memory_mb=33,
        init_ms=84.0,
        status="timeout",
        error_type="Sandbox.Timedout",
    ).text()
    assert line == (
        f"REPORT RequestId: {ID}\tDuration: 3016.78 ms\tBilled Duration: 3101 ms\t"
        "Memory Size: 128 MB\tMax Memory Used: 33 MB\tInit Duration: 84.00 ms\t"
        "Status: timeout\n"
    )


def test_crash_report() -> None:
    line = Report(
        request_id=ID,
        duration_ms=133.61,
        billed_ms=214,
        memory_mb=128,
        max_memory_mb=31,
        init_ms=80.0,
        status="error",
        error_type="Runtime.ExitError",
    ).text()
    assert line.endswith(
        "\tInit Duration: 80.00 ms\tStatus: error\tError Type: Runtime.ExitError\n"
    )


def test_exception_of_the_handler_shows_no_status_in_text() -> None:
    failed = Report(
        request_id=ID,
        duration_ms=1.0,
        billed_ms=1,
        memory_mb=128,
        max_memory_mb=31,
        status="error",
    )
    assert failed.text().endswith("\tMax Memory Used: 31 MB\t\n")
    assert failed.record()["status"] == "error"


# Hundredths, because that is what the line shows.
MS = st.integers(0, 90_000_000).map(lambda hundredths: hundredths / 100)
WORD = st.text(alphabet=string.ascii_letters + string.digits + "-.", min_size=1, max_size=40)
OUTCOMES = (
    st.just(("success", None))
    | st.just(("timeout", None))
    | WORD.map(lambda error_type: ("error", error_type))
)
TRACINGS = st.none() | st.builds(Tracing, WORD, WORD, st.booleans())


@st.composite
def reports(draw: st.DrawFn) -> Report:
    status, error_type = draw(OUTCOMES)
    return Report(
        request_id=draw(WORD),
        duration_ms=draw(MS),
        billed_ms=draw(st.integers(0, 900_000)),
        memory_mb=draw(st.integers(128, 10_240)),
        max_memory_mb=draw(st.integers(0, 10_240)),
        init_ms=draw(st.none() | MS),
        status=status,
        error_type=error_type,
        tracing=draw(TRACINGS),
    )


@given(reports())
def test_report_survives_its_line(original: Report) -> None:
    assert parse_report(original.text()) == original
    assert parse_report(original.text().rstrip()) == original


@given(reports())
def test_report_is_one_line_or_two_and_ends_with_a_newline(original: Report) -> None:
    line = original.text()
    assert line.endswith("\n")
    assert line.count("\n") == (1 if original.tracing is None else 2)


@given(reports())
def test_record_is_json_and_shows_the_same_figures(original: Report) -> None:
    record = json.loads(json.dumps(original.record()))
    metrics = record["metrics"]
    assert metrics["durationMs"] == original.duration_ms
    assert metrics["billedDurationMs"] == original.billed_ms
    assert metrics["memorySizeMB"] == original.memory_mb
    assert metrics["maxMemoryUsedMB"] == original.max_memory_mb
    assert metrics.get("initDurationMs") == original.init_ms
    assert record["status"] == original.status
    assert record.get("errorType") == original.error_type
    assert ("tracing" in record) == (original.tracing is not None)


def test_record_of_a_traced_report() -> None:
    traced = Report(
        request_id=ID,
        duration_ms=693.92,
        billed_ms=1092,
        memory_mb=128,
        max_memory_mb=84,
        init_ms=397.68,
        tracing=Tracing("1-a-b", "c", sampled=False),
    )
    assert traced.record() == {
        "requestId": ID,
        "metrics": {
            "durationMs": 693.92,
            "billedDurationMs": 1092,
            "memorySizeMB": 128,
            "maxMemoryUsedMB": 84,
            "initDurationMs": 397.68,
        },
        "status": "success",
        "tracing": {
            "spanId": "c",
            "type": "X-Amzn-Trace-Id",
            "value": "Root=1-a-b;Parent=c;Sampled=0",
        },
    }


@pytest.mark.parametrize("line", ["", "START RequestId: x", "REPORT RequestId: x", "REPORT\n"])
def test_other_lines_are_refused(line: str) -> None:
    with pytest.raises(ValueError, match="not a REPORT line"):
        parse_report(line)


def test_other_text_lines() -> None:
    assert report.start_line(ID, "$LATEST") == f"START RequestId: {ID} Version: $LATEST\n"
    assert report.end_line(ID) == f"END RequestId: {ID}\n"
    assert report.init_start_line("python:3.13.v57", ARN) == (
        f"INIT_START Runtime Version: python:3.13.v57\tRuntime Version ARN: {ARN}\n"
    )
    assert report.init_report_line(1236.04, phase="init", status="timeout") == (
        "INIT_REPORT Init Duration: 1236.04 ms\tPhase: init\tStatus: timeout\n"
    )
    assert report.init_report_line(
        83.58, phase="invoke", status="error", error_type="Runtime.ImportModuleError"
    ) == (
        "INIT_REPORT Init Duration: 83.58 ms\tPhase: invoke\tStatus: error\t"
        "Error Type: Runtime.ImportModuleError\n"
    )


def test_json_line() -> None:
    time_ms = datetime(2026, 1, 1, tzinfo=UTC).timestamp() * 1000 + 7.9
    record = report.start_record(ID, "$LATEST")
    assert report.json_line(time_ms, "platform.start", record) == (
        '{"time":"2026-01-01T00:00:00.007Z","type":"platform.start",'
        f'"record":{{"requestId":"{ID}","version":"$LATEST"}}}}\n'
    )


@given(st.integers(0, 4_102_444_800_000))
def test_iso_time_survives(time_ms: int) -> None:
    moment = datetime.fromisoformat(report.iso_time(time_ms))
    assert round(moment.timestamp() * 1000) == time_ms


def test_records() -> None:
    init_start = report.init_start_record(
        initialization_type="on-demand",
        phase="init",
        runtime_version="python:3.13.v57",
        runtime_version_arn=ARN,
        function_name="hello",
        function_version="$LATEST",
        environment_id="e" * 32,
        memory_mb=128,
    )
    assert init_start["instanceMaxMemory"] == 134_217_728
    assert init_start["initializationType"] == "on-demand"
    assert report.init_runtime_done_record(
        initialization_type="on-demand", phase="init", status="success"
    ) == {
        "initializationType": "on-demand",
        "phase": "init",
        "status": "success",
    }
    assert report.init_report_record(
        10.004,
        initialization_type="provisioned-concurrency",
        phase="invoke",
        status="error",
        error_type="Runtime.ExitError",
    ) == {
        "initializationType": "provisioned-concurrency",
        "phase": "invoke",
        "status": "error",
        "errorType": "Runtime.ExitError",
        "metrics": {"durationMs": 10.0},
    }
    assert report.runtime_done_record(
        ID, duration_ms=1.234, produced_bytes=5, status="success"
    ) == {
        "requestId": ID,
        "status": "success",
        "metrics": {"durationMs": 1.23, "producedBytes": 5},
    }


@pytest.mark.parametrize(
    ("type_", "record", "level"),
    [
        ("platform.initStart", {"runtimeVersion": "x"}, "INFO"),
        ("platform.initStart", {}, "DEBUG"),
        ("platform.initRuntimeDone", {"status": "success"}, "DEBUG"),
        ("platform.initRuntimeDone", {"status": "error"}, "WARN"),
        (
            "platform.initReport",
            {"status": "success", "initializationType": "on-demand"},
            "DEBUG",
        ),
        (
            "platform.initReport",
            {"status": "success", "initializationType": "snap-start"},
            "INFO",
        ),
        (
            "platform.initReport",
            {"status": "timeout", "initializationType": "on-demand"},
            "WARN",
        ),
        ("platform.start", {}, "INFO"),
        ("platform.runtimeDone", {"status": "success"}, "DEBUG"),
        ("platform.runtimeDone", {"status": "timeout"}, "WARN"),
        ("platform.report", {"status": "success"}, "INFO"),
        ("platform.report", {"status": "error"}, "WARN"),
        ("platform.restoreStart", {}, "INFO"),
        ("platform.restoreRuntimeDone", {"status": "success"}, "DEBUG"),
        ("platform.restoreReport", {"status": "success"}, "INFO"),
        ("platform.logsDropped", {}, "WARN"),
        ("platform.telemetrySubscription", {}, "INFO"),
    ],
)
def test_levels_of_platform_lines(type_: str, record: dict[str, str], level: str) -> None:
    assert report.platform_level(type_, record) == level


def test_levels_are_ordered() -> None:
    levels = ["TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"]
    for minimum in levels:
        logged = [level for level in levels if report.is_logged(level, minimum)]
        assert logged == levels[levels.index(minimum) :]


def test_log_stream_names() -> None:
    day, environment_id = date(2026, 11, 3), "ab" * 16
    assert report.log_stream_name(day, "$LATEST", environment_id) == (
        f"2026/11/03/[$LATEST]{environment_id}"
    )
    assert report.log_stream_name(day, "7", environment_id, function_name="hello") == (
        f"2026/11/03/hello[7][{environment_id}]"
    )


@pytest.mark.parametrize(
    ("told", "shown"),
    [
        (None, None),
        ("Runtime.ImportModuleError", "Runtime.ImportModuleError"),
        ("Function.ResponseSizeTooLarge", "Function.ResponseSizeTooLarge"),
        ("Sandbox.Timedout", "Sandbox.Timedout"),
        ("ZeroDivisionError", "Runtime.Unknown"),
        ("Function.odd type", "Function.Unknown"),
    ],
)
def test_platform_lines_name_no_type_of_the_functions_code(
    told: str | None, shown: str | None
) -> None:
    assert report.platform_error_type(told) == shown


def test_start_names_the_trace() -> None:
    header = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=0"
    record = report.start_record("id", "1", header)
    assert record["tracing"] == {
        "spanId": "53995c3f42cd8ad8",
        "type": "X-Amzn-Trace-Id",
        "value": header,
    }
