"""Requests under limits, live and in virtual time: the same run, cold or warm, and the same fall off."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from botocore.exceptions import ClientError
from harness import Function, Served, create

from labkit.core.events import Event, EventKind
from labkit.fleet.arrivals import Request
from labkit.fleet.lanes import LanesScenario, simulate_lanes

INIT_MS = 1.0
PATIENCE_S = 30.0

# Runs until the test lets it end.
HANDLER = """
import socket

def handler(event, context):
    with socket.create_connection(("127.0.0.1", event["port"])) as gate:
        gate.sendall(event["name"].encode() + b"\\n")
        gate.recv(1)
"""


def at_once(count: int) -> tuple[Request, ...]:
    return tuple(Request(1_000.0 * number, 60_000.0) for number in range(count))


SCENARIOS = {
    "reserved": LanesScenario(requests=at_once(5), reserved_concurrency=3, account_concurrency=8),
    "reserved 0": LanesScenario(requests=at_once(2), reserved_concurrency=0, account_concurrency=8),
    "the account": LanesScenario(requests=at_once(6), account_concurrency=4),
    "others": LanesScenario(requests=at_once(4), account_concurrency=5, neighbour_concurrency=3),
    "spillover": LanesScenario(
        requests=at_once(5),
        reserved_concurrency=4,
        provisioned_concurrency=2,
        account_concurrency=8,
    ),
    "provisioned without a reservation": LanesScenario(
        requests=at_once(6), provisioned_concurrency=2, account_concurrency=5
    ),
    "all that is reserved is provisioned": LanesScenario(
        requests=at_once(4),
        reserved_concurrency=2,
        provisioned_concurrency=2,
        account_concurrency=8,
    ),
    "one after the other": LanesScenario(
        requests=tuple(
            Request(1_000.0 * start, 1_000.0 * length)
            for start, length in ((0, 3), (1, 9), (4, 1), (6, 9), (7, 2), (8, 9), (10, 3))
        ),
        reserved_concurrency=3,
        account_concurrency=8,
    ),
    "provisioned come first": LanesScenario(
        requests=tuple(
            Request(1_000.0 * start, 1_000.0 * length)
            for start, length in ((0, 9), (1, 9), (2, 3), (6, 9), (9.5, 9), (10.5, 1))
        ),
        reserved_concurrency=4,
        provisioned_concurrency=2,
        account_concurrency=8,
    ),
}


class Gate:
    """Where running handlers wait for their end."""

    def __init__(self) -> None:
        self._server = socket.create_server(("127.0.0.1", 0))
        self._server.settimeout(PATIENCE_S)
        self.port = self._server.getsockname()[1]
        self._inside: dict[str, socket.socket] = {}
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            connection, _ = self._server.accept()
            with connection.makefile("r") as lines:
                name = lines.readline().strip()
            if name == "close":
                connection.close()
                return
            with self._changed:
                self._inside[name] = connection
                self._changed.notify_all()

    def wait_inside(self, name: str, call: Call) -> None:
        """Wait until a handler runs, or its call was refused."""
        with self._changed:
            assert self._changed.wait_for(
                lambda: name in self._inside or call.is_over, timeout=PATIENCE_S
            )

    def call_ended(self) -> None:
        with self._changed:
            self._changed.notify_all()

    def let_end(self, name: str) -> None:
        with self._changed:
            connection = self._inside.pop(name, None)
        if connection is not None:
            connection.close()

    def close(self) -> None:
        for name in list(self._inside):
            self.let_end(name)
        with socket.create_connection(("127.0.0.1", self.port)) as last:
            last.sendall(b"close\n")
        self._thread.join()
        self._server.close()


class Call:
    """One synchronous invocation, in a thread of its own."""

    def __init__(self, function: Function, gate: Gate, name: str, qualifier: str) -> None:
        self._function, self._gate = function, gate
        self._name, self._qualifier = name, qualifier
        self.is_over, self.request_id = False, ""
        self.thread = threading.Thread(target=self._run)
        self.thread.start()
        gate.wait_inside(name, self)

    def _run(self) -> None:
        payload = json.dumps({"port": self._gate.port, "name": self._name})
        try:
            answer = self._function.client.invoke(
                FunctionName=self._function.name, Qualifier=self._qualifier, Payload=payload
            )
        except ClientError as error:
            answer = error.response
        self.request_id = answer["ResponseMetadata"]["RequestId"]
        self.is_over = True
        self._gate.call_ended()


@pytest.fixture
def gate() -> Iterator[Gate]:
    gate = Gate()
    yield gate
    gate.close()


@pytest.fixture(scope="module")
def server() -> Iterator[Served]:
    served = Served("--seed", "1")
    served.control("PATCH", "settings", {"unreserved_minimum": 0})
    yield served
    served.stop()


@pytest.fixture
def limited(server: Served) -> Iterator[Served]:
    """A lab without a function, whose limits a test may change."""
    yield server
    client = server.client("lambda")
    for function in client.list_functions()["Functions"]:
        client.delete_function(FunctionName=function["FunctionName"])


def deployed(served: Served, scenario: LanesScenario) -> Function:
    """The function with its limits, version 1 published."""
    settings = {"account_concurrency": scenario.account_concurrency}
    served.control("PATCH", "settings", settings)
    function = create(served, HANDLER, Timeout=120)
    function.client.publish_version(FunctionName=function.name)
    served.control("POST", "advance", {"seconds": 2})
    if scenario.reserved_concurrency is not None:
        function.client.put_function_concurrency(
            FunctionName=function.name,
            ReservedConcurrentExecutions=scenario.reserved_concurrency,
        )
    if scenario.provisioned_concurrency:
        function.client.put_provisioned_concurrency_config(
            FunctionName=function.name,
            Qualifier="1",
            ProvisionedConcurrentExecutions=scenario.provisioned_concurrency,
        )
        served.control("POST", "settle", {})
        served.control("POST", "advance", {"seconds": 120})
    return function


def live(served: Served, gate: Gate, scenario: LanesScenario) -> list[Event]:
    """Play a scenario with real invocations; return the events, in the order of requests."""
    function = deployed(served, scenario)
    others = create(served, HANDLER, Timeout=120)
    held = [
        Call(others, gate, f"other {number}", "$LATEST")
        for number in range(scenario.neighbour_concurrency)
    ]
    steps = [(request.arrival_ms, 1, n) for n, request in enumerate(scenario.requests)]
    steps += [
        (request.arrival_ms + request.duration_ms + INIT_MS, 0, n)
        for n, request in enumerate(scenario.requests)
    ]
    calls: dict[int, Call] = {}
    for _, begins, number in sorted(steps):
        if begins:
            calls[number] = Call(function, gate, f"request {number}", "1")
        else:
            gate.let_end(f"request {number}")
            calls[number].thread.join(PATIENCE_S)
            assert calls[number].is_over
    for number, call in enumerate(held):
        gate.let_end(f"other {number}")
        call.thread.join(PATIENCE_S)
    return [Event.from_dict(record) for record in function.events()]


def told(events: list[Event]) -> list[tuple[Any, ...]]:
    """What became of each request, in the order of their arrival; environments by their number."""
    requests = [event.request_id for event in events if event.kind is EventKind.ACCEPTED]
    became: dict[str | None, tuple[Any, ...]] = {}
    environments: dict[str, int] = {}
    cold: set[str] = set()
    for event in events:
        if event.environment is not None and event.kind is EventKind.INIT_STARTED:
            if event.initialization_type == "on-demand":
                cold.add(event.environment)
        elif event.kind is EventKind.THROTTLED:
            became[event.request_id] = ("throttled", event.reason)
        elif event.kind is EventKind.INVOKE_STARTED and event.environment is not None:
            # Which of the idle provisioned environments is taken is left open.
            number = environments.setdefault(event.environment, len(environments))
            is_provisioned = event.initialization_type == "provisioned-concurrency"
            became[event.request_id] = (
                event.initialization_type,
                None if is_provisioned else number,
                event.environment in cold,
            )
            cold.discard(event.environment)
    return [became[request_id] for request_id in requests]


@pytest.mark.parametrize("name", SCENARIOS)
def test_live_and_virtual_requests_fare_the_same(limited: Served, gate: Gate, name: str) -> None:
    scenario = SCENARIOS[name]
    played = live(limited, gate, scenario)
    assert told(played) == told(simulate_lanes(replace(scenario, init_ms=INIT_MS)))
