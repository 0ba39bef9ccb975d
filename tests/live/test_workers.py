from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from labkit.live.clock import LabClock
from labkit.live.workers import Workers


@pytest.fixture
def clock() -> Iterator[LabClock]:
    clock = LabClock()
    yield clock
    clock.close()


class Gate:
    """Work that begins, and ends when told to."""

    def __init__(self) -> None:
        self.begun = threading.Semaphore(0)
        self.go_on = threading.Event()
        self.lock = threading.Lock()
        self.at_once = self.most_at_once = 0
        self.order: list[int] = []

    def work(self, number: int) -> None:
        with self.lock:
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
            self.order.append(number)
        self.begun.release()
        self.go_on.wait(20)
        with self.lock:
            self.at_once -= 1


def test_a_move_of_the_clock_waits_for_submitted_work(clock: LabClock) -> None:
    workers, gate, fired = Workers(clock, lambda: 2), Gate(), []
    workers.submit(lambda: gate.work(1))
    clock.call_at(clock.now_ms() + 60_000, lambda: fired.append(gate.at_once))
    mover = threading.Thread(target=clock.advance, args=(61,))
    mover.start()
    assert gate.begun.acquire(timeout=20)
    assert fired == []
    gate.go_on.set()
    mover.join(20)
    assert fired == [0]
    workers.close()


def test_no_more_than_the_limit_runs_at_once_and_the_first_comes_first(clock: LabClock) -> None:
    workers, gate = Workers(clock, lambda: 3), Gate()
    for number in range(10):
        workers.submit(lambda number=number: gate.work(number))
    for _ in range(3):
        assert gate.begun.acquire(timeout=20)
    assert sorted(gate.order) == [0, 1, 2]
    gate.go_on.set()
    assert clock.settle(0).settled
    assert gate.most_at_once == 3
    assert sorted(gate.order) == list(range(10))
    workers.close()


def test_work_that_work_submits_is_waited_for(clock: LabClock) -> None:
    workers, done = Workers(clock, lambda: 1), []

    def begin() -> None:
        workers.submit(lambda: done.append("second"))
        done.append("first")

    workers.submit(begin)
    clock.settle(0)
    assert done == ["first", "second"]
    workers.close()


def test_work_that_fails_does_not_stop_the_rest(
    clock: LabClock, caplog: pytest.LogCaptureFixture
) -> None:
    workers, done = Workers(clock, lambda: 1), []
    workers.submit(lambda: 1 / 0)
    workers.submit(lambda: done.append(True))
    assert clock.settle(0).settled
    assert done == [True]
    assert "ZeroDivisionError" in caplog.text
    workers.close()


def test_after_closing_nothing_begins_and_nothing_is_waited_for(clock: LabClock) -> None:
    workers, gate = Workers(clock, lambda: 1), Gate()
    workers.submit(lambda: gate.work(1))
    workers.submit(lambda: gate.work(2))
    assert gate.begun.acquire(timeout=20)
    workers.close()
    workers.submit(lambda: gate.work(3))
    gate.go_on.set()
    assert clock.settle(0).settled
    assert gate.order == [1]


def test_work_waits_where_the_machine_has_no_room_for_a_thread(
    clock: LabClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    start, refusals, done = threading.Thread.start, [1, 2], []

    def full(thread: threading.Thread) -> None:
        if thread.name == "lab work" and refusals:
            refusals.pop()
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", full)
    workers = Workers(clock, lambda: 2)
    workers.submit(lambda: done.append(1))
    workers.submit(lambda: done.append(2))
    assert (done, refusals) == ([], [])
    assert clock.settle().settled
    assert sorted(done) == [1, 2]
    workers.close()
