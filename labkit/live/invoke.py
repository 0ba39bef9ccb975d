"""The front door of the data plane: every invocation passes here, whoever makes it."""

from __future__ import annotations

import secrets
import uuid
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from labkit.core import recursion
from labkit.core.asynchronous import Condition
from labkit.core.clock import Clock
from labkit.core.errors import ApiError
from labkit.core.events import EventKind
from labkit.core.names import qualifier_of
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
    queued_ms: float | None = None
    """When an asynchronous event was stored, in lab time."""


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


class EventQueue(Protocol):
    """What takes the events of asynchronous invocations."""

    def put(self, request: InvokeRequest, *, is_loop: bool) -> None:
        """Store an event; `is_loop` says that its chain has come to the function too often."""

    def stops_loops(self, function_arn: str) -> bool:
        """Tell whether a loop through the function is to be stopped."""


class Invoker:
    """Runs invocations. ``storage_dir`` is the lab's own folder for what environments need.

    ``event_queue`` must be set before the first invocation.
    """

    event_queue: EventQueue

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
        self.pools = EnvironmentPools(self._context)
        """The execution environments, for whoever prepares some ahead of their invocations."""

    @property
    def isolation(self) -> str:
        """How environments are kept apart: ``"namespaces"`` or ``"none"``."""
        return self._context.supervisor.isolation

    def invoke(self, request: InvokeRequest) -> InvokeResult:
        """Run one invocation, or store an event for it.

        Raises ApiError: 429 when there is no concurrency left for it, 400 when its chain of
        requests has come to the function too often.
        """
        header = _trace_header(request.trace_header, self._context.clock.now_ms())
        header, count = recursion.entered(header, request.invoked_arn)
        request = replace(
            request, request_id=request.request_id or str(uuid.uuid4()), trace_header=header
        )
        is_loop = recursion.is_loop(count) and self.event_queue.stops_loops(request.invoked_arn)
        self._emit(
            EventKind.ACCEPTED,
            request,
            qualifier=qualifier_of(request.invoked_arn),
            invocation_type=request.invocation_type,
            mapping=request.mapping,
        )
        if request.invocation_type == EVENT:
            self.event_queue.put(request, is_loop=is_loop)
            return InvokeResult(status=202, request_id=request.request_id)
        if is_loop:
            self._emit(
                EventKind.DROPPED,
                request,
                reason=Condition.RECURSIVE_INVOCATION,
                mapping=request.mapping,
            )
            raise recursion.recursive_invocation()
        return self.run(request)

    def retire(self, identity: str) -> None:
        """End the environments of code or configuration that has been replaced."""
        self.pools.retire(identity)

    def reset(self) -> None:
        """End all environments; running invocations finish first."""
        self.pools.clear("reset")

    def close(self) -> None:
        """End all environments and processes of the data plane."""
        self.pools.close()
        self._context.supervisor.close()
        self._context.controller.close()

    def run(self, request: InvokeRequest) -> InvokeResult:
        """Run one invocation that has been accepted. Raises ApiError (429) as `invoke` does."""
        with self._context.clock.working():
            try:
                environment = self.pools.acquire(
                    request.deployment, synchronous=request.invocation_type != EVENT
                )
            except ApiError as error:
                self._emit(
                    EventKind.THROTTLED,
                    request,
                    reason=error.fields.get("Reason"),
                    attempt=request.attempt if request.invocation_type == EVENT else None,
                    qualifier=qualifier_of(request.invoked_arn),
                    invocation_type=request.invocation_type,
                    mapping=request.mapping,
                )
                raise
            try:
                result = environment.invoke(self._invocation(request))
            except BaseException:
                self.pools.discard(environment)
                raise
            tail = environment.log_tail()
            self.pools.release(environment)
        return InvokeResult(
            status=200,
            request_id=request.request_id,
            payload=result.payload,
            function_error=None if result.error_type is None else "Unhandled",
            executed_version=request.deployment.version,
            log_tail=tail,
            trace_header=request.trace_header,
        )

    def _invocation(self, request: InvokeRequest) -> Invocation:
        age_ms = None
        if request.queued_ms is not None:
            age_ms = round(self._context.clock.now_ms() - request.queued_ms, 2)
        return Invocation(
            request_id=request.request_id,
            payload=request.payload,
            invoked_arn=request.invoked_arn,
            trace_header=request.trace_header or "",
            client_context=request.client_context,
            attempt=request.attempt,
            invocation_type=request.invocation_type,
            age_ms=age_ms,
            mapping=request.mapping,
        )

    def _emit(self, kind: EventKind, request: InvokeRequest, **fields: object) -> None:
        self._context.events.append(
            kind,
            function=request.deployment.function_name,
            version=request.deployment.version,
            request_id=request.request_id,
            **fields,
        )


def _trace_header(given: str | None, now_ms: float) -> str:
    """The caller's X-Ray header, or a new one that is not sampled."""
    if given:
        return given
    root = f"1-{int(now_ms / 1000):08x}-{secrets.token_hex(12)}"
    return f"Root={root};Parent={secrets.token_hex(8)};Sampled=0"
