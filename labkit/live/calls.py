"""Invocations that the lab's own services make, each of what the function is at that moment."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from labkit.live.deployment import Deployment
from labkit.live.invoke import REQUEST_RESPONSE, InvokeRequest, InvokeResult


class Resolved(Protocol):
    """What a function, version or alias stands for now."""

    @property
    def deployment(self) -> Deployment: ...

    @property
    def invoked_arn(self) -> str: ...


class Calls:
    """Calls of functions by ARN. `resolve` finds what an ARN stands for, `invoke` runs it."""

    def __init__(
        self,
        resolve: Callable[[str], Resolved],
        invoke: Callable[[InvokeRequest], InvokeResult],
    ) -> None:
        self._resolve = resolve
        self._invoke = invoke

    def invoke(
        self,
        function_arn: str,
        payload: bytes,
        *,
        invocation_type: str = REQUEST_RESPONSE,
        request_id: str = "",
        attempt: int = 1,
        trace_header: str | None = None,
        mapping: str | None = None,
    ) -> InvokeResult:
        """Invoke the function, version or alias of an ARN.

        `mapping` is the UUID of the event source mapping that calls. Raises ApiError for what the
        Invoke API would refuse: 404 if it is gone, 409 while it is pending, 429 for a throttle.
        """
        resolved = self._resolve(function_arn)
        return self._invoke(
            InvokeRequest(
                deployment=resolved.deployment,
                invoked_arn=resolved.invoked_arn,
                payload=payload,
                invocation_type=invocation_type,
                request_id=request_id,
                attempt=attempt,
                trace_header=trace_header,
                mapping=mapping,
            )
        )
