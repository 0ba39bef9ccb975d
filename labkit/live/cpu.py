"""The controller of running execution environments: CPU share, memory limit, process limit.

A small process of its own (``python -m labkit.live.cpu``), because beside a busy server its timing
would suffer. Each environment has one channel to it. The server says when an invocation begins and
ends; in between, the controller lets the environment's processes use their quota of CPU in each
period and stops them for the rest of it (SIGSTOP, SIGCONT), and kills an environment that needs
more memory or processes than it may. At the end it freezes the environment and answers with what it
measured.
"""

from __future__ import annotations

import math
import os
import selectors
import signal
import socket
import struct
import sys
import time
from dataclasses import dataclass

from labkit.core.bandwidth import CpuBandwidth, first_budget_ms
from labkit.core.quotas import PROCESSES_AND_THREADS_MAX
from labkit.live import processes

BEGIN, END_FREEZE, END_RUNNING = 1, 2, 3
_COMMAND = struct.Struct(
    "<Biidddd"
)  # what, pid, keeper, share, memory limit MB, period ms, monotonic time s
_ANSWER = struct.Struct("<dddddiB")
KILLED_FOR_MEMORY, KILLED_FOR_PROCESSES = 1, 2
_LOOK_S = 0.005  # how often memory and descendants are looked at
_SHORTEST_WAIT_S = 0.0002
_NOTHING_S = 0.00005  # less CPU than it takes to map one page


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
        self._socket.settimeout(5.0)

    def begin(
        self, pid: int, keeper: int, share: float, memory_limit_mb: float, period_ms: float
    ) -> None:
        """From now on hold ``pid``, its descendants, and the orphans that ``keeper`` took in, to
        ``share`` cores and the memory limit."""
        now = time.monotonic()
        self._socket.send(_COMMAND.pack(BEGIN, pid, keeper, share, memory_limit_mb, period_ms, now))

    def end(self, *, freeze: bool) -> Measurement:
        """Stop measuring, freeze the environment if wanted, and tell what was measured."""
        what = END_FREEZE if freeze else END_RUNNING
        self._socket.send(_COMMAND.pack(what, 0, 0, 0.0, 0.0, 0.0, time.monotonic()))
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
        import subprocess

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
        """End the controller process."""
        self._socket.close()
        self._process.wait(timeout=5)


