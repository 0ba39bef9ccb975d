"""The queue of asynchronous invocation by itself: real clock and threads, a function that is told
how to fare."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest

from labkit.core.asynchronous import EventInvokeConfig
from labkit.core.configuration import FunctionConfiguration
from labkit.core.errors import (
    ApiError,
    function_not_found,
    service_exception,
    state_pending,
    too_many_requests,
)
from labkit.core.events import Event, EventKind
from labkit.core.invocation_records import LastError
from labkit.live.async_queue import AsyncQueue, EventSettings
from labkit.live.clock import LabClock
from labkit.live.deployment import Deployment
from labkit.live.event_log import EventLog
from labkit.live.invoke import InvokeRequest, InvokeResult
from labkit.live.lambda_api.backend import Resolved
from labkit.live.settings import Settings
from labkit.live.workers import Workers

ARN = "arn:aws:lambda:us-east-1:123456789012:function:work"
DEAD, DONE = "arn:aws:sqs:us-east-1:123456789012:dead", "arn:aws:sqs:us-east-1:123456789012:done"
Answer = ApiError | OSError | str


@dataclass
class Bench:
    """Everything around the queue. `answers` are what the attempts meet, the last one for good."""

    answers: list[Answer]
    settings: EventSettings = EventSettings()
    dead_letter_arn: str | None = None
    is_gone: bool = False

    def __post_init__(self) -> None:
        self.clock = LabClock()
        self.lab_settings = Settings()
        self.events = EventLog(self.clock, self.lab_settings)
        self.workers = Workers(self.clock, lambda: 8)
        self.requests: list[InvokeRequest] = []
        self.dead_letters: list[tuple[str, LastError]] = []
        self.records: list[tuple[str, dict[str, Any]]] = []
        self.during: Callable[[], None] = lambda: None
        self.queue = AsyncQueue(
            clock=self.clock,
            settings=self.lab_settings,
            events=self.events,
            workers=self.workers,
            functions=self,
            run=self.run,
            destinations=self,
        )

    def close(self) -> None:
        self.workers.close()
        self.clock.close()

    @property
    def deployment(self) -> Deployment:
        configuration = FunctionConfiguration(
            function_name="work",
            runtime=None,
            handler=None,
            role_arn="",
            dead_letter_target_arn=self.dead_letter_arn,
        )
        return Deployment(
            configuration=configuration,
            version="$LATEST",
            region="us-east-1",
            account_id="123456789012",
            task_dir=None,  # type: ignore[arg-type]
            opt_dir=None,
            identity="work:1",
        )

    def resolve_arn(self, function_arn: str) -> Resolved:
        if self.is_gone:
            raise function_not_found(function_arn)
        return Resolved(self.deployment, function_arn)

    def event_settings(self, function_arn: str) -> EventSettings:
        if self.is_gone:
            raise function_not_found(function_arn)
        return self.settings

    def run(self, request: InvokeRequest) -> InvokeResult:
        self.requests.append(request)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        self.during()
        if isinstance(answer, Exception):
            raise answer
        failed = "errorMessage" in answer
        return InvokeResult(
            status=200,
            request_id=request.request_id,
            payload=answer.encode(),
            function_error="Unhandled" if failed else None,
            executed_version="$LATEST",
        )

    def send_dead_letter(self, target_arn: str, request: InvokeRequest, error: LastError) -> None:
        self.dead_letters.append((target_arn, error))

    def send_record(self, target_arn: str, request: InvokeRequest, record: dict[str, Any]) -> None:
        self.records.append((target_arn, record))

    def put(self, *, is_loop: bool = False) -> None:
        request = InvokeRequest(
            deployment=self.deployment,
            invoked_arn=ARN,
            payload=b'{"n": 1}',
            invocation_type="Event",
            request_id="id-1",
        )
        self.queue.put(request, is_loop=is_loop)

    def told(self, *kinds: EventKind) -> list[Event]:
        return [event for event in self.events.after(0) if not kinds or event.kind in kinds]

    def story(self) -> list[tuple[str, int | None, str | None]]:
        return [(event.kind, event.attempt, event.reason) for event in self.told()]


FAILS = '{"errorMessage": "no"}'
THROTTLE = too_many_requests("ConcurrentInvocationLimitExceeded")


@pytest.fixture
def make() -> Iterator[Callable[..., Bench]]:
    made: list[Bench] = []

    def build(*answers: Answer, **options: Any) -> Bench:
        made.append(Bench(list(answers), **options))
        return made[-1]

    yield build
    for bench in made:
        bench.close()


def test_success(make: Callable[..., Bench]) -> None:
    bench = make("1", settings=EventSettings(on_success=DONE, on_failure=DEAD))
    bench.put()
    assert bench.clock.settle().settled
    assert bench.story() == [("queued", None, None)]
    (request,) = bench.requests
    assert (request.request_id, request.attempt) == ("id-1", 1)
    assert request.queued_ms == pytest.approx(bench.told()[0].time_ms, abs=50)
    ((target_arn, record),) = bench.records
    assert target_arn == DONE
    assert record["requestContext"] == {
        "requestId": "id-1",
        "functionArn": ARN + ":$LATEST",
        "condition": "Success",
        "approximateInvokeCount": 1,
    }
    assert record["responsePayload"] == 1


def test_three_attempts_and_both_ends(make: Callable[..., Bench]) -> None:
    bench = make(FAILS, settings=EventSettings(on_failure=DONE), dead_letter_arn=DEAD)
    bench.put()
    assert bench.clock.settle().settled
    assert bench.story() == [
        ("queued", None, None),
        ("retry_scheduled", 1, "function_error"),
        ("retry_scheduled", 2, "function_error"),
        ("dropped", 3, "RetriesExhausted"),
    ]
    assert [request.attempt for request in bench.requests] == [1, 2, 3]
    first, second = bench.told(EventKind.RETRY_SCHEDULED)
    assert first.due_ms - first.time_ms == pytest.approx(60_000, abs=100)
    assert second.due_ms - second.time_ms == pytest.approx(120_000, abs=100)
    assert second.time_ms == pytest.approx(first.due_ms, abs=1_000)
    assert bench.dead_letters == [(DEAD, LastError(200, "no"))]
    ((_, record),) = bench.records
    assert record["requestContext"]["approximateInvokeCount"] == 3
    assert record["responseContext"]["functionError"] == "Unhandled"


def test_a_function_that_is_healed_meanwhile(make: Callable[..., Bench]) -> None:
    bench = make(FAILS, "1")
    bench.put()
    assert bench.clock.settle().settled
    assert bench.story()[1:] == [("retry_scheduled", 1, "function_error")]
    assert len(bench.requests) == 2


def test_throttles_and_errors_of_the_service_use_up_no_retry(make: Callable[..., Bench]) -> None:
    bench = make(THROTTLE, OSError("no room"), service_exception("x"), state_pending(), FAILS, "1")
    bench.put()
    assert bench.clock.settle().settled
    assert bench.story()[1:] == [
        ("retry_scheduled", 0, "throttle"),
        ("retry_scheduled", 0, "service_error"),
        ("retry_scheduled", 0, "service_error"),
        ("retry_scheduled", 0, "service_error"),
        ("retry_scheduled", 1, "function_error"),
    ]
    assert [request.attempt for request in bench.requests] == [1, 1, 1, 1, 1, 2]
    waits_s = [
        (event.due_ms - event.time_ms) / 1000 for event in bench.told(EventKind.RETRY_SCHEDULED)
    ]
    for wait_s, expected_s in zip(waits_s, [1, 2, 4, 8], strict=False):
        assert 0.88 * expected_s <= wait_s <= 1.11 * expected_s


def test_only_throttled_for_six_hours(make: Callable[..., Bench]) -> None:
    bench = make(THROTTLE, settings=EventSettings(on_failure=DONE), dead_letter_arn=DEAD)
    bench.put()
    assert bench.clock.settle().settled
    stored, dropped = bench.told(EventKind.QUEUED, EventKind.DROPPED)
    assert (dropped.reason, dropped.attempt) == ("EventAgeExceeded", 0)
    assert 5.9 * 3600 < (dropped.time_ms - stored.time_ms) / 1000 < 6 * 3600
    assert bench.dead_letters == [(DEAD, LastError(429, "Rate Exceeded."))]
    ((_, record),) = bench.records
    assert "responseContext" not in record and "responsePayload" not in record


def test_the_longest_back_off_is_a_setting(make: Callable[..., Bench]) -> None:
    bench = make(*[THROTTLE] * 9, "1")
    bench.lab_settings.patch({"async_backoff_max_s": 5})
    bench.put()
    assert bench.clock.settle().settled
    last = bench.told(EventKind.RETRY_SCHEDULED)[-1]
    assert 4_400 < last.due_ms - last.time_ms < 5_600


@pytest.mark.parametrize(("age_s", "attempts"), [(60, 1), (90, 2)])
def test_age_looks_ahead(make: Callable[..., Bench], age_s: int, attempts: int) -> None:
    config = EventInvokeConfig(maximum_event_age_s=age_s)
    bench = make(FAILS, settings=EventSettings(config=config, on_failure=DONE))
    bench.put()
    assert bench.clock.settle().settled
    (dropped,) = bench.told(EventKind.DROPPED)
    assert (dropped.reason, dropped.attempt) == ("EventAgeExceeded", attempts)
    ((_, record),) = bench.records
    assert record["requestContext"]["approximateInvokeCount"] == attempts
    assert record["responsePayload"] == {"errorMessage": "no"}


def test_reserved_concurrency_0_runs_nothing(make: Callable[..., Bench]) -> None:
    bench = make(
        "1", settings=EventSettings(reserved_concurrency=0, on_failure=DONE), dead_letter_arn=DEAD
    )
    bench.put()
    assert bench.clock.settle(0).settled
    assert bench.requests == []
    assert bench.story() == [("queued", None, None), ("dropped", 0, "ZeroReservedConcurrency")]
    ((_, record),) = bench.records
    assert record["requestContext"]["approximateInvokeCount"] == 0
    assert "responseContext" not in record
    assert len(bench.dead_letters) == 1


def test_a_loop_is_given_up(make: Callable[..., Bench]) -> None:
    bench = make("1", dead_letter_arn=DEAD)
    bench.put(is_loop=True)
    assert bench.clock.settle(0).settled
    assert bench.story()[1:] == [("dropped", 0, "RecursiveInvocation")]
    assert bench.requests == []
    assert bench.dead_letters[0][1].code == 400


def test_settings_count_from_the_moment_on_that_they_are_made(make: Callable[..., Bench]) -> None:
    bench = make(FAILS)
    bench.put()
    bench.clock.settle(0)
    bench.settings = replace(
        bench.settings, config=EventInvokeConfig(maximum_retry_attempts=1), on_failure=DONE
    )
    assert bench.clock.settle().settled
    assert bench.story()[-1] == ("dropped", 2, "RetriesExhausted")
    assert len(bench.records) == 1


def test_events_of_a_function_that_is_gone_are_dropped(make: Callable[..., Bench]) -> None:
    bench = make(FAILS, dead_letter_arn=DEAD)
    bench.put()
    bench.clock.settle(0)
    bench.is_gone = True
    assert bench.clock.settle().settled
    assert bench.story()[-1] == ("dropped", 1, "ResourceNotFoundException")
    assert bench.dead_letters == []
    with pytest.raises(ApiError):
        bench.put()


def test_a_function_deleted_while_it_runs_still_reports(make: Callable[..., Bench]) -> None:
    bench = make("1", settings=EventSettings(on_success=DONE))
    bench.during = lambda: setattr(bench, "is_gone", True)
    bench.put()
    assert bench.clock.settle().settled
    assert len(bench.records) == 1


def test_after_a_reset_nothing_is_left(make: Callable[..., Bench]) -> None:
    bench = make(FAILS)
    bench.put()
    bench.clock.settle(0)
    bench.queue.clear()
    moved = bench.clock.settle()
    assert (moved.settled, moved.fired) == (True, 0)
    assert len(bench.requests) == 1


def test_what_runs_during_a_reset_is_not_looked_at(make: Callable[..., Bench]) -> None:
    bench = make(FAILS, dead_letter_arn=DEAD)
    entered, leave = threading.Event(), threading.Event()

    def during() -> None:
        entered.set()
        leave.wait(10)

    bench.during = during
    bench.put()
    assert entered.wait(10)
    bench.queue.clear()
    leave.set()
    assert bench.clock.settle().settled
    assert bench.story() == [("queued", None, None)]


def test_many_events_at_once_are_all_done(make: Callable[..., Bench]) -> None:
    bench = make("1")
    for _ in range(300):
        bench.put()
    assert bench.clock.settle(0).settled
    assert len(bench.requests) == 300
