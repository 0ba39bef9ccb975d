"""One running environment, as the CPU controller sees it: its share, its memory, its processes."""

from __future__ import annotations

import contextlib
import math
import os
import signal
import socket
import time

from labkit.core.bandwidth import CpuBandwidth, first_budget_ms
from labkit.core.quotas import PROCESSES_AND_THREADS_MAX
from labkit.live import processes

KILLED_FOR_MEMORY, KILLED_FOR_PROCESSES = 1, 2
_LOOK_S = 0.005  # how often memory and descendants are looked at
_SHORTEST_WAIT_S = 0.0002
_NOTHING_S = 0.00005  # less CPU than it takes to map one page


class Watch:
    """One environment, as the controller sees it."""

    def __init__(self, channel: socket.socket) -> None:
        self.channel = channel
        self.due_s = math.inf
        self.pid = self.keeper = 0
        self.descendants: tuple[int, ...] = ()

    def begin(
        self,
        pid: int,
        keeper: int,
        share: float,
        limit_mb: float,
        period_ms: float,
        cpu_s: float,
        since: float,
    ) -> None:
        """From ``since`` on hold the processes to their limits and measure them.

        ``cpu_s`` is what ``pid`` had used by then.
        """
        if pid != self.pid:
            self.descendants = ()
        self.pid, self.keeper, self.share = pid, keeper, share
        self.limit_bytes = limit_mb * 1024 * 1024
        self.period_s = period_ms / 1000
        self.model = CpuBandwidth(share, period_ms)
        self.memory_bytes = self.killed = 0
        self.process_count = 1 + len(self.descendants)
        self.parallel = float(os.cpu_count() or 1) if self.descendants else 1.0
        self.cpu_total_s = self.waiting_total_s = self.stopped_total_s = 0.0
        self.stopped_since: float | None = None
        self.started_s = self.seen_s = self.next_look_s = since
        # What lies between quota and period is halved before the first refill, so that on average
        # the pauses are those of a quota that flows in evenly, as the model has it.
        self.budget_s = first_budget_ms(share, period_ms) / 1000
        pause_s = max(self.period_s - share * self.period_s, 0.0)
        self.period_end_s = since + (self.budget_s + pause_s / 2 if pause_s else self.period_s)
        self.quiet_until_s = self.waiting_now_s = 0.0
        self.waiting_known = False
        self.looked_cpu_s = -1.0
        self._thaw_descendants()
        try:
            self.reaped_s = self._reaped_s()
            self.last_cpu_s = cpu_s + self._others_cpu_s()
            self.last_waiting = {pid: processes.main_thread_waiting_s(pid)}
        except ProcessLookupError:  # it has ended already; whoever waits for it will see that
            self.reaped_s = self.last_cpu_s = 0.0
            self.last_waiting = {}
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
        return processes.cpu_s(self.pid) - self.looked_cpu_s < _NOTHING_S

    def _pass_quietly(self, now: float) -> None:
        # Whether it slept or waited for a core shows only once it runs again: that is left open.
        if self.stopped_since is None:
            self.quiet_until_s = now
        else:
            self.seen_s = now
        self.next_look_s = now + _LOOK_S

    def _look(self, now: float) -> None:
        self.looked_cpu_s = processes.cpu_s(self.pid)
        sample = processes.tree(self.pid, self.keeper)
        self.descendants = sample.descendants
        self.process_count = max(self.process_count, sample.process_count)
        self._count_memory(sample)
        self.reaped_s = self._reaped_s()
        self._waiting(sample.waiting_s)
        if self.descendants or sample.process_count > 1:
            self.parallel = float(os.cpu_count() or 1)
        self.next_look_s = now + max(_LOOK_S, 10 * (time.monotonic() - now))
        if self.memory_bytes > self.limit_bytes:
            self._kill(KILLED_FOR_MEMORY)
        elif sample.process_count > PROCESSES_AND_THREADS_MAX:
            self._kill(KILLED_FOR_PROCESSES)

    def _count_memory(self, sample: processes.TreeSample, *, exactly: bool = False) -> None:
        memory_bytes = sample.root_bytes
        suspected = sample.root_bytes + sample.others_bytes
        if sample.others_bytes and (exactly or suspected > self.limit_bytes):
            # Processes share pages since their fork: each page shall count once.
            members = (self.pid, *self.descendants)
            memory_bytes = max(memory_bytes, processes.shared_out_bytes(members))
        self.memory_bytes = max(self.memory_bytes, memory_bytes)

    def _waiting(self, waiting_s: dict[int, float]) -> None:
        # Tasks wait for cores side by side: the longest wait is what held the function up.
        self.waiting_now_s = max(
            (total - self.last_waiting.get(task, total) for task, total in waiting_s.items()),
            default=0.0,
        )
        self.last_waiting = waiting_s
        self.waiting_known = True

    def _account(self, now: float) -> None:
        if self.stopped_since is not None:
            self.seen_s = now
            return
        if self.parallel > 1:
            self.reaped_s = self._reaped_s()
            if not self.waiting_known:
                self._waiting(processes.tree(self.pid, self.keeper).waiting_s)
        elif not self.waiting_known:
            self._waiting({self.pid: processes.main_thread_waiting_s(self.pid)})
        cpu = self._cpu_s()
        self.waiting_known = False
        used = max(cpu - self.last_cpu_s, 0.0)
        self.last_cpu_s = max(cpu, self.last_cpu_s)
        waited = max(self.waiting_now_s, 0.0)
        self.cpu_total_s += used
        self.waiting_total_s += waited
        self.budget_s -= used
        self._replay(now, used, waited)
        self.seen_s = now

    def _cpu_s(self) -> float:
        """CPU time of everything that lives, and of what has ended and was waited for."""
        return processes.cpu_s(self.pid) + self._others_cpu_s()

    def _others_cpu_s(self) -> float:
        return self.reaped_s + sum(map(_cpu_or_zero, self.descendants))

    def _reaped_s(self) -> float:
        reaped = processes.reaped_children_cpu_s(self.pid)
        if self.keeper:  # it waits for those whose parent ended before them
            reaped += processes.reaped_children_cpu_s(self.keeper)
        return reaped

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

    def end(
        self, *, freeze: bool, now: float
    ) -> tuple[float, float, float, float, float, int, int]:
        """Measure until ``now``; the fields of a Measurement."""
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
        self.due_s = math.inf
        return (
            self.model.elapsed_ms - (now - self.started_s) * 1000,
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
            if self.descendants:
                self._count_memory(processes.tree(self.pid, self.keeper), exactly=True)
        except ProcessLookupError:
            return
        if freeze and self.descendants:  # among them may be some that the first signal missed
            self._signal(signal.SIGSTOP)

    def _thaw_descendants(self) -> None:
        """Those in a session of their own do not hear the signal that thaws the runtime's group."""
        for pid in self.descendants:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGCONT)

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
