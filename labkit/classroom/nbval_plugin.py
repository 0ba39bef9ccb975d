"""How `pytest --nbval labs/…` checks labs: nbval, with what learners need beside it.

nbval runs a notebook and compares its outputs with those stored in it. Here

- no other flag is needed: the sanitising rules, this Python and a timeout are set;
- a learner's copy is compared with its solved twin, whatever outputs were saved in it;
- exercise cells of such a copy run as they are, and the check after each decides;
- an unsolved check fails with the line that it printed and the one expected;
- a kernel that has ended is noticed at once.

labs/conftest.py brings these hooks to the notebooks below it.
"""

from __future__ import annotations

import subprocess
import time
import warnings
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from queue import Empty
from typing import Any, Final

import pytest
from nbformat import NotebookNode
from nbval.kernel import (  # type: ignore[import-untyped]
    CURRENT_ENV_KERNEL_NAME,
    RunningKernel,
    start_new_kernel,
)
from nbval.plugin import (  # type: ignore[import-untyped]
    IPyNbCell,
    IPyNbFile,
    NbCellError,
)

from labkit.classroom import notebooks, release
from labkit.classroom.checks import one_line

CELL_TIMEOUT_S: Final = 60.0
_NBVALS_OWN_TIMEOUT_S: Final = 2000.0
_SANITISING_RULES: Final = "nbval.cfg"
_LOOK_AGAIN_S: Final = 0.5


def plain_arguments(rules: Path = notebooks.LABS_DIR / _SANITISING_RULES) -> list[str]:
    """Return what to tell nbval, where these hooks are absent, to check labs as they do."""
    return [
        "--nbval",
        "--nbval-current-env",
        f"--nbval-cell-timeout={CELL_TIMEOUT_S:g}",
        f"--nbval-sanitize-with={rules}",
    ]


def pytest_configure(config: pytest.Config) -> None:
    """Give cells a timeout, unless the command line does."""
    if getattr(config.option, "nbval_cell_timeout", None) == _NBVALS_OWN_TIMEOUT_S:
        config.option.nbval_cell_timeout = CELL_TIMEOUT_S


@pytest.hookimpl(wrapper=True)
def pytest_collect_file(
    file_path: Path, parent: pytest.Collector
) -> Generator[None, list[pytest.Collector], list[pytest.Collector]]:
    """Take a notebook for a lab where nbval would take it for a notebook."""
    collected = yield
    return [
        LabNotebook.from_parent(parent, path=file_path) if isinstance(one, IPyNbFile) else one
        for one in collected
    ]


@dataclass(frozen=True)
class Part:
    """What a code cell is in its lab."""

    is_answer: bool
    """A learner's answer to an exercise."""
    checks: str | None
    """The exercise that this cell checks."""


class KernelEnded(Exception):
    """The kernel's process is gone."""


class LabKernel(RunningKernel):  # type: ignore[misc]
    """A kernel that is looked at while its messages are awaited."""

    def __init__(self, kernel_name: str, cwd: str, startup_timeout_s: float) -> None:
        # nbval's own opens /dev/null and leaves it open, which is a warning, which is an error.
        self.km, self.kc = start_new_kernel(
            startup_timeout=startup_timeout_s,
            kernel_name=kernel_name,
            stderr=subprocess.DEVNULL,
            cwd=cwd,
        )
        self._ensure_iopub_up()

    def get_message(self, stream: str, timeout: float | None = None) -> dict[str, Any]:
        """Return the next message. Raises Empty after `timeout` seconds, or KernelEnded."""
        end = None if timeout is None else time.monotonic() + timeout
        while True:
            was_alive = self.is_alive()
            left_s = _LOOK_AGAIN_S if end is None else max(0.0, end - time.monotonic())
            try:
                message: dict[str, Any] = super().get_message(
                    stream, timeout=min(left_s, _LOOK_AGAIN_S)
                )
            except Empty:
                if not was_alive:
                    raise KernelEnded from None
                if left_s <= _LOOK_AGAIN_S and end is not None:
                    raise
            else:
                return message


class LabNotebook(IPyNbFile):  # type: ignore[misc]
    """A lab: a notebook with exercises, and perhaps with a solved twin."""

    def collect(self) -> Iterator[pytest.Item]:
        """Yield an item for each code cell, and one for code cells that are missing."""
        try:
            notebook = notebooks.read(self.path)
            twin = notebooks.solved_twin(self.path)
            original = None if twin is None else notebooks.read(twin)
            cells = _labs_cells(notebook, original)
            # Reads the file again, and warns where the format is old; that was settled above.
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                items = list(super().collect())
        except notebooks.NotALab as error:
            text = str(error)
            name = self.path.name
            raise self.CollectError(text if name in text else f"{name}: {text}") from None
        missing = _code_ids(original) - _code_ids(notebook) if original else set()
        if missing:
            yield MissingCells.from_parent(self, name="all cells", missing=sorted(missing))
        self.ended_in: str | None = None
        self.raised_in: dict[str, str] = {}
        for item, (cell, part) in zip(items, cells, strict=True):
            yield LabCell.from_parent(
                self,
                name=cell.id,
                cell_num=item.cell_num,
                cell=cell,
                options=item.options,
                part=part,
            )

    def setup(self) -> None:
        """Start the kernel: this Python, unless the command line names another."""
        option = self.config.option
        self.kernel = LabKernel(
            option.nbval_kernel_name or CURRENT_ENV_KERNEL_NAME,
            cwd=str(self.path.parent),
            startup_timeout_s=option.nbval_kernel_startup_timeout,
        )
        self.setup_sanitize_files()

    def get_sanitize_files(self) -> list[str]:
        """Return the file of the command line, or else the nearest nbval.cfg."""
        named = super().get_sanitize_files()
        folders = [*self.path.parents[:2], notebooks.LABS_DIR]
        near = [str(folder / _SANITISING_RULES) for folder in folders]
        return named or [name for name in near if Path(name).is_file()][:1]

    def teardown(self) -> None:
        """End the kernel, also one that has ended by itself: its connections are still open."""
        if self.kernel is not None and hasattr(self.kernel, "km"):
            self.kernel.stop()


