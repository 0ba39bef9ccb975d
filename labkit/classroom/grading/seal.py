"""Linux namespaces around one hand-in, without privileges.

It sees the machine read-only, its own folder, and of the teacher's folders nothing but what Python
needs. It sees its own processes alone, so that a signal "to all" reaches only them, and it has no
network but a loopback of its own. The lab that it starts makes further namespaces inside these.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
import sys
import tempfile
from collections.abc import Iterable, Sequence
from typing import Final

from labkit.classroom.grading.places import Places, is_below

_MS_NOSUID, _MS_NODEV, _MS_NOEXEC, _MS_BIND, _MS_REC, _MS_PRIVATE = 2, 4, 8, 4096, 16384, 1 << 18
_NEWNS, _NEWIPC, _NEWUSER, _NEWPID, _NEWNET = (
    0x20000, 0x8000000, 0x10000000, 0x20000000, 0x40000000,
)  # fmt: skip
_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_CHILD_SUBREAPER, _PR_SET_NO_NEW_PRIVS = 1, 4, 36, 38
_CAPABILITY_VERSION_3: Final = 0x20080522
_SYS_MOUNT_SETATTR, _AT_FDCWD, _AT_RECURSIVE, _ATTR_READ_ONLY = 442, -100, 0x8000, 1
_SIOCSIFFLAGS, _IFF_UP = 0x8914, 1
_ORDINARY_UID: Final = 1000  # a root inside would keep all rights over what is mounted
_SCRATCH_MB: Final = 64
SHARED: Final = ("/tmp", "/var/tmp", "/dev/shm")
"""Where all programs of a machine write."""


def is_linux() -> bool:
    """Tell whether there are namespaces at all."""
    return sys.platform.startswith("linux")


def adopt_orphans() -> None:
    """Let this process inherit its descendants' orphans."""
    _check(_libc().prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), "subreaper")


def end_with_parent(signal_number: int) -> None:
    """Get this signal when the thread that started this process ends."""
    _check(_libc().prctl(_PR_SET_PDEATHSIG, signal_number, 0, 0, 0), "parent death signal")


def build(places: Places, own_dirs: Sequence[str]) -> None:
    """Enter new namespaces, in which only `own_dirs` can be written. The next child is their first
    process: it must call `finish`.

    Raises OSError, from its first step where the machine does not allow namespaces.
    """
    uid, gid = os.getuid(), os.getgid()
    flags = _NEWUSER | _NEWNS | _NEWPID | _NEWIPC | _NEWNET
    _check(_libc().unshare(flags), "new namespaces")
    _write("/proc/self/setgroups", "deny")
    _write("/proc/self/uid_map", f"{uid or _ORDINARY_UID} {uid} 1")
    _write("/proc/self/gid_map", f"{gid or _ORDINARY_UID} {gid} 1")
    _mount("none", "/", None, _MS_REC | _MS_PRIVATE)
    for own in own_dirs:
        _mount(own, own, None, _MS_BIND)
    _set_read_only("/", True)
    for own in own_dirs:
        _set_read_only(own, False)
    shared = {os.path.realpath(path) for path in (*SHARED, tempfile.gettempdir())}
    for folder in sorted({*places.hidden, *shared}, key=lambda path: path.count("/")):
        _cover(folder, (*places.needed, *own_dirs))
    _loopback_up()


def finish() -> None:
    """In the first process: its own process table, and no rights to undo any of this."""
    _mount("proc", "/proc", "proc", _MS_NOSUID | _MS_NODEV | _MS_NOEXEC)
    libc = _libc()
    _check(libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no_new_privs")
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    _check(libc.capset(header, (ctypes.c_uint32 * 6)()), "capset")
    _check(libc.prctl(_PR_SET_DUMPABLE, 1, 0, 0, 0), "dumpable")


def _cover(folder: str, needed: Iterable[str]) -> None:
    """Lay an empty folder over one, and what is needed of the old one into it."""
    if not os.path.isdir(folder):
        return
    kept: dict[str, int] = {}
    for path in sorted(needed):
        inside = path != folder and is_below(path, folder) and os.path.exists(path)
        if inside and not any(is_below(path, other) for other in kept):
            kept[path] = os.open(path, os.O_PATH | os.O_CLOEXEC)
    options = f"size={_SCRATCH_MB}m,mode=1777"
    _mount("tmpfs", folder, "tmpfs", _MS_NOSUID | _MS_NODEV, options)
    for path, fd in kept.items():
        source = f"/proc/self/fd/{fd}"
        if os.path.isdir(source):
            os.makedirs(path, exist_ok=True)
        else:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o644))
        _mount(source, path, None, _MS_BIND | _MS_REC)
        os.close(fd)


def _set_read_only(path: str, read_only: bool) -> None:
    """Of a mount, and for the root of all. Kernels before 5.12 cannot: there it stays as it is.

    Raises OSError if the kernel could and refuses.
    """
    changes = (_ATTR_READ_ONLY, 0) if read_only else (0, _ATTR_READ_ONLY)
    attributes = struct.pack("=4Q", *changes, 0, 0)
    result = _libc().syscall(
        ctypes.c_long(_SYS_MOUNT_SETATTR),
        ctypes.c_int(_AT_FDCWD),
        path.encode(),
        ctypes.c_uint(_AT_RECURSIVE),
        attributes,
        ctypes.c_size_t(len(attributes)),
    )
    if result and ctypes.get_errno() != errno.ENOSYS:
        _check(result, f"mount_setattr of {path}")


def _loopback_up() -> None:
    import fcntl
    import socket

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        request = struct.pack("16sh14x", b"lo", _IFF_UP)
        fcntl.ioctl(any_socket, _SIOCSIFFLAGS, request)


def _mount(source: str, target: str, kind: str | None, flags: int, data: str = "") -> None:
    result = _libc().mount(
        os.fsencode(source),
        os.fsencode(target),
        kind.encode() if kind else None,
        ctypes.c_ulong(flags),
        data.encode() or None,
    )
    _check(result, f"mount {source} on {target}")


def _write(path: str, text: str) -> None:
    with open(path, "w") as file:
        file.write(text)


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _check(result: int, what: str) -> None:
    if result != 0:
        error = ctypes.get_errno()
        raise OSError(error, f"{os.strerror(error)} ({what})")
