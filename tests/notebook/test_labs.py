"""The labs run, and show what is stored in them: strictly, and twice in a row."""

from __future__ import annotations

import configparser
import re
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbval_run import ROOT, nbval

from labkit.classroom import nbval_plugin, notebooks, release

LABS = ROOT / "labs"
# A glob, not a list: a new lab is run from its first day.
SOLVED = notebooks.solved_labs(LABS)
PLAIN = ["--noconftest", *nbval_plugin.plain_arguments()]


def names(paths: list[Path]) -> list[str]:
    return [path.name for path in paths]


def code_cells(path: Path) -> list[Any]:
    return [cell for cell in notebooks.read(path).cells if cell.cell_type == "code"]


def checks(path: Path) -> list[str]:
    return [exercise.check_id for exercise in notebooks.exercises(notebooks.read(path))]


def test_there_are_labs() -> None:
    assert SOLVED
    assert names(SOLVED) == names(sorted((LABS / "solutions").glob("*.ipynb")))


def test_what_learners_open_is_made_of_the_solved_labs() -> None:
    """If not: `labkit release`."""
    assert release.release_all(LABS, check=True) == []
    assert names(sorted(LABS.glob("*.ipynb"))) == names(SOLVED)


@pytest.mark.parametrize("arguments", [PLAIN, []], ids=["plain nbval", "as the README says"])
def test_every_solved_lab_shows_what_is_stored(arguments: list[str], tmp_path: Path) -> None:
    run = nbval(LABS, SOLVED, *arguments, house_options=not arguments, private=tmp_path)
    assert run.failed == {path.name: [] for path in SOLVED}, run.output
    assert run.status == 0, run.output


def test_every_learner_s_copy_is_red_on_its_unsolved_checks_alone(tmp_path: Path) -> None:
    # A lab without exercises is its own solution, which the test above has run.
    expected = {path.name: checks(path) for path in SOLVED if checks(path)}
    if expected:
        run = nbval(LABS, [LABS / name for name in expected], private=tmp_path)
        assert run.failed == expected, run.output


def test_a_changed_output_is_noticed(tmp_path: Path) -> None:
    notebook = nbformat.v4.new_notebook()
    cell = nbformat.v4.new_code_cell("print('new')", execution_count=1)
    cell.outputs = [nbformat.v4.new_output("stream", name="stdout", text="old\n")]
    notebook.cells = [cell]
    path = tmp_path / "changed.ipynb"
    notebooks.write(notebook, path)
    run = nbval(tmp_path, [path], *PLAIN, house_options=False, private=tmp_path)
    assert run.failed == {path.name: ["Cell 0"]}


@pytest.mark.parametrize("path", SOLVED, ids=names(SOLVED))
def test_every_picture_comes_with_one_line_of_text(path: Path) -> None:
    bundles = [
        output["data"]
        for cell in code_cells(path)
        for output in cell.outputs
        if "image/png" in output.get("data", {})
    ]
    assert bundles
    for bundle in bundles:
        assert len(bundle["text/plain"].splitlines()) == 1
        assert "0x" not in bundle["text/plain"]


def test_no_lab_imports_everything_by_a_star() -> None:
    for path in SOLVED:
        assert [cell.id for cell in code_cells(path) if "import *" in cell.source] == []


def test_every_sanitising_rule_is_needed() -> None:
    rules = configparser.RawConfigParser()
    rules.read(LABS / "nbval.cfg")
    shown = "\n".join(
        str(output.get("text") or output.get("data"))
        for path in SOLVED
        for cell in code_cells(path)
        for output in cell.outputs
    )
    unused = [
        section for section in rules.sections() if not re.search(rules[section]["regex"], shown)
    ]
    assert unused == []