class _Watch:
    """One environment, as the controller sees it."""

    def __init__(self, channel: socket.socket) -> None:
        self.channel = channel
        self.active = False
        self.due_s = math.inf

    def begin(
        self,
        pid: int,
        keeper: int,
        share: float,
        limit_mb: float,
        period_ms: float,
        since: float,
    ) -> None:
        self.pid, self.keeper, self.share = pid, keeper, share
        self.limit_bytes = limit_mb * 1024 * 1024
        self.period_s = period_ms / 1000
        self.model = CpuBandwidth(share, period_ms)
        self.descendants: tuple[int, ...] = ()
        self.reaped_s = 0.0
        self.memory_bytes = 0
        self.process_count = 1
        self.killed = 0
        self.cpu_total_s = self.waiting_total_s = self.stopped_total_s = 0.0
        self.stopped_since: float | None = None
        self.started_s = self.seen_s = self.next_look_s = since
        # What lies between quota and period is halved before the first refill, so that on average
        # the pauses are those of a quota that flows in evenly, as the model has it.
        self.budget_s = first_budget_ms(share, period_ms) / 1000
        pause_s = max(self.period_s - share * self.period_s, 0.0)
        self.period_end_s = since + (self.budget_s + pause_s / 2 if pause_s else self.period_s)
        self.parallel = 1.0
        self.active = True
        self.last_cpu_s = self.quiet_until_s = 0.0
        self.last_waiting: dict[int, float] = {}
        try:
            self.reaped_s = processes.reaped_children_cpu_s(pid)
            self.last_cpu_s = processes.cpu_s(pid) + self.reaped_s
            self.last_waiting = {pid: processes.main_thread_waiting_s(pid)}
        except ProcessLookupError:
            pass
        self.due_s = since + min(max(self.budget_s, _SHORTEST_WAIT_S), _LOOK_S)

    def tick(self, now: float) -> None:
        """Account for what was used, then stop or continue the environment."""
        try:
            quiet = now >= self.next_look_s and self._is_quiet()
            if quiet:
                self._pass_quietly(now)
            elif now >= self.next_look_s:
                self._look(now)
            if not quiet:
                self._account(now)
        except ProcessLookupError:
            self.due_s = math.inf
            return
        while now >= self.period_end_s:
            self.period_end_s += self.period_s
            self.budget_s = min(
                self.budget_s + self.share * self.period_s, self.share * self.period_s
            )
        if self.budget_s <= 0 and self.stopped_since is None:
            self._signal(signal.SIGSTOP)
            self.stopped_since = now
        elif self.budget_s > 0 and self.stopped_since is not None:
            self.stopped_total_s += now - self.stopped_since
            self.stopped_since = None
            self.seen_s = now
            self._signal(signal.SIGCONT)
        self._plan(now)

    def _plan(self, now: float) -> None:
        if self.stopped_since is not None:
            # A debt may take more than one period to pay back.
            owed = math.floor(max(-self.budget_s, 0.0) / (self.share * self.period_s))
            self.due_s = self.period_end_s + owed * self.period_s
            return
        wait = max(self.budget_s / self.parallel, _SHORTEST_WAIT_S)
        self.due_s = min(now + wait, self.next_look_s)

    def _is_quiet(self) -> bool:
        """Whether nothing ran since the last look: then memory and processes are as they were."""
        if self.descendants or self.process_count > 1:
            return False
        return processes.cpu_s(self.pid) + self.reaped_s - self.last_cpu_s < _NOTHING_S

    def _pass_quietly(self, now: float) -> None:
        # Whether it slept or waited for a core shows only once it runs again: that is left open.
        if self.stopped_since is None:
            self.quiet_until_s = now
        else:
            self.seen_s = now
        self.next_look_s = now + _LOOK_S

    def _look(self, now: float) -> None:
        sample = processes.tree(self.pid, self.keeper)
        self.descendants = sample.descendants
        self.process_count = max(self.process_count, sample.process_count)
        self.memory_bytes = max(self.memory_bytes, sample.memory_bytes)
        self._waiting(sample.waiting_s)
        if self.descendants or sample.process_count > 1:
            self.parallel = float(os.cpu_count() or 1)
        self.next_look_s = now + max(_LOOK_S, 10 * (time.monotonic() - now))
        if self.memory_bytes > self.limit_bytes:
            self._kill(KILLED_FOR_MEMORY)
        elif sample.process_count > PROCESSES_AND_THREADS_MAX:
            self._kill(KILLED_FOR_PROCESSES)

    def _waiting(self, waiting_s: dict[int, float]) -> None:
        # Tasks wait for cores side by side: the longest wait is what held the function up.
        self.waiting_now_s = max(
            (total - self.last_waiting.get(task, total) for task, total in waiting_s.items()),
            default=0.0,
        )
        self.last_waiting = waiting_s
        self.waiting_known = True

    waiting_known = False
    waiting_now_s = 0.0

    def _account(self, now: float) -> None:
        if self.stopped_since is not None:
            self.seen_s = now
            return
        cpu = processes.cpu_s(self.pid) + sum(map(_cpu_or_zero, self.descendants))
        if self.parallel > 1:
            self.reaped_s = processes.reaped_children_cpu_s(self.pid)
            if not self.waiting_known:
                self._waiting(processes.tree(self.pid, self.keeper).waiting_s)
        elif not self.waiting_known:
            self._waiting({self.pid: processes.main_thread_waiting_s(self.pid)})
        cpu += self.reaped_s
        self.waiting_known = False
        used = max(cpu - self.last_cpu_s, 0.0)
        self.last_cpu_s = max(cpu, self.last_cpu_s)
        waited = max(self.waiting_now_s, 0.0)
        self.cpu_total_s += used
        self.waiting_total_s += waited
        self.budget_s -= used
        self._replay(now, used, waited)
        self.seen_s = now

    def _replay(self, now: float, used: float, waited: float) -> None:
        """Take the waiting out of what passed since the last account, and replay the rest.

        The kernel counts a wait when it is over, so it may be longer than the stretch in which it
        shows: the model then takes back what it had counted too much.
        """
        quiet = max(self.quiet_until_s - self.seen_s, 0.0)
        waited_quietly = min(waited, quiet)
        self.model.run((quiet - waited_quietly) * 1000, 0.0)
        rest = max(now - self.seen_s - quiet, 0.0)
        self.model.run((rest - (waited - waited_quietly)) * 1000, used * 1000)

    def _kill(self, why: int) -> None:
        self.killed = why
        self._signal(signal.SIGKILL)
        raise ProcessLookupError(self.pid)

    def end(self, *, freeze: bool, now: float) -> bytes:
        if self.stopped_since is not None:
            self.stopped_total_s += now - self.stopped_since
            self.stopped_since = None
            self.seen_s = now
        if not self.killed:
            try:
                self._account(max(now, self.seen_s))
            except ProcessLookupError:  # it ended by itself: its last moments cannot be read
                self.model.run(max(now - self.seen_s, 0.0) * 1000, 0.0)
            self._look_last(now, freeze=freeze)
        self.active, self.due_s = False, math.inf
        wall_ms = (now - self.started_s) * 1000
        return _ANSWER.pack(
            self.model.elapsed_ms - wall_ms,
            self.cpu_total_s * 1000,
            self.waiting_total_s * 1000,
            self.stopped_total_s * 1000,
            self.memory_bytes / (1024 * 1024),
            self.process_count,
            self.killed,
        )

    def _look_last(self, now: float, *, freeze: bool) -> None:
        if freeze:
            self._signal(signal.SIGSTOP)
        try:
            self._look(now)
        except ProcessLookupError:
            return
        if freeze and self.descendants:  # among them may be some that the first signal missed
            self._signal(signal.SIGSTOP)

    def _signal(self, number: int) -> None:
        for send, target in (
            (os.killpg, self.pid),
            *((os.kill, pid) for pid in self.descendants),
        ):
            try:
                send(target, number)
            except (ProcessLookupError, PermissionError):
                continue


