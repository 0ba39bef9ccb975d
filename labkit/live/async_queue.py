"""The internal queue of asynchronous invocation: it keeps events until they are over."""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Protocol

from labkit.core import recursion
from labkit.core.asynchronous import Condition, EventInvokeConfig, EventLife, Finish, Retry
from labkit.core.clock import Clock, Timer
from labkit.core.errors import ApiError, service_exception
from labkit.core.events import EventKind
from labkit.core.invocation_records import (
    LastError,
    LastResponse,
    function_error,
    invocation_record,
)
from labkit.core.names import qualifier_of
from labkit.live.calls import Resolved
from labkit.live.context import Events
from labkit.live.deployment import Deployment
from labkit.live.invoke import InvokeRequest, InvokeResult
from labkit.live.settings import Settings
from labkit.live.workers import Workers

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class EventSettings:
    """What is configured for the events of a function, version or alias at one moment.

    `on_success` and `on_failure` are ARNs of destinations.
    """

    config: EventInvokeConfig = EventInvokeConfig()
    on_success: str | None = None
    on_failure: str | None = None
    reserved_concurrency: int | None = None
    stops_loops: bool = True


class Functions(Protocol):
    """What the queue asks of the functions, by ARN. Raises ApiError (404) for one that is gone."""

    def resolve_arn(self, function_arn: str) -> Resolved:
        """What an attempt runs now."""

    def event_settings(self, function_arn: str) -> EventSettings:
        """What is configured now."""


class Destinations(Protocol):
    """Where events and their records go. A delivery that fails is an event, not an error."""

    def send_dead_letter(
        self, target_arn: str, request: InvokeRequest, error: LastError
    ) -> None: ...

    def send_record(
        self, target_arn: str, request: InvokeRequest, record: dict[str, object]
    ) -> None: ...


@dataclass(slots=True, eq=False)
class _Stored:
    """One event in the queue, and what is known of its last attempt."""

    request: InvokeRequest
    life: EventLife
    settings: EventSettings
    generation: int
    is_loop: bool
    response: LastResponse | None = None
    error: LastError = field(default_factory=lambda: LastError(429, "Rate Exceeded."))


