"""Scaling of an SQS mapping's pollers: start, growth, ceiling, back-off, idleness."""

from hypothesis import given
from hypothesis import strategies as st

from labkit.core.sqs_scaling import PollerScaling, ScalingBounds

MINUTE_MS = 60_000.0


def saturated(bounds: ScalingBounds | None = None, now_ms: float = 0.0) -> PollerScaling:
    scaling = PollerScaling(bounds or ScalingBounds())
    scaling.observe(now_ms, busy=True, saturated=True)
    return scaling


def test_it_starts_with_five() -> None:
    assert PollerScaling(ScalingBounds()).limit(1e12) == 5


def test_it_grows_by_300_a_minute_up_to_1250_while_messages_wait() -> None:
    scaling = saturated()
    assert scaling.limit(1_000) == 10
    assert scaling.limit(MINUTE_MS) == 305
    assert scaling.limit(4 * MINUTE_MS) == 1_205
    assert scaling.limit(4 * MINUTE_MS + 9_000) == 1_250
    assert scaling.limit(60 * MINUTE_MS) == 1_250


def test_it_stays_while_no_message_waits_for_a_slot() -> None:
    scaling = PollerScaling(ScalingBounds())
    scaling.observe(0, busy=True, saturated=False)
    assert scaling.limit(10 * MINUTE_MS) == 5
    assert scaling.next_slot_ms(10 * MINUTE_MS) is None


def test_the_next_slot_comes_after_a_fifth_of_a_second() -> None:
    scaling = saturated()
    assert scaling.next_slot_ms(0) == 200.0
    assert scaling.limit(199.9) == 5
    assert scaling.limit(200) == 6


def test_maximum_concurrency_is_a_ceiling_from_the_start() -> None:
    scaling = saturated(ScalingBounds.of(maximum_concurrency=2))
    assert scaling.limit(0) == 2
    assert scaling.limit(60 * MINUTE_MS) == 2
    assert scaling.next_slot_ms(60 * MINUTE_MS) is None
    assert saturated(ScalingBounds.of(maximum_concurrency=7)).limit(MINUTE_MS) == 7


def test_provisioned_mode_counts_pollers() -> None:
    bounds = ScalingBounds.of(minimum_pollers=3)
    assert (bounds.start, bounds.per_minute, bounds.maximum) == (30, 1_000, 2_000)
    bounds = ScalingBounds.of(maximum_pollers=5)
    assert (bounds.start, bounds.maximum) == (20, 50)


def test_errors_halve_it_once_for_all_that_ran_together() -> None:
    scaling = saturated(ScalingBounds(start=20))
    scaling.observe(0, busy=True, saturated=False)
    for _ in range(20):
        scaling.back_off(1_000, begun_ms=0)
    assert scaling.limit(1_000) == 10
    scaling.back_off(2_000, begun_ms=1_500)
    assert scaling.limit(2_000) == 5


def test_there_is_always_one_left() -> None:
    scaling = PollerScaling(ScalingBounds())
    for second in range(1, 20):
        scaling.back_off(second * 1_000, begun_ms=second * 1_000 - 1)
    assert scaling.limit(20_000) == 1


def test_it_regains_five_a_minute_and_then_grows_as_before() -> None:
    scaling = saturated(ScalingBounds(start=20))
    scaling.back_off(0, begun_ms=0)
    assert scaling.limit(0) == 10
    assert scaling.next_slot_ms(0) == 12_000.0
    assert scaling.limit(MINUTE_MS) == 15
    assert scaling.limit(2 * MINUTE_MS) == 20
    assert scaling.limit(3 * MINUTE_MS) == 320


def test_an_idle_queue_starts_anew() -> None:
    scaling = saturated()
    scaling.observe(MINUTE_MS, busy=False, saturated=False)
    scaling.observe(MINUTE_MS + 19_000, busy=True, saturated=False)
    assert scaling.limit(MINUTE_MS + 19_000) == 305
    scaling.observe(2 * MINUTE_MS, busy=False, saturated=False)
    scaling.observe(2 * MINUTE_MS + 20_000, busy=True, saturated=False)
    assert scaling.limit(2 * MINUTE_MS + 20_000) == 5


def test_idleness_does_not_make_up_for_errors() -> None:
    scaling = saturated()
    scaling.back_off(0, begun_ms=0)
    scaling.observe(0, busy=False, saturated=False)
    scaling.observe(30_000, busy=True, saturated=False)
    assert scaling.limit(30_000) == 4


def test_other_bounds_while_it_runs() -> None:
    scaling = saturated()
    assert scaling.limit(MINUTE_MS) == 305
    scaling.observe(MINUTE_MS, busy=True, saturated=False)
    scaling.bounds = ScalingBounds.of(maximum_concurrency=2)
    assert scaling.limit(MINUTE_MS) == 2
    scaling.bounds = ScalingBounds.of(maximum_concurrency=4)
    assert scaling.limit(MINUTE_MS) == 4


_steps = st.lists(
    st.tuples(
        st.floats(0, 300_000),
        st.booleans(),
        st.booleans(),
        st.booleans(),
    ),
    max_size=40,
)


@given(_steps, st.integers(2, 1_000) | st.none())
def test_it_keeps_its_bounds_whatever_happens(
    steps: list[tuple[float, bool, bool, bool]], maximum: int | None
) -> None:
    bounds = ScalingBounds.of(maximum_concurrency=maximum)
    scaling = PollerScaling(bounds)
    now_ms = 0.0
    for wait_ms, busy, full, failed in steps:
        before = scaling.limit(now_ms)
        slot_ms = scaling.next_slot_ms(now_ms)
        assert slot_ms is None or slot_ms > now_ms
        now_ms += wait_ms
        after = scaling.limit(now_ms)
        assert 1 <= after <= bounds.maximum
        assert before <= after <= before + wait_ms / 200 + 1
        if slot_ms is None or slot_ms > now_ms + 1:
            assert after == before
        if failed:
            scaling.back_off(now_ms, begun_ms=now_ms)
            assert scaling.limit(now_ms) <= max(1, after)
        scaling.observe(now_ms, busy=busy or full, saturated=full)
