"""Runs nbval on notebooks as a learner or a teacher does, in a process of its own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
_RESULT = re.compile(
    r"^(PASSED|FAILED|ERROR) \S*?(?P<file>[\w-]+\.ipynb)(?:::(?P<cell>.+?))?(?: - .*)?$", re.M
)


@dataclass(frozen=True)
class Run:
    """What came of a run."""

    status: int
    output: str
    failed: dict[str, list[str]]
    """The names of the failed cells of each file that was looked at."""


def nbval(
    folder: Path,
    paths: Sequence[Path],
    *arguments: str,
    house_options: bool = True,
    private: Path | None = None,
) -> Run:
    """Run pytest on notebooks of one folder, with the options of pyproject.toml or without any.

    What Jupyter writes goes to the folder `private`, or into `folder` itself.
    """
    command = [sys.executable, "-m", "pytest", "-rA", "-p", "no:cacheprovider", "--nbval"]
    command += [f"--rootdir={folder}", "-c", str(ROOT / "pyproject.toml")]
    if not house_options:
        command += ["-o", "addopts=", "-o", "filterwarnings="]
    private = private or folder / ".jupyter"
    environment = os.environ | {
        "IPYTHONDIR": str(private / "ipython"),
        "JUPYTER_RUNTIME_DIR": str(private / "runtime"),
        "PY_COLORS": "0",
        "COLUMNS": "200",
    }
    done = subprocess.run(
        [*command, *arguments, *map(str, paths)],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    output = done.stdout + done.stderr
    failed: dict[str, list[str]] = {path.name: [] for path in paths}
    for result in _RESULT.finditer(output):
        failed.setdefault(result["file"], [])
        if result[1] != "PASSED":
            failed[result["file"]].append(result["cell"] or "")
    return Run(done.returncode, output, failed)
