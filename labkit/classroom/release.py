"""From the solved lab, which is the source, to the copy that learners open."""

from __future__ import annotations

import ast
import copy
import re
import textwrap
from pathlib import Path
from typing import Final

from nbformat import NotebookNode

from labkit.classroom import notebooks
from labkit.classroom.notebooks import NotALab

BEGIN_SOLUTION: Final = "### BEGIN SOLUTION"
END_SOLUTION: Final = "### END SOLUTION"
_ANSWER: Final = "...  # your answer"
_CODE: Final = "...  # your code"
_RULE: Final = f"each solution stands between a line {BEGIN_SOLUTION!r} and a line {END_SOLUTION!r}"
_ANSWERS_BY_CODE: Final = (ast.Return, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)

# What was meant as a mark: if it is not written as one, the solution would be handed out.
_RANDOM_ID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){0,3}(-[0-9a-f]{12})?")
_ALMOST_A_MARK: Final = re.compile(r"#\W*(?:begin|end)\W*solution", re.IGNORECASE)


def marks(source: str) -> bool:
    """Tell whether a cell holds the marks of a solution, or what looks like one."""
    return _ALMOST_A_MARK.search(source) is not None


def stub(source: str) -> str:
    """Return an exercise cell with each solution replaced by a gap to fill, at its own indent.

    The gap is `name = ...` for each plain name that the solution assigns outside its loops and
    branches; it is `...` if there is none, or if the solution defines or returns something.
    Raises NotALab for a cell without a solution, and where marks do not pair up.
    """
    lines: list[str] = []
    solution: list[str] | None = None
    gaps = 0
    for line in source.split("\n"):
        mark = line.strip()
        if mark == BEGIN_SOLUTION and solution is None:
            solution, indent = [], line[: -len(line.lstrip())]
        elif mark == END_SOLUTION and solution is not None:
            lines += [indent + gap for gap in _gaps("\n".join(solution))]
            solution, gaps = None, gaps + 1
        elif marks(line):
            raise NotALab(f"{mark!r} stands alone or is misspelt; {_RULE}")
        elif solution is not None:
            solution.append(line)
        else:
            lines.append(line)
    if solution is not None:
        raise NotALab(f"a solution has no end; {_RULE}")
    if not gaps:
        raise NotALab(f"an exercise has no solution; {_RULE}")
    return "\n".join(lines)


def _gaps(solution: str) -> list[str]:
    names = _assigned(textwrap.dedent(solution))
    return [f"{name} = {_ANSWER}" for name in names] or [_CODE]


def _assigned(solution: str) -> list[str]:
    """The plain names that a solution assigns, each once, in their order."""
    try:
        statements = ast.parse(solution).body
    except (SyntaxError, ValueError):  # such as a line `!aws …`
        return []
    names: dict[str, None] = {}
    for statement in statements:
        if isinstance(statement, _ANSWERS_BY_CODE):
            return []  # the names are only on the way to the answer
        targets = statement.targets if isinstance(statement, ast.Assign) else []
        if isinstance(statement, ast.AnnAssign):
            targets = [statement.target]
        for target in targets:
            parts = target.elts if isinstance(target, ast.Tuple | ast.List) else [target]
            names.update({part.id: None for part in parts if isinstance(part, ast.Name)})
    names.pop("_", None)
    return list(names)


def release(solved: NotebookNode) -> NotebookNode:
    """Return the learner's copy of a solved lab; its checks keep the outputs of the solution.

    Raises NotALab if the lab's form is broken.
    """
    copied = copy.deepcopy(solved)
    places = {exercise.index for exercise in notebooks.exercises(copied)}
    for index, cell in enumerate(copied.cells):
        if index in places:
            try:
                cell.source = stub(cell.source)
            except NotALab as error:
                raise NotALab(f"exercise {cell.id!r}: {error}") from None
            cell.outputs, cell.execution_count = [], None
        elif marks(cell.source):
            raise NotALab(
                f"cell {cell.id!r} holds the marks of a solution: only a code cell with the tag "
                f"{notebooks.EXERCISE_TAG!r} may"
            )
    return copied


def name_exercises(solved: NotebookNode) -> None:
    """Give exercises and checks that still have JupyterLab's random ids readable ones, in place.

    The id of an exercise's cell is its name in tables of grades and in lists of answers. Raises
    NotALab if the lab's form is broken.
    """
    for number, exercise in enumerate(notebooks.exercises(solved), start=1):
        for index, kind in ((exercise.index, "exercise"), (exercise.check_index, "check")):
            cell = solved.cells[index]
            if _RANDOM_ID.fullmatch(cell.id):
                cell.id = f"{kind}-{number}"


def release_all(folder: Path = notebooks.LABS_DIR, *, check: bool = False) -> list[str]:
    """Write the learners' copies of all solved labs; return the names of what changed.

    The solved labs themselves are written as labs are stored, without what the last run left in
    them (see `notebooks.clean`): "solutions/NAME" tells that. With `check` nothing is written.
    Raises NotALab, naming the lab, if the form of one is broken; then nothing is written either.
    """
    wanted: dict[str, str] = {}
    for path in notebooks.solved_labs(folder):
        solved = notebooks.clean(notebooks.read(path))
        try:
            name_exercises(solved)
            copied = release(solved)
        except NotALab as error:
            raise NotALab(f"{path.name}: {error}") from None
        wanted[f"{notebooks.SOLUTIONS}/{path.name}"] = notebooks.dumps(solved)
        wanted[path.name] = notebooks.dumps(copied)
    changed = [name for name, text in wanted.items() if _stored(folder / name) != text.encode()]
    if not check:
        for name in changed:
            (folder / name).write_bytes(wanted[name].encode())
    return changed


def _stored(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() else None
