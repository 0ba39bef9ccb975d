"""What a sealed hand-in can do, seen from inside it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from labkit.classroom.grading import places, run
from labkit.classroom.grading.limits import Limits
from labkit.classroom.grading.task import Cell, Ran, Task

ROOT = Path(places.__file__).parents[3]


@pytest.fixture(scope="module")
def teachers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder of the teacher's, outside of those that are always hidden."""
    folder = Path("/opt") / f"labkit-test-{os.getpid()}"
    if not os.access("/opt", os.W_OK):
        folder = tmp_path_factory.mktemp("teachers")
    folder.mkdir(exist_ok=True)
    (folder / "secret").write_text("secret words")
    yield folder
    (folder / "secret").unlink()
    folder.rmdir()


def sealed(hidden: Path, *sources: str) -> Ran:
    cells = tuple(Cell(f"c{number}", source, True) for number, source in enumerate(sources))
    ran = run.run(Task(cells, Limits(), (str(hidden),)))
    if not ran.is_sealed:
        pytest.skip("this machine does not allow namespaces")
    return ran


def test_what_the_guard_cannot_see_finds_nothing(teachers: Path) -> None:
    """Programs and C code, with paths that are not written out."""
    parent, name = teachers.parent, teachers.name
    ran = sealed(
        teachers,
        f"!cd {parent} && ls {name[:8]}*/ && cat {name[:8]}*/secret",
        f"!cd /; ls -A .{ROOT}/labs/solutions .{ROOT}/tests .{Path.home()}/.bashrc",
        "!ls /tmp /var/tmp /dev/shm",
    )
    assert "secret words" not in ran.shown["c0"].stdout
    assert "No such file" in ran.shown["c0"].stdout
    assert ".py" not in ran.shown["c1"].stdout
    assert ".ipynb" not in ran.shown["c1"].stdout
    listed = ran.shown["c2"].stdout.split()
    assert sum(word.startswith("labkit-grade-") for word in listed) == 1


def test_it_cannot_take_the_seal_away(teachers: Path) -> None:
    ran = sealed(
        teachers,
        f"!umount {teachers.parent}/{teachers.name[:-1]}?",
        "import ctypes, os; libc = ctypes.CDLL(None, use_errno=True)\n"
        f"print(libc.umount2({str(teachers).encode()!r}, 2), ctypes.get_errno())",
        f"!cd {teachers.parent}; unshare -Urm sh -c 'umount {teachers.name[:8]}*; cat {teachers.name[:8]}*/secret'",
        "!grep CapEff /proc/self/status",
    )
    assert ran.shown["c1"].stdout == "-1 1\n"
    assert "secret words" not in "".join(shown.stdout for shown in ran.shown.values())
    assert ran.shown["c3"].stdout.split() == ["CapEff:", "0000000000000000"]


def test_it_sees_only_its_own_processes(teachers: Path) -> None:
    ran = sealed(teachers, "import os\nprint(sum(name.isdigit() for name in os.listdir('/proc')))",
                 "print(os.getppid())")  # fmt: skip
    assert int(ran.shown["c0"].stdout) == 2
    assert ran.shown["c1"].stdout == "1\n"


def test_a_signal_to_all_reaches_only_its_own(teachers: Path) -> None:
    ran = sealed(
        teachers, "import os, subprocess\nchild = subprocess.Popen(['sleep', '600'])",
        # On the machine itself this id is taken: outside of a seal nothing is sent.
        "if os.getpid() == 2: os.kill(-1, 15)", "print(child.wait(10))",
    )  # fmt: skip
    assert ran.stopped == ""
    assert ran.shown["c2"].stdout == "-15\n"


def test_it_can_write_only_in_its_own_folder(teachers: Path) -> None:
    import labkit

    ran = sealed(
        teachers,
        f"open({labkit.__file__!r}, 'a')",
        "import os; open(os.environ['HOME'] + '/x', 'w').write('x'); print('done')",
        "open('/usr/labkit-test', 'w')",
    )
    assert "Read-only file system" in ran.shown["c0"].traceback
    assert ran.shown["c1"].stdout == "done\n"
    assert "Read-only file system" in ran.shown["c2"].traceback


def test_it_has_no_network_but_its_own(teachers: Path) -> None:
    ran = sealed(
        teachers,
        "import socket\nprint([name for _, name in socket.if_nameindex()])",
        "server = socket.create_server(('127.0.0.1', 0))\n"
        "with socket.create_connection(server.getsockname()): print('connected')",
    )
    assert ran.shown["c0"].stdout == "['lo']\n"
    assert ran.shown["c1"].stdout == "connected\n"


def test_where_namespaces_are_refused_it_runs_without() -> None:
    program = (
        "from labkit.classroom.grading.run import run\n"
        "from labkit.classroom.grading.task import Cell, Task\n"
        "from labkit.classroom.grading.limits import Limits\n"
        "ran = run(Task((Cell('c', 'print(6 * 7)', True),), Limits(), ()))\n"
        "print(ran.is_sealed, repr(ran.stopped), ran.shown['c'].stdout)"
    )
    refuse = 'echo 0 > /proc/sys/user/max_user_namespaces || exit 77; exec "$0" "$@"'
    done = subprocess.run(
        ["unshare", "-Ur", "sh", "-c", refuse, sys.executable, "-c", program],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    if done.returncode == 77 or "unshare" in done.stderr:
        pytest.skip("this machine does not allow namespaces")
    assert done.stdout.split() == ["False", "''", "42"], done.stderr
