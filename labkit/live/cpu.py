"""The controller of running execution environments: CPU share, memory limit, process limit.

A small process of its own (``python -m labkit.live.cpu``), because beside a busy server its timing
would suffer. Each environment has one channel to it. The server says when an invocation begins and
ends; in between, the controller lets the environment's processes use their quota of CPU in each
period and stops them for the rest of it (SIGSTOP, SIGCONT), and kills an environment that needs
more memory or processes than it may. At the end it freezes the environment and answers with what it
measured.
"""

from __future__ import annotations

import contextlib
import math
import selectors
import signal
import socket
import struct
import subprocess
import sys
import time
from dataclasses import dataclass

from labkit.live import processes
from labkit.live.watch import Watch

BEGIN, END_FREEZE, END_RUNNING, CHECK = 1, 2, 3, 4
# what, pid, keeper, share, memory limit MB, period ms, CPU of pid so far s, monotonic time s
_COMMAND = struct.Struct("<Biiddddd")
_ANSWER_S = 5.0
_ANSWER = struct.Struct("<dddddiB")


@dataclass(frozen=True, slots=True)
class Measurement:
    """What the controller saw between BEGIN and END."""

    correction_ms: float
    """Add to the wall time: what the duration would have been on an undisturbed machine, minus
    it.
    """
    cpu_ms: float
    waiting_ms: float
    """Time the function was ready to run but the machine's cores were busy with other work."""
    stopped_ms: float
    memory_mb: float
    processes: int
    killed: int


class Channel:
    """The server's end: one environment's line to the controller. Not for use by two threads at
    once.
    """

    def __init__(self, controller: Controller) -> None:
        self._socket, theirs = socket.socketpair()
        with theirs:
            controller.adopt(theirs)
        self._socket.settimeout(_ANSWER_S)

    def begin(
        self, pid: int, keeper: int, share: float, memory_limit_mb: float, period_ms: float
    ) -> None:
        """From now on hold ``pid``, its descendants, and the orphans that ``keeper`` took in, to
        ``share`` cores and the memory limit. What ``pid`` used before this call does not count."""
        try:
            cpu_s = processes.cpu_s(pid)
        except ProcessLookupError:  # it has ended; whoever waits for it will see that
            cpu_s = 0.0
        limits = (share, memory_limit_mb, period_ms)
        self._socket.send(_COMMAND.pack(BEGIN, pid, keeper, *limits, cpu_s, time.monotonic()))

    def end(self, at_s: float, *, freeze: bool) -> Measurement:
        """Measure until ``at_s`` (monotonic), freeze the environment if wanted; what was measured.

        Raises OSError if the controller has died or hangs.
        """
        what = END_FREEZE if freeze else END_RUNNING
        self._socket.send(_COMMAND.pack(what, 0, 0, 0.0, 0.0, 0.0, 0.0, at_s))
        return self._answer()

    def check(self) -> None:
        """Raise OSError if nobody answers."""
        self._socket.send(_COMMAND.pack(CHECK, 0, 0, 0.0, 0.0, 0.0, 0.0, 0.0))
        self._answer()

    def _answer(self) -> Measurement:
        answer = self._socket.recv(_ANSWER.size)
        if len(answer) != _ANSWER.size:
            raise ConnectionError("the lab's CPU controller has ended")
        return Measurement(*_ANSWER.unpack(answer))

    def close(self) -> None:
        """The environment has ended."""
        self._socket.close()


class Controller:
    """The server's handle of the controller process."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "labkit.live.cpu", str(theirs.fileno())],
                pass_fds=(theirs.fileno(),),
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        self._socket = ours

    @property
    def pid(self) -> int:
        return self._process.pid

    def adopt(self, theirs: socket.socket) -> None:
        """Hand the controller its end of a new channel."""
        socket.send_fds(self._socket, [b"+"], [theirs.fileno()])

    def close(self) -> None:
        """End the controller process, whatever state it is in."""
        self._socket.close()
        try:
            self._process.wait(timeout=2)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


class _Loop:
    def __init__(self, control: socket.socket) -> None:
        self._selector = selectors.DefaultSelector()
        self._selector.register(control, selectors.EVENT_READ, None)
        self._watches: set[Watch] = set()

    def run(self) -> None:
        while True:
            due = min((watch.due_s for watch in self._watches), default=math.inf)
            timeout = None if due == math.inf else max(due - time.monotonic(), 0.0)
            for key, _ in self._selector.select(timeout):
                if key.data is None:
                    if not self._adopt(key.fileobj):  # type: ignore[arg-type]
                        return
                else:
                    self._command(key.data)
            now = time.monotonic()
            for watch in [watch for watch in self._watches if watch.due_s <= now]:
                watch.tick(time.monotonic())

    def _adopt(self, control: socket.socket) -> bool:
        message, fds, _, _ = socket.recv_fds(control, 1, 1)
        if not message:
            return False
        if not fds:  # no descriptor was free for it: its other end sees the channel closed
            return True
        channel = socket.socket(fileno=fds[0])
        self._selector.register(channel, selectors.EVENT_READ, Watch(channel))
        return True

    def _command(self, watch: Watch) -> None:
        try:
            data = watch.channel.recv(_COMMAND.size)
        except OSError:
            data = b""
        if not data:
            self._selector.unregister(watch.channel)
            watch.channel.close()
            self._watches.discard(watch)
            return
        what, pid, keeper, share, limit_mb, period_ms, cpu_s, at = _COMMAND.unpack(data)
        if what == BEGIN:
            watch.begin(pid, keeper, share, limit_mb, period_ms, cpu_s, at)
            self._watches.add(watch)
            return
        if what == CHECK:
            watch.channel.send(bytes(_ANSWER.size))
            return
        measured = watch.end(freeze=what == END_FREEZE, now=at)
        self._watches.discard(watch)
        with contextlib.suppress(OSError):
            watch.channel.send(_ANSWER.pack(*measured))


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _Loop(socket.socket(fileno=int(sys.argv[1]))).run()


if __name__ == "__main__":
    main()
