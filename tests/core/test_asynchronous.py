from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit.core import quotas
from labkit.core.asynchronous import (
    Condition,
    EventInvokeConfig,
    EventLife,
    Finish,
    Retry,
    RetryReason,
)

CONFIGS = st.builds(
    EventInvokeConfig,
    maximum_retry_attempts=st.integers(quotas.RETRY_ATTEMPTS_MIN, quotas.RETRY_ATTEMPTS_MAX),
    maximum_event_age_s=st.integers(quotas.EVENT_AGE_S_MIN, quotas.EVENT_AGE_S_MAX),
)
QUEUED_MS = 1_767_225_600_000.0


def attempts(config: EventInvokeConfig, run_ms: float = 100.0) -> Iterator[tuple[float, object]]:
    """Each attempt of an event whose function always fails: seconds from the 202, verdict."""
    life, now_ms = EventLife(QUEUED_MS, config), QUEUED_MS
    while True:
        verdict = life.after_function_error(now_ms + run_ms)
        yield (now_ms - QUEUED_MS) / 1000, verdict
        if isinstance(verdict, Finish):
            return
        now_ms = verdict.due_ms


def test_a_failing_function_is_tried_again_after_one_and_two_minutes() -> None:
    found = list(attempts(EventInvokeConfig()))
    assert [seconds for seconds, _ in found] == pytest.approx([0, 60.1, 180.2])
    assert found[-1][1] == Finish(Condition.RETRIES_EXHAUSTED)
    assert {verdict.reason for _, verdict in found[:-1] if isinstance(verdict, Retry)} == {
        RetryReason.FUNCTION_ERROR
    }


@pytest.mark.parametrize(("retries", "expected"), [(0, 1), (1, 2), (2, 3)])
def test_maximum_retry_attempts(retries: int, expected: int) -> None:
    found = list(attempts(EventInvokeConfig(maximum_retry_attempts=retries)))
    assert len(found) == expected
    assert found[-1][1] == Finish(Condition.RETRIES_EXHAUSTED)


# The recordings: an age of 60 s allows one attempt, whose failure is reported at once; 90 s two.
@pytest.mark.parametrize(("age_s", "expected"), [(60, 1), (61, 2), (90, 2), (180, 2), (181, 3)])
@pytest.mark.parametrize("run_ms", [0.0, 100.0])
def test_the_age_is_checked_ahead_of_the_wait(age_s: int, expected: int, run_ms: float) -> None:
    found = list(attempts(EventInvokeConfig(maximum_event_age_s=age_s), run_ms))
    assert len(found) == expected
    exhausted = expected == 3
    assert found[-1][1] == Finish(
        Condition.RETRIES_EXHAUSTED if exhausted else Condition.EVENT_AGE_EXCEEDED
    )


def test_throttles_wait_from_one_second_to_five_minutes_until_the_event_is_too_old() -> None:
    life, now_ms, waits_s = EventLife(0.0, EventInvokeConfig()), 0.0, []
    while isinstance(verdict := life.after_throttle(now_ms), Retry):
        assert verdict.reason is RetryReason.THROTTLE
        waits_s.append((verdict.due_ms - now_ms) / 1000)
        now_ms = verdict.due_ms
    assert verdict == Finish(Condition.EVENT_AGE_EXCEEDED)
    assert waits_s[:10] == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300]
    assert set(waits_s[10:]) == {300}
    assert 6 * 3600 - 300 <= now_ms / 1000 < 6 * 3600
    assert life.invoke_count == 0


def test_throttles_use_up_no_retry_and_retries_do_not_lengthen_the_back_off() -> None:
    life = EventLife(0.0, EventInvokeConfig())
    assert life.after_throttle(0.0) == Retry(1_000.0, RetryReason.THROTTLE)
    assert life.after_function_error(1_000.0) == Retry(61_000.0, RetryReason.FUNCTION_ERROR)
    assert life.after_service_error(61_000.0) == Retry(63_000.0, RetryReason.SERVICE_ERROR)
    assert life.after_function_error(63_000.0) == Retry(183_000.0, RetryReason.FUNCTION_ERROR)
    assert life.after_throttle(183_000.0) == Retry(187_000.0, RetryReason.THROTTLE)
    assert life.after_function_error(187_000.0) == Finish(Condition.RETRIES_EXHAUSTED)


