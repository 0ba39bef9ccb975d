"""Provisioned concurrency through the API; what runs behind it is played by the bench."""

from __future__ import annotations

from typing import Any

import pytest

from labkit.live.provisioning import ProvisionedKey, ProvisionedState

NAME = {"FunctionName": "hello"}
ONE = {**NAME, "Qualifier": "1"}
LIVE = {**NAME, "Qualifier": "live"}


@pytest.fixture(autouse=True)
def created(bench: Any, client: Any) -> None:
    bench.create(Publish=True)
    client.update_function_configuration(**NAME, Description="a second version")
    bench.settle()
    client.publish_version(**NAME)
    client.create_alias(**NAME, Name="live", FunctionVersion="1")


def key(bench: Any, qualifier: str) -> ProvisionedKey:
    return ProvisionedKey(bench.region, "hello", qualifier)


def put(client: Any, qualifier: str = "1", count: int = 5) -> Any:
    return client.put_provisioned_concurrency_config(
        **NAME, Qualifier=qualifier, ProvisionedConcurrentExecutions=count
    )


def test_put_answers_at_once(bench: Any, client: Any) -> None:
    answer = put(client)
    assert answer.pop("ResponseMetadata")["HTTPStatusCode"] == 202
    assert answer == {
        "RequestedProvisionedConcurrentExecutions": 5,
        "AllocatedProvisionedConcurrentExecutions": 0,
        "AvailableProvisionedConcurrentExecutions": 0,
        "Status": "IN_PROGRESS",
        "LastModified": "2026-01-01T00:00:02.000+0000",
    }
    assert bench.lab.provisioned == {key(bench, "1"): [("1", 5)]}


def test_get_list_delete(bench: Any, client: Any, refused: Any) -> None:
    put(client)
    bench.lab.ready = ProvisionedState(5, 5, "READY", None)
    found = client.get_provisioned_concurrency_config(**ONE)
    assert (found["Status"], found["AvailableProvisionedConcurrentExecutions"]) == ("READY", 5)
    (listed,) = client.list_provisioned_concurrency_configs(**NAME)["ProvisionedConcurrencyConfigs"]
    assert listed["FunctionArn"] == bench.arn(qualifier="1")
    assert listed["AllocatedProvisionedConcurrentExecutions"] == 5
    gone = client.delete_provisioned_concurrency_config(**ONE)
    assert gone["ResponseMetadata"]["HTTPStatusCode"] == 204
    assert bench.lab.provisioned == {}
    client.delete_provisioned_concurrency_config(**ONE)  # is no error
    missing = refused(client.get_provisioned_concurrency_config, **ONE)
    assert (missing.status, missing.code, missing.message) == (
        404,
        "ProvisionedConcurrencyConfigNotFoundException",
        "No Provisioned Concurrency Config found for this function",
    )


def test_a_failed_allocation_says_why(bench: Any, client: Any) -> None:
    put(client)
    bench.lab.ready = ProvisionedState(0, 0, "FAILED", "FUNCTION_ERROR_INIT_FAILURE")
    found = client.get_provisioned_concurrency_config(**ONE)
    assert (found["Status"], found["StatusReason"]) == ("FAILED", "FUNCTION_ERROR_INIT_FAILURE")


def test_it_counts_in_the_pool(client: Any) -> None:
    put(client, count=7)
    limit = client.get_account_settings()["AccountLimit"]
    assert limit["UnreservedConcurrentExecutions"] == 993
    client.put_function_concurrency(**NAME, ReservedConcurrentExecutions=10)
    limit = client.get_account_settings()["AccountLimit"]
    assert limit["UnreservedConcurrentExecutions"] == 990


@pytest.mark.parametrize("qualifier", ["$LATEST", "latest"])
def test_not_for_the_unpublished_version(client: Any, refused: Any, qualifier: str) -> None:
    client.create_alias(**NAME, Name="latest", FunctionVersion="$LATEST")
    found = refused(put, client=client, qualifier=qualifier)
    assert (found.status, found.message) == (
        400,
        "Provisioned Concurrency Configs cannot be applied to unpublished function versions.",
    )


@pytest.mark.parametrize("operation", ["get", "delete"])
def test_nothing_to_see_of_latest(client: Any, refused: Any, operation: str) -> None:
    call = getattr(client, f"{operation}_provisioned_concurrency_config")
    found = refused(call, **NAME, Qualifier="$LATEST")
    assert (found.status, found.message) == (
        400,
        "The function resource provided must be an alias or a published version.",
    )


@pytest.mark.parametrize("operation", ["get", "delete", "put"])
def test_unknown_qualifiers(bench: Any, client: Any, refused: Any, operation: str) -> None:
    call = getattr(client, f"{operation}_provisioned_concurrency_config")
    more = {"ProvisionedConcurrentExecutions": 1} if operation == "put" else {}
    found = refused(call, **NAME, Qualifier="9", **more)
    assert found.message == f"Function not found: {bench.arn(qualifier='9')}"
    found = refused(call, **NAME, Qualifier="nobody", **more)
    assert found.message == f"Cannot find alias arn: {bench.arn(qualifier='nobody')}"
    found = refused(call, FunctionName="nothing", Qualifier="1", **more)
    assert found.message == f"Function not found: {bench.arn('nothing', '1')}"


