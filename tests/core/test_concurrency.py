"""Admission: the limits of an account, of functions and of versions, and their rates."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit.core.concurrency import (
    IDLE,
    NEW,
    PROVISIONED,
    Admission,
    Admitted,
    Throttle,
    ThrottleReason,
)

NOW_MS = 1_767_225_600_000.0
LATEST = "$LATEST"
CONCURRENCY = Throttle(ThrottleReason.CONCURRENCY)
RESERVED = Throttle(ThrottleReason.RESERVED_CONCURRENCY)


def ask(
    admission: Admission,
    function: str = "f",
    version: str = LATEST,
    *,
    now_ms: float = NOW_MS,
    idle: bool = True,
    synchronous: bool = False,
) -> Admitted | Throttle:
    """Ask for one invocation, without the limits of a rate unless it is synchronous or new."""
    return admission.admit(function, version, now_ms, idle=idle, synchronous=synchronous)


def taken(admission: Admission, function: str = "f", version: str = LATEST) -> list[Admitted]:
    """Ask until there is a throttle."""
    found = []
    while isinstance(verdict := ask(admission, function, version), Admitted):
        found.append(verdict)
    return found


def test_the_account_limit() -> None:
    admission = Admission(5)
    running = taken(admission)
    assert (len(running), admission.in_flight) == (5, 5)
    assert ask(admission, "other") == CONCURRENCY
    admission.release(running[0])
    assert ask(admission, "other") == Admitted("other", LATEST, IDLE)


def test_an_account_limit_that_changes() -> None:
    admission = Admission(2)
    taken(admission)
    admission.account_concurrency = 3
    assert len(taken(admission)) == 1
    admission.account_concurrency = 1
    assert ask(admission) == CONCURRENCY


def test_new_or_idle() -> None:
    admission = Admission()
    assert ask(admission, idle=False) == Admitted("f", LATEST, NEW)
    assert ask(admission, idle=True) == Admitted("f", LATEST, IDLE)


def test_reserved_is_a_cap() -> None:
    admission = Admission(10)
    admission.reserve("f", 3)
    assert len(taken(admission)) == 3
    assert ask(admission) == RESERVED
    assert len(taken(admission, "other")) == 7
    admission.reserve("f", None)
    assert admission.reserved("f") is None
    assert ask(admission) == CONCURRENCY


def test_reserved_zero_switches_a_function_off() -> None:
    admission = Admission()
    admission.reserve("f", 0)
    assert admission.reserved("f") == 0
    assert ask(admission, synchronous=True) == RESERVED


def test_what_runs_changes_sides_with_a_reservation() -> None:
    admission = Admission(4)
    running = taken(admission, "f")[:4]
    admission.reserve("f", 2)
    assert ask(admission, "other") == CONCURRENCY  # four still run
    for one in running:
        admission.release(one)
    assert len(taken(admission, "other")) == 2
    assert len(taken(admission, "f")) == 2


def test_provisioned_comes_first_and_spills_over() -> None:
    admission = Admission(10)
    admission.provision("f", "1", 2)
    kinds = [one.kind for one in taken(admission, "f", "1")]
    assert kinds == [PROVISIONED] * 2 + [IDLE] * 8


def test_provisioned_is_set_aside_from_the_unreserved_pool() -> None:
    admission = Admission(10)
    admission.provision("f", "1", 4)
    assert len(taken(admission, "other")) == 6
    assert [one.kind for one in taken(admission, "f", "1")] == [PROVISIONED] * 4
    assert ask(admission, "f", LATEST) == CONCURRENCY


def test_provisioned_as_large_as_the_reservation_leaves_nothing_to_others() -> None:
    admission = Admission(10)
    admission.reserve("f", 2)
    admission.provision("f", "1", 2)
    assert ask(admission, "f", LATEST) == RESERVED
    assert ask(admission, "f", "2") == RESERVED
    assert [one.kind for one in taken(admission, "f", "1")] == [PROVISIONED] * 2


def test_less_provisioned_while_it_is_busy() -> None:
    admission = Admission(10)
    admission.provision("f", "1", 3)
    running = [ask(admission, "f", "1") for _ in range(3)]
    admission.provision("f", "1", 1)
    for one in running[:2]:
        assert isinstance(one, Admitted)
        admission.release(one)
    assert ask(admission, "f", "1") == Admitted("f", "1", IDLE)  # the last old one is still busy
    assert isinstance(running[2], Admitted)
    admission.release(running[2])
    assert ask(admission, "f", "1") == Admitted("f", "1", PROVISIONED)


def test_no_more_than_the_account_even_while_provisioned_comes() -> None:
    admission = Admission(3)
    taken(admission, "other")
    admission.provision("f", "1", 2)
    assert ask(admission, "f", "1") == CONCURRENCY


def served(
    admission: Admission, version: str, now_ms: float, count: int, function: str = "f"
) -> list[Admitted | Throttle]:
    """Make synchronous requests that end at once."""
    found = []
    for _ in range(count):
        verdict = ask(admission, function, version, now_ms=now_ms, synchronous=True)
        if isinstance(verdict, Admitted):
            admission.release(verdict)
        found.append(verdict)
    return found


def test_ten_requests_a_second_for_each_reserved_unit() -> None:
    admission = Admission()
    admission.reserve("f", 2)
    verdicts = served(admission, LATEST, NOW_MS, 21)
    assert all(isinstance(one, Admitted) for one in verdicts[:20])
    assert verdicts[20] == Throttle(ThrottleReason.RESERVED_RATE, 1)
    assert isinstance(served(admission, LATEST, NOW_MS + 50, 1)[0], Admitted)
    assert isinstance(served(admission, LATEST, NOW_MS + 50, 1)[0], Throttle)


def test_ten_requests_a_second_for_each_unit_of_the_account() -> None:
    admission = Admission(1)
    assert served(admission, LATEST, NOW_MS, 11)[10] == Throttle(ThrottleReason.RATE, 1)
    assert served(admission, LATEST, NOW_MS, 1, "other") == [Throttle(ThrottleReason.RATE, 1)]


def test_asynchronous_requests_have_no_rate() -> None:
    admission = Admission(1)
    for _ in range(1_000):
        verdict = ask(admission)
        assert isinstance(verdict, Admitted)
        admission.release(verdict)


def test_provisioned_beyond_its_rate_spills_over() -> None:
    admission = Admission()
    admission.provision("f", "1", 1)
    verdicts = served(admission, "1", NOW_MS, 12)
    kinds = [one.kind for one in verdicts if isinstance(one, Admitted)]
    assert kinds == [PROVISIONED] * 10 + [IDLE] * 2


def test_a_thousand_environments_every_ten_seconds() -> None:
    admission = Admission(10_000)

    def started(now_ms: float, function: str = "f") -> int:
        count = 0
        while isinstance(ask(admission, function, now_ms=now_ms, idle=False), Admitted):
            count += 1
        return count

    assert started(NOW_MS) == 1_000
    assert ask(admission, idle=False) == Throttle(ThrottleReason.CONCURRENCY, 1)
    assert isinstance(ask(admission, idle=True), Admitted)
    assert started(NOW_MS + 5_000) == 500
    assert started(NOW_MS + 5_000, "other") == 1_000
    assert started(NOW_MS + 3_600_000) == 1_000  # what was not used is not saved up


def test_time_that_seems_to_go_back_gives_nothing() -> None:
    admission = Admission(1)
    served(admission, LATEST, NOW_MS, 10)
    assert isinstance(served(admission, LATEST, NOW_MS - 1_000, 1)[0], Throttle)
    assert isinstance(served(admission, LATEST, NOW_MS + 100, 1)[0], Admitted)


def test_forgetting_the_limits_leaves_what_runs() -> None:
    admission = Admission(2)
    admission.reserve("f", 1)
    admission.provision("f", "1", 1)
    running = ask(admission, "f", "1")
    assert isinstance(running, Admitted)
    admission.forget_limits()
    assert (admission.reserved("f"), admission.in_flight) == (None, 1)
    assert len(taken(admission)) == 1
    admission.release(running)
    assert len(taken(admission)) == 1


FUNCTIONS = ("reserved", "provisioned", "both", "plain")
VERSIONS = (LATEST, "1", "2")


def account() -> Admission:
    admission = Admission(20)
    admission.reserve("reserved", 4)
    admission.reserve("both", 6)
    admission.provision("both", "1", 2)
    admission.provision("both", "2", 1)
    admission.provision("provisioned", "1", 3)
    return admission


calls = st.tuples(st.sampled_from(FUNCTIONS), st.sampled_from(VERSIONS))
steps = st.lists(st.one_of(calls, st.integers(0, 100)), max_size=200)


@given(steps)
def test_no_limit_is_ever_passed(steps: list[tuple[str, str] | int]) -> None:
    admission = account()
    running: list[Admitted] = []
    for step in steps:
        if isinstance(step, int):
            if running:
                admission.release(running.pop(step % len(running)))
            continue
        verdict = ask(admission, *step)
        if isinstance(verdict, Admitted):
            running.append(verdict)
        of = Counter(one.function for one in running)
        ready = Counter((one.function, one.version) for one in running if one.kind == PROVISIONED)
        on_demand = Counter(one.function for one in running if one.kind != PROVISIONED)
        assert admission.in_flight == len(running) <= 20
        assert (of["reserved"] <= 4, of["both"] <= 6) == (True, True)
        assert (ready["both", "1"] <= 2, ready["both", "2"] <= 1) == (True, True)
        assert on_demand["both"] <= 3
        assert on_demand["plain"] + on_demand["provisioned"] <= 7
    for one in running:
        admission.release(one)
    assert len(taken(admission, "reserved")) == 4


@given(steps)
def test_a_reservation_is_a_guarantee(steps: list[tuple[str, str] | int]) -> None:
    admission = account()
    for step in steps:
        if isinstance(step, tuple) and step[0] != "reserved":
            ask(admission, *step)
    assert len(taken(admission, "reserved")) == 4


@given(st.lists(st.tuples(st.integers(0, 400), st.integers(0, 12)), max_size=60), st.integers(1, 3))
def test_a_rate_is_kept_in_every_second(gaps: list[tuple[int, int]], reserved: int) -> None:
    admission = Admission()
    admission.reserve("f", reserved)
    now_ms, admitted_ms = NOW_MS, []
    for gap_ms, count in gaps:
        now_ms += gap_ms
        for verdict in served(admission, LATEST, now_ms, count):
            if isinstance(verdict, Admitted):
                admitted_ms.append(now_ms)
    for start, first_ms in enumerate(admitted_ms):
        for end in range(start, len(admitted_ms)):
            seconds = (admitted_ms[end] - first_ms) / 1000
            assert end - start + 1 <= 10 * reserved * (1 + seconds) + 1e-6


@pytest.mark.parametrize("reason", list(ThrottleReason))
def test_reasons_are_those_of_the_service_model(reason: ThrottleReason) -> None:
    from botocore.session import Session

    model = Session().get_service_model("lambda")
    assert reason in model.shape_for("ThrottleReason").enum
