from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from labkit.live.pollers.context import Mapping

HERE = "eu-central-1:123456789012"
QUEUE = f"arn:aws:sqs:{HERE}:orders"
FIFO = f"arn:aws:sqs:{HERE}:orders.fifo"
STREAM = f"arn:aws:kinesis:{HERE}:stream/clicks"
TABLE = f"arn:aws:dynamodb:{HERE}:table/t/stream/2026-01-01T00:00:00.000"


class Pollers:
    """What would poll: it tells what the API asked of it."""

    def __init__(self) -> None:
        self.queues = {QUEUE: 30.0, FIFO: 30.0}
        self.streams = {STREAM, TABLE}
        self.calls: list[tuple[str, str]] = []
        self.running: dict[str, Mapping] = {}
        self.results: dict[str, str] = {}

    def queue_visibility_timeout_s(self, queue_arn: str) -> float | None:
        return self.queues.get(queue_arn)

    def stream_exists(self, stream_arn: str) -> bool:
        return stream_arn in self.streams

    def run(self, mapping: Mapping) -> None:
        self.calls.append(("run", mapping.uuid))
        self.running[mapping.uuid] = mapping

    def pause(self, uuid: str) -> None:
        self.calls.append(("pause", uuid))

    def remove(self, uuid: str) -> None:
        self.calls.append(("remove", uuid))
        self.running.pop(uuid, None)

    def last_result(self, uuid: str) -> str | None:
        return self.results.get(uuid)


@pytest.fixture
def pollers(bench: Any) -> Pollers:
    bench.api.pollers = Pollers()
    bench.create()
    return bench.api.pollers


@pytest.fixture
def mapped(bench: Any, client: Any, pollers: Pollers) -> Any:
    """Create a mapping and let it become enabled."""

    def create(source: str = QUEUE, **parameters: Any) -> str:
        if source in pollers.streams:
            parameters.setdefault("StartingPosition", "LATEST")
        answer = client.create_event_source_mapping(
            EventSourceArn=source, FunctionName="hello", **parameters
        )
        bench.clock.advance(1)
        return answer["UUID"]

    return create


def state(client: Any, uuid: str) -> str:
    return client.get_event_source_mapping(UUID=uuid)["State"]


def plain(answer: dict[str, Any]) -> dict[str, Any]:
    """The answer without what differs from time to time."""
    dropped = ("ResponseMetadata", "UUID", "EventSourceMappingArn", "LastModified")
    return {name: value for name, value in answer.items() if name not in dropped}


def test_a_mapping_of_a_queue(bench: Any, client: Any, pollers: Pollers) -> None:
    answer = client.create_event_source_mapping(EventSourceArn=QUEUE, FunctionName="hello")
    uuid = answer["UUID"]
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 202
    assert answer["LastModified"] == datetime(2026, 1, 1, 0, 0, 1, tzinfo=UTC)
    assert answer["EventSourceMappingArn"] == f"arn:aws:lambda:{HERE}:event-source-mapping:{uuid}"
    assert plain(answer) == {
        "BatchSize": 10,
        "EventSourceArn": QUEUE,
        "FunctionArn": bench.arn(),
        "FunctionResponseTypes": [],
        "MaximumBatchingWindowInSeconds": 0,
        "State": "Creating",
        "StateTransitionReason": "USER_INITIATED",
    }
    assert pollers.calls == []
    bench.clock.advance(1)
    assert plain(client.get_event_source_mapping(UUID=uuid)) == {
        **plain(answer),
        "State": "Enabled",
    }
    running = pollers.running[uuid]
    assert (running.function_arn, running.event_source_arn) == (bench.arn(), QUEUE)
    assert (running.role_arn, running.config.batch_size) == (bench.role, 10)


def test_a_mapping_of_a_stream(bench: Any, client: Any, pollers: Pollers) -> None:
    answer = client.create_event_source_mapping(
        EventSourceArn=TABLE, FunctionName="hello", StartingPosition="TRIM_HORIZON"
    )
    assert plain(answer) == {
        "BatchSize": 100,
        "BisectBatchOnFunctionError": False,
        "DestinationConfig": {"OnFailure": {}},
        "EventSourceArn": TABLE,
        "FunctionArn": bench.arn(),
        "FunctionResponseTypes": [],
        "LastProcessingResult": "No records processed",
        "MaximumBatchingWindowInSeconds": 0,
        "MaximumRecordAgeInSeconds": -1,
        "MaximumRetryAttempts": -1,
        "ParallelizationFactor": 1,
        "StartingPosition": "TRIM_HORIZON",
        "State": "Creating",
        "StateTransitionReason": "User action",
        "TumblingWindowInSeconds": 0,
    }
    pollers.results[answer["UUID"]] = "OK"
    assert client.get_event_source_mapping(UUID=answer["UUID"])["LastProcessingResult"] == "OK"


