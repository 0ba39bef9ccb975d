"""The lines that Lambda itself writes into a function's log, in the text and the JSON format.

Every text line ends with a newline, as its event in CloudWatch Logs does. Source: developer guide,
"Lambda runtime environment" and "Telemetry API event schema reference"; recorded log events.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

from labkit.core.billing import hundredths_of_ms

SUCCESS: Final = "success"
ERROR: Final = "error"
TIMEOUT: Final = "timeout"

_LEVELS: Final = ("TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Tracing:
    """The X-Ray segment of an invocation, as the REPORT line names it."""

    trace_id: str
    segment_id: str
    sampled: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The figures of one invocation: durations in ms, memory in MB.

    `status` is "success", "error" or "timeout". `error_type` is set when Lambda itself noticed the
    error (a crash, memory over the limit, a failed init); after an exception that the handler
    raised it is None, and the text line, as on AWS, then shows no status.
    """

    request_id: str
    duration_ms: float
    billed_ms: int
    memory_mb: int
    max_memory_mb: int
    init_ms: float | None = None
    status: str = SUCCESS
    error_type: str | None = None
    tracing: Tracing | None = None

    def text(self) -> str:
        """Return the REPORT line; a second line follows in it when the invocation was traced."""
        fields = [
            f"REPORT RequestId: {self.request_id}",
            f"Duration: {_two_decimals(self.duration_ms)} ms",
            f"Billed Duration: {self.billed_ms} ms",
            f"Memory Size: {self.memory_mb} MB",
            f"Max Memory Used: {self.max_memory_mb} MB",
        ]
        if self.init_ms is not None:
            fields.append(f"Init Duration: {_two_decimals(self.init_ms)} ms")
        # A line with a status ends without the tab that ends all others.
        fields += _status_fields(self.status, self.error_type) or [""]
        line = "\t".join(fields) + "\n"
        if self.tracing is not None:
            line += (
                f"XRAY TraceId: {self.tracing.trace_id}\tSegmentId: {self.tracing.segment_id}"
                f"\tSampled: {str(self.tracing.sampled).lower()}\t\n"
            )
        return line

    def record(self) -> dict[str, Any]:
        """Return the record of the `platform.report` line of the JSON format."""
        metrics: dict[str, Any] = {
            "durationMs": _rounded(self.duration_ms),
            "billedDurationMs": self.billed_ms,
            "memorySizeMB": self.memory_mb,
            "maxMemoryUsedMB": self.max_memory_mb,
        }
        if self.init_ms is not None:
            metrics["initDurationMs"] = _rounded(self.init_ms)
        record = {"requestId": self.request_id, "metrics": metrics}
        record |= _outcome(self.status, self.error_type)
        if self.tracing is not None:
            record["tracing"] = {
                "spanId": self.tracing.segment_id,
                "type": "X-Amzn-Trace-Id",
                "value": f"Root={self.tracing.trace_id};Parent={self.tracing.segment_id};"
                f"Sampled={int(self.tracing.sampled)}",
            }
        return record


def init_start_line(runtime_version: str, runtime_version_arn: str) -> str:
    """Return the INIT_START line; a version is written like "python:3.13.v57"."""
    return (
        f"INIT_START Runtime Version: {runtime_version}\t"
        f"Runtime Version ARN: {runtime_version_arn}\n"
    )


def init_report_line(
    init_ms: float, *, phase: str, status: str, error_type: str | None = None
) -> str:
    """Return the INIT_REPORT line.

    It is written for an init that failed, and for each init of provisioned concurrency; one that
    succeeded has no status. `phase` is "init", or "invoke" for an init inside an invocation.
    """
    fields = [f"INIT_REPORT Init Duration: {_two_decimals(init_ms)} ms", f"Phase: {phase}"]
    if status != SUCCESS:
        fields.append(f"Status: {status}")
    if error_type is not None:
        fields.append(f"Error Type: {error_type}")
    return "\t".join(fields) + "\n"


