"""One scenario of a Kinesis mapping, live and in virtual time: the same batches, retries, ends."""

from __future__ import annotations

import json
from typing import Any

import pytest
from harness import Served, create
from mappings import ENABLED_S, HANDLER, arrive, batch_events, invoked

from labkit.fleet.batch_scenario import BatchScenario
from labkit.fleet.batches import simulate

KINDS = ("polled", "batch_formed", "batch_ended", "retry_scheduled", "dropped")
RECORDS = 6


def scenario(**settings: Any) -> BatchScenario:
    """Six records, unless told otherwise all there before the mapping is."""
    arrivals_s = settings.pop("arrivals_s", [0] * RECORDS)
    return BatchScenario(
        source="kinesis",
        arrivals_ms=tuple(1000.0 * time_s for time_s in arrivals_s),
        keys=tuple(settings.pop("keys", "A" * len(arrivals_s))),
        poisoned=frozenset(settings.pop("poisoned", ())),
        invocation_ms=1,
        record_ms=0,
        **settings,
    )


def live(served: Served, played: BatchScenario) -> tuple[Any, list[list[int]]]:
    """What a real mapping tells of it, and the records of each invocation."""
    function = create(
        served,
        HANDLER,
        Environment={
            "Variables": {
                "POISONED": json.dumps(sorted(played.poisoned)),
                "REPORTS": json.dumps(played.report_batch_item_failures),
            }
        },
    )
    kinesis, client = served.client("kinesis"), function.client
    kinesis.create_stream(StreamName=function.name, ShardCount=1)
    stream = kinesis.describe_stream(StreamName=function.name)["StreamDescription"]
    records = [
        {"Data": str(number).encode(), "PartitionKey": key}
        for number, key in enumerate(played.keys, 1)
    ]
    is_before = not any(played.arrivals_ms)
    if is_before:
        kinesis.put_records(StreamName=function.name, Records=records)
    reports = ["ReportBatchItemFailures"] if played.report_batch_item_failures else []
    mapping = client.create_event_source_mapping(
        FunctionName=function.name,
        EventSourceArn=stream["StreamARN"],
        StartingPosition="TRIM_HORIZON",
        BatchSize=played.batch_size,
        MaximumBatchingWindowInSeconds=int(played.batching_window_s),
        ParallelizationFactor=played.parallelization_factor,
        BisectBatchOnFunctionError=played.bisect_batch,
        MaximumRetryAttempts=played.maximum_retry_attempts,
        FunctionResponseTypes=reports,
    )
    if not is_before:
        served.control("POST", "advance", {"seconds": ENABLED_S})
        arrive(
            served,
            played.arrivals_ms,
            lambda number: kinesis.put_record(StreamName=function.name, **records[number - 1]),
        )
    assert served.control("POST", "settle", {})["settled"]
    events = [event for event in served.events() if event.get("mapping") == mapping["UUID"]]
    client.delete_event_source_mapping(UUID=mapping["UUID"])
    return batch_events(events, KINDS), invoked(function)


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"batch_size": 4},
        {"batch_size": 4, "batching_window_s": 3},
        # A shard is read once a second, at moments that differ from run to run.
        {"batching_window_s": 15, "arrivals_s": [0, 10, 20, 60]},
        {"batching_window_s": 15, "arrivals_s": [0, 10, 20, 60], "poisoned": (2,)},
        {"poisoned": (2,), "batch_size": 3},
        {"poisoned": (2,), "batch_size": 3, "maximum_retry_attempts": 0},
        {"poisoned": (5,), "bisect_batch": True},
        {"poisoned": (2,), "report_batch_item_failures": True},
        {"poisoned": (2, 5), "report_batch_item_failures": True, "bisect_batch": True},
        {"poisoned": (1,), "keys": "ADADAD", "parallelization_factor": 2},
    ],
    ids=str,
)
def test_it_goes_as_it_was_simulated(served: Served, settings: dict[str, Any]) -> None:
    played = scenario(**settings)
    run = simulate(played)
    told, batches = live(served, played)
    assert told == batch_events([event.to_dict() for event in run.events], KINDS)
    assert sorted(batches) == sorted(list(attempt.records) for attempt in run.attempts)
