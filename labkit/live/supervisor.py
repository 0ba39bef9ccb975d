"""Start and end the processes of execution environments.

Each is a keeper process with the runtime below it (``inside/keeper.py``), forked from one template.
Where Linux lets an ordinary user make namespaces, the runtime gets a file system, a process table
and a user of its own; where it does not (Docker's default profile, as on Binder; macOS), it runs as
a plain process with a guard in the Python runtime, and ``labkit doctor`` says so.
"""

from __future__ import annotations

import functools
import importlib.metadata
import importlib.util
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from packaging.requirements import Requirement

from labkit.core.quotas import FILE_DESCRIPTORS_MAX
from labkit.live.interpreters import own_python

INSIDE_DIR = Path(__file__).parent / "inside"
NAMESPACES, PLAIN = "namespaces", "none"
_INSIDE_SEEN = "/var/lang/lab"  # where an environment with namespaces finds INSIDE_DIR
_END_MS = 5000
_LENGTH_BYTES = 4  # of the plan, as inside/template.py reads it
_RUNTIME_DISTRIBUTIONS = ("boto3", "awslambdaric")  # what AWS's Python runtime brings


@dataclass(slots=True)
class Launch:
    """What is to run, as seen from inside the environment."""

    environ: dict[str, str]
    tmp_mb: int
    task_dir: Path
    opt_dir: Path | None
    tmp_dir: Path
    """Where /tmp is without namespaces (with them it is a file system of its own)."""
    command: list[str] | None = None
    """None: AWS's Python client in the process itself, for ``handler``."""
    handler: str = ""
    import_path: tuple[list[str], list[str]] = field(default_factory=lambda: ([], []))
    """Entries of ``sys.path`` before and after the standard library."""
    executable: str = ""
    """What ``sys.executable`` is to say."""
    prefixes: tuple[str, ...] = ()
    """Folders of the machine that the command needs, read-only at their own place."""
    links: dict[str, str] = field(default_factory=dict)


class RuntimeProcess:
    """One started runtime. ``output_fd`` gives what it writes, ``status_fd`` how it fares."""

    def __init__(self, output_fd: int, status_fd: int, *, own_table: bool) -> None:
        self.output_fd, self.status_fd = output_fd, status_fd
        self.pid: int | None = None
        """The runtime, once it runs."""
        self.keeper_pid: int | None = None
        self.exit: int | None = None
        """Exit status, or minus the signal; None while it runs."""
        self.failure: str | None = None
        """Why the environment could not be set up."""
        self._own_table = own_table
        self._gone = False
        self._running: int | None = None
        self._buffer = b""

    def read_status(self) -> None:
        """Take in what the keeper reported. Call when ``status_fd`` is readable."""
        data = os.read(self.status_fd, 4096)
        self._buffer += data
        while b"\n" in self._buffer:
            line, self._buffer = self._buffer.split(b"\n", 1)
            message = json.loads(line)
            self.keeper_pid = message.get("keeper", self.keeper_pid)
            self._running = message.get("running", self._running)
            self.exit = message.get("exit", self.exit)
            self.failure = message.get("failed", self.failure)
        if self.pid is None and self._running is not None and self.keeper_pid is not None:
            self.pid = self._runtime_pid(self._running, self.keeper_pid)
        if not data:
            self._gone = True
            if self.exit is None:
                self.exit = -int(signal.SIGKILL)

    def _runtime_pid(self, reported: int, keeper_pid: int) -> int | None:
        if not self._own_table:
            return reported
        # The keeper counts in its own process table; its first child is the runtime.
        try:
            children = Path(f"/proc/{keeper_pid}/task/{keeper_pid}/children").read_text().split()
        except OSError:
            return None
        return int(children[0]) if children else None

    def signal_group(self, number: int) -> None:
        """Signal the runtime and its children."""
        if self.pid is not None and self.exit is None:
            _send(os.killpg, self.pid, number)

    def kill(self) -> None:
        """End it and everything below it now, and wait until all of it is gone."""
        if self._own_table and self.keeper_pid is not None:
            _send(os.kill, self.keeper_pid, signal.SIGKILL)  # the kernel ends its whole table
        else:
            self.signal_group(signal.SIGKILL)
        # Whoever still lives holds the pipe open: its end of file is the end of them all.
        poll = select.poll()
        poll.register(self.status_fd, select.POLLIN)
        while not self._gone and poll.poll(_END_MS):
            self.read_status()
            if self.keeper_pid is not None and self._own_table:
                _send(os.kill, self.keeper_pid, signal.SIGKILL)
            elif self.exit is None:
                self.signal_group(signal.SIGKILL)

    def close(self) -> None:
        """Kill it if it still runs, and close its descriptors."""
        self.kill()
        os.close(self.output_fd)
        os.close(self.status_fd)