def _cpu_or_zero(pid: int) -> float:
    try:
        return processes.cpu_s(pid) + processes.reaped_children_cpu_s(pid)
    except ProcessLookupError:
        return 0.0


class _Loop:
    def __init__(self, control: socket.socket) -> None:
        self._selector = selectors.DefaultSelector()
        self._selector.register(control, selectors.EVENT_READ, None)
        self._watches: set[_Watch] = set()

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
        channel = socket.socket(fileno=fds[0])
        self._selector.register(channel, selectors.EVENT_READ, _Watch(channel))
        return True

    def _command(self, watch: _Watch) -> None:
        data = watch.channel.recv(_COMMAND.size)
        if not data:
            self._selector.unregister(watch.channel)
            watch.channel.close()
            self._watches.discard(watch)
            return
        what, pid, keeper, share, limit_mb, period_ms, at = _COMMAND.unpack(data)
        if what == BEGIN:
            watch.begin(pid, keeper, share, limit_mb, period_ms, at)
            self._watches.add(watch)
            return
        answer = watch.end(freeze=what == END_FREEZE, now=at)
        self._watches.discard(watch)
        try:
            watch.channel.send(answer)
        except OSError:
            pass


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _Loop(socket.socket(fileno=int(sys.argv[1]))).run()


if __name__ == "__main__":
    main()
