from __future__ import annotations

import re
from html.parser import HTMLParser

from labkit.classroom.grading.page import as_html
from labkit.classroom.grading.results import ClassResult, LearnerResult, Mark, State

HOSTILE = "</pre></code></title><script>alert('x')</script><img src=x onerror=\"alert(1)\">&lt;"


class Reader(HTMLParser):
    """Collects tags, and checks that they pair up."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.open: list[str] = []
        self.text = ""
        self.handlers: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.handlers += [name for name, _ in attrs if name.startswith("on")]
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def page(text: str = "x", remarks: tuple[str, ...] = ()) -> str:
    marks = tuple(Mark(text, text, state, text, text, text, text) for state in State)
    learners = (LearnerResult(text, marks, (text,), 1.0), LearnerResult("ben", marks))
    return as_html(ClassResult(text, (text,) * len(State), learners, remarks))


def test_what_is_hostile_is_shown_and_does_nothing() -> None:
    reader = Reader()
    reader.feed(page(HOSTILE, (HOSTILE,)))
    assert reader.open == []
    assert not {"script", "img", "iframe", "object", "link"} & set(reader.tags)
    assert reader.handlers == []
    # Head, title, table, and for each mark its title, cell, line, note and traceback.
    assert reader.text.count(HOSTILE) == 2 + 1 + len(State) + 1 + 1 + 1 + 2 * len(State) * 5


def test_the_page_needs_nothing_else() -> None:
    text = page()
    assert "default-src 'none'" in text
    assert re.findall(r"(?:src|href)=\"([^\"#][^\"]*)\"|url\(|@import|https?://", text) == []
    assert "prefers-color-scheme: dark" in text
    assert 'name="viewport"' in text


def test_each_state_has_a_sign_and_a_word() -> None:
    text = page()
    for sign, words in (("✓", "solved"), ("✗", "not solved"), ("–", "not run"), ("?", "missing")):
        assert f'<span aria-hidden="true">{sign}</span> {words}</span>' in text
    assert '<a href="#learner-1">ben</a>' in text
    assert '<section id="learner-1">' in text
    assert "2 hand-ins, 4 exercises; 0 solved every one." in text
