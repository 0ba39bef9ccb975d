"""A lab with other parameters, and a variant of its own for each learner of a class."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tempfile
import unicodedata
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor, as_completed
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

from nbclient.exceptions import CellTimeoutError, DeadKernelError
from nbformat import NotebookNode
from tqdm import tqdm

from labkit.classroom import notebooks, release
from labkit.classroom.grading.places import import_path

SEED_MAX: Final = 9999
INJECTED_TAG: Final = "injected-parameters"
"""The tag of the cell with which papermill sets parameters."""
_CELL_LIMIT_S: Final = 300
_NAME_BYTES_MAX: Final = 200


class CannotRun(Exception):
    """A lab cannot be run or handed out as asked; the text says why and what to do."""


def seed_of(learner: str) -> int:
    """Return the seed of a learner's variant, 1 to 9,999: it follows from the name alone.

    However a system writes an accented letter, the name is the same.
    """
    digest = hashlib.sha256(_normal(learner).encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest, "big") % SEED_MAX + 1


def run_lab(
    lab: Path, parameters: Mapping[str, object], output: Path, *, show_progress: bool = False
) -> NotebookNode:
    """Run a lab with other parameters in an empty folder, write it to `output`, and return it.

    Raises CannotRun for a parameter that the lab does not have and for a cell that fails, NotALab
    for what is no notebook.
    """
    ran = _run(lab.resolve(), dict(parameters), show_progress)
    output.parent.mkdir(parents=True, exist_ok=True)
    notebooks.write(ran, output)
    return ran


def hand_out(
    lab: Path,
    learners: Sequence[str],
    folder: Path,
    executor: Executor | None = None,
    *,
    jobs: int | None = None,
    show_progress: bool = False,
) -> list[Path]:
    """Write `<learner>.ipynb` for each learner: the lab's learner's copy with a SEED of their own.

    The solved lab is run with that SEED first, and must pass its own checks. `executor` may be
    any; without one, `jobs` labs run at once on this machine (default: one per core). Raises
    CannotRun, also for a name that cannot be a file's, and for a file that is there and differs.
    """
    text = notebooks.dumps(notebooks.read(lab))
    names = _file_names(learners)
    made: dict[str, str] = {}
    with ExitStack() as stack:
        # Threads suffice: each only waits for the process that runs its lab.
        pool = executor or stack.enter_context(ThreadPoolExecutor(jobs or os.cpu_count()))
        futures = {pool.submit(variant, text, seed_of(name)): name for name in names}
        try:
            for future in tqdm(
                as_completed(futures), total=len(futures), unit="variant",
                disable=not (show_progress and sys.stderr.isatty()), leave=False,
            ):  # fmt: skip
                made[futures[future]] = future.result()
        except CannotRun as error:
            raise CannotRun(f"the variant of {futures[future]}: {error}") from error
        finally:
            for future in futures:
                future.cancel()
    paths = {folder / f"{name}.ipynb": made[name] for name in names}
    _write_new(paths)
    return list(paths)


def _write_new(paths: Mapping[Path, str]) -> None:
    for path, content in paths.items():
        if path.exists() and path.read_bytes() != content.encode():
            raise CannotRun(f"{path} is already there and differs: choose another folder")
    for path, content in paths.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")


def variant(solved_text: str, seed: int) -> str:
    """Return the text of the learner's copy of a solved lab, given as text, with another SEED.

    Raises CannotRun if the solution does not pass the lab's own checks then.
    """
    solved = notebooks.loads(solved_text)
    with tempfile.TemporaryDirectory(prefix="labkit-") as folder:
        path = Path(folder) / "lab.ipynb"
        notebooks.write(solved, path)
        ran = _run(path, {"SEED": seed}, show_progress=False)
    for exercise in notebooks.exercises(solved):
        expected = notebooks.stdout_of(solved.cells[exercise.check_index])
        [check] = [cell for cell in ran.cells if cell.id == exercise.check_id]
        shown = notebooks.stdout_of(check)
        if shown != expected:
            raise CannotRun(
                f"with SEED = {seed} the check {exercise.check_id!r} of the solved lab shows "
                f"{shown.strip()!r}, not {expected.strip()!r}: solutions must hold for every SEED"
            )
    return notebooks.dumps(release.release(ran))


def _run(lab: Path, parameters: dict[str, object], show_progress: bool) -> NotebookNode:
    notebooks.read(lab)
    with tempfile.TemporaryDirectory(prefix="labkit-", ignore_cleanup_errors=True) as folder:
        output, work = Path(folder) / "ran.ipynb", Path(folder) / "work"
        work.mkdir()
        plan = {
            "lab": str(lab), "output": str(output), "work": str(work),
            "parameters": parameters, "show_progress": show_progress,
        }  # fmt: skip
        # A process of its own: papermill changes the working directory and leaves event loops.
        done = subprocess.run(
            [sys.executable, "-P", "-m", "labkit.classroom.variants", json.dumps(plan)],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, check=False,
            env={**os.environ, **import_path()},
        )  # fmt: skip
        if done.returncode != 0:
            raise CannotRun(f"papermill ended with exit status {done.returncode}")
        if why := json.loads(done.stdout.splitlines()[-1]):
            raise CannotRun(why)
        ran = notebooks.clean(notebooks.read(output))
    for cell in ran.cells:
        if notebooks.has_tag(cell, INJECTED_TAG):
            cell.id = INJECTED_TAG  # papermill gives it a random one
    return ran


def _execute(plan: dict[str, Any]) -> str:
    """Let papermill run a lab; return why it failed, or nothing."""
    import papermill

    known = papermill.inspect_notebook(plan["lab"])
    unknown = [name for name in plan["parameters"] if name not in known]
    if unknown:
        return (
            f"{Path(plan['lab']).stem} has no parameter {', '.join(unknown)}; its parameters are: "
            f"{', '.join(known) or 'none'}"
        )
    try:
        papermill.execute_notebook(
            plan["lab"], plan["output"], parameters=plan["parameters"], kernel_name="python3",
            progress_bar=plan["show_progress"], cwd=plan["work"], execution_timeout=_CELL_LIMIT_S,
            extra_arguments=["--log-level=ERROR"],
        )  # fmt: skip
    except papermill.PapermillExecutionError as error:
        where = f"cell {error.exec_count}" if error.exec_count else "a cell"
        return f"{where} fails: {error.ename}: {error.evalue}"
    except (CellTimeoutError, DeadKernelError) as error:
        return str(error).strip() or type(error).__name__
    return ""


def _file_names(learners: Sequence[str]) -> list[str]:
    names: dict[str, str] = {}
    for learner in learners:
        name = _normal(learner)
        if not name or name.startswith(".") or not name.isprintable() or set(name) & set("/\\"):
            raise CannotRun(
                f"the name {learner!r} cannot be a file's: leave out / and \\, what cannot be "
                "printed, and dots at the beginning"
            )
        if len(name.encode()) > _NAME_BYTES_MAX:
            raise CannotRun(f"the name {learner!r} is longer than {_NAME_BYTES_MAX} bytes")
        # Some file systems do not tell capitals apart.
        if (other := names.get(name.casefold())) is not None:
            raise CannotRun(f"the name {learner!r} is there twice (as {other!r}): make them differ")
        names[name.casefold()] = name
    if not names:
        raise CannotRun("there are no learners: give one name a line")
    return list(names.values())


def _normal(learner: str) -> str:
    return unicodedata.normalize("NFC", learner).strip()


if __name__ == "__main__":
    sys.stdout.write(json.dumps(_execute(json.loads(sys.argv[1]))) + "\n")
