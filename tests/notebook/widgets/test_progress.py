from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import nbclient
import nbformat
import pytest

from labkit import progress
from labkit.notebook.widgets.progress import Progress

SETUP = """
import labkit.notebook.widgets.progress as module
from labkit import progress
bars, really_display = [], module.display
def display_and_keep(bar):
    bars.append(bar)
    really_display(bar)
module.display = display_and_keep
def states():
    for bar in bars:
        print(bar.what, bar.state, bar.done, bar.total)
    bars.clear()
"""
LOOPS = {
    "to the end": "for _ in progress([1, 2, 3], 'sweep'): pass",
    "left": "for number in progress(range(5), 'sweep'):\n    if number == 2: break",
    "body fails": "for number in progress(range(5), 'sweep'):\n    if number == 2: 1 / 0",
    "body is interrupted": "for number in progress(range(5), 'sweep'):\n    if number == 2: raise KeyboardInterrupt",
    "source fails": "for _ in progress((1 / number for number in (2, 1, 0)), 'sweep'): pass",
    "without length": "for _ in progress((number for number in range(4)), 'sweep'): pass",
    "with a total": "for _ in progress(iter(range(4)), 'sweep', total=4): pass",
    "empty": "for _ in progress([], 'sweep'): pass",
    "nested": "for _ in progress(range(2), 'outer'):\n    for _ in progress(range(3), 'inner'): pass",
    "two cells, first": "sweep = progress(range(3), 'sweep'); _ = next(sweep)",
    "two cells, second": "for _ in sweep: pass",
    "not begun": "_ = progress(range(3), 'sweep')",
}


@pytest.fixture(scope="module")
def ran() -> dict[str, Any]:
    """What each loop displayed, and the states of its bars after its cell, in a real kernel."""
    notebook = nbformat.v4.new_notebook()
    new_cell = nbformat.v4.new_code_cell
    notebook.cells = [new_cell(SETUP)]
    for source in LOOPS.values():
        notebook.cells += [new_cell(source), new_cell("states()")]
    nbclient.NotebookClient(
        notebook, kernel_name="python3", timeout=60, allow_errors=True
    ).execute()
    cells = notebook.cells[1:]
    return {
        name: (cells[2 * number].outputs, "".join(o.text for o in cells[2 * number + 1].outputs))
        for number, name in enumerate(LOOPS)
    }


@pytest.mark.parametrize(
    ("loop", "states"),
    [
        ("to the end", "sweep done 3 3\n"),
        ("left", "sweep stopped 2 5\n"),
        ("body fails", "sweep stopped 2 5\n"),
        ("body is interrupted", "sweep stopped 2 5\n"),
        ("source fails", "sweep stopped 2 None\n"),
        ("without length", "sweep done 4 None\n"),
        ("with a total", "sweep done 4 4\n"),
        ("empty", "sweep done 0 0\n"),
        ("nested", "outer done 2 2\ninner done 3 3\n"),
        ("two cells, first", "sweep stopped 0 3\n"),
        ("not begun", ""),
    ],
)
def test_the_bar_ends_as_the_loop_did(ran: dict[str, Any], loop: str, states: str) -> None:
    assert ran[loop][1] == states


def test_the_bar_has_one_line_for_viewers_without_widgets(ran: dict[str, Any]) -> None:
    (output,) = ran["to the end"][0]
    assert output.data["text/plain"] == "sweep: 3 steps"
    assert "application/vnd.jupyter.widget-view+json" in output.data
    (output,) = ran["without length"][0]
    assert output.data["text/plain"] == "sweep: steps counted as they come"
    assert ran["not begun"][0] == []


def test_an_error_in_the_loop_is_still_seen(ran: dict[str, Any]) -> None:
    bar, error = ran["body fails"][0]
    assert bar.data["text/plain"] == "sweep: 5 steps"
    assert error.ename == "ZeroDivisionError"


@pytest.mark.parametrize(("total", "line"), [(1, "x: 1 step"), (1200, "x: 1,200 steps")])
def test_steps_are_counted_in_words(total: int, line: str) -> None:
    assert repr(Progress(what="x", total=total)) == line


class TestOutsideNotebooks:
    def test_it_is_a_line_on_standard_error(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert list(progress([1, 2], "memory sweep")) == [1, 2]
        said = capsys.readouterr()
        assert said.out == ""
        assert "memory sweep: 100%" in said.err
        assert "2/2" in said.err

    def test_a_generator_has_no_length(self, capsys: pytest.CaptureFixture[str]) -> None:
        def numbers() -> Iterator[int]:
            yield from (1, 2, 3)

        assert sum(progress(numbers(), "sum")) == 6
        assert "sum: 3it" in capsys.readouterr().err

    def test_what_the_body_raises_gets_through(self) -> None:
        with pytest.raises(KeyError):
            for _ in progress([1], "sweep"):
                raise KeyError
