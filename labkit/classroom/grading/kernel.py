"""One kernel and the talk with it; every message is counted before it is read."""

from __future__ import annotations

import os
import re
import time
from pathlib import Path
from typing import Any, Final, Protocol

from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.connect import write_connection_file

_SOCKETS: Final = "k"
_IOPUB: Final = 2
_WAIT_MS: Final = 20
_INTERRUPT_S: Final = 2.0
_TEXT_MAX: Final = 20_000
_ANSI: Final = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07]*\x07")
_SMALL_BYTES: Final = 100_000
_OF_EACH_CELL: Final = ("status", "execute_input")  # what no cell shows


class Struck(Exception):
    """The hand-in must end now; the text says why."""


class Watching(Protocol):
    """What a kernel asks while it waits; both raise Struck."""

    def look(self) -> None: ...
    def count_output(self, size_bytes: int) -> None: ...


class Kernel:
    """A client of the kernel that listens where `write_connection` said."""

    def __init__(self, folder: Path, watch: Watching) -> None:
        self._folder, self._watch = folder, watch
        self._client = BlockingKernelClient(connection_file=str(_connection_file(folder)))
        self._client.load_connection_file()

    @staticmethod
    def write_connection(folder: Path) -> Path:
        """Write down where a kernel is to listen: on sockets in its own folder."""
        for old in folder.glob(f"{_SOCKETS}-*"):
            old.unlink()
        path = _connection_file(folder)
        write_connection_file(
            str(path), shell_port=1, iopub_port=_IOPUB, stdin_port=3, control_port=4, hb_port=5,
            ip=str(folder / _SOCKETS), key=os.urandom(16).hex().encode(), transport="ipc",
        )  # fmt: skip
        return path

    def wait_until_ready(self, limit_s: float) -> None:
        """Wait until the kernel answers and what it shows arrives. Raises Struck if it does not."""
        deadline_s = time.monotonic() + limit_s
        while not (self._folder / f"{_SOCKETS}-{_IOPUB}").exists():
            self._wait(deadline_s, limit_s)
        self._client.start_channels(stdin=False, hb=False)
        while True:
            asked = self._client.kernel_info()
            again_s = time.monotonic() + 0.2
            while time.monotonic() < again_s:
                for message in self._messages():
                    if message["parent_header"].get("msg_id") == asked:
                        return
            self._wait(deadline_s, limit_s)

    def run(self, source: str, limit_s: float) -> dict[str, Any]:
        """Run a cell and return what it showed, as the fields of Shown."""
        request = self._client.execute(source, allow_stdin=False, stop_on_error=False)
        shown: dict[str, Any] = {"stdout": "", "stderr": "", "traceback": ""}
        deadline_s = time.monotonic() + limit_s
        while True:
            for message in self._messages():
                if message["parent_header"].get("msg_id") != request:
                    continue
                if _is_idle(message):
                    return shown
                _add(shown, message)
            if time.monotonic() > deadline_s:
                if "interrupted_s" in shown:
                    raise Struck(
                        f"a cell ran longer than {limit_s:g} s, could not be interrupted, and "
                        "was stopped"
                    )
                shown["interrupted_s"] = limit_s
                self._interrupt()
                deadline_s = time.monotonic() + _INTERRUPT_S

    def _interrupt(self) -> None:
        session = self._client.session
        self._client.control_channel.send(session.msg("interrupt_request"))

    def _wait(self, deadline_s: float, limit_s: float) -> None:
        self._watch.look()
        time.sleep(0.005)
        if time.monotonic() > deadline_s:
            raise Struck(f"its kernel did not start within {limit_s:g} s")

    def _messages(self) -> list[dict[str, Any]]:
        """The next message, if one comes soon."""
        self._watch.look()
        socket = self._client.iopub_channel.socket
        if not socket.poll(_WAIT_MS):
            return []
        frames = socket.recv_multipart()
        size_bytes = sum(map(len, frames))
        if size_bytes > _SMALL_BYTES:
            self._watch.count_output(size_bytes)
        session = self._client.session
        try:
            _, frames = session.feed_identities(frames)
            message: dict[str, Any] = session.deserialize(frames)
            kind = message["msg_type"]
        except Exception as error:  # whatever a hand-in may send in the kernel's place
            raise Struck("its kernel sent what is no message, and was stopped") from error
        if size_bytes <= _SMALL_BYTES and kind not in _OF_EACH_CELL:
            self._watch.count_output(sum(map(len, frames[4:])))
        return [message]


def _connection_file(folder: Path) -> Path:
    return folder / "runtime" / "kernel.json"


def _is_idle(message: dict[str, Any]) -> bool:
    return bool(message["msg_type"] == "status" and message["content"]["execution_state"] == "idle")


def _add(shown: dict[str, Any], message: dict[str, Any]) -> None:
    content = message["content"]
    if message["msg_type"] == "stream" and content["name"] in ("stdout", "stderr"):
        shown[content["name"]] = _cut(shown[content["name"]] + content["text"])
    elif message["msg_type"] == "error":
        shown["traceback"] = _cut(_ANSI.sub("", "\n".join(content["traceback"])))


def _cut(text: str) -> str:
    return text if len(text) <= _TEXT_MAX else text[:_TEXT_MAX] + " …"
