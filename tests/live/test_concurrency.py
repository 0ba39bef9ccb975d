"""Throttles that really happen: an account of five, reservations, rates, boto3's own retries."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from harness import Function, Served, create

SLEEPS = "import time\ndef handler(event, context): time.sleep(event['seconds'])"
QUICK = "def handler(event, context): return 1"
RESERVED = "ReservedFunctionConcurrentInvocationLimitExceeded"
ACCOUNT = "ConcurrentInvocationLimitExceeded"


@pytest.fixture(scope="module")
def account_of_five() -> Iterator[Served]:
    served = Served("--seed", "1")
    settings = {"account_concurrency": 5, "unreserved_minimum": 0}
    served.control("PATCH", "settings", settings)
    yield served
    served.stop()


def at_once(*functions: Function, seconds: float = 1.0) -> list[dict[str, Any]]:
    """Invoke all at the same time; answers, or what was refused."""

    def call(function: Function) -> dict[str, Any]:
        try:
            return function.invoke({"seconds": seconds})
        except ClientError as error:
            return error.response

    with ThreadPoolExecutor(len(functions)) as pool:
        return list(pool.map(call, functions))


def refusals(answers: list[dict[str, Any]]) -> Counter[str]:
    return Counter(answer["Reason"] for answer in answers if "Reason" in answer)


def test_the_account_limit(account_of_five: Served) -> None:
    function, other = create(account_of_five, SLEEPS), create(account_of_five, SLEEPS)
    answers = at_once(*[function, other] * 4)
    assert refusals(answers) == {ACCOUNT: 3}
    refused = next(answer for answer in answers if "Reason" in answer)
    assert refused["Error"] == {"Code": "TooManyRequestsException", "Message": "Rate Exceeded."}
    assert (refused["Type"], refused["message"]) == ("User", "Rate Exceeded.")
    assert refused["ResponseMetadata"]["HTTPStatusCode"] == 429
    throttled = function.events("throttled") + other.events("throttled")
    assert [event["reason"] for event in throttled] == [ACCOUNT] * 3
    assert len({event["request_id"] for event in throttled}) == 3
    assert refusals(at_once(*[function] * 5)) == {}


def test_a_reservation_caps_and_guarantees(account_of_five: Served) -> None:
    reserved, other = create(account_of_five, SLEEPS), create(account_of_five, SLEEPS)
    client = reserved.client
    client.put_function_concurrency(FunctionName=reserved.name, ReservedConcurrentExecutions=2)
    answers = at_once(*[reserved] * 3, *[other] * 4)
    assert refusals(answers[:3]) == {RESERVED: 1}
    assert refusals(answers[3:]) == {ACCOUNT: 1}
    client.delete_function(FunctionName=reserved.name)
    assert refusals(at_once(*[other] * 5)) == {}


def test_reserved_zero_until_it_is_lifted(account_of_five: Served) -> None:
    function = create(account_of_five, QUICK)
    name = {"FunctionName": function.name}
    function.client.put_function_concurrency(**name, ReservedConcurrentExecutions=0)
    assert refusals(at_once(function)) == {RESERVED: 1}
    assert function.events("init_started") == []
    function.client.delete_function_concurrency(**name)
    assert function.result() == 1


def test_a_limit_of_requests_per_second(account_of_five: Served) -> None:
    function = create(account_of_five, QUICK)
    name = {"FunctionName": function.name}
    function.client.put_function_concurrency(**name, ReservedConcurrentExecutions=1)
    answers = [at_once(function)[0] for _ in range(60)]
    refused = [answer for answer in answers if "Reason" in answer]
    assert refusals(answers).keys() == {"ReservedFunctionInvocationRateLimitExceeded"}
    assert {answer["retryAfterSeconds"] for answer in refused} == {"1"}
    assert {answer["ResponseMetadata"]["HTTPHeaders"]["retry-after"] for answer in refused} == {"1"}
    account_of_five.control("POST", "advance", {"seconds": 1})
    assert function.result() == 1
    function.client.delete_function(**name)


@pytest.mark.parametrize("mode", ["legacy", "standard"])
def test_boto3_retries_by_itself(account_of_five: Served, mode: str) -> None:
    function = create(account_of_five, QUICK)
    name = {"FunctionName": function.name}
    function.client.put_function_concurrency(**name, ReservedConcurrentExecutions=0)
    ready = account_of_five.ready
    client = boto3.client(
        "lambda",
        endpoint_url=ready["endpoint"],
        region_name=ready["region"],
        aws_access_key_id=ready["access_key_id"],
        aws_secret_access_key=ready["secret_access_key"],
        config=Config(retries={"mode": mode}),
    )

    def lift(response: Any, **_: object) -> None:
        if response[0].status_code == 429:
            function.client.delete_function_concurrency(**name)

    client.meta.events.register_first("needs-retry.lambda.Invoke", lift)
    answer = client.invoke(FunctionName=function.name, Payload=b"{}")
    assert answer["Payload"].read() == b"1"
    assert answer["ResponseMetadata"]["RetryAttempts"] == 1
    assert [event["reason"] for event in function.events("throttled")] == [RESERVED]


def test_a_lower_account_limit_counts_at_once(own_server: Served) -> None:
    function = create(own_server, SLEEPS)
    own_server.control("PATCH", "settings", {"account_concurrency": 1, "unreserved_minimum": 0})
    assert refusals(at_once(*[function] * 3)) == {ACCOUNT: 2}
    own_server.control("PATCH", "settings", {"account_concurrency": 3})
    assert refusals(at_once(*[function] * 3)) == {}


def test_an_event_that_is_throttled_runs_later(account_of_five: Served) -> None:
    function = create(account_of_five, SLEEPS)
    name = {"FunctionName": function.name}
    function.client.put_function_concurrency(**name, ReservedConcurrentExecutions=1)
    for _ in range(3):
        answer = function.invoke({"seconds": 0.3}, InvocationType="Event")
        assert answer["StatusCode"] == 202
    account_of_five.control("POST", "settle", {})
    assert len(function.events("invoke_ended")) == 3
    assert {event["reason"] for event in function.events("throttled")} <= {RESERVED}
    function.client.delete_function(**name)
