"""Ten thousand warm invocations: what they leave behind."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from figures import AT_MOST, Row, deploy, lab, memory_mb
from harness import Function, descendants

INVOCATIONS = 10_000
WARM_UP = 500


class _Held(NamedTuple):
    """What a lab holds at one moment."""

    processes: int
    threads: int
    descriptors: int
    files: int
    rss_mb: float


def measure() -> list[Row]:
    with _own_temporary_folder() as folder:
        with lab() as served:
            function = deploy(served, "endures", MemorySize=1769)
            fresh_mb = _rss_mb(served.process.pid)
            _invoke(function, INVOCATIONS)
            histories_mb = _rss_mb(served.process.pid) - fresh_mb
            # The event log and the log streams keep a bounded history. It is full from here on, so
            # that what still grows would grow for ever.
            served.control("PATCH", "settings", {"event_log_max": 1000, "log_max_events": 1000})
            _invoke(function, WARM_UP)
            looks = [_look(served.process.pid, folder)]
            for _ in range(2):
                _invoke(function, INVOCATIONS // 2)
                looks.append(_look(served.process.pid, folder))
        left = sum(1 for _ in folder.rglob("*"))
    before, halfway, after = looks
    rows = [
        Row(f"{name} after 10,000 invocations, beyond before", now - then, "", 0, AT_MOST)
        for name, now, then in zip(_Held._fields[:4], after, before, strict=False)
    ]
    return [
        *rows,
        Row("server RSS before", before.rss_mb, "MB"),
        Row("server RSS after 5,000", halfway.rss_mb, "MB"),
        Row("server RSS after 10,000", after.rss_mb, "MB"),
        Row("  growth over the second 5,000", after.rss_mb - halfway.rss_mb, "MB", 1, AT_MOST),
        Row("bounded histories of the first 10,000", histories_mb, "MB"),
        Row("files left when the lab has ended", left, "", 0, AT_MOST),
    ]


@contextmanager
def _own_temporary_folder() -> Iterator[Path]:
    """Processes started meanwhile keep their temporary files in a folder that holds no others."""
    earlier = os.environ.get("TMPDIR")
    with tempfile.TemporaryDirectory() as name:
        os.environ["TMPDIR"] = name
        try:
            yield Path(name)
        finally:
            os.environ.pop("TMPDIR")
            if earlier is not None:
                os.environ["TMPDIR"] = earlier


def _invoke(function: Function, times: int) -> None:
    for _ in range(times):
        function.client.invoke(FunctionName=function.name, Payload=b"{}")["Payload"].read()


def _look(server: int, folder: Path) -> _Held:
    pids = [server, *descendants(server)]
    return _Held(
        processes=len(pids),
        threads=sum(len(os.listdir(f"/proc/{pid}/task")) for pid in pids),
        descriptors=sum(len(os.listdir(f"/proc/{pid}/fd")) for pid in pids),
        files=sum(1 for _ in folder.rglob("*")),
        rss_mb=_rss_mb(server),
    )


def _rss_mb(pid: int) -> float:
    return memory_mb([pid])[1]
