"""SQS as boto3 sees it: the calls on a queue that holds ten thousand messages, and emptying it."""

from __future__ import annotations

import time
from typing import Any

from figures import BELOW, Row, lab, milliseconds, quantile

MESSAGES, BATCH_SIZE, CALLS = 10_000, 10, 100


def measure() -> list[Row]:
    with lab() as served:
        sqs = served.client("sqs")
        rows = []
        for kind in ("standard", "fifo"):
            url = _queue(sqs, kind)
            rows += _of_full_queue(sqs, url, kind)
            rows.append(_of_emptying(sqs, url, kind))
        return rows


def _queue(sqs: Any, kind: str) -> str:
    """A queue with its messages; a FIFO queue has them in a hundred message groups."""
    name, attributes = "full", {}
    if kind == "fifo":
        name = "full.fifo"
        attributes = {"FifoQueue": "true", "ContentBasedDeduplication": "true"}
    url: str = sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
    for start in range(0, MESSAGES, BATCH_SIZE):
        sqs.send_message_batch(
            QueueUrl=url,
            Entries=[
                {"Id": str(n), "MessageBody": str(start + n), **_group(kind, start + n)}
                for n in range(BATCH_SIZE)
            ],
        )
    return url


def _group(kind: str, number: int) -> dict[str, str]:
    return {"MessageGroupId": f"group-{number % 100}"} if kind == "fifo" else {}


def _of_full_queue(sqs: Any, url: str, kind: str) -> list[Row]:
    def receive() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = sqs.receive_message(
            QueueUrl=url, MaxNumberOfMessages=10, AttributeNames=["All"], VisibilityTimeout=0
        )["Messages"]
        assert len(found) == 10
        return found

    def send(number: int) -> None:
        sqs.send_message(QueueUrl=url, MessageBody=f"further {number}", **_group(kind, number))

    calls = {
        "receive of ten": [milliseconds(receive) for _ in range(CALLS)],
        "send of one": [milliseconds(lambda n=n: send(n)) for n in range(CALLS)],
        "attributes": [
            milliseconds(lambda: sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"]))
            for _ in range(CALLS)
        ],
    }
    return [
        Row(f"{name}, {kind} queue of {MESSAGES:,}, p50", quantile(values, 0.5), "ms", 27, BELOW)
        for name, values in calls.items()
    ]


def _of_emptying(sqs: Any, url: str, kind: str) -> Row:
    """Receiving and deleting all, ten a call, by one client."""
    started_s = time.perf_counter()
    emptied = 0
    while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
        emptied += len(messages)
        entries = [
            {"Id": str(n), "ReceiptHandle": message["ReceiptHandle"]}
            for n, message in enumerate(messages)
        ]
        sqs.delete_message_batch(QueueUrl=url, Entries=entries)
    assert emptied == MESSAGES + CALLS
    took_s = time.perf_counter() - started_s
    return Row(f"emptying a {kind} queue of {MESSAGES:,}", took_s, "s", 20, BELOW)
