"""The front door of the data plane: every invocation passes here, whoever makes it."""

from __future__ import annotations

import secrets
import threading
import uuid
from dataclasses import dataclass, replace
from pathlib import Path

from labkit.core.clock import Clock
from labkit.core.errors import ApiError
from labkit.core.events import EventKind
from labkit.live.context import Events, LiveContext, Services
from labkit.live.cpu import Controller
from labkit.live.deployment import Deployment
from labkit.live.invocation import Invocation
from labkit.live.pool import EnvironmentPools
from labkit.live.settings import Settings
from labkit.live.supervisor import Supervisor

REQUEST_RESPONSE, EVENT = "RequestResponse", "Event"


@dataclass(frozen=True, slots=True, kw_only=True)
class InvokeRequest:
    """One call of Invoke, checked and resolved."""

    deployment: Deployment
    invoked_arn: str
    payload: bytes
    invocation_type: str = REQUEST_RESPONSE
    client_context: str | None = None
    trace_header: str | None = None
    request_id: str = ""
    attempt: int = 1
    mapping: str | None = None
    """The UUID of the event source mapping that calls."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InvokeResult:
    """The answer to it. ``status`` is 200, or 202 for an event."""

    status: int
    request_id: str
    payload: bytes = b""
    function_error: str | None = None
    executed_version: str | None = None
    log_tail: bytes = b""
    trace_header: str | None = None


class Invoker:
    """Runs invocations. ``storage_dir`` is the lab's own folder for what environments need."""

    def __init__(
        self,
        *,
        clock: Clock,
        settings: Settings,
        events: Events,
        services: Services,
        storage_dir: Path,
    ) -> None:
        self._context = LiveContext(
            clock=clock,
            settings=settings,
            events=events,
            services=services,
            storage_dir=storage_dir,
            supervisor=Supervisor(storage_dir),
            controller=Controller(),
        )
        self._pools = EnvironmentPools(self._context)

    @property
    def isolation(self) -> str:
        """How environments are kept apart: ``"namespaces"`` or ``"none"``."""
        return self._context.supervisor.isolation

    def invoke(self, request: InvokeRequest) -> InvokeResult:
        """Run one invocation. Raises ApiError (429) when there is no concurrency left for it."""
        request = replace(
            request,
            request_id=request.request_id or str(uuid.uuid4()),
            trace_header=_trace_header(request.trace_header, self._context.clock.now_ms()),
        )
        self._emit(EventKind.ACCEPTED, request)
        if request.invocation_type == EVENT:
            self._start_event(request)
            return InvokeResult(status=202, request_id=request.request_id)
        return self._run(request)

    def retire(self, identity: str) -> None:
        """End the environments of code or configuration that has been replaced."""
        self._pools.retire(identity)

    def reset(self) -> None:
        """End all environments; running invocations finish first."""
        self._pools.clear("reset")

    def close(self) -> None:
        """End all environments and processes of the data plane."""
        self._pools.close()
        self._context.supervisor.close()
        self._context.controller.close()

    def _run(self, request: InvokeRequest) -> InvokeResult:
        with self._context.clock.working():
            try:
                environment = self._pools.acquire(request.deployment)
            except ApiError as error:
                self._emit(EventKind.THROTTLED, request, reason=error.fields.get("Reason"))
                raise
            try:
                result = environment.invoke(_invocation(request))
            except BaseException:
                self._pools.discard(environment)
                raise
            tail = environment.log_tail()
            self._pools.release(environment)
        return InvokeResult(
            status=200,
            request_id=request.request_id,
            payload=result.payload,
            function_error=None if result.error_type is None else "Unhandled",
            executed_version=request.deployment.version,
            log_tail=tail,
            trace_header=request.trace_header,
        )

    def _start_event(self, request: InvokeRequest) -> None:
        """An asynchronous invocation: queued, answered 202, run once."""
        self._emit(EventKind.QUEUED, request)
        work = self._context.clock.working()
        work.__enter__()

        def run() -> None:
            try:
                self._run(request)
            except ApiError as error:
                self._emit(EventKind.DROPPED, request, reason=error.code)
            finally:
                work.__exit__(None, None, None)

        try:
            threading.Thread(target=run, name="event invocation", daemon=True).start()
        except RuntimeError:  # the machine has no room for a further thread
            work.__exit__(None, None, None)
            raise

    def _emit(self, kind: EventKind, request: InvokeRequest, **fields: object) -> None:
        self._context.events.append(
            kind,
            function=request.deployment.function_name,
            version=request.deployment.version,
            request_id=request.request_id,
            **fields,
        )


def _invocation(request: InvokeRequest) -> Invocation:
    return Invocation(
        request_id=request.request_id,
        payload=request.payload,
        invoked_arn=request.invoked_arn,
        trace_header=request.trace_header or "",
        client_context=request.client_context,
        attempt=request.attempt,
    )


def _trace_header(given: str | None, now_ms: float) -> str:
    """The caller's X-Ray header, or a new one that is not sampled."""
    if given:
        return given
    root = f"1-{int(now_ms / 1000):08x}-{secrets.token_hex(12)}"
    return f"Root={root};Parent={secrets.token_hex(8)};Sampled=0"
