from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labkit.live.clock import LabClock
from labkit.live.workers import Workers

WAIT_S = 10.0


class HandTime:
    """Real time that a test sets by hand."""

    def __init__(self, now_s: float = 1_000_000.0) -> None:
        self.now_s = now_s

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Iterator[LabClock]:
    """A clock whose real time stands still."""
    clock = LabClock(HandTime())
    yield clock
    clock.close()


@pytest.fixture
def real_clock() -> Iterator[LabClock]:
    clock = LabClock()
    yield clock
    clock.close()


def test_it_begins_at_real_time(real_clock: LabClock) -> None:
    before = time.time() * 1000
    now = real_clock.now_ms()
    assert before - 1 <= now <= time.time() * 1000 + 1
    assert real_clock.offset_ms == 0


def test_advance_moves_by_exactly_so_much(clock: LabClock) -> None:
    start = clock.now_ms()
    moved = clock.advance(3600)
    assert moved.now_ms == clock.now_ms() == start + 3_600_000
    assert moved.fired == 0
    assert moved.settled
    assert clock.offset_ms == 3_600_000


@settings(deadline=None, max_examples=60)
@given(
    delays=st.lists(st.integers(0, 50), max_size=15),
    moves=st.lists(st.integers(0, 20), max_size=8),
)
def test_timers_fire_once_in_order_and_at_their_time(delays: list[int], moves: list[int]) -> None:
    clock = LabClock(HandTime())
    start = clock.now_ms()
    fired: list[tuple[int, int, float]] = []
    for number, delay in enumerate(delays):
        clock.call_at(
            start + delay * 1000,
            lambda d=delay, n=number: fired.append((d, n, clock.now_ms() - start)),
        )
    total = 0
    for move in [0, *moves]:
        total += move
        moved = clock.advance(move)
        assert moved.now_ms == start + total * 1000
        assert [number for _, number, _ in fired] == [
            number
            for delay, number in sorted((d, n) for n, d in enumerate(delays))
            if delay <= total
        ]
        assert moved.settled == all(delay <= total for delay in delays)
    assert all(at == delay * 1000 for delay, _, at in fired)
    clock.close()


@settings(deadline=None, max_examples=40)
@given(steps=st.lists(st.floats(-5, 5), max_size=30), move=st.floats(0, 10))
def test_lab_time_never_goes_back(steps: list[float], move: float) -> None:
    """Also when the machine's own clock is set back."""
    hand = HandTime()
    clock = LabClock(hand)
    latest = clock.now_ms()
    for step in steps:
        hand.now_s += step
        now = clock.now_ms()
        assert now >= latest
        latest = now
    assert clock.advance(move).now_ms >= latest
    clock.close()


def test_after_a_set_back_time_goes_on_at_once() -> None:
    hand = HandTime()
    clock = LabClock(hand)
    start = clock.now_ms()
    hand.now_s -= 3600
    assert clock.now_ms() == start
    hand.now_s += 1
    assert clock.now_ms() == start + 1000
    clock.close()


def test_a_timer_fires_when_real_time_reaches_it(real_clock: LabClock) -> None:
    fired = threading.Event()
    real_clock.call_at(real_clock.now_ms() + 20, fired.set)
    assert fired.wait(WAIT_S)


def test_a_timer_in_the_past_fires_at_once(clock: LabClock) -> None:
    fired = threading.Event()
    clock.call_at(0, fired.set)
    assert fired.wait(WAIT_S)


def test_a_sooner_timer_overtakes_one_that_is_waited_for(real_clock: LabClock) -> None:
    fired = threading.Event()
    real_clock.call_at(real_clock.now_ms() + 3_600_000, lambda: None)
    real_clock.call_at(real_clock.now_ms() + 20, fired.set)
    assert fired.wait(WAIT_S)


def test_a_timer_set_by_a_callback_fires_in_its_turn(clock: LabClock) -> None:
    start = clock.now_ms()
    order: list[str] = []

    def first() -> None:
        order.append("first")
        clock.call_at(start + 2000, lambda: order.append("set by the first"))

    clock.call_at(start + 1000, first)
    clock.call_at(start + 3000, lambda: order.append("last"))
    assert clock.advance(3).fired == 3
    assert order == ["first", "set by the first", "last"]


def test_a_cancelled_timer_does_not_fire(clock: LabClock) -> None:
    fired: list[str] = []
    start = clock.now_ms()
    timers = {name: clock.call_at(start + 1000, lambda n=name: fired.append(n)) for name in "abc"}
    timers["b"].cancel()
    timers["b"].cancel()
    moved = clock.advance(2)
    assert fired == ["a", "c"]
    assert moved.fired == 2
    timers["a"].cancel()
    assert clock.settle().settled


