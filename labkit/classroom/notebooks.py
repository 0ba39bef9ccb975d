"""What a lab is as a file: how it is read and written, and where its exercises are."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import nbformat
from nbformat import NotebookNode

EXERCISE_TAG: Final = "exercise"
CHECK_TAG: Final = "check"
PARAMETERS_TAG: Final = "parameters"
BEGIN_SOLUTION: Final = "### BEGIN SOLUTION"
END_SOLUTION: Final = "### END SOLUTION"

LABS_DIR: Final = Path(__file__).resolve().parents[2] / "labs"
SIZE_MAX_MB: Final = 20

# What one run of a notebook leaves behind and the next one changes.
_TRACES: Final = ("execution", "papermill", "ExecuteTime")


class NotALab(Exception):
    """A notebook is not what it should be; the text says what is wrong and what to do."""


@dataclass(frozen=True, slots=True)
class Exercise:
    """An exercise of a lab: the cell to be filled, and the cell that checks it."""

    name: str
    """The id of the exercise cell."""
    index: int
    check_id: str
    check_index: int


def read(path: Path) -> NotebookNode:
    """Read a notebook in format 4.5, older ones of format 4 included.

    Raises NotALab for a file that is none.
    """
    try:
        if path.stat().st_size > SIZE_MAX_MB * 1_000_000:
            raise NotALab(f"{path.name} is larger than {SIZE_MAX_MB} MB: clear its outputs")
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise NotALab(f"{path.name} cannot be read: {_words(error)}") from error
    return loads(text, path.name)


def loads(text: str, name: str = "this") -> NotebookNode:
    """Read a notebook from its text; `name` is what messages call it. Raises NotALab."""
    try:
        content = json.loads(text)
        if not isinstance(content, dict) or content.get("nbformat") != 4:
            raise NotALab(f"{name} is no notebook of format 4: open it in JupyterLab and save it")
        notebook: NotebookNode = nbformat.reads(text, as_version=4)
        nbformat.validate(notebook)
    except NotALab:
        raise
    except (ValueError, RecursionError, nbformat.ValidationError) as error:
        raise NotALab(f"{name} is no notebook: {_words(error)}") from error
    except Exception as error:  # nbformat meets broken content with whatever its code ran into
        raise NotALab(f"{name} is no notebook: {_words(error)}") from error
    return notebook


def dumps(notebook: NotebookNode) -> str:
    """Return the text of a notebook, the same for the same content."""
    text: str = nbformat.writes(notebook, version=nbformat.NO_CONVERT)
    return text.rstrip("\n") + "\n"


def write(notebook: NotebookNode, path: Path) -> None:
    """Write a notebook as labs are stored."""
    path.write_text(dumps(notebook), encoding="utf-8")


def clean(notebook: NotebookNode) -> NotebookNode:
    """Take away, in place, what differs from run to run: widget state, times, tool's notes."""
    metadata = notebook.metadata
    for name in ("widgets", *_TRACES):
        metadata.pop(name, None)
    metadata["language_info"] = {"name": "python"}
    for cell in notebook.cells:
        for name in _TRACES:
            cell.metadata.pop(name, None)
        if not cell.metadata.get("tags", True):
            del cell.metadata["tags"]
    return notebook


def has_tag(cell: NotebookNode, tag: str) -> bool:
    """Tell whether a cell has a tag."""
    tags = cell.metadata.get("tags", [])
    return isinstance(tags, list) and tag in tags


def exercises(notebook: NotebookNode) -> list[Exercise]:
    """Return the exercises of a lab in their order. Raises NotALab if its form is broken."""
    found: list[Exercise] = []
    code = [(index, cell) for index, cell in enumerate(notebook.cells) if cell.cell_type == "code"]
    checks = {index for index, cell in code if has_tag(cell, CHECK_TAG)}
    for (index, cell), following in zip(code, [*code[1:], None], strict=True):
        if not has_tag(cell, EXERCISE_TAG):
            continue
        if following is None or following[0] not in checks:
            raise NotALab(
                f"the exercise cell {cell.id!r} has no check: the next code cell must have the "
                f"tag {CHECK_TAG!r}"
            )
        checks.remove(following[0])
        found.append(Exercise(cell.id, index, following[1].id, following[0]))
    if checks:
        names = ", ".join(repr(notebook.cells[index].id) for index in sorted(checks))
        raise NotALab(f"check without an exercise cell (tag {EXERCISE_TAG!r}) before it: {names}")
    return found


def solved_labs(folder: Path = LABS_DIR) -> list[Path]:
    """Return the solved labs of a folder, in the order of their numbers."""
    return sorted((folder / "solutions").glob("[0-9][0-9]_*.ipynb"))


def find_lab(name: str, folder: Path = LABS_DIR) -> Path:
    """Return the solved notebook of the lab "1", "01", "01_first_invocation" or of a path.

    Raises NotALab, naming the labs there are, if there is no such lab.
    """
    if name.endswith(".ipynb") and Path(name).is_file():
        return Path(name)
    labs = solved_labs(folder)
    number = name.zfill(2) if re.fullmatch(r"[0-9]{1,2}", name) else None
    for path in labs:
        if name == path.stem or number == path.stem[:2]:
            return path
    known = ", ".join(path.stem for path in labs) or "none"
    raise NotALab(f"there is no lab {name!r}; there are: {known}")


def stdout_of(cell: NotebookNode | dict[str, Any]) -> str:
    """Return what a cell's stored outputs print."""
    return "".join(
        output["text"]
        for output in cell["outputs"]
        if output["output_type"] == "stream" and output["name"] == "stdout"
    )


def _words(error: BaseException) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 200 else text[:199] + "…"
