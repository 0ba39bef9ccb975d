"""What the commands for teachers do: `grade`, `run`, `hand-out`, `release`.

Each returns its exit status: 0 when it did its work, 1 when it found what is not in order, 2 when
it could not begin.
"""

from __future__ import annotations

import argparse
import ast
import importlib
import os
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from pathlib import Path

from labkit.classroom import hygiene, notebooks, release
from labkit.classroom.grading import grade as grading
from labkit.classroom.grading.limits import Limits
from labkit.classroom.grading.places import import_path
from labkit.classroom.grading.results import ClassResult
from labkit.classroom.notebooks import NotALab
from labkit.classroom.variants import CannotRun, hand_out, run_lab

_LABS_DIR = notebooks.LABS_DIR
_DASK_WAIT = "10s"


def main(options: argparse.Namespace) -> int:
    """Do what the command line asks for."""
    commands: dict[str, Callable[[argparse.Namespace], int]] = {
        "grade": _grade,
        "run": _run,
        "hand-out": _hand_out,
        "release": _release,
    }
    os.environ.update(import_path())  # kernels must find this very labkit
    try:
        return commands[options.command](options)
    except (grading.CannotGrade, NotALab, CannotRun) as error:
        _say_error(options.command, str(error))
        return 2
    except KeyboardInterrupt:
        _say_error(options.command, "interrupted; nothing was written")
        return 130


def _grade(options: argparse.Namespace) -> int:
    handins: Path = options.handins
    folder = options.output or handins.resolve().with_name(handins.resolve().name + "-grades")
    if folder.exists() and not folder.is_dir():
        raise grading.CannotGrade(f"{folder} is a file: choose another folder with --output")
    limits = Limits(
        total_s=options.timeout_s,
        cell_s=min(options.timeout_s / 2, Limits().cell_s),
        memory_mb=options.memory_mb,
    )
    with _dask(options.dask) as executor:
        result = grading.grade(
            handins,
            notebooks.find_lab(options.lab),
            executor=executor,
            limits=limits,
            variants=options.variants,
            jobs=options.jobs,
            hidden=(folder,),
            show_progress=True,
        )
    written = grading.write(result, folder)
    _say(_summary(result))
    _say(f"\nTo read: {written[-1]}")
    return 0


@contextmanager
def _dask(address: str | None) -> Iterator[Executor | None]:
    if address is None:
        yield None
        return
    try:
        distributed = importlib.import_module("distributed")
    except ImportError as error:
        raise grading.CannotGrade(
            "--dask needs the package distributed: pip install distributed"
        ) from error
    try:
        client = distributed.Client(address, timeout=_DASK_WAIT)
    except (OSError, ValueError) as error:
        raise grading.CannotGrade(f"no Dask scheduler answers at {address}: {error}") from error
    with client:
        yield client.get_executor()


def _summary(result: ClassResult) -> str:
    count = len(result.titles)
    width = max(len(learner.learner) for learner in result.learners)
    lines = [f"{result.lab}: {len(result.learners)} hand-ins, {count} exercises"]
    for learner in result.learners:
        remarks = f"  {'; '.join(learner.remarks)}" if learner.remarks else ""
        lines.append(f"  {learner.learner:<{width}}  {learner.solved} of {count} solved{remarks}")
    return "\n".join([*lines, *result.remarks])


def _run(options: argparse.Namespace) -> int:
    lab = notebooks.find_lab(options.lab)
    output: Path = options.output or Path(f"{lab.stem}-run.ipynb")
    parameters = {name: _value(text) for name, text in options.parameters}
    run_lab(lab, parameters, output, show_progress=True)
    _say(f"{lab.stem} ran; to read: {output}")
    return 0


def _value(text: str) -> object:
    """What papermill takes from a command line: a number, True, False, None, or else text."""
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text
    return value if value is None or isinstance(value, bool | int | float) else text


def _hand_out(options: argparse.Namespace) -> int:
    try:
        lines = options.learners.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise CannotRun(f"{options.learners} cannot be read: {error}") from error
    names = [line.strip() for line in lines]
    names = [name for name in names if name and not name.startswith("#")]
    lab = notebooks.find_lab(options.lab)
    written = hand_out(lab, names, options.output, jobs=options.jobs, show_progress=True)
    _say(f"{lab.stem}: {len(written)} variants in {options.output}")
    return 0


def _release(options: argparse.Namespace) -> int:
    changed = release.release_all(_LABS_DIR, check=options.check)
    for name in changed:
        _say(f"{name}: {'differs from its solution' if options.check else 'written'}")
    labs = notebooks.solved_labs(_LABS_DIR)
    problems = [
        f"solutions/{path.name}: {problem}"
        for path in labs
        for problem in hygiene.problems(notebooks.read(path), solved=True)
    ]
    _say("\n".join(problems) if problems else f"In order: {', '.join(path.stem for path in labs)}")
    return int(bool(problems) or (options.check and bool(changed)))


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")


def _say_error(command: str, text: str) -> None:
    sys.stderr.write(f"labkit {command}: {text}\n")
