"""The command line: `labkit serve` and `labkit doctor`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import labkit


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit status."""
    options = _parser().parse_args(arguments)
    if options.command == "doctor":
        from labkit.live import doctor

        return doctor.main(as_json=options.json)
    from labkit.live import server

    return server.serve(
        port=options.port,
        seed=options.seed,
        with_parent=options.with_parent,
        directory=options.directory,
    )


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
    return parser


def _port(text: str) -> int:
    return _whole_number(text, 65_535)


def _seed(text: str) -> int:
    return _whole_number(text, 2**63 - 1)


def _whole_number(text: str, maximum: int) -> int:
    if not (text.isascii() and text.isdigit() and int(text) <= maximum):
        raise argparse.ArgumentTypeError(f"must be a whole number from 0 to {maximum}")
    return int(text)