def test_every_setting_of_a_queue_is_answered(client: Any, mapped: Any, pollers: Pollers) -> None:
    given = {
        "BatchSize": 100,
        "MaximumBatchingWindowInSeconds": 5,
        "FilterCriteria": {"Filters": [{"Pattern": '{"body":{"a":[1]}}'}]},
        "FunctionResponseTypes": ["ReportBatchItemFailures"],
        "ScalingConfig": {"MaximumConcurrency": 7},
        "MetricsConfig": {"Metrics": ["EventCount"]},
    }
    uuid = mapped(**given)
    found = client.get_event_source_mapping(UUID=uuid)
    assert {name: found[name] for name in given} == given
    config = pollers.running[uuid].config
    assert (config.batch_size, config.maximum_batching_window_s) == (100, 5)
    assert (config.report_batch_item_failures, config.maximum_concurrency) == (True, 7)
    assert config.filters is not None
    assert config.filters.matches({"body": '{"a":1}'}, "sqs")


def test_every_setting_of_a_stream_is_answered(client: Any, mapped: Any, pollers: Pollers) -> None:
    given = {
        "BatchSize": 5,
        "BisectBatchOnFunctionError": True,
        "DestinationConfig": {"OnFailure": {"Destination": QUEUE}},
        "MaximumRecordAgeInSeconds": 60,
        "MaximumRetryAttempts": 0,
        "ParallelizationFactor": 10,
        "StartingPosition": "AT_TIMESTAMP",
        "StartingPositionTimestamp": datetime(2025, 12, 31, tzinfo=UTC),
        "TumblingWindowInSeconds": 30,
    }
    uuid = mapped(STREAM, **given)
    found = client.get_event_source_mapping(UUID=uuid)
    assert {name: found[name] for name in given} == given
    config = pollers.running[uuid].config
    assert (config.maximum_retry_attempts, config.on_failure_destination) == (0, QUEUE)
    assert config.starting_position_timestamp_s == given["StartingPositionTimestamp"].timestamp()


def test_provisioned_pollers(client: Any, mapped: Any) -> None:
    uuid = mapped(ProvisionedPollerConfig={"MinimumPollers": 3})
    config = client.get_event_source_mapping(UUID=uuid)["ProvisionedPollerConfig"]
    assert config == {"MinimumPollers": 3, "MaximumPollers": 200}


def test_disabling_and_enabling(bench: Any, client: Any, mapped: Any, pollers: Pollers) -> None:
    uuid = mapped()
    answer = client.update_event_source_mapping(UUID=uuid, Enabled=False)
    assert (answer["State"], answer["ResponseMetadata"]["HTTPStatusCode"]) == ("Disabling", 202)
    assert pollers.calls == [("run", uuid), ("pause", uuid)]
    bench.clock.advance(1)
    assert state(client, uuid) == "Disabled"
    answer = client.update_event_source_mapping(UUID=uuid, BatchSize=3)
    assert (answer["State"], answer["BatchSize"]) == ("Updating", 3)
    bench.clock.advance(1)
    assert (state(client, uuid), pollers.calls[2:]) == ("Disabled", [])
    assert client.update_event_source_mapping(UUID=uuid, Enabled=True)["State"] == "Enabling"
    bench.clock.advance(1)
    assert (state(client, uuid), pollers.calls[2:]) == ("Enabled", [("run", uuid)])
    assert pollers.running[uuid].config.batch_size == 3


def test_a_mapping_can_be_created_disabled(client: Any, mapped: Any, pollers: Pollers) -> None:
    assert state(client, mapped(Enabled=False)) == "Disabled"
    assert pollers.calls == []


def test_an_update_takes_effect_when_it_is_done(
    bench: Any, client: Any, mapped: Any, pollers: Pollers
) -> None:
    bench.create("other")
    uuid = mapped(ScalingConfig={"MaximumConcurrency": 2})
    answer = client.update_event_source_mapping(
        UUID=uuid, FunctionName="other", BatchSize=2, ScalingConfig={}
    )
    assert (answer["State"], answer["FunctionArn"]) == ("Updating", bench.arn("other"))
    assert "ScalingConfig" not in answer
    assert pollers.running[uuid].config.batch_size == 10
    bench.clock.advance(1)
    running = pollers.running[uuid]
    assert (running.function_arn, running.config.batch_size) == (bench.arn("other"), 2)
    assert running.config.maximum_concurrency is None


