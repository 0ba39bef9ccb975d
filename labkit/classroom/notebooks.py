"""What a lab is as a file: how it is read and written, and where its exercises are."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import nbformat
from nbformat import NotebookNode, v4

EXERCISE_TAG: Final = "exercise"
CHECK_TAG: Final = "check"
PARAMETERS_TAG: Final = "parameters"

LABS_DIR: Final = Path(__file__).resolve().parents[2] / "labs"
SOLUTIONS: Final = "solutions"
SIZE_MAX_MB: Final = 20

# What one run of a notebook leaves behind in metadata and the next one changes.
TRACES: Final = ("execution", "papermill", "ExecuteTime")
WIDGET_VIEW: Final = "application/vnd.jupyter.widget-view+json"
_WORDS_MAX: Final = 200


class NotALab(Exception):
    """A notebook is not what it should be; the text says what is wrong and what to do."""


@dataclass(frozen=True, slots=True)
class Exercise:
    """An exercise of a lab: the cell to be filled, and the cell that checks it."""

    name: str
    """The id of the exercise cell."""
    index: int
    """Where that cell stands among all cells of the notebook."""
    check_id: str
    check_index: int


def read(path: Path) -> NotebookNode:
    """Read a notebook of format 4 as format 4.5; cells without an id of their own get one.

    Raises NotALab for a file that is none.
    """
    try:
        if not path.is_file():
            raise NotALab(f"{path.name} is no file: name a notebook (.ipynb)")
        with path.open("rb") as file:
            content = file.read(SIZE_MAX_MB * 1_000_000 + 1)
        if len(content) > SIZE_MAX_MB * 1_000_000:
            raise NotALab(f"{path.name} is larger than {SIZE_MAX_MB} MB: clear its outputs")
        text = content.decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise NotALab(f"{path.name} cannot be read as text: {_words(error)}") from error
    return loads(text, path.name)


def loads(text: str, name: str = "this") -> NotebookNode:
    """Read a notebook from its text; `name` is what messages call it. Raises NotALab."""
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise NotALab(
            f"{name} is no notebook: it does not read as JSON ({_words(error)})"
        ) from error
    if not isinstance(content, dict) or "cells" not in content and "nbformat" not in content:
        raise NotALab(f"{name} is no notebook: it is JSON of another kind")
    if content.get("nbformat") != 4:
        raise NotALab(f"{name} is no notebook of format 4: open it in JupyterLab and save it")
    try:
        _give_ids(content["cells"])
        content["nbformat_minor"] = max(5, content.get("nbformat_minor", 0))
        notebook: NotebookNode = v4.to_notebook(content)
        nbformat.validate(notebook)
        dumps(notebook).encode()  # half a surrogate pair is JSON, but no text that can be written
    # nbformat meets broken content with whatever its code runs into: KeyError, AttributeError, …
    except Exception as error:
        raise NotALab(f"{name} is no notebook as its format wants it: {_words(error)}") from error
    return notebook


def _give_ids(cells: list[dict[str, Any]]) -> None:
    """Name cells that have no id, or one that another cell has, after their place."""
    taken: set[str] = set()
    for number, cell in enumerate(cells, start=1):
        name = cell.get("id")
        if name is None or name in taken:
            name = f"cell-{number}"
            while name in taken:
                name += "-"
            cell["id"] = name
        taken.add(name)


def dumps(notebook: NotebookNode) -> str:
    """Return the text of a notebook as labs are stored, the same for the same content."""
    text: str = v4.writes(notebook)
    return text + "\n"


def write(notebook: NotebookNode, path: Path) -> None:
    """Write a notebook as labs are stored."""
    path.write_text(dumps(notebook), encoding="utf-8", newline="\n")


def clean(notebook: NotebookNode) -> NotebookNode:
    """Take away, in place, what differs from run to run or from machine to machine.

    That is the state and the views of widgets (their pictures and texts stay), the times of
    execution, papermill's notes, and the version of the kernel. Returns the notebook.
    """
    for name in ("widgets", *TRACES):
        notebook.metadata.pop(name, None)
    language = notebook.metadata.get("language_info", {}).get("name", "python")
    notebook.metadata["language_info"] = NotebookNode(name=language)
    for cell in notebook.cells:
        for name in TRACES:
            cell.metadata.pop(name, None)
        if cell.metadata.get("tags") == []:
            del cell.metadata["tags"]
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            if len(data) > 1:  # without the widget there is something else to see
                data.pop(WIDGET_VIEW, None)
    return notebook


def has_tag(cell: Mapping[str, Any], tag: str) -> bool:
    """Tell whether a cell has a tag."""
    tags = cell["metadata"].get("tags", [])
    return isinstance(tags, list) and tag in tags


def stdout_of(cell: Mapping[str, Any]) -> str:
    """Return what a code cell's outputs print."""
    return "".join(
        output["text"]
        for output in cell["outputs"]
        if output["output_type"] == "stream" and output["name"] == "stdout"
    )


