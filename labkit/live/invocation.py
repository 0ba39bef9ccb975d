"""What goes into an execution environment, and what comes out."""

from __future__ import annotations

from dataclasses import dataclass

from labkit.core import report
from labkit.core.names import qualifier_of


@dataclass(frozen=True, slots=True)
class Invocation:
    """One event on its way into an environment."""

    request_id: str
    payload: bytes
    invoked_arn: str
    trace_header: str
    client_context: str | None = None
    attempt: int = 1
    invocation_type: str | None = None
    age_ms: float | None = None
    """Of an asynchronous event, since it was stored."""
    mapping: str | None = None
    """The UUID of the event source mapping that calls."""

    def event_fields(self) -> dict[str, object]:
        """What the lab's events tell of it."""
        return {
            "request_id": self.request_id,
            "attempt": self.attempt,
            "qualifier": qualifier_of(self.invoked_arn),
            "invocation_type": self.invocation_type,
            "age_ms": self.age_ms,
            "mapping": self.mapping,
        }

    def headers(self, deadline_ms: int) -> list[tuple[str, str]]:
        """The headers of the Runtime API's answer to ``/next``."""
        headers = [
            ("Lambda-Runtime-Aws-Request-Id", self.request_id),
            ("Lambda-Runtime-Deadline-Ms", str(deadline_ms)),
            ("Lambda-Runtime-Invoked-Function-Arn", self.invoked_arn),
            ("Lambda-Runtime-Trace-Id", self.trace_header),
        ]
        if self.client_context is not None:
            headers.append(("Lambda-Runtime-Client-Context", self.client_context))
        return headers


@dataclass(frozen=True, slots=True)
class Result:
    """What an invocation gave. ``error_type`` is set for every error; ``status`` tells who saw
    it.
    """

    payload: bytes
    error_type: str | None = None
    status: str = report.SUCCESS
    noticed_by_lambda: bool = False
    """A time-out, a crash, a failed init: not an error object of the handler."""
