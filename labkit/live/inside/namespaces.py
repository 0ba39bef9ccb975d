"""Linux namespaces for one execution environment, without privileges and without Docker.

A private root file system with only what AWS's environment has: ``/var/task`` and ``/opt``
read-only, ``/var/runtime``, a ``/tmp`` of the configured size, the machine's programs read-only; a
private process table; user ``sbx_user1051``. The mount namespace outlives the runtime process (the
supervisor holds it open), so ``/tmp`` survives a time-out or a crash, as on AWS.
"""

import ctypes
import os

MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REMOUNT, MS_BIND = 2, 4, 8, 32, 4096
MS_RDONLY, MS_REC, MS_PRIVATE = 1, 16384, 1 << 18
CLONE_NEWNS, CLONE_NEWIPC, CLONE_NEWUSER, CLONE_NEWPID = 0x20000, 0x8000000, 0x10000000, 0x20000000
MNT_DETACH = 2
PR_SET_DUMPABLE, PR_SET_CHILD_SUBREAPER, PR_SET_NO_NEW_PRIVS = 4, 36, 38
CAPABILITY_VERSION_3 = 0x20080522
UID, GID = 993, 990  # of sbx_user1051, the user of AWS's environments
DEVICES = ("null", "zero", "full", "random", "urandom")
SYSTEM_FOLDERS = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/nix")
ETC_FILES = (
    "hosts", "resolv.conf", "nsswitch.conf", "ld.so.cache", "localtime", "ssl", "ca-certificates",
    "pki", "alternatives", "gai.conf", "services", "protocols", "mime.types",
)  # fmt: skip
PASSWD = (
    "root:x:0:0:root:/root:/sbin/nologin\n"
    f"sbx_user1051:x:{UID}:{GID}::/home/sbx_user1051:/sbin/nologin\n"
)
GROUP = f"root:x:0:\nsbx_user1051:x:{GID}:\n"

_libc = ctypes.CDLL(None, use_errno=True)


def _check(result: int, what: str) -> None:
    if result != 0:
        error = ctypes.get_errno()
        raise OSError(error, f"{os.strerror(error)} ({what})")


def _unshare(flags: int) -> None:
    _check(_libc.unshare(flags), f"unshare {flags:#x}")


def _mount(source: str, target: str, kind: str | None, flags: int, data: str | None = None) -> None:
    result = _libc.mount(
        source.encode(),
        target.encode(),
        kind.encode() if kind else None,
        ctypes.c_ulong(flags),
        data.encode() if data else None,
    )
    _check(result, f"mount {source} on {target}")


def _bind(source: str, target: str, read_only: bool = True) -> None:
    _mount(source, target, None, MS_BIND | MS_REC)
    if read_only:
        # A remount in a user namespace must keep the flags that the original mount carries.
        kept = os.statvfs(source).f_flag & (MS_NOSUID | MS_NODEV | MS_NOEXEC | 1024 | 2048)
        _mount("none", target, None, MS_BIND | MS_REMOUNT | MS_RDONLY | kept)


def build(plan: dict) -> None:
    """Make new user, mount and IPC namespaces and assemble the root file system in them."""
    uid, gid = os.getuid(), os.getgid()
    _unshare(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWIPC)
    _write("/proc/self/setgroups", "deny")
    _write("/proc/self/uid_map", f"{UID} {uid} 1")
    _write("/proc/self/gid_map", f"{GID} {gid} 1")
    _mount("none", "/", None, MS_REC | MS_PRIVATE)
    root = plan["root_dir"]
    _mount("tmpfs", root, "tmpfs", MS_NOSUID | MS_NODEV, "size=4m,mode=755")
    _system_files(root)
    # The kernel allows a fresh /proc only where a whole one is in sight: the host's, beneath it.
    os.makedirs(f"{root}/proc")
    _mount("/proc", f"{root}/proc", None, MS_BIND | MS_REC)
    os.makedirs(f"{root}/tmp")
    _mount(
        "tmpfs", f"{root}/tmp", "tmpfs", MS_NOSUID | MS_NODEV, f"size={plan['tmp_mb']}m,mode=1777"
    )
    for source, target in plan["binds"]:
        _bind_into(root, source, target)
    for place, target in plan["links"].items():
        os.makedirs(os.path.dirname(root + place), exist_ok=True)
        os.symlink(target, root + place)
    os.makedirs(f"{root}/opt", exist_ok=True)
    _pivot(root)
    _mount("none", "/", None, MS_BIND | MS_REMOUNT | MS_RDONLY | MS_NOSUID | MS_NODEV)
    _unshare(CLONE_NEWPID)


def join(plan: dict) -> None:
    """Enter the namespaces of the environment's earlier process: its ``/tmp`` is still there."""
    for fd in plan["join_fds"]:
        _check(_libc.setns(fd, 0), "setns")
        os.close(fd)
    _unshare(CLONE_NEWPID)


def become_subreaper() -> None:
    """Orphaned descendants of this process become its children."""
    _check(_libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), "subreaper")


def fresh_proc() -> None:
    """In the first process of the new process table: a /proc that shows this table alone."""
    try:
        _mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC)
    except OSError:
        # A container with a masked /proc allows no fresh one: the host's view serves.
        if not os.path.exists("/proc/self"):
            raise


def give_up_privileges() -> None:
    """In the runtime process: from here on nothing of the environment can be changed."""
    _check(_libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no_new_privs")
    header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION_3, 0)
    nothing = (ctypes.c_uint32 * 6)()
    _check(_libc.capset(header, nothing), "capset")
    _check(_libc.prctl(PR_SET_DUMPABLE, 1, 0, 0, 0), "dumpable")


def _system_files(root: str) -> None:
    for folder in SYSTEM_FOLDERS:
        if os.path.islink(folder):
            os.symlink(os.readlink(folder), root + folder)
        elif os.path.isdir(folder):
            _bind_into(root, folder, folder)
    os.makedirs(f"{root}/dev")
    for device in DEVICES:
        _bind_into(root, f"/dev/{device}", f"/dev/{device}", read_only=False)
    os.symlink("/proc/self/fd", f"{root}/dev/fd")
    os.makedirs(f"{root}/etc")
    for name in ETC_FILES:
        source = os.path.realpath(f"/etc/{name}")
        if os.path.exists(source):
            _bind_into(root, source, f"/etc/{name}")
    _write(f"{root}/etc/passwd", PASSWD)
    _write(f"{root}/etc/group", GROUP)


def _bind_into(root: str, source: str, target: str, read_only: bool = True) -> None:
    place = root + target
    if os.path.isdir(source):
        os.makedirs(place, exist_ok=True)
    else:
        os.makedirs(os.path.dirname(place), exist_ok=True)
        os.close(os.open(place, os.O_CREAT | os.O_WRONLY, 0o644))
    _bind(source, place, read_only)


def _pivot(root: str) -> None:
    os.chdir(root)
    _check(_libc.pivot_root(b".", b"."), "pivot_root")
    _check(_libc.umount2(b".", MNT_DETACH), "umount of the old root")
    os.chdir("/")


def _write(path: str, text: str) -> None:
    with open(path, "w") as file:
        file.write(text)
