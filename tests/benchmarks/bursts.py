"""Many invocations at the same moment, from cold: how long until all are answered, and how."""

from __future__ import annotations

from collections import Counter
from statistics import median
from typing import Any

from botocore.exceptions import ClientError
from figures import AT_MOST, Row, at_once, deploy, end_environments, lab

SLEEPS = """
import time

def handler(event, context):
    time.sleep(event["seconds"])
    return "slept"  # serverless-offline never answers where a function returns nothing
"""
ROUNDS = 5
TWENTY, HUNDRED = 20, 100


def measure() -> list[Row]:
    with lab() as served:
        function = deploy(served, "sleeps", SLEEPS, MemorySize=1769, Timeout=30)
        payload = b'{"seconds": 1}'

        def invoke() -> Any:
            return function.client.invoke(FunctionName="sleeps", Payload=payload)

        def burst(size: int) -> tuple[Counter[str], float]:
            end_environments(served)
            answers, seconds = at_once([invoke] * size)
            return Counter(map(_outcome, answers)), seconds

        twenty = [burst(TWENTY) for _ in range(ROUNDS)]
        warm_answers, warm_s = at_once([invoke] * TWENTY)
        hundred, hundred_s = burst(HUNDRED)
        served.control("PATCH", "settings", {"max_environments": HUNDRED})
        roomy, roomy_s = burst(HUNDRED)
    times = [seconds for _, seconds in twenty]
    failed = sum(TWENTY - outcomes["answered"] for outcomes, _ in twenty)
    return [
        Row("twenty 1-second sleeps at once, cold", median(times), "s", 1.4, AT_MOST),
        Row("  the slowest of five rounds", max(times), "s"),
        Row("  not answered, in five rounds", failed, "", 0, AT_MOST),
        Row("  the same, warm", warm_s, "s"),
        *_hundred_rows("a hundred at once, cold", hundred, hundred_s),
        *_hundred_rows("a hundred, room for all", roomy, roomy_s),
    ]


def _hundred_rows(name: str, outcomes: Counter[str], seconds: float) -> list[Row]:
    other = HUNDRED - outcomes["answered"] - outcomes["throttled"]
    return [
        Row(name, seconds, "s"),
        Row("  answered", outcomes["answered"], ""),
        Row("  throttled (429)", outcomes["throttled"], ""),
        Row("  neither", other, "", 0, AT_MOST),
    ]


def _outcome(answer: Any) -> str:
    if isinstance(answer, ClientError):
        throttled = answer.response["Error"]["Code"] == "TooManyRequestsException"
        return "throttled" if throttled else repr(answer)
    if isinstance(answer, Exception):
        return repr(answer)
    return "failed" if "FunctionError" in answer else "answered"
