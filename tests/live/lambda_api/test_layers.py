from __future__ import annotations

from typing import Any

import pytest

GONE = "The resource you requested does not exist."


def publish(bench: Any, client: Any, name: str, files: Any, **given: Any) -> Any:
    return client.publish_layer_version(
        LayerName=name, Content={"ZipFile": bench.zip(files)}, **given
    )


def test_publish_and_get(bench: Any, client: Any) -> None:
    answer = publish(
        bench,
        client,
        "tools",
        {"python/tools.py": "x = 1"},
        Description="d",
        CompatibleRuntimes=["python3.13"],
        CompatibleArchitectures=["x86_64"],
        LicenseInfo="MIT",
    )
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 201
    arn = f"arn:aws:lambda:{bench.region}:{bench.account}:layer:tools"
    assert (answer["LayerArn"], answer["LayerVersionArn"], answer["Version"]) == (
        arn,
        f"{arn}:1",
        1,
    )
    assert answer["CreatedDate"] == "2026-01-01T00:00:00.000+0000"
    assert answer["CompatibleRuntimes"] == ["python3.13"]
    assert answer["LicenseInfo"] == "MIT"
    token = answer["Content"]["Location"].rsplit("/", 1)[1]
    assert len(bench.api.code_by_token(token)) == answer["Content"]["CodeSize"]
    for found in (
        client.get_layer_version(LayerName="tools", VersionNumber=1),
        client.get_layer_version(LayerName=arn, VersionNumber=1),
        client.get_layer_version_by_arn(Arn=f"{arn}:1"),
    ):
        assert {**answer, "ResponseMetadata": 0} == {**found, "ResponseMetadata": 0}


def test_compatibilities_are_answered_only_if_given(bench: Any, client: Any) -> None:
    bare = publish(bench, client, "bare", {"a": "1"})
    assert "CompatibleRuntimes" not in bare and "CompatibleArchitectures" not in bare
    empty = publish(
        bench, client, "empty", {"a": "1"}, CompatibleRuntimes=[], CompatibleArchitectures=[]
    )
    assert empty["CompatibleRuntimes"] == [] and empty["CompatibleArchitectures"] == []


def test_lists(bench: Any, client: Any) -> None:
    publish(bench, client, "tools", {"a": "1"}, CompatibleRuntimes=["python3.12"])
    publish(bench, client, "tools", {"a": "2"}, CompatibleRuntimes=["python3.13"])
    publish(bench, client, "other", {"a": "3"}, CompatibleArchitectures=["arm64"])
    layers = client.list_layers()["Layers"]
    assert [one["LayerName"] for one in layers] == ["other", "tools"]
    assert layers[1]["LatestMatchingVersion"]["Version"] == 2
    assert "Content" not in layers[1]["LatestMatchingVersion"]
    older = client.list_layers(CompatibleRuntime="python3.12")["Layers"]
    assert [one["LatestMatchingVersion"]["Version"] for one in older] == [1]
    versions = client.list_layer_versions(LayerName="tools")["LayerVersions"]
    assert [one["Version"] for one in versions] == [2, 1]
    arm = client.list_layers(CompatibleArchitecture="arm64")["Layers"]
    assert [one["LayerName"] for one in arm] == ["other"]
    assert client.list_layer_versions(LayerName="nothing")["LayerVersions"] == []


def test_delete_never_gives_a_number_again(bench: Any, client: Any, refused: Any) -> None:
    publish(bench, client, "tools", {"a": "1"})
    for _ in range(2):
        answer = client.delete_layer_version(LayerName="tools", VersionNumber=1)
        assert answer["ResponseMetadata"]["HTTPStatusCode"] == 204
    assert client.list_layers()["Layers"] == []
    assert bench.folders() == []
    assert publish(bench, client, "tools", {"a": "1"})["Version"] == 2


@pytest.mark.parametrize("version", [0, -1])
@pytest.mark.parametrize("operation", ["get_layer_version", "delete_layer_version"])
def test_version_numbers_start_at_one(
    client: Any, refused: Any, operation: str, version: int
) -> None:
    found = refused(getattr(client, operation), LayerName="tools", VersionNumber=version)
    assert (found.status, found.code, found.message) == (
        400,
        "InvalidParameterValueException",
        "Layer Version Cannot be less than 1",
    )


def test_missing_layers(bench: Any, client: Any, refused: Any) -> None:
    publish(bench, client, "tools", {"a": "1"})
    arn = f"arn:aws:lambda:{bench.region}:{bench.account}:layer:tools:2"
    for found in (
        refused(client.get_layer_version, LayerName="none", VersionNumber=1),
        refused(client.get_layer_version, LayerName="tools", VersionNumber=2),
        refused(client.get_layer_version_by_arn, Arn=arn),
    ):
        assert (found.status, found.code, found.message) == (
            404,
            "ResourceNotFoundException",
            GONE,
        )


