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
    made = [output for output in run.outputs if "image/png" in output.get("data", {})]
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


class TestStartHere:
    """What lab 00 shows."""

    @pytest.fixture(autouse=True)
    def only_lab_00(self, opened: Any) -> None:
        if "00_start_here" not in opened[0]:
            pytest.skip("this is about lab 00")

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
