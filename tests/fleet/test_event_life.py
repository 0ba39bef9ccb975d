"""One asynchronous event in virtual time."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from labkit.core.asynchronous import EventInvokeConfig
from labkit.core.events import Event, EventKind
from labkit.fleet.event_life import EventScenario, simulate_event
from labkit.fleet.health import Health, HealthPlan

BROKEN = HealthPlan.of([(0, "broken")])


def starts_s(events: list[Event]) -> list[float]:
    return [event.time_ms / 1000 for event in events if event.kind is EventKind.INVOKE_STARTED]


def end(events: list[Event]) -> list[tuple[str, str | None]]:
    kinds = (EventKind.DROPPED, EventKind.DELIVERED)
    return [(event.kind.value, event.reason) for event in events if event.kind in kinds]


def test_a_broken_function_is_tried_three_times() -> None:
    events = simulate_event(EventScenario(BROKEN))
    assert starts_s(events) == [0, 62, 184]
    assert end(events) == [("dropped", "RetriesExhausted"), ("delivered", "dead_letter")]
    assert {event.request_id for event in events} == {events[0].request_id}


def test_the_age_looks_ahead() -> None:
    for age_s, attempts in ((60, 1), (90, 2)):  # as recorded from AWS
        config = EventInvokeConfig(maximum_event_age_s=age_s)
        events = simulate_event(EventScenario(BROKEN, config, duration_ms=100, target=None))
        assert len(starts_s(events)) == attempts
        assert end(events) == [("dropped", "EventAgeExceeded")]
        assert events[-1].time_ms < age_s * 1000


def test_a_throttle_waits_ever_longer_and_uses_up_no_retry() -> None:
    plan = HealthPlan.of([(0, "throttled"), (10, "broken")])
    events = simulate_event(EventScenario(plan))
    throttled = [e.time_ms / 1000 for e in events if e.kind is EventKind.THROTTLED]
    assert throttled == [0, 1, 3, 7]
    assert starts_s(events) == [15, 77, 199]


def test_healed_in_time_it_succeeds_and_that_is_its_end() -> None:
    plan = HealthPlan.of([(0, "broken"), (30, "healthy")])
    events = simulate_event(EventScenario(plan))
    assert starts_s(events) == [0, 62]
    assert (events[-1].kind, events[-1].outcome) == (EventKind.INVOKE_ENDED, "success")


@given(
    st.lists(st.tuples(st.integers(0, 400), st.sampled_from(list(Health))), max_size=5),
    st.sampled_from(list(Health)),
    st.integers(0, 2),
    st.integers(60, 21_600),
    st.floats(-1, 1),
)
def test_every_life_ends_once_and_in_order(
    spells: list[tuple[int, Health]], first: Health, retries: int, age_s: int, jitter: float
) -> None:
    scenario = EventScenario(
        HealthPlan.of([(0, first), *spells]),
        EventInvokeConfig(retries, age_s),
        jitter=jitter,
    )
    events = simulate_event(scenario)
    times = [event.time_ms for event in events]
    assert times == sorted(times)
    ended = [e for e in events if e.kind is EventKind.DROPPED or e.outcome == "success"]
    assert len(ended) == 1
    assert len(starts_s(events)) <= retries + 1
    assert all(start_s < age_s for start_s in starts_s(events))
    assert [e.attempt for e in events if e.kind is EventKind.INVOKE_STARTED] == list(
        range(1, len(starts_s(events)) + 1)
    )
