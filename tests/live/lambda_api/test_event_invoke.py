from __future__ import annotations

from datetime import UTC
from typing import Any

import pytest

from labkit.core.asynchronous import EventInvokeConfig
from labkit.core.errors import ApiError
from labkit.live.async_queue import EventSettings

ACCOUNT = "123456789012"
QUEUE = f"arn:aws:sqs:eu-central-1:{ACCOUNT}:done"
TOPIC = f"arn:aws:sns:eu-central-1:{ACCOUNT}:done"
BUS = f"arn:aws:events:eu-central-1:{ACCOUNT}:event-bus/done"
BUCKET = "arn:aws:s3:::done"


def shown(answer: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in answer.items() if key != "ResponseMetadata"}


@pytest.fixture
def client(bench: Any) -> Any:
    bench.create()
    return bench.client()


def test_put_get_update_delete(bench: Any, client: Any, refused: Any) -> None:
    answer = client.put_function_event_invoke_config(
        FunctionName="hello", MaximumRetryAttempts=1, MaximumEventAgeInSeconds=60
    )
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 200
    assert answer["LastModified"].astimezone(UTC).isoformat() == "2026-01-01T00:00:01+00:00"
    assert shown(answer) == {
        "LastModified": answer["LastModified"],
        "FunctionArn": bench.arn(qualifier="$LATEST"),
        "MaximumRetryAttempts": 1,
        "MaximumEventAgeInSeconds": 60,
        "DestinationConfig": {"OnSuccess": {}, "OnFailure": {}},
    }
    assert shown(client.get_function_event_invoke_config(FunctionName="hello")) == shown(answer)
    bench.clock.advance(10)
    updated = client.update_function_event_invoke_config(
        FunctionName="hello", MaximumRetryAttempts=0
    )
    assert (updated["MaximumRetryAttempts"], updated["MaximumEventAgeInSeconds"]) == (0, 60)
    assert updated["LastModified"] > answer["LastModified"]
    gone = client.delete_function_event_invoke_config(FunctionName="hello")
    assert gone["ResponseMetadata"]["HTTPStatusCode"] == 204
    for operation in (
        client.get_function_event_invoke_config,
        client.delete_function_event_invoke_config,
    ):
        found = refused(operation, FunctionName="hello")
        assert (found.status, found.code) == (404, "ResourceNotFoundException")
        assert found.message == (
            f"The function {bench.arn(qualifier='$LATEST')} doesn't have an EventInvokeConfig"
        )


def test_put_replaces_and_update_merges(client: Any) -> None:
    both = {"OnSuccess": {"Destination": QUEUE}, "OnFailure": {"Destination": TOPIC}}
    client.put_function_event_invoke_config(
        FunctionName="hello", MaximumRetryAttempts=1, DestinationConfig=both
    )
    updated = client.update_function_event_invoke_config(
        FunctionName="hello", MaximumEventAgeInSeconds=90
    )
    assert updated["DestinationConfig"] == both and updated["MaximumRetryAttempts"] == 1
    replaced = client.put_function_event_invoke_config(
        FunctionName="hello", MaximumEventAgeInSeconds=60
    )
    assert replaced["DestinationConfig"] == {"OnSuccess": {}, "OnFailure": {}}
    assert "MaximumRetryAttempts" not in replaced


def test_an_empty_destination_takes_it_away(client: Any) -> None:
    client.put_function_event_invoke_config(
        FunctionName="hello", DestinationConfig={"OnFailure": {"Destination": QUEUE}}
    )
    updated = client.update_function_event_invoke_config(
        FunctionName="hello", DestinationConfig={"OnFailure": {"Destination": ""}}
    )
    assert updated["DestinationConfig"]["OnFailure"] == {}


@pytest.mark.parametrize(("side", "arn"), [
    ("OnSuccess", QUEUE), ("OnSuccess", TOPIC), ("OnSuccess", BUS),
    ("OnFailure", QUEUE), ("OnFailure", TOPIC), ("OnFailure", BUS), ("OnFailure", BUCKET),
])  # fmt: skip
def test_destinations(client: Any, side: str, arn: str) -> None:
    answer = client.put_function_event_invoke_config(
        FunctionName="hello", DestinationConfig={side: {"Destination": arn}}
    )
    assert answer["DestinationConfig"][side] == {"Destination": arn}