def test_chance_moves_a_back_off_by_a_tenth() -> None:
    for jitter, due_ms in ((-1.0, 900.0), (0.0, 1_000.0), (1.0, 1_100.0)):
        verdict = EventLife(0.0, EventInvokeConfig()).after_throttle(0.0, jitter=jitter)
        assert verdict == Retry(pytest.approx(due_ms), RetryReason.THROTTLE)


def test_success_and_what_gets_no_attempt() -> None:
    life = EventLife(0.0, EventInvokeConfig())
    assert life.zero_reserved() == Finish(Condition.ZERO_RESERVED_CONCURRENCY)
    assert life.recursive() == Finish(Condition.RECURSIVE_INVOCATION)
    assert life.invoke_count == 0
    assert life.after_success(5.0) == Finish(Condition.SUCCESS)
    assert life.invoke_count == 1


def test_an_event_that_grew_too_old_in_the_queue_is_not_tried() -> None:
    life = EventLife(0.0, EventInvokeConfig(maximum_event_age_s=60))
    assert life.before_attempt(59_999.0) is None
    assert life.before_attempt(60_000.0) == Finish(Condition.EVENT_AGE_EXCEEDED)


def test_a_new_configuration_counts_from_the_next_decision_on() -> None:
    life = EventLife(0.0, EventInvokeConfig())
    assert isinstance(life.after_function_error(0.0), Retry)
    life.config = EventInvokeConfig(maximum_retry_attempts=1)
    assert life.after_function_error(60_000.0) == Finish(Condition.RETRIES_EXHAUSTED)


@given(
    config=CONFIGS,
    story=st.lists(
        st.tuples(
            st.sampled_from(["error", "throttle", "service"]),
            st.floats(0, 900_000),
            st.floats(-1, 1),
        ),
        max_size=60,
    ),
    backoff_max_s=st.floats(1, 21_600),
)
def test_whatever_happens_an_event_waits_forward_ends_and_is_never_tried_too_late(
    config: EventInvokeConfig, story: list[tuple[str, float, float]], backoff_max_s: float
) -> None:
    life, now_ms, runs = EventLife(0.0, config), 0.0, 0
    for what, run_ms, jitter in story:
        if what == "error":
            runs += 1
            now_ms += run_ms
            verdict = life.after_function_error(now_ms)
        elif what == "throttle":
            verdict = life.after_throttle(now_ms, jitter=jitter, backoff_max_s=backoff_max_s)
        else:
            verdict = life.after_service_error(now_ms, jitter=jitter, backoff_max_s=backoff_max_s)
        assert life.invoke_count == runs <= config.maximum_retry_attempts + 1
        if isinstance(verdict, Finish):
            exhausted = runs == config.maximum_retry_attempts + 1
            assert (verdict.condition is Condition.RETRIES_EXHAUSTED) == exhausted
            return
        assert now_ms < verdict.due_ms < config.maximum_event_age_s * 1000
        assert verdict.due_ms - now_ms <= max(120_000, 1_100 * backoff_max_s)
        now_ms = verdict.due_ms


@given(config=CONFIGS, jitters=st.lists(st.floats(-1, 1), min_size=1))
def test_an_event_that_is_only_throttled_ends_in_time(
    config: EventInvokeConfig, jitters: list[float]
) -> None:
    life, now_ms, count = EventLife(0.0, config), 0.0, 0
    while isinstance(
        verdict := life.after_throttle(now_ms, jitter=jitters[count % len(jitters)]), Retry
    ):
        now_ms, count = verdict.due_ms, count + 1
        assert count < 200
    assert verdict.condition is Condition.EVENT_AGE_EXCEEDED
