from __future__ import annotations

import itertools
import threading
import time
from typing import Any

import pytest
from botocore.exceptions import ClientError
from harness import Served
from hypothesis import given, settings
from hypothesis import strategies as st
from moto import mock_aws

from labkit.live.moto_seam.logs import LogWriter
from labkit.live.settings import Settings

REGION = "us-east-1"
_names = (f"/aws/lambda/f{number}" for number in itertools.count())


@pytest.fixture(scope="module")
def logs() -> Any:
    """moto in this process, as boto3 sees it."""
    import boto3

    with mock_aws():
        yield boto3.client(
            "logs", region_name=REGION, aws_access_key_id="a", aws_secret_access_key="b"
        )


@pytest.fixture
def group() -> str:
    return next(_names)


def messages(logs: Any, group: str, stream: str) -> list[str]:
    found = logs.get_log_events(logGroupName=group, logStreamName=stream, startFromHead=True)
    return [event["message"] for event in found["events"]]


def test_group_and_stream_are_made_and_the_events_read_back(logs: Any, group: str) -> None:
    LogWriter(Settings()).put(REGION, group, "s", [(1000, "one\n"), (2000, "two\n")])
    events = logs.get_log_events(logGroupName=group, logStreamName="s")["events"]
    assert [(event["timestamp"], event["message"]) for event in events] == [
        (1000, "one\n"),
        (2000, "two\n"),
    ]
    assert all(event["ingestionTime"] > 1_600_000_000_000 for event in events)


def test_streams_are_described_as_if_the_events_had_been_put(logs: Any, group: str) -> None:
    writer = LogWriter(Settings())
    now = int(time.time() * 1000)
    writer.put(REGION, group, "s", [(now, "1234"), (now + 20, "5678")])
    writer.put(REGION, group, "s", [(now + 10, "90")])
    logs.create_log_stream(logGroupName=group, logStreamName="put")
    for text, time_ms in (("1234", now), ("5678", now + 20), ("90", now + 10)):
        logs.put_log_events(
            logGroupName=group,
            logStreamName="put",
            logEvents=[{"timestamp": time_ms, "message": text}],
        )
    put, written = logs.describe_log_streams(logGroupName=group)["logStreams"]
    assert (put["logStreamName"], written["logStreamName"]) == ("put", "s")
    for name in ("firstEventTimestamp", "lastEventTimestamp", "storedBytes"):
        assert written[name] == put[name], name
    assert set(written) == set(put)
    assert written["lastEventTimestamp"] == now + 20
    newest = logs.describe_log_streams(
        logGroupName=group, orderBy="LastEventTime", descending=True, limit=1
    )
    assert newest["logStreams"][0]["lastEventTimestamp"] == now + 20
    assert logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"][0]["storedBytes"] == 20


def test_filters_find_the_events(logs: Any, group: str) -> None:
    writer = LogWriter(Settings())
    writer.put(REGION, group, "s1", [(1000, "REPORT RequestId: a"), (2000, "START")])
    writer.put(REGION, group, "s2", [(1500, "REPORT RequestId: b"), (9000, "REPORT late")])
    found = logs.filter_log_events(
        logGroupName=group, filterPattern="REPORT", startTime=0, endTime=5000, interleaved=True
    )["events"]
    assert [(event["logStreamName"], event["message"]) for event in found] == [
        ("s1", "REPORT RequestId: a"),
        ("s2", "REPORT RequestId: b"),
    ]
    assert len({event["eventId"] for event in found}) == 2


def test_long_streams_can_be_paged(logs: Any, group: str) -> None:
    LogWriter(Settings()).put(REGION, group, "s", [(n, f"line {n}") for n in range(1, 26)])
    seen: list[str] = []
    token: dict[str, str] = {}
    while True:
        page = logs.get_log_events(
            logGroupName=group, logStreamName="s", limit=10, startFromHead=True, **token
        )
        if not page["events"]:
            break
        seen += [event["message"] for event in page["events"]]
        token = {"nextToken": page["nextForwardToken"]}
    assert seen == [f"line {n}" for n in range(1, 26)]


@settings(deadline=None, max_examples=30)
@given(batches=st.lists(st.integers(0, 12), max_size=8), kept=st.integers(1, 15))
def test_a_stream_keeps_the_newest(logs: Any, batches: list[int], kept: int) -> None:
    group = next(_names)
    writer = LogWriter(Settings(log_max_events=kept))
    numbers = itertools.count()
    written: list[str] = []
    for size in batches:
        events = [(1_000 + n, f"line {n}") for n in itertools.islice(numbers, size)]
        writer.put(REGION, group, "s", events)
        written += [message for _, message in events]
    if batches:
        assert messages(logs, group, "s") == written[-kept:]


def test_a_group_that_was_deleted_comes_back(logs: Any, group: str) -> None:
    writer = LogWriter(Settings())
    writer.put(REGION, group, "s", [(1000, "before")])
    logs.delete_log_group(logGroupName=group)
    with pytest.raises(ClientError, match="ResourceNotFound"):
        messages(logs, group, "s")
    writer.put(REGION, group, "s", [(2000, "after")])
    assert messages(logs, group, "s") == ["after"]


def test_a_group_that_exists_keeps_its_retention(logs: Any, group: str) -> None:
    logs.create_log_group(logGroupName=group)
    logs.put_retention_policy(logGroupName=group, retentionInDays=7)
    LogWriter(Settings()).put(REGION, group, "s", [(1000, "x")])
    described = logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"]
    assert described[0]["retentionInDays"] == 7


def test_subscribers_get_what_is_written(logs: Any, group: str) -> None:
    target = next(_names)
    logs.create_log_group(logGroupName=target)
    logs.create_log_stream(logGroupName=target, logStreamName="s")
    logs.create_log_group(logGroupName=group)
    arn = logs.describe_log_groups(logGroupNamePrefix=target)["logGroups"][0]["arn"]
    logs.put_subscription_filter(
        logGroupName=group, filterName="f", filterPattern="", destinationArn=arn
    )
    LogWriter(Settings()).put(REGION, group, "s", [(1000, "subscribed")])
    assert messages(logs, target, "s") == messages(logs, group, "s") == ["subscribed"]


def test_a_subscriber_that_is_gone_fails_nobody(
    logs: Any, group: str, caplog: pytest.LogCaptureFixture
) -> None:
    target = next(_names)
    for name in (target, group):
        logs.create_log_group(logGroupName=name)
    arn = logs.describe_log_groups(logGroupNamePrefix=target)["logGroups"][0]["arn"]
    logs.put_subscription_filter(
        logGroupName=group, filterName="f", filterPattern="", destinationArn=arn
    )
    logs.delete_log_group(logGroupName=target)
    LogWriter(Settings()).put(REGION, group, "s", [(1000, "kept")])
    assert messages(logs, group, "s") == ["kept"]
    assert "were not delivered" in caplog.text


def test_writers_of_several_environments(logs: Any, group: str) -> None:
    writer = LogWriter(Settings())

    def write(stream: str) -> None:
        for number in range(200):
            writer.put(REGION, group, stream, [(1000 + number, f"{stream} {number}")])

    writers = [threading.Thread(target=write, args=(f"s{n}",)) for n in range(4)]
    for thread in writers:
        thread.start()
    for thread in writers:
        thread.join()
    for n in range(4):
        assert messages(logs, group, f"s{n}") == [f"s{n} {number}" for number in range(200)]


def test_regions_are_apart(served: Served) -> None:
    groups = served.client("logs", region_name="eu-west-1").describe_log_groups()["logGroups"]
    assert groups == []
