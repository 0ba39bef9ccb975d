"""The poller of one SQS mapping, with a queue in memory: what it receives, invokes and deletes."""

from __future__ import annotations

import json
import random
import threading
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from memory_queue import MemoryQueue

from labkit.core.errors import ApiError
from labkit.live.clock import LabClock
from labkit.live.event_log import EventLog
from labkit.live.invoke import InvokeResult
from labkit.live.pollers.sqs import SqsPoller
from labkit.live.settings import Settings
from labkit.live.workers import Workers

FUNCTION_ARN = "arn:aws:lambda:us-east-1:123456789012:function:work"
Handler = Callable[[dict[str, Any]], Any]


class FunctionFailed(Exception):
    """The handler raised."""


class Bench:
    """A clock, workers, an event log, a queue, and a function that is a plain Python call."""

    def __init__(self) -> None:
        self.clock = LabClock()
        self.settings = Settings()
        self.events = EventLog(self.clock, self.settings)
        self.workers = Workers(self.clock, lambda: 50)
        self.queue = MemoryQueue(self.clock)
        self.handler: Handler = lambda event: None
        self.invoked: list[list[str]] = []
        self.headers: list[str | None] = []
        self.lock = threading.Lock()
        self.awaiting: list[Callable[[], None]] = []

    def find(self, arn: str) -> MemoryQueue | None:
        return self.queue if self.queue.exists and self.queue.arn == arn else None

    def watch_creation(self, arn: str, callback: Callable[[], None]) -> Callable[[], None]:
        assert arn == self.queue.arn
        self.awaiting.append(callback)
        return lambda: self.awaiting.remove(callback)

    def create_queue(self) -> None:
        self.queue = MemoryQueue(self.clock)
        for callback in self.awaiting:
            callback()

    def invoke(self, function_arn: str, payload: bytes, **options: Any) -> InvokeResult:
        event = json.loads(payload)
        with self.lock:
            self.invoked.append([record["body"] for record in event["Records"]])
            self.headers.append(options["trace_header"])
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
        )

    def poller(self, **settings: Any) -> SqsPoller:
        poller = SqsPoller(mapping=self.mapping(**settings), context=self.context())
        poller.start()
        return poller

    def context(self) -> Any:
        return SimpleNamespace(
            clock=self.clock,
            settings=self.settings,
            events=self.events,
            workers=self.workers,
            calls=SimpleNamespace(invoke=self.invoke),
            queues=SimpleNamespace(find=self.find, watch_creation=self.watch_creation),
        )

    def mapping(self, **settings: Any) -> Any:
        return SimpleNamespace(
            uuid="uuid",
            function_arn=FUNCTION_ARN,
            event_source_arn=self.queue.arn,
            config=config(**settings),
        )

    def kinds(self, *kinds: str) -> list[dict[str, Any]]:
        events = (event.to_dict() for event in self.events.after(0))
        return [event for event in events if event["kind"] in kinds]

    def close(self) -> None:
        self.workers.close()
        self.clock.close()


def config(**settings: Any) -> Any:
    return SimpleNamespace(
        **{
            "batch_size": 10,
            "maximum_batching_window_s": 0,
            "maximum_concurrency": None,
            "minimum_pollers": None,
            "maximum_pollers": None,
            "report_batch_item_failures": False,
            "filters": None,
            **settings,
        }
    )


@pytest.fixture
def bench() -> Iterator[Bench]:
    bench = Bench()
    yield bench
    bench.close()


def failing(event: dict[str, Any]) -> None:
    raise FunctionFailed


def throttle(event: dict[str, Any]) -> None:
    raise ApiError("TooManyRequestsException", "Rate Exceeded.", status=429)


class Gate:
    """A handler that waits until it is let go, and knows how many run at once."""

    def __init__(self) -> None:
        self.begun = threading.Semaphore(0)
        self.go_on = threading.Semaphore(0)
        self.running: list[list[str]] = []

    def __call__(self, event: dict[str, Any]) -> None:
        bodies = [record["body"] for record in event["Records"]]
        self.running.append(bodies)
        self.begun.release()
        assert self.go_on.acquire(timeout=20)
        self.running.remove(bodies)

    def wait_for(self, count: int) -> None:
        for _ in range(count):
            assert self.begun.acquire(timeout=20)


