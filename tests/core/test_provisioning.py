"""What may be reserved and provisioned, and the course of an allocation."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit.core.errors import ApiError
from labkit.core.provisioning import (
    FAILED,
    IN_PROGRESS,
    INIT_TRIES,
    READY,
    Allocation,
    Claim,
    check_provisioned,
    check_reserved,
    shares,
    unreserved,
)


def test_a_claim_is_the_reservation_or_what_is_provisioned() -> None:
    assert Claim(reserved=5, provisioned=2).concurrency == 5
    assert Claim(provisioned=2).concurrency == 2
    assert unreserved(1_000, [Claim(reserved=5, provisioned=2), Claim(provisioned=2)]) == 993
    assert unreserved(3, [Claim(reserved=5)]) == 0


def refusal(check: object, *arguments: object) -> str:
    assert callable(check)
    with pytest.raises(ApiError) as caught:
        check(*arguments)
    error = caught.value
    assert (error.code, error.status) == ("InvalidParameterValueException", 400)
    return error.message


def test_reservations() -> None:
    check_reserved(900, Claim(), 1_000, 100)
    assert refusal(check_reserved, 901, Claim(), 1_000, 100) == (
        "Specified ReservedConcurrentExecutions for function decreases account's "
        "UnreservedConcurrentExecution below its minimum value of [100]."
    )
    assert refusal(check_reserved, 1, Claim(provisioned=2), 998, 100) == (
        " ReservedConcurrentExecutions  1 should not be lower than function's total "
        "provisioned concurrency [2]."
    )
    # What does not take more is never refused, however low the account's limit was set meanwhile.
    check_reserved(3, Claim(reserved=5), 0, 100)
    check_reserved(0, Claim(), 0, 100)


def test_provisioned_within_a_reservation() -> None:
    check_provisioned(3, Claim(reserved=5, provisioned=2), 0, 100)
    assert refusal(check_provisioned, 4, Claim(reserved=5, provisioned=2), 500, 100) == (
        "Requested Provisioned Concurrency should not be greater than the "
        "reservedConcurrentExecution for function"
    )


def test_provisioned_from_the_unreserved_pool() -> None:
    check_provisioned(900, Claim(), 1_000, 100)
    assert refusal(check_provisioned, 901, Claim(), 1_000, 100) == (
        "Specified ConcurrentExecutions for function decreases account's "
        "UnreservedConcurrentExecution below its minimum value of [100]."
    )
    assert refusal(check_provisioned, 1_001, Claim(), 1_000, 100) == (
        "Specified ConcurrentExecutions for function is greater than account's unreserved "
        "concurrency [1000]."
    )


def test_shares_of_an_alias() -> None:
    assert shares(10, "1", {}) == {"1": 10}
    assert shares(10, "1", {"2": 0.3}) == {"1": 7, "2": 3}
    assert shares(1, "1", {"2": 0.1}) == {"1": 1}
    assert shares(4, "1", {"2": 1.0}) == {"2": 4}


@given(st.integers(1, 1_000), st.floats(0, 1))
def test_shares_add_up(wanted: int, weight: float) -> None:
    found = shares(wanted, "1", {"2": weight})
    assert sum(found.values()) == wanted
    assert all(count > 0 for count in found.values())


def test_one_init_first_then_the_others_together() -> None:
    allocation = Allocation(5)
    assert (allocation.status, allocation.start(), allocation.start()) == (IN_PROGRESS, 1, 0)
    allocation.init_ended(True)
    assert (allocation.allocated, allocation.available, allocation.start()) == (1, 0, 4)
    for _ in range(4):
        allocation.init_ended(True)
        assert allocation.start() == 0
    assert (allocation.status, allocation.allocated, allocation.available) == (READY, 5, 5)
    assert allocation.reason is None


def test_six_failures_end_it() -> None:
    allocation = Allocation(5)
    for _ in range(INIT_TRIES):
        assert allocation.start() == 1
        allocation.init_ended(False)
    assert (allocation.status, allocation.start()) == (FAILED, 0)
    assert (allocation.allocated, allocation.available) == (0, 0)
    assert allocation.reason == "FUNCTION_ERROR_INIT_FAILURE"


def test_what_is_kept_serves_all_the_time() -> None:
    allocation = Allocation(3, kept=2)
    assert (allocation.available, allocation.start()) == (2, 1)
    allocation.init_ended(True)
    allocation.start()
    assert (allocation.status, allocation.available) == (READY, 3)
    smaller = Allocation(1, kept=3)
    assert (smaller.allocated, smaller.start(), smaller.status) == (1, 0, READY)


def test_six_thousand_environments_a_minute_after_the_preparation() -> None:
    assert Allocation(600).due_ms(1_000.0, 60.0) == 1_000.0 + 60_000 + 6_000
    assert Allocation(2, kept=2).due_ms(1_000.0, 60.0) == 61_000.0


@given(st.integers(1, 30), st.lists(st.booleans(), max_size=80))
def test_every_course_ends_ready_or_failed(requested: int, outcomes: list[bool]) -> None:
    allocation = Allocation(requested)
    running = allocation.start()
    failures = 0
    for succeeded in outcomes + [True] * requested:
        if not running:
            break
        allocation.init_ended(succeeded)
        failures += not succeeded
        running += allocation.start() - 1
        assert 0 <= running <= requested
        assert allocation.allocated <= requested
        assert allocation.available in (0, requested)
    expected = FAILED if failures >= INIT_TRIES else READY
    assert allocation.status == expected
