"""`%%function NAME`: the cell is the file that is deployed, to the letter."""

from __future__ import annotations

import argparse
import platform
import shlex
import sys
from typing import TYPE_CHECKING, Any, Final, NoReturn

from labkit.notebook import deploy
from labkit.notebook.source import parsed

if TYPE_CHECKING:
    from labkit.notebook.lab import Lab

_USAGE: Final = (
    "%%function NAME [--memory-mb N] [--timeout-s N] [--runtime NAME] [--handler FILE.FUNCTION] "
    "[--env KEY=VALUE]"
)


def register(lab: Lab) -> None:
    """Make `%%function` deploy into this lab, where there is an IPython; elsewhere do nothing."""
    # Outside a notebook nobody needs IPython, and it takes as long to load as all the rest.
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    if shell is not None:
        shell.register_magic_function(_magic(lab), "cell", "function")


def _magic(lab: Lab) -> Any:
    def function(line: str, cell: str) -> deploy.Function:
        """Deploy the cell as the file app.py, exactly as it stands, and wait until it is active.

        %%function NAME [--memory-mb N] [--timeout-s N] [--runtime NAME] [--handler FILE.FUNCTION]
                        [--env KEY=VALUE]

        Like AWS it takes a file with a syntax error, which then fails in the init phase; a line
        says so.
        """
        options = _options(line)
        deployed = lab.deploy_source(
            cell,
            name=options.name,
            memory_mb=options.memory_mb,
            timeout_s=options.timeout_s,
            runtime=options.runtime,
            handler_name=options.handler,
            environment=dict(options.env),
        )
        _tell_syntax_error(cell)
        return deployed

    return function


def _tell_syntax_error(source: str) -> None:
    try:
        parsed(source)
    except SyntaxError as error:
        # The runtime may be a newer Python, and know better.
        python = ".".join(platform.python_version_tuple()[:2])
        sys.stderr.write(
            f"{deploy.FILE}, line {error.lineno}: {error.msg} (so says Python {python}; Lambda "
            "finds out in the init phase)\n"
        )


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        _refuse(message)


def _refuse(message: str) -> NoReturn:
    from IPython.core.error import UsageError

    raise UsageError(f"{message}. Write it like this: {_USAGE}")


def _options(line: str) -> argparse.Namespace:
    # Without abbreviations: --memory says nothing of its unit.
    parser = _Parser(add_help=False, allow_abbrev=False)
    parser.add_argument("name", metavar="NAME")
    parser.add_argument("--memory-mb", type=int, default=deploy.MEMORY_MB)
    parser.add_argument("--timeout-s", type=int, default=deploy.TIMEOUT_S)
    parser.add_argument("--runtime", default=deploy.RUNTIME)
    parser.add_argument("--handler", default=deploy.HANDLER)
    parser.add_argument("--env", type=_pair, action="append", default=[])
    try:
        words = shlex.split(line)
    except ValueError as error:
        _refuse(str(error))
    return parser.parse_args(words)


def _pair(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not (key and equals):
        raise argparse.ArgumentTypeError(f"{text!r} is not KEY=VALUE")
    return key, value
