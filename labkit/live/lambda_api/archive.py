"""Deployment packages: zip files from anywhere, unpacked so that nothing leaves its folder."""

from __future__ import annotations

import contextlib
import io
import os
import posixpath
import stat
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from labkit.core import quotas
from labkit.core.errors import invalid_parameter, unreadable_zip, unzipped_too_large

ENTRIES_MAX = 100_000
"""How many files one package may hold here; AWS names no such limit, a laptop's disk has one."""

_CHUNK_BYTES = 1 << 20
_LINK_TARGET_MAX_BYTES = 4096
_ENCRYPTED_FLAG = 0x1


@dataclass(frozen=True, slots=True)
class _Entry:
    info: zipfile.ZipInfo
    path: str
    is_link: bool


class Archive:
    """One zip file, checked when it is made: names, number of entries, declared size.

    Raises ApiError with AWS's words for a package that the service refuses: "Could not unzip
    uploaded file..." for what is broken or would leave its folder, "Unzipped size must be
    smaller..." for what is too large.
    """

    def __init__(self, content: bytes, *, allowance_bytes: int = quotas.UNZIPPED_MAX_BYTES) -> None:
        self._allowance_bytes = allowance_bytes
        try:
            self._zip = zipfile.ZipFile(io.BytesIO(content))
            infos = self._zip.infolist()
        except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError):
            raise unreadable_zip() from None
        if not infos:
            raise invalid_parameter("Uploaded file must be a non-empty zip")
        if len(infos) > ENTRIES_MAX:
            raise invalid_parameter(
                f"The package holds {len(infos)} files; this lab unpacks at most {ENTRIES_MAX}. "
                "Leave out what the function does not import."
            )
        if sum(info.file_size for info in infos) > allowance_bytes:
            raise unzipped_too_large(quotas.UNZIPPED_MAX_BYTES)
        self._entries = [_checked(info) for info in infos]

    def measure(self) -> int:
        """Read everything without keeping it and return the unzipped size in bytes."""
        with _readable():
            total = 0
            for entry in self._entries:
                for chunk in self._chunks(entry):
                    total = self._counted(total, chunk)
            return total

    def unpack(self, root: Path) -> int:
        """Unpack into `root`, over what lies there, and return the unzipped size in bytes.

        After a refusal, throw `root` away: it may hold part of the archive, with links that lead
        out of it, but nothing has been written through them.
        """
        real_root = os.path.realpath(root)
        safe_parents: set[str] = set()
        with _readable():
            total = 0
            for entry in self._entries:
                if entry.is_link:
                    continue
                target = os.path.join(real_root, entry.path)
                if entry.info.is_dir():
                    _make_directory(target, real_root, safe_parents)
                    continue
                _make_directory(os.path.dirname(target), real_root, safe_parents)
                total = self._write(entry, target, total)
            return self._link(real_root, total)

    def _write(self, entry: _Entry, target: str, total: int) -> int:
        if os.path.lexists(target):
            os.unlink(target)
        with open(target, "xb") as file:
            for chunk in self._chunks(entry):
                total = self._counted(total, chunk)
                file.write(chunk)
        # The service makes every file readable and keeps whether it can be executed.
        os.chmod(target, 0o755 if (entry.info.external_attr >> 16) & 0o111 else 0o644)
        return total

    def _link(self, root: str, total: int) -> int:
        """Make the symbolic links: last, so that no file can be written through one of them."""
        made: list[str] = []
        for entry in self._entries:
            if not entry.is_link:
                continue
            path = os.path.join(root, entry.path)
            # Nothing is remembered as safe here: a later link may replace an earlier one.
            _make_directory(os.path.dirname(path), root, set())
            goal = b"".join(self._chunks(entry))
            total = self._counted(total, goal)
            if not goal or len(goal) > _LINK_TARGET_MAX_BYTES or goal.startswith(b"/"):
                raise unreadable_zip()
            if os.path.lexists(path):
                os.unlink(path)
            os.symlink(os.fsdecode(goal), path)
            made.append(path)
        # Only with all links in place is it known where each of them leads.
        if not all(_inside(os.path.realpath(path), root) for path in made):
            raise unreadable_zip()
        return total

    def _chunks(self, entry: _Entry) -> Iterator[bytes]:
        with self._zip.open(entry.info) as source:
            while chunk := source.read(_CHUNK_BYTES):
                yield chunk

    def _counted(self, total: int, chunk: bytes) -> int:
        total += len(chunk)
        if total > self._allowance_bytes:
            raise unzipped_too_large(quotas.UNZIPPED_MAX_BYTES)
        return total


@contextlib.contextmanager
def _readable() -> Iterator[None]:
    """Turn whatever a broken zip file causes while it is read into AWS's refusal."""
    try:
        yield
    # NotImplementedError (a RuntimeError): a compression method that zipfile lacks.
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, RuntimeError):
        raise unreadable_zip() from None


def _checked(info: zipfile.ZipInfo) -> _Entry:
    name = info.filename
    path = posixpath.normpath(name)
    outside = path.startswith(("/", "../")) or path == ".." or ".." in name.split("/")
    if outside or "\\" in name or "\0" in info.orig_filename or info.flag_bits & _ENCRYPTED_FLAG:
        raise unreadable_zip()
    kind = stat.S_IFMT(info.external_attr >> 16)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR, stat.S_IFLNK):
        raise unreadable_zip()
    return _Entry(info, path, kind == stat.S_IFLNK)


def _make_directory(path: str, root: str, safe: set[str]) -> None:
    if path in safe:
        return
    if not _inside(os.path.realpath(path), root):
        raise unreadable_zip()
    os.makedirs(path, mode=0o755, exist_ok=True)
    safe.add(path)


def _inside(path: str, root: str) -> bool:
    return path == root or path.startswith(root + os.sep)
