"""The timeline as a person uses it: hover, click, keyboard, playhead, zoom, themes, live."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest

CELLS = [
    """
import json, boto3
from concurrent.futures import ThreadPoolExecutor
from labkit import Lab, Timeline
lab = Lab.start(seed=1)
lambda_client = boto3.client("lambda")
def sleeper(event, context):
    import time
    print("asked for", event["s"])
    time.sleep(event["s"])
    if event.get("fails"):
        raise ValueError("no")
_ = lab.deploy(sleeper, memory_mb=1769, timeout_s=1)
def call(event):
    lambda_client.invoke(FunctionName="sleeper", Payload=json.dumps(event))
""",
    "Timeline(lab)",
    """
with ThreadPoolExecutor(2) as pool:
    list(pool.map(call, [{"s": 0.3}, {"s": 0.3}]))
call({"s": 0.1, "fails": True})
call({"s": 5})
lab.advance(900)
call({"s": 0.1})
""",
    "Timeline(lab.events())",
    "Timeline([])",
    """
from labkit.core.events import Event, EventKind
events = []
def add(kind, time_ms, **fields):
    events.append(Event(seq=len(events), time_ms=time_ms, kind=EventKind(kind), **fields))
for number in range(60):
    name = {"environment": str(number), "function": ("mail", "a-rather-long-name")[number % 2]}
    add("init_started", 10 * number, phase="init", **name)
    add("init_ended", 10 * number + 40, phase="init", outcome="success", **name)
    add("invoke_started", 10 * number + 40, **name)
for _ in range(3):
    add("throttled", 700, function="mail", reason="TooManyTests")
Timeline(events)
""",
]
INVOKE, INIT = 2, 3
ERROR, TIMEOUT, END, THROTTLE = range(4)
LIVE_CELLS = [
    CELLS[0],
    "Timeline(lab)",
    """
import pathlib, time
def together(*sleeps):
    with ThreadPoolExecutor(len(sleeps)) as pool:
        list(pool.map(call, [{"s": s} for s in sleeps]))
together(0.2, 0.2)
while not pathlib.Path("go").exists():
    time.sleep(0.02)
