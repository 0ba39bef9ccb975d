"""The small widgets as a person uses them: question, checklist, progress bar and bench."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbconvert import HTMLExporter

CELLS = [
    """
from labkit import Goal, InvokeBench, Lab, goals, predict, progress

source = '''
def handler(event, context):
    found = 0
    for number in range(2, 90_000):
        divisor = 2
        while divisor * divisor <= number and number % divisor:
            divisor += 1
        found += divisor * divisor > number
    return found
'''
lab = Lab.start(seed=1)
_ = lab.deploy_source(source, name="primes", memory_mb=1769, timeout_s=30)
""",
    """
times = predict("How many times as long will it take with 128 MB?", [1, 2, 14], unit="times")
times
""",
    """
left = predict("How much of the timeout is left when the handler begins?", unit="ms")
left
""",
    """
goals(
    lab,
    Goal("Invoke primes with 512 MB", function="primes", kind="invoke_ended", memory_mb=512),
    Goal("Start two execution environments of primes, one after the other and both of them cold",
         function="primes", kind="init_ended", at_least=2),
)
""",
    "for _ in progress(range(3), 'memory sweep'): pass",
    "bench = InvokeBench(lab, 'primes', {}, knobs=('memory_mb', 'timeout_s'))\nbench",
    "memory = InvokeBench(lab, 'primes', {})\nmemory",
]
LINES = [
    "Predict: How many times as long will it take with 128 MB? – 1, 2 or 14 times",
    "Predict: How much of the timeout is left when the handler begins? – a number of ms",
    "0 of 2 goals reached: [ ] Invoke primes with 512 MB; [ ] Start two execution environments of "
    "primes, one after the other and both of them cold",
    "memory sweep: 3 steps",
    "InvokeBench of primes: memory 1,769 MB, timeout 30 s; 0 invocations",
    "InvokeBench of primes: memory 1,769 MB, timeout 30 s; 0 invocations",
]
WIDGETS = ("prediction", "goals", "progress", "bench")

EXECUTE = """async (code) => {
    const kernel = window.jupyterapp.shell.currentWidget.sessionContext.session.kernel;
    const future = kernel.requestExecute({code});
    let said = "";
    future.onIOPub = (message) => { said += message.content.text ?? ""; };
    const reply = await future.done;
    return reply.content.status === "ok" ? said : reply.content.evalue;
}"""
OPEN = """async (path) => {
    await window.jupyterapp.commands.execute("application:close-all");
    const panel = await window.jupyterapp.commands.execute(
        "docmanager:open", {path, factory: "Notebook"});
    await panel.context.ready;
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
# Which parts stick out of the widget, and which texts of the picture lie upon each other.
MISPLACED = """(root) => {
    const frame = root.getBoundingClientRect();
    const seen = [...root.querySelectorAll("*")].filter((node) => !node.closest("title") && node.getClientRects().length);
    const out = seen.filter((node) => {
        const box = node.getBoundingClientRect();
        return box.left < frame.left - 1 || box.right > frame.right + 1 || box.bottom > frame.bottom + 1;
    });
    const texts = [...root.querySelectorAll("svg text")].map((node) => [node.textContent, node.getBoundingClientRect()]);
    const upon = texts.flatMap(([a, p], index) => texts.slice(index + 1)
        .filter(([, q]) => p.left < q.right - 1 && q.left < p.right - 1 && p.top < q.bottom - 3 && q.top < p.bottom - 3)
        .map(([b]) => `${a} / ${b}`));
    return [...out.map((node) => node.outerHTML.slice(0, 80)), ...upon];
}"""


class Notebook:
    """The open scratch notebook."""

    def __init__(self, seen: Any, artifacts: Path) -> None:
        self.seen, self.page, self._artifacts = seen, seen.page, artifacts

    def widget(self, name: str, number: int = 0) -> Any:
        return self.page.locator(f".labkit-{name}").nth(number)

    def execute(self, code: str) -> str:
        """Run code in the kernel, beside the cells, and return what it printed."""
        said: str = self.page.evaluate(EXECUTE, code)
        return said

    def wait(self, name: str, number: int = 0, **data: str) -> Any:
        """Wait until a widget's data say so."""
        selector = "".join(f'[data-{key}="{value}"]' for key, value in data.items())
        self.page.wait_for_function(
            "([name, number, selector]) => document.querySelectorAll(`.labkit-${name}`)[number].matches(selector)",
            arg=[name, number, selector],
        )
        return self.widget(name, number)

    def picture(self, name: str, of: str, number: int = 0) -> None:
        self.widget(of, number).screenshot(path=self._artifacts / f"widgets-{name}.png")


@pytest.fixture(scope="module")
def notebook(seen: Any, jupyter: Any, artifacts: Path) -> Iterator[Notebook]:
    run = seen.run_all(jupyter.write("widgets.ipynb", CELLS))
    assert [text.strip() for text in run.texts()] == LINES
    yield Notebook(seen, artifacts)
    assert seen.errors == []
    seen.close_lab()


def revision(widget: Any) -> int:
    return int(widget.get_attribute("data-rev"))


class TestPrediction:
    def test_arrow_keys_choose_and_the_notebook_stays_where_it_is(self, notebook: Notebook) -> None:
        active = "() => window.jupyterapp.shell.currentWidget.content.activeCellIndex"
        question = notebook.widget("prediction")
        question.get_by_label("2 times").check()
        before = notebook.page.evaluate(active)
        question.get_by_label("2 times").press("ArrowDown")
        notebook.wait("prediction", bet="14")
        question.get_by_label("14 times").press("ArrowUp")
        notebook.wait("prediction", bet="2")
        assert notebook.page.evaluate(active) == before
        number = notebook.widget("prediction", 1).locator("input")
        number.fill("200")
        before = notebook.page.evaluate(active)
        number.press("ArrowUp")
        notebook.wait("prediction", 1, bet="201")
        assert notebook.page.evaluate(active) == before

    def test_a_click_is_a_bet_and_the_reveal_answers_it(self, notebook: Notebook) -> None:
        question = notebook.widget("prediction")
        question.get_by_label("1 time", exact=True).check()
        notebook.wait("prediction", bet="1")
        assert notebook.execute("print(times.bet)") == "1\n"
        before = revision(question)
        line = "You said 1 time; it was about 14 times."
        assert notebook.execute("print(times.reveal(13.8))") == f"{line}\n"
        notebook.wait("prediction", state="revealed")
        assert revision(question) > before
        assert question.locator(".is-missed").inner_text().split("\n") == ["1 time", "✕ your bet"]
        assert question.locator(".is-found").inner_text().split("\n") == [
            "14 times",
            "✓ it was this",
        ]
        assert (
            question.locator(".labkit-prediction-state").inner_text()
            == f"{line} Measured: 13.8 times."
        )
        assert question.locator("input:enabled").count() == 0
        notebook.picture("choice", "prediction")

    def test_a_number_is_shown_on_one_axis_with_what_was_found(self, notebook: Notebook) -> None:
        question = notebook.widget("prediction", 1)
        question.locator("input").fill("200")
        notebook.wait("prediction", 1, bet="200")
        line = "You said 200 ms, 15 times too low; it was about 3,000 ms."
        assert notebook.execute("print(left.reveal(2987.2, digits=1))") == f"{line}\n"
        notebook.wait("prediction", 1, state="revealed")
        axis = question.locator(".labkit-prediction-axis")
        assert axis.get_attribute("data-scale") == "log"
        bet, found = (axis.locator(f".is-{kind} b").bounding_box() for kind in ("bet", "found"))
        assert bet["x"] + bet["width"] < found["x"]
        assert "◇" in axis.inner_text() and "✕" in axis.inner_text()
        assert question.locator(".labkit-prediction-unit").inner_text() == "ms, logarithmic scale"
        notebook.picture("number", "prediction", 1)


class TestBench:
    def test_the_button_invokes_and_the_numbers_are_those_of_the_report(
        self, notebook: Notebook
    ) -> None:
        bench = notebook.widget("bench")
        slider = bench.get_by_role("slider", name="Memory in MB", exact=True)
        assert slider.get_attribute("aria-valuetext") == "1,769 MB"
        bench.get_by_role("button", name="Invoke").click()
        notebook.wait("bench", state="ready", results="1")
        slider.focus()
        slider.press("Home")
        slider.press("ArrowRight")
        slider.press("ArrowRight")
        assert slider.get_attribute("aria-valuetext") == "512 MB"
        assert bench.get_by_role("spinbutton", name="Memory in MB, exact").input_value() == "512"
        bench.get_by_role("button", name="Invoke").press("Enter")
        notebook.wait("bench", state="ready", results="2")
        report = json.loads(
            notebook.execute(
                "import json; print(lab.reports('primes').iloc[-1][['duration_ms', 'billed_ms', "
                "'memory_mb']].to_json())"
            )
        )
        assert report["memory_mb"] == 512
        facts = bench.get_by_role("listitem").all_inner_texts()
        words = dict(fact.split("\n") for fact in facts)
        assert words["duration"] == f"{report['duration_ms']:,.0f} ms"
        assert words["billed"] == f"{report['billed_ms']:,} ms"
        assert re.fullmatch(r"\$0\.0+\d+", words["cost of a call"])
        assert re.fullmatch(r"\$\d+\.\d\d", words["of a million calls"])
        status = bench.locator(".labkit-bench-status").inner_text()
        assert (
            status == "✓ Success with 512 MB, timeout 30 s. The caller got status 200, payload 8713"
        )
        assert bench.locator("svg .labkit-bench-drawn .is-success").count() == 2
        assert bench.locator("svg .labkit-bench-ghost").count() == 1
        notebook.picture("bench", "bench")

    def test_pins_compare_two_results(self, notebook: Notebook) -> None:
        bench = notebook.widget("bench")
        notebook.execute("bench.pins = {'A': 0}")
        bench.get_by_role("button", name="Pin the last result as B").click()
        bench.get_by_text("times as long as A and costs").wait_for()
        assert (
            bench.locator(".labkit-bench-pinned")
            .inner_text()
            .startswith("A: 1,769 MB, timeout 30 s, ")
        )

    def test_the_timeout_line_is_dragged_and_moved_by_keys(self, notebook: Notebook) -> None:
        bench = notebook.widget("bench")
        line = bench.get_by_role("slider", name="Timeout in s, the line in the picture")
        box = bench.get_by_role("spinbutton", name="Timeout in s, exact")
        assert line.get_attribute("aria-valuenow") == box.input_value() == "30"
        place = line.locator(".labkit-bench-grip").bounding_box()
        x, y = place["x"] + place["width"] / 3, place["y"] + place["height"] / 2
        mouse = notebook.page.mouse
        mouse.move(x, y)
        mouse.down()
        mouse.move(x, y + 30, steps=5)
        mouse.up()
        dragged = int(box.input_value())
        assert 1 <= dragged < 20
        line.press("ArrowUp")
        line.press("ArrowUp")
        line.press("ArrowDown")
        assert int(box.input_value()) == dragged + 1
        assert line.get_attribute("aria-valuetext") == f"{dragged + 1} s"
        outline = "(node) => getComputedStyle(node.querySelector('.labkit-bench-grip')).strokeWidth"
        assert line.evaluate(outline) == "2px"

    def test_over_the_line_it_times_out(self, notebook: Notebook) -> None:
        bench = notebook.widget("bench")
        memory = bench.get_by_role("spinbutton", name="Memory in MB, exact")
        memory.fill("128")
        bench.get_by_role("spinbutton", name="Timeout in s, exact").fill("1")
        bench.get_by_role("button", name="Invoke").click()
        notebook.wait("bench", state="ready", results="3")
        status = bench.locator(".labkit-bench-status").inner_text()
        assert status.startswith("▲ Timeout with 128 MB, timeout 1 s. The caller got status 200")
        assert "FunctionError Unhandled" in status
        assert bench.locator("svg .labkit-bench-drawn .is-timeout").count() == 1
        notebook.picture("bench-timeout", "bench")

    def test_what_aws_refuses_is_one_red_line(self, notebook: Notebook) -> None:
        bench = notebook.widget("bench")
        bench.get_by_role("spinbutton", name="Memory in MB, exact").fill("99999")
        bench.get_by_role("button", name="Invoke").click()
        error = bench.get_by_role("alert")
        error.get_by_text("ValidationException").wait_for()
        assert "'99999' at 'memorySize'" in error.inner_text()
        notebook.wait("bench", state="ready", results="3")
        bench.get_by_role("spinbutton", name="Memory in MB, exact").fill("512")
        bench.get_by_role("button", name="Invoke").click()
        notebook.wait("bench", state="ready", results="4")
        assert not error.is_visible()

    def test_the_page_stays_alive_while_the_function_runs(self, notebook: Notebook) -> None:
        bench = notebook.widget("bench", 1)
        bench.get_by_role("spinbutton", name="Memory in MB, exact").fill("128")
        bench.get_by_role("button", name="Invoke").click()
        notebook.wait("bench", 1, state="busy")
        assert bench.locator(".labkit-bench-invoke").is_disabled()
        assert notebook.execute("print('the kernel answers')") == "the kernel answers\n"
        notebook.wait("bench", 1, state="ready", results="1")
        assert bench.locator(".labkit-bench-invoke").inner_text() == "Invoke"


class TestGoals:
    def test_a_real_invocation_ticks_a_goal(self, notebook: Notebook) -> None:
        notebook.execute("bench.invoke(memory_mb=512); bench.invoke(memory_mb=256)")
        checklist = notebook.wait("goals", state="done", done="2")
        first, second = checklist.locator("li").all_inner_texts()
        assert first.split("\n") == ["✓", "Invoke primes with 512 MB", "done"]
        assert second.endswith("2 of 2 · done")
        news = checklist.locator("[aria-live=polite]").inner_text()
        assert news.startswith("Done: ") and news.endswith("2 of 2 reached.")
        notebook.picture("goals", "goals")


def test_the_progress_bar_is_at_its_end(notebook: Notebook) -> None:
    bar = notebook.wait("progress", state="done", done="3")
    assert (
        bar.get_by_role("progressbar", name="memory sweep").get_attribute("aria-valuenow") == "100"
    )
    assert re.fullmatch(
        r"✓ done: 3 of 3 in .+ s", bar.locator(".labkit-progress-words").inner_text()
    )


@pytest.mark.parametrize("theme", ["JupyterLab Light", "JupyterLab Dark"])
def test_all_words_are_readable_in_both_themes(notebook: Notebook, theme: str) -> None:
    notebook.seen.theme(theme)
    texts = ", ".join(
        [
            ".labkit-prediction legend span, .labkit-prediction-options span, .labkit-prediction-state",
            ".labkit-goals-text, .labkit-goals-state, .labkit-progress-words, .labkit-progress-name",
            ".labkit-bench-status, .labkit-bench-facts span, .labkit-bench-hint, .labkit-bench text",
        ]
    )
    for name in WIDGETS:
        notebook.picture(f"{theme.split()[-1].lower()}-{name}", name)
    found = notebook.page.locator(texts)
    assert found.count() > 30
    for number in range(found.count()):
        assert found.nth(number).evaluate(CONTRAST) >= 4.5, found.nth(number).inner_text()


@pytest.mark.parametrize("width_px", [400, 800])
def test_nothing_sticks_out_or_overlaps(notebook: Notebook, width_px: int) -> None:
    notebook.seen.theme("JupyterLab Light")
    resize = "(node, width) => { node.parentElement.style.width = width; }"
    for name in WIDGETS:
        for number in range(notebook.page.locator(f".labkit-{name}").count()):
            widget = notebook.widget(name, number)
            widget.evaluate(resize, f"{width_px}px")
            notebook.page.evaluate(
                "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
            )
            assert widget.evaluate(MISPLACED) == [], name
            notebook.picture(f"{width_px}-{name}-{number}", name, number)
            widget.evaluate(resize, "")


def test_without_a_kernel_the_bench_says_so(notebook: Notebook) -> None:
    notebook.page.evaluate("() => window.jupyterapp.commands.execute('docmanager:save')")
    notebook.page.evaluate("() => window.jupyterapp.commands.execute('notebook:shutdown-kernel')")
    bench = notebook.wait("bench", state="gone")
    assert bench.locator(".labkit-bench-invoke").is_disabled()
    assert bench.locator(".labkit-bench-status").inner_text().startswith("No kernel: ")
    notebook.picture("no-kernel", "bench")


class TestSaved:
    """The notebook that was saved, seen later: its widgets are gone with their kernel."""

    @pytest.fixture
    def saved(self, notebook: Notebook, jupyter: Any) -> Path:
        path: Path = jupyter.root / "widgets.ipynb"
        return path

    def test_no_widget_state_is_stored(self, saved: Path) -> None:
        stored = nbformat.read(saved, as_version=4)
        assert "widgets" not in stored.metadata

    def test_html_shows_lines_and_pictures(self, saved: Path) -> None:
        page, _ = HTMLExporter().from_filename(str(saved))
        for line in LINES[:4]:
            assert line in page.replace("&#39;", "'")
        assert page.count('src="data:image/png;base64,') == 2

    def test_whom_it_was_given_sees_lines_and_pictures(
        self, saved: Path, notebook: Notebook
    ) -> None:
        given = nbformat.read(saved, as_version=4)
        # Nobody has run this text here, so JupyterLab does not trust it, as with any lab that came
        # from elsewhere, and does not look for widgets.
        given.cells.insert(0, nbformat.v4.new_markdown_cell("Have a look at this"))
        nbformat.write(given, saved.with_name("given.ipynb"))
        notebook.page.evaluate(OPEN, "given.ipynb")
        shown = notebook.page.locator(".jp-NotebookPanel:not(.lm-mod-hidden) .jp-OutputArea-output")
        shown.locator("img").nth(1).wait_for()
        assert shown.locator("img").count() == 2
        for line in LINES[:4]:
            assert shown.get_by_text(line).is_visible()
        notebook.seen.screenshots("widgets-given")
