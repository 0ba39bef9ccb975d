"""The poller of one stream's mapping, with a stream in memory: what it reads, invokes and tells."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from memory_stream import MemoryStream

from labkit.core.errors import ApiError
from labkit.core.stream_batches import lane_of
from labkit.live.clock import LabClock
from labkit.live.event_log import EventLog
from labkit.live.invoke import InvokeResult
from labkit.live.pollers.streams import FAILED, NO_RECORDS, OK, StreamPoller
from labkit.live.settings import Settings
from labkit.live.workers import Workers

FUNCTION_ARN = "arn:aws:lambda:us-east-1:123456789012:function:work"
TARGET_ARN = "arn:aws:sqs:us-east-1:123456789012:failed"
Handler = Callable[[dict[str, Any]], Any]


class FunctionFailed(Exception):
    """The handler raised."""


class Bench:
    """A clock, workers, an event log, a stream, and a function that is a plain Python call."""

    def __init__(self) -> None:
        self.clock = LabClock()
        self.settings = Settings()
        self.events = EventLog(self.clock, self.settings)
        self.workers = Workers(self.clock, lambda: 50)
        self.stream = MemoryStream(self.clock)
        self.handler: Handler = lambda event: None
        self.event_log: list[dict[str, Any]] = []
        self.invoked: list[list[str]] = []
        self.delivered: list[dict[str, Any]] = []
        self.lock = threading.Lock()
        self.mapping: Any = None

    def invoke(self, function_arn: str, payload: bytes, **options: Any) -> InvokeResult:
        event = json.loads(payload)
        with self.lock:
            self.event_log.append(event)
            self.invoked.append([record["kinesis"]["data"] for record in event["Records"]])
        assert (function_arn, options["mapping"]) == (FUNCTION_ARN, "uuid")
        try:
            answer, error = json.dumps(self.handler(event)).encode(), None
        except FunctionFailed:
            answer, error = b'{"errorType": "FunctionFailed"}', "Unhandled"
        return InvokeResult(
            status=200,
            request_id=options["request_id"],
            payload=answer,
            function_error=error,
            executed_version="$LATEST",
        )

    def deliver(self, target_arn: str, record: dict[str, Any], **options: Any) -> None:
        self.delivered.append({"target_arn": target_arn, "record": record, **options})

    def poller(self, **settings: Any) -> StreamPoller:
        self.mapping = SimpleNamespace(
            uuid="uuid",
            function_arn=FUNCTION_ARN,
            event_source_arn=self.stream.arn,
            role_arn="arn:aws:iam::123456789012:role/r",
            config=config(**settings),
        )
        context: Any = SimpleNamespace(
            clock=self.clock,
            settings=self.settings,
            events=self.events,
            workers=self.workers,
            calls=SimpleNamespace(invoke=self.invoke),
            streams=self.stream,
            destinations=SimpleNamespace(deliver_batch_failure=self.deliver),
        )
        poller = StreamPoller(mapping=self.mapping, context=context)
        poller.start()
        return poller

    def settle(self) -> None:
        assert self.clock.settle(200_000).settled

    def kinds(self, *kinds: str) -> list[dict[str, Any]]:
        events = (event.to_dict() for event in self.events.after(0))
        return [event for event in events if event["kind"] in kinds]

    def told(self, kind: str, *fields: str) -> list[tuple[Any, ...]]:
        return [tuple(event.get(field) for field in fields) for event in self.kinds(kind)]

    def close(self) -> None:
        self.workers.close()
        self.clock.close()


def config(**settings: Any) -> Any:
    return SimpleNamespace(
        **{
            "batch_size": 100,
            "maximum_batching_window_s": 0,
            "parallelization_factor": 1,
            "bisect_batch_on_function_error": False,
            "maximum_retry_attempts": -1,
            "maximum_record_age_s": -1,
            "tumbling_window_s": 0,
            "report_batch_item_failures": False,
            "filters": None,
            "starting_position": "TRIM_HORIZON",
            "starting_position_timestamp_s": None,
            "on_failure_destination": None,
            **settings,
        }
    )


@pytest.fixture
def bench() -> Iterator[Bench]:
    bench = Bench()
    yield bench
    bench.close()


def poisoned(*poison: str) -> Handler:
    def handler(event: dict[str, Any]) -> None:
        if any(record["kinesis"]["data"] in poison for record in event["Records"]):
            raise FunctionFailed

    return handler


def test_records_are_read_and_invoked_in_order(bench: Bench) -> None:
    poller = bench.poller()
    bench.settle()
    assert poller.last_result == NO_RECORDS
    with bench.clock.working():
        bench.stream.put("a", "b")
    bench.settle()
    bench.stream.put("c")
    bench.settle()
    assert bench.invoked == [["a", "b"], ["c"]]
    assert poller.last_result == OK
    assert bench.told("polled", "shard", "records", "mapping", "function") == [
        ("shard-0", 2, "uuid", "work"), ("shard-0", 1, "uuid", "work")
    ]  # fmt: skip
    assert bench.told("batch_formed", "records", "reason") == [(2, "available"), (1, "available")]
    ended = bench.kinds("batch_ended")
    assert [(e["attempt"], e["records"], e["outcome"]) for e in ended] == [
        (1, 2, "success"), (1, 1, "success")
    ]  # fmt: skip
    assert all(0 <= event["age_ms"] <= 1_500 for event in ended)


@pytest.mark.parametrize(
    ("start", "expected"),
    [("TRIM_HORIZON", ["old", "new"]), ("LATEST", ["new"]), ("AT_TIMESTAMP", ["new"])],
)
def test_starting_positions(bench: Bench, start: str, expected: list[str]) -> None:
    bench.stream.put("old", age_s=60)
    timestamp_s = bench.clock.now_ms() / 1000 - 30
    bench.poller(starting_position=start, starting_position_timestamp_s=timestamp_s)
    bench.stream.put("new")
    bench.settle()
    assert [data for batch in bench.invoked for data in batch] == expected


def test_a_failure_of_the_lab_itself_does_not_end_the_polling(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    failures = [OSError("out of order")]
    shards = bench.stream.shards

    def out_of_order() -> Any:
        if failures:
            raise failures.pop()
        return shards()

    bench.poller()
    bench.settle()
    monkeypatch.setattr(bench.stream, "shards", out_of_order)
    bench.stream.put("a")
    bench.clock.settle(0)
    assert (bench.invoked, failures) == ([], [])
    bench.clock.advance(5)
    assert bench.invoked == [["a"]]


def test_an_idle_mapping_sets_no_timer(bench: Bench) -> None:
    bench.poller()
    bench.settle()
    bench.clock.advance(3_600)
    assert bench.stream.reads == 0
    assert bench.clock.advance(3_600).fired == 0


def test_a_poison_record_blocks_its_shard_until_its_attempts_are_used_up(bench: Bench) -> None:
    bench.handler = poisoned("bad")
    bench.stream.put("bad", "after")
    poller = bench.poller(batch_size=1, maximum_retry_attempts=2, on_failure_destination=TARGET_ARN)
    bench.settle()
    assert bench.invoked == [["bad"], ["bad"], ["bad"], ["after"]]
    assert poller.last_result == OK
    waits = [event["due_ms"] - event["time_ms"] for event in bench.kinds("retry_scheduled")]
    assert waits == [pytest.approx(2_000, abs=100), pytest.approx(4_000, abs=100)]
    assert bench.told("dropped", "attempt", "records", "reason") == [
        (3, 1, "RetryAttemptsExhausted")
    ]
    (delivery,) = bench.delivered
    record = delivery["record"]
    assert delivery["target_arn"] == TARGET_ARN
    assert (delivery["mapping_uuid"], delivery["shard_id"]) == ("uuid", "shard-0")
    assert json.loads(delivery["payload"])["Records"][0]["kinesis"]["data"] == "bad"
    assert record["requestContext"]["requestId"] == bench.kinds("batch_ended")[2]["request_id"]
    assert record["responseContext"]["functionError"] == "Unhandled"
    assert record["KinesisBatchInfo"]["batchSize"] == 1


def test_records_that_are_too_old_are_given_up(bench: Bench) -> None:
    bench.handler = poisoned("bad")
    bench.stream.put("ancient", age_s=100)
    bench.stream.put("bad")
    poller = bench.poller(maximum_record_age_s=60, on_failure_destination=TARGET_ARN)
    bench.settle()
    assert poller.last_result == FAILED
    told = [each["record"]["requestContext"] for each in bench.delivered]
    assert [(each["condition"], each["approximateInvokeCount"]) for each in told] == [
        ("RecordAgeExceeded", 1), ("RecordAgeExceeded", 8)
    ]  # fmt: skip
    assert all("responseContext" not in each["record"] for each in bench.delivered)
    assert bench.invoked == [["bad"]] * 8
    ended = [event["time_ms"] for event in bench.kinds("dropped", "batch_ended")]
    assert ended[-1] - ended[1] == pytest.approx(60_000, abs=1_000)


def test_a_failed_batch_is_bisected(bench: Bench) -> None:
    bench.handler = poisoned("bad")
    bench.stream.put("a", "bad", "c")
    bench.poller(bisect_batch_on_function_error=True, maximum_retry_attempts=0)
    bench.settle()
    assert bench.invoked == [["a", "bad", "c"], ["a"], ["bad", "c"], ["bad"], ["c"]]
    assert bench.told("batch_formed", "records", "reason") == [
        (3, "available"), (1, "bisect"), (2, "bisect"), (1, "bisect"), (1, "bisect")
    ]  # fmt: skip
    assert bench.told("dropped", "records") == [(1,)]


def test_a_partial_response_moves_the_checkpoint(bench: Bench) -> None:
    answers = [{"batchItemFailures": [{"itemIdentifier": "2"}]}, None]
    bench.handler = lambda event: answers.pop(0)
    bench.stream.put("a", "b", "c")
    bench.poller(report_batch_item_failures=True)
    bench.settle()
    assert bench.invoked == [["a", "b", "c"], ["b", "c"]]
    assert bench.told("batch_ended", "outcome", "failed_records") == [
        ("partial", 2), ("success", 0)
    ]  # fmt: skip


def test_a_partial_failure_is_told_without_a_function_error(bench: Bench) -> None:
    bench.handler = lambda event: {"batchItemFailures": [{"itemIdentifier": "1"}]}
    bench.stream.put("a")
    bench.poller(
        report_batch_item_failures=True,
        maximum_retry_attempts=1,
        on_failure_destination=TARGET_ARN,
    )
    bench.settle()
    (delivery,) = bench.delivered
    assert delivery["record"]["responseContext"] == {
        "statusCode": 200, "executedVersion": "$LATEST", "functionError": None
    }  # fmt: skip
    assert delivery["record"]["requestContext"]["approximateInvokeCount"] == 2


@pytest.mark.parametrize(("status", "reason"), [(429, "throttle"), (500, "service_error")])
def test_what_does_not_reach_the_function_is_tried_again(
    bench: Bench, status: int, reason: str
) -> None:
    refusals = [ApiError("Refused", "no", status=status) for _ in range(3)]

    def handler(event: dict[str, Any]) -> None:
        if refusals:
            raise refusals.pop()

    bench.handler = handler
    bench.stream.put("a")
    bench.poller(maximum_retry_attempts=0)
    bench.settle()
    assert bench.invoked == [["a"]] * 4
    assert bench.told("retry_scheduled", "attempt", "reason") == [(1, reason)] * 3
    assert bench.told("batch_ended", "outcome") == [("throttled",)] * 3 + [("success",)]


def test_a_crash_of_the_lab_does_not_lose_the_batch(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    crashes = [RuntimeError("a bug")]

    def handler(event: dict[str, Any]) -> None:
        if crashes:
            raise crashes.pop()

    bench.handler = handler
    bench.stream.put("a")
    bench.poller()
    bench.settle()
    assert bench.invoked == [["a"], ["a"]]
    assert "a bug" in caplog.text


def test_filtered_records_only_move_the_iterator(bench: Bench) -> None:
    class Filters:
        def matches(self, record: Any, source: str) -> bool:
            assert source == "kinesis"
            return bool(record["kinesis"]["data"] == "yes")

    bench.stream.put("no", "yes", "no")
    bench.poller(filters=Filters())
    bench.settle()
    bench.stream.put("no")
    bench.settle()
    assert bench.invoked == [["yes"]]
    assert bench.told("filtered", "records") == [(2,), (1,)]


def test_the_batching_window_gathers(bench: Bench) -> None:
    bench.poller(maximum_batching_window_s=30)
    bench.stream.put("a")
    bench.clock.advance(10)
    bench.stream.put("b")
    bench.clock.advance(10)
    assert bench.invoked == []
    bench.settle()
    assert bench.invoked == [["a", "b"]]
    assert bench.told("batch_formed", "reason") == [("window",)]


def test_parallelization_keeps_the_order_of_each_key(bench: Bench) -> None:
    running: set[str] = set()
    most = []

    def handler(event: dict[str, Any]) -> None:
        keys = {record["kinesis"]["partitionKey"] for record in event["Records"]}
        with bench.lock:
            assert not running & keys
            running.update(keys)
            most.append(len(running))
        barrier.wait(timeout=10)
        with bench.lock:
            running.difference_update(keys)

    other = next(key for key in "bcdefgh" if lane_of(key, 2) != lane_of("a", 2))
    barrier = threading.Barrier(2)
    bench.handler = handler
    for number in range(4):
        bench.stream.put(f"a{number}", key="a")
        bench.stream.put(f"b{number}", key=other)
    bench.poller(batch_size=1, parallelization_factor=2)
    bench.settle()
    assert max(most) == 2
    done = [data for batch in bench.invoked for data in batch]
    for key in "ab":
        assert [data for data in done if data[0] == key] == [f"{key}{n}" for n in range(4)]


def test_children_are_read_when_the_parent_is_done(bench: Bench) -> None:
    bench.handler = poisoned("bad")
    bench.stream.put("bad")
    bench.poller(maximum_retry_attempts=1)
    bench.stream.split("shard-0", "shard-1", "shard-2")
    bench.stream.put("left", shard="shard-1")
    bench.settle()
    assert bench.invoked == [["bad"], ["bad"], ["left"]]
    bench.stream.put("right", shard="shard-2")
    bench.settle()
    assert bench.invoked[-1] == ["right"]


def test_children_of_a_parent_without_work_are_read_at_once(bench: Bench) -> None:
    bench.poller(starting_position="LATEST")
    bench.stream.split("shard-0", "shard-1")
    bench.stream.put("a", shard="shard-1")
    bench.settle()
    assert bench.invoked == [["a"]], "the children of a shard are read from their beginning"


def test_a_tumbling_window(bench: Bench) -> None:
    def handler(event: dict[str, Any]) -> dict[str, Any]:
        return {"state": {"sum": event["state"].get("sum", 0) + len(event["Records"])}}

    bench.handler = handler
    start_ms = -(-bench.clock.now_ms() // 60_000) * 60_000
    bench.clock.advance((start_ms + 1_000 - bench.clock.now_ms()) / 1000)
    bench.poller(tumbling_window_s=60)
    bench.stream.put("a", "b")
    bench.clock.advance(20)
    bench.stream.put("c")
    bench.settle()
    assert bench.invoked == [["a", "b"], ["c"], []]
    first, second, final = bench.event_log
    assert list(final) == [
        "Records", "window", "state", "shardId", "eventSourceARN", "isFinalInvokeForWindow",
        "isWindowTerminatedEarly",
    ]  # fmt: skip
    assert [each["state"] for each in (first, second, final)] == [{}, {"sum": 2}, {"sum": 3}]
    assert [each["isFinalInvokeForWindow"] for each in bench.event_log] == [False, False, True]
    assert final["shardId"] == "shard-0"
    assert final["window"]["start"].endswith(":00Z")
    assert first["window"] == final["window"]


def test_a_stopped_poller_goes_on_where_it_was(bench: Bench) -> None:
    bench.stream.put("a")
    poller = bench.poller()
    bench.settle()
    poller.stop()
    bench.stream.put("b")
    bench.clock.advance(60)
    assert bench.invoked == [["a"]]
    poller.start()
    bench.settle()
    assert bench.invoked == [["a"], ["b"]]


def test_a_stopped_poller_retries_nothing(bench: Bench) -> None:
    bench.handler = poisoned("bad")
    bench.stream.put("bad")
    poller = bench.poller()
    bench.clock.advance(1)
    poller.stop()
    tried = len(bench.invoked)
    bench.settle()
    assert len(bench.invoked) == tried
    bench.handler = lambda event: None
    poller.start()
    bench.settle()
    assert len(bench.invoked) == tried + 1


def test_settings_change_while_it_runs(bench: Bench) -> None:
    bench.handler = poisoned("bad")
    bench.stream.put("bad")
    poller = bench.poller()
    bench.clock.advance(100)
    assert bench.kinds("dropped") == []
    bench.mapping.config = config(maximum_retry_attempts=1)
    poller.update(bench.mapping.config)
    bench.settle()
    assert len(bench.kinds("dropped")) == 1


def test_a_stream_that_is_gone_and_made_again(bench: Bench) -> None:
    bench.stream.put("a")
    poller = bench.poller(starting_position="LATEST")
    bench.settle()
    bench.stream.delete()
    bench.settle()
    bench.stream.exists = True
    bench.stream.put("b")
    bench.settle()
    assert bench.invoked == [["a", "b"]], "a new stream is read from its beginning"
    poller.stop()


def test_a_batch_that_outlives_its_stream_ends_quietly(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    def handler(event: dict[str, Any]) -> None:
        begun.set()
        assert go_on.wait(timeout=20)
        raise FunctionFailed

    begun, go_on = threading.Event(), threading.Event()
    bench.handler = handler
    bench.stream.put("a")
    bench.poller()
    assert begun.wait(timeout=20)
    bench.stream.delete()
    go_on.set()
    bench.settle()
    assert bench.invoked == [["a"]]
    assert not caplog.records


def test_records_put_while_it_works_are_not_forgotten(bench: Bench) -> None:
    bench.poller(batch_size=7)
    for number in range(200):
        bench.stream.put(str(number))
    bench.settle()
    done = [data for batch in bench.invoked for data in batch]
    assert done == [str(number) for number in range(200)]
