"""What a learner handed in, and how it goes into the pristine lab."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from labkit.classroom import notebooks
from labkit.classroom.grading import meddling
from labkit.classroom.grading.task import Cell
from labkit.classroom.notebooks import EXERCISE_TAG, PARAMETERS_TAG, NotALab
from labkit.classroom.release import stub
from labkit.classroom.variants import INJECTED_TAG

_SEED: Final = re.compile(r"^SEED = (\d+)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Question:
    """An exercise of the pristine lab."""

    name: str
    """The id of its cell."""
    check_name: str
    title: str
    stub: str
    expected: str
    """What its check prints when it is solved."""


@dataclass(frozen=True, slots=True)
class Sheet:
    """A solved lab as the grader needs it."""

    name: str
    sources: dict[str, str]
    """Of the code cells in their order, by id."""
    questions: tuple[Question, ...]
    parameters: str | None
    """The id of the parameters cell."""

    def own_sources(self) -> list[str]:
        """The cells that are the lab's own, not an answer's."""
        answers = {question.name for question in self.questions}
        return [source for name, source in self.sources.items() if name not in answers]


@dataclass(frozen=True, slots=True)
class HandedCell:
    """A cell of a hand-in."""

    name: str
    source: str
    is_code: bool
    tags: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Answers:
    """What a hand-in holds for a lab."""

    sources: dict[str, str]
    """By exercise; without those that are missing."""
    notes: dict[str, str]
    """By exercise: how its cell was found, when not by its id, and what the teacher should read."""
    remarks: tuple[str, ...]
    """On the hand-in as a whole."""


def read_lab(path: Path) -> Sheet:
    """Read the solved lab. Raises NotALab if its form is broken or its checks are not passed."""
    lab = notebooks.read(path)
    exercises = notebooks.exercises(lab)
    if not exercises:
        raise NotALab(f"{path.name} has no exercises: there is nothing to grade")
    questions = []
    for exercise in exercises:
        expected = notebooks.stdout_of(lab.cells[exercise.check_index])
        first_line = expected.partition("\n")[0]
        if not first_line.startswith("PASS "):
            raise NotALab(
                f"the check {exercise.check_id!r} of {path.name} is not stored as passed (it shows "
                f"{first_line!r}): run all cells of the solved lab and save it"
            )
        gap = stub(lab.cells[exercise.index].source)
        title = first_line.removeprefix("PASS ")
        questions.append(Question(exercise.name, exercise.check_id, title, gap, expected))
    code = [cell for cell in lab.cells if cell.cell_type == "code"]
    parameters = [cell.id for cell in code if notebooks.has_tag(cell, PARAMETERS_TAG)]
    return Sheet(
        name=path.stem,
        sources={cell.id: cell.source for cell in code},
        questions=tuple(questions),
        parameters=parameters[0] if parameters else None,
    )


def read(path: Path) -> list[HandedCell]:
    """Read a hand-in. Lenient: only what grading needs has to be in order.

    Raises NotALab, saying why, for what is no notebook.
    """
    if path.is_dir():
        raise NotALab("it is a folder, not a notebook")
    if not path.is_file():
        raise NotALab("it is no file")
    try:
        size_bytes = path.stat().st_size
        if size_bytes > notebooks.SIZE_MAX_MB * 1_000_000:
            raise NotALab(
                f"it has {size_bytes / 1e6:,.0f} MB, and {notebooks.SIZE_MAX_MB} MB is the most: "
                "its outputs have to be cleared"
            )
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise NotALab(f"it cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise NotALab("it is no notebook: it is no text") from error
    if not text.strip():
        raise NotALab("it is empty")
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise NotALab("it is no notebook: it is not JSON") from error
    cells = content.get("cells") if isinstance(content, dict) else None
    if not isinstance(cells, list) or content.get("nbformat") != 4:
        raise NotALab("it is no notebook of format 4")
    return [_handed(cell) for cell in cells if isinstance(cell, dict)]


def find_answers(sheet: Sheet, cells: Sequence[HandedCell]) -> Answers:
    """Find each exercise's cell: by its id, or else by its tag and its order or its first line.

    Raises NotALab if there is none at all.
    """
    by_id = {cell.name: cell for cell in reversed(cells) if cell.is_code and cell.name}
    found = {
        question.name: by_id[question.name]
        for question in sheet.questions
        if question.name in by_id
    }
    lost = [question for question in sheet.questions if question.name not in found]
    used = {id(cell) for cell in found.values()}
    spare = [cell for cell in cells if cell.is_code and id(cell) not in used]
    otherwise = _find_otherwise(lost, [cell for cell in spare if cell.name not in sheet.sources])
    notes = {name: f"its cell was found by {way}, not by its id" for name, (_, way) in
             otherwise.items()}  # fmt: skip
    found |= {name: cell for name, (cell, _) in otherwise.items()}
    names = meddling.protected(sheet.own_sources())
    for name, cell in found.items():
        if told := meddling.meddles(cell.source, names):
            words = f"read this cell: it {', '.join(told)}"
            notes[name] = "; ".join(filter(None, [notes.get(name), words]))
    if not found:
        raise NotALab("none of this lab's exercises is in it: it may be the hand-in of another lab")
    remarks = _remarks(sheet, cells, {id(cell) for cell in found.values()})
    return Answers({name: cell.source for name, cell in found.items()}, notes, remarks)


def seed_remark(cells: Sequence[HandedCell], seed: int | None) -> str:
    """Say if the hand-in was made for another variant than `seed`; empty if it was not."""
    made_for = None
    for cell in cells:
        if INJECTED_TAG in cell.tags and (found := _SEED.search(cell.source)):
            made_for = int(found[1])
    if made_for == seed:
        return ""
    this = "the plain lab" if seed is None else f"SEED {seed}"
    other = "the plain lab" if made_for is None else f"SEED {made_for}"
    return (
        f"made for {other}, but graded with {this}: --variants takes the SEED from the file's "
        "name, which must be the learner's"
    )


def merge(sheet: Sheet, answers: Answers, seed: int | None) -> tuple[Cell, ...]:
    """Return the cells to run: the pristine lab with the learner's exercise cells in it.

    Raises NotALab if a `seed` is given and the lab has no parameters cell.
    """
    if seed is not None and sheet.parameters is None:
        raise NotALab(f"{sheet.name} has no cell with the tag {PARAMETERS_TAG!r} that names SEED")
    stubs = {question.name: question.stub for question in sheet.questions}
    checks = {question.check_name for question in sheet.questions}
    wanted = stubs.keys() | checks
    again = meddling.imports(sheet.own_sources())
    merged = []
    for name, source in sheet.sources.items():
        if name in checks and again:
            merged.append(Cell(f"before-{name}", again, False))
        taken = answers.sources.get(name, stubs[name]) if name in stubs else source
        merged.append(Cell(name, taken, name in wanted))
        if seed is not None and name == sheet.parameters:
            merged.append(Cell(INJECTED_TAG, f"SEED = {seed}", False))
    return tuple(merged)


def _handed(cell: dict[str, Any]) -> HandedCell:
    source, metadata, name = cell.get("source"), cell.get("metadata"), cell.get("id")
    if isinstance(source, list):
        source = "".join(part for part in source if isinstance(part, str))
    tags = metadata.get("tags") if isinstance(metadata, dict) else None
    return HandedCell(
        name=name if isinstance(name, str) else "",
        source=source if isinstance(source, str) else "",
        is_code=cell.get("cell_type") == "code",
        tags=tuple(tag for tag in tags if isinstance(tag, str)) if isinstance(tags, list) else (),
    )


def _find_otherwise(
    lost: Sequence[Question], spare: Sequence[HandedCell]
) -> dict[str, tuple[HandedCell, str]]:
    """The cells of exercises whose ids are not there, each with the way in which it was found."""
    tagged = [cell for cell in spare if EXERCISE_TAG in cell.tags]
    if len(tagged) == len(lost):
        pairs = zip(lost, tagged, strict=True)
        return {question.name: (cell, "its tag and its place") for question, cell in pairs}
    found: dict[str, tuple[HandedCell, str]] = {}
    for question in lost:
        first = _first_line(question.stub)
        for cell in spare:
            taken = any(cell is other for other, _ in found.values())
            if first and not taken and _first_line(cell.source) == first:
                found[question.name] = (cell, "its first line")
                break
    return found


def _first_line(source: str) -> str:
    return next((line.strip() for line in source.splitlines() if line.strip()), "")


def _remarks(sheet: Sheet, cells: Sequence[HandedCell], used: set[int]) -> tuple[str, ...]:
    questions = {question.name for question in sheet.questions}
    changed, own = [], 0
    for cell in cells:
        if not cell.is_code or id(cell) in used or INJECTED_TAG in cell.tags:
            continue
        if cell.name not in sheet.sources or cell.name in questions:
            own += bool(cell.source.strip())
        elif cell.source.strip() != sheet.sources[cell.name].strip():
            changed.append(cell.name)
    remarks = []
    if changed:
        remarks.append(f"changed cells were put back as they were: {', '.join(changed)}")
    if own:
        cells_word = "cell of its own was" if own == 1 else "cells of its own were"
        remarks.append(f"{own} {cells_word} left out")
    return tuple(remarks)
