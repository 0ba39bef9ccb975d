"""The labs as a person sees them: a real JupyterLab, a real browser, every cell run."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

ROOT = Path(__file__).resolve().parents[2]
LABS = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "labs").glob("*.ipynb"))
NATURAL_WIDTH_MIN_PX = 300
PICTURES = """() => [...document.querySelectorAll(".jp-OutputArea-output img")].map((picture) => {
    const box = picture.getBoundingClientRect();
    const room = picture.closest(".jp-OutputArea-output").getBoundingClientRect();
    return {
        natural: picture.naturalWidth,
        shown: box.width,
        overflow: Math.round(Math.max(box.right - room.right, room.left - box.left)),
    };
})"""


ANSWER = """async ([id, answer]) => {
    const app = window.jupyterapp, panel = app.shell.currentWidget;
    const cells = panel.content.widgets;
    const index = cells.findIndex((cell) => cell.model.id === id);
    panel.content.activeCellIndex = index;
    cells[index].model.sharedModel.setSource(answer);
    await app.commands.execute("notebook:run-cell-and-select-next");
    await app.commands.execute("notebook:run-cell-and-select-next");
    return cells[index + 1].outputArea.model.toJSON()[0].text;
}"""


def answered(seen: Any, exercise: str, answer: str) -> str:
    """What the check says to an answer, given as a learner does: type, run, and run the check."""
    return "".join(seen.page.evaluate(ANSWER, [exercise, answer])).strip()


@pytest.fixture(scope="module", params=LABS)
def opened(request: pytest.FixtureRequest, seen: Any) -> Any:
    """A lab that is open in the browser, all its cells run."""
    run = seen.run_all(request.param)
    yield request.param, run
    seen.close_lab()


def test_every_cell_ran_in_order_and_none_failed(opened: Any, seen: Any) -> None:
    _, run = opened
    assert [cell["count"] for cell in run.cells] == list(range(1, len(run.cells) + 1))
    errors = [output for output in run.outputs if output["output_type"] == "error"]
    assert errors == []
    stderr = [output["text"] for output in run.outputs if output.get("name") == "stderr"]
    assert stderr == []
    assert "Traceback" not in seen.page.locator(".jp-NotebookPanel").inner_text()
    assert run.seconds < 60


@pytest.mark.parametrize("theme", ["JupyterLab Light", "JupyterLab Dark"])
def test_pictures_are_seen_in_both_themes(opened: Any, seen: Any, theme: str) -> None:
    path, run = opened
    seen.theme(theme)
    name = f"{Path(path).stem}-{theme.split()[-1].lower()}"
    screenshots = seen.screenshots(name)
    assert all(screenshot.stat().st_size > 10_000 for screenshot in screenshots)
    pictures = seen.page.evaluate(PICTURES)
    widget = "application/vnd.jupyter.widget-view+json"  # has a still picture too, shown without it
    bundles = [output["data"] for output in run.outputs if "data" in output]
    made = [data for data in bundles if "image/png" in data and widget not in data]
    assert len(pictures) == len(made)
    for picture in pictures:
        assert picture["natural"] > NATURAL_WIDTH_MIN_PX
        assert picture["shown"] > NATURAL_WIDTH_MIN_PX
        assert picture["overflow"] <= 0


def test_nothing_is_asked_of_another_machine(opened: Any, seen: Any) -> None:
    elsewhere = [
        url
        for url in seen.requests
        if urlsplit(url).scheme not in ("data", "blob") and urlsplit(url).hostname != "127.0.0.1"
    ]
    assert elsewhere == []
    assert seen.requests, "the record of requests is empty, so it proves nothing"
    assert seen.errors == []


@pytest.mark.parametrize("opened", ["labs/00_start_here.ipynb"], indirect=True)
class TestStartHere:
    """What lab 00 shows."""

    def test_cold_and_warm_are_seen(self, opened: Any) -> None:
        texts = [text.strip() for text in opened[1].texts()]
        answers = [text for text in texts if text.startswith("{'message'")]
        assert answers[:2] == [
            "{'message': 'Hello, Ada', 'calls': 1}",
            "{'message': 'Hello, Grace', 'calls': 2}",
        ]
        (comparison,) = (text for text in texts if text.startswith("init ran for the first"))
        assert comparison.splitlines() == [
            "init ran for the first: True",
            "init ran for the second: False",
            "billed is init + duration, rounded up: True",
            "the warm one was quicker: True",
        ]

    def test_the_fields_of_both_reports_are_tables(self, opened: Any, seen: Any) -> None:
        tables = seen.page.locator(".jp-OutputArea-output table")
        assert tables.count() == 2
        cold, warm = (
            tables.nth(number).locator("tbody td:first-child").all_inner_texts()
            for number in (0, 1)
        )
        assert warm == [
            "RequestId",
            "Duration",
            "Billed Duration",
            "Memory Size",
            "Max Memory Used",
        ]
        assert cold == [*warm, "Init Duration"]

    def test_the_pictures_tell_what_happened(self, opened: Any) -> None:
        lines = [
            output["data"]["text/plain"]
            for output in opened[1].outputs
            if "image/png" in output.get("data", {})
        ]
        assert ["".join(line) for line in lines][1:] == [
            "1 environment, 2 invocations (1 cold), 0 errors",
            "3 environments, 7 invocations (3 cold), 1 error",
            "8 environments, 13 invocations (8 cold), 2 errors",
        ]

    def test_the_aws_command_answers(self, opened: Any) -> None:
        assert "hello\tpython3.13\t1769" in [text.strip() for text in opened[1].texts()]

    def test_recall_questions_open_by_a_click(self, opened: Any, seen: Any) -> None:
        question = seen.page.locator("details").first
        answer = question.locator("p").first
        assert not answer.is_visible()
        question.locator("summary").click()
        assert answer.is_visible()


@pytest.mark.parametrize("opened", ["labs/01_first_invocation.ipynb"], indirect=True)
class TestFirstInvocation:
    """What lab 01 shows, and what a learner does in it."""

    def test_each_exercise_is_still_to_do(self, opened: Any) -> None:
        told = [text for text in opened[1].texts() if text.startswith(("PASS", "TODO"))]
        assert [text[:6] for text in told] == [f"TODO {number}" for number in range(1, 6)]

    def test_the_timeline_shows_what_was_invoked_after_it(self, opened: Any, seen: Any) -> None:
        root = seen.page.locator(".labkit-timeline")
        assert root.get_attribute("data-rows") == "2", "the change made a second environment"
        assert root.get_attribute("data-bars") is not None

    def test_the_answers_to_the_bets_stand_in_the_questions(self, opened: Any, seen: Any) -> None:
        told = seen.page.locator(".labkit-prediction").all_inner_texts()
        answers = [
            "3,000 ms",
            "It was 1.",
            "about 4 times",
            "It was 1 s",
            "It was 200",
            "It was 1.",
        ]
        assert len(told) == len(answers)
        for text, answer in zip(told, answers, strict=True):
            assert answer in text

    def test_an_answer_turns_its_check(self, opened: Any, seen: Any) -> None:
        line = answered(seen, "exercise-bill", "billed_ms = math.ceil(duration_ms + init_ms)")
        assert line == "PASS 2 · the bill of a cold start"


@pytest.mark.parametrize("opened", ["labs/02_invocation_models.ipynb"], indirect=True)
class TestInvocationModels:
    """What lab 02 shows, and what a learner does in it."""

    def test_each_exercise_is_still_to_do(self, opened: Any) -> None:
        told = [text for text in opened[1].texts() if text.startswith(("PASS", "TODO"))]
        assert [text[:6] for text in told] == [f"TODO {number}" for number in range(1, 6)]

    def test_the_answers_to_the_bets_stand_in_the_questions(self, opened: Any, seen: Any) -> None:
        told = seen.page.locator(".labkit-prediction").all_inner_texts()
        answers = [
            "It was 202 and nothing else.",
            "It was 3 times.",
            "It was many times.",
            "It was 4.",
            "It was never.",
            "It was stream.",
        ]
        assert len(told) == len(answers)
        for text, answer in zip(told, answers, strict=True):
            assert answer in text

    def test_without_retries_there_is_one_attempt(self, opened: Any, seen: Any) -> None:
        """The pictures go on working, though the lab itself has been stopped."""
        root = seen.page.locator(".labkit-retries")
        assert root.get_attribute("data-attempts") == "3"
        root.get_by_role("radio", name="0", exact=True).click()
        root.locator("xpath=self::*[@data-attempts='1']").wait_for()
        assert root.get_attribute("data-condition") == "RetriesExhausted"

    def test_a_healed_message_lets_its_batch_through(self, opened: Any, seen: Any) -> None:
        root = seen.page.locator(".labkit-batching")
        assert root.get_attribute("data-given") == "5"
        root.get_by_role("checkbox", name="poison message 8;").click()
        root.locator("xpath=self::*[@data-given='0']").wait_for()
        assert root.get_attribute("data-done") == "20"

    def test_an_answer_turns_its_check(self, opened: Any, seen: Any) -> None:
        choice = 'choice = {"price": "synchronous", "thumbnail": "asynchronous", '
        wrong = answered(
            seen, "exercise-choice", choice + '"invoices": "queue", "account": "queue"}'
        )
        assert wrong.startswith("TODO 5 · which model? – account is not for the queue model")
        right = answered(
            seen, "exercise-choice", choice + '"invoices": "queue", "account": "stream"}'
        )
        assert right == "PASS 5 · which model?"
