"""What stands in for namespaces in a Python runtime where the machine allows none.

An audit hook refuses writes outside the environment's ``/tmp`` and signals to other processes. It
keeps a learner's mistake from harming the machine; it is no wall against someone who wants through.
"""

import os
import sys

_WRITING = {
    "os.remove": 1, "os.rename": 2, "os.rmdir": 1, "os.mkdir": 1, "os.truncate": 1, "os.chmod": 1,
    "os.chown": 1, "os.link": 2, "os.symlink": 2, "shutil.rmtree": 1,
}  # fmt: skip


def install(tmp_dirs: list) -> None:
    """From now on refuse what an execution environment of AWS would refuse."""
    allowed = tuple(os.path.realpath(folder) + "/" for folder in (*tmp_dirs, "/tmp", "/var/tmp"))
    devices = ("/dev/null", "/dev/zero", "/dev/full", "/dev/tty")
    realpath, fsdecode = os.path.realpath, os.fsdecode
    own_group = os.getpgid(0)
    getpgid = os.getpgid
    write_flags = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND

    def check_path(path) -> None:
        if isinstance(path, int):
            return
        place = realpath(fsdecode(path))
        if not place.startswith(allowed) and place not in devices:
            raise OSError(30, "Read-only file system", fsdecode(path))

    def check_process(pid: int) -> None:
        try:
            if pid > 0 and getpgid(pid) == own_group:
                return
        except OSError:
            return
        if pid != 0:
            raise PermissionError(1, "Operation not permitted")

    def hook(event: str, arguments: tuple) -> None:
        if event == "open":
            path, mode, flags = arguments
            if path is not None and (flags & write_flags or (mode and set(mode) & set("wax+"))):
                check_path(path)
        elif event in _WRITING:
            for path in arguments[: _WRITING[event]]:
                check_path(path)
        elif event == "os.kill":
            check_process(arguments[0])
        elif event == "os.killpg" and arguments[0] not in (0, own_group):
            raise PermissionError(1, "Operation not permitted")

    sys.addaudithook(hook)
