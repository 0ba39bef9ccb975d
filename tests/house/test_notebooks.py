"""Every lab is as it should be stored: run, small, and of one vocabulary."""

from __future__ import annotations

from pathlib import Path

import pytest

from labkit.classroom import hygiene, notebooks

ROOT = Path(__file__).parents[2]
# A glob, not a list: a new notebook is looked at from its first day.
NOTEBOOKS = sorted(
    path for path in ROOT.glob("labs/**/*.ipynb") if ".ipynb_checkpoints" not in path.parts
)


def is_solved(path: Path) -> bool:
    return path.parent.name == notebooks.SOLUTIONS


def test_there_are_notebooks() -> None:
    assert ROOT / "labs" / "00_start_here.ipynb" in NOTEBOOKS


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_notebook_is_as_it_should_be_stored(path: Path) -> None:
    notebook = notebooks.read(path)
    assert hygiene.problems(notebook, solved=is_solved(path)) == []
    assert path.read_text(encoding="utf-8") == notebooks.dumps(notebook)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_lab_has_its_solved_twin(path: Path) -> None:
    copied = path.parent.parent / path.name if is_solved(path) else path
    assert copied.is_file()
    assert notebooks.solved_twin(copied) is not None
