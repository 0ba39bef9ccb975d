"""How a notebook should be stored and written, so that it can be checked, read and taught."""

from __future__ import annotations

import ast
import json
import re
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from nbformat import NotebookNode

from labkit.classroom import notebooks
from labkit.classroom.notebooks import EXERCISE_TAG, PARAMETERS_TAG, has_tag
from labkit.classroom.release import BEGIN_SOLUTION, END_SOLUTION, release

CELLS_MAX: Final = 80
PROSE_WORDS_MAX: Final = 2_000
MARKDOWN_CELL_WORDS_MAX: Final = 120
CODE_LINES_MAX, HANDLER_LINES_MAX = 15, 20
CODE_CELLS_IN_A_ROW_MAX: Final = 3
FILE_KB_MAX: Final = 300
VOCABULARY: Final = sys.stdlib_module_names | {"boto3", "botocore", "labkit"}
"""What a lab may import: learners see AWS's library, ours, and Python's own."""

_HANDLER: Final = re.compile(r"^%%function\b|^def (?:lambda_)?handler\(", re.MULTILINE)
# Lines of a cell that IPython reads and Python does not: `!aws …`, `%time …`, `x = !ls`. A shell
# command goes on after a backslash.
_NOT_PYTHON: Final = re.compile(
    r"^([ \t]*)(?:[\w, ]+=[ \t]*)?(?:!|%%?[A-Za-z])(?:.*\\\n)*.*$", re.MULTILINE
)
_LOCAL_PATH: Final = re.compile(
    r"(?<![\w.])/(?:(?:home|Users)/(?!sbx_user1051\b)[\w.-]+|root)/"
    r"|[A-Z]:\\+Users\\|/tmp/(?:ipykernel_|labkit-|pytest-)"
)
_CLEANED: Final = "`labkit release` takes it away"
_STOP: Final = re.compile(r"^\w+\.stop\(\)", re.MULTILINE)

# What a reader of a markdown cell does not read as a word.
_ADDRESSES: Final = re.compile(r"(?<=\])\([^)]*\)|https?://\S+")
_MARKUP: Final = re.compile(r"<[^>]+>")
_WORD: Final = re.compile(r"\S*\w\S*")


def problems(notebook: NotebookNode, *, solved: bool) -> list[str]:
    """Return what is wrong with a notebook, each with the rule and the cell; empty if all is well.

    `solved` tells a solved lab, or one without exercises, from a learner's copy.
    """
    return [
        *_stored_problems(notebook),
        *_size_problems(notebook),
        *_exercise_problems(notebook, solved=solved),
        *_run_problems(notebook, solved=solved),
        *(
            f"cell {cell.id!r}: {problem}"
            for cell in notebook.cells
            for problem in (
                _code_problems(cell) if cell.cell_type == "code" else _prose_problems(cell)
            )
        ),
    ]


def words(markdown: str) -> int:
    """Count the words that a reader of a markdown text sees."""
    return len(_WORD.findall(_MARKUP.sub(" ", _ADDRESSES.sub(" ", markdown)).replace("|", " ")))


def _stored_problems(notebook: NotebookNode) -> Iterator[str]:
    """What does not belong into the file, whatever the lab is about."""
    if "widgets" in notebook.metadata:
        yield f"metadata.widgets is stored; {_CLEANED}"
    if set(notebook.metadata.get("language_info", {})) - {"name"}:
        yield f"the version of a kernel is stored; {_CLEANED}"
    for holder in (notebook, *notebook.cells):
        for name in sorted(set(holder.metadata) & set(notebooks.TRACES)):
            yield f"metadata.{name} of a run is stored; {_CLEANED}"
    if notebook.metadata.get("kernelspec", {}).get("name") != "python3":
        yield "its kernel is not python3, which every Jupyter has"
    counted = Counter(cell.id for cell in notebook.cells)
    for name in sorted(name for name, number in counted.items() if number > 1):
        yield f"several cells have the id {name!r}: each needs one of its own"


