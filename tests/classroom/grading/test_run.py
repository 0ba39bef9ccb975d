"""One hand-in runs under its limits, and nothing of it is left."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
import pytest

import labkit
from labkit.classroom.grading.limits import Limits
from labkit.classroom.grading.run import run
from labkit.classroom.grading.task import Cell, Ran, Task

MEMORY = "held = []\nwhile True: held.append(b'x' * 1_000_000)"
FORKS = "for _ in range(60):\n    if os.fork() == 0: os.setsid(); signal.pause()"
IGNORE_SIGNALS = "import signal\nfor n in (2, 15): signal.signal(n, signal.SIG_IGN)\n"


def task(*sources: str, may_seal: bool = True, **limits: float) -> Task:
    """Cells c0, c1, …"""
    cells = tuple(Cell(f"c{number}", source, True) for number, source in enumerate(sources))
    return Task(cells, Limits(**limits), (), may_seal)  # type: ignore[arg-type]


def left_over(ran: Ran) -> list[psutil.Process]:
    """Living processes of a run whose first cell was `print(os.getcwd())`."""
    folder = Path(ran.shown["c0"].stdout.strip()).parent
    assert folder.name.startswith("labkit-grade-")
    assert not folder.exists()
    found = []
    for process in psutil.process_iter():
        try:
            words = " ".join(process.cmdline()) + str(process.environ())
        except psutil.Error:
            continue
        if folder.name in words:
            found.append(process)
    return found


WHERE = "import os\nprint(os.getcwd())"


def test_what_cells_show_comes_back() -> None:
    ran = run(task("print(1)", "import sys; print(2, file=sys.stderr)", "1/0", "print(3)"))
    assert (ran.stopped, ran.tried) == ("", ())
    assert [ran.shown[f"c{number}"].stdout for number in range(4)] == ["1\n", "", "", "3\n"]
    assert ran.shown["c1"].stderr == "2\n"
    assert ran.shown["c2"].traceback.endswith("ZeroDivisionError: division by zero")
    assert "\x1b" not in ran.shown["c2"].traceback
    assert ran.took_s > 0


def test_task_and_result_travel() -> None:
    work = task("print(1)")
    assert pickle.loads(pickle.dumps(work)) == work
    ran = run(work)
    assert pickle.loads(pickle.dumps(ran)) == ran


@pytest.mark.parametrize("may_seal", [True, False])
def test_a_hand_in_has_places_of_its_own(may_seal: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_OF_THE_TEACHER", "x")
    names = ("HOME", "IPYTHONDIR", "JUPYTER_RUNTIME_DIR", "TMPDIR")
    code = f"import json; print(json.dumps([os.environ[name] for name in {names}]))"
    ran = run(
        task(
            WHERE, "print(os.listdir('.'))", code, "print('SECRET_OF_THE_TEACHER' in os.environ)",
            "import tempfile; print(tempfile.gettempdir() == os.environ['TMPDIR'])",
            may_seal=may_seal,
        )
    )  # fmt: skip
    folder = str(Path(ran.shown["c0"].stdout.strip()).parent)
    assert ran.shown["c1"].stdout == "[]\n"
    places = json.loads(ran.shown["c2"].stdout)
    assert all(place.startswith(f"{folder}/") for place in places)
    assert len(set(places)) == 4
    assert ran.shown["c3"].stdout == "False\n"
    assert ran.shown["c4"].stdout == "True\n"


@pytest.mark.parametrize(
    ("may_seal", "source", "words"),
    [
        (True, "os._exit(3)", "its kernel ended by itself (exit status 3)"),
        (False, "os._exit(3)", "its kernel ended by itself (exit status 3)"),
        (True, "os.kill(os.getpid(), 9)", "its kernel ended by itself (killed by SIGKILL)"),
        (True, "import ctypes; ctypes.string_at(0)", "by itself (killed by SIGSEGV)"),
        (False, "import ctypes; ctypes.string_at(0)", "by itself (killed by SIGSEGV)"),
        (True, "while True: print('x' * 1000)", "it showed more than 1 MB and was stopped"),
        (True, "print('x' * 20_000_000)", "it showed more than 1 MB and was stopped"),
        (True, MEMORY, "it held more than 300 MB of memory and was stopped"),
        (True, f"{FORKS}\nsignal.pause()", "it had more than 40 processes and was stopped"),
        (False, f"{FORKS}\nsignal.pause()", "it had more than 40 processes and was stopped"),
    ],
)
def test_it_costs_only_itself(may_seal: bool, source: str, words: str) -> None:
    cells = (WHERE, "import signal", source, "print('on')")
    ran = run(task(*cells, may_seal=may_seal, memory_mb=300, processes=40))
    assert words in ran.stopped
    assert list(ran.shown) == ["c0", "c1"]
    assert left_over(ran) == []


def test_it_goes_on_after_errors() -> None:
    ran = run(task("input()", "import sys; sys.exit(3)", "raise SystemExit", "print('on')"))
    assert ran.stopped == ""
    assert "StdinNotImplementedError" in ran.shown["c0"].traceback
    assert "SystemExit: 3" in ran.shown["c1"].traceback
    assert "SystemExit" in ran.shown["c2"].traceback
    assert ran.shown["c3"].stdout == "on\n"


def test_an_endless_cell_is_interrupted_and_the_next_one_runs() -> None:
    ran = run(task("while True: pass", "print('on')", cell_s=0.5))
    assert ran.shown["c0"].interrupted_s == 0.5
    assert "KeyboardInterrupt" in ran.shown["c0"].traceback
    assert ran.shown["c1"].stdout == "on\n"
    assert ran.stopped == ""


@pytest.mark.parametrize("may_seal", [True, False])
def test_a_cell_that_ignores_signals_is_killed(may_seal: bool) -> None:
    endless = IGNORE_SIGNALS + "while True: pass"
    ran = run(task(WHERE, endless, "print('on')", cell_s=0.5, may_seal=may_seal))
    assert ran.stopped == "a cell ran longer than 0.5 s, could not be interrupted, and was stopped"
    assert list(ran.shown) == ["c0"]
    assert left_over(ran) == []


def test_the_time_of_all_cells_counts() -> None:
    ran = run(task(WHERE, "import time; time.sleep(60)", "print('on')", total_s=1.5))
    assert ran.stopped == "it was stopped after 1.5 s, the time for a hand-in"
    assert left_over(ran) == []


@pytest.mark.parametrize("may_seal", [True, False])
def test_nothing_lives_on(may_seal: bool) -> None:
    """A grandchild in a session of its own whose parent has ended, deaf to signals."""
    program = f"{IGNORE_SIGNALS}print('ready', flush=True); signal.pause()"
    source = (
        "import subprocess, sys\n"
        "if os.fork() == 0:\n"
        "    os.setsid()\n"
        f"    child = subprocess.Popen([sys.executable, '-c', {program!r}], stdout=-1)\n"
        "    child.stdout.readline()\n"
        "    os._exit(0)\n"
        "print(os.wait()[1])"
    )
    ran = run(task(WHERE, source, may_seal=may_seal))
    assert ran.shown["c1"].stdout == "0\n"
    assert left_over(ran) == []


@pytest.mark.parametrize("may_seal", [True, False])
def test_a_lab_runs_inside_and_ends_with_it(may_seal: bool) -> None:
    """The lab's server is a session of its own; the hand-in does not stop it."""
    source = (
        "from labkit import Lab\n"
        "import boto3\n"
        "lab = Lab.start()\n"
        "def handler(event, context):\n"
        "    return event * 2\n"
        "_ = lab.deploy(handler, name='double')\n"
        "answer = boto3.client('lambda').invoke(FunctionName='double', Payload='21')\n"
        "print(answer['Payload'].read())"
    )
    ran = run(task(WHERE, source, may_seal=may_seal))
    assert (ran.shown["c1"].stdout, ran.stopped) == ("b'42'\n", ""), ran
    assert left_over(ran) == []