# Messages and batches.


def test_messages_sent_before_and_after_the_start_are_delivered_and_deleted(bench: Bench) -> None:
    bench.queue.send("one")
    bench.poller()
    assert bench.clock.settle().settled
    bench.queue.send("two")
    assert bench.clock.settle().settled
    assert bench.invoked == [["one"], ["two"]]
    assert bench.queue.bodies == []


def test_many_messages_come_in_batches_none_is_lost_and_none_left(bench: Bench) -> None:
    bodies = [str(number) for number in range(995)]
    bench.queue.send(*bodies)
    bench.poller()
    assert bench.clock.settle().settled
    assert len(bench.invoked) == 100
    assert sorted(sum(bench.invoked, []), key=int) == bodies
    assert bench.queue.bodies == []


def test_a_window_gathers_messages(bench: Bench) -> None:
    began_ms = bench.clock.now_ms()
    bench.poller(batch_size=100, maximum_batching_window_s=20)
    bench.queue.send("one")
    bench.clock.advance(10)
    bench.queue.send("two")
    assert bench.invoked == []
    assert bench.clock.settle().settled
    assert bench.invoked == [["one", "two"]]
    (formed,) = bench.kinds("batch_formed")
    assert formed["reason"] == "window"
    assert formed["time_ms"] - began_ms >= 20_000


def test_a_window_longer_than_the_visibility_timeout_hands_a_message_over_once(
    bench: Bench,
) -> None:
    counts: list[str] = []
    bench.handler = lambda event: counts.extend(
        record["attributes"]["ApproximateReceiveCount"] for record in event["Records"]
    )
    bench.queue.send("one")
    bench.poller(batch_size=100, maximum_batching_window_s=70)
    assert bench.clock.settle().settled
    assert (bench.invoked, counts) == ([["one"]], ["3"])
    assert bench.queue.bodies == []


def test_a_message_that_is_always_visible_is_gathered_once(bench: Bench) -> None:
    bench.queue.visibility_timeout_s = 0
    bench.poller(maximum_batching_window_s=300)
    bench.queue.send("a", "b")
    assert bench.clock.advance(299).fired == 0
    assert bench.queue.calls == 2
    assert bench.invoked == []
    bench.clock.advance(2)
    assert bench.invoked == [["a", "b"]]


def test_the_events_of_a_batch(bench: Bench) -> None:
    bench.queue.send("one", "two")
    bench.poller()
    bench.clock.settle()
    events = bench.kinds("polled", "batch_formed", "batch_ended")
    assert [event["kind"] for event in events] == ["polled", "batch_formed", "batch_ended"]
    polled, formed, ended = events
    assert (polled["mapping"], polled["function"], polled["records"]) == ("uuid", "work", 2)
    assert (formed["records"], formed["reason"]) == (2, "available")
    assert ended["batch"] == formed["batch"]
    assert (ended["attempt"], ended["outcome"], ended["failed_records"]) == (1, "success", 0)
    assert ended["request_id"]


def test_a_trace_of_a_message_goes_on(bench: Bench) -> None:
    bench.queue.send("one", trace="Root=1-2-3")
    bench.poller()
    bench.clock.settle()
    assert bench.headers == ["Root=1-2-3"]


def test_messages_that_do_not_match_are_deleted(bench: Bench) -> None:
    filters = SimpleNamespace(matches=lambda record, source: record["body"] == "keep")
    bench.queue.send("keep", "drop", "drop")
    bench.poller(filters=filters)
    assert bench.clock.settle().settled
    assert bench.invoked == [["keep"]]
    assert bench.queue.bodies == []
    assert [event["records"] for event in bench.kinds("filtered")] == [2]


# Failures.


def test_failed_messages_come_back_after_their_visibility_timeout(bench: Bench) -> None:
    bench.handler = failing
    bench.queue.max_receives = 3
    bench.queue.send("poison")
    bench.poller()
    assert bench.clock.settle().settled
    ended = bench.kinds("batch_ended")
    assert [event["outcome"] for event in ended] == ["error"] * 3
    times = [event["time_ms"] for event in ended]
    assert [round((b - a) / 1000) for a, b in zip(times, times[1:], strict=False)] == [30, 30]
    assert bench.queue.dead == ["poison"]
    assert bench.queue.bodies == []


