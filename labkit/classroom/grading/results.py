"""What came out, per learner and exercise."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from labkit.classroom.grading.handin import Answers, Question, Sheet
from labkit.classroom.grading.task import Ran, Shown

_LINE_MAX = 500
# What XML cannot hold, and what would steer a terminal.
_ILLEGIBLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


class State(StrEnum):
    """Of one exercise of one learner."""

    SOLVED = "solved"
    UNSOLVED = "not solved"
    NOT_RUN = "not run"
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class Mark:
    """One exercise of one learner."""

    exercise: str
    """The id of its cell."""
    title: str
    state: State
    line: str = ""
    """The first line that its check printed."""
    note: str = ""
    source: str = ""
    """The learner's cell."""
    traceback: str = ""

    @property
    def is_solved(self) -> bool:
        """Whether its check passed."""
        return self.state is State.SOLVED


@dataclass(frozen=True, slots=True)
class LearnerResult:
    """One hand-in."""

    learner: str
    marks: tuple[Mark, ...]
    remarks: tuple[str, ...] = ()
    """What struck the hand-in as a whole."""
    took_s: float = 0.0

    @property
    def solved(self) -> int:
        """How many exercises are solved."""
        return sum(mark.is_solved for mark in self.marks)


@dataclass(frozen=True, slots=True)
class ClassResult:
    """All hand-ins, in the order of their names."""

    lab: str
    titles: tuple[str, ...]
    learners: tuple[LearnerResult, ...]
    remarks: tuple[str, ...] = ()
    """What holds for all of them."""


def legible(text: str) -> str:
    """Return text without the characters that no table can hold."""
    return _ILLEGIBLE.sub("\N{REPLACEMENT CHARACTER}", text)


def not_graded(sheet: Sheet, learner: str, why: str) -> LearnerResult:
    """The result of a hand-in that could not be run at all."""
    marks = [
        Mark(question.name, question.title, State.NOT_RUN, note=f"not run: {why}")
        for question in sheet.questions
    ]
    return LearnerResult(learner, tuple(marks), (why,))


def result_of(sheet: Sheet, learner: str, answers: Answers, ran: Ran) -> LearnerResult:
    """Compare what the checks printed with what the solved lab prints."""
    remarks = list(answers.remarks)
    names = [question.name for question in sheet.questions]
    if missing := [name for name in names if name not in answers.sources]:
        remarks.insert(0, f"cells of exercises were removed: {', '.join(missing)}")
    if ran.stopped:
        remarks.insert(0, ran.stopped)
    if ran.tried:
        remarks.insert(0, f"tried to read the teacher's files: {', '.join(ran.tried)}")
    marks = tuple(_mark(question, answers, ran) for question in sheet.questions)
    return LearnerResult(learner, marks, tuple(map(legible, remarks)), ran.took_s)


def _mark(question: Question, answers: Answers, ran: Ran) -> Mark:
    nothing = Shown("", "", "")
    check = ran.shown.get(question.check_name)
    cell = ran.shown.get(question.name, nothing)
    notes = [answers.notes.get(question.name, "")]
    if question.name not in answers.sources:
        state = State.MISSING
        notes.append("its cell was removed: counts as not solved")
    elif check is None:
        state = State.NOT_RUN
        notes.append(f"not run: {ran.stopped}")
    else:
        is_whole = not check.traceback and check.interrupted_s is None
        solved = is_whole and check.stdout.rstrip() == question.expected.rstrip()
        state = State.SOLVED if solved else State.UNSOLVED
        notes += _interruptions(cell, "the cell") + _interruptions(check, "the check")
    if cell.traceback and cell.interrupted_s is None:
        notes.append(f"its cell ended with {cell.traceback.strip().splitlines()[-1]}")
    traceback = cell.traceback or cell.stderr or (check or nothing).traceback
    line = check.stdout.strip().partition("\n")[0] if check else ""
    return Mark(
        exercise=question.name,
        title=question.title,
        state=state,
        line=legible(line[:_LINE_MAX]),
        note="; ".join(filter(None, notes)),
        source=legible(answers.sources.get(question.name, "")),
        traceback=legible(traceback),
    )


def _interruptions(shown: Shown, what: str) -> list[str]:
    if shown.interrupted_s is None:
        return []
    return [f"{what} was interrupted after {shown.interrupted_s:g} s"]
