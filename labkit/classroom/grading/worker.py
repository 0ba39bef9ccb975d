"""The program that runs one hand-in: `python -P -m …`, a task as a line of JSON on its input.

It answers with lines of JSON as cells end, so that nothing is lost if it is killed. It ends, with
everything below it, when its input closes: that is, when the grader has gone.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import site
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Final

from labkit.classroom.grading import seal, tree
from labkit.classroom.grading.kernel import Kernel, Struck
from labkit.classroom.grading.limits import Limits
from labkit.classroom.grading.places import INTERPRETERS, import_path, teachers_places

RUN_PREFIX: Final = "labkit-grade-"
_PASSED_ON: Final = ("PATH", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "LABKIT_ISOLATION")
_LOOK_EVERY_S: Final = 0.1
_STARTED_S: Final = 60.0
_FOLDER_BYTES_MAX: Final = 70
_REPORTS_MAX_BYTES: Final = 100_000


class Watch:
    """The limits of one hand-in. `look` raises Struck when one is reached."""

    def __init__(self, limits: Limits, kernel: subprocess.Popen[bytes], report_file: Path) -> None:
        self._limits, self._kernel, self._report_file = limits, kernel, report_file
        self.began_s = time.monotonic()
        self._next_look_s = 0.0
        self._output_bytes = 0

    def count_output(self, size_bytes: int) -> None:
        """Something was shown."""
        self._output_bytes += size_bytes
        if self._output_bytes > self._limits.output_mb * 1_000_000:
            raise Struck(f"it showed more than {self._limits.output_mb:g} MB and was stopped")

    def look(self) -> None:
        """Check everything that has a limit; cheap when called often."""
        now_s = time.monotonic()
        if now_s - self.began_s > self._limits.total_s:
            raise Struck(f"it was stopped after {self._limits.total_s:g} s, the time for a hand-in")
        if now_s < self._next_look_s:
            return
        _end_without_grader()
        self._look_at_processes()
        self._next_look_s = time.monotonic() + _LOOK_EVERY_S
        status = tree.reap().get(self._kernel.pid)
        if status is not None:
            self._kernel.returncode = status
            raise Struck(f"its kernel ended by itself ({_exit_words(status)})")

    def reports(self) -> list[dict[str, Any]]:
        """What the kernel's process reported so far."""
        reports = []
        with contextlib.suppress(OSError), self._report_file.open("rb") as file:
            for line in file.read(_REPORTS_MAX_BYTES).splitlines():
                with contextlib.suppress(ValueError):
                    report = json.loads(line)
                    reports += [report] if isinstance(report, dict) else []
        return reports

    def _look_at_processes(self) -> None:
        limits, below = self._limits, tree.descendants()
        if len(below) > limits.processes:
            raise Struck(f"it had more than {limits.processes} processes and was stopped")
        held_mb = tree.memory_mb(below, limits.memory_mb)
        if held_mb > limits.memory_mb:
            raise Struck(f"it held more than {limits.memory_mb:,.0f} MB of memory and was stopped")