def test_settling_waits_for_a_batch_that_is_gathered_in_the_only_slot_left(bench: Bench) -> None:
    """The next slot is regained before the window is over; settling must not end with it."""
    bench.handler = failing
    bench.queue.max_receives = 4
    bench.queue.visibility_timeout_s = 15
    bench.queue.send("poison")
    bench.poller(batch_size=100, maximum_batching_window_s=5)
    assert bench.clock.settle().settled
    assert bench.queue.dead == ["poison"]
    assert len(bench.invoked) == 4


def test_without_a_dead_letter_queue_settling_never_ends(bench: Bench) -> None:
    bench.handler = failing
    bench.queue.send("poison")
    bench.poller()
    moved = bench.clock.settle(limit_seconds=305)
    assert not moved.settled
    assert len(bench.invoked) == 11


def test_a_partial_batch_response_keeps_only_what_failed(bench: Bench) -> None:
    def handler(event: dict[str, Any]) -> Any:
        names = [record["messageId"] for record in event["Records"] if record["body"] == "bad"]
        return {"batchItemFailures": [{"itemIdentifier": name} for name in names]}

    bench.handler = handler
    bench.queue.max_receives = 2
    bench.queue.send("good", "bad", "better")
    bench.poller(report_batch_item_failures=True)
    assert bench.clock.settle().settled
    assert bench.invoked == [["good", "bad", "better"], ["bad"]]
    assert bench.queue.dead == ["bad"]
    first, second = bench.kinds("batch_ended")
    assert (first["outcome"], first["records"], first["failed_records"]) == ("partial", 3, 1)
    assert (second["outcome"], second["records"], second["failed_records"]) == ("partial", 1, 1)


def test_an_odd_response_fails_the_whole_batch(bench: Bench) -> None:
    bench.handler = lambda event: {"batchItemFailures": [{"id": "m1"}]}
    bench.queue.max_receives = 1
    bench.queue.send("one", "two")
    bench.poller(report_batch_item_failures=True)
    assert bench.clock.settle().settled
    assert bench.queue.dead == ["one", "two"]
    assert bench.kinds("batch_ended")[0]["outcome"] == "error"


def test_without_the_setting_a_response_is_not_looked_at(bench: Bench) -> None:
    bench.handler = lambda event: {"batchItemFailures": [{"itemIdentifier": "m1"}]}
    bench.queue.send("one")
    bench.poller()
    assert bench.clock.settle().settled
    assert bench.queue.bodies == []


def test_a_function_that_is_gone_fails_the_batch(bench: Bench) -> None:
    def gone(event: dict[str, Any]) -> None:
        raise ApiError("ResourceNotFoundException", "Function not found", status=404)

    bench.handler = gone
    bench.queue.max_receives = 1
    bench.queue.send("one")
    bench.poller()
    assert bench.clock.settle().settled
    assert bench.queue.dead == ["one"]
    assert len(bench.invoked) == 1


# Throttles.


def test_a_throttled_batch_is_retried_while_the_visibility_timeout_lasts(bench: Bench) -> None:
    bench.handler = throttle
    bench.queue.max_receives = 1
    bench.queue.send("one")
    bench.poller()
    assert bench.clock.settle().settled
    ended = bench.kinds("batch_ended")
    assert [event["attempt"] for event in ended] == [1, 2, 3, 4, 5]
    assert {event["outcome"] for event in ended} == {"throttled"}
    assert {event["batch"] for event in ended} == {ended[0]["batch"]}
    assert ended[-1]["time_ms"] - ended[0]["time_ms"] <= 30_000
    retries = bench.kinds("retry_scheduled")
    assert [event["reason"] for event in retries] == ["throttle"] * 4
    assert bench.queue.dead == ["one"]


def test_a_throttle_that_passes_does_not_raise_the_receive_count(bench: Bench) -> None:
    counts: list[str] = []

    def handler(event: dict[str, Any]) -> None:
        counts.append(event["Records"][0]["attributes"]["ApproximateReceiveCount"])
        if len(counts) < 3:
            throttle(event)

    bench.handler = handler
    bench.queue.send("one")
    bench.poller()
    assert bench.clock.settle().settled
    assert counts == ["1", "1", "1"]
    assert bench.queue.bodies == []


