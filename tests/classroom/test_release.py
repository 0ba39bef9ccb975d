"""Learners' copies are made of the solved labs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import tiny_lab
from nbformat import v4

from labkit.classroom import notebooks, release
from labkit.classroom.notebooks import NotALab


@pytest.mark.parametrize(
    ("solution", "gap"),
    [
        ("billed_ms = 3", "billed_ms = ...  # your answer"),
        ("init_ms, duration_ms = 1, 2", "init_ms = ...  # your answer\nduration_ms = ...  # your answer"),
        ("total = 0\nfor n in ns:\n    total += n\n    last = n", "total = ...  # your answer"),
        ("rate: float = 0.5", "rate = ...  # your answer"),
        ("a = b = 1\na = 2", "a = ...  # your answer\nb = ...  # your answer"),
        ("_ = lab.deploy(handler)", "...  # your code"),
        ("lab.memory, names['x'] = 1, 2", "...  # your code"),
        ("def handler(event, context):\n    x = 1\n    return x", "...  # your code"),
        ("prices = {}\ndef handler(event, context):\n    return prices", "...  # your code"),
        ("total += 1", "...  # your code"),
        ("answer = event['x']\nreturn answer", "...  # your code"),
        ("!aws lambda list-functions\nx = 1", "...  # your code"),
        ("", "...  # your code"),
        ("nul = '\0'", "...  # your code"),
    ],
)  # fmt: skip
def test_a_solution_becomes_a_gap(solution: str, gap: str) -> None:
    marked = f"# Why?\n### BEGIN SOLUTION\n{solution}\n### END SOLUTION\nprint()"
    assert release.stub(marked) == f"# Why?\n{gap}\nprint()"


def test_gaps_stand_where_the_solutions_stood() -> None:
    source = """%%function hello --memory-mb 128
### BEGIN SOLUTION
import json

prices = {}
### END SOLUTION

def handler(event, context):
    ### BEGIN SOLUTION
    item = event["item"]
    ### END SOLUTION
    if item:
        ### BEGIN SOLUTION
        return prices[item]
        ### END SOLUTION"""
    assert (
        release.stub(source)
        == """%%function hello --memory-mb 128
prices = ...  # your answer

def handler(event, context):
    item = ...  # your answer
    if item:
        ...  # your code"""
    )


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("x = 1", "has no solution"),
        ("### BEGIN SOLUTION\nx = 1", "has no end"),
        ("x = 1\n### END SOLUTION", "stands alone"),
        ("### BEGIN SOLUTION\n### BEGIN SOLUTION\n### END SOLUTION", "stands alone"),
        ("# BEGIN SOLUTION\nx = 1\n# END SOLUTION", "misspelt"),
        ("### Begin solution:\nx = 1\n### END SOLUTION", "misspelt"),
        ("### BEGIN SOLUTION\nx = 1\n### END SOLUTIONS", "misspelt"),
    ],
)
def test_marks_that_would_hand_the_solution_out_are_refused(source: str, said: str) -> None:
    with pytest.raises(NotALab, match=said):
        release.stub(source)


def test_only_the_exercises_differ_from_the_solved_lab() -> None:
    solved = tiny_lab.solved_lab()
    copied = release.release(solved)
    assert solved == tiny_lab.solved_lab()
    bill, mean = tiny_lab.cell(copied, "bill"), tiny_lab.cell(copied, "mean")
    assert bill.source.splitlines()[1:] == ["billed_ms = ...  # your answer"]
    assert mean.source == "def mean(durations_ms):\n    ...  # your code"
    for before, after in zip(solved.cells, copied.cells, strict=True):
        if after in (bill, mean):
            assert (after.outputs, after.execution_count) == ([], None)
            assert (after.id, after.metadata) == (before.id, before.metadata)
        else:
            assert after == before


def test_a_broken_lab_is_told_with_its_cell() -> None:
    lab = tiny_lab.solved_lab()
    tiny_lab.cell(lab, "mean").source = "x = 1"
    with pytest.raises(NotALab, match="exercise 'mean': an exercise has no solution"):
        release.release(lab)
    lab = tiny_lab.solved_lab()
    tiny_lab.cell(lab, "end").source = tiny_lab.BILL
    with pytest.raises(NotALab, match="cell 'end' holds the marks of a solution"):
        release.release(lab)


def contents(folder: Path) -> dict[str, Any]:
    return {
        path.relative_to(folder).as_posix(): (path.read_bytes(), path.stat().st_mtime_ns)
        for path in folder.glob("**/*.ipynb")
    }


def test_all_copies_are_written_once(tmp_path: Path) -> None:
    copied = tiny_lab.write_labs(tmp_path / "labs")
    before = contents(copied.parent)
    assert release.release_all(copied.parent) == []
    assert contents(copied.parent) == before
    copied.write_text("changed")
    changed = contents(copied.parent)
    assert release.release_all(copied.parent, check=True) == [tiny_lab.NAME]
    assert contents(copied.parent) == changed
    assert release.release_all(copied.parent) == [tiny_lab.NAME]
    assert copied.read_bytes() == before[tiny_lab.NAME][0]


def test_a_solved_lab_as_jupyterlab_saves_it_is_written_as_labs_are_stored(tmp_path: Path) -> None:
    copied = tiny_lab.write_labs(tmp_path / "labs")
    before = {name: content for name, (content, _) in contents(copied.parent).items()}
    solved = copied.parent / "solutions" / tiny_lab.NAME
    saved = tiny_lab.solved_lab()
    saved.metadata["language_info"]["version"] = "3.12.1"
    saved.cells[1].metadata["execution"] = {"iopub.execute_input": "2026-10-01T10:00:00Z"}
    solved.write_text(v4.writes(saved, indent=2))
    assert release.release_all(copied.parent) == [f"solutions/{tiny_lab.NAME}"]
    assert {name: content for name, (content, _) in contents(copied.parent).items()} == before


def test_one_broken_lab_and_nothing_is_written(tmp_path: Path) -> None:
    copied = tiny_lab.write_labs(tmp_path / "labs")
    copied.unlink()
    broken = tiny_lab.solved_lab()
    tiny_lab.cell(broken, "check-bill").metadata["tags"] = []
    notebooks.write(broken, copied.parent / "solutions" / "95_broken.ipynb")
    with pytest.raises(NotALab, match="^95_broken.ipynb: exercise 'bill' has no check"):
        release.release_all(copied.parent)
    assert not copied.exists()


def test_random_ids_of_exercises_become_readable_names(tmp_path: Path) -> None:
    tiny_lab.write_labs(tmp_path)
    path = tmp_path / "solutions" / tiny_lab.NAME
    solved = notebooks.read(path)
    tiny_lab.cell(solved, "mean").id = "0926740d"
    tiny_lab.cell(solved, "check-mean").id = "3f0e8f3a-52a9-4d35-9ad2-7b6c0a3f8f11"
    notebooks.write(solved, path)
    release.release_all(tmp_path)
    exercises = notebooks.exercises(notebooks.read(path))
    assert [(one.name, one.check_id) for one in exercises] == [
        ("bill", "check-bill"), ("exercise-2", "check-2"),
    ]  # fmt: skip
