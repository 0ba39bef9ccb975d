"""The retry timeline as a person uses it: paint, drag, play, pin, with the hand and the keyboard."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

CELLS = [
    "from labkit.notebook.widgets.retries import RetryTimeline",
    "first = RetryTimeline()\nfirst",
    """
second = RetryTimeline(
    knobs=("maximum_retry_attempts", "maximum_event_age_s"),
    health=[(0, "throttled"), (20, "broken"), (100, "healthy")],
    maximum_event_age_s=150,
)
second
""",
]
# Waits until a widget has answered the last thing that the hand did.
SETTLED = """([number, rev]) => {
    const root = document.querySelectorAll(".labkit-retries")[number];
    return Number(root.dataset.rev) > rev && root.dataset.busy !== "true";
}"""
FRAMES = "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
# Which parts stick out of the widget.
STICKS_OUT = """(root) => {
    const frame = root.getBoundingClientRect();
    return [...root.querySelectorAll("*")].filter((node) => node.getClientRects().length).filter((node) => {
        const box = node.getBoundingClientRect();
        return box.left < frame.left - 1 || box.right > frame.right + 1 || box.bottom > frame.bottom + 1;
    }).map((node) => node.outerHTML.slice(0, 90));
}"""


class Timeline:
    """One widget on the page."""

    def __init__(self, page: Any, number: int, artifacts: Path) -> None:
        self.page, self.number, self._artifacts = page, number, artifacts
        self.root = page.locator(".labkit-retries").nth(number)

    def data(self, name: str) -> str:
        value: str = self.root.get_attribute(f"data-{name}")
        return value

    def headline(self) -> str:
        words: str = self.root.locator(".labkit-virtual-headline").inner_text()
        return words

    def after(self, act: Callable[[], object]) -> None:
        """Do something, and wait until the kernel's answer is painted."""
        rev = int(self.data("rev"))
        act()
        self.page.wait_for_function(SETTLED, arg=[self.number, rev])

    def at(self, seconds: float) -> float:
        """Where a time is on the page."""
        x: float = self.root.evaluate("(root, ms) => root.labkit.place(ms)", seconds * 1000)
        return x

    def strip_y(self) -> float:
        box = self.root.locator(".labkit-virtual-area").bounding_box()
        return float(box["y"] + box["height"] / 2)

    def drag(self, start: tuple[float, float], end: tuple[float, float], steps: int = 8) -> None:
        mouse = self.page.mouse
        mouse.move(*start)
        mouse.down()
        mouse.move(*end, steps=steps)
        mouse.up()

    def picture(self, name: str) -> None:
        self.root.screenshot(path=self._artifacts / f"retries-{name}.png")


@pytest.fixture(scope="module")
def widgets(seen: Any, jupyter: Any, artifacts: Path) -> Iterator[list[Timeline]]:
    run = seen.run_all(jupyter.write("retries.ipynb", CELLS))
    assert [output for output in run.outputs if output["output_type"] == "error"] == []
    assert run.texts()[0].startswith(
        "RetryTimeline: 3 attempts (error, error, error) at 0 s, 1 min 2 s, 3 min 4 s; "
        "RetriesExhausted, dead-letter queue"
    )
    seen.page.locator(".labkit-retries").nth(1).wait_for()
    yield [Timeline(seen.page, number, artifacts) for number in range(2)]
    assert seen.errors == []
    seen.close_lab()


@pytest.fixture
def first(widgets: list[Timeline]) -> Timeline:
    widgets[0].root.scroll_into_view_if_needed()
    return widgets[0]


@pytest.fixture
def second(widgets: list[Timeline]) -> Timeline:
    widgets[1].root.scroll_into_view_if_needed()
    return widgets[1]


