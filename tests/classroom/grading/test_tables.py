from __future__ import annotations

import csv
import io
import xml.etree.ElementTree as ElementTree

from labkit.classroom.grading.results import ClassResult, LearnerResult, Mark, State, legible
from labkit.classroom.grading.tables import as_csv, as_junit, totals_csv

MARKS = (
    Mark("bill", "1 · the bill", State.SOLVED, "PASS 1 · the bill"),
    Mark(
        "mean", "2 · the mean", State.UNSOLVED, "TODO 2 · the mean – sum", traceback="<Error> & x"
    ),
    Mark("last", "3 · the last", State.NOT_RUN, note="not run: it was stopped"),
    Mark("gone", "4 · gone", State.MISSING, "TODO 4 · gone – no", "its cell was removed"),
)
RESULT = ClassResult(
    "01_first", ("a", "b", "c", "d"), (LearnerResult("ada", MARKS, ("late",), 1.25),)
)


def test_csv() -> None:
    rows = list(csv.reader(io.StringIO(as_csv(RESULT))))
    assert rows == [
        ["learner", "exercise", "solved", "line", "note", "remarks"],
        ["ada", "bill", "1", "PASS 1 · the bill", "", "late"],
        ["ada", "mean", "0", "TODO 2 · the mean – sum", "", "late"],
        ["ada", "last", "0", "", "not run: it was stopped", "late"],
        ["ada", "gone", "0", "TODO 4 · gone – no", "its cell was removed", "late"],
    ]


def test_totals() -> None:
    assert totals_csv(RESULT).splitlines() == ["learner,solved,exercises", "ada,1,4"]


def test_junit() -> None:
    root = ElementTree.fromstring(as_junit(RESULT))
    [suite] = root
    assert suite.attrib == {
        "name": "ada", "tests": "4", "failures": "2", "errors": "1", "time": "1.2",
    }  # fmt: skip
    assert [case.attrib["name"] for case in suite] == [mark.title for mark in MARKS]
    outcomes = [[(child.tag, child.attrib["message"]) for child in case] for case in suite]
    assert outcomes == [
        [],
        [("failure", "TODO 2 · the mean – sum")],
        [("error", "not run: it was stopped")],
        [("failure", "its cell was removed")],
    ]
    assert suite[1][0].text == "<Error> & x"


def test_hostile_text_breaks_no_table() -> None:
    text = legible("=cmd|'/c calc'!A1 \x00\x1b[31m\ud800 ,\"\n]]>")
    mark = Mark("bill", text, State.UNSOLVED, text, text, text, text)
    result = ClassResult("lab", ("t",), (LearnerResult(text, (mark,), (text,)),))
    [_, row] = csv.reader(io.StringIO(as_csv(result)))
    assert row[0] == f"'{text}" and row[3] == f"'{text}", "a spreadsheet sees no formula"
    root = ElementTree.fromstring(as_junit(result))
    assert root[0].attrib["name"] == text
    as_csv(result).encode()
