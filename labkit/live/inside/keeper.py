"""One execution environment, from the inside: its keeper process and the runtime below it.

The *keeper* is the first process of the environment's own process table. It starts the runtime,
reports its end on the status pipe, takes in orphans, and ends everything when the lab's server goes
away (the lifeline pipe closes). The *runtime* ends up running AWS's own client with the learner's
handler, or ``exec``\\ s another runtime.
"""

import json
import os
import resource
import select
import signal
import sys
from collections.abc import Callable

if sys.platform.startswith("linux"):
    import namespaces

_MOST_ORPHANS = 10_000
INSIDE_DIR = os.path.dirname(os.path.abspath(__file__))


def adopt_orphans() -> None:
    """Keepers lose their parent at once: let this process inherit and reap them."""
    if sys.platform.startswith("linux"):
        namespaces.become_subreaper()


def enter(plan: dict, fds: list) -> None:
    """In the forked process: set the environment up, then keep it. Does not return.

    ``fds``: output, status, lifeline, and for an environment that lost its process the namespaces
    to join.
    """
    output, status, lifeline, *plan["join_fds"] = fds
    plan["status_fd"], plan["lifeline_fd"] = status, lifeline
    null = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((null, 0), (output, 1), (output, 2)):
        os.dup2(source, target)
    os.close(null)
    os.close(output)
    os.setsid()
    try:
        if plan["isolation"] == "namespaces":
            set_up = namespaces.join if plan["join_fds"] else namespaces.build
            set_up(plan)
            _become_keeper(plan)
            namespaces.fresh_proc()
        else:
            adopt_orphans()
            _report(plan, {"keeper": os.getpid()})
        runtime_pid = os.fork()
    except OSError as error:
        _report(plan, {"failed": str(error)})
        os._exit(1)
    if runtime_pid == 0:
        _become_runtime(plan)
    _keep(plan, runtime_pid)


def _become_keeper(plan: dict) -> None:
    """Go on as the first process of the new process table, once the server knows its number.

    It does not know that itself. If its parent is killed before it has told, nobody could ever end
    the environment: then it ends at once.
    """
    told_read, told_write = os.pipe()
    keeper_pid = os.fork()
    if keeper_pid:
        _report(plan, {"keeper": keeper_pid})
        os.write(told_write, b".")
        os._exit(0)
    os.close(told_write)
    if not os.read(told_read, 1):
        os._exit(1)
    os.close(told_read)


def _report(plan: dict, message: dict) -> None:
    os.write(plan["status_fd"], json.dumps(message).encode() + b"\n")


def _keep(plan: dict, runtime_pid: int) -> None:
    """Wait for the runtime's end, or end it when the lab's server has gone."""
    for fd in (0, 1, 2):
        os.close(fd)
    wake_read, wake_write = os.pipe()
    os.set_blocking(wake_write, False)
    signal.set_wakeup_fd(wake_write)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    _report(plan, {"running": runtime_pid})
    code = None
    while code is None:
        code = _reap(runtime_pid)
        if code is not None:
            break
        readable, _, _ = select.select([plan["lifeline_fd"], wake_read], [], [])
        if plan["lifeline_fd"] in readable:
            break
        os.read(wake_read, 64)
    _end_all(runtime_pid)
    if code is not None:
        _report(plan, {"exit": code})
    os._exit(0)


def _reap(runtime_pid: int) -> int | None:
    """Take in every child that ended; the runtime's exit code if it is among them."""
    try:
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return None
            if pid == runtime_pid:
                return os.waitstatus_to_exitcode(status)
    except ChildProcessError:
        return None


def _end_all(runtime_pid: int) -> None:
    """Kill the runtime and whatever it left behind, in a process group of its own or not."""
    _kill(os.killpg, runtime_pid)
    for _ in range(_MOST_ORPHANS):
        try:
            with open(f"/proc/self/task/{os.getpid()}/children") as file:
                children = file.read().split()
        except OSError:  # not Linux: only the runtime's own group can be found
            _kill(os.kill, runtime_pid)
            return
        if not children:
            return
        for child in children:
            _kill(os.kill, int(child))
        os.waitpid(-1, 0)


def _kill(kill: Callable, pid: int) -> None:
    try:
        kill(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass


def _become_runtime(plan: dict) -> None:
    os.setsid()
    os.close(plan["status_fd"])
    os.close(plan["lifeline_fd"])
    if plan["isolation"] == "namespaces":
        namespaces.give_up_privileges()
    _limit_resources(plan["file_descriptors"])
    os.umask(0o022)
    os.chdir(plan["task_root"])
    environ = plan["environ"]
    if plan["command"] is not None:
        try:
            os.execve(plan["command"][0], plan["command"], environ)
        except OSError as error:
            os.write(2, f"{plan['command'][0]}: {error.strerror}\n".encode())
            os._exit(126)
    os.environ.clear()
    os.environ.update(environ)
    sys.path[:] = [plan["inside_dir"] if entry == INSIDE_DIR else entry for entry in sys.path]
    import python_main

    python_main.main(plan)
    os._exit(0)


def _limit_resources(file_descriptors: int) -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    limit = file_descriptors if hard == resource.RLIM_INFINITY else min(file_descriptors, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
