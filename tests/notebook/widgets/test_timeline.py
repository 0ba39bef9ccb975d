"""The timeline without a page: what it sends, when, and what it answers."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from labkit.core.events import Event
from labkit.live.client import LabError
from labkit.notebook.history import history
from labkit.notebook.widgets import timeline as module
from labkit.notebook.widgets.timeline import Timeline

LIMIT_S = 10


class FakeLab:
    """A lab whose events a test hands out itself."""

    region = "eu-central-1"

    def __init__(self, events: list[Event]) -> None:
        self.past, self.callback = events, lambda events: None
        self.cancelled = False
        self.asked: list[tuple[str, str]] = []

    def events(self) -> list[Event]:
        return self.past

    def follow(
        self, callback: Callable[[list[Event]], None], ended: Callable[[], None]
    ) -> Callable[[], None]:
        self.callback, self.ended = callback, ended
        callback(self.past)

        def cancel() -> None:
            self.cancelled = True

        return cancel

    def logs(self, function: str, request_id: str) -> list[str]:
        self.asked.append((function, request_id))
        if function == "gone":
            raise LabError("There is no function gone.")
        return ["START", "REPORT"]


def bars(timeline: Timeline) -> int:
    return len(timeline._data["bars"]["kind"])


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    messages: list[Any] = []
    monkeypatch.setattr(Timeline, "send", lambda self, content: messages.append(content))
    return messages


def test_events_of_a_simulator_are_enough(sleepers: Any) -> None:
    timeline = Timeline(iter(sleepers.events()))
    assert repr(timeline) == "3 environments, 7 invocations (3 cold), 1 error"
    spans = [span for row in history(sleepers.events()).rows for span in row.spans]
    assert bars(timeline) == len(spans) > 7
    assert not timeline._is_live


def test_it_is_shown_as_a_picture_and_one_line_too(sleepers: Any) -> None:
    data, _ = Timeline(sleepers.events())._repr_mimebundle_()
    assert data["text/plain"] == "3 environments, 7 invocations (3 cold), 1 error"
    assert data["image/png"].startswith(b"\x89PNG")
    assert "application/vnd.jupyter.widget-view+json" in data


def test_one_function_alone(story: Any) -> None:
    for name in ("hello", "other"):
        story.init(name, 0, 10, function=name)
    assert [name for name, _ in Timeline(story.events(), function="other")._data["rows"]] == [
        "other"
    ]


def test_prices_are_those_of_the_price_list() -> None:
    assert Timeline([])._prices == {
        "x86_64": {"requests": 2e-7, "duration": pytest.approx(1.66667e-5)},
        "arm64": {"requests": 2e-7, "duration": pytest.approx(1.33334e-5)},
    }


def test_it_follows_a_lab_and_takes_each_event_once(sleepers: Any) -> None:
    events = sleepers.events()
    lab = FakeLab(events[:4])
    timeline = Timeline(lab)  # type: ignore[arg-type]
    assert timeline._is_live
    before = bars(timeline)
    changes: queue.Queue[Any] = queue.Queue()
    timeline.observe(changes.put, "_data")
    lab.callback(events)
    lab.callback(events[3:])
    changes.get(timeout=LIMIT_S)
    assert bars(timeline) > before
    assert repr(timeline) == repr(Timeline(events))


def test_many_events_at_once_are_sent_together(
    sleepers: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_SYNC_S", 0.2)
    events = sleepers.events()
    lab = FakeLab([])
    timeline = Timeline(lab)  # type: ignore[arg-type]
    pictures: queue.Queue[Any] = queue.Queue()
    timeline.observe(lambda change: pictures.put(change.new), "_data")
    for event in events:
        lab.callback([event])
    complete = bars(Timeline(events))
    sizes = []
    while not sizes or sizes[-1] < complete:
        sizes.append(len(pictures.get(timeout=LIMIT_S)["bars"]["kind"]))
    assert len(sizes) == 2, "the first at once, the others together"


def test_from_several_threads_the_last_picture_is_the_newest(sleepers: Any) -> None:
    events = sleepers.events()
    lab = FakeLab([])
    timeline = Timeline(lab)  # type: ignore[arg-type]
    is_complete = threading.Event()
    complete = bars(Timeline(events))
    timeline.observe(lambda change: bars(timeline) == complete and is_complete.set(), "_data")
    feeds = [
        threading.Thread(target=lab.callback, args=(events[:number],))
        for number in range(1, len(events) + 1)
    ]
    for feed in feeds:
        feed.start()
    for feed in feeds:
        feed.join()
    assert is_complete.wait(LIMIT_S)
    assert bars(timeline) == complete


def test_log_lines_come_on_request(sent: list[Any]) -> None:
    lab = FakeLab([])
    timeline = Timeline(lab)  # type: ignore[arg-type]
    timeline._asked(timeline, {"type": "log", "function": "hello", "request_id": "1-2"}, [])
    assert lab.asked == [("hello", "1-2")]
    assert sent == [{"type": "log", "request_id": "1-2", "lines": ["START", "REPORT"]}]


def test_a_log_that_cannot_be_read_says_why(sent: list[Any]) -> None:
    timeline = Timeline(FakeLab([]))  # type: ignore[arg-type]
    timeline._asked(timeline, {"type": "log", "function": "gone", "request_id": "1"}, [])
    assert sent[0]["lines"] == ["There is no function gone."]


def test_without_a_lab_nothing_is_answered(sent: list[Any]) -> None:
    timeline = Timeline([])
    timeline._asked(timeline, {"type": "log", "function": "hello", "request_id": "1"}, [])
    assert sent == []


def test_closing_it_ends_the_following() -> None:
    lab = FakeLab([])
    Timeline(lab).close()  # type: ignore[arg-type]
    assert lab.cancelled


def test_what_is_sent_are_bytes_in_the_order_of_the_page(story: Any) -> None:
    story.init("a", 0, 10)
    assert np.frombuffer(Timeline(story.events())._data["bars"]["end"], "<f8").tolist() == [10.0]


def test_a_lab_that_has_stopped_is_no_longer_live(story: Any) -> None:
    lab = FakeLab(story.events())
    widget = Timeline(lab)  # type: ignore[arg-type]
    assert widget._is_live
    lab.ended()
    assert not widget._is_live


def test_what_nobody_looks_at_is_not_packed(story: Any) -> None:
    """A cell that is run again leaves its old widget behind, and it must not slow the kernel."""
    lab = FakeLab([])
    widget = Timeline(lab)  # type: ignore[arg-type]
    before = widget._data
    for kind in ("seen", "gone"):
        widget._asked(widget, {"type": kind}, [])
    story.init("a", 0, 10)
    lab.callback(story.events())
    assert widget._data is before
    widget._asked(widget, {"type": "seen"}, [])
    assert widget._data["rows"] == [("hello", 1)]
