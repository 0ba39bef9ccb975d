"""An audit hook in the kernel: who reaches for the teacher's files is refused, and it is told.

It sees what Python code of this process opens and lists, and the words of the commands that it
starts. It does not see what those commands do, nor C code. Determined code gets past any hook in
its own process: this one makes a result honest, the namespaces around it keep files hidden.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable, Collection
from typing import Final

from labkit.classroom.grading.places import Places, is_below

# By audit event: how many of its first arguments are paths.
_PATHS: Final = {
    "open": 1, "os.chdir": 1, "os.chmod": 1, "os.chown": 1, "os.link": 2, "os.listdir": 1,
    "os.mkdir": 1, "os.remove": 1, "os.rename": 2, "os.rmdir": 1, "os.scandir": 1,
    "os.symlink": 1, "os.truncate": 1, "os.utime": 1, "shutil.copyfile": 2, "shutil.copytree": 2,
    "shutil.move": 2, "shutil.rmtree": 1, "glob.glob": 1, "os.walk": 1, "sqlite3.connect": 1,
}  # fmt: skip
_COMMANDS: Final = {"subprocess.Popen", "os.system", "os.exec", "os.posix_spawn"}


def install(places: Places, tell: Callable[[str], None]) -> None:
    """Refuse and `tell` each path of the teacher's from now on. It cannot be taken away again."""
    # Python lists these when it imports; a checkout's folder is one of them.
    listed = {os.path.realpath(entry) for entry in sys.path if entry}

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        count = _PATHS.get(event)
        if count is not None:
            for path in arguments[:count]:
                if isinstance(path, str | bytes | os.PathLike):
                    check(os.fsdecode(path), listed if event == "os.listdir" else ())
        elif event in _COMMANDS:
            check_words(repr(arguments[:2]))

    def refuse(path: str) -> None:
        tell(path)
        raise PermissionError(errno.EACCES, "A hand-in may not read the teacher's files", path)

    def check(path: str, allowed: Collection[str]) -> None:
        try:
            real = os.path.realpath(path)
        except (OSError, ValueError):
            return
        if places.hides(real) and real not in allowed:
            refuse(path)

    def check_words(words: str) -> None:
        for folder in places.hidden:
            start = words.find(folder)
            while start >= 0:
                path = _path_at(words, start)
                if is_below(path, folder) and places.hides(os.path.realpath(path)):
                    refuse(path)
                start = words.find(folder, start + 1)

    sys.addaudithook(hook)


def _path_at(words: str, start: int) -> str:
    end = start
    while end < len(words) and words[end] not in " '\"\\;|&<>()":
        end += 1
    return words[start:end]
