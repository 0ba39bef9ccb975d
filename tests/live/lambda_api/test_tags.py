from __future__ import annotations

from typing import Any


def test_tags_from_creation_to_removal(bench: Any, client: Any) -> None:
    bench.create(Tags={"a": "1"})
    assert client.list_tags(Resource=bench.arn())["Tags"] == {"a": "1"}
    answer = client.tag_resource(Resource=bench.arn(), Tags={"a": "2", "b": "3"})
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 204
    assert client.get_function(FunctionName="hello")["Tags"] == {"a": "2", "b": "3"}
    client.untag_resource(Resource=bench.arn(), TagKeys=["a", "never"])
    assert client.list_tags(Resource=bench.arn())["Tags"] == {"b": "3"}
    client.untag_resource(Resource=bench.arn(), TagKeys=["b"])
    assert "Tags" not in client.get_function(FunctionName="hello")


def test_refusals(bench: Any, client: Any, refused: Any) -> None:
    bench.create(Tags={f"{number}": "v" for number in range(50)})
    many = refused(client.tag_resource, Resource=bench.arn(), Tags={"one": "more"})
    assert (many.status, many.message) == (400, "Number of tags exceeds resource tag limit.")
    client.tag_resource(Resource=bench.arn(), Tags={"0": "changed"})

    invalid = refused(client.tag_resource, Resource="arn:aws:something", Tags={"k": "v"})
    assert invalid.code == "ValidationException"
    assert invalid.message.startswith(
        "1 validation error detected: Value 'arn:aws:something' at 'resource' failed to satisfy "
        "constraint: Member must satisfy regular expression pattern: arn:"
    )
    unknown = refused(client.tag_resource, Resource=bench.arn("nobody"), Tags={"k": "v"})
    assert (unknown.status, unknown.message) == (
        404,
        f"Function not found: {bench.arn('nobody')}",
    )
    for qualifier in ("1", "$LATEST"):
        arn = bench.arn(qualifier=qualifier)
        qualified = refused(client.tag_resource, Resource=arn, Tags={"k": "v"})
        assert qualified.message == (
            "Tags on function aliases and versions are not supported. "
            "Please specify a function ARN."
        )
    empty = refused(client.tag_resource, Resource=bench.arn(), Tags={})
    assert empty.message == "An error occurred and the request cannot be processed."
    keys = refused(client.untag_resource, Resource=bench.arn(), TagKeys=[])
    assert (keys.code, keys.message) == (
        "ValidationException",
        "1 validation error detected: Value null at 'tagKeys' failed to satisfy constraint: "
        "Member must not be null",
    )
    other = f"arn:aws:lambda:{bench.region}:{bench.account}:capacity-provider:x"
    assert refused(client.list_tags, Resource=other).status == 404
