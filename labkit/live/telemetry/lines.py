"""The lines that Lambda itself writes around an environment's output, in text or JSON."""

from __future__ import annotations

from labkit.core import report
from labkit.core.concurrency import PROVISIONED_CONCURRENCY
from labkit.live.deployment import Deployment
from labkit.live.launch import runtime_version
from labkit.live.telemetry.logs import EnvironmentLog


class PlatformLines:
    """Writes START, END, REPORT and their kin into one environment's log."""

    def __init__(
        self,
        log: EnvironmentLog,
        deployment: Deployment,
        environment_id: str,
        initialization_type: str,
    ) -> None:
        self._log, self._deployment, self._environment_id = log, deployment, environment_id
        self._initialization_type = initialization_type

    def init_start(self) -> None:
        """INIT_START names the runtime that really runs."""
        version, arn = runtime_version(self._deployment)
        record = report.init_start_record(
            initialization_type=self._initialization_type,
            phase="init",
            runtime_version=version,
            runtime_version_arn=arn,
            function_name=self._deployment.function_name,
            function_version=self._deployment.version,
            environment_id=self._environment_id,
            memory_mb=self._deployment.configuration.memory_mb,
        )
        self._log.platform(report.init_start_line(version, arn), "platform.initStart", record)

    def init_end(self, init_ms: float, phase: str, status: str, error_type: str | None) -> None:
        """INIT_REPORT: in text only for an init that failed, or that no invocation waited for."""
        self._log.end_of_output()
        # A time-out is told by the status alone.
        error_type = None if status == report.TIMEOUT else report.platform_error_type(error_type)
        initialization_type = self._initialization_type
        done = report.init_runtime_done_record(
            initialization_type=initialization_type,
            phase=phase,
            status=status,
            error_type=error_type,
        )
        self._log.platform(None, "platform.initRuntimeDone", done)
        text = None
        ahead = initialization_type == PROVISIONED_CONCURRENCY and phase == "init"
        if ahead or status != report.SUCCESS:
            text = report.init_report_line(
                init_ms, phase=phase, status=status, error_type=error_type
            )
        record = report.init_report_record(
            init_ms,
            initialization_type=initialization_type,
            phase=phase,
            status=status,
            error_type=error_type,
        )
        self._log.platform(text, "platform.initReport", record)

    def start(self, request_id: str, trace_header: str) -> None:
        """START opens the lines of one invocation."""
        version = self._deployment.version
        record = report.start_record(request_id, version, trace_header)
        self._log.platform(report.start_line(request_id, version), "platform.start", record)

    def end(self, figures: report.Report, *, produced_bytes: int) -> None:
        """END and REPORT close them."""
        done = report.runtime_done_record(
            figures.request_id,
            duration_ms=figures.duration_ms,
            produced_bytes=produced_bytes,
            status=figures.status,
            error_type=figures.error_type,
        )
        self._log.platform(report.end_line(figures.request_id), "platform.runtimeDone", done)
        self._log.platform(figures.text(), "platform.report", figures.record())