def exercises(notebook: NotebookNode) -> list[Exercise]:
    """Return the exercises of a lab, solved or not, in their order.

    An exercise is a code cell with the tag "exercise"; the next code cell has the tag "check".
    Raises NotALab if that form is broken.
    """
    found: list[Exercise] = []
    code = _code_cells(notebook)
    checks = {index for index, cell in code if has_tag(cell, CHECK_TAG)}
    for place, (index, cell) in enumerate(code):
        if not has_tag(cell, EXERCISE_TAG):
            continue
        if index in checks:
            raise NotALab(f"cell {cell.id!r} has the tags of an exercise and of a check: keep one")
        following = code[place + 1 : place + 2]
        if not following or following[0][0] not in checks:
            raise NotALab(
                f"exercise {cell.id!r} has no check: give the next code cell the tag {CHECK_TAG!r}"
            )
        check_index, check = following[0]
        checks.remove(check_index)
        found.append(Exercise(cell.id, index, check.id, check_index))
    if checks:
        names = ", ".join(repr(notebook.cells[index].id) for index in sorted(checks))
        raise NotALab(
            f"a check without an exercise: {names}. The code cell before a check is its exercise, "
            f"and has the tag {EXERCISE_TAG!r}"
        )
    return found


def _code_cells(notebook: NotebookNode) -> list[tuple[int, NotebookNode]]:
    code = []
    for index, cell in enumerate(notebook.cells):
        if cell.cell_type == "code":
            code.append((index, cell))
        elif has_tag(cell, EXERCISE_TAG) or has_tag(cell, CHECK_TAG):
            raise NotALab(f"cell {cell.id!r} is tagged as an exercise or a check, but is no code")
    return code


def solved_labs(folder: Path = LABS_DIR) -> list[Path]:
    """Return the solved labs of a folder, in the order of their numbers."""
    return sorted((folder / SOLUTIONS).glob("[0-9][0-9]_*.ipynb"))


def solved_twin(path: Path) -> Path | None:
    """Return the solved notebook of a learner's copy; None if there is none beside it."""
    twin = path.parent / SOLUTIONS / path.name
    return twin if twin.is_file() else None


def find_lab(name: str | Path, folder: Path = LABS_DIR) -> Path:
    """Return the solved notebook of the lab "1", "01", "01_first_invocation" or of a path.

    Raises NotALab, naming the labs there are, if there is no such lab.
    """
    path = Path(name)
    if path.suffix == ".ipynb" and path.is_file():
        return solved_twin(path) or path
    labs = solved_labs(folder)
    text = str(name)
    number = text.zfill(2) if re.fullmatch(r"[0-9]{1,2}", text) else None
    matching = [path for path in labs if text == path.stem or number == path.stem[:2]]
    if len(matching) == 1:
        return matching[0]
    known = ", ".join(path.stem for path in matching or labs) or "none"
    what = "is the number of several labs" if matching else "is no lab"
    raise NotALab(f"{text!r} {what}: name one of those in {folder / SOLUTIONS}: {known}")


def _words(error: BaseException) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= _WORDS_MAX else text[: _WORDS_MAX - 1] + "…"