def test_another_function_as_a_destination(bench: Any, client: Any) -> None:
    bench.create("other")
    client.publish_version(FunctionName="other")
    for arn in (bench.arn("other"), bench.arn("other", "1"), bench.arn("other", "$LATEST")):
        client.put_function_event_invoke_config(
            FunctionName="hello", DestinationConfig={"OnSuccess": {"Destination": arn}}
        )


@pytest.mark.parametrize("operation", ["put", "update"])
def test_nothing_to_set(client: Any, refused: Any, operation: str) -> None:
    call = getattr(client, f"{operation}_function_event_invoke_config")
    found = refused(call, FunctionName="hello")
    assert (found.status, found.code) == (400, "InvalidParameterValueException")
    assert found.message == (
        "You must specify at least one of error handling or destination setting."
    )


def test_the_function_itself(bench: Any, client: Any, refused: Any) -> None:
    for arn in (bench.arn(), bench.arn(qualifier="$LATEST")):
        found = refused(
            client.put_function_event_invoke_config,
            FunctionName="hello",
            DestinationConfig={"OnFailure": {"Destination": arn}},
        )
        assert (found.status, found.code) == (400, "InvalidParameterValueException")
        assert found.message == "You can't specify the function as a destination for itself."


@pytest.mark.parametrize(
    "arn",
    [
        QUEUE + ".fifo",
        TOPIC + ".fifo",
        f"arn:aws:lambda:eu-central-1:{ACCOUNT}:function:nobody",
        f"arn:aws:lambda:eu-central-1:{ACCOUNT}:function:hello:9",
        f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:hello",
        QUEUE + "-missing",
    ],
)
def test_destinations_that_are_not_there(bench: Any, client: Any, refused: Any, arn: str) -> None:
    bench.lab.missing_targets.add(QUEUE + "-missing")
    found = refused(
        client.put_function_event_invoke_config,
        FunctionName="hello",
        DestinationConfig={"OnFailure": {"Destination": arn}},
    )
    assert (found.status, found.code) == (400, "InvalidParameterValueException")
    assert found.message == f"The destination ARN {arn} is invalid."


@pytest.mark.parametrize(
    ("config", "shown"),
    [
        (
            {"OnSuccess": {"Destination": BUCKET}},
            f"onSuccess=OnSuccess(destination={BUCKET}), onFailure=null",
        ),
        (
            {
                "OnSuccess": {"Destination": QUEUE},
                "OnFailure": {"Destination": f"arn:aws:dynamodb:eu-central-1:{ACCOUNT}:table/t"},
            },
            f"onSuccess=OnSuccess(destination={QUEUE}), onFailure=OnFailure(destination="
            f"arn:aws:dynamodb:eu-central-1:{ACCOUNT}:table/t)",
        ),
    ],
)
def test_services_that_are_no_destinations(
    client: Any, refused: Any, config: dict[str, Any], shown: str
) -> None:
    found = refused(
        client.put_function_event_invoke_config, FunctionName="hello", DestinationConfig=config
    )
    assert (found.status, found.code) == (400, "InvalidParameterValueException")
    assert found.message == (
        f"The provided destination config DestinationConfig({shown}) is invalid."
    )


@pytest.mark.parametrize(
    ("parameters", "text"),
    [
        ({"MaximumRetryAttempts": 3}, "Value '3' at 'maximumRetryAttempts'"),
        ({"MaximumRetryAttempts": -1}, "Value '-1' at 'maximumRetryAttempts'"),
        ({"MaximumEventAgeInSeconds": 59}, "Value '59' at 'maximumEventAgeInSeconds'"),
        ({"MaximumEventAgeInSeconds": 21_601}, "Value '21601' at 'maximumEventAgeInSeconds'"),
        (
            {"DestinationConfig": {"OnFailure": {"Destination": "https://queue"}}},
            "Value 'https://queue' at 'destinationConfig.onFailure.destination' failed to satisfy "
            "constraint: Member must satisfy regular expression pattern",
        ),
    ],
)
def test_values_out_of_range(
    client: Any, refused: Any, parameters: dict[str, Any], text: str
) -> None:
    found = refused(client.put_function_event_invoke_config, FunctionName="hello", **parameters)
    assert (found.status, found.code) == (400, "ValidationException")
    assert text in found.message


