from __future__ import annotations

import itertools
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from labkit.core.events import Event, EventKind
from labkit.core.metrics import DataPoint, Facts, LambdaMetrics, MappingFacts

FN = (("FunctionName", "f"),)
RESOURCE = (*FN, ("Resource", "f"))
LEVELS = [(), FN, RESOURCE]
_numbers = itertools.count(1)


def event(kind: str, time_ms: float = 1000.0, **fields: Any) -> Event:
    fields = {"function": "f", **fields}
    return Event(seq=next(_numbers), time_ms=time_ms, kind=EventKind(kind), **fields)


def of(points: list[DataPoint], name: str) -> dict[Any, float]:
    """The values of one metric by their dimensions."""
    found = {point.dimensions: point.value for point in points if point.name == name}
    assert len(found) == len([point for point in points if point.name == name])
    return found


def names(points: list[DataPoint]) -> set[str]:
    return {point.name for point in points}


def running(metrics: LambdaMetrics, environment: str, **fields: Any) -> list[DataPoint]:
    fields = {"version": "$LATEST", "initialization_type": "on-demand", **fields}
    return metrics.take(event("invoke_started", environment=environment, **fields))


def test_an_invocation_at_every_level_stamped_with_its_start() -> None:
    metrics = LambdaMetrics()
    running(metrics, "e", time_ms=1000.0)
    points = metrics.take(
        event(
            "invoke_ended", time_ms=61_000.0, environment="e", outcome="success", duration_ms=12.5
        )
    )
    assert of(points, "Invocations") == dict.fromkeys(LEVELS, 1)
    assert of(points, "Errors") == dict.fromkeys(LEVELS, 0)
    assert of(points, "Duration") == dict.fromkeys(LEVELS, 12.5)
    assert {point.time_ms for point in points} == {1000.0}
    assert {point.unit for point in points if point.name == "Duration"} == {"Milliseconds"}


def test_errors_and_timeouts_are_errors() -> None:
    for outcome in ("error", "timeout"):
        points = LambdaMetrics().take(event("invoke_ended", outcome=outcome, duration_ms=1.0))
        assert of(points, "Errors") == dict.fromkeys(LEVELS, 1)


def test_resources_of_versions_and_aliases() -> None:
    metrics = LambdaMetrics()
    metrics.facts = Facts(shares_traffic=lambda function, alias: (function, alias) == ("f", "both"))
    ended = {"outcome": "success", "version": "2"}
    by_version = metrics.take(event("invoke_ended", qualifier="2", **ended))
    assert set(of(by_version, "Invocations")) == {(), FN, (*FN, ("Resource", "f:2"))}
    by_alias = metrics.take(event("invoke_ended", qualifier="live", **ended))
    assert set(of(by_alias, "Invocations")) == {(), FN, (*FN, ("Resource", "f:live"))}
    shared = metrics.take(event("invoke_ended", qualifier="both", **ended))
    resource = (*FN, ("Resource", "f:both"))
    assert set(of(shared, "Invocations")) == {
        (),
        FN,
        resource,
        (*resource, ("ExecutedVersion", "2")),
    }


def test_throttles_are_neither_invocations_nor_errors() -> None:
    points = LambdaMetrics().take(event("throttled", reason="ConcurrentInvocationLimitExceeded"))
    assert of(points, "Throttles") == dict.fromkeys(LEVELS, 1)
    assert names(points) == {"Throttles"}


def test_asynchronous_events() -> None:
    metrics = LambdaMetrics()
    assert of(metrics.take(event("queued")), "AsyncEventsReceived") == dict.fromkeys(LEVELS, 1)
    started = running(metrics, "e", invocation_type="Event", age_ms=60_010.0)
    assert of(started, "AsyncEventAge") == dict.fromkeys(LEVELS, 60_010.0)
    dropped = metrics.take(event("dropped", reason="RetriesExhausted", attempt=3))
    assert of(dropped, "AsyncEventsDropped") == dict.fromkeys(LEVELS, 1)
    assert names(dropped) == {"AsyncEventsDropped"}
    loop = metrics.take(event("dropped", reason="RecursiveInvocation", attempt=0))
    assert names(loop) == {"AsyncEventsDropped", "RecursiveInvocationsDropped"}
    refused = metrics.take(event("dropped", reason="RecursiveInvocation"))
    assert names(refused) == {"RecursiveInvocationsDropped"}