together(0.9, 0.1)
""",
    "Timeline(lab)",
]
WATCH_GROWTH = """(root) => {
    window.grown_ms = 0;
    new MutationObserver(() => {
        const {picture} = root.labkit;
        if (root.dataset.running !== "0") window.grown_ms = Math.max(window.grown_ms, picture.extra);
    }).observe(root, {attributes: true, attributeFilter: ["data-rev"]});
}"""
IN_FRONT = ".jp-NotebookPanel:not(.lm-mod-hidden)"


class Widget:
    """One timeline on the page."""

    def __init__(self, page: Any, number: int) -> None:
        self.page = page
        self.root = page.locator(f"{IN_FRONT} .labkit-timeline").nth(number)
        self.canvas = self.root.locator(".labkit-timeline-stage canvas")
        self.record = self.root.locator(".labkit-timeline-record")
        self.tip = self.root.locator(".labkit-timeline-tip")

    @property
    def data(self) -> dict[str, str]:
        return dict(self.root.evaluate("(root) => ({...root.dataset})"))

    def after(self, act: Any) -> dict[str, str]:
        """Do something and wait until it is painted."""
        before = int(self.data["rev"])
        act()
        self.until(f"(root) => Number(root.dataset.rev) > {before}")
        return self.data

    def until(self, condition: str) -> None:
        self.page.wait_for_function(condition, arg=self.root.element_handle())

    def bars(self, kind: int) -> list[int]:
        """The numbers of the bars of a kind."""
        script = (
            "(root, kind) => [...root.labkit.picture.data.bar.kind].flatMap("
            "(k, bar) => k === kind && root.labkit.picture.data.bar.record[bar] >= 0 ? [bar] : [])"
        )
        return list(self.root.evaluate(script, kind))

    def middle(self, bar: int) -> tuple[float, float]:
        self.canvas.scroll_into_view_if_needed()
        box = self.root.evaluate("(root, bar) => root.labkit.barBox(bar)", bar)
        return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2

    def mark(self, kind: int) -> tuple[float, float]:
        """Where the first mark of a kind is."""
        self.canvas.scroll_into_view_if_needed()
        script = """(root, kind) => {
            const {picture} = root.labkit, {data} = picture, mark = data.mark.kind.indexOf(kind);
            const box = picture.canvas.getBoundingClientRect();
            const y = picture.y(data.mark.row[mark]) + picture.rowHeight / 2;
            return [box.x + picture.x(picture.markPlaces[mark]), box.y + y];
        }"""
        x, y = self.root.evaluate(script, kind)
        return x, y

    def start_of(self, bar: int) -> float:
        """When a bar begins, in ms after the first event."""
        return float(
            self.root.evaluate("(root, bar) => root.labkit.picture.data.bar.start[bar]", bar)
        )

    def press(self, *keys: str) -> dict[str, str]:
        self.canvas.focus()
        for key in keys[:-1]:
            self.page.keyboard.press(key)
        return self.after(lambda: self.page.keyboard.press(keys[-1]))


@pytest.fixture(scope="module")
def run(seen: Any, jupyter: Any) -> Any:
    run = seen.run_all(jupyter.write("timeline.ipynb", CELLS))
    yield run
    seen.close_lab()


@pytest.fixture
def live(run: Any, seen: Any) -> Any:
    widget = Widget(seen.page, 0)
    widget.until("(root) => root.dataset.rows === '3'")
    widget.press("Escape", "0")
    widget.press("End")
    return widget


def test_it_runs_and_its_text_is_one_line(run: Any) -> None:
    assert [output for output in run.outputs if output["output_type"] == "error"] == []
    assert run.texts()[0] == "0 environments, 0 invocations (0 cold), 0 errors"
    # The invocation after the timeout starts a process again inside an environment: no cold start.
    assert run.texts()[1] == "3 environments, 5 invocations (3 cold), 2 errors"


def test_it_has_followed_the_lab_while_a_cell_was_running(live: Any, seen: Any) -> None:
    static = Widget(seen.page, 1)
    assert live.data["bars"] == static.data["bars"]
    assert live.data["marks"] == static.data["marks"]
    assert len(live.bars(INVOKE)) == 5
    assert len(live.bars(INIT)) == 3


def test_hovering_tells_what_a_bar_is(live: Any, seen: Any) -> None:
    seen.page.mouse.move(*live.middle(live.bars(INVOKE)[0]))
    live.tip.wait_for(state="visible")
    told = live.tip.inner_text()
    assert told.startswith("invoke, after a cold start")
    assert re.search(r"duration\s+\d+ ms", told)
    assert re.search(r"init\s+[\d.]+ ms", told)
    assert re.search(r"cost\s+\$0\.0000\d+ a call, \$\d+\.\d\d per million", told)
    assert re.search(r"request id\s+[0-9a-f]{8}-", told)
    box, root = live.tip.bounding_box(), live.root.bounding_box()
    assert root["x"] <= box["x"]
    assert box["x"] + box["width"] <= root["x"] + root["width"]


def test_a_click_opens_the_record_with_its_log_lines(live: Any, seen: Any) -> None:
    seen.page.mouse.click(*live.middle(live.bars(INVOKE)[-1]))
    log = live.record.locator("pre")
    live.until("(root) => (root.querySelector('pre')?.textContent || '').includes('REPORT')")
    request_id = live.data["opened"]
    assert f"START RequestId: {request_id}" in log.inner_text()
    assert "asked for 0.1" in log.inner_text()
    live.record.get_by_label("close the record").click()
    live.record.wait_for(state="hidden")


def test_errors_and_timeouts_are_marks_that_lead_to_their_record(live: Any, seen: Any) -> None:
    for kind, outcome in ((ERROR, "error: ValueError"), (TIMEOUT, "timeout: Sandbox.Timedout")):
        seen.page.mouse.click(*live.mark(kind))
        live.record.wait_for(state="visible")
        assert re.search(rf"outcome\s+{outcome}", live.record.inner_text())
        live.press("Escape")
    words = live.root.locator(".labkit-timeline-legend").inner_text()
    for word in ("init", "invoke", "frozen", "error", "timeout", "environment ended"):
        assert word in words


def test_the_keyboard_goes_from_invocation_to_invocation(live: Any) -> None:
    first = live.press("ArrowRight")
    assert int(first["selected"]) == live.bars(INIT)[0]
    second = live.press("ArrowRight")
    assert int(second["selected"]) == live.bars(INVOKE)[0]
    below = live.press("ArrowDown")
    assert int(below["selected"]) > int(second["selected"])
    spoken = live.root.locator(".labkit-timeline-spoken").inner_text()
    assert re.match(r"(init|invoke).*; environment 2 of sleeper; from ", spoken)
    live.press("Enter")
    assert live.record.is_visible()
    live.press("Escape")
    assert live.record.is_hidden()


def test_its_keys_are_no_commands_to_the_notebook(live: Any, seen: Any) -> None:
    script = "() => window.jupyterapp.shell.currentWidget.content.activeCellIndex"
    before = seen.page.evaluate(script)
    live.press("ArrowRight", "ArrowUp", "ArrowDown", "Enter")
    slider = live.root.get_by_role("slider", name=re.compile("speed"))
    slider.focus()
    live.after(lambda: seen.page.keyboard.press("ArrowDown"))
    assert seen.page.evaluate(script) == before
    assert (
        seen.page.evaluate("() => window.jupyterapp.shell.currentWidget.content.mode") == "command"
    )


def test_zoom_by_buttons_keys_and_wheel_and_back(live: Any, seen: Any) -> None:
    assert live.data["zoom"] == "1.000"
    zoomed = live.after(lambda: live.root.get_by_role("button", name="zoom in").click())
    assert float(zoomed["zoom"]) > 1.5
    assert float(live.press("+")["zoom"]) > float(zoomed["zoom"])
    live.canvas.hover()

    def wheel() -> None:
        seen.page.keyboard.down("Control")
        seen.page.mouse.wheel(0, -200)
        seen.page.keyboard.up("Control")

    before = float(live.data["zoom"])
    assert float(live.after(wheel)["zoom"]) > before
    fitted = live.after(lambda: live.root.get_by_role("button", name="show everything").click())
    assert fitted["zoom"] == "1.000"


def test_dragging_pans_when_zoomed(live: Any, seen: Any) -> None:
    live.press("+", "+")
    box = live.canvas.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    place = "(root) => root.labkit.picture.from"
    before = live.root.evaluate(place)

    def drag() -> None:
        seen.page.mouse.move(x, y)
        seen.page.mouse.down()
        seen.page.mouse.move(x - 80, y, steps=4)
        seen.page.mouse.up()

    live.after(drag)
    assert live.root.evaluate(place) > before
    assert live.record.is_hidden(), "a drag is no click"


def test_the_playhead_goes_back_steps_and_plays(live: Any, seen: Any) -> None:
    slider = live.root.get_by_role("slider", name=re.compile("time"))
    slider.focus()
    dragged = live.after(lambda: seen.page.keyboard.press("Home"))
    assert float(dragged["head"]) == 0
    assert slider.get_attribute("aria-valuetext") == "0.00 ms after the start · 1 running"
    stepped = live.after(lambda: live.root.get_by_role("button", name="next event").click())
    assert float(stepped["head"]) > 0
    live.after(lambda: live.root.get_by_role("button", name="play", exact=True).click())
    live.until("(root) => Number(root.dataset.head) > 0 && root.dataset.playing === 'true'")
    live.after(lambda: live.root.get_by_role("button", name="pause").click())
    live.until("(root) => root.dataset.playing === 'false'")
    back = live.after(lambda: live.root.get_by_role("button", name=re.compile("follow")).click())
    assert back["head"] == "end"


def test_the_playhead_can_be_dragged_in_the_picture(live: Any, seen: Any) -> None:
    live.canvas.scroll_into_view_if_needed()
    box = live.canvas.bounding_box()
    middle, axis = box["x"] + box["width"] / 2, box["y"] + box["height"] - 20

    def drag() -> None:
        seen.page.mouse.move(middle + 100, axis)
        seen.page.mouse.down()
        seen.page.mouse.move(middle, axis, steps=3)
        seen.page.mouse.up()

    live.after(drag)
    x = "(root) => root.labkit.picture.x(root.labkit.picture.headPlace)"
    assert box["x"] + live.root.evaluate(x) == pytest.approx(middle, abs=0.01)
    live.press("End")


def test_the_plain_wheel_scrolls_the_page_and_zooms_nothing(live: Any, seen: Any) -> None:
    area = seen.page.locator(f"{IN_FRONT} .jp-WindowedPanel-outer")
    live.canvas.hover()
    before = area.evaluate("(node) => { node.scrollTop -= 1; return node.scrollTop; }")
    step = -60 if before > 60 else 60
    seen.page.mouse.wheel(0, step)
    seen.page.wait_for_function(
        "([node, before]) => node.scrollTop !== before", arg=[area.element_handle(), before]
    )
    assert live.data["zoom"] == "1.000"


def test_waiting_that_is_cut_out_tells_its_length(live: Any, seen: Any) -> None:
    cut = live.root.evaluate(
        "(root) => { const {picture} = root.labkit, {from, to} = picture.axis.cuts.at(-1);"
        " return picture.x((from + to) / 2); }"
    )
    live.canvas.scroll_into_view_if_needed()
    box = live.canvas.bounding_box()
    seen.page.mouse.move(box["x"] + cut, box["y"] + 10)
    live.tip.wait_for(state="visible")
    assert re.match(r"[\d.]+ min of waiting", live.tip.inner_text())


def test_a_playhead_hides_what_comes_later_from_the_pointer(live: Any, seen: Any) -> None:
    last = live.bars(INVOKE)[-1]
    live.press("Home")
    seen.page.mouse.move(*live.middle(last))
    assert live.tip.is_hidden()
    live.press("End")


def test_the_axis_can_be_drawn_to_scale(live: Any) -> None:
    """Fifteen minutes of waiting are cut out, or all the rest is invisible beside them."""
    width = "(root, bar) => root.labkit.barBox(bar).width"
    bar = live.bars(INVOKE)[0]
    cut = live.root.evaluate(width, bar)
    box = live.root.get_by_role("checkbox")
    live.after(box.check)
    assert live.root.evaluate(width, bar) < cut / 20
    live.after(box.uncheck)
    assert live.root.evaluate(width, bar) == pytest.approx(cut)


def test_nothing_yet_says_so(run: Any, seen: Any) -> None:
    assert "Nothing has happened yet" in Widget(seen.page, 2).root.inner_text()


def test_many_rows_scroll_and_never_get_thin(run: Any, seen: Any, artifacts: Path) -> None:
    many = Widget(seen.page, 3)
    assert many.data["rows"] == "60"
    assert "60 environments: scroll" in many.root.inner_text()
    assert many.root.evaluate("(root) => root.labkit.picture.rowHeight") >= 8
    first = "(root) => root.labkit.picture.visibleLanes()[0]"
    many.canvas.scroll_into_view_if_needed()
    many.canvas.hover()
    seen.page.mouse.wheel(0, 200)
    many.until(f"(root) => ({first})(root) > 0")
    many.root.screenshot(path=artifacts / "timeline-many.png")
    many.press("ArrowRight")
    many.until(f"(root) => ({first})(root) === 0")


def test_names_of_functions_are_not_clipped(run: Any, seen: Any) -> None:
    widest, room = Widget(seen.page, 3).root.evaluate(
        "(root) => [Math.max(...root.labkit.picture.labelWidths), root.labkit.picture.labels]"
    )
    assert widest <= room - 9


def test_throttles_have_a_lane_of_their_own_and_say_why(run: Any, seen: Any) -> None:
    many = Widget(seen.page, 3)
    many.root.locator(".labkit-timeline-stage").evaluate("(stage) => { stage.scrollTop = 1e6; }")
    many.until("(root) => root.labkit.picture.scroll > 0")
    seen.page.mouse.move(*many.mark(THROTTLE))
    many.tip.wait_for(state="visible")
    told = many.tip.inner_text()
    assert told.startswith("throttled, 3 times")
    assert "TooManyTests" in told


def test_the_log_of_a_static_timeline_is_not_promised(live: Any, seen: Any) -> None:
    static = Widget(seen.page, 1)
    seen.page.mouse.click(*static.middle(static.bars(INVOKE)[0]))
    static.record.wait_for(state="visible")
    assert static.record.locator("pre").count() == 0
    static.press("Escape")


@pytest.mark.parametrize("theme", ["JupyterLab Dark", "JupyterLab Light"])
def test_colours_follow_the_theme(live: Any, seen: Any, artifacts: Path, theme: str) -> None:
    ink = "(root) => root.labkit.picture.colours.ink"
    before = live.root.evaluate(ink)
    if theme == seen.page.evaluate("document.body.dataset.jpThemeName"):
        seen.theme("JupyterLab Dark")
        before = live.root.evaluate(ink)
    seen.theme(theme)
    seen.page.wait_for_function(
        "([root, before]) => root.labkit.picture.colours.ink !== before",
        arg=[live.root.element_handle(), before],
    )
    live.root.screenshot(path=artifacts / f"timeline-{theme.split()[-1].lower()}.png")


@pytest.mark.parametrize("width", [800, 400])
def test_a_narrow_window_clips_nothing(live: Any, seen: Any, artifacts: Path, width: int) -> None:
    before = seen.page.viewport_size
    seen.page.evaluate("() => window.jupyterapp.shell.collapseLeft()")
    seen.page.set_viewport_size({"width": width, "height": 900})
    try:
        live.until(
            "(root) => root.querySelector('canvas').clientWidth <= root.clientWidth - 20"
            " && root.scrollWidth <= root.clientWidth"
        )
        live.root.screenshot(path=artifacts / f"timeline-{width}.png")
    finally:
        seen.page.set_viewport_size(before)


def test_without_javascripts_widgets_there_is_a_picture(
    run: Any, jupyter: Any, seen: Any, tmp_path: Path, artifacts: Path
) -> None:
    """As nbconvert, a forge or a mail shows the notebook: the still picture, and no widget."""
    seen.page.evaluate("() => window.jupyterapp.commands.execute('docmanager:save')")
    notebook = nbformat.read(jupyter.root / "timeline.ipynb", as_version=4)
    notebook.metadata.pop("widgets", None)
    path = tmp_path / "timeline.ipynb"
    nbformat.write(notebook, path)
    command = [sys.executable, "-m", "nbconvert", "--to", "html", "--log-level=ERROR", str(path)]
    subprocess.run(command, check=True, cwd=tmp_path)
    page = seen.page.context.browser.new_page()
    try:
        page.set_content(path.with_suffix(".html").read_text(encoding="utf-8"))
        pictures = page.locator("img")
        assert pictures.count() == 2, "where something had happened when it was shown"
        assert pictures.first.evaluate("(img) => img.naturalWidth") > 300
        assert "0 environments, 0 invocations" in page.locator("body").inner_text()
        page.screenshot(path=artifacts / "timeline-html.png", full_page=True)
    finally:
        page.close()


def test_it_follows_while_a_cell_is_still_running(run: Any, seen: Any, jupyter: Any) -> None:
    seen.open(jupyter.write("live.ipynb", LIVE_CELLS))
    seen.start_all()
    live = Widget(seen.page, 0)
    live.root.wait_for()
    live.until("(root) => root.dataset.invocations === '2'")  # the cell waits for the file
    chosen = int(live.press("ArrowRight", "ArrowRight", "ArrowDown")["selected"])
    began_ms = live.start_of(chosen)
    live.root.evaluate(WATCH_GROWTH)
    (jupyter.root / "go").touch()
    live.until("(root) => root.dataset.invocations === '4'")
    assert seen.end_all().texts()[-1] == "2 environments, 4 invocations (2 cold), 0 errors"
    assert seen.page.evaluate("window.grown_ms") > 0, "what runs grows with the clock"
    selected = int(live.data["selected"])
    assert selected > chosen, "there are more bars before it now"
    assert live.start_of(selected) == began_ms


def test_without_a_kernel_a_record_says_so(run: Any, seen: Any) -> None:
    live = Widget(seen.page, 0)
    seen.page.evaluate("window.jupyterapp.commands.execute('notebook:shutdown-kernel')")
    seen.page.mouse.click(*live.middle(live.bars(INVOKE)[0]))
    log = live.record.locator("pre")
    live.until("(root) => (root.querySelector('pre')?.textContent ?? '…') !== '…'")
    assert re.match(r"The (kernel reads the log, and|lab has been stopped)", log.inner_text())


def test_a_stored_notebook_shows_the_picture_before_it_is_run(
    run: Any, seen: Any, jupyter: Any
) -> None:
    """As one gets it from somebody else: JupyterLab does not trust it yet."""
    seen.close_lab()
    notebook = nbformat.read(jupyter.root / "live.ipynb", as_version=4)
    notebook.metadata["title"] = "of somebody else"
    nbformat.write(notebook, jupyter.root / "stored.ipynb")
    seen.open("stored.ipynb")
    picture = seen.page.locator(f"{IN_FRONT} .jp-OutputArea-output img")
    picture.wait_for()
    assert picture.evaluate("(img) => img.naturalWidth") > 300


def test_nothing_is_asked_of_another_machine(run: Any, seen: Any) -> None:
    assert seen.errors == []
    elsewhere = [url for url in seen.requests if not re.match(r"(data|blob):|http://127\.", url)]
    assert elsewhere == []