class AsyncQueue:
    """Stores events and runs them by the rules of `core.asynchronous`, at least once each.

    `run` makes one attempt. What an attempt runs and what is configured is looked up each time, so
    that a change counts from the next attempt on. Safe to use from several threads.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        settings: Settings,
        events: Events,
        workers: Workers,
        functions: Functions,
        run: Callable[[InvokeRequest], InvokeResult],
        destinations: Destinations,
    ) -> None:
        self._clock = clock
        self._settings = settings
        self._events = events
        self._workers = workers
        self._functions = functions
        self._run = run
        self._destinations = destinations
        self._random = random.Random(settings.seed)
        self._lock = threading.Lock()
        self._waiting: dict[_Stored, Timer] = {}
        self._generation = 0

    def put(self, request: InvokeRequest, *, is_loop: bool = False) -> None:
        """Store an event. Raises ApiError (404) if the function is gone.

        `is_loop` says that its chain of requests has come to the function too often: it is given
        up without an attempt.
        """
        settings = self._functions.event_settings(request.invoked_arn)
        now_ms = self._clock.now_ms()
        stored = _Stored(
            request=replace(request, queued_ms=now_ms),
            life=EventLife(now_ms, settings.config),
            settings=settings,
            generation=self._generation,
            is_loop=is_loop,
        )
        self._emit(EventKind.QUEUED, stored)
        self._workers.submit(lambda: self._attempt(stored))

    def stops_loops(self, function_arn: str) -> bool:
        """Tell whether a loop of requests through the function is to be stopped."""
        try:
            return self._functions.event_settings(function_arn).stops_loops
        except ApiError:
            return False

    def clear(self) -> None:
        """Forget all events; what an attempt that is running gives is not looked at any more."""
        with self._lock:
            self._generation += 1
            timers = list(self._waiting.values())
            self._waiting.clear()
            self._random = random.Random(self._settings.seed)
        for timer in timers:
            timer.cancel()

    def _attempt(self, stored: _Stored) -> None:
        """Make the next attempt and act on what came of it."""
        if stored.generation != self._generation:
            return
        try:
            self._look_up(stored)
            deployment = self._functions.resolve_arn(stored.request.invoked_arn).deployment
        except ApiError as error:
            if error.status == 404:
                self._emit(
                    EventKind.DROPPED, stored, reason=error.code, attempt=stored.life.invoke_count
                )
                return
            self._act(stored, self._after_refusal(stored, error))
            return
        except Exception:
            self._act(stored, self._lab_failed(stored))
            return
        stored.request = replace(stored.request, deployment=deployment)
        verdict = self._before(stored) or self._tried(stored, deployment)
        if stored.generation == self._generation:
            self._act(stored, verdict)

    def _look_up(self, stored: _Stored) -> None:
        stored.settings = self._functions.event_settings(stored.request.invoked_arn)
        stored.life.config = stored.settings.config

    def _before(self, stored: _Stored) -> Finish | None:
        """The end of an event that gets no further attempt."""
        if stored.is_loop:
            stop = recursion.recursive_invocation()
            stored.error = LastError(stop.status, stop.message)
            return stored.life.recursive()
        if stored.settings.reserved_concurrency == 0:
            stored.error = LastError(429, "Rate Exceeded.")
            return stored.life.zero_reserved()
        return stored.life.before_attempt(self._clock.now_ms())

    def _tried(self, stored: _Stored, deployment: Deployment) -> Retry | Finish:
        life = stored.life
        try:
            result = self._run(replace(stored.request, attempt=life.invoke_count + 1))
        except ApiError as error:
            return self._after_refusal(stored, error)
        except Exception:
            return self._lab_failed(stored)
        version = result.executed_version or deployment.version
        stored.response = LastResponse(result.payload, version, result.function_error)
        try:
            self._look_up(stored)
        except ApiError:
            pass  # deleted meanwhile: what was configured last counts for this attempt
        if result.function_error is None:
            return life.after_success(self._clock.now_ms())
        stored.error = function_error(stored.response)
        return life.after_function_error(self._clock.now_ms())

    def _after_refusal(self, stored: _Stored, error: ApiError) -> Retry | Finish:
        stored.error = LastError(error.status, error.message)
        now_ms, life = self._clock.now_ms(), stored.life
        if error.status == 429:
            return life.after_throttle(now_ms, **self._back_off())
        return life.after_service_error(now_ms, **self._back_off())

    def _lab_failed(self, stored: _Stored) -> Retry | Finish:
        """To be called while an exception is handled: the event waits as after a throttle."""
        _log.exception("an attempt at an event failed in the lab itself")
        return self._after_refusal(stored, service_exception("The lab failed to run the function."))

    def _back_off(self) -> dict[str, float]:
        return {
            "jitter": self._random.uniform(-1, 1),
            "backoff_max_s": self._settings.async_backoff_max_s,
        }

    def _act(self, stored: _Stored, verdict: Retry | Finish) -> None:
        if isinstance(verdict, Retry):
            self._wait(stored, verdict)
        else:
            self._finish(stored, verdict.condition)

    def _wait(self, stored: _Stored, retry: Retry) -> None:
        self._emit(
            EventKind.RETRY_SCHEDULED,
            stored,
            attempt=stored.life.invoke_count,
            due_ms=retry.due_ms,
            reason=retry.reason,
        )
        with self._lock:
            if stored.generation == self._generation:
                self._waiting[stored] = self._clock.call_at(
                    retry.due_ms, lambda: self._due(stored), pending=True
                )

    def _due(self, stored: _Stored) -> None:
        with self._lock:
            self._waiting.pop(stored, None)
        self._workers.submit(lambda: self._attempt(stored))

    def _finish(self, stored: _Stored, condition: Condition) -> None:
        """The end of an event: the dead-letter queue is told first, then the destination."""
        succeeded = condition is Condition.SUCCESS
        if not succeeded:
            self._emit(
                EventKind.DROPPED, stored, reason=condition, attempt=stored.life.invoke_count
            )
            dead_letter_arn = stored.request.deployment.configuration.dead_letter_target_arn
            if dead_letter_arn is not None:
                self._destinations.send_dead_letter(dead_letter_arn, stored.request, stored.error)
        settings = stored.settings
        target_arn = settings.on_success if succeeded else settings.on_failure
        if target_arn is not None:
            self._destinations.send_record(
                target_arn, stored.request, self._record(stored, condition)
            )

    def _record(self, stored: _Stored, condition: Condition) -> dict[str, object]:
        return invocation_record(
            now_ms=self._clock.now_ms(),
            request_id=stored.request.request_id,
            function_arn=stored.request.invoked_arn,
            condition=condition,
            invoke_count=stored.life.invoke_count,
            request_payload=stored.request.payload,
            response=stored.response,
        )

    def _emit(self, kind: EventKind, stored: _Stored, **fields: object) -> None:
        deployment = stored.request.deployment
        self._events.append(
            kind,
            function=deployment.function_name,
            version=deployment.version,
            request_id=stored.request.request_id,
            qualifier=qualifier_of(stored.request.invoked_arn),
            **fields,
        )