def test_what_is_empty_removes_a_setting(client: Any, bench: Any, mapped: Any) -> None:
    target = {"OnFailure": {"Destination": QUEUE}}
    uuid = mapped(
        STREAM, FilterCriteria={"Filters": [{"Pattern": '{"a":[1]}'}]}, DestinationConfig=target
    )
    answer = client.update_event_source_mapping(
        UUID=uuid, FilterCriteria={}, DestinationConfig={"OnFailure": {"Destination": ""}}
    )
    assert "FilterCriteria" not in answer
    assert answer["DestinationConfig"] == {"OnFailure": {}}


def test_deleting(bench: Any, client: Any, mapped: Any, refused: Any, pollers: Pollers) -> None:
    uuid = mapped()
    answer = client.delete_event_source_mapping(UUID=uuid)
    assert (answer["State"], answer["ResponseMetadata"]["HTTPStatusCode"]) == ("Deleting", 202)
    assert pollers.calls[1:] == [("pause", uuid)]
    bench.clock.advance(1)
    assert pollers.calls[2:] == [("remove", uuid)]
    for operation in (
        client.get_event_source_mapping,
        client.update_event_source_mapping,
        client.delete_event_source_mapping,
    ):
        found = refused(operation, UUID=uuid)
        assert (found.status, found.code) == (404, "ResourceNotFoundException")
        assert found.message == "The resource you requested does not exist."
    assert client.list_event_source_mappings()["EventSourceMappings"] == []


def test_a_mapping_in_change_cannot_be_changed(client: Any, pollers: Pollers, refused: Any) -> None:
    uuid = client.create_event_source_mapping(EventSourceArn=QUEUE, FunctionName="hello")["UUID"]
    found = refused(client.update_event_source_mapping, UUID=uuid, BatchSize=1)
    assert (found.status, found.code) == (400, "ResourceInUseException")
    assert found.message == "Cannot update the event source mapping because it is in use."
    found = refused(client.delete_event_source_mapping, UUID=uuid)
    assert found.message == "Cannot delete the event source mapping because it is in use."


def test_a_reset_stops_the_pollers(bench: Any, client: Any, mapped: Any, pollers: Pollers) -> None:
    uuid = mapped()
    bench.create("other")
    client.create_event_source_mapping(EventSourceArn=QUEUE, FunctionName="other")
    bench.api.reset()
    assert ("remove", uuid) in pollers.calls
    assert client.list_event_source_mappings()["EventSourceMappings"] == []
    bench.clock.advance(5)
    assert pollers.running == {}


def test_listing(bench: Any, client: Any, mapped: Any) -> None:
    bench.create("hello2")
    client.publish_version(FunctionName="hello")
    uuids = [mapped(), mapped(STREAM)]
    uuids += [
        client.create_event_source_mapping(EventSourceArn=QUEUE, FunctionName=name)["UUID"]
        for name in ("hello2", "hello:1")
    ]

    def listed(**parameters: Any) -> list[str]:
        answer = client.list_event_source_mappings(**parameters)
        return [each["UUID"] for each in answer["EventSourceMappings"]]

    assert listed() == uuids
    assert listed(FunctionName="hello") == [uuids[0], uuids[1], uuids[3]]
    assert listed(FunctionName="hello:1") == [uuids[3]]
    assert listed(FunctionName=bench.arn("hello2")) == [uuids[2]]
    assert listed(EventSourceArn=QUEUE) == [uuids[0], uuids[2], uuids[3]]
    assert listed(EventSourceArn=STREAM, FunctionName="hello2") == []
    assert listed(FunctionName="unknown") == []
    pages = client.get_paginator("list_event_source_mappings").paginate(
        PaginationConfig={"PageSize": 3}
    )
    assert [len(each["EventSourceMappings"]) for each in pages] == [3, 1]
    assert (
        client.list_event_source_mappings(MaxItems=1)["EventSourceMappings"][0]["UUID"] == uuids[0]
    )