class Supervisor:
    """Starts runtimes. ``storage_dir`` is the lab's own folder."""

    def __init__(self, storage_dir: Path) -> None:
        self.isolation = isolation()
        self._root_dir = storage_dir / "root"
        self._root_dir.mkdir()
        self.runtime_dir = storage_dir / "runtime"
        self._runtime_entries = _link_runtime(self.runtime_dir)
        # Keepers end their runtime when this pipe closes: when the server ends, however it ends.
        self._lifeline_read, self._lifeline_write = os.pipe()
        self._lock = threading.Lock()
        self._start_template()

    def start(self, launch: Launch, join_fds: tuple[int, ...] = ()) -> RuntimeProcess:
        """Start a runtime; with ``join_fds`` in the namespaces of the environment's earlier one."""
        output_read, output_write = os.pipe()
        status_read, status_write = os.pipe()
        plan = json.dumps(self._plan(launch)).encode()
        fds = [output_write, status_write, self._lifeline_read, *join_fds]
        try:
            self._send_plan(plan, fds)
        except BaseException:
            os.close(output_read)
            os.close(status_read)
            raise
        finally:
            os.close(output_write)
            os.close(status_write)
        os.set_blocking(output_read, False)
        return RuntimeProcess(output_read, status_read, own_table=self.isolation == NAMESPACES)

    def namespace_fds(self, process: RuntimeProcess) -> tuple[int, ...]:
        """Descriptors that keep the namespaces of a running process alive (its /tmp among them)."""
        if self.isolation != NAMESPACES:
            return ()
        place = f"/proc/{process.keeper_pid}/ns"
        fds: list[int] = []
        try:
            for kind in ("user", "mnt"):
                fds.append(os.open(f"{place}/{kind}", os.O_RDONLY))
        except OSError:  # the keeper has ended: whoever waits for it will see that
            for fd in fds:
                os.close(fd)
            return ()
        return tuple(fds)

    def close(self) -> None:
        """End the template, and every keeper that is still there."""
        os.close(self._lifeline_write)
        os.close(self._lifeline_read)
        self._control.close()
        try:
            self._template.wait(timeout=2)
        except subprocess.TimeoutExpired:
            self._template.kill()
            self._template.wait()

    def _start_template(self) -> None:
        self._control, theirs = socket.socketpair()
        boot = f"import sys; sys.path.append({str(INSIDE_DIR)!r}); import template; template.main()"
        with theirs:
            self._template = subprocess.Popen(
                [own_python().path, "-I", "-S", "-X", "utf8", "-c", boot, str(theirs.fileno())],
                pass_fds=(theirs.fileno(),),
                stdin=subprocess.DEVNULL,
                env={},
                cwd="/",
                start_new_session=True,
            )

    def _send_plan(self, plan: bytes, fds: list[int]) -> None:
        with self._lock:
            try:
                self._send_to_template(plan, fds)
            except OSError:  # the template has been killed: start another one
                self._control.close()
                self._template.wait()
                self._start_template()
                self._send_to_template(plan, fds)

    def _send_to_template(self, plan: bytes, fds: list[int]) -> None:
        socket.send_fds(self._control, [len(plan).to_bytes(_LENGTH_BYTES, "big")], fds)
        self._control.sendall(plan)

    def guard(self, launch: Launch) -> list[str] | None:
        """What the guard in a Python runtime has to know; None where namespaces do its work."""
        if self.isolation == NAMESPACES:
            return None
        return [str(launch.tmp_dir), str(self.runtime_dir.parent)]

    def _plan(self, launch: Launch) -> dict[str, object]:
        inside = self.isolation == NAMESPACES
        return {
            "isolation": self.isolation,
            "root_dir": str(self._root_dir),
            "tmp_mb": launch.tmp_mb,
            "file_descriptors": FILE_DESCRIPTORS_MAX,
            "binds": self._binds(launch) if inside else [],
            "links": launch.links if inside else {},
            "task_root": launch.environ["LAMBDA_TASK_ROOT"],
            "environ": launch.environ,
            "command": launch.command,
            "handler": launch.handler,
            "import_path": launch.import_path,
            "executable": launch.executable,
            "inside_dir": _INSIDE_SEEN if inside else str(INSIDE_DIR),
            "guard": self.guard(launch),
            "pure_client": not has_compiled_client(),
        }

    def _binds(self, launch: Launch) -> list[tuple[str, str]]:
        binds = [(str(launch.task_dir), "/var/task"), (str(INSIDE_DIR), _INSIDE_SEEN)]
        binds += [(path, f"/var/runtime/{name}") for name, path in self._runtime_entries.items()]
        if launch.opt_dir is not None:
            binds.append((str(launch.opt_dir), "/opt"))
        system = ("/usr/", "/bin/", "/lib")
        binds += [(path, path) for path in launch.prefixes if not f"{path}/".startswith(system)]
        return binds