def start_line(request_id: str, version: str) -> str:
    """Return the START line; `version` is "$LATEST" or the number that ran."""
    return f"START RequestId: {request_id} Version: {version}\n"


def end_line(request_id: str) -> str:
    """Return the END line."""
    return f"END RequestId: {request_id}\n"


def json_line(time_ms: float, type: str, record: Mapping[str, Any]) -> str:
    """Return one platform line of the JSON format; `type` is like "platform.start"."""
    content = {"time": iso_time(time_ms), "type": type, "record": record}
    return json.dumps(content, separators=(",", ":"), ensure_ascii=False) + "\n"


def iso_time(time_ms: float) -> str:
    """Return a time in ms since 1970 as "2026-01-01T00:00:00.000Z"."""
    moment = _EPOCH + timedelta(milliseconds=int(time_ms))
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


def init_start_record(
    *,
    initialization_type: str,
    phase: str,
    runtime_version: str,
    runtime_version_arn: str,
    function_name: str,
    function_version: str,
    environment_id: str,
    memory_mb: int,
) -> dict[str, Any]:
    """Return the record of `platform.initStart`."""
    return {
        "initializationType": initialization_type,
        "phase": phase,
        "runtimeVersion": runtime_version,
        "runtimeVersionArn": runtime_version_arn,
        "functionName": function_name,
        "functionVersion": function_version,
        "instanceId": environment_id,
        "instanceMaxMemory": memory_mb * 1024 * 1024,
    }


def init_runtime_done_record(
    *, initialization_type: str, phase: str, status: str, error_type: str | None = None
) -> dict[str, Any]:
    """Return the record of `platform.initRuntimeDone`."""
    return {
        "initializationType": initialization_type,
        "phase": phase,
        **_outcome(status, error_type),
    }


def init_report_record(
    init_ms: float,
    *,
    initialization_type: str,
    phase: str,
    status: str,
    error_type: str | None = None,
) -> dict[str, Any]:
    """Return the record of `platform.initReport`."""
    return {
        "initializationType": initialization_type,
        "phase": phase,
        **_outcome(status, error_type),
        "metrics": {"durationMs": _rounded(init_ms)},
    }


def start_record(request_id: str, version: str, trace_header: str = "") -> dict[str, Any]:
    """Return the record of `platform.start`; `trace_header` is X-Ray's, as the function has it."""
    record: dict[str, Any] = {"requestId": request_id, "version": version}
    if trace_header:
        fields = dict(field.partition("=")[::2] for field in trace_header.split(";"))
        record["tracing"] = {
            "spanId": fields.get("Parent", ""),
            "type": "X-Amzn-Trace-Id",
            "value": trace_header,
        }
    return record


def platform_error_type(error_type: str | None) -> str | None:
    """Return how Lambda's own lines name an error: types of the function's code become Unknown.

    Kept are those of the runtime, the environment and extensions. Source: AWS's runtime interface
    emulator, `fatalerror.go`.
    """
    if error_type is None or _PLATFORM_ERROR.fullmatch(error_type):
        return error_type
    return "Function.Unknown" if error_type.startswith("Function.") else "Runtime.Unknown"


def runtime_done_record(
    request_id: str,
    *,
    duration_ms: float,
    produced_bytes: int,
    status: str,
    error_type: str | None = None,
) -> dict[str, Any]:
    """Return the record of `platform.runtimeDone`."""
    return {
        "requestId": request_id,
        **_outcome(status, error_type),
        "metrics": {"durationMs": _rounded(duration_ms), "producedBytes": produced_bytes},
    }


def platform_level(type: str, record: Mapping[str, Any]) -> str:
    """Return the level of a platform line in JSON mode: "DEBUG", "INFO" or "WARN"."""
    if record.get("status", SUCCESS) != SUCCESS or type == "platform.logsDropped":
        return "WARN"
    if type in ("platform.initRuntimeDone", "platform.runtimeDone", "platform.restoreRuntimeDone"):
        return "DEBUG"
    if type == "platform.initStart" and "runtimeVersion" not in record:
        return "DEBUG"
    if type == "platform.initReport" and record.get("initializationType") == "on-demand":
        return "DEBUG"
    return "INFO"


