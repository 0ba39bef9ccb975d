"""One asynchronous event, live and in virtual time: the same attempts, waits and end."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

import pytest
from harness import Served, create

from labkit.core.asynchronous import EventInvokeConfig
from labkit.core.events import Event, EventKind
from labkit.fleet.event_life import EventScenario, simulate_event
from labkit.fleet.health import Health, HealthPlan
from labkit.notebook.event_lives import event_life

KINDS = (
    "queued",
    "throttled",
    "invoke_started",
    "invoke_ended",
    "retry_scheduled",
    "dropped",
    "delivered",
)
DURATION_MS = 50.0
ACCOUNT = 5
# A throttle's wait is moved by a tenth at most, and what runs takes real time.
JITTER, RUN_MS = 0.1, 5_000.0

HANDLER = """
import os

def handler(event, context):
    if os.environ["BROKEN"] == "yes":
        raise RuntimeError("poison")
    return "done"
"""

SCENARIOS: dict[str, tuple[list[tuple[float, str]], EventInvokeConfig]] = {
    "broken for good": ([(0, "broken")], EventInvokeConfig()),
    "one retry": ([(0, "broken")], EventInvokeConfig(maximum_retry_attempts=1)),
    "no retry": ([(0, "broken")], EventInvokeConfig(maximum_retry_attempts=0)),
    "too old for the first retry": ([(0, "broken")], EventInvokeConfig(maximum_event_age_s=60)),
    "too old for the second retry": ([(0, "broken")], EventInvokeConfig(maximum_event_age_s=90)),
    "healthy": ([(0, "healthy")], EventInvokeConfig()),
    "healed in time": ([(0, "broken"), (30, "healthy")], EventInvokeConfig()),
    "healed before the last": ([(0, "broken"), (100, "healthy")], EventInvokeConfig()),
    "throttled, then healthy": ([(0, "throttled"), (22, "healthy")], EventInvokeConfig()),
    "throttled, then broken": ([(0, "throttled"), (10.5, "broken")], EventInvokeConfig()),
    "broken, then throttled": (
        [(0, "broken"), (30, "throttled"), (71, "healthy")],
        EventInvokeConfig(),
    ),
    "throttled until it is too old": (
        [(0, "throttled")],
        EventInvokeConfig(maximum_event_age_s=90),
    ),
}


class Played:
    """A function and its dead-letter queue, made healthy, broken or throttled while time passes."""

    def __init__(self, served: Served, config: EventInvokeConfig) -> None:
        self.served, self._health = served, Health.HEALTHY
        queue = served.client("sqs")
        url = queue.create_queue(QueueName="dead-letters")["QueueUrl"]
        arn = queue.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
        self.function = create(
            served,
            HANDLER,
            Environment={"Variables": {"BROKEN": "no"}},
            DeadLetterConfig={"TargetArn": arn["Attributes"]["QueueArn"]},
        )
        self.function.client.put_function_event_invoke_config(
            FunctionName=self.function.name,
            MaximumRetryAttempts=config.maximum_retry_attempts,
            MaximumEventAgeInSeconds=config.maximum_event_age_s,
        )
        self._greedy = create(served, HANDLER)

    def be(self, health: Health) -> None:
        """From now on every attempt meets this."""
        client = self.function.client
        if health is Health.THROTTLED:
            # All of the account is reserved for another function.
            client.put_function_concurrency(
                FunctionName=self._greedy.name, ReservedConcurrentExecutions=ACCOUNT
            )
        elif self._health is Health.THROTTLED:
            client.delete_function_concurrency(FunctionName=self._greedy.name)
        broken = "yes" if health is Health.BROKEN else "no"
        client.update_function_configuration(
            FunctionName=self.function.name, Environment={"Variables": {"BROKEN": broken}}
        )
        self._health = health

    def now_ms(self) -> float:
        now_ms: float = self.served.control("GET", "clock")["now_ms"]
        return now_ms

    def live(self, plan: HealthPlan) -> list[Event]:
        """Play a plan, and return the events of the one event's life."""
        self.be(plan.spells[0].health)
        self.served.control("POST", "advance", {"seconds": 2})  # the update is done
        answer = self.function.client.invoke(
            FunctionName=self.function.name, InvocationType="Event", Payload=json.dumps({"n": 1})
        )
        request_id = answer["ResponseMetadata"]["RequestId"]
        assert answer["StatusCode"] == 202
        stored_ms = next(e["time_ms"] for e in self.function.events("queued"))
        for spell in plan.spells[1:]:
            wait_s = (stored_ms - self.now_ms()) / 1000 + spell.start_s
            self.served.control("POST", "advance", {"seconds": wait_s})
            self.be(spell.health)
        assert self.served.control("POST", "settle", {})["settled"]
        records = self.served.events()
        events = [Event.from_dict(record) for record in records]
        return [event for event in events if event.request_id == request_id]


@pytest.fixture(scope="module")
def server() -> Iterator[Served]:
    """A lab with a small account, which is quickly full."""
    served = Served("--seed", "1")
    settings = {"account_concurrency": ACCOUNT, "unreserved_minimum": 0}
    served.control("PATCH", "settings", settings)
    yield served
    served.stop()


@pytest.fixture
def small(server: Served) -> Iterator[Served]:
    """The same without a function of another test."""
    yield server
    client = server.client("lambda")
    for function in client.list_functions()["Functions"]:
        client.delete_function(FunctionName=function["FunctionName"])


def told(events: Iterable[Event]) -> list[tuple[Any, ...]]:
    """What an event says that must be the same in both."""
    return [
        (event.kind.value, event.attempt, event.outcome, _reason(event))
        for event in events
        if event.kind.value in KINDS
    ]


def _reason(event: Event) -> str | None:
    # The reason of a throttle depends on what throttles; that it is one does not.
    return None if event.kind is EventKind.THROTTLED else event.reason


@pytest.mark.parametrize("name", SCENARIOS)
def test_live_and_virtual_lives_are_the_same(small: Served, name: str) -> None:
    spells, config = SCENARIOS[name]
    plan = HealthPlan.of(spells)
    live = Played(small, config).live(plan)
    virtual = simulate_event(EventScenario(plan, config, duration_ms=DURATION_MS))
    assert told(live) == told(virtual)
    lives = [event_life(events) for events in (live, virtual)]
    assert lives[0].condition == lives[1].condition
    assert lives[0].fate() == lives[1].fate()
    starts = [[attempt.start_ms for attempt in life.attempts] for life in lives]
    for live_ms, virtual_ms in zip(*starts, strict=True):
        assert abs(live_ms - virtual_ms) <= JITTER * virtual_ms + RUN_MS
    waits = [
        [e.due_ms - e.time_ms for e in events if e.reason == "function_error" and e.due_ms]
        for events in (live, virtual)
    ]
    assert [round(wait / 1000) for wait in waits[0]] == [round(wait / 1000) for wait in waits[1]]
