from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit.core.events import EventKind
from labkit.live.clock import LabClock
from labkit.live.event_log import EventLog
from labkit.live.settings import Settings


@pytest.fixture
def clock() -> Iterator[LabClock]:
    clock = LabClock()
    yield clock
    clock.close()


@pytest.fixture
def log(clock: LabClock) -> EventLog:
    return EventLog(clock, Settings())


def test_events_are_stamped_with_seq_and_lab_time(clock: LabClock, log: EventLog) -> None:
    clock.advance(1000)
    before = clock.now_ms()
    first = log.append(EventKind.ACCEPTED, function="f", request_id="r")
    second = log.append(EventKind.INVOKE_ENDED, function="f", duration_ms=1.5)
    assert (first.seq, second.seq, log.last) == (1, 2, 2)
    assert before <= first.time_ms <= second.time_ms <= clock.now_ms()
    assert first.request_id == "r"
    assert second.kind is EventKind.INVOKE_ENDED


def test_a_field_that_events_do_not_have_is_refused(log: EventLog) -> None:
    with pytest.raises(TypeError):
        log.append(EventKind.ACCEPTED, colour="red")
    assert log.last == 0
    assert log.append(EventKind.ACCEPTED).seq == 1


@given(count=st.integers(0, 30), kept=st.integers(1, 10), after=st.integers(0, 40))
def test_after_gives_what_is_newer_and_still_kept(count: int, kept: int, after: int) -> None:
    class Still:
        def now_ms(self) -> float:
            return 0.0

    log = EventLog(Still(), Settings(event_log_max=kept))  # type: ignore[arg-type]
    for _ in range(count):
        log.append(EventKind.ACCEPTED)
    oldest = max(1, count - kept + 1)
    assert [event.seq for event in log.after(after)] == list(
        range(max(after + 1, oldest), count + 1)
    )


def test_a_reader_waits_for_the_next_event(log: EventLog) -> None:
    got: list[int] = []
    reader = threading.Thread(target=lambda: got.extend(e.seq for e in log.after(0, wait_s=10)))
    reader.start()
    log.append(EventKind.QUEUED)
    reader.join(10)
    assert got == [1]


def test_a_reader_does_not_wait_for_ever(log: EventLog) -> None:
    log.append(EventKind.QUEUED)
    started = time.monotonic()
    assert log.after(1, wait_s=0.02) == []
    assert 0.015 < time.monotonic() - started < 5


def test_writers_of_several_threads_leave_no_gap(log: EventLog) -> None:
    def write() -> None:
        for _ in range(500):
            log.append(EventKind.ACCEPTED)

    writers = [threading.Thread(target=write) for _ in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    events = log.after(0)
    assert [event.seq for event in events] == list(range(1, 2001))
    times = [event.time_ms for event in events]
    assert times == sorted(times)


def test_subscribers_get_each_event_in_order(log: EventLog) -> None:
    log.append(EventKind.ACCEPTED)
    first, second = list[int](), list[int]()
    log.subscribe(lambda event: first.append(event.seq))
    log.append(EventKind.ACCEPTED)
    log.subscribe(lambda event: second.append(event.seq))
    log.append(EventKind.ACCEPTED)
    assert (first, second) == ([2, 3], [3])
