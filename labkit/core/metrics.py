"""From the lab's events to the CloudWatch metrics of AWS Lambda, namespace AWS/Lambda.

Source: developer guide, "Types of metrics for Lambda functions".
"""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from labkit.core.events import Event, EventKind
from labkit.core.names import LATEST, is_version

COUNT, MILLISECONDS, NONE = "Count", "Milliseconds", "None"
PROVISIONED: Final = "provisioned-concurrency"
_READY, _IN_PROGRESS = "READY", "IN_PROGRESS"
_RECURSION: Final = "RecursiveInvocation"
_DEAD_LETTER: Final = "dead_letter"
_EVENT_COUNT, _ERROR_COUNT = "EventCount", "ErrorCount"

Dimensions = tuple[tuple[str, str], ...]
"""Names and values; the empty tuple stands for the account in its Region."""


class DataPoint(NamedTuple):
    """One value of a metric. `time_ms` is lab time; of an invocation, that of its start."""

    name: str
    unit: str
    value: float
    time_ms: float
    dimensions: Dimensions


@dataclass(frozen=True, slots=True)
class MappingFacts:
    """Of an event source mapping: the groups of metrics that it has, and its kind of source."""

    groups: tuple[str, ...] = ()
    is_queue: bool = False


@dataclass(slots=True)
class Facts:
    """What events do not tell; it may change between two events.

    `reserved` is the reserved concurrency by function. `shares_traffic` tells whether an alias
    shares its traffic between two versions.
    """

    reserved: Mapping[str, int] = field(default_factory=dict)
    shares_traffic: Callable[[str, str], bool] = lambda function, alias: False
    mapping: Callable[[str], MappingFacts] = lambda uuid: MappingFacts()


@dataclass(frozen=True, slots=True)
class _Busy:
    """An environment at work. `pool` names the provisioned concurrency that it belongs to."""

    function: str
    resource: str | None
    pool: str | None
    started_ms: float


