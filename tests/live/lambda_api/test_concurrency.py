"""Reserved concurrency through the API."""

from __future__ import annotations

from typing import Any

import pytest

NAME = {"FunctionName": "hello"}


@pytest.fixture(autouse=True)
def created(bench: Any) -> None:
    bench.create(Publish=True)


def unreserved(client: Any) -> int:
    return client.get_account_settings()["AccountLimit"]["UnreservedConcurrentExecutions"]


def test_put_get_delete(bench: Any, client: Any) -> None:
    assert "ReservedConcurrentExecutions" not in client.get_function_concurrency(**NAME)
    assert "Concurrency" not in client.get_function(**NAME)
    put = client.put_function_concurrency(**NAME, ReservedConcurrentExecutions=100)
    assert put["ReservedConcurrentExecutions"] == 100
    assert client.get_function_concurrency(**NAME)["ReservedConcurrentExecutions"] == 100
    assert client.get_function(**NAME)["Concurrency"] == {"ReservedConcurrentExecutions": 100}
    assert (bench.lab.reserved, unreserved(client)) == ({"hello": 100}, 900)
    gone = client.delete_function_concurrency(**NAME)
    assert gone["ResponseMetadata"]["HTTPStatusCode"] == 204
    assert (bench.lab.reserved, unreserved(client)) == ({"hello": None}, 1_000)
    assert "ReservedConcurrentExecutions" not in client.get_function_concurrency(**NAME)


def test_zero_is_a_reservation(client: Any) -> None:
    client.put_function_concurrency(**NAME, ReservedConcurrentExecutions=0)
    assert client.get_function_concurrency(**NAME)["ReservedConcurrentExecutions"] == 0
    assert client.get_function(**NAME)["Concurrency"] == {"ReservedConcurrentExecutions": 0}


def test_the_unreserved_minimum(bench: Any, client: Any, refused: Any) -> None:
    bench.create("other")
    client.put_function_concurrency(FunctionName="other", ReservedConcurrentExecutions=300)
    client.put_function_concurrency(**NAME, ReservedConcurrentExecutions=600)
    found = refused(client.put_function_concurrency, **NAME, ReservedConcurrentExecutions=601)
    assert (found.status, found.code) == (400, "InvalidParameterValueException")
    assert found.message == (
        "Specified ReservedConcurrentExecutions for function decreases account's "
        "UnreservedConcurrentExecution below its minimum value of [100]."
    )
    assert client.get_function_concurrency(**NAME)["ReservedConcurrentExecutions"] == 600


def test_not_below_what_is_provisioned(client: Any, refused: Any) -> None:
    client.put_provisioned_concurrency_config(
        **NAME, Qualifier="1", ProvisionedConcurrentExecutions=2
    )
    found = refused(client.put_function_concurrency, **NAME, ReservedConcurrentExecutions=1)
    assert found.message == (
        " ReservedConcurrentExecutions  1 should not be lower than function's total provisioned "
        "concurrency [2]."
    )
    client.put_function_concurrency(**NAME, ReservedConcurrentExecutions=2)


def test_a_deleted_function_gives_its_reservation_back(bench: Any, client: Any) -> None:
    client.put_function_concurrency(**NAME, ReservedConcurrentExecutions=100)
    client.delete_function(**NAME)
    assert (bench.lab.reserved, unreserved(client)) == ({"hello": None}, 1_000)


@pytest.mark.parametrize("operation", ["put", "get", "delete"])
def test_refusals(bench: Any, client: Any, refused: Any, operation: str) -> None:
    call = getattr(client, f"{operation}_function_concurrency")
    more = {"ReservedConcurrentExecutions": 1} if operation == "put" else {}
    found = refused(call, FunctionName="nothing", **more)
    assert (found.status, found.message) == (404, f"Function not found: {bench.arn('nothing')}")
    found = refused(call, FunctionName="hello:1", **more)
    assert found.status == 400
    assert found.message.startswith("This operation is permitted on Lambda functions only.")


def test_not_below_zero(client: Any, refused: Any) -> None:
    found = refused(client.put_function_concurrency, **NAME, ReservedConcurrentExecutions=-1)
    assert (found.status, found.code) == (400, "ValidationException")
    assert found.message.endswith("Member must have value greater than or equal to 0")