def test_qualifiers(bench: Any, client: Any, mapped: Any, refused: Any, pollers: Pollers) -> None:
    client.publish_version(FunctionName="hello")
    client.create_alias(FunctionName="hello", Name="live", FunctionVersion="1")
    make = client.create_event_source_mapping
    answer = make(EventSourceArn=QUEUE, FunctionName="hello:live")
    assert answer["FunctionArn"] == bench.arn(qualifier="live")
    assert make(EventSourceArn=QUEUE, FunctionName=bench.arn())["FunctionArn"] == bench.arn()
    for name in ("unknown", "hello:2", "hello:other"):
        found = refused(make, EventSourceArn=QUEUE, FunctionName=name)
        assert (found.status, found.code) == (400, "InvalidParameterValueException")
        assert found.message == "Function does not exist"


@pytest.mark.parametrize("source", [QUEUE, STREAM, TABLE])
def test_a_second_mapping_of_the_same_pair(
    client: Any, mapped: Any, refused: Any, source: str
) -> None:
    uuid = mapped(source)
    given = {} if source == QUEUE else {"StartingPosition": "TRIM_HORIZON"}
    found = refused(
        client.create_event_source_mapping, EventSourceArn=source, FunctionName="hello", **given
    )
    words = {
        True: f'An event source mapping with SQS arn (" {source} ") and function (" hello ") already exists.',
        False: f'The event source arn (" {source} ") and function (" hello ") provided mapping already exists.',
    }[source == QUEUE]
    assert (found.status, found.code) == (409, "ResourceConflictException")
    assert found.message == (
        f"{words} Please update or delete the existing mapping with UUID {uuid}"
    )


MISSING_QUEUE = (
    "Error occurred while ReceiveMessage. SQS Error Code: AWS.SimpleQueueService.NonExistentQueue. "
    "SQS Error Message: The specified queue does not exist."
)
NO_POSITION = (
    "1 validation error detected: Value null at 'startingPosition' failed to satisfy constraint: "
    "Member must not be null."
)


@pytest.mark.parametrize(
    ("source", "given", "message"),
    [
        (None, {}, "Unrecognized event source."),
        (f"arn:aws:sns:{HERE}:t", {}, "Unrecognized event source."),
        (f"{QUEUE}2", {}, MISSING_QUEUE),
        (QUEUE.replace("eu-central-1", "us-east-1"), {}, MISSING_QUEUE),
        (f"{STREAM}2", {"StartingPosition": "LATEST"}, f"Stream not found: {STREAM}2"),
        (STREAM, {}, NO_POSITION),
        (
            TABLE,
            {"StartingPosition": "AT_TIMESTAMP"},
            f"Unsupported starting position for arn type: {TABLE}",
        ),
        (
            QUEUE,
            {"BatchSize": 11},
            "Maximum batch window in seconds must be greater than 0 if maximum batch size is greater than 10",
        ),
        (
            FIFO,
            {"MaximumBatchingWindowInSeconds": 1},
            "Batching window is not supported for FIFO queues",
        ),
        (
            QUEUE,
            {"FilterCriteria": {"Filters": [{"Pattern": "simple string"}]}},
            "Invalid filter pattern definition.",
        ),
        (QUEUE, {"FilterCriteria": {"Filters": [{}]}}, "Invalid filter pattern definition."),
        (
            QUEUE,
            {"DestinationConfig": {"OnFailure": {"Destination": QUEUE}}},
            "Unsupported DestinationConfig parameter for given event source mapping type.",
        ),
        (
            STREAM,
            {
                "StartingPosition": "LATEST",
                "DestinationConfig": {"OnSuccess": {"Destination": QUEUE}},
            },
            "Unsupported DestinationConfig parameter for given event source mapping type.",
        ),
        (
            QUEUE,
            {"StartingPosition": "LATEST"},
            "StartingPosition is not valid for SQS event sources.",
        ),
        (
            QUEUE,
            {"MetricsConfig": {"Metrics": ["KafkaMetrics"]}},
            "Unsupported MetricsConfig parameter for given event source mapping type.",
        ),
    ],
)
def test_refusals_of_values(
    client: Any, pollers: Pollers, refused: Any, source: str | None, given: Any, message: str
) -> None:
    arn = {} if source is None else {"EventSourceArn": source}
    found = refused(client.create_event_source_mapping, FunctionName="hello", **arn, **given)
    assert (found.status, found.code, found.message) == (
        400,
        "InvalidParameterValueException",
        message,
    )
    assert client.list_event_source_mappings()["EventSourceMappings"] == []


