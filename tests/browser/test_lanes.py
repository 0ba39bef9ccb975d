"""The concurrency lanes as a person uses them: drag the ceiling, play, open a record, pin."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

CELLS = [
    "from labkit.notebook.widgets.lanes import ConcurrencyLanes",
    "first = ConcurrencyLanes()\nfirst",
    """
second = ConcurrencyLanes(
    knobs=("reserved_concurrency", "provisioned_concurrency"),
    reserved_concurrency=6, provisioned_concurrency=3,
)
second
""",
    """
third = ConcurrencyLanes(
    knobs=("neighbour_concurrency", "rate_per_s"),
    reserved_concurrency=None, neighbour_concurrency=4,
)
third
""",
]
# Waits until a widget has answered the last thing that the hand did.
SETTLED = """([number, rev]) => {
    const root = document.querySelectorAll(".labkit-lanes")[number];
    return Number(root.dataset.rev) > rev && root.dataset.busy !== "true";
}"""
FRAMES = "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
# Which parts stick out of the widget, and which texts of the picture lie upon each other.
MISPLACED = """(root) => {
    const frame = root.getBoundingClientRect();
    const seen = [...root.querySelectorAll("*")].filter((node) => node.getClientRects().length);
    const out = seen.filter((node) => {
        const box = node.getBoundingClientRect();
        return box.left < frame.left - 1 || box.right > frame.right + 1 || box.bottom > frame.bottom + 1;
    });
    const texts = [...root.querySelectorAll("svg text")].map((node) => [node.textContent, node.getBoundingClientRect()]);
    const upon = texts.flatMap(([a, p], index) => texts.slice(index + 1)
        .filter(([, q]) => p.left < q.right - 1 && q.left < p.right - 1 && p.top < q.bottom - 3 && q.top < p.bottom - 3)
        .map(([b]) => `${a} / ${b}`));
    return [...out.map((node) => node.outerHTML.slice(0, 90)), ...upon];
}"""


class Lanes:
    """One widget on the page."""

    def __init__(self, page: Any, number: int, artifacts: Path) -> None:
        self.page, self.number, self._artifacts = page, number, artifacts
        self.root = page.locator(".labkit-lanes").nth(number)
        self.ceiling = self.root.get_by_role(
            "slider", name="Reserved concurrency, the ceiling in the picture"
        )

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

    def drag(self, handle: Any, to_lane: int) -> None:
        """Drag a line to the upper edge of so many lanes."""
        box = handle.locator(".labkit-virtual-grip").last.bounding_box()
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        to_y = self.root.evaluate("(root, lane) => root.labkit.ceilingY(lane)", to_lane)
        mouse = self.page.mouse
        mouse.move(x, y)
        mouse.down()
        mouse.move(x, to_y, steps=6)
        mouse.up()

    def picture(self, name: str) -> None:
        self.root.screenshot(path=self._artifacts / f"lanes-{name}.png")


@pytest.fixture(scope="module")
def widgets(seen: Any, jupyter: Any, artifacts: Path) -> Iterator[list[Lanes]]:
    run = seen.run_all(jupyter.write("lanes.ipynb", CELLS))
    assert [output for output in run.outputs if output["output_type"] == "error"] == []
    assert run.texts()[0].startswith("ConcurrencyLanes: reserved concurrency 5; 47 requests: ")
    seen.page.locator(".labkit-lanes").nth(2).wait_for()
    yield [Lanes(seen.page, number, artifacts) for number in range(3)]
    assert seen.errors == []
    seen.close_lab()


@pytest.fixture
def first(widgets: list[Lanes]) -> Lanes:
    widgets[0].root.scroll_into_view_if_needed()
    return widgets[0]


@pytest.fixture
def second(widgets: list[Lanes]) -> Lanes:
    widgets[1].root.scroll_into_view_if_needed()
    return widgets[1]


def test_the_default_picture_makes_the_point(first: Lanes) -> None:
    assert (first.data("ceiling"), first.data("requests")) != ("", "")
    assert int(first.data("throttles")) >= 5
    assert "ReservedFunctionConcurrentInvocationLimitExceeded" in first.headline()
    first.picture("default")


def test_the_ceiling_is_dragged(first: Lanes) -> None:
    before = int(first.data("throttles"))
    first.after(lambda: first.drag(first.ceiling, 8))
    assert (first.data("ceiling"), first.ceiling.get_attribute("aria-valuenow")) == ("8", "8")
    assert int(first.data("throttles")) < before
    assert first.root.locator(".labkit-virtual-ghost").count() == 1
    first.picture("higher")
    exact = first.root.get_by_role("spinbutton", name="Reserved concurrency, exact")
    assert exact.input_value() == "8"
    first.after(lambda: first.drag(first.ceiling, 0))
    assert first.headline().startswith("47 requests: none ran. 47 throttled (429)")
    first.picture("nothing")
    first.after(lambda: (exact.fill("5"), exact.press("Enter")))
    assert int(first.data("throttles")) == before


def test_the_ceiling_listens_to_keys(first: Lanes) -> None:
    first.ceiling.focus()
    first.after(lambda: first.ceiling.press("ArrowUp"))
    assert first.data("ceiling") == "6"
    first.after(lambda: first.ceiling.press("ArrowDown"))
    assert first.data("ceiling") == "5"
    for _ in range(6):
        first.after(lambda: first.ceiling.press("ArrowUp"))
    assert first.root.get_by_text("unreserved 10").count() == 1
    reserve = first.root.get_by_role("checkbox", name="reserve")
    assert not reserve.is_checked()
    first.after(reserve.check)
    first.after(lambda: first.drag(first.ceiling, 5))
    assert first.data("ceiling") == "5"


def test_requests_fall_while_time_passes(first: Lanes) -> None:
    first.root.get_by_role("button", name="back to the start").click()
    first.root.get_by_role("slider", name="speed of play, logarithmic").fill("0.6")
    first.root.get_by_role("button", name="play", exact=True).click()
    first.root.locator(".labkit-lanes-drop").first.wait_for(state="attached")
    first.root.get_by_role("button", name="pause").click()
    assert first.data("head") != "end"
    first.root.get_by_role("button", name="next event").click()
    assert "busy · 0 throttled so far" in first.root.locator("svg").first.text_content()
    first.picture("paused")
    first.root.get_by_role("button", name="to the end").click()
    assert first.data("head") == "end"


def test_records_of_requests_and_throttles(first: Lanes) -> None:
    record = first.root.get_by_role("region", name="record")
    first.root.locator(".labkit-lanes-throttle").first.click()
    assert "ReservedFunctionConcurrentInvocationLimitExceeded" in record.inner_text()
    picture = first.root.get_by_role("application")
    picture.press("Escape")
    assert not record.is_visible()
    picture.press("ArrowRight")
    picture.press("Enter")
    assert "init: a cold start" in record.inner_text()
    record.get_by_role("button", name="close the record").click()


def test_provisioned_concurrency_is_a_band_that_can_be_dragged(second: Lanes) -> None:
    edge = second.root.get_by_role(
        "slider", name="Provisioned concurrency, the edge of the pale band"
    )
    assert edge.get_attribute("aria-valuenow") == "3"
    cold = int(second.headline().split(" ran, ")[1].split()[0])
    second.after(lambda: second.drag(edge, 6))
    assert edge.get_attribute("aria-valuenow") == "6"
    assert int(second.headline().split(" ran, ")[1].split()[0]) == 0 < cold
    second.picture("all-provisioned")
    second.after(lambda: second.drag(edge, 2))
    assert (
        second.root.locator(".labkit-virtual-ready").count() == 2
    )  # in the picture and the legend


def test_what_others_use_is_missing_below(widgets: list[Lanes]) -> None:
    third = widgets[2]
    third.root.scroll_into_view_if_needed()
    assert third.data("ceiling") == "6"
    assert "ConcurrentInvocationLimitExceeded" in third.headline()
    others = third.root.get_by_role(
        "spinbutton", name="Other functions busy in environments, exact"
    )
    third.after(lambda: (others.fill("0"), others.press("Enter")))
    assert third.data("ceiling") == "10"
    rate = third.root.get_by_role("spinbutton", name="Arrivals before the burst in per s, exact")
    before = int(third.data("requests"))
    third.after(lambda: (rate.fill("2.4"), rate.press("Enter")))
    assert int(third.data("requests")) > before
    third.picture("busier")


def test_two_pins_are_compared(first: Lanes) -> None:
    first.after(lambda: first.root.get_by_role("button", name="Pin this setting as A").click())
    first.after(lambda: first.drag(first.ceiling, 7))
    first.after(lambda: first.root.get_by_role("button", name="Pin this setting as B").click())
    words = first.root.locator(".labkit-virtual-pinned").inner_text()
    assert words.startswith("A: ceiling 5: 47 requests") and "B: ceiling 7: 47 requests" in words
    first.picture("pins")


@pytest.mark.parametrize("theme", ["Light", "Dark"])
@pytest.mark.parametrize("width_px", [440, 800])
def test_it_is_whole_in_both_themes_and_widths(
    widgets: list[Lanes], seen: Any, theme: str, width_px: int
) -> None:
    seen.theme(f"JupyterLab {theme}")
    resize = "(node, width) => { node.parentElement.style.width = width; }"
    for widget in widgets:
        widget.root.evaluate(resize, f"{width_px}px")
        seen.page.evaluate(FRAMES)
        assert widget.root.evaluate(MISPLACED) == []
        widget.picture(f"{theme.lower()}-{width_px}-{widget.number}")
        widget.root.evaluate(resize, "")
    seen.theme("JupyterLab Light")


def test_without_a_kernel_it_says_so(first: Lanes) -> None:
    first.page.evaluate("() => window.jupyterapp.commands.execute('notebook:shutdown-kernel')")
    first.root.get_by_text("No kernel: run the notebook's cells again").first.wait_for()
    assert first.root.get_by_role("checkbox", name="reserve").is_disabled()