def main() -> None:
    """Run the task and end with everything that it started."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if seal.is_linux():
        seal.adopt_orphans()
    task = json.loads(sys.stdin.readline())
    limits = Limits(**task["limits"])
    try:
        with tempfile.TemporaryDirectory(
            prefix=RUN_PREFIX, dir=_temporary_dir(), ignore_cleanup_errors=True
        ) as folder:
            try:
                _say(folder=os.path.realpath(folder))
                _run(task, limits, Path(os.path.realpath(folder)))
            finally:
                tree.end_all()
    except BrokenPipeError:  # the grader has gone
        os._exit(1)


def _run(task: dict[str, Any], limits: Limits, folder: Path) -> None:
    sealed = task["may_seal"] and seal.is_linux()
    process, watch = _start(task, limits, folder, sealed)
    if sealed and not _is_ready(watch):
        tree.end_all()
        sealed = False
        process, watch = _start(task, limits, folder, sealed)
    _say(sealed=sealed)
    stopped = ""
    try:
        kernel = Kernel(folder, watch)
        kernel.wait_until_ready(_STARTED_S)
        watch.began_s = time.monotonic()
        for cell in task["cells"]:
            shown = kernel.run(cell["source"], limits.cell_s)
            if cell["is_wanted"]:
                _say(cell=cell["name"], shown=shown)
    except Struck as reason:
        stopped = str(reason)
    took_s = time.monotonic() - watch.began_s
    tree.end_all()
    tried = {str(report["tried"])[:200] for report in watch.reports() if "tried" in report}
    _say(stopped=stopped, tried=sorted(tried)[:20], took_s=took_s)


def _start(
    task: dict[str, Any], limits: Limits, folder: Path, sealed: bool
) -> tuple[subprocess.Popen[bytes], Watch]:
    directories = {name: folder / name for name in ("work", "home", "ipython", "runtime", "tmp")}
    for directory in directories.values():
        directory.mkdir(exist_ok=True)
    _link_interpreters(directories["home"])
    connection_file = Kernel.write_connection(folder)
    places = teachers_places(task["hidden"], folder)
    report_file = folder / "reports"
    report_file.unlink(missing_ok=True)
    plan = {
        "hidden": places.hidden, "needed": places.needed, "sealed": sealed,
        "run_dir": str(folder), "work_dir": str(directories["work"]),
        "connection_file": str(connection_file), "report_file": str(report_file),
    }  # fmt: skip
    program = "labkit.classroom.grading.inside"
    with (folder / "kernel.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", program, json.dumps(plan)],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            cwd=folder, env=_environment(directories), start_new_session=True,
        )  # fmt: skip
    return process, Watch(limits, process, report_file)


def _environment(directories: dict[str, Path]) -> dict[str, str]:
    """Nothing of the teacher's: neither credentials nor settings."""
    environment = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    programs = [os.path.dirname(sys.executable), environment.get("PATH", os.defpath)]
    return environment | {
        "PATH": os.pathsep.join(programs),
        "HOME": str(directories["home"]),
        "IPYTHONDIR": str(directories["ipython"]),
        "JUPYTER_RUNTIME_DIR": str(directories["runtime"]),
        "TMPDIR": str(directories["tmp"]),
        "USER": "learner",
        "LOGNAME": "learner",
        "PYTHONUSERBASE": site.getuserbase(),
        "PYTHONDONTWRITEBYTECODE": "1",
        **import_path(),
    }


def _temporary_dir() -> str:
    """The usual folder, unless the names of sockets in it would be too long for the system."""
    usual = tempfile.gettempdir()
    return usual if len(os.fsencode(usual)) <= _FOLDER_BYTES_MAX else "/tmp"


def _link_interpreters(home: Path) -> None:
    """Let a lab find in the hand-in's home what it would find in the teacher's."""
    for folder in INTERPRETERS:
        link, target = home / folder, Path.home() / folder
        if target.is_dir() and not link.is_symlink():
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(target)


def _is_ready(watch: Watch) -> bool:
    """Wait until the kernel's process is sealed; False when it cannot be."""
    while True:
        for report in watch.reports():
            return "ready" in report
        try:
            watch.look()
        except Struck:
            return False
        time.sleep(0.005)


def _end_without_grader() -> None:
    """The grader sends nothing more: what can be read is the end of the pipe."""
    if select.select([0], [], [], 0)[0]:
        raise BrokenPipeError


def _exit_words(status: int) -> str:
    # The first process of a sealed hand-in ends with 128 + the signal, as shells do.
    number = -status if status < 0 else status - 128
    if status < 0 or number in (signal.SIGKILL, signal.SIGSEGV, signal.SIGABRT, signal.SIGTERM):
        names = {known.value: known.name for known in signal.Signals}
        return f"killed by {names.get(number, f'signal {number}')}"
    return f"exit status {status}"


def _say(**message: object) -> None:
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
