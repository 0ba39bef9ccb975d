"""What the conformance tests of event source mappings share: a handler, and what they compare."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from harness import Function, Served

HANDLER = """
import base64
import json
import os

def number_of(record):
    if "kinesis" in record:
        return int(base64.b64decode(record["kinesis"]["data"]))
    return int(record["body"])

def name_of(record):
    return record["kinesis"]["sequenceNumber"] if "kinesis" in record else record["messageId"]

def handler(event, context):
    numbers = [number_of(record) for record in event["Records"]]
    print("BATCH " + json.dumps(numbers))
    poisoned = json.loads(os.environ["POISONED"])
    failed = [name_of(record) for record in event["Records"] if number_of(record) in poisoned]
    if failed and not json.loads(os.environ["REPORTS"]):
        raise ValueError("poisoned")
    return {"batchItemFailures": [{"itemIdentifier": name} for name in failed]}
"""
"""It prints the numbers of its records, and fails on those of the variable POISONED."""
ENABLED_S = 5
"""After so long a new mapping is enabled."""


def batch_events(
    events: Iterable[Mapping[str, Any]], kinds: Sequence[str]
) -> list[tuple[Any, ...]]:
    """What the events of these kinds tell of each batch, batch after batch.

    Batches that run at the same time may end in any order; those of one batch have one order.
    """
    told = [
        (
            _number(event.get("batch")),
            event["kind"],
            event.get("attempt"),
            event.get("records"),
            event.get("failed_records"),
            event.get("outcome"),
            event.get("reason"),
            _wait_s(event),
        )
        for event in events
        if event["kind"] in kinds
    ]
    return sorted(told, key=lambda each: each[0])


def arrive(served: Served, arrivals_ms: Iterable[float], send: Callable[[int], Any]) -> None:
    """Have `send` called with the number of each record when lab time comes to its arrival."""
    now_s = 0.0
    for number, time_ms in enumerate(arrivals_ms, 1):
        served.control("POST", "advance", {"seconds": time_ms / 1000 - now_s})
        now_s = time_ms / 1000
        send(number)


def invoked(function: Function) -> list[list[int]]:
    """The records of each invocation, from the function's log."""
    return [json.loads(line[6:]) for line in function.log() if line.startswith("BATCH ")]


def _number(batch: str | None) -> list[int]:
    """The place of a batch in its mapping: a live one has a name that no other mapping uses."""
    return [int(part) for part in batch.split("-")[-1].split(".")] if batch else []


def _wait_s(event: Mapping[str, Any]) -> float | None:
    due_ms = event.get("due_ms")
    return None if due_ms is None else round((due_ms - event["time_ms"]) / 1000, 1)