# Concurrency.


def test_five_batches_run_at_once_then_more(bench: Bench) -> None:
    gate = bench.handler = Gate()
    bench.queue.send(*(str(number) for number in range(20)))
    bench.poller(batch_size=1)
    gate.wait_for(6)  # the sixth a fifth of a second later
    for _ in range(20):
        gate.go_on.release()
    assert bench.clock.settle().settled
    assert bench.queue.bodies == []


def test_maximum_concurrency_holds(bench: Bench) -> None:
    gate = bench.handler = Gate()
    bench.queue.send(*(str(number) for number in range(10)))
    bench.poller(batch_size=1, maximum_concurrency=2)
    gate.wait_for(2)
    most = 0
    for number in range(10):
        most = max(most, len(gate.running))
        gate.go_on.release()
        if number < 8:
            gate.wait_for(1)
    assert bench.clock.settle().settled
    assert most == 2
    assert bench.queue.bodies == []


# FIFO.


def test_a_group_is_never_in_two_batches_at_once_and_keeps_its_order(bench: Bench) -> None:
    bench.queue = MemoryQueue(bench.clock, fifo=True)
    gate = bench.handler = Gate()
    for number in range(3):
        bench.queue.send(f"a{number}", group="a")
    bench.poller(batch_size=1)
    gate.wait_for(1)
    bench.queue.send("b0", group="b")
    gate.wait_for(1)
    assert gate.running == [["a0"], ["b0"]]
    for _ in range(4):
        gate.go_on.release()
    assert bench.clock.settle().settled
    assert [bodies for bodies in bench.invoked if bodies != ["b0"]] == [["a0"], ["a1"], ["a2"]]


def test_a_group_stays_excluded_even_if_the_visibility_timeout_ends(bench: Bench) -> None:
    bench.queue = MemoryQueue(bench.clock, fifo=True, visibility_timeout_s=0)
    gate = bench.handler = Gate()
    bench.queue.send("a0", group="a")
    bench.poller(batch_size=1)
    gate.wait_for(1)
    bench.queue.send("a1", group="a")
    bench.queue.send("b0", group="b")
    gate.wait_for(1)
    assert gate.running == [["a0"], ["b0"]]
    for _ in range(3):
        gate.go_on.release()
    assert bench.clock.settle().settled
    assert bench.invoked == [["a0"], ["b0"], ["a1"]]


def test_a_failed_group_is_blocked_and_others_go_on(bench: Bench) -> None:
    bench.queue = MemoryQueue(bench.clock, fifo=True)
    failures = iter([True])

    def handler(event: dict[str, Any]) -> None:
        if event["Records"][0]["body"] == "a0" and next(failures, False):
            raise FunctionFailed

    bench.handler = handler
    bench.queue.send("a0", "a1", group="a")
    bench.queue.send("b0", "b1", group="b")
    bench.poller(batch_size=1)
    assert bench.clock.settle().settled
    done = [bodies[0] for bodies in bench.invoked]
    assert done[-2:] == ["a0", "a1"]
    assert done.index("b1") < len(done) - 2


# Start, stop, update.


def test_stop_gives_back_what_was_gathered_and_takes_no_more(bench: Bench) -> None:
    poller = bench.poller(batch_size=100, maximum_batching_window_s=60)
    bench.queue.send("one")
    bench.clock.advance(1)
    assert bench.queue.visible_count() == 0
    poller.stop()
    assert bench.queue.visible_count() == 1
    assert not bench.queue.watched
    bench.queue.send("two")
    assert bench.clock.settle().settled
    assert bench.invoked == []


def test_running_batches_are_finished_after_stop(bench: Bench) -> None:
    gate = bench.handler = Gate()
    bench.queue.send("one", "two")
    poller = bench.poller(batch_size=1, maximum_concurrency=2)
    gate.wait_for(2)
    poller.stop()
    bench.queue.send("three")
    gate.go_on.release()
    gate.go_on.release()
    assert bench.clock.settle().settled
    assert bench.queue.bodies == ["three"]


