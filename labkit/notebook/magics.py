"""`%%function NAME`: the cell is the file that is deployed, to the letter."""

from __future__ import annotations

import argparse
import shlex
from typing import TYPE_CHECKING, NoReturn

from IPython.core.error import UsageError
from IPython.core.getipython import get_ipython

from labkit.notebook import deploy

if TYPE_CHECKING:
    from labkit.notebook.lab import Lab


def register(lab: Lab) -> None:
    """Make `%%function` deploy into this lab, where there is an IPython; elsewhere do nothing."""
    shell = get_ipython()
    if shell is not None:
        shell.register_magic_function(_magic(lab), "cell", "function")


def _magic(lab: Lab):  # type: ignore[no-untyped-def]
    def function(line: str, cell: str) -> deploy.Function:
        """Deploy the cell as the file app.py: `%%function NAME [--memory-mb N] [--timeout-s N]`."""
        options = _parser().parse_args(_words(line))
        return lab.deploy_source(
            cell,
            name=options.name,
            memory_mb=options.memory_mb,
            timeout_s=options.timeout_s,
            runtime=options.runtime,
            handler_name=options.handler,
            environment=dict(options.environment),
        )

    return function


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(f"%%function: {message}\n{self.format_usage().strip()}")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="%%function", add_help=False)
    parser.add_argument("name", metavar="NAME")
    parser.add_argument("--memory-mb", type=int, default=deploy.MEMORY_MB)
    parser.add_argument("--timeout-s", type=int, default=deploy.TIMEOUT_S)
    parser.add_argument("--runtime", default=deploy.RUNTIME)
    parser.add_argument("--handler", default=deploy.HANDLER)
    parser.add_argument(
        "--env", dest="environment", metavar="KEY=VALUE", type=_pair, action="append", default=[]
    )
    return parser


def _words(line: str) -> list[str]:
    try:
        return shlex.split(line)
    except ValueError as error:
        raise UsageError(f"%%function: {error} in {line!r}") from None


def _pair(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"{text!r} is not KEY=VALUE")
    return key, value
