from __future__ import annotations

from typing import Any

import pytest

UNKNOWN = [
    ("get_function", {}),
    ("get_function_configuration", {}),
    ("delete_function", {}),
    ("update_function_code", {"ZipFile": b"x"}),
    ("update_function_configuration", {"Timeout": 5}),
    ("publish_version", {}),
    ("list_versions_by_function", {}),
    ("list_aliases", {}),
    ("delete_alias", {"Name": "a"}),
    ("get_function_code_signing_config", {}),
    ("get_function_recursion_config", {}),
    ("get_runtime_management_config", {}),
]


@pytest.mark.parametrize(("operation", "given"), UNKNOWN)
def test_unknown_function(
    bench: Any, client: Any, refused: Any, operation: str, given: dict[str, Any]
) -> None:
    found = refused(getattr(client, operation), FunctionName="nobody", **given)
    assert (found.status, found.code) == (404, "ResourceNotFoundException")
    assert found.message == f"Function not found: {bench.arn('nobody')}"
    assert found.body["Type"] == "User"
    assert found.body["Message"] == found.message


@pytest.mark.parametrize("operation", ["get_function", "get_function_configuration"])
def test_unknown_version(bench: Any, client: Any, refused: Any, operation: str) -> None:
    bench.create()
    found = refused(getattr(client, operation), FunctionName="hello", Qualifier="1221")
    assert found.message == f"Function not found: {bench.arn(qualifier='1221')}"


@pytest.mark.parametrize("operation", ["get_function", "get_function_configuration"])
def test_two_qualifiers_that_differ(bench: Any, client: Any, refused: Any, operation: str) -> None:
    found = refused(getattr(client, operation), FunctionName="hello:1", Qualifier="2")
    assert (found.status, found.code) == (400, "InvalidParameterValueException")
    assert found.message == (
        "The derived qualifier from the function name does not match the specified qualifier."
    )


def test_get_by_qualifier_gives_a_qualified_arn(bench: Any, client: Any) -> None:
    bench.create(Publish=True)
    client.create_alias(FunctionName="hello", Name="live", FunctionVersion="1")
    for qualifier, version in (("$LATEST", "$LATEST"), ("1", "1"), ("live", "1")):
        found = client.get_function_configuration(FunctionName="hello", Qualifier=qualifier)
        assert found["FunctionArn"] == bench.arn(qualifier=qualifier)
        assert found["Version"] == version


def test_download_of_the_code(bench: Any, client: Any) -> None:
    bench.create()
    location = client.get_function(FunctionName="hello")["Code"]["Location"]
    base, token = location.rsplit("/", 1)
    assert base == "http://127.0.0.1:4000/_lab/code"
    assert len(token) >= 32
    assert bench.api.code_by_token(token) == bench.code
    assert bench.api.code_by_token("guess") is None


def test_list_in_pages(bench: Any, client: Any) -> None:
    names = [f"f{number:02}" for number in range(7)]
    for name in names:
        bench.create(name, active=False)
    pages = list(client.get_paginator("list_functions").paginate(PaginationConfig={"PageSize": 3}))
    assert [len(page["Functions"]) for page in pages] == [3, 3, 1]
    found = [one for page in pages for one in page["Functions"]]
    assert [one["FunctionName"] for one in found] == names
    assert {"State", "LastUpdateStatus", "RuntimeVersionConfig"}.isdisjoint(found[0])


def test_list_gives_fifty_at_most(bench: Any, client: Any) -> None:
    for number in range(51):
        bench.create(f"f{number}", active=False)
    first = client.list_functions(MaxItems=10_000)
    assert len(first["Functions"]) == 50
    assert len(client.list_functions(Marker=first["NextMarker"])["Functions"]) == 1


def test_list_of_all_versions(bench: Any, client: Any) -> None:
    bench.create(Publish=True)
    bench.create("other")
    assert [
        one["FunctionArn"] for one in client.list_functions(FunctionVersion="ALL")["Functions"]
    ] == [bench.arn(qualifier="$LATEST"), bench.arn(qualifier="1"), bench.arn("other", "$LATEST")]
    assert [one["FunctionArn"] for one in client.list_functions()["Functions"]] == [
        bench.arn(),
        bench.arn("other"),
    ]


def test_list_refusals(client: Any, refused: Any) -> None:
    found = refused(client.list_functions, FunctionVersion="invalid")
    assert (found.status, found.code) == (400, "ValidationException")
    assert found.message == (
        "1 validation error detected: Value 'invalid' at 'functionVersion' failed to satisfy "
        "constraint: Member must satisfy enum value set: [ALL]"
    )
    assert refused(client.list_functions, Marker="nonsense").status == 400
    assert refused(client.list_functions, MaxItems=0).message.endswith(
        "Member must have value greater than or equal to 1"
    )


def test_delete_takes_everything_along(bench: Any, client: Any, refused: Any) -> None:
    bench.create(Publish=True)
    identities = {
        bench.api.resolve("hello", qualifier, bench.region).deployment.identity
        for qualifier in (None, "1")
    }
    client.delete_function(FunctionName="hello")
    assert refused(client.get_function, FunctionName="hello").status == 404
    assert set(bench.lab.retired) == identities
    assert bench.folders() == []


def test_delete_while_pending_and_create_again(bench: Any, client: Any) -> None:
    bench.create(active=False)
    client.delete_function(FunctionName="hello")
    bench.create(active=False, MemorySize=256)
    bench.settle()
    found = client.get_function_configuration(FunctionName="hello")
    assert (found["State"], found["MemorySize"]) == ("Active", 256)
    assert bench.lab.retired == []


def test_delete_refusals(bench: Any, client: Any, refused: Any) -> None:
    bench.create(Publish=True)
    client.create_alias(FunctionName="hello", Name="live", FunctionVersion="1")
    latest = refused(client.delete_function, FunctionName="hello", Qualifier="$LATEST")
    assert latest.message == "$LATEST version cannot be deleted without deleting the function."
    alias = refused(client.delete_function, FunctionName="hello", Qualifier="live")
    assert alias.message == "Deletion of aliases is not currently supported."
    used = refused(client.delete_function, FunctionName="hello", Qualifier="1")
    assert (used.status, used.message) == (
        409,
        "Unable to delete version because the following aliases reference it: [live]",
    )


def test_delete_one_version(bench: Any, client: Any, refused: Any) -> None:
    bench.create(Publish=True)
    client.delete_function(FunctionName="hello", Qualifier="1")
    client.delete_function(FunctionName="hello", Qualifier="1")
    assert refused(client.get_function, FunctionName="hello", Qualifier="1").status == 404
    assert client.get_function(FunctionName="hello")["Configuration"]["State"] == "Active"


def test_reset_forgets_all_and_leaves_nothing_on_disk(bench: Any, client: Any) -> None:
    bench.create()
    bench.create("pending", active=False)
    identity = bench.api.resolve("hello", None, bench.region).deployment.identity
    bench.api.reset()
    bench.settle()
    assert client.list_functions()["Functions"] == []
    assert bench.lab.retired == [identity]
    assert bench.folders() == []