@pytest.mark.parametrize("may_seal", [True, False])
def test_everything_ends_with_the_grader(may_seal: bool) -> None:
    source = "import time\nopen('running', 'w').close()\ntime.sleep(600)"
    program = (
        "from labkit.classroom.grading.run import run\n"
        "from labkit.classroom.grading.task import Cell, Task\n"
        "from labkit.classroom.grading.limits import Limits\n"
        f"run(Task((Cell('c', {source!r}, True),), Limits(), (), {may_seal}))"
    )
    short = Path(tempfile.mkdtemp())  # the names of sockets must be short
    grader = subprocess.Popen(
        [sys.executable, "-c", program], env={**os.environ, "TMPDIR": str(short)}
    )
    try:
        deadline_s = time.monotonic() + 30
        while not list(short.glob("labkit-grade-*/work/running")):
            assert time.monotonic() < deadline_s
            time.sleep(0.02)
        below = psutil.Process(grader.pid).children(recursive=True)
        assert len(below) >= 2
    finally:
        grader.send_signal(signal.SIGKILL)
        grader.wait()
    _, alive = psutil.wait_procs(below, timeout=20)
    assert alive == []
    short.rmdir()  # it is empty


@pytest.mark.parametrize("may_seal", [True, False])
def test_a_checkout_in_the_teachers_home(may_seal: bool, tmp_path: Path) -> None:
    """labkit itself lies where nothing may be read; importing is no attempt to read it."""
    checkout = tmp_path / "lab"
    shutil.copytree(Path(labkit.__file__).parent, checkout / "labkit")
    (checkout / "grades.csv").write_text("secret words")
    source = "import json.tool, labkit, boto3, no_such_module"
    cells = [Cell("0", f"import labkit; print(labkit.__file__)\n{source}", True)]
    cells += [Cell("1", f"!cd {tmp_path.parent}; cat */lab/grades.csv", True)]
    program = (
        "from labkit.classroom.grading.run import run\n"
        "from labkit.classroom.grading.task import Cell, Task\n"
        "from labkit.classroom.grading.limits import Limits\n"
        f"ran = run(Task({tuple(cells)!r}, Limits(), (), {may_seal}))\n"
        "import json; print(json.dumps([ran.shown['0'].stdout, ran.shown['0'].traceback[-60:],"
        " ran.shown['1'].stdout, ran.tried]))"
    )
    environment = {**os.environ, "PYTHONPATH": str(checkout), "HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, cwd=tmp_path, capture_output=True,
        text=True, timeout=60,
    )  # fmt: skip
    place, error, secret, tried = json.loads(done.stdout)
    assert place == f"{checkout / 'labkit' / '__init__.py'}\n"
    assert "No module named 'no_such_module'" in error
    assert tried == []
    assert ("secret words" in secret) != may_seal


def test_a_worker_that_is_lost_says_so_and_leaves_nothing() -> None:
    lose_worker = (
        "import signal, subprocess, sys, time\n"
        "_ = subprocess.Popen(['sleep', '600'], start_new_session=True)\n"
        "os.kill(os.getppid(), signal.SIGKILL); time.sleep(60)"
    )
    ran = run(task(WHERE, lose_worker, may_seal=False))
    assert ran.stopped.startswith("its worker was lost (exit status -9)")
    assert list(ran.shown) == ["c0"]
    assert left_over(ran) == []