def _size_problems(notebook: NotebookNode) -> Iterator[str]:
    if len(notebook.cells) > CELLS_MAX:
        yield f"{len(notebook.cells)} cells, at most {CELLS_MAX}: split the lab"
    prose = sum(words(cell.source) for cell in notebook.cells if cell.cell_type == "markdown")
    if prose > PROSE_WORDS_MAX:
        yield f"{prose} words of prose, at most {PROSE_WORDS_MAX}"
    size_kb = len(notebooks.dumps(notebook).encode()) / 1000
    if size_kb > FILE_KB_MAX:
        yield f"{size_kb:.0f} kB, at most {FILE_KB_MAX}: are the pictures too large?"
    kinds = "".join("c" if cell.cell_type == "code" else "m" for cell in notebook.cells)
    if "c" * (CODE_CELLS_IN_A_ROW_MAX + 1) in kinds:
        yield f"more than {CODE_CELLS_IN_A_ROW_MAX} code cells in a row: say what was seen"


def _exercise_problems(notebook: NotebookNode, *, solved: bool) -> Iterator[str]:
    try:
        found = notebooks.exercises(notebook)
        if solved:
            release(notebook)
    except notebooks.NotALab as error:
        yield str(error)
        return
    for exercise in found:
        check = notebook.cells[exercise.check_index]
        if not re.fullmatch(r"PASS .+\n", notebooks.stdout_of(check)):
            yield f"check {check.id!r} does not store one line `PASS …`: run the solved lab"
    parameters = [cell for cell in notebook.cells if has_tag(cell, PARAMETERS_TAG)]
    if found and [bool(re.search(r"^SEED = ", cell.source, re.M)) for cell in parameters] != [True]:
        yield f"a lab with exercises has one cell `SEED = 1` with the tag {PARAMETERS_TAG!r}"


def _run_problems(notebook: NotebookNode, *, solved: bool) -> Iterator[str]:
    """nbval compares only the cells that were run; what was run in another order misleads."""
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    if not code:
        yield "it has no code"
        return
    counts = [cell.execution_count for cell in code]
    expected = [
        None if has_tag(cell, EXERCISE_TAG) and not solved else number
        for number, cell in enumerate(code, start=1)
    ]
    if counts != expected:
        yield f"it was not run once from top to bottom (restart, run all, save): {counts}"
    starts_a_lab = any("Lab.start(" in cell.source for cell in code)
    if starts_a_lab and not _STOP.search(code[-1].source):
        yield "its last code cell does not stop the lab: end with `lab.stop()`"


def _prose_problems(cell: NotebookNode) -> Iterator[str]:
    count = words(cell.source)
    if count > MARKDOWN_CELL_WORDS_MAX:
        yield f"{count} words, at most {MARKDOWN_CELL_WORDS_MAX} in one cell"
    if _names_a_place(cell.source):
        yield "it names a path of one machine"


def _code_problems(cell: NotebookNode) -> Iterator[str]:
    if not cell.source.strip():
        yield "an empty code cell"
    kinds = {output.output_type for output in cell.outputs}
    seen = json.dumps([_without_pictures(output) for output in cell.outputs])
    if "error" in kinds:
        yield "a stored traceback"
    elif "Traceback (most recent call last)" in seen:
        yield "a printed traceback"
    if _names_a_place(cell.source) or _names_a_place(seen):
        yield "it names a path of one machine"
    marks = (BEGIN_SOLUTION, END_SOLUTION)
    lines = [line for line in cell.source.splitlines() if line.strip() not in marks]
    most = HANDLER_LINES_MAX if _HANDLER.search(cell.source) else CODE_LINES_MAX
    if len(lines) > most:
        yield f"too many lines: {len(lines)}, at most {most}"
    try:
        foreign = sorted(_imported(cell.source) - VOCABULARY)
    except SyntaxError as error:
        yield f"it does not read as Python: {error.msg}, line {error.lineno}"
    else:
        if foreign:
            yield f"imports {foreign}: labs use labkit, boto3 and the standard library"


def _without_pictures(output: NotebookNode) -> dict[str, object]:
    texts = {name: text for name, text in output.get("data", {}).items() if "image/" not in name}
    return {**output, "data": texts}


def _names_a_place(text: str) -> bool:
    home = Path.home().as_posix()
    return bool(_LOCAL_PATH.search(text)) or (home != "/" and f"{home}/" in text)


def _imported(source: str) -> set[str]:
    if source.startswith("%%"):  # the text of a file, such as a handler's
        return set()
    names = set()
    for node in ast.walk(_parsed(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add((node.module or "").split(".")[0])
    return names


def _parsed(source: str) -> ast.Module:
    try:
        return ast.parse(source)
    except SyntaxError:
        return ast.parse(_NOT_PYTHON.sub(r"\1pass", source))