def is_logged(level: str, minimum: str) -> bool:
    """Tell whether a line of `level` passes the configured level `minimum`."""
    return _LEVELS.index(level) >= _LEVELS.index(minimum)


def log_stream_name(
    day: date, version: str, environment_id: str, *, function_name: str | None = None
) -> str:
    """Return the name of an environment's log stream.

    `environment_id` is 32 hexadecimal digits. `function_name` is given when the log group is not
    the function's own, because several functions may then share it.
    """
    prefix = f"{day:%Y/%m/%d}/"
    if function_name is None:
        return f"{prefix}[{version}]{environment_id}"
    return f"{prefix}{function_name}[{version}][{environment_id}]"


_PLATFORM_ERROR: Final = re.compile(r"(Runtime|Function|Sandbox|Extension)\.[A-Z][a-zA-Z]*")

_REPORT: Final = re.compile(
    r"REPORT RequestId: (?P<request_id>[^\t\n]+)"
    r"\tDuration: (?P<duration_ms>[0-9.]+) ms"
    r"\tBilled Duration: (?P<billed_ms>[0-9]+) ms"
    r"\tMemory Size: (?P<memory_mb>[0-9]+) MB"
    r"\tMax Memory Used: (?P<max_memory_mb>[0-9]+) MB"
    r"(?:\tInit Duration: (?P<init_ms>[0-9.]+) ms)?"
    r"(?:\tStatus: (?P<status>[a-z]+))?"
    r"(?:\tError Type: (?P<error_type>[^\t\n]+))?"
    r"\t?\n?"
    r"(?:XRAY TraceId: (?P<trace_id>[^\t\n]+)\tSegmentId: (?P<segment_id>[^\t\n]+)"
    r"\tSampled: (?P<sampled>true|false)\t?\n?)?"
)


def parse_report(line: str) -> Report:
    """Read a REPORT line of the text format, with or without its last tab and newline.

    Raises ValueError if it is none.
    """
    match = _REPORT.fullmatch(line)
    if match is None:
        raise ValueError(f"not a REPORT line of a Lambda log: {line!r}")
    tracing = None
    if match["trace_id"] is not None:
        tracing = Tracing(match["trace_id"], match["segment_id"], match["sampled"] == "true")
    return Report(
        request_id=match["request_id"],
        duration_ms=float(match["duration_ms"]),
        billed_ms=int(match["billed_ms"]),
        memory_mb=int(match["memory_mb"]),
        max_memory_mb=int(match["max_memory_mb"]),
        init_ms=None if match["init_ms"] is None else float(match["init_ms"]),
        status=match["status"] or SUCCESS,
        error_type=match["error_type"],
        tracing=tracing,
    )


def report_of_record(record: Mapping[str, Any]) -> Report:
    """Read the record of a `platform.report` line of the JSON format, as `Report.record` wrote it.

    Raises KeyError if it is none.
    """
    metrics = record["metrics"]
    return Report(
        request_id=record["requestId"],
        duration_ms=metrics["durationMs"],
        billed_ms=metrics["billedDurationMs"],
        memory_mb=metrics["memorySizeMB"],
        max_memory_mb=metrics["maxMemoryUsedMB"],
        init_ms=metrics.get("initDurationMs"),
        status=record["status"],
        error_type=record.get("errorType"),
    )


def _status_fields(status: str, error_type: str | None) -> list[str]:
    if status == TIMEOUT:
        return [f"Status: {status}"]
    if status != SUCCESS and error_type is not None:
        return [f"Status: {status}", f"Error Type: {error_type}"]
    return []


def _outcome(status: str, error_type: str | None) -> dict[str, Any]:
    outcome = {"status": status}
    if error_type is not None:
        outcome["errorType"] = error_type
    return outcome


def _rounded(duration_ms: float) -> float:
    return hundredths_of_ms(duration_ms) / 100


def _two_decimals(duration_ms: float) -> str:
    return f"{_rounded(duration_ms):.2f}"
