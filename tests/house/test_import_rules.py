"""The import rules hold, and each of them bites."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the package that a test may spoil."""
    folder = tmp_path_factory.mktemp("imports")
    shutil.copytree(ROOT / "labkit", folder / "labkit", ignore=shutil.ignore_patterns("*.pyc"))
    shutil.copy(ROOT / "pyproject.toml", folder)
    return folder


def broken_contracts(folder: Path) -> list[str]:
    """The names of the contracts that import-linter finds broken there."""
    # The copy comes before whatever labkit is installed here.
    environ = {**os.environ, "PYTHONPATH": str(folder), "COLUMNS": "400"}
    code = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    done = subprocess.run(
        [sys.executable, "-c", code, "--no-cache"],
        cwd=folder,
        env=environ,
        capture_output=True,
        text=True,
    )
    assert "Contracts:" in done.stdout, done.stdout + done.stderr
    broken = [line.removesuffix(" BROKEN") for line in done.stdout.splitlines() if "BROKEN" in line]
    assert (done.returncode != 0) == bool(broken)
    return broken


def test_the_import_rules_hold(copy: Path) -> None:
    assert broken_contracts(copy) == []


@pytest.mark.parametrize(
    ("module", "imports", "contract"),
    [
        ("core/spoiled.py", "import time", "core decides"),
        ("core/spoiled.py", "from subprocess import run", "core decides"),
        ("core/spoiled.py", "from labkit.live import clock", "Layers"),
        ("core/spoiled.py", "def late():\n    import threading", "core decides"),
        ("live/spoiled.py", "from labkit.notebook import display", "Layers"),
        ("live/spoiled.py", "import labkit.fleet", "Layers"),
        ("live/spoiled.py", "import moto.core", "moto only"),
        ("live/spoiled.py", "import matplotlib.pyplot", "Drawing only"),
        ("notebook/spoiled.py", "from labkit.live.server import serve", "Of live"),
    ],
)
def test_an_import_against_the_rules_is_found(
    copy: Path, module: str, imports: str, contract: str
) -> None:
    fleet = copy / "labkit" / "fleet"  # a room of the design that may not be built yet
    is_new_room = not fleet.exists()
    if is_new_room:
        fleet.mkdir()
        (fleet / "__init__.py").write_text("")
    spoiled = copy / "labkit" / module
    spoiled.write_text(f"{imports}\n")
    try:
        broken = broken_contracts(copy)
    finally:
        spoiled.unlink()
        if is_new_room:
            shutil.rmtree(fleet)
    assert any(name.startswith(contract) for name in broken), broken
