"""A small lab that is quick to run, for tests of what is done with labs."""

from __future__ import annotations

from pathlib import Path

from nbformat import NotebookNode, v4

from labkit.classroom import notebooks, release

NAME = "90_tiny.ipynb"

BILL = """
# How many ms are billed for 2.3 ms after an init of 75.1 ms?
### BEGIN SOLUTION
billed_ms = math.ceil(2.3 + 75.1)
### END SOLUTION
"""
CHECK_BILL = """
with check("1 · the bill") as refuse:
    refuse.unless_number(billed_ms, "ms", whole=True)
    refuse(billed_ms == 3, "that is the duration alone: the init phase is billed too")
    refuse(billed_ms < 78, "rounds up, not down")
    refuse(billed_ms != 78, "init and duration, in whole milliseconds")
"""
MEAN = """
def mean(durations_ms):
    ### BEGIN SOLUTION
    return sum(durations_ms) / len(durations_ms)
    ### END SOLUTION
"""
CHECK_MEAN = """
with check("2 · the mean") as refuse:
    refuse.unless_number(mean([1, 2, 6]), "ms")
    refuse(mean([1, 2, 6]) == 2, "that is the median")
    refuse(mean([1, 2, 6]) == 9, "that is the sum")
    refuse(mean([1, 2, 6]) != 3, "the sum through the number of durations")
"""


def solved_lab() -> NotebookNode:
    """Two exercises, solved and run: "bill" is a value, "mean" a function."""
    cells = [
        v4.new_markdown_cell("# A tiny lab", id="title"),
        code("parameters", "SEED = 1", tags=["parameters"]),
        v4.new_markdown_cell("Only what the exercises need.", id="setup-text"),
        code("setup", "import math\n\nfrom labkit import check", tags=["setup"]),
        v4.new_markdown_cell("## Exercises", id="exercises"),
        code("bill", BILL, tags=["exercise"]),
        code("check-bill", CHECK_BILL, "PASS 1 · the bill\n", tags=["check"]),
        v4.new_markdown_cell("Now a function.", id="mean-text"),
        code("mean", MEAN, tags=["exercise"]),
        v4.new_markdown_cell("It is checked here.", id="mean-check-text"),
        code("check-mean", CHECK_MEAN, "PASS 2 · the mean\n", tags=["check"]),
        v4.new_markdown_cell("That is all.", id="end-text"),
        code("end", "print(SEED + 1)", "2\n"),
    ]
    code_cells = [cell for cell in cells if cell.cell_type == "code"]
    for number, cell in enumerate(code_cells, start=1):
        cell.execution_count = number
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    metadata = {"kernelspec": kernel, "language_info": {"name": "python"}}
    return v4.new_notebook(cells=cells, metadata=metadata)


def code(name: str, source: str, printed: str = "", tags: list[str] | None = None) -> NotebookNode:
    """A code cell that prints something."""
    outputs = [v4.new_output("stream", name="stdout", text=printed)] if printed else []
    metadata = {"tags": tags} if tags else {}
    return v4.new_code_cell(source.strip("\n"), id=name, outputs=outputs, metadata=metadata)


def cell(notebook: NotebookNode, name: str) -> NotebookNode:
    """The cell with that id."""
    (found,) = [cell for cell in notebook.cells if cell.id == name]
    return found


def write_labs(folder: Path) -> Path:
    """Make `folder` a folder of labs with the tiny one; return the learner's copy."""
    (folder / "solutions").mkdir(parents=True)
    (folder / "conftest.py").write_bytes((notebooks.LABS_DIR / "conftest.py").read_bytes())
    notebooks.write(solved_lab(), folder / "solutions" / NAME)
    release.release_all(folder)
    return folder / NAME
