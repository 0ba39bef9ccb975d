"""One scenario of an SQS mapping, live and in virtual time: the same batches, the same ends."""

from __future__ import annotations

import json
from typing import Any

import pytest
from harness import Served, create
from mappings import ENABLED_S, HANDLER, arrive, batch_events, invoked

from labkit.fleet.batch_scenario import DEAD_LETTER, BatchScenario
from labkit.fleet.batches import simulate

KINDS = ("polled", "batch_formed", "batch_ended")
MESSAGES = 6


def scenario(**settings: Any) -> BatchScenario:
    """Six messages, unless told otherwise all there before the mapping is."""
    arrivals_s = settings.pop("arrivals_s", [0] * MESSAGES)
    return BatchScenario(
        source="sqs",
        arrivals_ms=tuple(1000.0 * time_s for time_s in arrivals_s),
        keys=("A",) * len(arrivals_s),
        poisoned=frozenset(settings.pop("poisoned", ())),
        invocation_ms=1,
        record_ms=0,
        **settings,
    )


def live(served: Served, played: BatchScenario) -> tuple[Any, list[list[int]], list[int]]:
    """What a real mapping tells of it, the messages of each invocation, and the dead letters."""
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
    sqs, client = served.client("sqs"), function.client
    dead = sqs.create_queue(QueueName=f"{function.name}-dead")["QueueUrl"]
    redrive = {
        "deadLetterTargetArn": _arn(sqs, dead),
        "maxReceiveCount": played.max_receive_count,
    }
    queue = sqs.create_queue(
        QueueName=function.name,
        Attributes={
            "VisibilityTimeout": str(int(played.visibility_timeout_s)),
            "RedrivePolicy": json.dumps(redrive),
        },
    )["QueueUrl"]
    is_before = not any(played.arrivals_ms)
    if is_before:
        numbers = [str(number) for number in range(1, MESSAGES + 1)]
        entries = [{"Id": number, "MessageBody": number} for number in numbers]
        sqs.send_message_batch(QueueUrl=queue, Entries=entries)
    mapping = client.create_event_source_mapping(
        FunctionName=function.name,
        EventSourceArn=_arn(sqs, queue),
        BatchSize=played.batch_size,
        MaximumBatchingWindowInSeconds=int(played.batching_window_s),
        FunctionResponseTypes=(
            ["ReportBatchItemFailures"] if played.report_batch_item_failures else []
        ),
    )
    if not is_before:
        served.control("POST", "advance", {"seconds": ENABLED_S})
        arrive(
            served,
            played.arrivals_ms,
            lambda number: sqs.send_message(QueueUrl=queue, MessageBody=str(number)),
        )
    assert served.control("POST", "settle", {})["settled"]
    events = [event for event in served.events() if event.get("mapping") == mapping["UUID"]]
    client.delete_event_source_mapping(UUID=mapping["UUID"])
    letters = sqs.receive_message(QueueUrl=dead, MaxNumberOfMessages=10).get("Messages", [])
    return (
        batch_events(events, KINDS),
        invoked(function),
        sorted(int(letter["Body"]) for letter in letters),
    )


def _arn(sqs: Any, url: str) -> str:
    answer = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
    return str(answer["Attributes"]["QueueArn"])


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"batch_size": 4},
        {"batch_size": 10, "batching_window_s": 5},
        {"batch_size": 3, "batching_window_s": 4, "arrivals_s": [0, 1, 2, 5, 6, 20]},
        {"batch_size": 2, "arrivals_s": [0, 1, 1.5], "poisoned": (2,)},
        {"batch_size": 4, "batching_window_s": 5, "arrivals_s": [0, 1, 8.5, 9], "poisoned": (1, 4)},
        {"batch_size": 3, "poisoned": (2,)},
        {"batch_size": 3, "poisoned": (2,), "max_receive_count": 1},
        {"batch_size": 3, "poisoned": (2,), "report_batch_item_failures": True},
        {"batch_size": 6, "batching_window_s": 2, "poisoned": (2, 5), "max_receive_count": 2},
        {
            "batch_size": 6,
            "batching_window_s": 2,
            "poisoned": (2, 5),
            "report_batch_item_failures": True,
        },
    ],
    ids=str,
)
def test_it_goes_as_it_was_simulated(served: Served, settings: dict[str, Any]) -> None:
    played = scenario(**settings)
    run = simulate(played)
    told, batches, letters = live(served, played)
    assert told == batch_events([event.to_dict() for event in run.events], KINDS)
    assert sorted(batches) == sorted(list(attempt.records) for attempt in run.attempts)
    assert letters == [life.number for life in run.lives if life.end == DEAD_LETTER]
