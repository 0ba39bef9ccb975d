"""A class is graded: the table says what each handed in, whatever the others did."""

from __future__ import annotations

import csv
import io
import os
import warnings
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import nbformat
import pytest
import tiny_lab

from labkit.classroom import notebooks
from labkit.classroom.grading.grade import CannotGrade, grade, write
from labkit.classroom.grading.limits import Limits
from labkit.classroom.grading.results import ClassResult, State
from labkit.classroom.grading.tables import as_csv
from labkit.classroom.variants import seed_of

BILL = "billed_ms = 78"


def table(result: ClassResult) -> dict[str, list[str]]:
    return {
        learner.learner: [str(mark.state) for mark in learner.marks] for learner in result.learners
    }


def hand_in_all(school: Any) -> None:
    """A class of which each did something else."""
    school.hand_in_solved("ada")
    school.hand_in("half", bill="billed_ms = 3", mean="mean = lambda d: sum(d) / len(d)")
    school.hand_in("nobody")
    school.hand_in("exits", bill=BILL, mean="import os; os._exit(1)")
    school.hand_in("removed", without=("bill",), mean="mean = lambda d: sum(d) / len(d)")
    school.hand_in("checks", bill="billed_ms = 1", check_bill="print('PASS 1 · the bill')")
    school.hand_in("error", bill=BILL, mean="def mean(d): return d / 0")
    school.hand_in("reads", bill=f"open({str(school.lab)!r}).read()")
    (school.handins / "empty.ipynb").write_text("")
    (school.handins / "folder.ipynb").mkdir()
    (school.handins / "notes.txt").write_text("x")


EXPECTED = {
    "ada": ["solved", "solved"],
    "checks": ["not solved", "not solved"],
    "empty": ["not run", "not run"],
    "error": ["solved", "not solved"],
    "exits": ["solved", "not run"],
    "folder": ["not run", "not run"],
    "half": ["not solved", "solved"],
    "nobody": ["not solved", "not solved"],
    "reads": ["not solved", "not solved"],
    "removed": ["missing", "solved"],
}


def test_a_class(school: Any, capsys: pytest.CaptureFixture[str]) -> None:
    hand_in_all(school)
    before = {path: path.read_bytes() for path in school.handins.iterdir() if path.is_file()}
    result = grade(school.handins, school.lab, show_progress=True)
    assert table(result) == EXPECTED
    assert result.titles == ("1 · the bill", "2 · the mean")
    by_name = {learner.learner: learner for learner in result.learners}
    assert by_name["half"].marks[0].line == (
        "TODO 1 · the bill – that is the duration alone: the init phase is billed too"
    )
    assert by_name["half"].marks[0].source == "billed_ms = 3"
    assert by_name["exits"].remarks == ("its kernel ended by itself (exit status 1)",)
    assert by_name["exits"].marks[1].note == "not run: its kernel ended by itself (exit status 1)"
    assert by_name["removed"].remarks == ("cells of exercises were removed: bill",)
    assert by_name["removed"].marks[0].note == "its cell was removed: counts as not solved"
    assert by_name["reads"].remarks == (f"tried to read the teacher's files: {school.lab}",)
    assert "PermissionError" in by_name["reads"].marks[0].traceback
    assert by_name["empty"].remarks == ("it is empty",)
    assert "Not graded, as they are not called <learner>.ipynb: notes.txt" in result.remarks
    lines = capsys.readouterr().err.splitlines()
    assert [line.partition(" ")[0] for line in lines] == [f"{n}/10" for n in range(1, 11)]
    assert "ada: 2 of 2 solved" in " ".join(lines)
    assert {path: path.read_bytes() for path in before} == before


def test_the_tables_are_written_and_replaced(school: Any, tmp_path: Path) -> None:
    school.hand_in_solved("ada")
    result = grade(school.handins, school.lab)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "grades.csv").write_text("old")
    written = write(result, tmp_path / "out")
    assert [path.name for path in written] == [
        "grades.csv",
        "totals.csv",
        "grades.xml",
        "grades.html",
    ]
    assert sorted(os.listdir(tmp_path / "out")) == sorted(path.name for path in written)
    rows = list(csv.DictReader(io.StringIO(written[0].read_text())))
    assert [(row["learner"], row["exercise"], row["solved"]) for row in rows] == [
        ("ada", "bill", "1"), ("ada", "mean", "1"),
    ]  # fmt: skip
    (tmp_path / "file").write_text("")
    with pytest.raises(CannotGrade, match="choose another folder with --output"):
        write(result, tmp_path / "file")


@pytest.mark.parametrize("kind", ["threads", "processes"])
def test_any_executor_will_do(school: Any, kind: str) -> None:
    school.hand_in_solved("ada")
    school.hand_in("nobody")
    executor: Executor
    if kind == "threads":
        executor = ThreadPoolExecutor(2)
    else:
        executor = ProcessPoolExecutor(2, get_context("spawn"))
    with executor:
        result = grade(school.handins, school.lab, executor=executor)
        assert executor.submit(int, "7").result() == 7, "it is still the caller's"
    assert [learner.solved for learner in result.learners] == [2, 0]


class Failing(Executor):
    """As when a machine of a cluster goes away."""

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_exception(ConnectionError("gone"))
        return future


