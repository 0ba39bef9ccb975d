from __future__ import annotations

from typing import Any

import pytest

STALE = (
    "The Revision Id provided does not match the latest Revision Id. Call the GetFunction/GetAlias "
    "API to retrieve the latest Revision Id"
)


def update(bench: Any, client: Any, **given: Any) -> None:
    client.update_function_configuration(FunctionName="hello", **given)
    bench.settle()


def test_publish_and_list(bench: Any, client: Any) -> None:
    bench.create(Description="of latest")
    answer = client.publish_version(FunctionName="hello", Description="first")
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 201
    assert answer["FunctionArn"] == bench.arn(qualifier="1")
    assert (answer["Version"], answer["Description"]) == ("1", "first")
    assert (answer["State"], answer["LastUpdateStatus"]) == ("Active", "Successful")
    listed = client.list_versions_by_function(FunctionName="hello")["Versions"]
    assert [one["FunctionArn"] for one in listed] == [
        bench.arn(qualifier="$LATEST"),
        bench.arn(qualifier="1"),
    ]
    assert [one["Description"] for one in listed] == ["of latest", "first"]
    assert "State" not in listed[0]


def test_publishing_the_unchanged_returns_the_last_version(bench: Any, client: Any) -> None:
    bench.create()
    first = client.publish_version(FunctionName="hello", Description="first")
    again = client.publish_version(FunctionName="hello", Description="again")
    assert (again["Version"], again["RevisionId"]) == ("1", first["RevisionId"])
    update(bench, client, Description="changed")
    assert client.publish_version(FunctionName="hello")["Version"] == "2"


def test_publishing_gives_latest_a_new_revision(bench: Any, client: Any) -> None:
    bench.create()
    before = client.get_function_configuration(FunctionName="hello")["RevisionId"]
    client.publish_version(FunctionName="hello")
    after = client.get_function_configuration(FunctionName="hello")["RevisionId"]
    assert before != after
    client.publish_version(FunctionName="hello")
    assert client.get_function_configuration(FunctionName="hello")["RevisionId"] == after


def test_numbers_are_never_used_again(bench: Any, client: Any) -> None:
    bench.create(Publish=True)
    client.delete_function(FunctionName="hello", Qualifier="1")
    assert client.publish_version(FunctionName="hello")["Version"] == "2"


def test_versions_keep_code_and_configuration(bench: Any, client: Any) -> None:
    bench.create(Timeout=5, Publish=True)
    client.update_function_code(FunctionName="hello", ZipFile=bench.zip({"app.py": "new = 1"}))
    bench.settle()
    update(bench, client, Timeout=6)
    old = bench.api.resolve("hello", "1", bench.region).deployment
    new = bench.api.resolve("hello", None, bench.region).deployment
    assert (old.version, old.configuration.timeout_s) == ("1", 5)
    assert (new.version, new.configuration.timeout_s) == ("$LATEST", 6)
    assert "def handler" in (old.task_dir / "app.py").read_text()
    assert old.identity != new.identity
    found = client.get_function_configuration(FunctionName="hello", Qualifier="1")
    assert found["Timeout"] == 5


def test_publish_on_create(bench: Any, client: Any) -> None:
    answer = bench.create(Publish=True, active=False)
    assert (answer["Version"], answer["State"]) == ("1", "Pending")
    assert answer["FunctionArn"] == bench.arn()
    bench.settle()
    one = client.get_function_configuration(FunctionName="hello", Qualifier="1")
    latest = client.get_function_configuration(FunctionName="hello")
    assert one["State"] == latest["State"] == "Active"
    assert one["RevisionId"] != latest["RevisionId"]


def test_publish_on_update_of_code(bench: Any, client: Any) -> None:
    bench.create()
    answer = client.update_function_code(
        FunctionName="hello", ZipFile=bench.zip({"app.py": "new = 1"}), Publish=True
    )
    assert (answer["Version"], answer["State"]) == ("1", "Pending")
    assert answer["FunctionArn"] == bench.arn(qualifier="1")
    assert "LastUpdateStatus" not in answer
    latest = client.get_function_configuration(FunctionName="hello", Qualifier="$LATEST")
    assert (latest["State"], latest["LastUpdateStatus"]) == ("Active", "InProgress")
    bench.settle()
    assert client.publish_version(FunctionName="hello")["Version"] == "1"


def test_publish_checks_the_hash(bench: Any, client: Any, refused: Any) -> None:
    created = bench.create()
    found = refused(client.publish_version, FunctionName="hello", CodeSha256="x")
    assert (found.status, found.code) == (400, "InvalidParameterValueException")
    assert found.message == (
        f"CodeSHA256 (x) is different from current CodeSHA256 in $LATEST "
        f"({created['CodeSha256']}). Please try again with the CodeSHA256 in $LATEST."
    )
    client.publish_version(FunctionName="hello", CodeSha256=created["CodeSha256"])


