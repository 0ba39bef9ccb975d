"""`pytest --nbval labs/…` with no other flag, on what learners make of a lab."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import tiny_lab
from nbformat import NotebookNode, v4
from nbval_run import Run, nbval

from labkit.classroom import nbval_plugin, notebooks

# Longer than a run of the tests may take: what ends within it was not waited for.
FOR_EVER = "--nbval-cell-timeout=100000"
CHECKS = ["check-bill", "check-mean"]
BILL = "billed_ms = 75 + 3"
MEAN = "def mean(durations_ms):\n    print('adding')\n    return sum(durations_ms, 0.0) / 3"


def solve(lab: NotebookNode) -> None:
    """Solve a lab otherwise than its solution does, and save it after a run that was red."""
    tiny_lab.cell(lab, "bill").update(source=BILL, execution_count=4)
    tiny_lab.cell(lab, "mean").update(source=MEAN, execution_count=None)
    told = v4.new_output("stream", name="stdout", text="TODO 1 · the bill – not yet\n")
    tiny_lab.cell(lab, "check-bill").update(outputs=[told], execution_count=17)
    tiny_lab.cell(lab, "check-mean").update(outputs=[], execution_count=None)
    tiny_lab.cell(lab, "bill").outputs = [told]


def solve_one(lab: NotebookNode) -> None:
    tiny_lab.cell(lab, "mean").source = MEAN


def misunderstand(lab: NotebookNode) -> None:
    tiny_lab.cell(lab, "bill").source = "billed_ms = 3"


def fail(lab: NotebookNode) -> None:
    tiny_lab.cell(lab, "bill").source = "billed_ms = 1 / 0"


def loop(lab: NotebookNode) -> None:
    tiny_lab.cell(lab, "bill").source = "while True:\n    pass"


def add_cells(lab: NotebookNode) -> None:
    lab.cells.insert(6, v4.new_code_cell("print(billed_ms)", id="mine"))
    lab.cells.append(v4.new_code_cell("1 / 0", id="broken"))


def lose_cells(lab: NotebookNode) -> None:
    lab.cells = [cell for cell in lab.cells if cell.id not in ("check-bill", "title")]
    tiny_lab.cell(lab, "end").cell_type = "raw"
    for name in ("outputs", "execution_count"):
        tiny_lab.cell(lab, "end").pop(name)


def change_a_cell(lab: NotebookNode) -> None:
    tiny_lab.cell(lab, "end").source = "print(SEED + 2)"


COPIES: dict[Callable[[NotebookNode], None], list[str]] = {
    lambda lab: None: CHECKS,
    solve: [],
    solve_one: ["check-bill"],
    misunderstand: CHECKS,
    fail: CHECKS,
    loop: CHECKS,
    add_cells: [*CHECKS, "broken"],
    lose_cells: ["all cells", "check-mean"],
    change_a_cell: [*CHECKS, "end"],
}


@pytest.fixture(scope="module")
def labs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_lab.write_labs(tmp_path_factory.mktemp("class") / "labs").parent


def learners_copy(folder: Path, name: str, change: Callable[[NotebookNode], None]) -> Path:
    notebooks.write(tiny_lab.solved_lab(), folder / "solutions" / name)
    lab = notebooks.read(folder / tiny_lab.NAME)
    change(lab)
    notebooks.write(lab, folder / name)
    return folder / name


@pytest.fixture(scope="module")
def run(labs: Path) -> Run:
    """All copies and the solved lab, with the repository's options and on two processes."""
    paths = [
        learners_copy(labs, f"{number}_{change.__name__.strip('<>')}.ipynb", change)
        for number, change in enumerate(COPIES, start=10)
    ]
    paths.append(labs / "solutions" / tiny_lab.NAME)
    return nbval(labs, paths, "-n", "2", "--dist", "loadfile", "--nbval-cell-timeout=10")


@pytest.mark.parametrize("number", range(len(COPIES)))
def test_a_copy_is_red_where_it_is_not_solved_and_nowhere_else(run: Run, number: int) -> None:
    change, expected = list(COPIES.items())[number]
    (failed,) = [cells for name, cells in run.failed.items() if name.startswith(f"{10 + number}_")]
    assert sorted(failed) == sorted(expected), run.output


def test_the_solved_lab_is_green_beside_them(run: Run) -> None:
    assert run.failed[tiny_lab.NAME] == []
    assert f"solutions/{tiny_lab.NAME}::check-bill\n" in run.output