def test_deliveries_that_failed() -> None:
    metrics = LambdaMetrics()
    assert names(metrics.take(event("delivery_failed", reason="dead_letter"))) == {
        "DeadLetterErrors"
    }
    for reason in ("on_success", "on_failure"):
        points = metrics.take(event("delivery_failed", reason=reason))
        assert names(points) == {"DestinationDeliveryFailures"}
    assert metrics.take(event("delivered", reason="dead_letter")) == []


def test_concurrency_is_counted_from_init_to_the_end() -> None:
    metrics = LambdaMetrics()
    init = metrics.take(
        event("init_started", phase="init", environment="a", initialization_type="on-demand")
    )
    assert of(init, "ConcurrentExecutions") == {(): 1, FN: 1}
    assert of(running(metrics, "a"), "ConcurrentExecutions") == dict.fromkeys(LEVELS, 1)
    assert of(running(metrics, "b"), "ConcurrentExecutions") == dict.fromkeys(LEVELS, 2)
    other = running(metrics, "c", function="g", qualifier="1")
    assert of(other, "ConcurrentExecutions") == {
        (): 3,
        (("FunctionName", "g"),): 1,
        (("FunctionName", "g"), ("Resource", "g:1")): 1,
    }
    metrics.take(event("invoke_ended", environment="a", outcome="success"))
    metrics.take(event("environment_ended", environment="c"))
    assert of(running(metrics, "a"), "ConcurrentExecutions") == dict.fromkeys(LEVELS, 2)


def test_unreserved_and_claimed_concurrency() -> None:
    metrics = LambdaMetrics()
    metrics.facts = Facts(reserved={"f": 5})
    first = running(metrics, "a")
    assert of(first, "UnreservedConcurrentExecutions") == {(): 0}
    assert of(first, "ClaimedAccountConcurrency") == {(): 5}
    second = running(metrics, "b", function="g")
    assert of(second, "UnreservedConcurrentExecutions") == {(): 1}
    assert of(second, "ClaimedAccountConcurrency") == {(): 6}


def provisioned(metrics: LambdaMetrics, reason: str, allocated: int) -> list[DataPoint]:
    return metrics.take(
        event(
            "provisioned_changed",
            version="1",
            qualifier="live",
            requested=4,
            allocated=allocated,
            reason=reason,
        )
    )


def test_provisioned_concurrency_and_what_spills_over() -> None:
    metrics = LambdaMetrics()
    prepared = event(
        "init_started",
        phase="init",
        environment="a",
        initialization_type="provisioned-concurrency",
    )
    assert metrics.take(prepared) == []
    provisioned(metrics, "IN_PROGRESS", 2)
    on_demand = running(metrics, "x", version="1", qualifier="live")
    assert "ProvisionedConcurrencySpilloverInvocations" not in names(on_demand)
    metrics.take(event("invoke_ended", environment="x", outcome="success"))
    assert of(provisioned(metrics, "READY", 4), "ClaimedAccountConcurrency") == {(): 4}
    first = running(
        metrics, "a", version="1", qualifier="1", initialization_type="provisioned-concurrency"
    )
    pool = (*FN, ("Resource", "f:live"))
    assert of(first, "ProvisionedConcurrencyUtilization") == {pool: 0.25}
    assert of(first, "ProvisionedConcurrentExecutions") == {FN: 1, pool: 1}
    assert set(of(first, "ProvisionedConcurrencyInvocations")) == {
        (),
        FN,
        (*FN, ("Resource", "f:1")),
    }
    assert of(first, "ClaimedAccountConcurrency") == {(): 4}
    spilled = running(metrics, "x", version="1", qualifier="live")
    assert of(spilled, "ProvisionedConcurrencySpilloverInvocations") == {(): 1, FN: 1, pool: 1}
    assert of(spilled, "ClaimedAccountConcurrency") == {(): 5}
    assert of(spilled, "UnreservedConcurrentExecutions") == {(): 2}
    elsewhere = running(metrics, "y")
    assert "ProvisionedConcurrencySpilloverInvocations" not in names(elsewhere)
    provisioned(metrics, "DELETED", 0)
    after = running(metrics, "z", version="1", qualifier="live")
    assert "ProvisionedConcurrencySpilloverInvocations" not in names(after)


