"""Grade a folder of hand-ins."""

from __future__ import annotations

import dataclasses
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from pathlib import Path

from tqdm import tqdm

from labkit.classroom.grading import handin, results
from labkit.classroom.grading.handin import Answers, Sheet
from labkit.classroom.grading.limits import Limits
from labkit.classroom.grading.page import as_html
from labkit.classroom.grading.results import ClassResult, LearnerResult
from labkit.classroom.grading.run import run, stop_all
from labkit.classroom.grading.tables import as_csv, as_junit, totals_csv
from labkit.classroom.grading.task import Ran, Task
from labkit.classroom.notebooks import NotALab
from labkit.classroom.variants import seed_of


class CannotGrade(Exception):
    """There is nothing to grade, or no place for the grades; the text says what to do."""


def grade(
    handins: Path,
    lab: Path,
    *,
    executor: Executor | None = None,
    limits: Limits | None = None,
    variants: bool = False,
    jobs: int | None = None,
    hidden: Sequence[Path] = (),
    show_progress: bool = False,
    may_seal: bool = True,
) -> ClassResult:
    """Grade each `<learner>.ipynb` of a folder against the solved notebook `lab`.

    `executor` may be any; without one, `jobs` hand-ins run at once on this machine (default: one
    per core). `variants`: each with the SEED of its learner's name. `hidden` are folders that no
    hand-in may read, beside the usual ones. Raises CannotGrade or NotALab.
    """
    sheet = handin.read_lab(lab)
    folders = tuple(os.path.realpath(path) for path in (handins, lab.parent, *hidden))
    seeds = seed_of if variants else None
    graded, tasks = _prepare(sheet, handins, seeds, limits or Limits(), folders, may_seal)
    sealed = []
    total = len(graded) + len(tasks)
    with _executor(executor, jobs) as pool, _Progress(total, show_progress) as progress:
        for result in graded.values():
            progress.tell(result)
        for learner, ran in _run_all(pool, {name: task for name, (_, task) in tasks.items()}):
            sealed.append(ran.is_sealed or not ran.shown)
            graded[learner] = results.result_of(sheet, learner, tasks[learner][0], ran)
            progress.tell(graded[learner])
    titles = tuple(question.title for question in sheet.questions)
    learners = tuple(graded[name] for name in sorted(graded))
    return ClassResult(sheet.name, titles, learners, _remarks(handins, sealed))


def write(result: ClassResult, folder: Path) -> list[Path]:
    """Write grades.csv, totals.csv, grades.xml and grades.html, in place of earlier ones.

    Raises CannotGrade if they cannot be written there.
    """
    texts = {
        "grades.csv": as_csv(result),
        "totals.csv": totals_csv(result),
        "grades.xml": as_junit(result),
        "grades.html": as_html(result),
    }
    written = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            path, fresh = folder / name, folder / f".{name}.new"
            fresh.write_text(text, encoding="utf-8", errors="replace")
            fresh.replace(path)
            written.append(path)
    except OSError as error:
        raise CannotGrade(
            f"the grades cannot be written to {folder}: {error.strerror}; choose another folder "
            "with --output"
        ) from error
    return written


def _hand_ins(folder: Path) -> dict[str, Path]:
    if not folder.is_dir():
        raise CannotGrade(f"{folder} is no folder: give the one that holds the hand-ins")
    found: dict[str, Path] = {}
    for path in sorted(folder.glob("*.ipynb")):
        learner = results.legible(path.stem)
        while learner in found:  # names that differ in what is not legible
            learner += "'"
        if not path.name.startswith("."):
            found[learner] = path
    if not found:
        raise CannotGrade(f"{folder} holds no hand-in: each must be called <learner>.ipynb")
    return found


@contextmanager
def _executor(given: Executor | None, jobs: int | None) -> Iterator[Executor]:
    if given is not None:
        yield given
        return
    # Threads suffice: each only waits for the worker process that it started.
    pool = ThreadPoolExecutor(jobs or os.cpu_count() or 1)
    try:
        yield pool
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        stop_all()
        raise
    finally:
        pool.shutdown()


def _prepare(
    sheet: Sheet,
    handins: Path,
    seeds: Callable[[str], int] | None,
    limits: Limits,
    hidden: tuple[str, ...],
    may_seal: bool,
) -> tuple[dict[str, LearnerResult], dict[str, tuple[Answers, Task]]]:
    """Sort the hand-ins: those that cannot be run are graded with that."""
    graded: dict[str, LearnerResult] = {}
    tasks: dict[str, tuple[Answers, Task]] = {}
    for learner, path in _hand_ins(handins).items():
        try:
            handed = handin.read(path)
            answers = handin.find_answers(sheet, handed)
        except NotALab as error:
            graded[learner] = results.not_graded(sheet, learner, str(error))
            continue
        seed = seeds(learner) if seeds else None
        if remark := handin.seed_remark(handed, seed):
            answers = dataclasses.replace(answers, remarks=(remark, *answers.remarks))
        cells = handin.merge(sheet, answers, seed)
        tasks[learner] = (answers, Task(cells, limits, hidden, may_seal))
    return graded, tasks


def _run_all(pool: Executor, tasks: dict[str, Task]) -> Iterator[tuple[str, Ran]]:
    futures = {pool.submit(run, task): learner for learner, task in tasks.items()}
    for future in as_completed(futures):
        try:
            ran = future.result()
        except Exception as error:  # of the executor: a machine of a cluster went away
            why = f"could not be run: {type(error).__name__}: {error}"
            ran = Ran({}, why, (), False, 0.0)
        yield futures[future], ran


def _remarks(handins: Path, sealed: list[bool]) -> tuple[str, ...]:
    remarks = []
    if not all(sealed):
        remarks.append(
            "This machine does not allow namespaces. Hand-ins were told not to read your files, "
            "and were not prevented from it."
        )
    others = [path.name for path in sorted(handins.iterdir()) if path.suffix != ".ipynb"]
    others = [results.legible(name) for name in others if not name.startswith((".", "grades."))]
    if others:
        shown = ", ".join(others[:5]) + (" …" if len(others) > 5 else "")
        remarks.append(f"Not graded, as they are not called <learner>.ipynb: {shown}")
    return tuple(remarks)


class _Progress:
    """A bar on a terminal; elsewhere a line for each hand-in."""

    def __init__(self, total: int, is_shown: bool) -> None:
        self._total, self._done = total, 0
        self._is_shown = is_shown
        self._has_bar = is_shown and sys.stderr.isatty()

    def __enter__(self) -> _Progress:
        if self._has_bar:
            self._bar = tqdm(total=self._total, unit="hand-in", file=sys.stderr, leave=False)
        return self

    def __exit__(self, *_: object) -> None:
        if self._has_bar:
            self._bar.close()

    def tell(self, result: LearnerResult) -> None:
        """One more is done."""
        self._done += 1
        if self._has_bar:
            self._bar.update()
        elif self._is_shown:
            counts = f"{self._done}/{self._total}"
            solved = f"{result.solved} of {len(result.marks)} solved"
            sys.stderr.write(f"{counts} {result.learner}: {solved}\n")