@settings(deadline=None, max_examples=60)
@given(
    delays=st.lists(st.integers(0, 20), max_size=20),
    cancelled=st.lists(st.integers(0, 19), max_size=20),
    move=st.integers(0, 20),
)
def test_cancelled_timers_leave_the_order_of_the_others(
    delays: list[int], cancelled: list[int], move: int
) -> None:
    clock = LabClock(HandTime())
    start = clock.now_ms()
    fired: list[int] = []
    timers = [
        clock.call_at(start + 1 + delay * 1000, lambda n=number: fired.append(n))
        for number, delay in enumerate(delays)
    ]
    gone = {number for number in cancelled if number < len(timers)}
    for number in gone:
        timers[number].cancel()
        timers[number].cancel()
    clock.advance(move)
    kept = sorted((delay, n) for n, delay in enumerate(delays) if n not in gone)
    assert fired == [n for delay, n in kept if delay < move]
    assert clock.settle().settled
    assert fired == [n for _, n in kept]
    clock.close()


def test_followers_hear_of_every_change_of_the_offset() -> None:
    hand = HandTime()
    clock = LabClock(hand)
    heard: list[float] = []
    clock.advance(5)
    clock.follow(heard.append)
    assert heard == [5_000]
    clock.call_at(clock.now_ms() + 2_000, lambda: None)
    clock.advance(3)
    assert heard == [5_000, 7_000, 8_000]
    hand.now_s -= 1
    clock.now_ms()
    assert heard[-1] == clock.offset_ms == 9_000
    clock.close()


def test_an_exception_is_logged_and_stops_nothing(
    clock: LabClock, caplog: pytest.LogCaptureFixture
) -> None:
    fired: list[str] = []

    def fail() -> None:
        raise RuntimeError("a broken callback")

    clock.call_at(clock.now_ms() + 1, fail)
    clock.call_at(clock.now_ms() + 2, lambda: fired.append("after it"))
    with caplog.at_level(logging.ERROR):
        assert clock.advance(1).fired == 2
    assert fired == ["after it"]
    assert "a broken callback" in caplog.text


def test_the_work_of_one_timer_ends_before_the_next_fires(clock: LabClock) -> None:
    order: list[str] = []
    start = clock.now_ms()
    release = threading.Event()
    workers: list[threading.Thread] = []

    def begin(name: str) -> None:
        work = clock.working()
        work.__enter__()

        def run() -> None:
            release.wait(WAIT_S)
            order.append(f"{name} done at {(clock.now_ms() - start) / 1000:g}")
            work.__exit__(None, None, None)

        workers.append(threading.Thread(target=run))
        workers[-1].start()

    for second, name in ((1, "a"), (1, "b"), (2, "c")):
        clock.call_at(start + second * 1000, lambda n=name: begin(n))
    mover = threading.Thread(target=clock.advance, args=(5,))
    mover.start()
    release.set()
    mover.join(WAIT_S)
    assert order == ["a done at 1", "b done at 1", "c done at 2"]
    assert clock.now_ms() == start + 5000
    for worker in workers:
        worker.join(WAIT_S)


def test_a_move_waits_for_work_that_was_already_there(clock: LabClock) -> None:
    started, release = threading.Event(), threading.Event()
    ends: list[str] = []

    def work() -> None:
        with clock.working():
            started.set()
            release.wait(WAIT_S)
            ends.append("work")

    worker = threading.Thread(target=work)
    worker.start()
    started.wait(WAIT_S)
    mover = threading.Thread(target=lambda: (clock.advance(1), ends.append("move")))
    mover.start()
    release.set()
    mover.join(WAIT_S)
    worker.join(WAIT_S)
    assert ends == ["work", "move"]


def test_work_may_wait_for_a_timer_while_the_clock_is_moved(real_clock: LabClock) -> None:
    """A function that changes another one waits for a timer that its own work has set."""
    reached = threading.Event()
    start = real_clock.now_ms()
    workers: list[threading.Thread] = []

    def begin() -> None:
        work = real_clock.working()
        work.__enter__()

        def run() -> None:
            real_clock.call_at(real_clock.now_ms() + 20, reached.set)
            assert reached.wait(WAIT_S)
            work.__exit__(None, None, None)

        workers.append(threading.Thread(target=run))
        workers[-1].start()

    real_clock.call_at(start + 1_000, begin)
    real_clock.call_at(start + 1_000, lambda: None)  # its turn comes when the work is done
    real_clock.advance(60)
    assert reached.is_set()
    workers[0].join(WAIT_S)