MAPPING = (("EventSourceMappingUUID", "u"),)


def mapped(*groups: str, is_queue: bool = True) -> LambdaMetrics:
    metrics = LambdaMetrics()
    metrics.facts = Facts(mapping=lambda uuid: MappingFacts(groups, is_queue))
    return metrics


def batch(**fields: Any) -> Event:
    fields = {"mapping": "u", "records": 5, "failed_records": 0, "outcome": "success", **fields}
    return event("batch_ended", **fields)


def test_mappings_have_no_metrics_unless_they_ask() -> None:
    metrics = mapped()
    assert metrics.take(event("polled", mapping="u", records=10)) == []
    assert metrics.take(batch()) == []


def test_counts_of_a_queue() -> None:
    metrics = mapped("EventCount")
    assert of(metrics.take(event("polled", mapping="u", records=10)), "PolledEventCount") == {
        MAPPING: 10
    }
    found = metrics.take(event("filtered", mapping="u", records=4))
    assert of(found, "FilteredOutEventCount") == {MAPPING: 4}
    partial = metrics.take(batch(outcome="partial", failed_records=2))
    assert {point.name: point.value for point in partial} == {
        "InvokedEventCount": 5,
        "FailedInvokeEventCount": 2,
        "DeletedEventCount": 3,
    }
    throttled = metrics.take(batch(outcome="throttled", failed_records=5))
    assert {point.name: point.value for point in throttled} == {
        "FailedInvokeEventCount": 5,
        "DeletedEventCount": 0,
    }


def test_counts_of_a_stream() -> None:
    metrics = mapped("EventCount", "ErrorCount", is_queue=False)
    failed = metrics.take(batch(outcome="error", failed_records=5, shard="s", age_ms=1500.0))
    assert of(failed, "IteratorAge") == dict.fromkeys(LEVELS, 1500.0)
    assert of(failed, "InvokeErrorCount") == {MAPPING: 1}
    assert "DeletedEventCount" not in names(failed)
    gone = {"mapping": "u", "shard": "s"}
    dropped = metrics.take(
        event("dropped", records=5, reason="RetryAttemptsExhausted", attempt=2, **gone)
    )
    assert {point.name: point.value for point in dropped} == {"DroppedEventCount": 5}
    delivered = metrics.take(event("delivered", reason="on_failure", records=5, **gone))
    assert of(delivered, "OnFailureDestinationDeliveredEventCount") == {MAPPING: 5}
    refused = metrics.take(event("delivery_failed", reason="on_failure", **gone))
    assert of(refused, "OnFailureDestinationDeliveryErrorCount") == {MAPPING: 1}
    assert of(refused, "DestinationDeliveryFailures") == dict.fromkeys(LEVELS, 1)


_STEPS = st.lists(
    st.tuples(
        st.sampled_from(["invoke_started", "invoke_ended", "environment_ended"]),
        st.sampled_from("abc"),
    )
)


@given(_STEPS)
def test_concurrency_is_the_number_of_environments_at_work(steps: list[tuple[str, str]]) -> None:
    metrics, busy = LambdaMetrics(), set[str]()
    for kind, environment in steps:
        points = metrics.take(event(kind, environment=environment, outcome="success"))
        if kind == "invoke_started":
            busy.add(environment)
            assert of(points, "ConcurrentExecutions") == dict.fromkeys(LEVELS, len(busy))
        else:
            busy.discard(environment)
