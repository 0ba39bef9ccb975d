from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from labkit.live.clock import LabClock
from labkit.live.nap import Nap

WAIT_S = 20.0


@pytest.fixture
def clock() -> Iterator[LabClock]:
    clock = LabClock()
    yield clock
    clock.close()


def test_a_move_of_the_clock_waits_for_whom_it_woke(clock: LabClock) -> None:
    nap = Nap(clock)
    woken_ms: list[float] = []

    def sleeper() -> None:
        for _ in range(3):
            nap.sleep()
            woken_ms.append(clock.now_ms())
        nap.end()

    start_ms = clock.now_ms()
    for minute in (1, 2, 3):
        clock.call_at(start_ms + minute * 60_000, nap.wake)
    thread = threading.Thread(target=sleeper)
    thread.start()
    assert clock.advance(600).settled
    thread.join(WAIT_S)
    assert [round((at - start_ms) / 60_000) for at in woken_ms] == [1, 2, 3]


def test_a_call_before_the_sleep_is_not_lost(clock: LabClock) -> None:
    nap = Nap(clock)
    nap.wake()
    nap.wake()
    nap.sleep()
    nap.wake()  # while it is awake
    nap.sleep()
    nap.end()
    nap.wake()
    assert clock.advance(1).settled


def test_a_move_goes_on_while_it_sleeps(clock: LabClock) -> None:
    nap = Nap(clock)
    thread = threading.Thread(target=nap.sleep)
    thread.start()
    clock.advance(3600)
    nap.wake()
    thread.join(WAIT_S)
    assert not thread.is_alive()
    nap.end()
    assert clock.settle().settled
