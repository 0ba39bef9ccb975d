"""Asynchronous invocation through boto3: retries, ages, throttles, loops, kills."""

from __future__ import annotations

import json
import os
import random
import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from botocore.exceptions import ClientError
from harness import Function, Served, create, descendants, zipped
from inbox import ECHO, FAILS, Inbox, configure, send, settle

Deploy = Callable[..., Function]


def test_three_attempts_with_one_request_id_in_one_environment(
    deploy: Deploy, served: Served
) -> None:
    function = deploy(FAILS)
    request_id = send(function, {"n": 1})
    settle(served)
    started = function.events("invoke_started")
    assert [event["attempt"] for event in started] == [1, 2, 3]
    assert {event["request_id"] for event in started} == {request_id}
    assert len({event["environment"] for event in started}) == 1
    assert {event["invocation_type"] for event in started} == {"Event"}
    ages_s = [event["age_ms"] / 1000 for event in started]
    assert ages_s == [
        pytest.approx(0, abs=5), pytest.approx(60, abs=5), pytest.approx(180, abs=5)
    ]  # fmt: skip
    starts = [line for line in function.log() if line.startswith("START")]
    assert starts == [f"START RequestId: {request_id} Version: $LATEST\n"] * 3
    (dropped,) = function.events("dropped")
    assert (dropped["reason"], dropped["attempt"]) == ("RetriesExhausted", 3)
    assert function.events("delivered") == []


def test_new_code_heals_an_event_that_waits(deploy: Deploy, served: Served, inbox: Inbox) -> None:
    function = deploy(FAILS)
    configure(function, OnSuccess=inbox.arn)
    send(function, {"n": 1})
    served.control("POST", "advance", {"seconds": 5})
    function.client.update_function_code(
        FunctionName=function.name, ZipFile=zipped({"app.py": ECHO})
    )
    settle(served)
    (record,) = inbox.bodies()
    assert record["requestContext"]["condition"] == "Success"
    assert record["requestContext"]["approximateInvokeCount"] == 2
    assert record["responsePayload"] == {"n": 1}


@pytest.mark.parametrize(("age_s", "attempts"), [(60, 1), (90, 2)])
def test_maximum_event_age(
    deploy: Deploy, served: Served, inbox: Inbox, age_s: int, attempts: int
) -> None:
    function = deploy(FAILS)
    configure(function, OnFailure=inbox.arn, MaximumEventAgeInSeconds=age_s)
    send(function)
    settle(served)
    (record,) = inbox.bodies()
    assert record["requestContext"]["condition"] == "EventAgeExceeded"
    assert record["requestContext"]["approximateInvokeCount"] == attempts
    assert record["responsePayload"]["errorMessage"] == "no"


def test_an_alias_has_settings_of_its_own(deploy: Deploy, served: Served, inbox: Inbox) -> None:
    function = deploy(FAILS)
    function.client.publish_version(FunctionName=function.name)
    function.client.create_alias(FunctionName=function.name, Name="live", FunctionVersion="1")
    configure(function, Qualifier="live", OnFailure=inbox.arn, MaximumRetryAttempts=0)
    send(function, Qualifier="live")
    send(function)
    settle(served)
    (record,) = inbox.bodies()
    assert record["requestContext"]["functionArn"].endswith(f":{function.name}:live")
    assert record["responseContext"]["executedVersion"] == "1"
    assert [event.get("qualifier") for event in function.events("queued")] == ["live", None]
    assert sorted(event["attempt"] for event in function.events("dropped")) == [1, 3]


def test_errors_of_the_request_are_answered_at_once(deploy: Deploy) -> None:
    function = deploy(ECHO)
    for payload, status in ((b"no JSON", 400), (b'"' + b"x" * 1_048_576 + b'"', 413)):
        with pytest.raises(ClientError) as caught:
            function.invoke(Payload=payload, InvocationType="Event")
        assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == status
    assert function.events("queued") == []


