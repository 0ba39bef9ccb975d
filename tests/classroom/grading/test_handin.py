from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
import pytest
import tiny_lab

from labkit.classroom import notebooks
from labkit.classroom.grading import handin
from labkit.classroom.notebooks import NotALab


def sources(school: Any, path: Path, seed: int | None = None) -> dict[str, str]:
    """The cells to run for a hand-in."""
    sheet = handin.read_lab(school.lab)
    answers = handin.find_answers(sheet, handin.read(path))
    return {cell.name: cell.source for cell in handin.merge(sheet, answers, seed)}


def answers(school: Any, path: Path) -> handin.Answers:
    return handin.find_answers(handin.read_lab(school.lab), handin.read(path))


def rewrite(path: Path, change: Callable[[Any], Any]) -> None:
    content = json.loads(path.read_text())
    path.write_text(json.dumps(change(content) or content))


def test_the_lab_is_run_with_the_learners_cells(school: Any) -> None:
    path = school.hand_in("ada", bill="billed_ms = 1", check_bill="print('PASS 1 · the bill')")
    merged = sources(school, path)
    lab = {cell.id: cell.source for cell in tiny_lab.solved_lab().cells if "source" in cell}
    assert list(merged) == [
        "parameters", "setup", "bill", "before-check-bill", "check-bill", "mean",
        "before-check-mean", "check-mean", "end",
    ]  # fmt: skip
    assert "import check" in merged["before-check-bill"], "whatever the answer has made of it"
    assert merged["bill"] == "billed_ms = 1"
    assert merged["check-bill"] == lab["check-bill"]
    assert "BEGIN SOLUTION" not in merged["mean"]
    assert answers(school, path).remarks == (
        "changed cells were put back as they were: check-bill",
    )


def test_only_what_is_of_interest_comes_back(school: Any) -> None:
    sheet = handin.read_lab(school.lab)
    found = handin.find_answers(sheet, handin.read(school.hand_in_solved("ada")))
    wanted = [cell.name for cell in handin.merge(sheet, found, None) if cell.is_wanted]
    assert wanted == ["bill", "check-bill", "mean", "check-mean"]


def test_a_seed_is_set_after_the_parameters(school: Any) -> None:
    merged = sources(school, school.hand_in_solved("ada"), seed=8)
    assert list(merged)[:3] == ["parameters", "injected-parameters", "setup"]
    assert merged["injected-parameters"] == "SEED = 8"


def test_a_lab_without_parameters_has_no_variants(school: Any) -> None:
    lab = notebooks.read(school.lab)
    del lab.cells[1].metadata["tags"]
    notebooks.write(lab, school.lab)
    path = school.hand_in_solved("ada")
    with pytest.raises(NotALab, match="no cell with the tag 'parameters'"):
        sources(school, path, seed=8)


def test_a_removed_cell_is_told_and_its_gap_is_run(school: Any) -> None:
    path = school.hand_in("ada", without=("bill",), mean="mean = max")
    assert set(answers(school, path).sources) == {"mean"}
    assert sources(school, path)["bill"] == handin.read_lab(school.lab).questions[0].stub


def test_cells_of_their_own_are_left_out_and_told(school: Any) -> None:
    path = school.hand_in_solved("ada")
    own = {"cell_type": "code", "id": "own", "source": "x = 1", "metadata": {}, "outputs": []}
    injected = {**own, "id": "seed", "metadata": {"tags": ["injected-parameters"]}}
    rewrite(path, lambda content: content["cells"].extend([own, injected, {**own, "source": ""}]))
    assert answers(school, path).remarks == ("1 cell of its own was left out",)
    assert "own" not in sources(school, path)


def test_without_ids_a_cell_is_found_by_its_tag(school: Any) -> None:
    path = school.hand_in_solved("ada")

    def forget(content: Any) -> None:
        content["nbformat_minor"] = 4
        for cell in content["cells"]:
            del cell["id"]

    rewrite(path, forget)
    found = answers(school, path)
    assert found.sources["bill"] == "billed_ms = 78"
    assert found.notes["bill"] == "its cell was found by its tag and its place, not by its id"


def test_without_id_and_tag_a_cell_is_found_by_its_first_line(school: Any) -> None:
    path = school.hand_in("ada", mean="def mean(durations_ms):\n    return 3")

    def forget(content: Any) -> None:
        for cell in content["cells"]:
            cell["metadata"] = {}
            cell["id"] = f"x{cell['id']}"

    rewrite(path, forget)
    found = answers(school, path)
    assert found.sources["mean"] == "def mean(durations_ms):\n    return 3"
    assert found.notes["mean"] == "its cell was found by its first line, not by its id"


def test_an_exercise_made_into_text_is_missing(school: Any) -> None:
    path = school.hand_in_solved("ada")

    def turn(content: Any) -> None:
        for cell in content["cells"]:
            if cell["id"] == "bill":
                cell["cell_type"] = "markdown"

    rewrite(path, turn)
    assert set(answers(school, path).sources) == {"mean"}


def test_another_lab_is_said(school: Any, tmp_path: Path) -> None:
    path = tmp_path / "other.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("1")]), path)
    with pytest.raises(NotALab, match="may be the hand-in of another lab"):
        answers(school, path)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "it is empty"),
        (b"  \n", "it is empty"),
        (b"hello", "it is not JSON"),
        (b"\x80\x81", "it is no text"),
        (b"[" * 100_000, "it is not JSON"),
        (b"[]", "no notebook of format 4"),
        (b"3", "no notebook of format 4"),
        (b'{"nbformat": 4}', "no notebook of format 4"),
        (b'{"nbformat": 3, "cells": []}', "no notebook of format 4"),
        (b'{"nbformat": 4, "cells": [1, null]}', "another lab"),
        (b'{"nbformat": 4, "cells": [{"cell_type": "code", "id": 3, "source": {}}]}', "another"),
        (b" " * 20_000_001, "its outputs have to be cleared"),
    ],
    ids=lambda value: repr(value[:40]),
)
def test_what_is_no_notebook_is_said(
    school: Any, tmp_path: Path, content: bytes, words: str
) -> None:
    path = tmp_path / "broken.ipynb"
    path.write_bytes(content)
    with pytest.raises(NotALab, match=words):
        answers(school, path)


def test_what_is_no_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(NotALab, match="it is a folder"):
        handin.read(tmp_path)
    os.mkfifo(tmp_path / "fifo")  # reading it would wait for ever
    with pytest.raises(NotALab, match="it is no file"):
        handin.read(tmp_path / "fifo")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    with pytest.raises(NotALab, match="it is no file"):
        handin.read(tmp_path / "link")


def test_a_lab_whose_checks_are_not_passed_is_refused(school: Any) -> None:
    lab = notebooks.read(school.lab)
    tiny_lab.cell(lab, "check-bill").outputs[0]["text"] = "TODO 1 · the bill – no"
    notebooks.write(lab, school.lab)
    with pytest.raises(NotALab, match="'check-bill' .* is not stored as passed"):
        handin.read_lab(school.lab)


def test_a_lab_without_exercises_is_refused() -> None:
    with pytest.raises(NotALab, match="has no exercises: there is nothing to grade"):
        handin.read_lab(notebooks.find_lab("00"))
