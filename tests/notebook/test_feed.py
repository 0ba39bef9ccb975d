"""Events as they happen, from a server that hands them out one by one."""

from __future__ import annotations

import logging
import queue
import threading
from typing import Any

import pytest

from labkit.live.client import LabError
from labkit.notebook.feed import follow

LIMIT_S = 10


class Server:
    """What a lab answers: each list that is put in `answers`, then that it has stopped."""

    def __init__(self) -> None:
        self.answers: queue.Queue[list[Any] | None] = queue.Queue()
        self.asked: list[tuple[int, float]] = []

    def events(self, after: int = 0, wait_s: float = 0.0) -> list[Any]:
        self.asked.append((after, wait_s))
        answer = self.answers.get(timeout=LIMIT_S)
        if answer is None:
            raise LabError("stopped")
        return answer


@pytest.fixture
def server() -> Any:
    server = Server()
    yield server
    server.answers.put(None)
    wait_for_the_end()


def wait_for_the_end() -> None:
    for thread in threading.enumerate():
        if thread.name == "labkit-feed":
            thread.join(LIMIT_S)
            assert not thread.is_alive()


def test_first_what_was_then_what_happens(server: Any, story: Any) -> None:
    story.init("a", 0, 10)
    first, second = story.events()
    taken: queue.Queue[list[Any]] = queue.Queue()
    for answer in ([first], [], [second]):
        server.answers.put(answer)
    follow(server, taken.put)
    assert taken.get(timeout=LIMIT_S) == [first]
    assert taken.get(timeout=LIMIT_S) == [second], "nothing new is no news"
    assert server.asked[0] == (0, 0.0)
    assert server.asked[1][0] == server.asked[2][0] == first.seq
    assert server.asked[1][1] > 0, "from then on it waits"


def test_it_calls_back_at_once_though_nothing_has_happened(server: Any) -> None:
    taken: queue.Queue[list[Any]] = queue.Queue()
    server.answers.put([])
    follow(server, taken.put)
    assert taken.get(timeout=LIMIT_S) == []


def test_after_cancelling_nothing_comes(server: Any, story: Any) -> None:
    story.init("a", 0, 10)
    taken: queue.Queue[list[Any]] = queue.Queue()
    server.answers.put([])
    cancel = follow(server, taken.put)
    taken.get(timeout=LIMIT_S)
    cancel()
    server.answers.put(story.events())
    wait_for_the_end()
    assert taken.empty()


def test_a_callback_that_fails_ends_its_own_follow_alone(
    server: Any, caplog: pytest.LogCaptureFixture
) -> None:
    other, taken = Server(), queue.Queue[Any]()

    def fails(events: list[Any]) -> None:
        raise ZeroDivisionError

    follow(other, taken.put)  # type: ignore[arg-type]
    with caplog.at_level(logging.ERROR):
        server.answers.put([])
        follow(server, fails)
        other.answers.put([])
        assert taken.get(timeout=LIMIT_S) == []
        other.answers.put(None)
        wait_for_the_end()
    assert "following the lab's events ended" in caplog.text


def test_a_stopped_lab_ends_it_quietly(server: Any, caplog: pytest.LogCaptureFixture) -> None:
    server.answers.put(None)
    follow(server, lambda events: None)
    wait_for_the_end()
    assert caplog.text == ""
