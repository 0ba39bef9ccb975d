"""How invocations and inits end: results where the runtime gave none, and what is reported."""

from __future__ import annotations

from typing import Any

from labkit.core import payloads, report
from labkit.core.billing import billed_duration_ms
from labkit.core.configuration import FunctionConfiguration
from labkit.live.invocation import Invocation, Result
from labkit.live.supervisor import RuntimeProcess


def timed_out(request_id: str, timeout_s: float) -> Result:
    """The function's time was over."""
    error_type, payload = payloads.timed_out(request_id, timeout_s)
    return Result(payload, error_type, report.TIMEOUT, noticed_by_lambda=True)


def exited(request_id: str, process: RuntimeProcess, *, out_of_memory: bool) -> Result:
    """The process has ended, or could not start at all."""
    if process.failure is not None:
        message = f"the lab could not set the environment up: {process.failure}"
        error_type, payload = payloads.sandbox_failure(request_id, message)
    elif out_of_memory:
        error_type, payload = payloads.out_of_memory(request_id)
    else:
        code = process.exit or 0
        error_type, payload = payloads.exited(
            request_id, exit_status=max(code, 0), signal=-code if code < 0 else None
        )
    return Result(payload, error_type, report.ERROR, noticed_by_lambda=True)


def figures(
    invocation: Invocation,
    configuration: FunctionConfiguration,
    result: Result,
    *,
    duration_ms: float,
    init_ms: float | None,
    max_memory_mb: float,
) -> report.Report:
    """What the REPORT line says: its figures are rounded here, once for all who tell them."""
    duration_ms = round(duration_ms, 2)
    init_ms = None if init_ms is None else round(init_ms, 2)
    seen = result.noticed_by_lambda or result.error_type == payloads.RESPONSE_SIZE_TOO_LARGE
    return report.Report(
        request_id=invocation.request_id,
        duration_ms=duration_ms,
        billed_ms=billed_duration_ms(duration_ms, init_ms or 0.0),
        memory_mb=configuration.memory_mb,
        max_memory_mb=min(max(round(max_memory_mb), 1), configuration.memory_mb),
        init_ms=init_ms,
        status=result.status if seen else report.SUCCESS,
        error_type=report.platform_error_type(result.error_type) if seen else None,
    )


def init_charge(configuration: FunctionConfiguration, init_ms: float) -> dict[str, Any]:
    """What the end of an init tells of its price, where it is billed by itself.

    So is that of provisioned concurrency; others are billed with their invocation.
    """
    return {
        "architecture": configuration.architecture,
        "memory_mb": configuration.memory_mb,
        "billed_ms": billed_duration_ms(max(init_ms, 0.0)),
    }
