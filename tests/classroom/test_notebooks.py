"""Labs as files."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
import tiny_lab
from nbformat import v4

from labkit.classroom import notebooks
from labkit.classroom.notebooks import Exercise, NotALab


def test_what_is_written_is_read_back_and_written_the_same(tmp_path: Path) -> None:
    path = tmp_path / "lab.ipynb"
    notebooks.write(tiny_lab.solved_lab(), path)
    assert notebooks.read(path) == tiny_lab.solved_lab()
    assert notebooks.dumps(notebooks.read(path)).encode() == path.read_bytes()
    assert path.read_bytes().endswith(b"}\n")
    assert "·".encode() in path.read_bytes()


def stored(**changes: Any) -> str:
    return json.dumps({**tiny_lab.solved_lab(), **changes})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "does not read as JSON"),
        ("{", "does not read as JSON"),
        ("[" * 100_000, "does not read as JSON"),
        ("[]", "JSON of another kind"),
        ('{"a": 1}', "JSON of another kind"),
        (stored(nbformat=3), "format 4: open it in JupyterLab"),
        (stored(cells=None), "as its format wants it"),
        (stored(cells=[1]), "as its format wants it"),
        (stored(cells=[{"cell_type": "code"}]), "as its format wants it"),
        (stored(metadata=[]), "as its format wants it"),
        (stored(nbformat_minor="five"), "as its format wants it"),
        (stored(metadata={"half": "\ud800"}), "as its format wants it"),
    ],
)
def test_what_is_no_notebook_is_told_in_words(text: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "ada.ipynb"
    path.write_text(text)
    with pytest.raises(NotALab, match="^ada.ipynb is no notebook") as told:
        notebooks.read(path)
    assert said in str(told.value)
    assert len(str(told.value)) < 400 and "\n" not in str(told.value)


def test_a_file_that_cannot_be_read_as_text_is_told_in_words(tmp_path: Path) -> None:
    picture = tmp_path / "picture.ipynb"
    picture.write_bytes(b"\x89PNG\r\n")
    with pytest.raises(NotALab, match="picture.ipynb cannot be read as text"):
        notebooks.read(picture)
    for path in (tmp_path, tmp_path / "none.ipynb", Path("/dev/zero")):
        with pytest.raises(NotALab, match="is no file"):
            notebooks.read(path)


def test_a_notebook_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "large.ipynb"
    with path.open("wb") as file:
        file.truncate(notebooks.SIZE_MAX_MB * 1_000_000 + 1)
    with pytest.raises(NotALab, match="larger than 20 MB: clear its outputs"):
        notebooks.read(path)


def test_cells_without_an_id_of_their_own_get_one() -> None:
    content = json.loads(stored(nbformat_minor=4))
    for cell in content["cells"]:
        del cell["id"]
    first, again = (notebooks.loads(json.dumps(content)) for _ in range(2))
    assert first == again
    assert first.nbformat_minor == 5
    assert [cell.id for cell in first.cells[:2]] == ["cell-1", "cell-2"]
    content["cells"][0]["id"] = content["cells"][1]["id"] = "cell-2"
    ids = [cell.id for cell in notebooks.loads(json.dumps(content)).cells]
    assert ids[:3] == ["cell-2", "cell-2-", "cell-3"]
    assert len(set(ids)) == len(ids)


def test_what_differs_from_run_to_run_is_taken_away() -> None:
    wanted = tiny_lab.solved_lab()
    view = {notebooks.WIDGET_VIEW: {"model_id": "1"}, "text/plain": "a widget"}
    wanted.cells[-1].outputs = [v4.new_output("display_data", {"text/plain": "a widget"})]
    run = copy.deepcopy(wanted)
    run.cells[-1].outputs[0].data.update(view)
    run.metadata["widgets"] = {"state": {}}
    run.metadata["papermill"] = {"duration": 1.0}
    run.metadata["language_info"]["version"] = "3.11.9"
    run.cells[1].metadata["execution"] = {"iopub.execute_input": "2026-10-01T10:00:00Z"}
    run.cells[1].metadata["papermill"] = {"status": "completed"}
    run.cells[0].metadata["tags"] = []
    assert notebooks.clean(run) is run
    assert run == wanted


def test_a_widget_without_a_picture_or_text_is_left() -> None:
    notebook = tiny_lab.solved_lab()
    bare = {notebooks.WIDGET_VIEW: {"model_id": "1"}}
    notebook.cells[-1].outputs = [v4.new_output("display_data", bare)]
    assert notebooks.clean(notebook).cells[-1].outputs[0].data == bare


def test_exercises_are_found_with_their_checks() -> None:
    found = notebooks.exercises(tiny_lab.solved_lab())
    assert found == [Exercise("bill", 5, "check-bill", 6), Exercise("mean", 8, "check-mean", 10)]


@pytest.mark.parametrize(
    ("name", "tags", "said"),
    [
        ("check-bill", [], "exercise 'bill' has no check"),
        ("bill", [], "a check without an exercise: 'check-bill'"),
        ("bill", ["exercise", "check"], "'bill' has the tags of an exercise and of a check"),
        ("end", ["exercise"], "exercise 'end' has no check"),
        ("end-text", ["check"], "'end-text' is tagged as an exercise or a check, but is no code"),
    ],
)
def test_a_broken_form_is_told_in_words(name: str, tags: list[str], said: str) -> None:
    notebook = tiny_lab.solved_lab()
    tiny_lab.cell(notebook, name).metadata["tags"] = tags
    with pytest.raises(NotALab, match=said):
        notebooks.exercises(notebook)


@pytest.fixture
def labs(tmp_path: Path) -> Path:
    solutions = tmp_path / "solutions"
    solutions.mkdir()
    for name in ("01_first.ipynb", "07_scaling.ipynb", "07_again.ipynb", "notes.ipynb"):
        notebooks.write(tiny_lab.solved_lab(), solutions / name)
    return tmp_path


def test_labs_are_found_by_number_name_and_path(labs: Path) -> None:
    first = labs / "solutions" / "01_first.ipynb"
    copied = labs / "01_first.ipynb"
    copied.write_bytes(first.read_bytes())
    for name in ("1", "01", "01_first", str(first), first, str(copied)):
        assert notebooks.find_lab(name, labs) == first
    assert notebooks.solved_twin(copied) == first
    assert notebooks.solved_twin(first) is None
    alone = labs / "solutions" / "notes.ipynb"
    assert notebooks.find_lab(str(alone), labs) == alone
    assert [path.name[:2] for path in notebooks.solved_labs(labs)] == ["01", "07", "07"]


def test_a_lab_that_is_not_there_is_told_with_those_that_are(labs: Path) -> None:
    for name in ("2", "first", "001", "none.ipynb", ""):
        with pytest.raises(NotALab, match="is no lab.*: 01_first, 07_again, 07_scaling$"):
            notebooks.find_lab(name, labs)
    with pytest.raises(NotALab, match="'7' is the number of several labs.*: 07_again, 07_scaling$"):
        notebooks.find_lab("7", labs)
