"""Tries the answers that learners give on a solved lab, one after the other in one kernel.

The answers to the lab NN_topic stand in tests/labs/NN_topic.toml:

    [[refused]]                       a mistake that learners make
    exercise = "exercise-bill"        the id of the exercise cell
    mistake = "rounds down"           which mistake it is
    hint = "rounds up"                what the line must say that the check prints
    answer = "billed_ms = 77"         the whole exercise cell

    [[accepted]]                      another way to solve it
    exercise = "exercise-bill"
    way = "by floor division"
    answer = "billed_ms = -(-774 // 10)"
"""

from __future__ import annotations

import copy
import tomllib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from nbclient import NotebookClient
from nbclient.exceptions import CellTimeoutError, DeadKernelError
from nbformat import NotebookNode

from labkit.classroom import notebooks, release

REFUSED_MIN, ACCEPTED_MIN = 3, 1
CELL_TIMEOUT_S = 60
_KEYS = {
    "refused": {"exercise", "mistake", "hint", "answer"},
    "accepted": {"exercise", "way", "answer"},
}


@dataclass(frozen=True)
class Answer:
    """An answer to an exercise, and what its check is to print."""

    exercise: str
    about: str
    source: str
    begin: str
    """How the line begins."""
    hint: str = ""
    """What stands in the line's hint."""

    def misfit(self, outputs: list[NotebookNode]) -> str | None:
        """What is wrong with the outputs of the check; None if they are as they should be."""
        wanted = f"{self.begin}… {self.hint!r}" if self.hint else self.begin.strip()
        line, *more = _texts(outputs) or ["nothing"]
        hint = line.partition(" – ")[2]
        if not more and line.startswith(self.begin) and self.hint in hint:
            return None
        printed = "\n    ".join([line, *more])
        return f"{self.exercise}, {self.about}\n  wanted:  {wanted}\n  printed: {printed}"


def read(path: Path) -> list[Answer]:
    """Read the answers of a file. Raises ValueError for what is none."""
    if not path.is_file():
        raise ValueError(
            f"there is no {path.name} beside the tests: write down what learners answer, for each "
            "exercise three wrong answers and another right one; see labs/README.md"
        )
    answers = []
    for kind, entries in tomllib.loads(path.read_text(encoding="utf-8")).items():
        for entry in entries:
            if set(entry) != _KEYS.get(kind):
                raise ValueError(f"{path.name}: [[{kind}]] has the keys {sorted(entry)}")
            if not all(text.strip() for text in entry.values()):
                raise ValueError(f"{path.name}: [[{kind}]] has an empty text: {entry}")
            begin = "TODO " if kind == "refused" else "PASS "
            about = entry.get("mistake") or entry["way"]
            source, hint = entry["answer"].strip("\n"), entry.get("hint", "")
            answers.append(Answer(entry["exercise"], about, source, begin, hint))
    return answers


def misfits(solved: NotebookNode, answers: list[Answer], folder: Path) -> list[str]:
    """Try all answers, the untouched gaps and the solutions; return what does not fit.

    `folder` is where the lab's cells run.
    """
    lab = copy.deepcopy(solved)
    client = NotebookClient(
        lab,
        timeout=CELL_TIMEOUT_S,
        kernel_name="python3",
        allow_errors=True,
        coalesce_streams=True,  # a line may come in two pieces
        resources={"metadata": {"path": str(folder)}},
    )
    found = list(_uncounted(lab, answers))
    with client.setup_kernel():
        try:
            found += _tried(client, lab, answers)
        except (CellTimeoutError, DeadKernelError) as error:
            found.append(f"the lab could not go on: {error}")
    return found


def _uncounted(lab: NotebookNode, answers: list[Answer]) -> Iterator[str]:
    exercises = [exercise.name for exercise in notebooks.exercises(lab)]
    counts = Counter((answer.exercise, answer.begin) for answer in answers)
    for name in exercises:
        if counts[name, "TODO "] < REFUSED_MIN:
            yield f"{name}: {counts[name, 'TODO ']} refused answers, at least {REFUSED_MIN}"
        if counts[name, "PASS "] < ACCEPTED_MIN:
            yield f"{name}: no other answer that is accepted"
    for name in sorted({answer.exercise for answer in answers} - set(exercises)):
        yield f"{name}: no such exercise"


def _tried(client: NotebookClient, lab: NotebookNode, answers: list[Answer]) -> Iterator[str]:
    exercises = {exercise.index: exercise for exercise in notebooks.exercises(lab)}
    checks = {exercise.check_index for exercise in exercises.values()}
    for index, cell in enumerate(list(lab.cells)):
        if index in exercises:
            check = copy.deepcopy(lab.cells[exercises[index].check_index])
            for answer in _in_order(cell, check, answers):
                raised = _raised(_run(client, answer.source, index))
                misfit = answer.misfit(_run(client, check.source, exercises[index].check_index))
                if misfit is not None:
                    yield misfit
                elif raised and not answer.hint:  # what passed was an answer before this one
                    yield f"{answer.exercise}, {answer.about}\n  ended with {raised}"
        elif cell.cell_type == "code" and index not in checks:
            raised = _raised(_run(client, cell.source, index))
            if raised:
                yield f"cell {cell.id}: {raised}"


def _in_order(cell: NotebookNode, check: NotebookNode, answers: list[Answer]) -> Iterator[Answer]:
    """All that is tried on an exercise: the untouched gap first, the solution last."""
    yield Answer(cell.id, "the untouched gap", release.stub(cell.source), "TODO ")
    mine = [answer for answer in answers if answer.exercise == cell.id]
    yield from sorted(mine, key=lambda answer: answer.begin, reverse=True)
    stored = notebooks.stdout_of(check)
    yield Answer(cell.id, "the solution", cell.source, stored.rstrip("\n"))


def _run(client: NotebookClient, source: str, index: int) -> list[NotebookNode]:
    cell = copy.deepcopy(client.nb.cells[index])
    cell.source = source
    outputs: list[NotebookNode] = client.execute_cell(cell, index).outputs
    return outputs


def _raised(outputs: list[NotebookNode]) -> str:
    """The error among outputs; nothing if there is none."""
    errors = [output for output in outputs if output.output_type == "error"]
    return f"{errors[0].ename}: {errors[0].evalue}" if errors else ""


def _texts(outputs: list[NotebookNode]) -> list[str]:
    """What is seen of outputs, line by line."""
    lines = []
    for output in outputs:
        if output.output_type == "stream":
            lines += output.text.splitlines()
        elif output.output_type == "error":
            lines.append(f"{output.ename}: {output.evalue}")
        else:
            lines += str(output.data.get("text/plain")).splitlines()
    return lines
