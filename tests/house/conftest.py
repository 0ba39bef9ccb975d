"""What the tests of the house look at: the files that belong to the repository."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository."""
    return ROOT


@pytest.fixture(scope="session")
def tracked() -> list[Path]:
    """Every file that is tracked or would be, relative to the repository."""
    command = ["git", "ls-files", "-z", "--others", "--cached", "--exclude-standard"]
    try:
        listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    except (FileNotFoundError, subprocess.CalledProcessError):
        pytest.skip("this copy of the lab is no git repository: nothing says what belongs to it")
    # Sorted and without those deleted but not yet committed.
    paths = {Path(name) for name in listed.stdout.split("\0") if name}
    return sorted(path for path in paths if (ROOT / path).is_file())


@pytest.fixture(scope="session")
def texts(tracked: list[Path]) -> dict[Path, str]:
    """The content of every tracked file that is text."""
    found = {}
    for path in tracked:
        try:
            found[path] = (ROOT / path).read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
    return found
