from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from labkit import Lab
from labkit.core.events import EventKind
from labkit.live.client import LabError
from labkit.notebook.records import Events, Logs


def shop(event, context):
    import time

    for line in event.get("say", []):
        print(line)  # noqa: T201
    if event.get("sleep"):
        time.sleep(5)
    return 1 / event.get("divisor", 1)


class Counter:
    """A function in the lab, and the request ids of its invocations."""

    def __init__(self, lab: Lab, name: str, **options: object) -> None:
        self.lab, self.name = lab, lab.deploy(shop, name=name, **options).name  # type: ignore[arg-type]

    def invoke(self, **event: object) -> str:
        answer = self.lab.client("lambda").invoke(FunctionName=self.name, Payload=json.dumps(event))
        answer["Payload"].read()
        return str(answer["ResponseMetadata"]["RequestId"])


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with Lab.start() as lab:
        yield lab


@pytest.fixture(scope="module")
def ids(lab: Lab) -> list[str]:
    """Invocations of the function "shop": cold, warm and talking, an error, a timeout."""
    counter = Counter(lab, "shop", timeout_s=1)
    return [
        counter.invoke(),
        counter.invoke(say=["one", "two"]),
        counter.invoke(divisor=0),
        counter.invoke(sleep=True),
    ]


def test_events_are_a_sequence_that_says_what_is_in_it(lab: Lab, ids: list[str]) -> None:
    events = lab.events("shop")
    assert repr(events) == (
        "14 events: 4 accepted, 1 init_started, 1 init_ended, 4 invoke_started, 4 invoke_ended"
    )
    assert isinstance(events[:3], Events)
    assert repr(events[:1]) == "1 event: 1 accepted"
    assert repr(events[:0]) == "no events"
    assert events[-1].seq == max(event.seq for event in events)
    assert events == list(events) == lab.events(function="shop")
    assert events[:2] != events
    assert hash(events) == hash(lab.events("shop"))
    assert lab.events() == lab.events()


def test_events_are_picked_by_their_fields(lab: Lab, ids: list[str]) -> None:
    (timeout,) = lab.events("shop", outcome="timeout")
    assert (timeout.kind, timeout.request_id) == (EventKind.INVOKE_ENDED, ids[3])
    assert len(lab.events(kind="invoke_ended", request_id=ids[0])) == 1
    assert lab.events("nobody") == []
    with pytest.raises(TypeError, match="no field colour; their fields are seq, time_ms, kind"):
        lab.events(colour="blue")
    with pytest.raises(TypeError, match="at_least"):
        lab.events(at_least=2)
    with pytest.raises(ValueError, match="danced"):
        lab.events(kind="danced")


def test_logs_are_the_lines_of_all_streams(lab: Lab, ids: list[str]) -> None:
    logs = lab.logs("shop")
    assert repr(logs) == f"{len(logs)} lines of shop in 1 log stream"
    assert logs[0].startswith("INIT_START Runtime Version: python:3.13.")
    assert not any(line.endswith("\n") for line in logs)
    assert str(logs) == "\n".join(logs)
    assert logs[1:3] == list(logs)[1:3]
    assert [line.split(" ")[0] for line in logs[1:4]] == ["START", "END", "REPORT"]


def test_logs_of_one_invocation(lab: Lab, ids: list[str]) -> None:
    lines = list(lab.logs("shop", ids[1]))
    assert lines[0] == f"START RequestId: {ids[1]} Version: $LATEST"
    assert lines[1:3] == ["one", "two"]
    assert lines[-1].startswith(f"REPORT RequestId: {ids[1]}\t")
    assert len(lines) == 5
    assert list(lab.logs("shop", ids[1][:8])) == lines
    assert repr(lab.logs("shop", "ffffffff")) == "no log lines of shop"
    assert any("ZeroDivisionError" in line for line in lab.logs("shop", ids[2]))
    assert lab.logs("shop", ids[3])[-1].endswith("\tStatus: timeout")


