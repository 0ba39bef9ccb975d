"""Which folders are the teacher's, and what a hand-in needs although it lies in one of them."""

from __future__ import annotations

import os
import shutil
import site
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

INTERPRETERS: Final = (".pyenv/versions", ".local/share/uv/python")
"""Where in a home other versions of Python lie: labs run functions on them."""
_LABKIT_DIR: Final = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class Places:
    """Of a `hidden` and a `needed` folder that hold a path the inner one decides."""

    hidden: tuple[str, ...]
    """Real paths."""
    needed: tuple[str, ...]
    """Real paths, and those that lead to them by links."""

    def hides(self, path: str) -> bool:
        """Tell whether a real path belongs to the teacher alone."""
        hidden = max((len(folder) for folder in self.hidden if is_below(path, folder)), default=-1)
        needed = max((len(folder) for folder in self.needed if is_below(path, folder)), default=-1)
        return hidden >= 0 and hidden >= needed


def is_below(path: str, folder: str) -> bool:
    """Tell whether a path is a folder or in it."""
    return path == folder or path.startswith(folder.rstrip("/") + "/")


def teachers_places(handed: Iterable[str], run_dir: Path) -> Places:
    """The teacher's folders on this machine: home, this checkout, and those `handed` over.

    `run_dir` is the hand-in's own. Of the checkout all is hidden but the code: its history holds
    the solutions, too.
    """
    own = [str(Path.home())]
    checkout = _LABKIT_DIR.parent
    if (checkout / "labs" / "solutions").is_dir():  # else labkit is installed among other packages
        # The inner ones by name too: one may stand on the import path, as tests/ does in a test.
        own += map(str, (checkout, checkout / "labs", checkout / "tests"))
    hidden = {os.path.realpath(path) for path in (*handed, *own)}
    wanted = (*needed_paths(), str(run_dir))
    needed = {way(path) for path in wanted for way in (os.path.abspath, os.path.realpath)}
    return Places(tuple(sorted(hidden - {"/"})), tuple(sorted(needed - {"/"})))


def import_path() -> dict[str, str]:
    """The variable with which a new Python finds this very labkit, installed or a checkout."""
    root = str(_LABKIT_DIR.parent)
    entries = [entry for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if entry]
    if root not in (*entries, sysconfig.get_path("purelib"), sysconfig.get_path("platlib")):
        entries.insert(0, root)
    return {"PYTHONPATH": os.pathsep.join(entries)} if entries else {}


def needed_paths() -> Iterator[str]:
    """Where Python, what it imports, and the programs that labs call lie, links included."""
    yield str(_LABKIT_DIR)
    yield str(_LABKIT_DIR.parent / "data")
    yield from (sys.prefix, sys.base_prefix, sys.exec_prefix, site.getuserbase() + "/lib")
    yield from sysconfig.get_paths().values()
    yield from (str(Path.home() / folder) for folder in INTERPRETERS)
    yield from _links(sys.executable)
    # The folder that holds a checkout's labkit is on the path too; it holds much else.
    yield from (entry for entry in sys.path if entry and Path(entry) != _LABKIT_DIR.parent)
    yield from filter(None, os.environ.get("PATH", "").split(os.pathsep))
    if node := shutil.which("node"):
        yield os.path.dirname(os.path.dirname(os.path.realpath(node)))


def _links(program: str) -> Iterator[str]:
    """The folders on the way from a program's name to its file."""
    while os.path.islink(program):
        yield os.path.dirname(program)
        program = os.path.join(os.path.dirname(program), os.readlink(program))
    yield os.path.dirname(program)
