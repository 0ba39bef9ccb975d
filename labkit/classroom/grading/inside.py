"""The program that becomes a hand-in's kernel: `python -P -m … PLAN`, PLAN as JSON.

It reports to the file `report_file`, one JSON line each: `{"ready": sealed}` when the kernel is
about to start, `{"failed": why}` when it could not be sealed, `{"tried": path}` later.
"""

from __future__ import annotations

import json
import os
import resource
import runpy
import signal
import sys
from typing import Any

from labkit.classroom.grading import guard, seal
from labkit.classroom.grading.places import Places

_FILE_MB_MAX = 256


def main(plan: dict[str, Any]) -> None:
    """Set the process up and run the kernel in it."""

    def report(**message: object) -> None:
        # Opened each time, as children that close all descriptors report as well.
        fd = os.open(plan["report_file"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        os.write(fd, json.dumps(message).encode() + b"\n")
        os.close(fd)

    places = Places(tuple(plan["hidden"]), tuple(plan["needed"]))
    try:
        if plan["sealed"]:
            seal.build(places, [plan["run_dir"]])
        if seal.is_linux():  # only now: new credentials take this away
            seal.end_with_parent(signal.SIGKILL)
        if plan["sealed"]:
            _in_child(finish=True)
            _in_child(finish=False)
    except OSError as error:
        report(failed=str(error))
        return
    os.chdir(plan["work_dir"])
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    limit = _FILE_MB_MAX * 1_000_000
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    report(ready=plan["sealed"])
    guard.install(places, lambda path: report(tried=path))
    sys.argv = ["ipykernel_launcher", "-f", plan["connection_file"]]
    runpy.run_module("ipykernel_launcher", run_name="__main__", alter_sys=True)


def _in_child(*, finish: bool) -> None:
    """Go on in a child. The parent only waits, reaps and ends with the child's status."""
    pid = os.fork()
    if pid == 0:
        seal.end_with_parent(signal.SIGKILL)
        os.setsid()
        if finish:
            seal.finish()
        return
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    while True:
        try:
            ended, status = os.wait()
        except InterruptedError:
            continue
        if ended == pid:
            code = os.waitstatus_to_exitcode(status)
            os._exit(code if code >= 0 else 128 - code)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
