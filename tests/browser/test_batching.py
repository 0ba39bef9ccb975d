"""The batching explorer as a person uses it: click, drag, keyboard, time, themes, widths."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

CELLS = [
    "from labkit.notebook.widgets.batching import BatchingExplorer",
    "sqs = BatchingExplorer()\nsqs",
    "BatchingExplorer(knobs=('batch_size', 'batching_window_s', 'report_batch_item_failures'))",
    "BatchingExplorer('kinesis', knobs=('parallelization_factor', 'bisect_batch', 'maximum_retry_attempts'))",
]
LINES = [
    "Batching of SQS messages: 20 messages, batch size 5; 7 invocations, 15 messages done, 5 in the "
    "dead-letter queue",
    "Batching of SQS messages: 20 messages, batch size 5, batching window 2 s, report batch item "
    "failures off; 7 invocations, 15 messages done, 5 in the dead-letter queue",
    "Batching of Kinesis records: 20 records, parallelization factor 1, bisect batch on function "
    "error off, maximum retry attempts 2; 6 invocations, 15 records done, 5 given up",
]
EXECUTE = """async (code) => {
    const kernel = window.jupyterapp.shell.currentWidget.sessionContext.session.kernel;
    const reply = await kernel.requestExecute({code}).done;
    return reply.content.status;
}"""
# The contrast of a text with what is behind it, as WCAG counts it.
CONTRAST = """(node) => {
    const numbers = (colour) => colour.match(/[\\d.]+/g).map(Number);
    const light = (colour) => numbers(colour).slice(0, 3)
        .map((value) => value / 255)
        .map((value) => value <= 0.03928 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4)
        .reduce((sum, value, index) => sum + value * [0.2126, 0.7152, 0.0722][index], 0);
    let behind = node;
    while (numbers(getComputedStyle(behind).backgroundColor)[3] === 0) behind = behind.parentElement;
    const of = getComputedStyle(node);
    const pair = [node instanceof SVGElement ? of.fill : of.color, getComputedStyle(behind).backgroundColor];
    const [low, high] = pair.map(light).sort((a, b) => a - b);
    return (high + 0.05) / (low + 0.05);
}"""
# What sticks out of the widget, and which texts of the picture lie upon each other.
MISPLACED = """(root) => {
    const frame = root.getBoundingClientRect();
    const seen = [...root.querySelectorAll("*")].filter((node) => node.getClientRects().length);
    const out = seen.filter((node) => {
        const box = node.getBoundingClientRect();
        return box.left < frame.left - 1 || box.right > frame.right + 1 || box.bottom > frame.bottom + 1;
    });
    const texts = [...root.querySelectorAll("svg text")].map((node) => [node.textContent, node.getBoundingClientRect()]);
    const upon = texts.flatMap(([a, p], index) => texts.slice(index + 1)
        .filter(([, q]) => p.width && q.width && p.left < q.right - 1 && q.left < p.right - 1 && p.top < q.bottom - 3 && q.top < p.bottom - 3)
        .map(([b]) => `${a} / ${b}`));
    return [...out.map((node) => node.outerHTML.slice(0, 80)), ...upon];
}"""


class Explorer:
    """One explorer on the page."""

    def __init__(self, page: Any, number: int) -> None:
        self.page, self.root = page, page.locator(".labkit-batching").nth(number)

    @property
    def data(self) -> dict[str, str]:
        return dict(self.root.evaluate("(root) => ({...root.dataset})"))

    def after(self, act: Callable[[], Any]) -> dict[str, str]:
        """Do something that the kernel answers, and wait until the answer is painted."""
        before = int(self.data["rev"])
        act()
        self.until(
            f"(root) => Number(root.dataset.rev) > {before} && root.dataset.state === 'ready'"
        )
        return self.data

    def until(self, condition: str) -> None:
        self.page.wait_for_function(condition, arg=self.root.element_handle())

    def record(self, number: int) -> Any:
        return self.root.get_by_role("checkbox", name=f"poison message {number};")

    def button(self, name: str) -> Any:
        return self.root.get_by_role("button", name=name, exact=True)

    def story(self) -> str:
        return str(self.root.locator(".labkit-batching-story").inner_text())

    def facts(self, column: int = 0) -> dict[str, str]:
        rows = self.root.locator(".labkit-batching-facts tbody tr").all()
        return {
            row.locator("th").inner_text(): row.locator("td").nth(column).inner_text()
            for row in rows
        }


@pytest.fixture(scope="module")
def page(seen: Any, jupyter: Any) -> Iterator[Any]:
    run = seen.run_all(jupyter.write("batching.ipynb", CELLS))
    assert [text.strip() for text in run.texts()] == LINES
    yield seen.page
    assert seen.errors == []
    seen.close_lab()


@pytest.fixture
def sqs(page: Any) -> Explorer:
    """The first explorer, as it was at first."""
    explorer = Explorer(page, 0)
    page.evaluate(
        EXECUTE, "sqs.batch_size = 5; sqs.poisoned = [8]; sqs._before = None; sqs._show()"
    )
    explorer.until(
        "(root) => root.dataset.invocations === '7' && root.dataset.ghost === 'false' "
        "&& root.querySelectorAll('.is-poisoned').length === 1"
    )
    explorer.button("to the end").click()
    return explorer


@pytest.fixture
def sandbox(page: Any) -> Explorer:
    return Explorer(page, 1)


def test_the_first_picture_makes_the_point(sqs: Explorer) -> None:
    assert sqs.data["failures"] == "3"
    assert (sqs.data["done"], sqs.data["given"]) == ("15", "5")
    assert "4 of them without fault" in sqs.story()
    assert sqs.record(8).get_attribute("aria-checked") == "true"
    assert sqs.facts()["messages done"] == "15 of 20"
    legend = sqs.root.locator(".labkit-virtual-legend").inner_text()
    assert "failed in it" in legend and "dead-letter queue" in legend
    assert "the setting before" not in legend


def test_a_click_heals_and_another_poisons(sqs: Explorer) -> None:
    healed = sqs.after(lambda: sqs.record(8).click())
    assert (healed["failures"], healed["done"], healed["ghost"]) == ("0", "20", "true")
    assert sqs.record(8).get_attribute("aria-checked") == "false"
    assert sqs.story().startswith("20 messages take 5 invocations")
    # Anywhere on its row, not only on its number.
    row = sqs.record(20).locator(".labkit-batching-hit")
    poisoned = sqs.after(lambda: row.click(position={"x": 500, "y": 6}))
    assert poisoned["given"] == "1"
    assert "message 20" in sqs.story()
    sqs.after(lambda: sqs.button("Heal all").click())
    assert sqs.button("Heal all").is_disabled()


def test_the_slider_answers_and_leaves_a_ghost(sqs: Explorer) -> None:
    slider = sqs.root.get_by_role("slider", name="Batch size in messages", exact=True)
    slider.focus()
    moved = sqs.after(lambda: slider.press("ArrowLeft"))
    assert slider.get_attribute("aria-valuetext") == "4 messages"
    assert moved["ghost"] == "true"
    assert sqs.root.locator("line.labkit-batching-ghost").count() > 20
    sqs.after(lambda: slider.press("Home"))
    assert sqs.facts()["in the dead-letter queue"] == "1"
    box = sqs.root.get_by_role("spinbutton", name="Batch size in messages, exact")
    assert box.input_value() == "1"
    box.fill("7")
    sqs.after(lambda: box.press("Tab"))
    assert sqs.facts()["in the dead-letter queue"] == "6"


def test_what_cannot_be_is_told_in_one_line(sqs: Explorer) -> None:
    box = sqs.root.get_by_role("spinbutton", name="Batch size in messages, exact")
    box.fill("11")
    sqs.after(lambda: box.press("Tab"))
    assert sqs.root.locator(".labkit-virtual-error").inner_text() == ""
    sandbox = Explorer(sqs.page, 1)
    window = sandbox.root.get_by_role("spinbutton", name="Batching window in s, exact")
    size = sandbox.root.get_by_role("spinbutton", name="Batch size in messages, exact")
    window.fill("0")
    sandbox.after(lambda: window.press("Tab"))
    size.fill("11")
    sandbox.after(lambda: size.press("Tab"))
    alert = sandbox.root.locator(".labkit-virtual-error").inner_text()
    assert "a batch_size over 10 needs a batching_window_s of at least 1" in alert
    assert size.input_value() == "5"
    window.fill("2")
    sandbox.after(lambda: window.press("Tab"))
    assert sandbox.root.locator(".labkit-virtual-error").inner_text() == ""


def test_the_brackets_in_the_picture_are_knobs(sandbox: Explorer) -> None:
    size = sandbox.root.get_by_role("slider", name="Batch size in messages, in the picture")
    window = sandbox.root.get_by_role("slider", name="Batching window in s, in the picture")

    def drag(grip: Any, right: float, down: float) -> None:
        place = grip.locator("circle").bounding_box()
        x, y = place["x"] + place["width"] / 2, place["y"] + place["height"] / 2
        mouse = sandbox.page.mouse
        mouse.move(x, y)
        mouse.down()
        mouse.move(x + right, y + down, steps=6)
        mouse.up()

    size.scroll_into_view_if_needed()
    sandbox.after(lambda: drag(size, 0, 51))
    assert size.get_attribute("aria-valuetext") == "8 messages"
    sandbox.until("(root) => root.dataset.state === 'ready'")
    sandbox.after(lambda: size.press("ArrowUp"))
    assert size.get_attribute("aria-valuenow") == "7"
    before = int(window.get_attribute("aria-valuenow"))
    sandbox.after(lambda: drag(window, 60, 0))
    assert int(window.get_attribute("aria-valuenow")) > before
    sandbox.after(lambda: window.press("ArrowLeft"))
    box = sandbox.root.get_by_role("spinbutton", name="Batching window in s, exact")
    sandbox.until("(root) => root.dataset.state === 'ready'")
    assert box.input_value() == window.get_attribute("aria-valuenow")


def test_reported_failures_spare_the_others(sandbox: Explorer) -> None:
    box = sandbox.root.get_by_role("checkbox", name="Report batch item failures")
    told = sandbox.after(box.check)
    assert (told["done"], told["given"]) == ("19", "1")
    assert "No other message is handed over twice." in sandbox.story()
    partial = sandbox.root.locator('[data-outcome="partial"]').first
    assert partial.locator(".labkit-batching-failed").count() == 1
    sandbox.after(box.uncheck)


def test_arrow_keys_choose_and_space_poisons_and_the_notebook_stays(sqs: Explorer) -> None:
    active = "() => window.jupyterapp.shell.currentWidget.content.activeCellIndex"
    sqs.record(8).click()
    sqs.until("(root) => root.dataset.given === '0' && root.dataset.state === 'ready'")
    before = sqs.page.evaluate(active)
    sqs.record(8).press("ArrowDown")
    focused = "(root) => document.activeElement.dataset.record"
    assert sqs.root.evaluate(focused) == "9"
    sqs.after(lambda: sqs.record(9).press(" "))
    assert sqs.root.evaluate(focused) == "9"
    assert sqs.record(9).get_attribute("aria-checked") == "true"
    assert "message 9" in sqs.story()
    for key, number in [("Home", "1"), ("ArrowUp", "1"), ("End", "20")]:
        sqs.page.keyboard.press(key)
        assert sqs.root.evaluate(focused) == number
    assert sqs.page.evaluate(active) == before


class TestKinesis:
    @pytest.fixture
    def kinesis(self, page: Any) -> Explorer:
        return Explorer(page, 2)

    def test_a_poisoned_record_blocks_the_shard(self, kinesis: Explorer) -> None:
        assert "The shard is blocked for 8.0 s" in kinesis.story()
        assert kinesis.root.locator("svg text", has_text="blocked 8.0 s").count() == 1
        assert kinesis.facts()["shard blocked"] == "8.0 s"
        name = kinesis.root.get_by_role("checkbox", name="poison record 8;").get_attribute(
            "aria-label"
        )
        assert "partition key D" in name and "given up by the mapping at 13.0 s" in name

    def test_sub_shards_are_lanes_of_their_own(self, kinesis: Explorer) -> None:
        factor = kinesis.root.get_by_role(
            "slider", name="Parallelization factor in sub-shards", exact=True
        )
        kinesis.after(lambda: factor.press("ArrowRight"))
        lanes = kinesis.root.locator("text.labkit-batching-lane")
        assert lanes.all_text_contents() == [
            "sub-shard 1: keys D, E, F",
            "sub-shard 2: keys A, B, C",
        ]
        assert kinesis.root.locator("rect.labkit-batching-blocked").count() == 2  # and the legend
        kinesis.after(lambda: factor.press("ArrowLeft"))

    def test_bisecting_spares_the_others(self, kinesis: Explorer) -> None:
        box = kinesis.root.get_by_role("checkbox", name="Bisect batch on function error")
        told = kinesis.after(box.check)
        assert (told["done"], told["given"]) == ("19", "1")
        assert kinesis.root.locator('[data-batch="2.1"][data-outcome="success"]').count() == 1
        kinesis.after(box.uncheck)

    def test_without_a_limit_of_retries_it_stays_blocked(self, kinesis: Explorer) -> None:
        box = kinesis.root.get_by_role(
            "spinbutton", name="Maximum retry attempts in retries, exact"
        )
        box.fill("-1")
        told = kinesis.after(lambda: box.press("Tab"))
        assert (told["done"], told["given"]) == ("5", "0")
        assert "to be tried again" in kinesis.root.locator(".labkit-batching-counts").inner_text()
        box.fill("2")
        kinesis.after(lambda: box.press("Tab"))


class TestTime:
    def test_the_head_hides_what_has_not_happened(self, sqs: Explorer) -> None:
        counts = sqs.root.locator(".labkit-batching-counts")
        assert counts.inner_text() == "at the end: 15 done · 5 in the dead-letter queue"
        sqs.button("back to the start").click()
        assert sqs.data["head"] == "0"
        assert counts.inner_text() == "at 0.0 s: 19 to come · 1 waiting"
        assert sqs.root.locator(".labkit-batching-future").count() == 1

    def test_steps_go_from_event_to_event(self, sqs: Explorer) -> None:
        sqs.button("back to the start").click()
        heads = []
        for _ in range(3):
            sqs.button("next event").click()
            heads.append(int(sqs.data["head"]))
        assert heads == sorted(set(heads)) and heads[0] > 0
        sqs.root.locator(".labkit-batching-scrub").press(",")
        assert int(sqs.data["head"]) == heads[1]

    def test_the_axis_is_dragged(self, sqs: Explorer) -> None:
        svg = sqs.root.locator("svg.labkit-virtual-picture")
        svg.scroll_into_view_if_needed()
        box = svg.bounding_box()
        mouse = sqs.page.mouse
        mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] - 20)
        mouse.down()
        middle = int(sqs.data["head"])
        mouse.move(box["x"] + box["width"] / 4, box["y"] + box["height"] - 20, steps=4)
        mouse.up()
        assert 0 < int(sqs.data["head"]) < middle
        assert "hidden until the visibility timeout is over" in (
            sqs.root.locator(".labkit-batching-counts").inner_text()
        )

    def test_it_plays_to_the_end(self, sqs: Explorer) -> None:
        speed = sqs.root.get_by_role("slider", name="speed of play, logarithmic")
        speed.fill("2.5")
        sqs.button("play").click()
        sqs.until("(root) => root.dataset.playing === 'true'")
        sqs.until("(root) => root.dataset.head === 'end' && root.dataset.playing === 'false'")


def test_a_pointer_reads_the_life_of_a_message(sqs: Explorer) -> None:
    sqs.record(12).hover(position={"x": 400, "y": 6})
    tip = sqs.root.get_by_role("tooltip")
    words = tip.inner_text()
    assert words.startswith("message 12")
    assert "in batch 3 (5 messages, closed by size): done" in words.replace("\n", " ")
    assert "poisons it" in words
    frame, inside = sqs.root.bounding_box(), tip.bounding_box()
    assert frame["x"] <= inside["x"]
    assert inside["x"] + inside["width"] <= frame["x"] + frame["width"]
    sqs.page.mouse.move(2, 2)
    assert not tip.is_visible()


def test_reset_brings_back_the_first_picture(sqs: Explorer) -> None:
    slider = sqs.root.get_by_role("slider", name="Batch size in messages", exact=True)
    reset = sqs.button("Reset to the first setting")
    assert reset.is_disabled()
    sqs.after(lambda: slider.press("End"))
    sqs.after(lambda: sqs.record(3).click())
    told = sqs.after(reset.click)
    assert (told["invocations"], told["given"]) == ("7", "5")
    assert slider.get_attribute("aria-valuetext") == "5 messages"
    assert sqs.record(3).get_attribute("aria-checked") == "false"


def test_pins_stand_beside_what_is_now(sqs: Explorer) -> None:
    sqs.after(lambda: sqs.button("Pin this setting as A").click())
    slider = sqs.root.get_by_role("slider", name="Batch size in messages", exact=True)
    sqs.after(lambda: slider.press("Home"))
    head = sqs.root.locator(".labkit-batching-facts thead").inner_text()
    assert "now: batch size 1" in head and "A: batch size 5" in head
    assert (sqs.facts()["invocations"], sqs.facts(1)["invocations"]) == ("22", "7")


@pytest.mark.parametrize("theme", ["JupyterLab Light", "JupyterLab Dark"])
def test_all_words_are_readable(page: Any, seen: Any, artifacts: Any, theme: str) -> None:
    seen.theme(theme)
    for number in range(len(CELLS) - 1):
        root = page.locator(".labkit-batching").nth(number)
        root.screenshot(path=artifacts / f"batching-{theme.split()[-1].lower()}-{number}.png")
        texts = root.locator(
            "p, .labkit-virtual-head *, th, td, text:not(.labkit-batching-number, .labkit-batching-name)"
        )
        assert texts.count() > 30
        for place in range(texts.count()):
            words = texts.nth(place)
            if words.is_visible() and words.text_content():
                assert words.evaluate(CONTRAST) >= 4.5, words.text_content()
    seen.theme("JupyterLab Light")


@pytest.mark.parametrize("width_px", [400, 500, 800, 1060])
def test_nothing_sticks_out_or_overlaps(page: Any, artifacts: Any, width_px: int) -> None:
    resize = "(node, width) => { node.parentElement.style.width = width; }"
    for number in range(len(CELLS) - 1):
        root = page.locator(".labkit-batching").nth(number)
        root.evaluate(resize, f"{width_px}px")
        page.evaluate(
            "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
        )
        assert root.evaluate(MISPLACED) == []
        root.screenshot(path=artifacts / f"batching-{width_px}-{number}.png")
        root.evaluate(resize, "")


def test_without_a_kernel_time_still_plays(page: Any) -> None:
    explorer = Explorer(page, 0)
    page.evaluate("() => window.jupyterapp.commands.execute('docmanager:save')")
    page.evaluate("() => window.jupyterapp.commands.execute('notebook:shutdown-kernel')")
    explorer.until("(root) => root.dataset.state === 'gone'")
    assert explorer.root.get_by_role(
        "slider", name="Batch size in messages", exact=True
    ).is_disabled()
    assert explorer.button("Heal all").is_disabled()
    assert "No kernel" in explorer.root.locator(".labkit-virtual-hint").inner_text()
    explorer.button("back to the start").click()
    assert explorer.data["head"] == "0"