class LambdaMetrics:
    """The metrics of one Region: takes events in their order, returns data points.

    It remembers which environments are at work. Not safe for several threads at once.
    """

    def __init__(self) -> None:
        self.facts = Facts()
        self._busy: dict[str, _Busy] = {}
        self._by_function: Counter[str] = Counter()
        self._by_resource: Counter[str] = Counter()
        self._by_pool: Counter[str] = Counter()
        self._on_demand: Counter[str] = Counter()  # by function
        self._allocated: dict[tuple[str, str], tuple[str, int]] = {}

    def take(self, event: Event) -> list[DataPoint]:
        """Return the data points of one event."""
        make = _MAKERS.get(event.kind)
        return [] if make is None else list(make(self, event))

    # Invocations.

    def _init_started(self, event: Event) -> Iterator[DataPoint]:
        """The environment is occupied from here on, unless nobody waits for it."""
        if event.phase == "init" and event.initialization_type != PROVISIONED:
            yield from self._occupied(event)

    def _invoke_started(self, event: Event) -> Iterator[DataPoint]:
        yield from self._occupied(event)
        if event.age_ms is not None:
            yield from self._of_function(event, "AsyncEventAge", event.age_ms, MILLISECONDS)
        if event.initialization_type == PROVISIONED:
            yield from self._of_function(event, "ProvisionedConcurrencyInvocations", 1)
            yield from self._provisioned_at_work(event)
        elif self._pool(event) is not None:
            yield from self._of_function(event, "ProvisionedConcurrencySpilloverInvocations", 1)

    def _invoke_ended(self, event: Event) -> Iterator[DataPoint]:
        busy = self._released(event)
        start_ms = event.time_ms if busy is None else busy.started_ms
        failed = event.outcome != "success"
        yield from self._of_function(event, "Invocations", 1, time_ms=start_ms)
        yield from self._of_function(event, "Errors", int(failed), time_ms=start_ms)
        if event.duration_ms is not None:
            yield from self._of_function(
                event, "Duration", event.duration_ms, MILLISECONDS, time_ms=start_ms
            )

    def _environment_ended(self, event: Event) -> Iterator[DataPoint]:
        self._released(event)
        yield from ()

    def _throttled(self, event: Event) -> Iterator[DataPoint]:
        yield from self._of_function(event, "Throttles", 1)

    # Asynchronous events, and what is told of them and of batches.

    def _queued(self, event: Event) -> Iterator[DataPoint]:
        yield from self._of_function(event, "AsyncEventsReceived", 1)

    def _dropped(self, event: Event) -> Iterator[DataPoint]:
        if event.reason == _RECURSION:
            yield from self._of_function(event, "RecursiveInvocationsDropped", 1)
        if event.mapping is not None and event.records is not None:
            yield from self._of_mapping(event, "DroppedEventCount", event.records)
        elif event.attempt is not None:
            yield from self._of_function(event, "AsyncEventsDropped", 1)

    def _delivered(self, event: Event) -> Iterator[DataPoint]:
        if event.mapping is not None:
            name = "OnFailureDestinationDeliveredEventCount"
            yield from self._of_mapping(event, name, event.records or 0)

    def _delivery_failed(self, event: Event) -> Iterator[DataPoint]:
        is_letter = event.reason == _DEAD_LETTER
        name = "DeadLetterErrors" if is_letter else "DestinationDeliveryFailures"
        yield from self._of_function(event, name, 1)
        if event.mapping is not None:
            name = "OnFailureDestinationDeliveryErrorCount"
            yield from self._of_mapping(event, name, 1, group=_ERROR_COUNT)

    # Event source mappings.

    def _polled(self, event: Event) -> Iterator[DataPoint]:
        yield from self._of_mapping(event, "PolledEventCount", event.records or 0)

    def _filtered(self, event: Event) -> Iterator[DataPoint]:
        yield from self._of_mapping(event, "FilteredOutEventCount", event.records or 0)

    def _batch_ended(self, event: Event) -> Iterator[DataPoint]:
        records, failed = event.records or 0, event.failed_records or 0
        if event.outcome != "throttled":
            yield from self._of_mapping(event, "InvokedEventCount", records)
            if event.age_ms is not None:
                yield from self._of_function(event, "IteratorAge", event.age_ms, MILLISECONDS)
        if event.outcome != "success":
            yield from self._of_mapping(event, "FailedInvokeEventCount", failed)
            yield from self._of_mapping(event, "InvokeErrorCount", 1, group=_ERROR_COUNT)
        if event.mapping is not None and self.facts.mapping(event.mapping).is_queue:
            yield from self._of_mapping(event, "DeletedEventCount", records - failed)

    # Concurrency.

    def _provisioned_changed(self, event: Event) -> Iterator[DataPoint]:
        if event.function is not None and event.qualifier is not None:
            key = (event.function, event.qualifier)
            if event.reason == _READY and event.allocated:
                self._allocated[key] = (event.version or event.qualifier, event.allocated)
            elif event.reason != _IN_PROGRESS:  # which leaves what there is at work
                self._allocated.pop(key, None)
        yield from self._of_account(event)

    def _occupied(self, event: Event) -> Iterator[DataPoint]:
        if event.environment is None or event.function is None:
            return
        self._released(event)
        is_provisioned = event.initialization_type == PROVISIONED
        busy = self._busy[event.environment] = _Busy(
            function=event.function,
            resource=_resource(event) if event.kind is EventKind.INVOKE_STARTED else None,
            pool=(self._pool(event) or _resource(event)) if is_provisioned else None,
            started_ms=event.time_ms,
        )
        self._count(busy, 1)
        yield from self._of_account(event)
        name, function = "ConcurrentExecutions", (("FunctionName", busy.function),)
        running = self._by_function[busy.function]
        yield DataPoint(name, COUNT, running, event.time_ms, function)
        if busy.resource is not None:
            running = self._by_resource[busy.resource]
            resource = (*function, ("Resource", busy.resource))
            yield DataPoint(name, COUNT, running, event.time_ms, resource)

    def _released(self, event: Event) -> _Busy | None:
        busy = None if event.environment is None else self._busy.pop(event.environment, None)
        if busy is not None:
            self._count(busy, -1)
        return busy

    def _count(self, busy: _Busy, step: int) -> None:
        self._by_function[busy.function] += step
        if busy.resource is not None:
            self._by_resource[busy.resource] += step
        if busy.pool is None:
            self._on_demand[busy.function] += step
        else:
            self._by_pool[busy.pool] += step

    def _of_account(self, event: Event) -> Iterator[DataPoint]:
        """Yield how much of the account's concurrency is in use, and how much is not to be had."""
        reserved = self.facts.reserved
        unreserved = sum(n for name, n in self._by_function.items() if name not in reserved)
        on_demand = sum(n for name, n in self._on_demand.items() if name not in reserved)
        allocated = sum(n for (name, _), (_, n) in self._allocated.items() if name not in reserved)
        claimed = on_demand + allocated + sum(reserved.values())
        for name, value in (
            ("ConcurrentExecutions", len(self._busy)),
            ("UnreservedConcurrentExecutions", unreserved),
            ("ClaimedAccountConcurrency", claimed),
        ):
            yield DataPoint(name, COUNT, value, event.time_ms, ())

    def _pool(self, event: Event) -> str | None:
        """The resource that holds the provisioned concurrency of an event's version."""
        for (function, qualifier), (version, _) in self._allocated.items():
            if (function, version) == (event.function, event.version):
                return f"{function}:{qualifier}"
        return None

    def _provisioned_at_work(self, event: Event) -> Iterator[DataPoint]:
        pool = self._pool(event)
        if pool is None or event.function is None:
            return
        running = self._by_pool[pool]
        allocated = self._allocated[event.function, pool.partition(":")[2]][1]
        function = (("FunctionName", event.function),)
        resource = (*function, ("Resource", pool))
        name = "ProvisionedConcurrentExecutions"
        yield DataPoint(name, COUNT, running, event.time_ms, function)
        yield DataPoint(name, COUNT, running, event.time_ms, resource)
        name = "ProvisionedConcurrencyUtilization"
        yield DataPoint(name, NONE, running / allocated, event.time_ms, resource)

    # Dimensions.

    def _of_function(
        self,
        event: Event,
        name: str,
        value: float,
        unit: str = COUNT,
        *,
        time_ms: float | None = None,
    ) -> Iterator[DataPoint]:
        """Yield a value for the account, the function, and what of it was called."""
        at_ms = event.time_ms if time_ms is None else time_ms
        for dimensions in _levels(event.function, event.qualifier):
            yield DataPoint(name, unit, value, at_ms, dimensions)
        if event.function is None or event.version is None or not _is_alias(event.qualifier):
            return
        if self.facts.shares_traffic(event.function, event.qualifier or ""):
            executed = (*dimensions, ("ExecutedVersion", event.version))
            yield DataPoint(name, unit, value, at_ms, executed)

    def _of_mapping(
        self, event: Event, name: str, value: float, *, group: str = _EVENT_COUNT
    ) -> Iterator[DataPoint]:
        """Yield a value of an event source mapping, if it has asked for the group of metrics."""
        if event.mapping is not None and group in self.facts.mapping(event.mapping).groups:
            dimensions = (("EventSourceMappingUUID", event.mapping),)
            yield DataPoint(name, COUNT, value, event.time_ms, dimensions)


