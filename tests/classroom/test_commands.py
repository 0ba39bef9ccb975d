"""The teachers' commands, as they are typed."""

from __future__ import annotations

import importlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
import tiny_lab

from labkit.classroom import commands, notebooks, release
from labkit.cli import main

SOLVED = {"bill": "billed_ms = 78", "mean": "def mean(d):\n    return sum(d) / len(d)"}


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The tiny lab, in a folder of labs, and a working directory of our own."""
    monkeypatch.setenv("PYTHONPATH", "")  # the commands set it
    monkeypatch.chdir(tmp_path)
    tiny_lab.write_labs(tmp_path / "labs")
    return str(tmp_path / "labs" / "solutions" / tiny_lab.NAME)


@pytest.fixture
def handins(tmp_path: Path, lab: str) -> Path:
    """One who solved everything, and one who handed in nothing."""
    folder = tmp_path / "handins"
    folder.mkdir()
    notebook = release.release(tiny_lab.solved_lab())
    for name, source in SOLVED.items():
        tiny_lab.cell(notebook, name).source = source
    notebooks.write(notebook, folder / "ada.ipynb")
    (folder / "ben.ipynb").write_text("")
    return folder


def test_grade(handins: Path, lab: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["grade", "handins", "--lab", lab, "--jobs", "2"]) == 0
    told = capsys.readouterr()
    assert told.out.splitlines()[:3] == [
        "90_tiny: 2 hand-ins, 2 exercises",
        "  ada  2 of 2 solved",
        "  ben  0 of 2 solved  it is empty",
    ]
    folder = handins.with_name("handins-grades")
    assert told.out.splitlines()[-1] == f"To read: {folder / 'grades.html'}"
    assert sorted(path.name for path in folder.iterdir()) == [
        "grades.csv", "grades.html", "grades.xml", "totals.csv",
    ]  # fmt: skip
    assert "1/2 ben: 0 of 2 solved" in told.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["grade", "nowhere", "--lab", "LAB"], "nowhere is no folder"),
        (["grade", "labs", "--lab", "77"], "'77' is no lab"),
        (["grade", "handins", "--lab", "LAB", "--output", "file"], "file is a file"),
        (["grade", "handins", "--lab", "LAB", "--dask", "tcp://127.0.0.1:1"], "no Dask scheduler"),
        (["run", "LAB", "-p", "SEDE", "8"], "no parameter SEDE"),
        (["hand-out", "LAB", "--learners", "nowhere", "--output", "out"], "cannot be read"),
        (["hand-out", "LAB", "--learners", "file", "--output", "out"], "there are no learners"),
    ],
)
def test_what_cannot_be_done_is_said(
    arguments: list[str], words: str, handins: Path, lab: str,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setattr(commands, "_DASK_WAIT", "1s")
    Path("file").write_text("\n# nobody\n")
    assert main([lab if word == "LAB" else word for word in arguments]) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith(f"labkit {arguments[0]}: ")
    assert words in error


def test_dask_has_to_be_installed(
    handins: Path, lab: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def missing(name: str) -> Any:
        raise ImportError(name)

    monkeypatch.setattr(importlib, "import_module", missing)
    assert main(["grade", "handins", "--lab", lab, "--dask", "tcp://127.0.0.1:1"]) == 2
    assert "pip install distributed" in capsys.readouterr().err


def test_run(lab: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", lab, "-p", "SEED", "8"]) == 0
    assert capsys.readouterr().out == "90_tiny ran; to read: 90_tiny-run.ipynb\n"
    ran = notebooks.read(tmp_path / "90_tiny-run.ipynb")
    assert notebooks.stdout_of(tiny_lab.cell(ran, "end")) == "9\n"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("8", 8), ("-1", -1), ("1.5", 1.5), ("1e3", 1000.0), ("True", True), ("None", None),
        ("eu-west-1", "eu-west-1"), ("[1]", "[1]"), ("'8'", "'8'"), ("008", "008"), ("", ""),
    ],
)  # fmt: skip
def test_values_are_numbers_or_text(text: str, value: object) -> None:
    assert repr(commands._value(text)) == repr(value)


def test_hand_out(lab: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("class.txt").write_text("\ufeffada\n\n# left in May: ben\n  zoë  \n", encoding="utf-8")
    arguments = ["--learners", "class.txt", "--output", "out", "--jobs", "2"]
    assert main(["hand-out", lab, *arguments]) == 0
    assert capsys.readouterr().out == "90_tiny: 2 variants in out\n"
    assert sorted(path.name for path in Path("out").iterdir()) == ["ada.ipynb", "zoë.ipynb"]


def test_release(
    lab: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(commands, "_LABS_DIR", tmp_path / "labs")
    monkeypatch.setattr(commands.hygiene, "problems", lambda notebook, *, solved: [])
    assert main(["release", "--check"]) == 0
    assert capsys.readouterr().out == f"In order: {Path(tiny_lab.NAME).stem}\n"
    copied = tmp_path / "labs" / tiny_lab.NAME
    copied.write_text("changed")
    assert main(["release", "--check"]) == 1
    assert f"{tiny_lab.NAME}: differs from its solution" in capsys.readouterr().out
    assert copied.read_text() == "changed"
    assert main(["release"]) == 0
    assert f"{tiny_lab.NAME}: written" in capsys.readouterr().out
    monkeypatch.setattr(commands.hygiene, "problems", lambda notebook, *, solved: ["too long"])
    assert main(["release"]) == 1
    assert f"solutions/{tiny_lab.NAME}: too long" in capsys.readouterr().out


def test_an_interrupted_grade_ends_all_and_writes_nothing(handins: Path, lab: str) -> None:
    notebook = release.release(tiny_lab.solved_lab())
    waits = "import time; open('running', 'w').close(); time.sleep(600)"
    tiny_lab.cell(notebook, "bill").source = waits
    notebooks.write(notebook, handins / "ada.ipynb")
    short = Path(tempfile.mkdtemp())  # the names of sockets must be short
    grader = subprocess.Popen(
        [sys.executable, "-m", "labkit", "grade", "handins", "--lab", lab],
        env={**os.environ, "TMPDIR": str(short)}, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    deadline_s = time.monotonic() + 30
    while not list(short.glob("labkit-grade-*/work/running")):
        assert time.monotonic() < deadline_s
        time.sleep(0.02)
    below = psutil.Process(grader.pid).children(recursive=True)
    grader.send_signal(signal.SIGINT)
    _, told = grader.communicate(timeout=30)
    assert grader.returncode == 130
    assert told.splitlines()[-1] == "labkit grade: interrupted; nothing was written"
    assert psutil.wait_procs(below, timeout=20)[1] == []
    short.rmdir()  # it is empty
    assert not handins.with_name("handins-grades").exists()
