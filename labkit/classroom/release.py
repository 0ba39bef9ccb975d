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
from labkit.classroom.notebooks import BEGIN_SOLUTION, END_SOLUTION, NotALab

ANSWER: Final = "...  # your answer"
CODE: Final = "...  # your code"

_BLOCK: Final = re.compile(
    rf"^(?P<indent>[ \t]*){BEGIN_SOLUTION}[ \t]*\n(?P<solution>.*?)^[ \t]*{END_SOLUTION}[ \t]*$",
    re.MULTILINE | re.DOTALL,
)


def stub(source: str) -> str:
    """Return an exercise cell with each solution replaced by a gap to fill.

    A solution that does nothing but assign names leaves `name = ...` for each, any other leaves
    `...`. Raises NotALab if the marks do not pair up.
    """
    stubbed = _BLOCK.sub(_gap, source)
    if BEGIN_SOLUTION in stubbed or END_SOLUTION in stubbed:
        raise NotALab(f"{BEGIN_SOLUTION!r} and {END_SOLUTION!r} do not pair up in:\n{source}")
    if stubbed == source:
        raise NotALab(f"an exercise cell has no {BEGIN_SOLUTION!r} … {END_SOLUTION!r}:\n{source}")
    return stubbed


def _gap(block: re.Match[str]) -> str:
    names = _assigned(textwrap.dedent(block["solution"]))
    lines = [f"{name} = {ANSWER}" for name in names] or [CODE]
    return "\n".join(block["indent"] + line for line in lines)


def _assigned(solution: str) -> list[str]:
    """The names that a block assigns, in order; none if it does anything else."""
    try:
        statements = ast.parse(solution).body
    except SyntaxError:  # such as a `!aws …` line
        return []
    names: list[str] = []
    for statement in statements:
        if not isinstance(statement, ast.Assign):
            return []
        for target in statement.targets:
            for node in ast.walk(target):
                if isinstance(node, ast.Attribute | ast.Subscript):
                    return []
                if isinstance(node, ast.Name) and node.id not in names:
                    names.append(node.id)
    return names


def release(solved: NotebookNode) -> NotebookNode:
    """Return the learner's copy of a solved lab; its checks keep the outputs of the solution.

    Raises NotALab if the lab's form is broken.
    """
    copied = copy.deepcopy(solved)
    for exercise in notebooks.exercises(copied):
        cell = copied.cells[exercise.index]
        cell.source = stub(cell.source)
        cell.outputs, cell.execution_count = [], None
    return copied


def release_all(folder: Path = notebooks.LABS_DIR, *, check: bool = False) -> list[str]:
    """Write the learners' copies of all solved labs; return the names of those that changed.

    With `check` nothing is written. Raises NotALab if the form of a lab is broken.
    """
    changed = []
    for solved in notebooks.solved_labs(folder):
        copied = folder / solved.name
        text = notebooks.dumps(release(notebooks.read(solved)))
        if copied.is_file() and copied.read_text(encoding="utf-8") == text:
            continue
        changed.append(solved.name)
        if not check:
            copied.write_text(text, encoding="utf-8")
    return changed