def test_while_nobody_moves_the_clock_work_holds_nothing_up(real_clock: LabClock) -> None:
    fired = threading.Event()
    with real_clock.working():
        real_clock.call_at(real_clock.now_ms() + 5, fired.set)
        assert fired.wait(WAIT_S)


def test_settle_goes_to_the_last_pending_timer_and_no_further(clock: LabClock) -> None:
    start = clock.now_ms()
    fired: list[str] = []
    clock.call_at(start + 10_000, lambda: fired.append("idle life"), pending=False)
    clock.call_at(start + 60_000, lambda: fired.append("retry"))
    clock.call_at(start + 90_000, lambda: fired.append("later idle life"), pending=False)
    moved = clock.settle()
    assert fired == ["idle life", "retry"]
    assert (moved.now_ms, moved.fired, moved.settled) == (start + 60_000, 2, True)


def test_settle_stands_at_its_limit_and_goes_on_from_there(clock: LabClock) -> None:
    start = clock.now_ms()
    clock.call_at(start + 100_000, lambda: None)
    moved = clock.settle(60)
    assert (moved.now_ms, moved.fired, moved.settled) == (start + 60_000, 0, False)
    moved = clock.settle(60)
    assert (moved.now_ms, moved.fired, moved.settled) == (start + 100_000, 1, True)


def test_settle_waits_for_work(clock: LabClock) -> None:
    release = threading.Event()
    started = threading.Event()

    def work() -> None:
        with clock.working():
            started.set()
            release.wait(WAIT_S)

    worker = threading.Thread(target=work)
    worker.start()
    started.wait(WAIT_S)
    results: list[bool] = []
    settler = threading.Thread(target=lambda: results.append(clock.settle().settled))
    settler.start()
    release.set()
    settler.join(WAIT_S)
    worker.join(WAIT_S)
    assert results == [True]


@pytest.mark.parametrize("seconds", [-1, math.nan, math.inf, -math.inf, 1e12, "1", None, True])
def test_senseless_moves_are_refused(clock: LabClock, seconds: float) -> None:
    start = clock.now_ms()
    with pytest.raises(ValueError, match="seconds must be"):
        clock.advance(seconds)
    with pytest.raises(ValueError, match="limit_seconds must be"):
        clock.settle(seconds)
    assert clock.now_ms() == start


def test_lab_time_stays_among_the_dates_that_there_are(clock: LabClock) -> None:
    century_s = 100 * 366 * 86_400
    with pytest.raises(ValueError, match="9998"):
        for _ in range(100):
            clock.advance(century_s)
    with pytest.raises(ValueError, match="9998"):
        clock.settle(century_s)
    assert datetime.fromtimestamp(clock.now_ms() / 1000, UTC).year > 9_890


def test_a_timer_needs_a_time(clock: LabClock) -> None:
    with pytest.raises(ValueError, match="NaN"):
        clock.call_at(math.nan, lambda: None)


def test_a_callback_cannot_move_the_clock(
    clock: LabClock, caplog: pytest.LogCaptureFixture
) -> None:
    clock.call_at(clock.now_ms(), lambda: clock.advance(1) and None)
    clock.settle()
    assert "cannot move the clock" in caplog.text


def test_moves_of_several_threads_add_up(clock: LabClock) -> None:
    start = clock.now_ms()
    movers = [threading.Thread(target=clock.advance, args=(10,)) for _ in range(8)]
    for mover in movers:
        mover.start()
    for mover in movers:
        mover.join(WAIT_S)
    assert clock.now_ms() == start + 80_000


def test_a_closed_clock_fires_nothing_and_leaves_no_thread() -> None:
    threads = threading.active_count()
    clock = LabClock(HandTime())
    fired: list[int] = []
    clock.call_at(clock.now_ms() + 1000, lambda: fired.append(1))
    clock.close()
    clock.close()
    assert not clock.advance(5).settled
    assert fired == []
    assert threading.active_count() == threads


def test_a_move_gives_up_on_work_that_makes_work_without_end(
    clock: LabClock, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("labkit.live.clock._ENDLESS_S", 0.05)
    monkeypatch.setattr("labkit.live.clock._LOOK_AGAIN_S", 0.02)
    stop = threading.Event()
    workers = Workers(clock, lambda: 2)

    def again() -> None:
        if not stop.is_set():
            workers.submit(again)

    again()
    assert not clock.settle(60).settled
    assert not clock.advance(60).settled
    assert "gave up" in caplog.text
    stop.set()
    assert clock.settle(60).settled
    workers.close()