def inside_dir(isolated: str) -> str:
    """Where the folder of the lab's runtime clients is, seen from inside an environment."""
    return _INSIDE_SEEN if isolated == NAMESPACES else str(INSIDE_DIR)


@functools.cache
def has_compiled_client() -> bool:
    """Whether AWS's compiled Runtime API client is there for the lab's own interpreter."""
    return importlib.util.find_spec("runtime_client") is not None


@functools.cache
def isolation() -> str:
    """``"namespaces"`` where an environment can be kept apart from the machine, or ``"none"``.

    ``LABKIT_ISOLATION=none`` in the server's environment asks for the latter, as Binder has it.
    """
    if not sys.platform.startswith("linux") or os.environ.get("LABKIT_ISOLATION") == PLAIN:
        return PLAIN
    with tempfile.TemporaryDirectory() as folder:
        plan = {"root_dir": folder, "tmp_mb": 1, "binds": [], "links": {}}
        script = (
            f"import sys, json, os; sys.path.append({str(INSIDE_DIR)!r}); import namespaces\n"
            "plan = json.loads(sys.argv[1]); namespaces.build(plan)\n"
            "pid = os.fork()\n"
            "if pid == 0: namespaces.fresh_proc(); namespaces.give_up_privileges(); os._exit(0)\n"
            "os._exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))"
        )
        command = [own_python().path, "-I", "-S", "-c", script, json.dumps(plan)]
        try:
            done = subprocess.run(
                command, check=False, capture_output=True, timeout=10, stdin=subprocess.DEVNULL
            )
        except (OSError, subprocess.TimeoutExpired):
            return PLAIN
    return NAMESPACES if done.returncode == 0 else PLAIN


def _send(send: Callable[[int, int], None], pid: int, number: int) -> None:
    try:
        send(pid, number)
    except (ProcessLookupError, PermissionError):
        pass


def _link_runtime(folder: Path) -> dict[str, str]:
    """Fill ``folder`` with links to what AWS's Python runtime brings, and return name and place of
    each.
    """
    folder.mkdir()
    entries: dict[str, str] = {}
    for name in _closure(_RUNTIME_DISTRIBUTIONS):
        distribution = importlib.metadata.distribution(name)
        for file in distribution.files or ():
            top = file.parts[0]
            if (
                top not in entries
                and top not in ("..", "__pycache__", "bin")
                and not top.endswith(".pth")
            ):
                entries[top] = str(distribution.locate_file(top))
    for top, path in entries.items():
        (folder / top).symlink_to(path)
    return entries


def _closure(names: tuple[str, ...]) -> list[str]:
    """The named distributions and all that they require, as far as they are installed."""
    found: list[str] = []
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        try:
            requirements = importlib.metadata.requires(name) or []
        except importlib.metadata.PackageNotFoundError:
            continue
        found.append(name)
        for text in requirements:
            requirement = Requirement(text)
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                waiting.append(requirement.name)
    return found
