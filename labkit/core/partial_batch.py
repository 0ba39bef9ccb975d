"""What became of a batch: what a function's response means, and what a refused invocation does.

Source: developer guide, "Handling errors for an SQS event source" and "Configuring partial batch
response with Kinesis"; every odd shape as the service was recorded to take it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from labkit.core.payloads import TIMED_OUT, refuse_constant

SUCCESS, PARTIAL, ERROR, TIMEOUT = "success", "partial", "error", "timeout"
THROTTLE, SERVICE_ERROR = "throttle", "service_error"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a batch.

    `outcome` is "success" (all records are done), "partial" (the function named records that
    failed), "error" (the function failed, or its response has no valid shape) or "timeout"; with
    the last two the whole batch failed. `failed` are the identifiers of the records that failed, in
    the order of the batch.
    """

    outcome: str
    failed: tuple[str, ...] = ()


def judge(
    payload: bytes, identifiers: Sequence[str], *, function_error: bool, reports_failures: bool
) -> Verdict:
    """Return what became of a batch whose function answered `payload`.

    `function_error` tells whether Invoke answered with a function error. `reports_failures` tells
    whether the mapping has ReportBatchItemFailures; without it the response means nothing.
    """
    if function_error:
        return Verdict(TIMEOUT if _timed_out(payload) else ERROR, tuple(identifiers))
    return read_response(payload, identifiers) if reports_failures else Verdict(SUCCESS)


def retry_reason(status: int) -> str | None:
    """Return why an invocation that was refused with this HTTP status is tried again as it is.

    "throttle" for 429; "service_error" for a fault of the service and for a function that is still
    pending (409); None if trying again cannot help: the batch has failed.
    """
    if status == 429:
        return THROTTLE
    return SERVICE_ERROR if status == 409 or status >= 500 else None


def read_response(payload: bytes, identifiers: Sequence[str]) -> Verdict:
    """Return what the response `payload` means for a batch with these record identifiers.

    An identifier is the message id of an SQS message or the sequence number of a stream record.
    Nothing, null, an empty object, list or text, and an absent, null or empty list of failures all
    mean success. What is not JSON, not an object, or names no record of the batch fails it whole.
    """
    try:
        failed = _failed(payload, frozenset(identifiers))
    except (ValueError, RecursionError):
        return Verdict(ERROR, tuple(identifiers))
    if not failed:
        return Verdict(SUCCESS)
    return Verdict(PARTIAL, tuple(name for name in identifiers if name in failed))


def checkpoint(verdict: Verdict, identifiers: Sequence[str]) -> int:
    """Return how many leading records of a stream's batch are done.

    The lowest failed record is the checkpoint: everything from there on is retried, also what the
    function did not name.
    """
    if not verdict.failed:
        return len(identifiers)
    failed = frozenset(verdict.failed)
    return next(index for index, name in enumerate(identifiers) if name in failed)


def _timed_out(payload: bytes) -> bool:
    try:
        error = json.loads(payload)
    except (ValueError, RecursionError):
        return False
    return isinstance(error, dict) and error.get("errorType") == TIMED_OUT


def _failed(payload: bytes, identifiers: frozenset[str]) -> frozenset[str]:
    """The identifiers that a response names. Raises ValueError for a response without sense."""
    if not payload:
        return frozenset()
    response = json.loads(payload.decode(), parse_constant=refuse_constant)
    if response is None or response in ("", [], {}):
        return frozenset()
    if not isinstance(response, dict):
        raise ValueError("the response is not an object")
    items = response.get("batchItemFailures")
    if items is None:
        return frozenset()
    if not isinstance(items, list):
        raise ValueError("batchItemFailures is not a list")
    return frozenset(_identifier(item, identifiers) for item in items)


def _identifier(item: object, identifiers: frozenset[str]) -> str:
    name = item.get("itemIdentifier") if isinstance(item, dict) else None
    if not isinstance(name, str) or name not in identifiers:
        raise ValueError("an item identifier is missing, empty or not of this batch")
    return name
