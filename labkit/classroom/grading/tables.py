"""The grades for programs: CSV and JUnit XML."""

from __future__ import annotations

import csv
import io
import xml.etree.ElementTree as ElementTree

from labkit.classroom.grading.results import ClassResult, Mark, State

_FORMULA_STARTS = ("=", "+", "-", "@")


def as_csv(result: ClassResult) -> str:
    """One row per learner and exercise; remarks on a hand-in stand in each of its rows."""
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(("learner", "exercise", "solved", "line", "note", "remarks"))
    for learner in result.learners:
        for mark in learner.marks:
            cells = (learner.learner, mark.exercise, int(mark.is_solved), mark.line, mark.note)
            rows.writerow([_plain(str(cell)) for cell in (*cells, "; ".join(learner.remarks))])
    return text.getvalue()


def totals_csv(result: ClassResult) -> str:
    """One row per learner: how many of how many exercises are solved."""
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(("learner", "solved", "exercises"))
    for learner in result.learners:
        rows.writerow((_plain(learner.learner), learner.solved, len(learner.marks)))
    return text.getvalue()


def as_junit(result: ClassResult) -> str:
    """A test suite per learner: a failure has the check's line, an error was not run."""
    root = ElementTree.Element("testsuites", name=result.lab)
    for learner in result.learners:
        states = [mark.state for mark in learner.marks]
        suite = ElementTree.SubElement(
            root,
            "testsuite",
            name=learner.learner,
            tests=str(len(states)),
            failures=str(sum(state in (State.UNSOLVED, State.MISSING) for state in states)),
            errors=str(states.count(State.NOT_RUN)),
            time=f"{learner.took_s:.1f}",
        )
        for mark in learner.marks:
            _add_case(suite, result.lab, mark)
    ElementTree.indent(root)
    text = ElementTree.tostring(root, encoding="unicode", xml_declaration=False)
    return f'<?xml version="1.0" encoding="utf-8"?>\n{text}\n'


def _add_case(suite: ElementTree.Element, lab: str, mark: Mark) -> None:
    case = ElementTree.SubElement(suite, "testcase", classname=lab, name=mark.title)
    if mark.is_solved:
        return
    kind = "error" if mark.state is State.NOT_RUN else "failure"
    words = mark.line if mark.state is State.UNSOLVED and mark.line else mark.note
    ElementTree.SubElement(case, kind, message=words or "its check printed nothing").text = (
        mark.traceback or None
    )


def _plain(cell: str) -> str:
    """A spreadsheet must not take what a learner wrote for a formula."""
    return f"'{cell}" if cell.startswith(_FORMULA_STARTS) else cell
