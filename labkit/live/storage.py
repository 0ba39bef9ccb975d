"""The server's folder for code, environments and what the notebook puts on its path.

It goes when the server ends. A server that was killed cannot clean up: the next one does.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
from pathlib import Path
from typing import Final

_PREFIX: Final = "labkit-"
_LOCK: Final = "in-use"


class Storage:
    """A folder that only this user can read, for as long as `close` is not called.

    `directory` is an existing folder to take over; without it a new one is made.
    """

    def __init__(self, directory: Path | None = None) -> None:
        _remove_abandoned()
        self.directory = directory or Path(tempfile.mkdtemp(prefix=_PREFIX))
        self._lock_fd = os.open(self.directory / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(self._lock_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def close(self) -> None:
        """Remove the folder."""
        shutil.rmtree(self.directory, ignore_errors=True)
        os.close(self._lock_fd)


def _remove_abandoned() -> None:
    """Remove this user's folders whose server is gone: nobody holds their lock."""
    for directory in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError):
            if directory.is_symlink() or directory.stat().st_uid != os.getuid():
                continue
            lock_fd = os.open(directory / _LOCK, os.O_RDWR | os.O_NOFOLLOW)
            try:
                fcntl.flock(lock_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(directory, ignore_errors=True)
            finally:
                os.close(lock_fd)