def test_the_default_picture_makes_the_point(first: Timeline) -> None:
    assert (first.data("attempts"), first.data("condition")) == ("3", "RetriesExhausted")
    words = first.root.locator(".labkit-virtual-picture").text_content()
    for part in (
        "waits 1 min",
        "waits 2 min",
        "attempt 3",
        "RetriesExhausted",
        "dead-letter queue",
    ):
        assert part in words
    assert first.headline().endswith("The event is in the dead-letter queue.")
    first.picture("default")


def test_painting_heals_the_function(first: Timeline) -> None:
    y = first.strip_y()
    first.after(lambda: first.drag((first.at(30), y), (first.at(90), y)))
    assert (first.data("spells"), first.data("condition")) == ("3", "Success")
    assert first.headline().startswith("2 attempts (error, success). Done 1 min 4 s after the 202")
    assert first.root.locator(".labkit-retries-before").count() == 1
    first.picture("healed")


def test_an_edge_can_be_dragged_and_moved_by_keys(first: Timeline) -> None:
    y = first.strip_y()
    first.after(lambda: first.drag((first.at(30), y), (first.at(75), y)))
    assert first.data("condition") == "RetriesExhausted"
    edge = first.root.get_by_role("slider", name="when the function becomes healthy, in s")
    before = float(edge.get_attribute("aria-valuenow"))
    edge.focus()
    first.after(lambda: edge.press("ArrowLeft"))
    assert float(edge.get_attribute("aria-valuenow")) == before - 1
    first.after(lambda: edge.press("Shift+ArrowLeft"))
    assert float(edge.get_attribute("aria-valuenow")) == before - 31
    assert first.data("condition") == "Success"
    first.after(lambda: edge.press("Delete"))
    assert (first.data("spells"), first.data("condition")) == ("1", "RetriesExhausted")


def test_a_click_turns_a_whole_spell(first: Timeline) -> None:
    y = first.strip_y()
    first.after(lambda: first.page.mouse.click(first.at(100), y))
    assert first.headline().startswith("1 attempt (success).")
    first.after(lambda: first.page.mouse.click(first.at(100), y))
    assert first.data("condition") == "RetriesExhausted"


def test_a_knob_of_three_buttons(first: Timeline) -> None:
    attempts = first.root.get_by_role("radiogroup", name="MaximumRetryAttempts")
    first.after(lambda: attempts.get_by_role("radio", name="0").click())
    assert first.headline().startswith("1 attempt (error). RetriesExhausted at an age of 2 s")
    attempts.get_by_role("radio", name="0").press("ArrowRight")
    first.page.wait_for_function(SETTLED, arg=[0, 0])
    first.root.get_by_text("2 attempts (error, error)").first.wait_for()
    first.after(lambda: attempts.get_by_role("radio", name="2").click())
    assert first.data("attempts") == "3"


def test_time_is_a_control_and_the_function_changes_while_it_passes(first: Timeline) -> None:
    first.root.get_by_role("button", name="back to the start").click()
    assert first.data("head") == "0"
    step = first.root.get_by_role("button", name="next event")
    step.click()
    step.click()
    assert first.data("head") == "62000"
    first.picture("stepped")
    throttled = first.root.get_by_role("radio", name="✕ throttled")
    first.after(throttled.click)
    assert first.data("spells") == "2"
    first.root.get_by_text("throttles").first.wait_for()
    first.picture("throttled-from-now-on")
    healthy = first.root.get_by_role("radio", name="✓ healthy")
    first.after(healthy.click)
    assert first.headline().startswith("2 attempts (error, success)")
    speed = first.root.get_by_role("slider", name="speed of play, logarithmic")
    speed.fill("3.6")
    first.root.get_by_role("button", name="play", exact=True).click()
    first.page.wait_for_function(
        "() => document.querySelector('.labkit-retries').dataset.head === 'end'"
    )
    assert first.data("playing") == "false"
    y = first.strip_y()
    first.root.get_by_role("radio", name="▲ broken").click()
    first.after(lambda: first.drag((first.at(0), y), (first.at(299), y)))