def _resource(event: Event) -> str:
    """What was called: the function, or a version or alias of it."""
    name = event.function or ""
    return name if event.qualifier is None else f"{name}:{event.qualifier}"


def _is_alias(qualifier: str | None) -> bool:
    return qualifier is not None and qualifier != LATEST and not is_version(qualifier)


@functools.lru_cache(maxsize=4096)
def _levels(function: str | None, qualifier: str | None) -> tuple[Dimensions, ...]:
    """Return the dimensions of the account, a function, and a version or alias of it."""
    if function is None:
        return ((),)
    of_function = (("FunctionName", function),)
    resource = function if qualifier is None else f"{function}:{qualifier}"
    return (), of_function, (*of_function, ("Resource", resource))


_MAKERS: Final[Mapping[EventKind, Callable[[LambdaMetrics, Event], Iterator[DataPoint]]]] = {
    EventKind.INIT_STARTED: LambdaMetrics._init_started,
    EventKind.INVOKE_STARTED: LambdaMetrics._invoke_started,
    EventKind.INVOKE_ENDED: LambdaMetrics._invoke_ended,
    EventKind.ENVIRONMENT_ENDED: LambdaMetrics._environment_ended,
    EventKind.THROTTLED: LambdaMetrics._throttled,
    EventKind.QUEUED: LambdaMetrics._queued,
    EventKind.DROPPED: LambdaMetrics._dropped,
    EventKind.DELIVERED: LambdaMetrics._delivered,
    EventKind.DELIVERY_FAILED: LambdaMetrics._delivery_failed,
    EventKind.POLLED: LambdaMetrics._polled,
    EventKind.FILTERED: LambdaMetrics._filtered,
    EventKind.BATCH_ENDED: LambdaMetrics._batch_ended,
    EventKind.PROVISIONED_CHANGED: LambdaMetrics._provisioned_changed,
}
