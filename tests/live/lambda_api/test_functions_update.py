from __future__ import annotations

from typing import Any

import pytest

CONFLICT = "The operation cannot be performed at this time. "


def test_update_code_runs_through_in_progress(bench: Any, client: Any) -> None:
    bench.create()
    old = bench.api.resolve("hello", None, bench.region).deployment
    bench.clock.advance(10)
    new_code = bench.zip({"app.py": "handler = print"})
    answer = client.update_function_code(FunctionName="hello", ZipFile=new_code)
    assert (answer["State"], answer["LastUpdateStatus"]) == ("Active", "InProgress")
    assert answer["LastUpdateStatusReason"] == "The function is being created."
    assert answer["LastUpdateStatusReasonCode"] == "Creating"
    assert answer["CodeSize"] == len(new_code)
    assert answer["LastModified"] == "2026-01-01T00:00:11.000+0000"

    during = bench.api.resolve("hello", None, bench.region).deployment
    assert during is old and bench.lab.retired == []

    bench.settle()
    found = client.get_function_configuration(FunctionName="hello")
    assert found["LastUpdateStatus"] == "Successful"
    assert "LastUpdateStatusReason" not in found
    assert found["RevisionId"] != answer["RevisionId"]
    new = bench.api.resolve("hello", None, bench.region).deployment
    assert new.identity != old.identity
    assert (new.task_dir / "app.py").read_text() == "handler = print"
    assert bench.lab.retired == [old.identity]


def test_update_configuration_changes_only_what_is_given(bench: Any, client: Any) -> None:
    bench.create(MemorySize=512, Environment={"Variables": {"A1": "1"}})
    answer = client.update_function_configuration(
        FunctionName="hello", Timeout=30, LoggingConfig={"LogFormat": "JSON"}
    )
    assert answer["LastUpdateStatus"] == "InProgress"
    bench.settle()
    found = client.get_function_configuration(FunctionName="hello")
    assert (found["Timeout"], found["MemorySize"]) == (30, 512)
    assert found["Environment"] == {"Variables": {"A1": "1"}}
    assert found["LoggingConfig"]["ApplicationLogLevel"] == "INFO"
    deployment = bench.api.resolve("hello", None, bench.region).deployment
    assert deployment.configuration.timeout_s == 30
    assert deployment.configuration.environment == {"A1": "1"}


def test_update_configuration_can_take_things_away(bench: Any, client: Any) -> None:
    bench.create(
        Environment={"Variables": {"A1": "1"}},
        DeadLetterConfig={"TargetArn": "arn:aws:sqs:eu-central-1:123456789012:dead"},
        KMSKeyArn="arn:aws:kms:eu-central-1:123456789012:key/1",
        LoggingConfig={"LogFormat": "JSON"},
    )
    client.update_function_configuration(
        FunctionName="hello",
        Environment={"Variables": {}},
        DeadLetterConfig={"TargetArn": ""},
        KMSKeyArn="",
        LoggingConfig={"LogFormat": "Text"},
    )
    bench.settle()
    found = client.get_function_configuration(FunctionName="hello")
    assert found["Environment"] == {"Variables": {}}
    assert "DeadLetterConfig" not in found and "KMSKeyArn" not in found
    assert found["LoggingConfig"] == {"LogFormat": "Text", "LogGroup": "/aws/lambda/hello"}


UPDATES = [
    ("update_function_configuration", {"Timeout": 9}),
    ("update_function_code", {"ZipFile": b"x"}),
    ("publish_version", {}),
]


@pytest.mark.parametrize(("operation", "given"), UPDATES)
def test_no_update_while_pending(
    bench: Any, client: Any, refused: Any, operation: str, given: dict[str, Any]
) -> None:
    bench.create(active=False)
    found = refused(getattr(client, operation), FunctionName="hello", **given)
    assert (found.status, found.code) == (409, "ResourceConflictException")
    assert found.message == (f"{CONFLICT}The function is currently in the following state: Pending")


@pytest.mark.parametrize(("operation", "given"), UPDATES)
def test_no_update_during_an_update(
    bench: Any, client: Any, refused: Any, operation: str, given: dict[str, Any]
) -> None:
    bench.create()
    client.update_function_configuration(FunctionName="hello", Timeout=8)
    found = refused(getattr(client, operation), FunctionName="hello", **given)
    assert (found.status, found.code) == (409, "ResourceConflictException")
    assert found.message == f"{CONFLICT}An update is in progress for resource: {bench.arn()}"


@pytest.mark.parametrize(("operation", "given"), UPDATES)
def test_stale_revision(
    bench: Any, client: Any, refused: Any, operation: str, given: dict[str, Any]
) -> None:
    created = bench.create()
    stale = created["RevisionId"]
    found = refused(getattr(client, operation), FunctionName="hello", RevisionId=stale, **given)
    assert (found.status, found.code) == (412, "PreconditionFailedException")
    assert found.message == (
        "The Revision Id provided does not match the latest Revision Id. Call the "
        "GetFunction/GetAlias API to retrieve the latest Revision Id"
    )


def test_refused_update_changes_nothing(bench: Any, client: Any, refused: Any) -> None:
    bench.create()
    before = client.get_function_configuration(FunctionName="hello")
    refused(client.update_function_configuration, FunctionName="hello", Timeout=901)
    refused(client.update_function_configuration, FunctionName="hello", Role=bench.role + "x")
    refused(client.update_function_code, FunctionName="hello", ZipFile=b"broken")
    after = client.get_function_configuration(FunctionName="hello")
    before.pop("ResponseMetadata"), after.pop("ResponseMetadata")
    assert after == before


def test_dry_run_of_update_code(bench: Any, client: Any) -> None:
    before = bench.create()
    new_code = bench.zip({"app.py": "x = 1"})
    answer = client.update_function_code(FunctionName="hello", ZipFile=new_code, DryRun=True)
    assert answer["CodeSize"] == len(new_code)
    found = client.get_function_configuration(FunctionName="hello")
    assert found["CodeSha256"] == before["CodeSha256"]
    assert found["LastUpdateStatus"] == "Successful"


def test_update_code_refuses_an_image(bench: Any, client: Any, refused: Any) -> None:
    bench.create()
    found = refused(client.update_function_code, FunctionName="hello", ImageUri="i:1")
    assert found.message == (
        "Please don't provide ImageUri when updating a function with packageType Zip."
    )


def test_updates_are_for_functions_not_versions(bench: Any, client: Any, refused: Any) -> None:
    bench.create(Publish=True)
    found = refused(
        client.update_function_configuration, FunctionName=bench.arn(qualifier="1"), Timeout=5
    )
    assert found.message.startswith("This operation is permitted on Lambda functions only.")


def test_old_code_stays_on_disk_while_somebody_holds_its_deployment(
    bench: Any, client: Any
) -> None:
    bench.create()
    held = bench.api.resolve("hello", None, bench.region).deployment
    client.update_function_code(FunctionName="hello", ZipFile=bench.zip({"app.py": "x = 2"}))
    bench.settle()
    assert held.task_dir.is_dir() and len(bench.folders()) == 2
    folder = held.task_dir
    del held
    assert not folder.exists() and len(bench.folders()) == 1
