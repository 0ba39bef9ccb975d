"""An SQS event source mapping: a backlog of ten thousand messages, and mappings without any."""

from __future__ import annotations

import os
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from figures import AT_MOST, BELOW, Row, deploy, lab
from harness import Function, Served

MESSAGES, BATCH_SIZE = 10_000, 10
IDLE_MAPPINGS, IDLE_S = 20, 20.0
COUNT = """
def handler(event, context):
    return len(event["Records"])
"""


def measure() -> list[Row]:
    with lab() as served:
        rows = _backlog_rows(served)
    with lab() as served:
        return [*rows, _idle_row(served)]


def _backlog_rows(served: Served) -> list[Row]:
    """How long ten thousand messages take that were sent before the mapping was created."""
    served.control("PATCH", "settings", {"event_log_max": 200_000})
    function = deploy(served, "counts", COUNT, MemorySize=1769)
    function.invoke()
    sqs = served.client("sqs")
    url = sqs.create_queue(QueueName="backlog")["QueueUrl"]
    started_s = time.perf_counter()
    _send(served, url)
    sent_s = time.perf_counter() - started_s
    started_s = time.perf_counter()
    _map(function, sqs, url)
    assert served.control("POST", "settle")["settled"]
    took_s = time.perf_counter() - started_s
    ended = function.events("batch_ended")
    delivered = sum(event["records"] - event["failed_records"] for event in ended)
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
    left = sum(int(attributes[name]) for name in names)
    return [
        Row(f"{MESSAGES:,} messages in batches of {BATCH_SIZE}", took_s, "s", 20, BELOW),
        Row("  messages lost or delivered twice", abs(MESSAGES - delivered), "", 0, AT_MOST),
        Row("  messages left in the queue", left, "", 0, AT_MOST),
        Row("  invocations", len(ended), ""),
        Row("  sending them before, ten a call", sent_s, "s"),
    ]


def _idle_row(served: Served) -> Row:
    """What mappings of empty queues cost."""
    function = deploy(served, "idle", COUNT)
    sqs = served.client("sqs")
    for number in range(IDLE_MAPPINGS):
        _map(function, sqs, sqs.create_queue(QueueName=f"idle-{number}")["QueueUrl"])
    assert served.control("POST", "settle")["settled"]
    before_s = _cpu_s(served.process.pid)
    time.sleep(IDLE_S)
    percent = 100 * (_cpu_s(served.process.pid) - before_s) / IDLE_S
    return Row(f"{IDLE_MAPPINGS} idle mappings", percent, "% of a core", 1, BELOW)


def _send(served: Served, url: str) -> None:
    sqs = served.client("sqs")

    def send(first: int) -> None:
        entries = [
            {"Id": str(number), "MessageBody": f"message {number}"}
            for number in range(first, first + 10)
        ]
        assert not sqs.send_message_batch(QueueUrl=url, Entries=entries).get("Failed")

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(send, range(0, MESSAGES, 10)))


def _map(function: Function, sqs: Any, url: str) -> None:
    answer = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
    function.client.create_event_source_mapping(
        FunctionName=function.name,
        EventSourceArn=answer["Attributes"]["QueueArn"],
        BatchSize=BATCH_SIZE,
    )


def _cpu_s(pid: int) -> float:
    """CPU time that a process has used."""
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