def test_reserved_concurrency_0(deploy: Deploy, served: Served, inbox: Inbox) -> None:
    function = deploy(ECHO, DeadLetterConfig={"TargetArn": inbox.arn})
    function.client.put_function_concurrency(
        FunctionName=function.name, ReservedConcurrentExecutions=0
    )
    configure(function, OnFailure=inbox.arn)
    before = served.control("GET", "clock")["now_ms"]
    send(function, {"n": 1})
    settle(served)
    assert served.control("GET", "clock")["now_ms"] - before < 30_000
    letter, record = sorted(inbox.messages(), key=lambda one: "MessageAttributes" not in one)
    assert letter["Body"] == '{"n": 1}'
    content = json.loads(record["Body"])
    assert content["requestContext"]["condition"] == "ZeroReservedConcurrency"
    assert content["requestContext"]["approximateInvokeCount"] == 0
    assert "responseContext" not in content and "responsePayload" not in content
    assert function.events("invoke_started") == []


def test_throttled_events_come_later(own_server: Served) -> None:
    own_server.control("PATCH", "settings", {"unreserved_minimum": 0, "account_concurrency": 2})
    function = create(own_server, "import time\ndef handler(event, context):\n    time.sleep(0.3)")
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: send(function), range(8)))
    settle(own_server)
    assert len(function.events("invoke_ended")) == 8
    throttled = function.events("throttled")
    assert {one["reason"] for one in throttled} == {"ConcurrentInvocationLimitExceeded"}
    assert {one["attempt"] for one in throttled} == {1}
    waits = function.events("retry_scheduled")
    assert len(waits) == len(throttled) > 0
    assert {one["reason"] for one in waits} == {"throttle"}


LOOP = (
    "import boto3, json\nclient = boto3.client('lambda')\n"
    "def handler(event, context):\n"
    "    client.invoke(FunctionName=context.function_name, InvocationType='{type}',\n"
    "                  Payload=json.dumps(event))"
)


def test_a_function_that_invokes_itself_is_stopped(
    deploy: Deploy, served: Served, inbox: Inbox
) -> None:
    code = LOOP.replace("{type}", "Event")
    function = deploy(code, DeadLetterConfig={"TargetArn": inbox.arn}, MemorySize=1769, Timeout=60)
    send(function, {"n": 1})
    settle(served)
    assert len(function.events("invoke_ended")) == 16
    (dropped,) = function.events("dropped")
    assert dropped["reason"] == "RecursiveInvocation"
    (letter,) = inbox.messages()
    assert letter["MessageAttributes"]["ErrorCode"]["StringValue"] == "400"


def test_a_loop_of_synchronous_calls_is_stopped(own_server: Served) -> None:
    function = create(
        own_server, LOOP.replace("{type}", "RequestResponse"), MemorySize=1769, Timeout=60
    )
    answer = function.invoke()
    assert "FunctionError" not in answer
    assert len(function.events("invoke_ended")) == 16
    (ended,) = [one for one in function.events("invoke_ended") if one["outcome"] == "error"]
    assert ended["error_type"] == "RecursiveInvocationException"


def test_a_loop_through_a_queue_is_stopped(own_server: Served) -> None:
    dead, queue = Inbox(own_server, "dead"), Inbox(own_server, "loop")
    redrive = json.dumps({"deadLetterTargetArn": dead.arn, "maxReceiveCount": 2})
    queue.client.set_queue_attributes(QueueUrl=queue.url, Attributes={"RedrivePolicy": redrive})
    function = create(
        own_server,
        "import boto3\nclient = boto3.client('sqs')\n"
        "def handler(event, context):\n    for record in event['Records']:\n"
        f"        client.send_message(QueueUrl='{queue.url}', MessageBody=record['body'])",
        MemorySize=1769,
        Timeout=20,
    )
    function.client.create_event_source_mapping(
        EventSourceArn=queue.arn, FunctionName=function.name
    )
    queue.client.send_message(QueueUrl=queue.url, MessageBody="round")
    settle(own_server)
    assert len(function.events("invoke_ended")) == 16
    dropped = function.events("dropped")
    assert {one["reason"] for one in dropped} == {"RecursiveInvocation"}
    assert all(one["mapping"] for one in dropped)
    (letter,) = dead.messages()
    assert letter["Body"] == "round"