class LabCell(IPyNbCell):  # type: ignore[misc]
    """A code cell of a lab."""

    def __init__(self, *, part: Part, **arguments: Any) -> None:
        super().__init__(**arguments)
        self._part = part

    def setup(self) -> None:
        """A timeout of an earlier cell changes nothing: the kernel was interrupted and goes on."""
        self.parent.timed_out = False

    def reportinfo(self) -> tuple[Path, int, str]:
        """Name the cell as the summary names it."""
        return self.path, 0, f"{self.path.name}::{self.name}"

    def runtest(self) -> None:
        """Run the cell and compare its outputs."""
        failure = self._run()
        if failure is not None:
            pytest.fail(failure, pytrace=False)

    def _run(self) -> str | None:
        """Return what is wrong with the cell; where nbval's own words fit, raise NbCellError."""
        if self.parent.ended_in is not None:
            return f"not run: the kernel ended in cell {self.parent.ended_in}"
        try:
            super().runtest()
        except KernelEnded:
            self.parent.ended_in = self.name
            return (
                "the kernel ended in this cell: the cell ended it, or the memory of the machine "
                "was used up. The cells after it cannot run."
            )
        except NbCellError as error:
            if not self.parent.kernel.is_alive():  # nbval gave it up
                self.parent.ended_in = self.name
                raise
            if self._part.is_answer:  # its check tells what is missing
                raised = "" if self.parent.timed_out else _raised(self.test_outputs)
                self.parent.raised_in[self.name] = raised or str(error)
                return None
            if self._part.checks is None:
                raise
            return self._unsolved(self._part.checks)
        return None

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException]) -> Any:
        """Show what pytest.fail says as pytest does, also in the summary."""
        if isinstance(excinfo.value, pytest.fail.Exception):
            return pytest.Item.repr_failure(self, excinfo)
        return super().repr_failure(excinfo)

    def _unsolved(self, exercise: str) -> str:
        """What to tell of a check: the line that it printed, and the one that is wanted."""
        printed = one_line(notebooks.stdout_of({"outputs": self.test_outputs}))
        raised = _raised(self.test_outputs)
        told = "; ".join(filter(None, [printed, raised])) or "the check printed nothing"
        trouble = self.parent.raised_in.get(exercise)
        return (
            f"{told}\n"
            f"  expected: {one_line(notebooks.stdout_of(self.cell))}\n"
            f"  exercise: cell {exercise}" + (f", which ended with: {trouble}" if trouble else "")
        )


class MissingCells(pytest.Item):
    """Fails for the code cells that a learner's copy has lost."""

    def __init__(self, *, missing: list[str], **arguments: Any) -> None:
        super().__init__(**arguments)
        self._missing = missing

    def reportinfo(self) -> tuple[Path, int, str]:
        """Name the item as the summary names it."""
        return self.path, 0, f"{self.path.name}::{self.name}"

    def runtest(self) -> None:
        """Tell which cells are missing."""
        pytest.fail(
            f"code cells of the lab are missing: {', '.join(self._missing)}. Undo, or take a fresh "
            "copy of the lab and put your answers into it.",
            pytrace=False,
        )


def _labs_cells(
    notebook: NotebookNode, original: NotebookNode | None
) -> list[tuple[NotebookNode, Part]]:
    """The code cells, each with the outputs that are expected of it, and what it is."""
    model = notebook if original is None else original
    exercises = notebooks.exercises(model)
    is_solved = original is None and any(
        release.marks(notebook.cells[exercise.index].source) for exercise in exercises
    )
    answers = set() if is_solved else {exercise.name for exercise in exercises}
    checks = {exercise.check_id: exercise.name for exercise in exercises}
    models = {cell.id: cell for cell in model.cells if cell.cell_type == "code"}
    cells = []
    for cell in notebook.cells:
        if cell.cell_type != "code":
            continue
        part = Part(is_answer=cell.id in answers, checks=checks.get(cell.id))
        if part.is_answer or cell.id not in models:  # run, but not compared
            cell.outputs, cell.execution_count = [], None
        else:
            expected = models[cell.id]
            cell.outputs, cell.execution_count = expected.outputs, expected.execution_count
            if part.checks is not None:  # a changed check proves nothing
                cell.source = expected.source
        cells.append((cell, part))
    return cells


def _raised(outputs: list[NotebookNode]) -> str:
    """The error among a cell's outputs, in one line; nothing if there is none."""
    errors = [f"{out['ename']}: {out['evalue']}" for out in outputs if out.output_type == "error"]
    return one_line(errors[0]) if errors else ""


def _code_ids(notebook: NotebookNode) -> set[str]:
    return {cell.id for cell in notebook.cells if cell.cell_type == "code"}
