"""`labkit doctor`: what it says of this machine, and of machines that lack something."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from labkit.core.runtimes import SUPPORTED_RUNTIMES
from labkit.live import doctor
from labkit.live.doctor import Finding, State

ROOT = Path(__file__).parents[2]


def examine_in_a_child(*options: str, **environ: str) -> tuple[int, dict[str, dict[str, str]]]:
    """Run the doctor in a Python of its own; returns its exit code and its findings by name."""
    code = (
        f"import sys; sys.path.insert(0, {str(ROOT)!r}); "
        "from labkit.live.doctor import main; sys.exit(main(as_json=True))"
    )
    done = subprocess.run(
        [sys.executable, *options, "-c", code],
        env={**os.environ, **environ},
        stdout=subprocess.PIPE,
        timeout=60,
    )
    told = json.loads(done.stdout)
    assert told["ready"] == (done.returncode == 0)
    return done.returncode, {row["name"]: row for row in told["findings"]}


def test_says_all_about_a_machine_that_can_run_the_labs() -> None:
    code, rows = examine_in_a_child()
    assert code == 0
    assert set(rows) == {
        "Python", "System", "Packages", "Isolation", "Runtime client", "Python runtimes",
        "Node.js", "aws command", "Size", "Chromium",
    }  # fmt: skip
    for row in rows.values():
        assert bool(row["mend"]) == (row["state"] != "ok"), row


def test_names_the_packages_that_are_missing_and_fails() -> None:
    code, rows = examine_in_a_child("-I", "-S")
    assert code == 1
    assert rows["Packages"]["state"] == "missing"
    assert "boto3" in rows["Packages"]["text"] and "lab.py open" in rows["Packages"]["mend"]


def test_programs_that_are_missing_reduce_the_lab_and_no_more(tmp_path: Path) -> None:
    code, rows = examine_in_a_child(PATH=str(tmp_path), HOME=str(tmp_path))
    assert code == 0
    assert rows["Node.js"]["state"] == rows["Chromium"]["state"] == "reduced"
    assert "refused" in rows["Node.js"]["text"]


def test_a_python_runtime_without_its_interpreter_says_what_runs_it(tmp_path: Path) -> None:
    _, rows = examine_in_a_child(PATH=str(tmp_path), HOME=str(tmp_path))
    own = f"python{sys.version_info.major}.{sys.version_info.minor}"
    row = rows["Python runtimes"]
    assert row["state"] == "reduced"
    for identifier in SUPPORTED_RUNTIMES:
        if identifier.startswith("python") and identifier != own:
            assert identifier in row["text"]
    assert f"run on Python {own.removeprefix('python')}" in row["text"]


def test_windows_is_sent_to_wsl(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    assert doctor.main() == 1
    assert "wsl --install" in " ".join(capsys.readouterr().out.split())


def test_the_table_has_one_row_a_finding_and_the_mending_beneath() -> None:
    text = doctor.table(
        [
            Finding("Python", State.OK, "3.12.1"),
            Finding("Node.js", State.REDUCED, "not found", "Install Node.js."),
        ],
        width=60,
    )
    python, node, mend = text.splitlines()
    assert python.split() == ["ok", "Python", "3.12.1"]
    assert node.startswith("reduced  Node.js")
    assert mend.strip() == "→ Install Node.js." and mend.index("→") == node.index("not found")


def test_no_line_of_the_table_is_wider_than_the_terminal() -> None:
    text = doctor.table([Finding("Size", State.REDUCED, "word " * 60, "mend " * 60)], width=80)
    assert len(text.splitlines()) > 8
    assert all(len(line) <= 80 for line in text.splitlines())


@pytest.mark.parametrize(
    ("closed", "key"),
    [
        ({"/proc/sys/kernel/unprivileged_userns_clone": "0\n"}, "unprivileged_userns_clone=1"),
        (
            {"/proc/sys/kernel/apparmor_restrict_unprivileged_userns": "1\n"},
            "apparmor_restrict_unprivileged_userns=0",
        ),
        ({"/proc/sys/user/max_user_namespaces": "0\n"}, "user.max_user_namespaces=10000"),
    ],
)
def test_blocked_namespaces_come_with_the_key_to_their_lock(
    closed: dict[str, str], key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    assert key in doctor._mend_isolation(lambda path: closed.get(path, ""))


def test_a_container_that_blocks_namespaces_needs_no_mending(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    assert "Nothing to do" in doctor._mend_isolation(lambda path: "")


@pytest.mark.parametrize(
    ("cores", "memory_gb", "state", "words"),
    [
        (2, 8.0, State.OK, "2 cores, 8.0 GB"),
        (1, 2.1, State.REDUCED, "1 core, 2.1 GB of memory: measurements"),
        (4, 1.0, State.REDUCED, "tight"),
    ],
)
def test_a_small_machine_is_called_small(
    cores: float, memory_gb: float, state: State, words: str
) -> None:
    finding = doctor._size(cores, memory_gb)
    assert finding.state is state
    assert words in finding.text


def test_the_size_of_this_machine_is_plausible() -> None:
    assert 0 < doctor.core_count() <= (os.cpu_count() or 1)
    assert 0.2 < doctor.memory_gb() < 10_000


def test_a_browser_that_playwright_installed_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(doctor, "_CHROMIUM_PLACES", ())
    assert doctor.find_chromium() is None
    browser = tmp_path / ".cache/ms-playwright/chromium-1200/chrome-linux64/chrome"
    browser.parent.mkdir(parents=True)
    browser.write_text("#!/bin/sh\n")
    browser.chmod(0o755)
    assert doctor.find_chromium() == str(browser)
