"""The command line: `labkit serve`, `doctor`, and for teachers `grade`, `run`, `hand-out`,
`release`."""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import labkit


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit status."""
    options = _parser().parse_args(arguments)
    # Each command imports its own part, so that a server starts without the teachers' tools.
    if options.command == "serve":
        from labkit.live import server

        return server.serve(
            port=options.port,
            seed=options.seed,
            with_parent=options.with_parent,
            directory=options.directory,
        )
    if options.command == "doctor":
        from labkit.live import doctor

        return doctor.main(as_json=options.json)
    from labkit.classroom import commands

    return commands.main(options)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="labkit", description="A learning lab for AWS Lambda on your own machine."
    )
    parser.add_argument("--version", action="version", version=f"labkit {labkit.__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    serve = commands.add_parser(
        "serve",
        help="run a lab until Ctrl-C",
        description="Run a lab until Ctrl-C. Prints one line of JSON with its address, the "
        "credentials for AWS clients and the token of the control interface.",
    )
    serve.add_argument("--port", type=_port, default=0, help="listen there (default: a free port)")
    serve.add_argument("--seed", type=_seed, default=0, help="of every random choice (default: 0)")
    serve.add_argument("--with-parent", action="store_true", help=argparse.SUPPRESS)
    serve.add_argument("--directory", type=Path, help=argparse.SUPPRESS)
    doctor = commands.add_parser("doctor", help="say what this machine lacks, and how to mend it")
    doctor.add_argument("--json", action="store_true", help="for programs: one JSON object")
    _add_grade(commands)
    _add_run(commands)
    _add_hand_out(commands)
    release = commands.add_parser(
        "release", help="write the learners' copies of the labs from the solved ones"
    )
    release.add_argument("--check", action="store_true", help="write nothing, say what differs")
    return parser


_Commands = Any  # argparse keeps the type of its subparsers to itself


def _add_grade(commands: _Commands) -> None:
    grade = commands.add_parser(
        "grade",
        help="grade a folder of hand-ins",
        description="Grade HANDINS/<learner>.ipynb: put each learner's exercise cells into the "
        "pristine lab and run it under limits. Writes grades.csv, grades.xml (JUnit) and "
        "grades.html.",
    )
    grade.add_argument("handins", type=Path, metavar="HANDINS", help="the folder of the hand-ins")
    grade.add_argument("--lab", required=True, metavar="NN", help="number, name or solved notebook")
    grade.add_argument(
        "--output", type=Path, metavar="DIR", help="where the grades go (default: HANDINS-grades)"
    )
    grade.add_argument("--jobs", type=_count, metavar="N", help="at once (default: one per core)")
    grade.add_argument(
        "--timeout-s",
        type=_amount,
        default=120.0,
        metavar="S",
        help="for one hand-in (120); a cell gets half of it, and 60 at most",
    )
    grade.add_argument(
        "--memory-mb", type=_amount, default=1500.0, metavar="M", help="for one hand-in (1500)"
    )
    grade.add_argument(
        "--variants", action="store_true", help="each with the SEED of the learner's name"
    )
    grade.add_argument(
        "--dask", metavar="ADDRESS", help="run on this Dask cluster, as in tcp://HOST:PORT"
    )


def _add_run(commands: _Commands) -> None:
    run = commands.add_parser("run", help="run a solved lab with other parameters")
    run.add_argument("lab", metavar="NN", help="number, name or solved notebook")
    run.add_argument(
        "-p", dest="parameters", nargs=2, action="append", default=[], metavar=("NAME", "VALUE"),
        help="a parameter of the lab, as in -p SEED 8; may be repeated",
    )  # fmt: skip
    run.add_argument("--output", type=Path, metavar="FILE", help="default: NN_topic-run.ipynb here")


def _add_hand_out(commands: _Commands) -> None:
    hand_out = commands.add_parser("hand-out", help="make a variant of a lab for each learner")
    hand_out.add_argument("lab", metavar="NN", help="number, name or solved notebook")
    hand_out.add_argument(
        "--learners", type=Path, required=True, metavar="FILE",
        help="a name a line; empty lines and lines that begin with # do not count",
    )  # fmt: skip
    hand_out.add_argument("--output", type=Path, required=True, metavar="DIR", help="to write to")
    hand_out.add_argument(
        "--jobs", type=_count, metavar="N", help="at once (default: one per core)"
    )


def _port(text: str) -> int:
    return _whole_number(text, 0, 65_535)


def _seed(text: str) -> int:
    return _whole_number(text, 0, 2**63 - 1)


def _count(text: str) -> int:
    return _whole_number(text, 1, 1_000)


def _whole_number(text: str, minimum: int, maximum: int) -> int:
    if not (text.isascii() and text.isdigit() and minimum <= int(text) <= maximum):
        raise argparse.ArgumentTypeError(f"must be a whole number from {minimum} to {maximum}")
    return int(text)


def _amount(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError("must be a number above 0")
    return value
