"""Requests and limits in virtual time."""

from __future__ import annotations

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from labkit.core.events import Event, EventKind
from labkit.fleet.arrivals import Request
from labkit.fleet.lanes import LanesScenario, ceiling, simulate_lanes

AT_ONCE = tuple(Request(float(number), 1_000.0) for number in range(8))


def reasons(events: list[Event]) -> Counter[str | None]:
    return Counter(event.reason for event in events if event.kind is EventKind.THROTTLED)


def counts(events: list[Event]) -> Counter[EventKind]:
    return Counter(event.kind for event in events)


def test_reserved_concurrency_is_a_ceiling() -> None:
    events = simulate_lanes(LanesScenario(requests=AT_ONCE, reserved_concurrency=5))
    assert counts(events)[EventKind.INVOKE_ENDED] == 5
    assert reasons(events) == {"ReservedFunctionConcurrentInvocationLimitExceeded": 3}
    nothing = simulate_lanes(LanesScenario(requests=AT_ONCE, reserved_concurrency=0))
    assert counts(nothing)[EventKind.THROTTLED] == 8


def test_without_a_reservation_others_take_their_part() -> None:
    scenario = LanesScenario(requests=AT_ONCE, account_concurrency=8, neighbour_concurrency=5)
    events = simulate_lanes(scenario)
    assert reasons(events) == {"ConcurrentInvocationLimitExceeded": 5}
    assert ceiling(scenario) == 3


def test_an_environment_is_busy_in_its_init_and_then_used_again() -> None:
    requests = tuple(Request(at_ms, 100.0) for at_ms in (0.0, 500.0, 1_000.0))
    events = simulate_lanes(LanesScenario(requests=requests, init_ms=700.0))
    assert counts(events)[EventKind.INIT_STARTED] == 2
    invoked = [e.environment for e in events if e.kind is EventKind.INVOKE_STARTED]
    assert invoked == ["environment-1", "environment-1", "environment-2"]


def test_provisioned_environments_are_ready_and_taken_first() -> None:
    scenario = LanesScenario(
        requests=AT_ONCE, reserved_concurrency=6, provisioned_concurrency=4, init_ms=500.0
    )
    events = simulate_lanes(scenario)
    started = [e for e in events if e.kind is EventKind.INVOKE_STARTED]
    kinds = Counter(event.initialization_type for event in started)
    assert kinds == {"provisioned-concurrency": 4, "on-demand": 2}
    assert reasons(events) == {"ReservedFunctionConcurrentInvocationLimitExceeded": 2}
    ready = [e.time_ms for e in events if e.kind is EventKind.INIT_ENDED][:4]
    assert ready == [0.0] * 4
    assert ceiling(scenario) == 6


REQUESTS = st.lists(st.builds(Request, st.floats(0, 5_000), st.floats(1, 3_000)), max_size=30).map(
    tuple
)


@settings(max_examples=60)
@given(
    REQUESTS,
    st.one_of(st.none(), st.integers(0, 6)),
    st.integers(0, 6),
    st.integers(6, 10),
    st.integers(0, 6),
)
def test_nothing_is_lost_and_the_ceiling_holds(
    requests: tuple[Request, ...],
    reserved: int | None,
    provisioned: int,
    account: int,
    others: int,
) -> None:
    scenario = LanesScenario(
        requests=requests,
        reserved_concurrency=reserved,
        provisioned_concurrency=min(provisioned, account if reserved is None else reserved),
        account_concurrency=account,
        neighbour_concurrency=others,
    )
    events = simulate_lanes(scenario)
    times = [event.time_ms for event in events]
    assert times == sorted(times)
    found = counts(events)
    assert found[EventKind.ACCEPTED] == len(requests)
    assert found[EventKind.INVOKE_ENDED] + found[EventKind.THROTTLED] == len(requests)
    running: set[str | None] = set()
    for event in events:
        if event.kind is EventKind.INVOKE_STARTED:
            assert event.environment not in running
            running.add(event.environment)
        elif event.kind is EventKind.INVOKE_ENDED:
            running.remove(event.environment)
        assert len(running) <= ceiling(scenario)