def test_stop_gives_back_throttled_batches(bench: Bench) -> None:
    bench.handler = throttle
    bench.queue.send("one")
    poller = bench.poller()
    bench.clock.advance(2)
    poller.stop()
    assert bench.queue.visible_count() == 1
    assert bench.clock.settle().settled


def test_it_goes_on_after_a_stop(bench: Bench) -> None:
    poller = bench.poller(batch_size=1)
    for number in range(3):
        poller.stop()
        bench.queue.send(f"{number}a")
        assert bench.clock.settle().settled
        poller.start()
        assert bench.clock.settle().settled
        bench.queue.send(f"{number}b")
        assert bench.clock.settle().settled
    assert len(bench.invoked) == 6


def test_a_poller_takes_over_from_one_that_was_stopped(bench: Bench) -> None:
    bench.poller().stop()
    bench.queue.send("one")
    bench.poller()
    assert bench.clock.settle().settled
    assert bench.invoked == [["one"]]


def test_update_takes_effect_on_the_next_batches(bench: Bench) -> None:
    poller = bench.poller(batch_size=2, maximum_batching_window_s=60)
    bench.queue.send("one")
    bench.clock.advance(1)
    poller.update(config(batch_size=1))
    bench.queue.send("two", "three")
    assert bench.clock.settle(limit_seconds=10).settled
    assert sorted(bench.invoked) == [["one"], ["three"], ["two"]]


# Queues that go.


def test_a_queue_that_is_deleted_and_created_anew_is_polled_again(bench: Bench) -> None:
    bench.poller()
    bench.queue.delete_queue()
    assert bench.clock.settle().settled
    assert bench.clock.advance(86_400).fired == 0
    bench.create_queue()
    bench.queue.send("one")
    assert bench.clock.settle().settled
    assert bench.invoked == [["one"]]
    assert bench.awaiting == []


def test_a_failure_of_the_lab_itself_does_not_end_the_polling(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    failures = [OSError("out of order")]

    def find(arn: str) -> MemoryQueue | None:
        if failures:
            raise failures.pop()
        return Bench.find(bench, arn)

    monkeypatch.setattr(bench, "find", find)
    bench.queue.send("one")
    bench.poller()
    bench.clock.settle(0)
    assert bench.invoked == []
    bench.clock.advance(2)
    assert bench.invoked == [["one"]]


def test_a_batch_outlives_its_queue(bench: Bench) -> None:
    gate = bench.handler = Gate()
    bench.queue.send("one")
    bench.poller()
    gate.wait_for(1)
    bench.queue.delete_queue()
    gate.go_on.release()
    assert bench.clock.settle().settled
    assert bench.kinds("batch_ended")[0]["outcome"] == "success"


# Everything at once.


@pytest.mark.parametrize("seed", range(5))
def test_nothing_is_lost_while_all_goes_wrong(bench: Bench, seed: int) -> None:
    """Senders beside one another, errors, throttles, other settings, stops and starts."""
    choice = random.Random(seed)
    done: set[str] = set()

    def handler(event: dict[str, Any]) -> Any:
        with bench.lock:
            fate = choice.random()
        if fate < 0.1:
            raise FunctionFailed
        if fate < 0.2:
            throttle(event)
        done.update(record["body"] for record in event["Records"])

    bench.handler = handler
    bodies = [f"{sender}-{number}" for sender in range(4) for number in range(100)]
    poller = bench.poller()
    senders = [
        threading.Thread(
            target=lambda own=bodies[first : first + 100]: [*map(bench.queue.send, own)]
        )
        for first in range(0, 400, 100)
    ]
    for sender in senders:
        sender.start()
    for batch_size in (3, 25, 1, 10):
        poller.update(config(batch_size=batch_size, maximum_batching_window_s=batch_size // 25))
        poller.stop()
        bench.clock.advance(1)
        if batch_size == 3:
            poller = bench.poller(batch_size=batch_size)
        else:
            poller.start()
    for sender in senders:
        sender.join(20)
    assert bench.clock.settle().settled
    assert done == set(bodies)
    assert bench.queue.bodies == []


# Rest.


def test_an_idle_mapping_does_nothing(bench: Bench) -> None:
    bench.poller()
    assert bench.clock.settle().settled
    calls = bench.queue.calls
    moved = bench.clock.advance(86_400)
    assert (moved.fired, bench.queue.calls) == (0, calls)