@pytest.mark.parametrize(
    ("given", "at", "constraint"),
    [
        ({"BatchSize": 0}, "'0' at 'batchSize'", "value greater than or equal to 1"),
        ({"BatchSize": 10_001}, "'10001' at 'batchSize'", "value less than or equal to 10000"),
        ({"MaximumBatchingWindowInSeconds": 301}, "'301'", "value less than or equal to 300"),
        (
            {"ParallelizationFactor": 11},
            "'11' at 'parallelizationFactor'",
            "less than or equal to 10",
        ),
        ({"MaximumRecordAgeInSeconds": -2}, "'-2'", "value greater than or equal to -1"),
        ({"MaximumRecordAgeInSeconds": 604_801}, "'604801'", "less than or equal to 604800"),
        ({"MaximumRetryAttempts": 10_001}, "'10001'", "less than or equal to 10000"),
        ({"TumblingWindowInSeconds": 901}, "'901'", "less than or equal to 900"),
        (
            {"ScalingConfig": {"MaximumConcurrency": 1}},
            "'1' at 'scalingConfig.maximumConcurrency'",
            "greater than or equal to 2",
        ),
        ({"ScalingConfig": {"MaximumConcurrency": 1001}}, "'1001'", "less than or equal to 1000"),
        (
            {"StartingPosition": "NEWEST"},
            "'NEWEST' at 'startingPosition'",
            "enum value set: [TRIM_HORIZON, LATEST, AT_TIMESTAMP]",
        ),
        (
            {"FunctionResponseTypes": ["Everything"]},
            "'[Everything]' at 'functionResponseTypes'",
            "enum value set: [ReportBatchItemFailures]",
        ),
        (
            {"ProvisionedPollerConfig": {"MinimumPollers": 201}},
            "'201'",
            "less than or equal to 200",
        ),
    ],
)
def test_refusals_of_ranges(
    client: Any, pollers: Pollers, refused: Any, given: Any, at: str, constraint: str
) -> None:
    found = refused(
        client.create_event_source_mapping, EventSourceArn=QUEUE, FunctionName="hello", **given
    )
    assert (found.status, found.code) == (400, "ValidationException")
    assert found.message.startswith(f"1 validation error detected: Value {at}")
    assert constraint in found.message


def test_other_refusals(
    bench: Any, client: Any, pollers: Pollers, mapped: Any, refused: Any
) -> None:
    make = client.create_event_source_mapping
    bench.create("slow", Timeout=60)
    found = refused(make, EventSourceArn=QUEUE, FunctionName="slow")
    assert found.message == (
        "Queue visibility timeout: 30 seconds is less than Function timeout: 60 seconds"
    )
    found = refused(make, EventSourceArn=QUEUE)
    assert "Value null at 'functionName'" in found.message
    found = refused(make, EventSourceArn=f"arn:aws:kafka:{HERE}:cluster/c/1", FunctionName="hello")
    assert found.status == 501
    found = refused(client.get_event_source_mapping, UUID="short")
    assert (found.code, "'short' at 'uUID'" in found.message) == ("ValidationException", True)
    uuid = mapped()
    found = refused(client.update_event_source_mapping, UUID=uuid, FunctionName="unknown")
    assert found.message == "Function does not exist"
    bench.create("other")
    make(EventSourceArn=QUEUE, FunctionName="other")
    found = refused(client.update_event_source_mapping, UUID=uuid, FunctionName="other")
    assert (found.status, 'function (" other ") already exists' in found.message) == (409, True)
    found = refused(client.update_event_source_mapping, UUID=uuid, BatchSize=100)
    assert found.message.startswith("Maximum batch window in seconds must be greater than 0")
    assert client.get_event_source_mapping(UUID=uuid)["State"] == "Enabled"
    query = json.dumps({"StartingPositionTimestamp": "yesterday", "FunctionName": "hello"})
    answer = bench.request("POST", "/2015-03-31/event-source-mappings", query.encode())
    assert (answer.status, b"STRING_VALUE can not be converted to a Date" in answer.body) == (
        400,
        True,
    )


def test_tags(client: Any, mapped: Any, refused: Any) -> None:
    uuid = mapped(Tags={"a": "1"})
    arn = client.get_event_source_mapping(UUID=uuid)["EventSourceMappingArn"]
    client.tag_resource(Resource=arn, Tags={"b": "2"})
    client.untag_resource(Resource=arn, TagKeys=["a"])
    assert client.list_tags(Resource=arn)["Tags"] == {"b": "2"}
    found = refused(client.list_tags, Resource=arn.replace(uuid, "0" * 8 + uuid[8:]))
    assert (found.status, found.code) == (404, "ResourceNotFoundException")
