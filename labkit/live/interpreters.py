"""Which programs of this machine can run which Lambda runtime."""

from __future__ import annotations

import functools
import json
import os
import platform
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from labkit.core.errors import ApiError, invalid_parameter
from labkit.core.runtimes import RUNTIMES

_PROBE = (
    "import sys, json; print(json.dumps({'prefix': sys.base_prefix, 'version':"
    " '.'.join(map(str, sys.version_info[:3])), 'path': sys._base_executable or sys.executable}))"
)
_SEARCH = (
    "~/.pyenv/versions/{v}.*/bin/python{v}",
    "~/.local/share/uv/python/cpython-{v}.*/bin/python{v}",
)


@dataclass(frozen=True, slots=True)
class Interpreter:
    """A program that runs a runtime's code. ``own`` is the interpreter that the lab itself runs
    on.
    """

    path: str
    version: str
    prefix: str
    own: bool = False


@functools.cache
def own_python() -> Interpreter:
    """The interpreter of the lab itself, outside its virtual environment."""
    return Interpreter(
        path=os.path.realpath(getattr(sys, "_base_executable", None) or sys.executable),
        version=platform.python_version(),
        prefix=os.path.realpath(sys.base_prefix),
        own=True,
    )


@functools.cache
def find_interpreters() -> dict[str, Interpreter]:
    """Every Python identifier of Lambda that this machine has a matching interpreter for."""
    found = {}
    for runtime in RUNTIMES.values():
        if runtime.family == "python" and not runtime.deprecated:
            interpreter = _python(runtime.identifier.removeprefix("python"))
            if interpreter is not None:
                found[runtime.identifier] = interpreter
    return found


@functools.cache
def find_node() -> Interpreter | None:
    """Node.js, where it is installed."""
    path = shutil.which("node")
    if path is None:
        return None
    path = os.path.realpath(path)
    answer = _run([path, "--version"])
    if answer is None:
        return None
    prefix = str(Path(path).parent.parent)
    return Interpreter(path=path, version=answer.strip().removeprefix("v"), prefix=prefix)


def python_for(identifier: str) -> Interpreter:
    """The interpreter that runs a Python runtime: the matching one, otherwise the lab's own."""
    own = own_python()
    if own.version.startswith(identifier.removeprefix("python") + "."):
        return own
    return _python(identifier.removeprefix("python")) or own


def check_runtime_here(identifier: str, package_type: str) -> None:
    """Refuse at creation what this machine cannot run, saying what would make it work.

    Raises ApiError (400 InvalidParameterValueException). Whether AWS knows the identifier is
    checked elsewhere (:func:`labkit.core.runtimes.check_runtime`).
    """
    if package_type == "Image":
        raise _cannot(
            "Container images need a container engine, which this lab does without. "
            "Deploy the same code as a .zip package (PackageType Zip)."
        )
    family = RUNTIMES[identifier].family
    if family == "nodejs" and find_node() is None:
        raise _cannot(
            f"{identifier} needs Node.js on this machine, and no 'node' is on the PATH. "
            "Install Node.js, start the lab again, and create the function again."
        )
    if family not in ("python", "nodejs", "provided"):
        raise _cannot(
            f"This lab has no runtime client for {identifier}: it runs Python, Node.js and "
            "provided.*. Use provided.al2023 with a 'bootstrap' that speaks the Runtime API."
        )


def _cannot(message: str) -> ApiError:
    return invalid_parameter(f"This function cannot run on this machine. {message}")


@functools.cache
def _python(version: str) -> Interpreter | None:
    own = own_python()
    if own.version.startswith(version + "."):
        return own
    candidates = [shutil.which(f"python{version}") or ""]
    for pattern in _SEARCH:
        expanded = os.path.expanduser(pattern.format(v=version))
        anchor, _, rest = (
            expanded.partition("/cpython-") if "cpython-" in expanded else ("", "", "")
        )
        folder = Path(anchor) if anchor else Path(expanded).parents[2]
        glob = f"cpython-{rest}" if anchor else os.path.relpath(expanded, folder)
        candidates += sorted(map(str, folder.glob(glob)), reverse=True)
    for candidate in filter(None, candidates):
        answer = _run([candidate, "-I", "-S", "-c", _PROBE])
        if answer is not None and json.loads(answer)["version"].startswith(version + "."):
            told = json.loads(answer)
            path, prefix = os.path.realpath(told["path"]), os.path.realpath(told["prefix"])
            return Interpreter(path=path, version=told["version"], prefix=prefix)
    return None


def _run(command: list[str]) -> str | None:
    try:
        result = subprocess.run(
            command, capture_output=True, text=True, timeout=10, stdin=subprocess.DEVNULL
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return result.stdout if result.returncode == 0 else None