def test_what_came_before_the_maximum_age(second: Timeline) -> None:
    assert second.data("condition") == "EventAgeExceeded"
    line = second.root.get_by_role(
        "slider", name="MaximumEventAgeInSeconds, the line in the picture"
    )
    assert line.get_attribute("aria-valuenow") == "150"
    box = line.locator(".labkit-virtual-grip").bounding_box()
    y = box["y"] + box["height"] - 20
    second.after(lambda: second.drag((second.at(150), y), (second.at(240), y)))
    assert abs(int(line.get_attribute("aria-valuenow")) - 240) <= 1
    assert second.data("condition") == "Success"
    second.picture("older")
    line.focus()
    second.after(lambda: line.press("ArrowLeft"))
    exact = second.root.get_by_role("spinbutton", name="MaximumEventAgeInSeconds in s, exact")
    exact.fill("7")
    second.after(lambda: exact.press("Enter"))
    assert line.get_attribute("aria-valuenow") == "60"
    second.after(lambda: (exact.fill("150"), exact.press("Enter")))


def test_each_move_of_a_drag_is_answered_before_the_hand_lets_go(second: Timeline) -> None:
    y, mouse = second.strip_y(), second.page.mouse
    mouse.move(second.at(20), y)
    mouse.down()
    told = set()
    for seconds in range(30, 70, 10):
        x = second.at(seconds)
        second.after(lambda x=x: mouse.move(x, y))
        told.add(second.headline())
    mouse.up()
    assert len(told) > 1


def test_records_by_hand_and_by_keys(first: Timeline) -> None:
    first.root.locator(".labkit-retries-attempt.is-main").nth(1).click()
    record = first.root.get_by_role("region", name="record")
    assert record.inner_text().startswith("✕\nattempt 2: ▲ error")
    assert "1 min 2 s" in record.inner_text()
    record.get_by_role("button", name="close the record").click()
    assert not record.is_visible()
    life = first.root.get_by_role("application")
    life.press("ArrowRight")
    life.press("ArrowRight")
    life.press("Enter")
    assert record.inner_text().startswith("✕\nattempt 2")
    life.press("Escape")
    assert not record.is_visible()


def test_two_pins_are_compared(first: Timeline) -> None:
    first.after(lambda: first.root.get_by_role("button", name="Pin this setting as A").click())
    attempts = first.root.get_by_role("radiogroup", name="MaximumRetryAttempts")
    first.after(lambda: attempts.get_by_role("radio", name="1").click())
    first.after(lambda: first.root.get_by_role("button", name="Pin this setting as B").click())
    words = first.root.locator(".labkit-virtual-pinned").inner_text()
    assert words.startswith("A: 2 retries, maximum age 6 h: 3 attempts")
    assert "B: 1 retry, maximum age 6 h: 2 attempts" in words
    first.picture("pins")
    first.after(lambda: attempts.get_by_role("radio", name="2").click())


@pytest.mark.parametrize("theme", ["Light", "Dark"])
@pytest.mark.parametrize("width_px", [440, 900])
def test_it_is_whole_in_both_themes_and_widths(
    widgets: list[Timeline], seen: Any, theme: str, width_px: int
) -> None:
    seen.theme(f"JupyterLab {theme}")
    resize = "(node, width) => { node.parentElement.style.width = width; }"
    for widget in widgets:
        widget.root.evaluate(resize, f"{width_px}px")
        seen.page.evaluate(FRAMES)
        assert widget.root.evaluate(STICKS_OUT) == []
        widget.picture(f"{theme.lower()}-{width_px}-{widget.number}")
        widget.root.evaluate(resize, "")
    seen.theme("JupyterLab Light")


def test_without_a_kernel_it_says_so(first: Timeline) -> None:
    first.page.evaluate("() => window.jupyterapp.commands.execute('notebook:shutdown-kernel')")
    first.root.get_by_text("No kernel: run the notebook's cells again").first.wait_for()
    assert first.root.get_by_role("radio", name="✓ healthy").is_disabled()
    first.picture("no-kernel")
