"""`lab.py`: its commands, and its words where the set-up cannot work.

That the set-up itself works is proved by every run of `python3 lab.py test`.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def lab() -> ModuleType:
    """The script as a module of its own, so that a test may change it."""
    spec = importlib.util.spec_from_file_location("lab_script", ROOT / "lab.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def run(*words: str, root: Path = ROOT, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-I", "-S", str(root / "lab.py"), *words],
        env={**os.environ, **environ},
        capture_output=True,
        text=True,
    )


def test_help_names_every_command_of_the_readme() -> None:
    told = run("help")
    assert told.returncode == 0
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    commands = set(re.findall(r"python3 lab\.py (\w+)", readme))
    assert {"open", "test", "doctor"} == commands
    for command in commands:
        assert re.search(rf"^python3 lab\.py {command} +\w", told.stdout, re.MULTILINE)


def test_ci_runs_the_test_command_of_the_readme() -> None:
    [line] = [x for x in (ROOT / ".ci" / "run").read_text().splitlines() if " lab.py " in x]
    assert " python3 lab.py test " in line


def test_an_unknown_command_gets_the_help_and_an_error() -> None:
    told = run("opne")
    assert told.returncode == 2
    assert "python3 lab.py open" in told.stdout


def test_no_command_at_all_gets_the_help() -> None:
    assert "python3 lab.py open" in run().stdout


def test_the_first_lab_is_there(lab: ModuleType) -> None:
    assert (ROOT / lab.FIRST_LAB).is_file()


def test_an_old_python_is_told_what_to_use_instead(
    lab: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 10, 4, "final", 0))
    with pytest.raises(lab.Stop, match=r"needs Python 3\.11 or later; this is 3\.10"):
        lab.check_machine("open")


def test_the_script_can_be_read_by_an_old_python() -> None:
    """Else it would fail with a SyntaxError where it should say what is needed."""
    import ast

    ast.parse((ROOT / "lab.py").read_text(encoding="utf-8"), feature_version=(3, 8))


def test_a_python_without_venv_is_told_the_package_that_has_it(
    lab: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "ensurepip" else find_spec(name)
    )
    with pytest.raises(lab.Stop, match="apt install python3-venv"):
        lab.check_machine("open")


def test_windows_is_sent_to_wsl(lab: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lab.os, "name", "nt")
    with pytest.raises(lab.Stop, match="wsl --install"):
        lab.check_machine("open")


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """The script in a folder of its own, whose name has a blank, with nothing to install."""
    root = tmp_path / "a lab"
    (root / "binder").mkdir(parents=True)
    shutil.copy(ROOT / "lab.py", root)
    (root / "pyproject.toml").write_text("")
    (root / "binder" / "requirements.txt").write_text("")
    return root


def test_a_foreign_environment_is_left_alone(elsewhere: Path) -> None:
    precious = elsewhere / ".venv" / "precious.txt"
    precious.parent.mkdir()
    precious.write_text("mine")
    told = run("doctor", root=elsewhere)
    assert told.returncode == 1
    assert "did not make" in told.stderr
    assert precious.read_text() == "mine"


def test_without_a_network_it_says_what_is_needed(elsewhere: Path) -> None:
    (elsewhere / "binder" / "requirements.txt").write_text("boto3==1.44.5\n")
    told = run(
        "doctor",
        root=elsewhere,
        PIP_INDEX_URL="http://127.0.0.1:9/",
        PIP_EXTRA_INDEX_URL="",
        PIP_FIND_LINKS="",
        PIP_RETRIES="0",
        PIP_CONFIG_FILE=os.devnull,
    )
    assert told.returncode == 1
    assert "needs the network" in told.stderr
    assert "Traceback" not in told.stderr
    stamp = (elsewhere / ".venv" / "labkit-stamp.json").read_text()
    assert "pinned" not in stamp, "else the next run would take it for complete"


def test_the_stamp_spares_the_second_run(lab: ModuleType, elsewhere: Path) -> None:
    for name in ("PINS", "VENV", "STAMP", "PYTHON", "ROOT"):
        setattr(lab, name, getattr(lab, name).replace(str(ROOT), str(elsewhere)))
    made = []
    lab.make_venv = lambda: made.append("venv")
    lab.install = lambda: made.append("packages")
    Path(lab.PYTHON).parent.mkdir(parents=True)
    Path(lab.PYTHON).touch()
    lab.set_up()
    lab.set_up()
    assert made == ["venv", "packages"]
    Path(lab.PINS).write_text("boto3==1.44.5\n")
    lab.set_up()
    assert made == ["venv", "packages", "packages"], "new pins go over the old ones"
    Path(lab.PYTHON).unlink()
    lab.set_up()
    assert made[3:] == ["venv", "packages"], "an environment without its Python is made anew"


def test_the_index_of_pips_configuration_reaches_uv(
    lab: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lab, "PYTHON", sys.executable)
    configuration = tmp_path / "pip.conf"
    configuration.write_text(
        "[global]\nindex-url = http://one.test/\nextra-index-url =\n  http://two.test/\n"
        "  http://three.test/\n[install]\nindex-url = http://install.test/\n"
    )
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", str(configuration))
    monkeypatch.setenv("HOME", str(tmp_path))
    settings = lab.index_settings()
    assert settings["UV_DEFAULT_INDEX"] == "http://install.test/"
    assert settings["UV_INDEX"] == "http://two.test/ http://three.test/"
    monkeypatch.setenv("PIP_INDEX_URL", "http://environment.test/")
    monkeypatch.setenv("PIP_FIND_LINKS", "/a /b")
    settings = lab.index_settings()
    assert settings["UV_DEFAULT_INDEX"] == "http://environment.test/"
    assert settings["UV_FIND_LINKS"] == "/a,/b"


def test_a_check_is_passed_on_line_by_line_and_its_last_line_kept(
    lab: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code = r"print('first'); print('\x1b[32m=== 3 passed in 1s ===\x1b[0m\n'); raise SystemExit(5)"
    assert lab.stream([sys.executable, "-c", code]) == (5, "3 passed in 1s")
    assert capsys.readouterr().out.splitlines()[0] == "first"