def test_without_a_solution_beside_it_a_lab_is_compared_with_what_it_stores(labs: Path) -> None:
    solved = tiny_lab.solved_lab()
    tiny_lab.cell(solved, "bill").source += "\nprint('debugging')"
    tiny_lab.cell(solved, "check-mean").outputs[0].text = "PASS 2 · another\n"
    tiny_lab.cell(solved, "end").source = "print(SEED + 2)"
    red = labs / "solutions" / "30_red.ipynb"
    notebooks.write(solved, red)
    copied = notebooks.read(labs / tiny_lab.NAME)
    fail(copied)
    alone = labs / "31_alone.ipynb"
    notebooks.write(copied, alone)
    run = nbval(labs, [red, alone])
    assert run.failed[red.name] == ["bill", "check-mean", "end"], run.output
    assert run.failed[alone.name] == CHECKS, run.output


@pytest.mark.parametrize(
    "told",
    [
        # Each as a whole, lines included: this is what a learner reads.
        "TODO 1 · the bill – that is the duration alone: the init phase is billed too\n"
        "  expected: PASS 1 · the bill\n"
        "  exercise: cell bill\n",
        "TODO 1 · the bill – no answer yet: put your answer where the `...` is, for `billed_ms`\n"
        "  expected: PASS 1 · the bill\n"
        "  exercise: cell bill\n",
        "  exercise: cell bill, which ended with: ZeroDivisionError: division by zero\n",
        "  exercise: cell bill, which ended with: Timeout of 10 seconds exceeded executing cell\n",
        "code cells of the lab are missing: check-bill, end. Undo, or take a fresh copy of the lab "
        "and put your answers into it.\n",
        "misunderstand.ipynb::check-bill - Failed: TODO 1 · the bill – that is the duration alone",
        "'2\\n' == '3\\n'",
    ],
)
def test_a_failure_is_told_in_words(run: Run, told: str) -> None:
    assert told in run.output
    assert "plugin exception" not in run.output
    assert "INTERNALERROR" not in run.output


def test_a_kernel_that_ends_is_noticed_at_once(labs: Path) -> None:
    def end(lab: NotebookNode) -> None:
        tiny_lab.cell(lab, "bill").source = "import os\nos._exit(3)"

    path = learners_copy(labs, "80_end.ipynb", end)
    run = nbval(labs, [path], FOR_EVER)
    assert run.failed[path.name] == ["bill", "check-bill", "mean", "check-mean", "end"], run.output
    assert "the kernel ended in this cell" in run.output
    assert run.output.count("not run: the kernel ended in cell bill") >= 4


def test_what_is_no_lab_is_told_in_words(tmp_path: Path) -> None:
    path = tiny_lab.write_labs(tmp_path / "labs")
    lab = notebooks.read(path)
    lab.cells = [cell for cell in lab.cells if cell.id != "check-bill"]
    texts = {
        "70_cut.ipynb": "{",
        "71_old.ipynb": '{"nbformat": 3, "worksheets": []}',
        "72_form.ipynb": notebooks.dumps(lab),
    }
    paths = [path.with_name(name) for name in texts]
    for wrong, text in zip(paths, texts.values(), strict=True):
        wrong.write_text(text)
    run = nbval(path.parent, paths)
    assert "70_cut.ipynb is no notebook: it does not read as JSON" in run.output
    assert "71_old.ipynb is no notebook of format 4" in run.output
    assert "72_form.ipynb: exercise 'bill' has no check" in run.output
    assert "Traceback" not in run.output and "INTERNALERROR" not in run.output


def test_plain_nbval_says_the_same_of_a_fresh_copy(labs: Path) -> None:
    paths = [labs / tiny_lab.NAME, learners_copy(labs, "60_one.ipynb", solve_one)]
    code = [c.id for c in tiny_lab.solved_lab().cells if c.cell_type == "code"]
    plain = nbval(labs, paths, "--noconftest", *nbval_plugin.plain_arguments(), house_options=False)
    failed = {
        name: [code[int(cell.removeprefix("Cell "))] for cell in cells]
        for name, cells in plain.failed.items()
    }
    assert failed == {tiny_lab.NAME: CHECKS, "60_one.ipynb": ["check-bill"]}


@pytest.mark.parametrize(("asked_s", "given_s"), [(2000.0, 60.0), (5.0, 5.0)])
def test_cells_have_a_timeout_unless_one_is_named(asked_s: float, given_s: float) -> None:
    config: Any = SimpleNamespace(option=SimpleNamespace(nbval_cell_timeout=asked_s))
    nbval_plugin.pytest_configure(config)
    assert config.option.nbval_cell_timeout == given_s


def test_the_nearest_sanitising_rules_count(tmp_path: Path) -> None:
    path = tiny_lab.write_labs(tmp_path / "labs")
    (path.parent / "nbval.cfg").write_text("[digits]\nregex: \\d\nreplace: DIGIT\n")
    lab = tiny_lab.solved_lab()
    tiny_lab.cell(lab, "end").source = "print(SEED + 2)"
    solved = path.parent / "solutions" / path.name
    notebooks.write(lab, solved)
    assert nbval(path.parent, [solved]).failed[solved.name] == []