def test_snap_start_is_on_for_published_versions(bench: Any, client: Any) -> None:
    bench.create(SnapStart={"ApplyOn": "PublishedVersions"})
    answer = client.publish_version(FunctionName="hello")
    assert answer["SnapStart"] == {"ApplyOn": "PublishedVersions", "OptimizationStatus": "On"}


@pytest.fixture
def two_versions(bench: Any, client: Any) -> Any:
    bench.create(Publish=True)
    update(bench, client, Timeout=9)
    client.publish_version(FunctionName="hello")
    return client


def test_alias_life(bench: Any, two_versions: Any, refused: Any) -> None:
    client = two_versions
    answer = client.create_alias(FunctionName="hello", Name="live", FunctionVersion="1")
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 201
    answer.pop("ResponseMetadata")
    revision = answer["RevisionId"]
    assert answer == {
        "AliasArn": bench.arn(qualifier="live"),
        "Name": "live",
        "FunctionVersion": "1",
        "Description": "",
        "RevisionId": revision,
    }
    updated = client.update_alias(
        FunctionName="hello",
        Name="live",
        FunctionVersion="2",
        Description="moved",
        RevisionId=revision,
    )
    assert updated["RevisionId"] != revision
    found = client.get_alias(FunctionName="hello", Name="live")
    assert (found["FunctionVersion"], found["Description"]) == ("2", "moved")
    deleted = client.delete_alias(FunctionName="hello", Name="live")
    assert deleted["ResponseMetadata"]["HTTPStatusCode"] == 204
    assert refused(client.get_alias, FunctionName="hello", Name="live").message == (
        f"Cannot find alias arn: {bench.arn(qualifier='live')}"
    )
    client.delete_alias(FunctionName="hello", Name="live")


def test_alias_list_by_version(two_versions: Any) -> None:
    client = two_versions
    for name, version in (("b", "1"), ("a", "2"), ("c", "$LATEST")):
        client.create_alias(FunctionName="hello", Name=name, FunctionVersion=version)
    names = [one["Name"] for one in client.list_aliases(FunctionName="hello")["Aliases"]]
    assert names == ["a", "b", "c"]
    listed = client.list_aliases(FunctionName="hello", FunctionVersion="2")["Aliases"]
    assert [one["Name"] for one in listed] == ["a"]


WEIGHT_RULE = (
    "Map value must satisfy constraint: [Member must have value less than or equal to 1.0, Member "
    "must have value greater than or equal to 0.0, Member must not be null]"
)
ALIAS_REFUSALS: list[tuple[dict[str, Any], int, str, str]] = [
    (
        {"weights": {"1": 0.5, "2": 0.5}},
        400,
        "InvalidParameterValueException",
        "Number of items in AdditionalVersionWeights cannot be greater than 1",
    ),
    (
        {"weights": {"2": 2.0}},
        400,
        "ValidationException",
        "1 validation error detected: Value '{2=2.0}' at 'routingConfig.additionalVersionWeights' "
        f"failed to satisfy constraint: {WEIGHT_RULE}",
    ),
    (
        {"weights": {"2": -1.0}},
        400,
        "ValidationException",
        "1 validation error detected: Value '{2=-1.0}' at 'routingConfig.additionalVersionWeights' "
        f"failed to satisfy constraint: {WEIGHT_RULE}",
    ),
    (
        {"weights": {"1": 0.5}},
        400,
        "InvalidParameterValueException",
        "Invalid function version 1. Function version 1 is already included in routing "
        "configuration.",
    ),
    (
        {"version": "10"},
        404,
        "ResourceNotFoundException",
        "Function not found: arn:aws:lambda:eu-central-1:123456789012:function:hello:10",
    ),
    (
        {"weights": {"10": 0.5}},
        404,
        "ResourceNotFoundException",
        "Function not found: arn:aws:lambda:eu-central-1:123456789012:function:hello:10",
    ),
    (
        {"version": "$LATEST", "weights": {"1": 0.5}},
        400,
        "InvalidParameterValueException",
        "$LATEST is not supported for an alias pointing to more than 1 version",
    ),
    (
        {"weights": {"$LATEST": 0.5}},
        400,
        "ValidationException",
        "1 validation error detected: Value '{$LATEST=0.5}' at "
        "'routingConfig.additionalVersionWeights' failed to satisfy constraint: Map keys must "
        "satisfy constraint: [Member must have length less than or equal to 1024, Member must "
        "have length greater than or equal to 1, Member must satisfy regular expression pattern: "
        "[0-9]+, Member must not be null]",
    ),
    (
        {"function": "hello-unknown"},
        404,
        "ResourceNotFoundException",
        "Function not found: arn:aws:lambda:eu-central-1:123456789012:function:hello-unknown:1",
    ),
    (
        {"name": "123"},
        400,
        "ValidationException",
        "1 validation error detected: Value '123' at 'name' failed to satisfy constraint: Member "
        "must satisfy regular expression pattern: (?!^[0-9]+$)([a-zA-Z0-9-_]+)",
    ),
    (
        {"name": "taken"},
        409,
        "ResourceConflictException",
        "Alias already exists: arn:aws:lambda:eu-central-1:123456789012:function:hello:taken",
    ),
]


