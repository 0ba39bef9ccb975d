"""Every notebook of the repository is as it should be stored: run, small, and of one vocabulary."""

from __future__ import annotations

import ast
import copy
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from IPython.core.inputtransformer2 import TransformerManager

ROOT = Path(__file__).parents[2]
# A glob, not a list: a new notebook is looked at from its first day.
NOTEBOOKS = sorted(
    path
    for path in ROOT.glob("**/*.ipynb")
    if not {".venv", ".ipynb_checkpoints"} & set(path.relative_to(ROOT).parts)
)
CODE_LINES_MAX, HANDLER_LINES_MAX = 15, 20
CODE_CELLS_IN_A_ROW_MAX = 3
FILE_KB_MAX = 300
VOCABULARY = sys.stdlib_module_names | {"boto3", "labkit"}


def problems(notebook: dict[str, Any]) -> list[str]:
    """What is wrong with a notebook, in words."""
    found = []
    if "widgets" in notebook["metadata"]:
        found.append("metadata.widgets is stored")
    if notebook["metadata"].get("kernelspec", {}).get("name") != "python3":
        found.append("its kernel is not python3, which every Jupyter has")
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    if not code:
        found.append("it has no code")
    counts = [cell["execution_count"] for cell in code]
    if counts != list(range(1, len(code) + 1)):
        found.append(f"it was not run once from top to bottom: {counts}")
    for cell in code:
        found += [f"{problem}:\n{_source(cell)}" for problem in _cell_problems(cell)]
    kinds = "".join("c" if cell["cell_type"] == "code" else "m" for cell in notebook["cells"])
    if "c" * (CODE_CELLS_IN_A_ROW_MAX + 1) in kinds:
        found.append(f"more than {CODE_CELLS_IN_A_ROW_MAX} code cells in a row")
    return found


def _cell_problems(cell: dict[str, Any]) -> list[str]:
    found = []
    source = _source(cell)
    if not source.strip():
        found.append("an empty code cell")
    if any(output["output_type"] == "error" for output in cell["outputs"]):
        found.append("a stored traceback")
    if "Traceback (most recent call last)" in json.dumps(cell["outputs"]):
        found.append("a printed traceback")
    is_handler = "def handler(" in source or "def lambda_handler(" in source
    if len(source.splitlines()) > (HANDLER_LINES_MAX if is_handler else CODE_LINES_MAX):
        found.append("too many lines")
    foreign = _imported(source) - VOCABULARY
    if foreign:
        found.append(f"imports {sorted(foreign)}")
    return found


def _source(cell: dict[str, Any]) -> str:
    return "".join(cell["source"])


def _imported(source: str) -> set[str]:
    if source.startswith("%%"):  # the text of a file, such as a handler's
        return set()
    names = set()
    for node in ast.walk(ast.parse(TransformerManager().transform_cell(source))):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add((node.module or "").split(".")[0])
    return names


def test_there_are_notebooks() -> None:
    assert ROOT / "labs" / "00_start_here.ipynb" in NOTEBOOKS


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_notebook_is_as_it_should_be_stored(path: Path) -> None:
    assert problems(json.loads(path.read_text(encoding="utf-8"))) == []
    assert path.stat().st_size <= FILE_KB_MAX * 1000


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_lab_has_its_solved_twin(path: Path) -> None:
    twin = path.parent.parent if path.parent.name == "solutions" else path.parent / "solutions"
    assert (twin / path.name).is_file()


def _good() -> dict[str, Any]:
    cell = {
        "cell_type": "code",
        "execution_count": 1,
        "metadata": {},
        "outputs": [{"output_type": "stream", "name": "stdout", "text": ["2\n"]}],
        "source": ["import json\n", "import boto3\n", "from labkit import Lab\n", "!aws s3 ls\n"],
    }
    return {"metadata": {"kernelspec": {"name": "python3"}}, "cells": [cell]}


def _with(**changes: Any) -> Callable[[dict[str, Any]], None]:
    return lambda notebook: notebook["cells"][0].update(changes)


def _four_cells(notebook: dict[str, Any]) -> None:
    first = notebook["cells"][0]
    notebook["cells"] = [{**copy.deepcopy(first), "execution_count": n} for n in (1, 2, 3, 4)]


@pytest.mark.parametrize(
    ("spoil", "word"),
    [
        (_with(execution_count=None), "not run"),
        (_with(execution_count=7), "not run"),
        (_with(outputs=[{"output_type": "error", "ename": "KeyError"}]), "stored traceback"),
        (
            _with(
                outputs=[{"output_type": "stream", "text": "Traceback (most recent call last):"}]
            ),
            "printed traceback",
        ),
        (_with(source=[]), "empty"),
        (_with(source=["a = 1\n"] * 16), "too many lines"),
        (_with(source=["def handler(event, context):\n", *["    a = 1\n"] * 20]), "too many lines"),
        (_with(source=["import numpy as np\n"]), "imports ['numpy']"),
        (_with(source=["def late():\n", "    from moto import mock_aws\n"]), "imports ['moto']"),
        (lambda notebook: notebook["metadata"].update(widgets={}), "widgets"),
        (lambda notebook: notebook["metadata"].update(kernelspec={"name": "mine"}), "kernel"),
        (lambda notebook: notebook.update(cells=[]), "no code"),
        (_four_cells, "in a row"),
    ],
)
def test_what_is_wrong_with_a_notebook_is_found(
    spoil: Callable[[dict[str, Any]], None], word: str
) -> None:
    notebook = _good()
    assert problems(notebook) == []
    spoil(notebook)
    assert word in "\n".join(problems(notebook))


def test_a_handler_may_be_longer_than_other_cells() -> None:
    notebook = _good()
    notebook["cells"][0]["source"] = ["def handler(event, context):\n", *["    a = 1\n"] * 19]
    assert problems(notebook) == []
