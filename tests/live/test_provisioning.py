"""Provisioned concurrency with real environments."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from harness import Function, Served, activate, create

HOW = """
import os, time
made = []
def handler(event, context):
    if event.get("exit"):
        os._exit(1)
    time.sleep(event.get("seconds", 0))
    made.append(1)
    return [os.environ["AWS_LAMBDA_INITIALIZATION_TYPE"], context.function_version, len(made)]
"""
FAILS_AHEAD = """
import os
if os.environ["AWS_LAMBDA_INITIALIZATION_TYPE"] != "on-demand":
    raise RuntimeError("not ahead of time")
def handler(event, context): return "served"
"""
AHEAD, ON_DEMAND = "provisioned-concurrency", "on-demand"


@pytest.fixture(scope="module")
def lab() -> Iterator[Served]:
    served = Served("--seed", "1")
    yield served
    served.stop()


class Provisioned(Function):
    """A function with a version 1, and an alias "live" of it."""

    def __init__(self, served: Served, code: str = HOW, **options: Any) -> None:
        super().__init__(served, create(served, code, Publish=True, **options).name)
        self.named = {"FunctionName": self.name}
        self.client.create_alias(**self.named, Name="live", FunctionVersion="1")

    def provision(self, count: int, qualifier: str = "1", *, settled: bool = True) -> None:
        self.client.put_provisioned_concurrency_config(
            **self.named, Qualifier=qualifier, ProvisionedConcurrentExecutions=count
        )
        if settled:
            assert self.served.control("POST", "settle", {})["settled"]

    def figures(self, qualifier: str = "1") -> tuple[str, int, int, int]:
        found = self.client.get_provisioned_concurrency_config(**self.named, Qualifier=qualifier)
        return (
            found["Status"],
            found["RequestedProvisionedConcurrentExecutions"],
            found["AllocatedProvisionedConcurrentExecutions"],
            found["AvailableProvisionedConcurrentExecutions"],
        )

    def how(self, qualifier: str = "1", **event: Any) -> Any:
        try:
            return self.invoke(event, Qualifier=qualifier)["Payload"]
        except ClientError as error:
            return error.response["Reason"]

    def wait_for(self, kind: str) -> None:
        last = 0
        while not self.events(kind):
            last = self.served.control("GET", f"events?after={last}&wait_s=10")["last"]

    def at_once(self, count: int, qualifier: str = "1") -> Counter[str]:
        with ThreadPoolExecutor(count) as pool:
            answers = pool.map(lambda _: self.how(qualifier, seconds=1), range(count))
        return Counter(one if isinstance(one, str) else one[0] for one in answers)

    def changes(self) -> list[tuple[Any, ...]]:
        fields = ("version", "qualifier", "reason", "requested", "allocated")
        return [tuple(e[field] for field in fields) for e in self.events("provisioned_changed")]

    def publish(self) -> None:
        self.client.update_function_configuration(**self.named, Description="the next version")
        activate(self.served, self.name)
        self.client.publish_version(**self.named)


def test_from_order_to_readiness(lab: Served) -> None:
    function = Provisioned(lab)
    function.provision(2, settled=False)
    assert function.figures() == ("IN_PROGRESS", 2, 0, 0)
    assert function.how()[0] == ON_DEMAND
    moved = lab.control("POST", "advance", {"seconds": 59})
    assert (function.figures(), moved["settled"]) == (("IN_PROGRESS", 2, 0, 0), False)
    lab.control("POST", "advance", {"seconds": 32})
    assert function.figures() == ("READY", 2, 2, 2)
    assert function.how() == [AHEAD, "1", 1]
    assert function.changes() == [("1", "1", "IN_PROGRESS", 2, 0), ("1", "1", "READY", 2, 2)]
    inits = [e for e in function.events("init_ended") if e["initialization_type"] == AHEAD]
    assert len(inits) == 2
    assert all(e["billed_ms"] >= e["init_ms"] and e["memory_mb"] == 128 for e in inits)
    ended = function.events("invoke_ended")[-1]
    assert ended["initialization_type"] == AHEAD
    assert "init_ms" not in ended  # it was billed by itself, before
    assert sum(line.startswith("INIT_REPORT Init Duration: ") for line in function.log()) == 2


def test_spillover(lab: Served) -> None:
    function = Provisioned(lab)
    function.provision(2)
    assert function.at_once(5) == {AHEAD: 2, ON_DEMAND: 3}
    assert function.at_once(2) == {AHEAD: 2}
    assert function.how("$LATEST")[0] == ON_DEMAND


def test_provisioned_as_large_as_the_reservation(lab: Served) -> None:
    function = Provisioned(lab)
    function.client.put_function_concurrency(**function.named, ReservedConcurrentExecutions=1)
    function.provision(1)
    reason = "ReservedFunctionConcurrentInvocationLimitExceeded"
    assert function.how("$LATEST") == reason
    assert function.at_once(2) == {AHEAD: 1, reason: 1}


def test_an_alias_serves_its_version_and_takes_it_along(lab: Served) -> None:
    function = Provisioned(lab)
    function.publish()
    function.provision(1, "live")
    assert [function.how(qualifier)[:2] for qualifier in ("live", "1", "2")] == [
        [AHEAD, "1"],
        [AHEAD, "1"],
        [ON_DEMAND, "2"],
    ]
    function.client.update_alias(**function.named, Name="live", FunctionVersion="2")
    assert function.figures("live") == ("IN_PROGRESS", 1, 0, 0)
    assert function.how("1")[0] == function.how("live")[0] == ON_DEMAND
    lab.control("POST", "settle", {})
    assert (function.figures("live"), function.how("2")[0]) == (("READY", 1, 1, 1), AHEAD)
    assert function.changes() == [
        ("1", "live", "IN_PROGRESS", 1, 0),
        ("1", "live", "READY", 1, 1),
        ("1", "live", "DELETED", 0, 0),
        ("2", "live", "IN_PROGRESS", 1, 0),
        ("2", "live", "READY", 1, 1),
    ]


def test_an_alias_with_two_versions_shares(lab: Served) -> None:
    function = Provisioned(lab)
    function.publish()
    weights = {"AdditionalVersionWeights": {"2": 0.5}}
    function.client.update_alias(**function.named, Name="live", RoutingConfig=weights)
    function.provision(4, "live")
    assert function.figures("live") == ("READY", 4, 4, 4)
    assert function.at_once(3, "1") == function.at_once(3, "2") == {AHEAD: 2, ON_DEMAND: 1}


def test_code_that_cannot_start_ahead(lab: Served) -> None:
    function = Provisioned(lab, FAILS_AHEAD)
    function.provision(3)
    found = function.client.get_provisioned_concurrency_config(**function.named, Qualifier="1")
    assert (found["Status"], found["StatusReason"]) == ("FAILED", "FUNCTION_ERROR_INIT_FAILURE")
    assert function.figures() == ("FAILED", 3, 0, 0)
    assert function.how() == "served"
    starts = function.events("init_started")
    assert Counter(e["initialization_type"] for e in starts) == {AHEAD: 6, ON_DEMAND: 1}
    logs = lab.client("logs")
    group = f"/aws/lambda/{function.name}"
    assert len(logs.describe_log_streams(logGroupName=group)["logStreams"]) == 7
    assert function.changes()[-1] == ("1", "1", "FAILED", 3, 0)


def test_more_and_fewer(lab: Served) -> None:
    function = Provisioned(lab)
    function.provision(1)
    function.provision(3, settled=False)
    assert function.figures() == ("IN_PROGRESS", 3, 1, 1)
    assert function.how()[0] == AHEAD
    lab.control("POST", "settle", {})
    assert (function.figures(), function.at_once(4)) == (
        ("READY", 3, 3, 3),
        {AHEAD: 3, ON_DEMAND: 1},
    )
    function.provision(1)
    assert (function.figures(), function.at_once(2)) == (
        ("READY", 1, 1, 1),
        {AHEAD: 1, ON_DEMAND: 1},
    )
    ended = function.events("environment_ended")
    assert [e["initialization_type"] for e in ended] == [AHEAD, AHEAD]


def test_deleting_lets_what_runs_end(lab: Served) -> None:
    function = Provisioned(lab)
    function.provision(2)
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(function.how, seconds=1)
        function.wait_for("invoke_started")
        function.client.delete_provisioned_concurrency_config(**function.named, Qualifier="1")
        assert len(function.events("environment_ended")) == 1
        assert running.result() == [AHEAD, "1", 1]
    assert function.how()[0] == ON_DEMAND
    assert len(function.events("environment_ended")) == 2


def test_deleting_an_allocation_on_its_way(lab: Served) -> None:
    function = Provisioned(lab)
    function.provision(2, settled=False)
    function.client.delete_provisioned_concurrency_config(**function.named, Qualifier="1")
    lab.control("POST", "settle", {})
    assert function.events("init_started") == []
    assert function.changes()[-1] == ("1", "1", "DELETED", 0, 0)


def test_a_crash_keeps_the_place(lab: Served) -> None:
    function = Provisioned(lab)
    function.provision(1)
    assert function.how(exit=True)["errorType"] == "Runtime.ExitError"
    assert function.how() == [AHEAD, "1", 1]
    assert function.figures() == ("READY", 1, 1, 1)


def test_they_do_not_end_for_being_idle(lab: Served) -> None:
    function = Provisioned(lab)
    function.provision(1)
    lab.control("POST", "advance", {"seconds": 86_400})
    assert function.how() == [AHEAD, "1", 1]


def test_a_reset_forgets_it(own_server: Served) -> None:
    ready, ordered = Provisioned(own_server), Provisioned(own_server)
    ready.provision(2)
    ordered.provision(2, settled=False)
    own_server.control("POST", "reset", {})
    assert own_server.control("POST", "settle", {})["settled"]
    assert len(ready.events("environment_ended")) == 2
    assert ordered.events("init_started") == []
    limit = ready.client.get_account_settings()["AccountLimit"]
    assert limit["UnreservedConcurrentExecutions"] == 1_000


def test_the_machine_holds_no_more(own_server: Served) -> None:
    own_server.control("PATCH", "settings", {"max_environments": 2})
    function, other = Provisioned(own_server), Provisioned(own_server)
    assert other.how()[0] == ON_DEMAND
    function.provision(2)  # the idle environment makes room
    assert [
        e["function"] for e in function.served.events() if e["kind"] == "environment_ended"
    ] == [other.name]
    assert other.how() == "ConcurrentInvocationLimitExceeded"
    assert function.at_once(2) == {AHEAD: 2}
    with pytest.raises(ClientError, match="max_environments"):
        other.provision(1)


def test_the_next_order_replaces_an_environment_that_the_lab_failed_with(tmp_path: Path) -> None:
    served = Served("--seed", "1", TMPDIR=str(tmp_path))
    try:
        function = Provisioned(served)
        function.provision(2)
        function.how(exit=True)
        (folder,) = tmp_path.glob("labkit-*/tmp")
        folder.rename(folder.with_name("hidden"))
        folder.touch()  # no environment can start now
        with pytest.raises(ClientError, match="ServiceException"):
            function.invoke({}, Qualifier="1")
        folder.unlink()
        folder.with_name("hidden").rename(folder)
        function.provision(3)
        assert function.at_once(3) == {AHEAD: 3}
    finally:
        served.stop()
