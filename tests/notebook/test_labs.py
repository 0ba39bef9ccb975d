"""The labs run, and show what is stored in them: strictly, and twice in a row."""

from __future__ import annotations

import configparser
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest

ROOT = Path(__file__).resolve().parents[2]
SOLUTIONS = sorted((ROOT / "labs" / "solutions").glob("*.ipynb"))
WITHOUT_EXERCISES = ["00_start_here.ipynb"]
CODE_LINES_MAX = 15


def names(paths: list[Path]) -> list[str]:
    return [path.name for path in paths]


def code_cells(path: Path) -> list[Any]:
    notebook = nbformat.read(path, as_version=4)
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def nbval(paths: list[Path], folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist"]
    command += ["--nbval", "--nbval-current-env", "--nbval-cell-timeout=60"]
    command += ["--nbval-sanitize-with", str(ROOT / "labs" / "nbval.cfg")]
    command += ["-o", "addopts=", "-o", "filterwarnings="]
    environment = os.environ | {
        "IPYTHONDIR": str(folder / "ipython"),
        "JUPYTER_RUNTIME_DIR": str(folder / "runtime"),
        "PY_COLORS": "0",
    }
    return subprocess.run(
        [*command, *map(str, paths)],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


def test_there_are_labs() -> None:
    assert SOLUTIONS


@pytest.mark.parametrize("time", ["first", "second"])
def test_every_lab_shows_what_is_stored(time: str, tmp_path: Path) -> None:
    done = nbval(SOLUTIONS, tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_changed_output_is_noticed(tmp_path: Path) -> None:
    notebook = nbformat.v4.new_notebook()
    cell = nbformat.v4.new_code_cell("print('new')", execution_count=1)
    cell.outputs = [nbformat.v4.new_output("stream", name="stdout", text="old\n")]
    notebook.cells = [cell]
    path = tmp_path / "changed.ipynb"
    nbformat.write(notebook, path)
    assert nbval([path], tmp_path).returncode == 1


@pytest.mark.parametrize("name", WITHOUT_EXERCISES)
def test_a_lab_without_exercises_is_its_solution(name: str) -> None:
    assert (ROOT / "labs" / name).read_bytes() == (ROOT / "labs" / "solutions" / name).read_bytes()


def test_every_lab_has_its_solution() -> None:
    assert names(sorted((ROOT / "labs").glob("*.ipynb"))) == names(SOLUTIONS)


@pytest.mark.parametrize("path", SOLUTIONS, ids=names(SOLUTIONS))
def test_labs_import_from_labkit_boto3_and_the_standard_library(path: Path) -> None:
    imported = {
        match[1]
        for cell in code_cells(path)
        for match in re.finditer(r"^(?:import|from) ([\w.]+)", _without_strings(cell.source), re.M)
    }
    foreign = {name for name in imported if name.partition(".")[0] not in sys.stdlib_module_names}
    assert foreign <= {"boto3", "labkit"}


@pytest.mark.parametrize("path", SOLUTIONS, ids=names(SOLUTIONS))
def test_cells_are_short(path: Path) -> None:
    for cell in code_cells(path):
        assert len(cell.source.splitlines()) <= CODE_LINES_MAX, cell.source
        assert "import *" not in cell.source


@pytest.mark.parametrize("path", SOLUTIONS, ids=names(SOLUTIONS))
def test_every_picture_comes_with_one_line_of_text(path: Path) -> None:
    bundles = [
        output["data"]
        for cell in code_cells(path)
        for output in cell.outputs
        if "image/png" in output.get("data", {})
    ]
    assert bundles
    for bundle in bundles:
        assert len(bundle["text/plain"].splitlines()) == 1
        assert "0x" not in bundle["text/plain"]


def test_every_sanitising_rule_is_needed() -> None:
    rules = configparser.RawConfigParser()
    rules.read(ROOT / "labs" / "nbval.cfg")
    shown = "\n".join(
        str(output.get("text") or output.get("data"))
        for path in SOLUTIONS
        for cell in code_cells(path)
        for output in cell.outputs
    )
    unused = [
        section for section in rules.sections() if not re.search(rules[section]["regex"], shown)
    ]
    assert unused == []


def _without_strings(source: str) -> str:
    """Without the handlers, which are strings in a cell and run elsewhere."""
    return re.sub(r'("""|\'\'\').*?\1', "", source, flags=re.S)
