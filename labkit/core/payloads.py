"""Payloads: the error objects that Lambda itself answers when a function did not answer.

Each builder returns the error type and the JSON payload, exactly as recorded from AWS.
"""

from __future__ import annotations

import json
from typing import Final, NoReturn

from labkit.core.quotas import SYNC_RESPONSE_MAX_BYTES

TIMED_OUT: Final = "Sandbox.Timedout"
EXIT_ERROR: Final = "Runtime.ExitError"
OUT_OF_MEMORY: Final = "Runtime.OutOfMemory"
SANDBOX_FAILURE: Final = "Sandbox.Failure"
INVALID_ENTRYPOINT: Final = "Runtime.InvalidEntrypoint"
RESPONSE_SIZE_TOO_LARGE: Final = "Function.ResponseSizeTooLarge"

# Lambda's supervisor is written in Go; these are Go's names of Linux signals.
_SIGNAL_NAMES: Final = {
    1: "hangup",
    2: "interrupt",
    3: "quit",
    4: "illegal instruction",
    5: "trace/breakpoint trap",
    6: "aborted",
    7: "bus error",
    8: "floating point exception",
    9: "killed",
    10: "user defined signal 1",
    11: "segmentation fault",
    12: "user defined signal 2",
    13: "broken pipe",
    14: "alarm clock",
    15: "terminated",
}
_SIGKILL: Final = 9


def timed_out(request_id: str, timeout_s: float) -> tuple[str, bytes]:
    """The invocation took longer than the function's timeout."""
    return _failed(TIMED_OUT, request_id, f"Task timed out after {timeout_s:.2f} seconds")


def exited(
    request_id: str, *, exit_status: int = 0, signal: int | None = None
) -> tuple[str, bytes]:
    """The function's process ended by itself (`exit_status`) or by a signal (its number)."""
    return _failed(EXIT_ERROR, request_id, exit_reason(exit_status=exit_status, signal=signal))


def exit_reason(*, exit_status: int = 0, signal: int | None = None) -> str:
    """Return how Lambda words the end of the function's process."""
    if signal is not None:
        name = _SIGNAL_NAMES.get(signal, f"signal {signal}")
        return f"Runtime exited with error: signal: {name}"
    if exit_status == 0:
        return "Runtime exited without providing a reason"
    return f"Runtime exited with error: exit status {exit_status}"


def out_of_memory(request_id: str) -> tuple[str, bytes]:
    """The function used more than its memory size and was killed."""
    return _failed(OUT_OF_MEMORY, request_id, exit_reason(signal=_SIGKILL))


def invalid_entrypoint(request_id: str) -> tuple[str, bytes]:
    """Neither the package nor a layer of an OS-only runtime holds an executable bootstrap."""
    return _failed(
        INVALID_ENTRYPOINT,
        request_id,
        "Couldn't find valid bootstrap(s): [/var/task/bootstrap /opt/bootstrap]",
    )


def sandbox_failure(request_id: str, reason: str) -> tuple[str, bytes]:
    """The environment itself failed, not the function; `reason` says what happened."""
    return _failed(SANDBOX_FAILURE, request_id, reason)


def response_too_large(limit_bytes: int = SYNC_RESPONSE_MAX_BYTES) -> tuple[str, bytes]:
    """The function's answer is over the payload limit."""
    message = f"Response payload size exceeded maximum allowed payload size ({limit_bytes} bytes)."
    return RESPONSE_SIZE_TOO_LARGE, _json(
        {"errorMessage": message, "errorType": RESPONSE_SIZE_TOO_LARGE}
    )


def refuse_constant(name: str) -> NoReturn:
    """Refuse NaN and Infinity, which Python's parser takes and JSON does not have.

    The `parse_constant` of json.loads. Raises ValueError.
    """
    raise ValueError(f"{name} is not JSON")


def _failed(error_type: str, request_id: str, reason: str) -> tuple[str, bytes]:
    message = f"RequestId: {request_id} Error: {reason}"
    return error_type, _json({"errorType": error_type, "errorMessage": message})


def _json(content: dict[str, str]) -> bytes:
    return json.dumps(content, separators=(",", ":")).encode()