def test_what_the_executor_loses_is_said(school: Any) -> None:
    school.hand_in_solved("ada")
    [learner] = grade(school.handins, school.lab, executor=Failing()).learners
    assert learner.remarks == ("could not be run: ConnectionError: gone",)
    assert {mark.state for mark in learner.marks} == {State.NOT_RUN}


def test_a_dask_cluster_gives_the_same_table(school: Any) -> None:
    distributed = pytest.importorskip("distributed")
    school.hand_in_solved("ada")
    school.hand_in("exits", bill=BILL, mean="import os; os._exit(1)")
    school.hand_in("reads", bill=f"open({str(school.lab)!r}).read()")
    (school.handins / "empty.ipynb").write_text("")
    local = grade(school.handins, school.lab)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of Dask about itself
        with (
            distributed.LocalCluster(
                n_workers=2, threads_per_worker=1, processes=True, host="127.0.0.1",
                dashboard_address=None,
            ) as cluster,
            distributed.Client(cluster) as client,
        ):  # fmt: skip
            remote = grade(school.handins, school.lab, executor=client.get_executor())
    assert table(remote) == {name: EXPECTED[name] for name in ("ada", "empty", "exits", "reads")}
    assert as_csv(remote) == as_csv(local)


def test_each_variant_is_run_with_its_own_seed(school: Any) -> None:
    """The check of this lab wants the SEED itself: each learner has another right answer."""
    lab = notebooks.read(school.lab)
    tiny_lab.cell(lab, "check-bill").source = (
        "with check('1 · the bill') as refuse:\n"
        "    refuse(billed_ms != SEED, 'not your own figure')"
    )
    tiny_lab.cell(lab, "bill").source = "### BEGIN SOLUTION\nbilled_ms = SEED\n### END SOLUTION"
    notebooks.write(lab, school.lab)
    for learner in ("ada", "zoë"):
        school.hand_in(learner, bill=f"billed_ms = {seed_of('ada')}")
    ada, zoe = grade(school.handins, school.lab, variants=True).learners
    assert (ada.marks[0].is_solved, zoe.marks[0].is_solved) == (True, False)
    assert zoe.marks[0].line == "TODO 1 · the bill – not your own figure"
    assert grade(school.handins, school.lab).learners[0].marks[0].is_solved is False


def test_limits_reach_the_hand_ins(school: Any) -> None:
    school.hand_in("ada", bill="while True: pass")
    [ada] = grade(school.handins, school.lab, limits=Limits(cell_s=0.3)).learners
    assert ada.marks[0].note == "the cell was interrupted after 0.3 s"
    assert ada.marks[1].state is State.UNSOLVED


@pytest.mark.parametrize("value", [0, -1, float("inf"), float("nan")])
def test_limits_are_above_0(value: float) -> None:
    with pytest.raises(ValueError, match="memory_mb must be above 0"):
        Limits(memory_mb=value)


def test_a_folder_without_hand_ins_is_said(school: Any, tmp_path: Path) -> None:
    with pytest.raises(CannotGrade, match="each must be called <learner>.ipynb"):
        grade(school.handins, school.lab)
    with pytest.raises(CannotGrade, match="is no folder"):
        grade(tmp_path / "nowhere", school.lab)


def test_an_answer_that_replaces_the_check_gains_nothing(school: Any) -> None:
    forged = "class check:\n    def __init__(self, title):\n        print('PASS', title)\n"
    forged += "    def __enter__(self):\n        return print\n    def __exit__(self, *a):\n        return True"
    school.hand_in("ada", bill=forged)
    [ada] = grade(school.handins, school.lab).learners
    assert [mark.is_solved for mark in ada.marks] == [False, False]
    assert "gives a new meaning to `check`" in ada.marks[0].note


def test_a_printed_pass_before_an_interrupted_check_is_none(school: Any) -> None:
    forged = "class Forged(float):\n    def __eq__(self, other):\n        import os\n"
    forged += (
        "        os.write(1, b'PASS 1 \\xc2\\xb7 the bill\\n')\n        raise KeyboardInterrupt\n"
    )
    forged += "billed_ms = Forged()"
    school.hand_in("ada", bill=forged)
    [ada] = grade(school.handins, school.lab).learners
    assert not ada.marks[0].is_solved


def test_a_hand_in_of_another_variant_is_told(school: Any) -> None:
    path = school.hand_in_solved("ada (1)")
    notebook = notebooks.read(path)
    cell = nbformat.v4.new_code_cell("SEED = 2894", id="injected-parameters")
    cell.metadata["tags"] = ["injected-parameters"]
    notebook.cells.insert(2, cell)
    notebooks.write(notebook, path)
    [ada] = grade(school.handins, school.lab).learners
    assert ada.remarks[0].startswith("made for SEED 2894, but graded with the plain lab")
    [ada] = grade(school.handins, school.lab, variants=True).learners
    assert "made for SEED 2894, but graded with SEED" in ada.remarks[0]


def test_how_a_cell_ended_is_told(school: Any) -> None:
    school.hand_in("ada", bill="billed_ms = 78)")
    [ada] = grade(school.handins, school.lab).learners
    assert "its cell ended with SyntaxError: unmatched ')'" in ada.marks[0].note
