"""A class that handed in the tiny lab."""

from __future__ import annotations

from pathlib import Path

import pytest
import tiny_lab

from labkit.classroom import notebooks, release

BILL = "billed_ms = 78"
MEAN = "def mean(durations_ms):\n    return sum(durations_ms) / len(durations_ms)"


class Class:
    """A folder with the solved lab, and one with the hand-ins."""

    def __init__(self, folder: Path) -> None:
        tiny_lab.write_labs(folder / "labs")
        self.lab = folder / "labs" / "solutions" / tiny_lab.NAME
        self.handins = folder / "handins"
        self.handins.mkdir()

    def hand_in(self, learner: str, /, without: tuple[str, ...] = (), **sources: str) -> Path:
        """Write a hand-in with other sources; `_` in a cell's name stands for `-`."""
        notebook = release.release(notebooks.read(self.lab))
        for name, source in sources.items():
            tiny_lab.cell(notebook, name.replace("_", "-")).source = source
        notebook.cells = [cell for cell in notebook.cells if cell.id not in without]
        path = self.handins / f"{learner}.ipynb"
        notebooks.write(notebook, path)
        return path

    def hand_in_solved(self, learner: str) -> Path:
        """Write a hand-in that solves everything."""
        return self.hand_in(learner, bill=BILL, mean=MEAN)


@pytest.fixture
def school(tmp_path: Path) -> Class:
    return Class(tmp_path)
