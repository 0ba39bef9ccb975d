from __future__ import annotations

import subprocess
import sys

import pytest

import labkit
from labkit.cli import main


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "labkit", *arguments], capture_output=True, text=True, timeout=60
    )


def test_help_names_the_commands(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    text = capsys.readouterr().out
    assert "serve" in text
    assert "doctor" in text
    for command in ("grade", "run", "hand-out", "release"):
        assert command in text
    with pytest.raises(SystemExit):
        main(["serve", "--help"])
    text = capsys.readouterr().out
    assert "--port" in text
    assert "--seed" in text
    assert "--with-parent" not in text


def test_the_version() -> None:
    ran = run("--version")
    assert (ran.returncode, ran.stdout) == (0, f"labkit {labkit.__version__}\n")


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ([], "COMMAND"),
        (["dance"], "invalid choice"),
        (["serve", "--port", "70000"], "--port: must be a whole number from 0 to 65535"),
        (["serve", "--port", "-1"], "--port"),
        (["serve", "--port", "x"], "--port: must be a whole number"),
        (["serve", "--seed", "1.5"], "--seed: must be a whole number"),
        (["grade"], "HANDINS"),
        (["grade", "x"], "--lab"),
        (["grade", "x", "--lab", "1", "--jobs", "0"], "must be a whole number from 1 to 1000"),
        (["grade", "x", "--lab", "1", "--timeout-s", "0"], "must be a number above 0"),
        (["grade", "x", "--lab", "1", "--memory-mb", "much"], "must be a number above 0"),
        (["grade", "x", "--lab", "1", "--memory-mb", "nan"], "must be a number above 0"),
        (["run"], "NN"),
        (["run", "1", "-p", "SEED"], "-p"),
        (["hand-out", "1"], "--learners"),
    ],
)
def test_wrong_arguments_are_said(
    arguments: list[str], text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert text in capsys.readouterr().err


def test_the_package_loads_lazily() -> None:
    code = (
        "import sys, labkit; print(sorted(m for m in sys.modules if 'labkit' in m or 'boto' in m))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert ran.stdout == "['labkit']\n"
    assert {"Lab", "__version__"} <= set(dir(labkit))
    assert labkit.Lab.__name__ == "Lab"
    with pytest.raises(AttributeError, match="no attribute 'Cab'"):
        labkit.Cab  # noqa: B018


def test_the_server_loads_moto_after_it_listens() -> None:
    code = "import sys, labkit.live.server; print('moto' in sys.modules, 'boto3' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert ran.stdout == "False False\n"


def test_the_server_starts_without_the_teachers_tools() -> None:
    code = (
        "import sys, labkit.cli; labkit.cli._parser(); import labkit.live.server;"
        "print({'pandas', 'papermill', 'nbformat', 'jupyter_client'} & set(sys.modules))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert ran.stdout == "set()\n"