def test_unknown_function_in_a_list(bench: Any, client: Any, refused: Any) -> None:
    found = refused(client.list_provisioned_concurrency_configs, FunctionName="nothing")
    assert (found.status, found.message) == (404, f"Function not found: {bench.arn('nothing')}")


def test_one_at_least(client: Any, refused: Any) -> None:
    found = refused(put, client=client, count=0)
    assert (found.status, found.code) == (400, "ValidationException")
    assert found.message.endswith("Member must have value greater than or equal to 1")


def test_above_the_reservation(client: Any, refused: Any) -> None:
    client.put_function_concurrency(**NAME, ReservedConcurrentExecutions=5)
    put(client, "1", 3)
    found = refused(put, client=client, qualifier="2", count=3)
    assert found.message == (
        "Requested Provisioned Concurrency should not be greater than the "
        "reservedConcurrentExecution for function"
    )
    put(client, "2", 2)
    put(client, "1", 1)


def test_above_the_account(client: Any, refused: Any) -> None:
    found = refused(put, client=client, count=1_001)
    assert found.message == (
        "Specified ConcurrentExecutions for function is greater than account's unreserved "
        "concurrency [1000]."
    )
    found = refused(put, client=client, count=901)
    assert found.message == (
        "Specified ConcurrentExecutions for function decreases account's "
        "UnreservedConcurrentExecution below its minimum value of [100]."
    )


def test_more_than_this_machine_holds(client: Any, refused: Any) -> None:
    put(client, "1", 30)
    found = refused(put, client=client, qualifier="2", count=21)
    assert "holds at most 50 execution environments" in found.message
    put(client, "2", 20)


def test_alias_and_version_exclude_each_other(client: Any, refused: Any) -> None:
    put(client, "1")
    found = refused(put, client=client, qualifier="live")
    assert (found.status, found.code) == (409, "ResourceConflictException")
    assert found.message == (
        "Alias can't be used for Provisioned Concurrency configuration on an already Provisioned "
        "version"
    )
    client.delete_provisioned_concurrency_config(**ONE)
    put(client, "live")
    found = refused(put, client=client, qualifier="1")
    assert (found.status, found.message) == (
        409,
        "Version is pointed by a Provisioned Concurrency alias",
    )
    put(client, "2")


def test_an_alias_is_configured_under_its_name_only(bench: Any, client: Any, refused: Any) -> None:
    put(client, "live")
    assert bench.lab.provisioned == {key(bench, "live"): [("1", 5)]}
    assert refused(client.get_provisioned_concurrency_config, **ONE).status == 404
    assert client.get_provisioned_concurrency_config(**LIVE)["Status"] == "IN_PROGRESS"


def test_it_moves_with_its_alias(bench: Any, client: Any, refused: Any) -> None:
    put(client, "live")
    client.update_alias(**NAME, Name="live", Description="nothing moves")
    client.update_alias(**NAME, Name="live", FunctionVersion="2")
    assert bench.lab.provisioned == {key(bench, "live"): [("2", 5)]}
    weights = {"AdditionalVersionWeights": {"1": 0.4}}
    client.update_alias(**NAME, Name="live", RoutingConfig=weights)
    assert bench.lab.provisioned == {key(bench, "live"): [("1", 2), ("2", 3)]}
    found = refused(put, client=client, qualifier="1")
    assert found.message == "Version is pointed by a Provisioned Concurrency alias"


def test_where_a_provisioned_alias_may_not_go(bench: Any, client: Any, refused: Any) -> None:
    put(client, "live")
    put(client, "2")
    found = refused(client.update_alias, **NAME, Name="live", FunctionVersion="2")
    assert found.status == 409
    found = refused(client.update_alias, **NAME, Name="live", FunctionVersion="$LATEST")
    assert found.status == 400
    assert client.get_alias(**NAME, Name="live")["FunctionVersion"] == "1"
    assert bench.lab.provisioned[key(bench, "live")] == [("1", 5)]


def test_it_goes_with_what_it_belongs_to(bench: Any, client: Any) -> None:
    put(client, "live")
    client.delete_alias(**NAME, Name="live")
    assert bench.lab.provisioned == {}
    put(client, "2")
    client.delete_function(FunctionName="hello:2")
    assert bench.lab.provisioned == {}
    put(client, "1")
    client.delete_function(**NAME)
    assert bench.lab.provisioned == {}


def test_not_while_the_version_is_pending(bench: Any, client: Any, refused: Any) -> None:
    bench.create("new", Publish=True, active=False)
    found = refused(
        client.put_provisioned_concurrency_config,
        FunctionName="new",
        Qualifier="1",
        ProvisionedConcurrentExecutions=1,
    )
    assert (found.status, found.code) == (409, "ResourceConflictException")


def test_not_with_snap_start(bench: Any, client: Any, refused: Any) -> None:
    bench.create("snap", Publish=True, SnapStart={"ApplyOn": "PublishedVersions"})
    found = refused(
        client.put_provisioned_concurrency_config,
        FunctionName="snap",
        Qualifier="1",
        ProvisionedConcurrentExecutions=1,
    )
    assert "cannot be combined with SnapStart" in found.message