def test_a_function_that_has_logged_nothing_and_one_that_is_none(lab: Lab) -> None:
    Counter(lab, "silent")
    logs = lab.logs("silent")
    assert (repr(logs), str(logs), len(logs)) == ("no log lines of silent", "", 0)
    with pytest.raises(LabError, match="There is no function 'nobody', and no log of one"):
        lab.logs("nobody")


def test_the_log_outlives_its_function(lab: Lab) -> None:
    Counter(lab, "mortal").invoke()
    lab.client("lambda").delete_function(FunctionName="mortal")
    assert repr(lab.logs("mortal")) == "4 lines of mortal in 1 log stream"


def test_the_json_format_names_invocations_too(lab: Lab) -> None:
    counter = Counter(lab, "structured", LoggingConfig={"LogFormat": "JSON"})
    first, second = counter.invoke(say=["hi"]), counter.invoke(divisor=0)
    lines = lab.logs("structured", first)
    assert "platform.start" in lines[0]
    assert "platform.report" in lines[-1]
    assert "hi" in list(lines)
    assert any("ZeroDivisionError" in line for line in lab.logs("structured", second))
    assert not any("ZeroDivisionError" in line for line in lines)


def test_json_lines_name_their_invocation_where_its_start_is_not_logged(lab: Lab) -> None:
    quiet = {"LogFormat": "JSON", "SystemLogLevel": "WARN"}
    counter = Counter(lab, "quiet", LoggingConfig=quiet)
    counter.invoke(divisor=0)
    request_id = counter.invoke(divisor=0)
    lines = lab.logs("quiet", request_id)
    assert not any("platform.start" in line for line in lines)
    assert any("ZeroDivisionError" in line for line in lines)
    assert all(request_id in line for line in lines)


def test_lines_that_only_look_like_boundaries_are_not(lab: Lab) -> None:
    said = ["START RequestId: ", "REPORT is late", '{"record": {"requestId": 1}}', "[1, 2]", "{"]
    said += ['{"requestId": "another"}']
    counter = Counter(lab, "liar")
    counter.invoke()
    request_id = counter.invoke(say=said)
    lines = lab.logs("liar", request_id)
    assert lines[1:-2] == said


def test_a_log_group_that_functions_share(lab: Lab) -> None:
    for name in ("left", "right"):
        Counter(lab, name, LoggingConfig={"LogGroup": "/aws/lambda/common"}).invoke(say=[name])
    assert [line for line in lab.logs("left") if " " not in line] == ["left"]
    assert [line for line in lab.logs("right") if " " not in line] == ["right"]


def test_more_lines_than_one_answer_holds(lab: Lab) -> None:
    Counter(lab, "endless").invoke()
    logs, group = lab.client("logs"), {"logGroupName": "/aws/lambda/endless"}
    (stream,) = logs.describe_log_streams(**group)["logStreams"]
    time_ms = int(lab.now.timestamp() * 1000)
    for start in (0, 6000):
        events = [
            {"timestamp": time_ms + n, "message": f"line {n}"} for n in range(start, start + 6000)
        ]
        logs.put_log_events(**group, logStreamName=stream["logStreamName"], logEvents=events)
    lines = lab.logs("endless")
    assert repr(lines) == "12,004 lines of endless in 1 log stream"
    assert lines[4:] == [f"line {n}" for n in range(12_000)]


def test_lines_of_all_streams_are_in_the_order_of_time(lab: Lab) -> None:
    counter = Counter(lab, "replaced")
    counter.invoke(say=["first"])
    Counter(lab, "replaced", memory_mb=256)
    lab.advance(1)
    counter.invoke(say=["second"])
    logs = lab.logs("replaced")
    assert repr(logs) == "10 lines of replaced in 2 log streams"
    assert [line for line in logs if " " not in line] == ["first", "second"]


def test_logs_of_nothing() -> None:
    assert repr(Logs("hello", [])) == "no log lines of hello"
    assert repr(Events()) == "no events"