def test_publish_refuses_unknown_values_as_recorded(bench: Any, client: Any, refused: Any) -> None:
    found = refused(
        client.publish_layer_version,
        LayerName="tools",
        Content={"ZipFile": bench.code},
        CompatibleRuntimes=["invalidruntime"],
        CompatibleArchitectures=["invalidarch", "x86_64"],
    )
    assert found.code == "ValidationException"
    assert found.message.startswith("2 validation errors detected: ")
    architectures, runtimes = found.message.split(": ", 1)[1].split("; ")
    assert runtimes.startswith(
        "Value '[invalidruntime]' at 'compatibleRuntimes' failed to satisfy constraint: Member "
        "must satisfy enum value set: ["
    )
    assert architectures == (
        "Value '[invalidarch, x86_64]' at 'compatibleArchitectures' failed to satisfy constraint: "
        "Member must satisfy constraint: [Member must satisfy enum value set: [x86_64, arm64]]"
    )


def test_list_refusals(client: Any, refused: Any) -> None:
    found = refused(client.list_layers, CompatibleArchitecture="archdoesnotexist")
    assert found.message == (
        "1 validation error detected: Value 'archdoesnotexist' at 'compatibleArchitecture' failed "
        "to satisfy constraint: Member must satisfy enum value set: [x86_64, arm64]"
    )
    found = refused(
        client.get_layer_version_by_arn, Arn="arn:aws:lambda:eu-central-1:123456789012:layer:tools"
    )
    assert found.code == "ValidationException" and " at 'arn' " in found.message


def test_function_sees_its_layers_merged_in_order(bench: Any, client: Any) -> None:
    first = publish(
        bench, client, "first", {"python/a.py": "1", "python/both.py": "1", "bin/run": "1"}
    )["LayerVersionArn"]
    second = publish(bench, client, "second", {"python/both.py": "2"})["LayerVersionArn"]
    bench.create("ab", Layers=[first, second])
    bench.create("ba", Layers=[second, first])
    bench.create("again", Layers=[first, second])
    bench.create("none")
    trees = {
        name: bench.api.resolve(name, None, bench.region).deployment.opt_dir
        for name in ("ab", "ba", "again", "none")
    }
    assert (trees["ab"] / "python/both.py").read_text() == "2"
    assert (trees["ab"] / "python/a.py").read_text() == "1"
    assert (trees["ba"] / "python/both.py").read_text() == "1"
    assert trees["again"] == trees["ab"] and trees["none"] is None
    shown = client.get_function_configuration(FunctionName="ab")["Layers"]
    assert [one["Arn"] for one in shown] == [first, second]
    assert all(one["CodeSize"] > 0 for one in shown)


def test_function_keeps_a_deleted_layer(bench: Any, client: Any, refused: Any) -> None:
    arn = publish(bench, client, "tools", {"python/t.py": "1"})["LayerVersionArn"]
    bench.create(Layers=[arn])
    client.delete_layer_version(LayerName="tools", VersionNumber=1)
    client.update_function_configuration(FunctionName="hello", Timeout=9)
    bench.settle()
    opt = bench.api.resolve("hello", None, bench.region).deployment.opt_dir
    assert (opt / "python/t.py").read_text() == "1"
    again = refused(client.update_function_configuration, FunctionName="hello", Layers=[arn])
    assert again.message == f"Layer version {arn} does not exist."
    client.update_function_configuration(FunctionName="hello", Layers=[])
    bench.settle()
    assert bench.api.resolve("hello", None, bench.region).deployment.opt_dir is None
    assert len(bench.folders()) == 1


def test_two_versions_of_a_layer(bench: Any, client: Any, refused: Any) -> None:
    arns = [publish(bench, client, "tools", {"a": "1"})["LayerVersionArn"] for _ in range(2)]
    found = refused(bench.create, Layers=arns)
    assert found.message.startswith(
        "Two different versions of the same layer are not allowed to be referenced in the same "
        "function. "
    )


def test_layer_of_another_account(bench: Any, refused: Any) -> None:
    arn = f"arn:aws:lambda:{bench.region}:999999999999:layer:theirs:1"
    found = refused(bench.create, Layers=[arn])
    assert (found.status, found.code) == (403, "AccessDeniedException")
    assert f"lambda:GetLayerVersion on resource: {arn} because" in found.message


def test_function_and_layers_share_the_size_limit(bench: Any, client: Any, refused: Any) -> None:
    half = {f"{number}.bin": b"\0" * 30_000_000 for number in range(5)}
    arn = publish(bench, client, "big", half)["LayerVersionArn"]
    found = refused(bench.create, Code={"ZipFile": bench.zip(half)}, Layers=[arn])
    assert found.message == "Unzipped size must be smaller than 262144000 bytes"
    bench.create(Code={"ZipFile": bench.zip(half)})
    found = refused(client.update_function_configuration, FunctionName="hello", Layers=[arn])
    assert found.message == "Unzipped size must be smaller than 262144000 bytes"
    shown = client.get_function_configuration(FunctionName="hello")
    assert "Layers" not in shown and shown["LastUpdateStatus"] == "Successful"


def test_broken_layer(client: Any, refused: Any) -> None:
    found = refused(client.publish_layer_version, LayerName="tools", Content={"ZipFile": b"no zip"})
    assert found.message == (
        "Could not unzip uploaded file. Please check your file, then try to upload again."
    )