def test_functions_versions_and_aliases_that_are_not_there(client: Any, refused: Any) -> None:
    asked: list[dict[str, Any]] = [
        {"FunctionName": "nobody"},
        {"FunctionName": "hello", "Qualifier": "9"},
        {"FunctionName": "hello", "Qualifier": "live"},
    ]
    for names in asked:
        for operation in ("put", "update"):
            call = getattr(client, f"{operation}_function_event_invoke_config")
            found = refused(call, **names, MaximumRetryAttempts=1)
            assert (found.status, found.message) == (404, "The function doesn't exist.")
    for operation in ("get", "delete"):
        call = getattr(client, f"{operation}_function_event_invoke_config")
        assert refused(call, FunctionName="nobody").message == "The function doesn't exist."
    call = client.list_function_event_invoke_configs
    assert refused(call, FunctionName="nobody").status == 404


def test_update_needs_one_to_update(bench: Any, client: Any, refused: Any) -> None:
    found = refused(
        client.update_function_event_invoke_config, FunctionName="hello", MaximumRetryAttempts=1
    )
    assert (found.status, found.message) == (
        404,
        f"The function {bench.arn(qualifier='$LATEST')} doesn't have an EventInvokeConfig",
    )


def test_each_version_and_alias_has_its_own(bench: Any, client: Any) -> None:
    client.publish_version(FunctionName="hello")
    client.create_alias(FunctionName="hello", Name="live", FunctionVersion="1")
    for retries, qualifier in enumerate(("1", "live", "$LATEST")):
        client.put_function_event_invoke_config(
            FunctionName="hello", Qualifier=qualifier, MaximumRetryAttempts=retries
        )
    listed = client.list_function_event_invoke_configs(FunctionName="hello")
    assert {
        one["FunctionArn"]: one["MaximumRetryAttempts"]
        for one in listed["FunctionEventInvokeConfigs"]
    } == {
        bench.arn(qualifier="1"): 0,
        bench.arn(qualifier="live"): 1,
        bench.arn(qualifier="$LATEST"): 2,
    }
    first = client.list_function_event_invoke_configs(FunctionName="hello", MaxItems=2)
    rest = client.list_function_event_invoke_configs(
        FunctionName="hello", Marker=first["NextMarker"]
    )
    assert len(first["FunctionEventInvokeConfigs"] + rest["FunctionEventInvokeConfigs"]) == 3
    client.delete_alias(FunctionName="hello", Name="live")
    client.delete_function(FunctionName="hello", Qualifier="1")
    listed = client.list_function_event_invoke_configs(FunctionName="hello")
    assert len(listed["FunctionEventInvokeConfigs"]) == 1


def test_what_the_queue_reads(bench: Any, client: Any) -> None:
    assert bench.api.event_settings(bench.arn()) == EventSettings()
    client.publish_version(FunctionName="hello")
    client.put_function_event_invoke_config(
        FunctionName="hello",
        MaximumRetryAttempts=0,
        DestinationConfig={"OnSuccess": {"Destination": QUEUE}},
    )
    client.put_function_recursion_config(FunctionName="hello", RecursiveLoop="Allow")
    expected = EventSettings(
        config=EventInvokeConfig(maximum_retry_attempts=0), on_success=QUEUE, stops_loops=False
    )
    assert bench.api.event_settings(bench.arn()) == expected
    assert bench.api.event_settings(bench.arn(qualifier="$LATEST")) == expected
    assert bench.api.event_settings(bench.arn(qualifier="1")).config == EventInvokeConfig()
    with pytest.raises(ApiError):
        bench.api.event_settings(bench.arn("nobody"))
