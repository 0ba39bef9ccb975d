"""A thousand asynchronous events whose function always fails: how long until all are over."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor

from figures import AT_MOST, Row, deploy, lab

FAILS = "def handler(event, context):\n    raise ValueError('no')\n"
EVENTS = 1_000
ATTEMPTS = 3
SENDERS = 8


def measure() -> list[Row]:
    with lab() as served:
        served.control("PATCH", "settings", {"event_log_max": 100_000})
        function = deploy(served, "fails", FAILS, MemorySize=1769)

        def send(number: int) -> None:
            function.client.invoke(
                FunctionName="fails",
                InvocationType="Event",
                Payload=json.dumps({"number": number}),
            )

        started_s = time.perf_counter()
        with ThreadPoolExecutor(SENDERS) as senders:
            list(senders.map(send, range(EVENTS)))
        sent_s = time.perf_counter()
        moved = served.control("POST", "settle", {})
        settled_s = time.perf_counter()
        attempts = function.events("invoke_ended")
        exhausted = [
            event for event in function.events("dropped") if event["reason"] == "RetriesExhausted"
        ]
    return [
        Row("1,000 events sent", sent_s - started_s, "s"),
        Row("  settled, with two retries each", settled_s - sent_s, "s", 10, AT_MOST),
        Row("  attempts that are missing", ATTEMPTS * EVENTS - len(attempts), "", 0, AT_MOST),
        Row("  events without an end", EVENTS - len(exhausted), "", 0, AT_MOST),
        Row("  not settled", 0 if moved["settled"] else 1, "", 0, AT_MOST),
    ]
