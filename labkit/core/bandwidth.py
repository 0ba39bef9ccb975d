"""CPU bandwidth control in virtual time: how long work takes that may use a share of a core.

Linux gives a group of processes a quota of CPU time in each period and stops it until the next
period once the quota is used; AWS realises a function's CPU share so (the period of 20 ms is a
figure from the literature, a setting of the lab). The model replays observed work (so much CPU used
in so much running time) on an undisturbed timeline, so a duration can be told apart from what the
rest of the machine did to it. It lets the quota flow in evenly rather than by the period: then
computing takes its CPU time divided by the share, whatever its length.
"""

from __future__ import annotations

import math
from typing import Final

FIRST_BURST_MS: Final = 1.0
"""CPU that an invocation may use at full speed when it begins."""


def first_budget_ms(share: float, period_ms: float) -> float:
    """Return the CPU time that an invocation begins with: at most its quota of one period."""
    quota_ms = share * period_ms
    return quota_ms if share >= 1.0 else min(FIRST_BURST_MS, quota_ms)


class CpuBandwidth:
    """The virtual timeline of one invocation.

    Parameters: ``share`` in cores (``math.inf`` for no limit), ``period_ms`` of the quota, which is
    also how long unused quota keeps.
    """

    __slots__ = ("_budget_ms", "elapsed_ms", "quota_ms", "share", "throttled_ms")

    def __init__(self, share: float, period_ms: float = 20.0) -> None:
        if not share > 0 or not period_ms > 0:
            raise ValueError(f"share and period_ms must be above 0, not {share} and {period_ms}")
        self.share = share
        self.quota_ms = share * period_ms
        self.elapsed_ms = 0.0
        self.throttled_ms = 0.0
        self._budget_ms = first_budget_ms(share, period_ms)

    def run(self, active_ms: float, cpu_ms: float) -> float:
        """Replay ``active_ms`` of running or waiting for input that used ``cpu_ms`` of CPU.

        CPU is taken as spread evenly over the interval. A negative ``active_ms`` takes back what
        an earlier call had too much. Returns ``elapsed_ms`` after it.
        """
        if math.isinf(self.share):
            self.elapsed_ms += active_ms
            return self.elapsed_ms
        gained_ms = self.share * active_ms - cpu_ms
        if self._budget_ms + gained_ms >= 0.0:
            self._budget_ms = min(self._budget_ms + gained_ms, self.quota_ms)
            self.elapsed_ms += active_ms
            return self.elapsed_ms
        # What the budget and the flow did not cover had to wait until it had flowed in.
        paused_ms = -(self._budget_ms + gained_ms) / self.share
        self._budget_ms = 0.0
        self.throttled_ms += paused_ms
        self.elapsed_ms += active_ms + paused_ms
        return self.elapsed_ms