@pytest.mark.parametrize(("given", "status", "code", "message"), ALIAS_REFUSALS)
def test_alias_refusals(
    two_versions: Any, refused: Any, given: dict[str, Any], status: int, code: str, message: str
) -> None:
    client = two_versions
    client.create_alias(FunctionName="hello", Name="taken", FunctionVersion="1")
    parameters: dict[str, Any] = {
        "FunctionName": given.get("function", "hello"),
        "Name": given.get("name", "live"),
        "FunctionVersion": given.get("version", "1"),
    }
    if "weights" in given:
        parameters["RoutingConfig"] = {"AdditionalVersionWeights": given["weights"]}
    found = refused(client.create_alias, **parameters)
    assert (found.status, found.code, found.message) == (status, code, message)


def test_latest_in_a_weighted_alias_is_refused_without_type(
    two_versions: Any, refused: Any
) -> None:
    found = refused(
        two_versions.create_alias,
        FunctionName="hello",
        Name="live",
        FunctionVersion="$LATEST",
        RoutingConfig={"AdditionalVersionWeights": {"1": 0.5}},
    )
    assert "Type" not in found.body


def test_weighted_versions_must_share_role_and_dead_letters(
    bench: Any, client: Any, refused: Any
) -> None:
    other = bench.role + "2"
    bench.lab.roles.add(other)
    bench.create(Publish=True)
    update(bench, client, Role=other)
    client.publish_version(FunctionName="hello")
    found = refused(
        client.create_alias,
        FunctionName="hello",
        Name="live",
        FunctionVersion="1",
        RoutingConfig={"AdditionalVersionWeights": {"2": 0.5}},
    )
    assert found.status == 400 and "execution role" in found.message


def test_alias_with_an_empty_routing_configuration(two_versions: Any) -> None:
    answer = two_versions.create_alias(
        FunctionName="hello",
        Name="live",
        FunctionVersion="1",
        RoutingConfig={"AdditionalVersionWeights": {}},
    )
    assert "RoutingConfig" not in answer


def test_update_alias_with_a_stale_revision(two_versions: Any, refused: Any) -> None:
    two_versions.create_alias(FunctionName="hello", Name="live", FunctionVersion="1")
    found = refused(two_versions.update_alias, FunctionName="hello", Name="live", RevisionId="x")
    assert (found.status, found.code, found.message) == (
        412,
        "PreconditionFailedException",
        STALE,
    )


def test_weights_are_kept_until_routing_is_given(two_versions: Any) -> None:
    client = two_versions
    client.create_alias(
        FunctionName="hello",
        Name="live",
        FunctionVersion="1",
        RoutingConfig={"AdditionalVersionWeights": {"2": 0.25}},
    )
    kept = client.update_alias(FunctionName="hello", Name="live", Description="d")
    assert kept["RoutingConfig"] == {"AdditionalVersionWeights": {"2": 0.25}}
    gone = client.update_alias(FunctionName="hello", Name="live", RoutingConfig={})
    assert "RoutingConfig" not in gone


def test_weighted_alias_shares_out_by_a_seeded_chance(bench: Any, two_versions: Any) -> None:
    two_versions.create_alias(
        FunctionName="hello",
        Name="live",
        FunctionVersion="1",
        RoutingConfig={"AdditionalVersionWeights": {"2": 0.25}},
    )
    chosen = [bench.api.resolve("hello", "live", bench.region) for _ in range(2000)]
    share = sum(one.deployment.version == "2" for one in chosen) / len(chosen)
    assert share == pytest.approx(0.25, abs=0.04)
    assert {one.invoked_arn for one in chosen} == {bench.arn(qualifier="live")}


@pytest.mark.parametrize(("weight", "versions"), [(0.0, {"1"}), (1.0, {"2"})])
def test_extreme_weights(bench: Any, two_versions: Any, weight: float, versions: set[str]) -> None:
    two_versions.create_alias(
        FunctionName="hello",
        Name="live",
        FunctionVersion="1",
        RoutingConfig={"AdditionalVersionWeights": {"2": weight}},
    )
    found = {bench.api.resolve("hello", "live", bench.region).deployment.version for _ in "x" * 50}
    assert found == versions
