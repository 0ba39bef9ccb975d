"""CPU bandwidth control in virtual time: how long work takes that may use a share of a core.

Linux gives a group of processes a quota of CPU time in each period and stops it until the next
period once the quota is used; AWS realises a function's CPU share so (the period of 20 ms is a
figure from the literature, a setting of the lab). The model replays observed work (so much CPU used
in so much running time) on an undisturbed timeline, so a duration can be told apart from what the
rest of the machine did to it.
"""

from __future__ import annotations

_EPSILON_MS = 1e-9


class CpuBandwidth:
    """The virtual timeline of one invocation.

    Parameters: ``share`` in cores (``math.inf`` for no limit), ``period_ms`` of the quota.
    """

    __slots__ = (
        "_budget_ms",
        "_period_end_ms",
        "elapsed_ms",
        "period_ms",
        "quota_ms",
        "throttled_ms",
    )

    def __init__(self, share: float, period_ms: float = 20.0) -> None:
        if not share > 0 or not period_ms > 0:
            raise ValueError(f"share and period_ms must be above 0, not {share} and {period_ms}")
        self.period_ms = period_ms
        self.quota_ms = share * period_ms
        self.elapsed_ms = 0.0
        self.throttled_ms = 0.0
        self._budget_ms = self.quota_ms
        self._period_end_ms = period_ms

    def run(self, active_ms: float, cpu_ms: float) -> float:
        """Replay ``active_ms`` of running or waiting for input in which ``cpu_ms`` of CPU were
        used.

        CPU is taken as spread evenly over the interval. Returns ``elapsed_ms`` after it.
        """
        active_ms = max(active_ms, 0.0)
        cpu_ms = max(cpu_ms, 0.0)
        if cpu_ms > 0.0 and active_ms <= 0.0:
            active_ms = cpu_ms
        rate = cpu_ms / active_ms if active_ms > 0.0 else 0.0
        if rate * self.period_ms <= self.quota_ms and cpu_ms <= self._budget_ms:
            self._pass(active_ms, rate)
            return self.elapsed_ms
        while active_ms > _EPSILON_MS:
            if self._budget_ms <= _EPSILON_MS and rate > 0.0:
                self._wait_for_next_period()
            step = min(active_ms, self._period_end_ms - self.elapsed_ms)
            if rate > 0.0:
                step = min(step, self._budget_ms / rate)
            self._pass(step, rate)
            active_ms -= step
        return self.elapsed_ms

    def _pass(self, step_ms: float, rate: float) -> None:
        self.elapsed_ms += step_ms
        if self.elapsed_ms < self._period_end_ms - _EPSILON_MS:
            self._budget_ms -= rate * step_ms
            return
        periods = (self.elapsed_ms - self._period_end_ms + _EPSILON_MS) // self.period_ms + 1
        self._period_end_ms += periods * self.period_ms
        into_period_ms = max(self.period_ms - (self._period_end_ms - self.elapsed_ms), 0.0)
        self._budget_ms = self.quota_ms - rate * min(into_period_ms, step_ms)

    def _wait_for_next_period(self) -> None:
        self.throttled_ms += self._period_end_ms - self.elapsed_ms
        self.elapsed_ms = self._period_end_ms
        self._period_end_ms += self.period_ms
        self._budget_ms = self.quota_ms
