"""What stands in for namespaces in a Python runtime where the machine allows none.

An audit hook refuses writes outside the environment's ``/tmp`` and signals to other processes. It
keeps a learner's mistake from harming the machine; it is no wall against someone who wants through.
"""

import os
import sys

_CHANGING = {
    "os.remove": 1, "os.rename": 2, "os.rmdir": 1, "os.mkdir": 1, "os.truncate": 1, "os.chmod": 1,
    "os.chown": 1, "os.link": 2, "os.symlink": 2, "shutil.rmtree": 1,
}  # fmt: skip
_DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/tty")
_WRITE_FLAGS = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


def install(tmp_dir: str, lab_dir: str) -> None:
    """From now on refuse what an execution environment of AWS would refuse.

    ``tmp_dir`` is this environment's own folder inside the lab's, ``lab_dir``.
    """
    sys.addaudithook(_Guard(tmp_dir, lab_dir).check)


class _Guard:
    def __init__(self, tmp_dir: str, lab_dir: str) -> None:
        # Kept here: a handler that replaces functions of `os` must not change what is checked.
        self._realpath, self._fsdecode, self._getpgid = os.path.realpath, os.fsdecode, os.getpgid
        self._own, self._lab = os.path.realpath(tmp_dir) + "/", os.path.realpath(lab_dir) + "/"
        self._shared = tuple(os.path.realpath(folder) + "/" for folder in ("/tmp", "/var/tmp"))
        self._own_group = os.getpgid(0)

    def check(self, event: str, arguments: tuple) -> None:
        if event == "open":
            path, mode, flags = arguments
            writes = flags & _WRITE_FLAGS or (mode and set(mode) & set("wax+"))
            if writes and path is not None:
                self._check_path(path)
        elif event in _CHANGING:
            for path in arguments[: _CHANGING[event]]:
                self._check_path(path)
        elif event == "os.kill":
            self._check_process(arguments[0])
        elif event == "os.killpg" and arguments[0] not in (0, self._own_group):
            raise PermissionError(1, "Operation not permitted")

    def _check_path(self, path: str | bytes | int) -> None:
        if isinstance(path, int):
            return
        place = self._realpath(self._fsdecode(path))
        shared = place.startswith(self._shared) and not place.startswith(self._lab)
        if not (shared or place.startswith(self._own) or place in _DEVICES):
            raise OSError(30, "Read-only file system", self._fsdecode(path))

    def _check_process(self, pid: int) -> None:
        if pid == 0:
            return
        try:
            if pid > 0 and self._getpgid(pid) == self._own_group:
                return
        except OSError:  # there is no such process: the call itself will say so
            return
        raise PermissionError(1, "Operation not permitted")
