"""One execution environment: its life from init to end, what it logs and reports."""

from __future__ import annotations

import math
import os
import select
import shutil
import time
import uuid
from datetime import UTC, datetime

from labkit.core import payloads, quotas, report
from labkit.core.concurrency import ON_DEMAND, PROVISIONED_CONCURRENCY
from labkit.core.cpu import cpu_share, is_disturbed
from labkit.core.environment import EnvironmentState, transition
from labkit.core.events import EventKind
from labkit.live import endings
from labkit.live.context import LiveContext
from labkit.live.cpu import Measurement
from labkit.live.deployment import Deployment
from labkit.live.invocation import Invocation, Result
from labkit.live.launch import build_launch, lacks_entrypoint
from labkit.live.real_time import real_time_s
from labkit.live.runtime_api import RuntimeApi
from labkit.live.session import Ending, Meter, RuntimeSession
from labkit.live.supervisor import NAMESPACES, Launch, RuntimeProcess
from labkit.live.telemetry.lines import PlatformLines
from labkit.live.telemetry.logs import EnvironmentLog
from labkit.live.watch import KILLED_FOR_MEMORY


class ExecutionEnvironment:
    """An environment of one function version. One thread at a time drives it.

    ``initialization_type`` is ON_DEMAND or PROVISIONED_CONCURRENCY.
    """

    def __init__(
        self, deployment: Deployment, context: LiveContext, initialization_type: str = ON_DEMAND
    ) -> None:
        self.deployment, self._context = deployment, context
        self.initialization_type = initialization_type
        self.is_provisioned = initialization_type == PROVISIONED_CONCURRENCY
        self.id = uuid.uuid4().hex
        self.state = EnvironmentState.CREATED
        self.created_ms = context.clock.now_ms()
        self.used_ms = self.created_ms
        """When it was last given back."""
        self.expires_ms = math.inf
        """When it ends if it stays idle."""
        self.max_age_ms = math.inf
        """When it ends even if it is busy all the time."""
        self.expiry_armed = False
        configuration = deployment.configuration
        self.log_stream = report.log_stream_name(
            datetime.fromtimestamp(self.created_ms / 1000, UTC).date(),
            deployment.version,
            self.id,
            function_name=configuration.function_name if configuration.log_group else None,
        )
        self._tmp_dir = context.storage_dir / "tmp" / self.id
        # Without a file system of its own the code lies elsewhere; traces shall say /var/task.
        isolated = context.supervisor.isolation == NAMESPACES
        self._rewriting = None if isolated else (str(deployment.task_dir), "/var/task")
        self._log = EnvironmentLog(
            configuration,
            self._write_log,
            context.clock.now_ms,
            context.settings.log_max_bytes,
            rewrite=self._rewriting,
        )
        self._lines = PlatformLines(self._log, deployment, self.id, initialization_type)
        self._poll = select.poll()
        self._session: RuntimeSession | None = None
        self._meter: Meter | None = None
        self._init_share = math.inf
        self._namespaces: tuple[int, ...] = ()
        self._max_memory_mb = 0.0

    def prepare(self) -> bool:
        """Run the INIT phase ahead of any invocation, and freeze; tell whether it succeeded."""
        init_ms, failed = self._init("")
        if failed is not None or init_ms is None:
            return False
        self._end_measuring(freeze=True)
        self._log.end_of_output()
        self._move(EnvironmentState.IDLE)
        self._log.write()
        return True

    def invoke(self, invocation: Invocation) -> Result:
        """Run one invocation; init comes first where it is needed. What the function does wrong is
        in the result, never an exception."""
        self._log.start_tail()
        init_ms: float | None = None
        failed: Result | None = None
        if self.state is EnvironmentState.CREATED:
            init_ms, failed = self._init(invocation.request_id)
        self._move(EnvironmentState.INVOKE)
        started_s = time.monotonic()
        self._emit(EventKind.INVOKE_STARTED, invocation)
        if failed is None:
            result, measured = self._run(invocation, started_s)
        else:
            self._lines.start(invocation.request_id, invocation.trace_header)
            result, measured = failed, None
        duration_ms = self._duration_ms(result, measured, started_s) if failed is None else 0.0
        self._settle(result)
        self._finish(invocation, result, duration_ms, init_ms, measured)
        return result

    def log_tail(self) -> bytes:
        """The last 4 KB of the latest invocation's log."""
        return self._log.tail()

    def end(self, reason: str) -> None:
        """End it for good: its process, its /tmp, its descriptors."""
        if self.state is EnvironmentState.ENDED:
            return
        self._end_session()
        for fd in self._namespaces:
            os.close(fd)
        if self._meter is not None:
            self._meter.close()
        shutil.rmtree(self._tmp_dir, ignore_errors=True)
        self._move(EnvironmentState.ENDED)
        self._emit(EventKind.ENVIRONMENT_ENDED, reason=reason)

    # --- init ---------------------------------------------------------------------------------

    def _init(self, request_id: str) -> tuple[float | None, Result | None]:
        """The INIT phase: its duration and, if it failed, the answer to the waiting invocation.

        A time-out of it is no answer yet: init runs again inside the invocation.
        """
        self._move(EnvironmentState.INIT)
        self._lines.init_start()
        self._emit(EventKind.INIT_STARTED, phase="init")
        started_s = time.monotonic()
        deadline_s = started_s + self._init_timeout_s()
        status, result = self._start_runtime(request_id, deadline_s, math.inf)
        measured = self._end_measuring(freeze=False)
        init_ms = (self._ended_s() - started_s) * 1000
        if measured is not None and status != report.TIMEOUT:
            init_ms += measured.correction_ms
        error_type = result.error_type if result else None
        configuration = self.deployment.configuration
        charge = endings.init_charge(configuration, init_ms) if self.is_provisioned else {}
        self._lines.init_end(init_ms, "init", status, error_type)
        self._emit(
            EventKind.INIT_ENDED,
            phase="init",
            outcome=status,
            error_type=error_type,
            init_ms=round(init_ms, 2),
            **charge,
        )
        if status != report.SUCCESS:
            self._end_session()
            self._move(EnvironmentState.RESET)
        return (None if status == report.TIMEOUT else init_ms), result

    def _init_again(self, invocation: Invocation, started_s: float) -> Result | None:
        """Init inside the invocation ("suppressed init"), after a time-out, a crash and such."""
        configuration = self.deployment.configuration
        self._emit(EventKind.INIT_STARTED, phase="invoke")
        status, result = self._start_runtime(
            invocation.request_id,
            started_s + configuration.timeout_s,
            cpu_share(configuration.memory_mb),
        )
        if status == report.TIMEOUT:
            result = self._timed_out(invocation.request_id)
        elapsed_ms = (time.monotonic() - started_s) * 1000
        error_type = result.error_type if result else None
        if status != report.SUCCESS:
            self._lines.init_end(elapsed_ms, "invoke", status, error_type)
        self._emit(
            EventKind.INIT_ENDED,
            phase="invoke",
            outcome=status,
            error_type=error_type,
            init_ms=round(elapsed_ms, 2),
        )
        return result

    def _start_runtime(
        self, request_id: str, deadline_s: float, share: float
    ) -> tuple[str, Result | None]:
        """Start the runtime and wait until it asks for its first event: status, and the error if
        any.
        """
        context = self._context
        self._tmp_dir.mkdir(parents=True, exist_ok=True)
        self._init_share = share
        api = RuntimeApi(self._poll.register, self._poll.unregister)
        try:
            launch = self._launch(api.address)
            if lacks_entrypoint(launch):
                api.close()
                error_type, payload = payloads.invalid_entrypoint(request_id)
                return report.ERROR, Result(payload, error_type, report.ERROR, True)
            process = context.supervisor.start(launch, self._namespaces)
        except BaseException:
            api.close()
            raise
        self._session = RuntimeSession(api, process, self._poll, self._log.output, self._started)
        ending = self._session.wait(deadline_s)
        if ending is Ending.NEXT:
            return report.SUCCESS, None
        if ending is Ending.TIMEOUT:
            return report.TIMEOUT, None
        if self._session.result is not None:
            payload, reported = self._session.result
            payload = self._rewritten(payload)
            return report.ERROR, Result(payload, reported, report.ERROR, noticed_by_lambda=True)
        return report.ERROR, self._exited(request_id, self._end_measuring(freeze=False))

    def _launch(self, runtime_api: str) -> Launch:
        context = self._context
        return build_launch(
            self.deployment,
            context.supervisor,
            tmp_dir=self._tmp_dir,
            runtime_api=runtime_api,
            log_stream=self.log_stream,
            initialization_type=self.initialization_type,
            credentials=context.role_credentials(self.deployment),
            endpoint_url=context.services.endpoint_url,
        )

    def _started(self, process: RuntimeProcess) -> None:
        """The runtime's process id is known: hold and measure it from here on."""
        context = self._context
        if not self._namespaces:
            self._namespaces = context.supervisor.namespace_fds(process)
        if self._meter is None:
            memory_mb = self.deployment.configuration.memory_mb
            self._meter = Meter(context.open_channel, memory_mb, context.settings.cpu_period_ms)
        self._meter.begin(process, self._init_share)

    # --- invoke -------------------------------------------------------------------------------

    def _run(self, invocation: Invocation, started_s: float) -> tuple[Result, Measurement | None]:
        """Init again if the process is gone, then the handler."""
        configuration = self.deployment.configuration
        deadline_s = started_s + configuration.timeout_s
        if self._session is None:
            failed = self._init_again(invocation, started_s)
            if failed is not None:
                self._lines.start(invocation.request_id, invocation.trace_header)
                return failed, self._end_measuring(freeze=False)
        self._lines.start(invocation.request_id, invocation.trace_header)
        session, meter = self._session, self._meter
        assert session is not None and meter is not None
        meter.begin(session.process, cpu_share(configuration.memory_mb))
        session.thaw()
        deadline_ms = int((real_time_s() + deadline_s - time.monotonic()) * 1000)
        session.deliver(invocation.request_id, invocation.headers(deadline_ms), invocation.payload)
        ending = session.wait(deadline_s)
        measured = self._end_measuring(freeze=ending is Ending.NEXT)
        return self._outcome(ending, invocation.request_id, measured), measured

    def _outcome(self, ending: Ending, request_id: str, measured: Measurement | None) -> Result:
        session = self._session
        assert session is not None
        if session.too_large:
            error_type, payload = payloads.response_too_large()
            return Result(payload, error_type, report.ERROR)
        if session.result is not None:  # it counts even if the process ended after giving it
            payload, reported = session.result
            status = report.SUCCESS if reported is None else report.ERROR
            return Result(self._rewritten(payload), reported, status)
        if ending is Ending.TIMEOUT:
            return self._timed_out(request_id)
        return self._exited(request_id, measured)

    def _timed_out(self, request_id: str) -> Result:
        return endings.timed_out(request_id, self.deployment.configuration.timeout_s)

    def _exited(self, request_id: str, measured: Measurement | None) -> Result:
        session = self._session
        assert session is not None
        out_of_memory = measured is not None and measured.killed == KILLED_FOR_MEMORY
        if out_of_memory:
            self._max_memory_mb = self.deployment.configuration.memory_mb
        return endings.exited(request_id, session.process, out_of_memory=out_of_memory)

    def _duration_ms(self, result: Result, measured: Measurement | None, started_s: float) -> float:
        """What the invocation took on an undisturbed machine; a time-out counts wall time."""
        wall_ms = (self._ended_s() - started_s) * 1000
        if measured is None or result.status == report.TIMEOUT:
            return wall_ms
        return max(wall_ms + measured.correction_ms, 0.0)

    def _settle(self, result: Result) -> None:
        """Frozen and ready for the next event, or without a process until the next one."""
        session = self._session
        if session is not None and session.is_ready and not result.noticed_by_lambda:
            self._log.end_of_output()
            self._move(EnvironmentState.IDLE)
        else:
            self._end_session()
            self._move(EnvironmentState.RESET)

    def _finish(
        self,
        invocation: Invocation,
        result: Result,
        duration_ms: float,
        init_ms: float | None,
        measured: Measurement | None,
    ) -> None:
        configuration = self.deployment.configuration
        line = endings.figures(
            invocation,
            configuration,
            result,
            duration_ms=duration_ms,
            init_ms=init_ms,
            max_memory_mb=self._max_memory_mb,
        )
        self._lines.end(line, produced_bytes=len(result.payload))
        self._emit(
            EventKind.INVOKE_ENDED,
            invocation,
            outcome=result.status,
            error_type=result.error_type,
            architecture=configuration.architecture,
            memory_mb=configuration.memory_mb,
            duration_ms=line.duration_ms,
            init_ms=line.init_ms,
            billed_ms=line.billed_ms,
            cpu_ms=round(measured.cpu_ms, 2) if measured else None,
            wait_ms=round(measured.waiting_ms, 2) if measured else None,
            max_memory_mb=line.max_memory_mb,
            disturbed=bool(measured and is_disturbed(measured.waiting_ms, line.duration_ms)),
        )
        self._log.write()

    # --- small parts --------------------------------------------------------------------------

    def _init_timeout_s(self) -> float:
        if self.is_provisioned:
            return max(quotas.INIT_TIMEOUT_PREPARED_S, self.deployment.configuration.timeout_s)
        return self._context.settings.init_timeout_s

    def _ended_s(self) -> float:
        """When the runtime was done with what it was last waited for (monotonic)."""
        return time.monotonic() if self._session is None else self._session.ended_s

    def _end_measuring(self, *, freeze: bool) -> Measurement | None:
        measured = None
        if self._meter is not None:
            measured = self._meter.end(self._ended_s(), freeze=freeze)
        if measured is not None:
            self._max_memory_mb = max(self._max_memory_mb, measured.memory_mb)
        elif freeze and self._session is not None:
            self._session.freeze()
        return measured

    def _end_session(self) -> None:
        """Kill the runtime; /tmp stays."""
        session, self._session = self._session, None
        if session is not None:
            self._end_measuring(freeze=False)
            session.close()
        self._log.end_of_output()
        self._log.write()

    def _write_log(self, events: list[tuple[int, str]]) -> None:
        group = self.deployment.configuration.log_group_name
        services = self._context.services
        services.put_log_events(self.deployment.region, group, self.log_stream, events)

    def _rewritten(self, payload: bytes) -> bytes:
        if self._rewriting is None:
            return payload
        real, seen = self._rewriting
        return payload.replace(real.encode(), seen.encode())

    def _move(self, to: EnvironmentState) -> None:
        self.state = transition(self.state, to)

    def _emit(
        self, kind: EventKind, invocation: Invocation | None = None, **fields: object
    ) -> None:
        if invocation is not None:
            fields |= invocation.event_fields()
        self._context.events.append(
            kind,
            function=self.deployment.function_name,
            version=self.deployment.version,
            environment=self.id,
            initialization_type=self.initialization_type,
            **fields,
        )