def test_a_loop_of_destinations_is_stopped(deploy: Deploy, served: Served) -> None:
    # They answer nothing: a record that holds its event twice would soon be too large.
    quiet = "def handler(event, context): pass"
    pair = [deploy(quiet), deploy(quiet)]
    for function, other in zip(pair, reversed(pair), strict=True):
        arn = other.client.get_function_configuration(FunctionName=other.name)["FunctionArn"]
        configure(function, OnSuccess=arn)
    send(pair[0])
    settle(served)
    assert [len(function.events("invoke_ended")) for function in pair] == [16, 16]
    assert [len(function.events("dropped")) for function in pair] == [1, 0]


def test_a_loop_that_is_allowed_goes_on(deploy: Deploy, served: Served) -> None:
    code = (
        "import boto3, json\nclient = boto3.client('lambda')\n"
        "def handler(event, context):\n    if event['left']:\n"
        "        client.invoke(FunctionName=context.function_name, InvocationType='Event',\n"
        "                      Payload=json.dumps({'left': event['left'] - 1}))"
    )
    function = deploy(code, MemorySize=1769, Timeout=60)
    function.client.put_function_recursion_config(FunctionName=function.name, RecursiveLoop="Allow")
    send(function, {"left": 20})
    settle(served)
    assert len(function.events("invoke_ended")) == 21


def test_after_a_reset_no_event_is_left(own_server: Served) -> None:
    function = create(own_server, FAILS)
    send(function)
    own_server.control("POST", "advance", {"seconds": 1})
    own_server.control("POST", "reset")
    assert own_server.control("POST", "settle", {}) | {"now_ms": 0} == {
        "now_ms": 0, "fired": 0, "settled": True
    }  # fmt: skip


def test_no_event_is_lost_when_environments_are_killed(own_server: Served) -> None:
    own_server.control("PATCH", "settings", {"event_log_max": 100_000, "max_environments": 8})
    helpers = set(descendants(own_server.process.pid))
    dead = Inbox(own_server, "dead")
    function = create(
        own_server,
        "import time\ndef handler(event, context):\n    time.sleep(0.02)\n    return event",
        MemorySize=1769,
        DeadLetterConfig={"TargetArn": dead.arn},
    )
    with ThreadPoolExecutor(8) as pool:
        sent = list(pool.map(lambda n: send(function, {"n": n}), range(150)))
        settled = pool.submit(own_server.control, "POST", "settle", {})
        killed = kill_until(settled.done, own_server, helpers)
    assert settled.result()["settled"] is True
    done = {
        one["request_id"] for one in function.events("invoke_ended") if one["outcome"] == "success"
    }
    letters = [one["MessageAttributes"]["RequestID"]["StringValue"] for one in dead.messages()]
    assert killed > 5
    assert len(letters) == len(set(letters))
    assert done | set(letters) == set(sent)
    assert not done & set(letters)
    own_server.control("POST", "advance", {"seconds": 1_000})  # environments killed while idle end
    assert function.result({"n": "after"}) == {"n": "after"}


def kill_until(is_over: Callable[[], bool], served: Served, helpers: set[int]) -> int:
    """Kill a process of some environment after every few events; return how many were."""
    chance, killed, last = random.Random(7), 0, 0
    while not is_over():
        answer = served.control("GET", f"events?after={last}&wait_s=0.2")
        last = answer["last"]
        try:
            found = [pid for pid in descendants(served.process.pid) if pid not in helpers]
            if found:
                os.kill(chance.choice(found), signal.SIGKILL)
                killed += 1
        except OSError:  # a process ended while it was looked at
            continue
    return killed
