"""How many batches of an SQS event source mapping may be in flight at once.

Source: developer guide, "Configuring scaling behavior for SQS event source mappings": five at the
start, 300 a minute more while messages wait, 1,250 at most; in provisioned mode by the number of
pollers. How far Lambda backs off after errors is not documented: here by half, and it regains five
a minute.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from labkit.core import quotas

_BACKED_OFF_MIN: Final = 1.0
_REGAIN_PER_MS: Final = 5 / 60_000
# An empty long poll tells a poller that the queue is idle.
_IDLE_MS: Final = quotas.SQS_LONG_POLL_S * 1000.0
# Sums of many small steps miss a whole number by less than this.
_ROUNDING: Final = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class ScalingBounds:
    """Concurrent batches at the start, how many more a minute, and the most there may be."""

    start: int = quotas.SQS_POLLERS_AT_START
    per_minute: int = quotas.SQS_CONCURRENCY_PER_MINUTE
    maximum: int = quotas.SQS_CONCURRENCY_MAX

    @classmethod
    def of(
        cls,
        *,
        maximum_concurrency: int | None = None,
        minimum_pollers: int | None = None,
        maximum_pollers: int | None = None,
    ) -> ScalingBounds:
        """Return the bounds that a mapping's settings give.

        A number of pollers turns provisioned mode on, which maximum concurrency does not go with.
        """
        if minimum_pollers is not None or maximum_pollers is not None:
            fewest = minimum_pollers or quotas.SQS_PROVISIONED_POLLERS_MIN_DEFAULT
            most = max(fewest, maximum_pollers or quotas.SQS_PROVISIONED_POLLERS_MAX_DEFAULT)
            return cls(
                start=fewest * quotas.SQS_CONCURRENCY_PER_PROVISIONED_POLLER,
                per_minute=quotas.SQS_PROVISIONED_CONCURRENCY_PER_MINUTE,
                maximum=most * quotas.SQS_CONCURRENCY_PER_PROVISIONED_POLLER,
            )
        if maximum_concurrency is not None:
            return cls(
                start=min(quotas.SQS_POLLERS_AT_START, maximum_concurrency),
                maximum=maximum_concurrency,
            )
        return cls()


class PollerScaling:
    """The limit of concurrent batches over lab time; told what happens, it says how many may run.

    While every slot is taken and messages wait, the limit grows. After an error it falls by half,
    once for all batches that were in flight together, and grows slowly until it has regained what
    it lost. A queue that was idle for the length of a long poll starts anew.
    """

    def __init__(self, bounds: ScalingBounds) -> None:
        self._bounds = bounds
        self._level = float(bounds.start)
        self._goal = self._level  # what was lost by errors is regained up to here
        self._at_ms = 0.0
        self._saturated = False
        self._idle_since_ms: float | None = 0.0
        self._backed_off_ms = -1.0

    @property
    def bounds(self) -> ScalingBounds:
        """Setting other bounds keeps the present limit as far as they allow it."""
        return self._bounds

    @bounds.setter
    def bounds(self, bounds: ScalingBounds) -> None:
        regained = self._level >= self._goal
        self._bounds = bounds
        self._goal = min(max(self._goal, bounds.start), bounds.maximum)
        self._level = self._goal if regained else min(self._level, bounds.maximum)

    def limit(self, now_ms: float) -> int:
        """Return how many batches may be in flight at `now_ms`."""
        self._advance(now_ms)
        return int(self._level + _ROUNDING)

    def observe(self, now_ms: float, *, busy: bool, saturated: bool) -> None:
        """Tell whether batches are in flight, and whether messages wait for a free slot."""
        self._advance(now_ms)
        self._saturated = saturated
        if not busy:
            if self._idle_since_ms is None:
                self._idle_since_ms = now_ms
            return
        if self._idle_since_ms is not None and now_ms - self._idle_since_ms >= _IDLE_MS:
            self._level = min(self._level, float(self._bounds.start))
            self._goal = min(self._goal, float(self._bounds.start))
        self._idle_since_ms = None

    def back_off(self, now_ms: float, begun_ms: float) -> None:
        """An invocation that began at `begun_ms` failed or was throttled."""
        self._advance(now_ms)
        if begun_ms <= self._backed_off_ms:
            return  # it was in flight when an earlier failure lowered the limit
        self._backed_off_ms = now_ms
        self._goal = max(self._goal, float(int(self._level + _ROUNDING)))
        self._level = max(_BACKED_OFF_MIN, float(int((self._level + _ROUNDING) / 2)))

    def next_slot_ms(self, now_ms: float) -> float | None:
        """Return when the limit will be higher by one as things are, None for never."""
        self._advance(now_ms)
        target = float(int(self._level + _ROUNDING) + 1)
        if target > self._bounds.maximum:
            return None
        if target <= self._goal:
            return now_ms + (target - self._level) / _REGAIN_PER_MS
        if not self._saturated:
            return None
        return now_ms + (target - self._level) / self._growth_per_ms

    @property
    def _growth_per_ms(self) -> float:
        return self._bounds.per_minute / 60_000

    def _advance(self, now_ms: float) -> None:
        elapsed_ms = max(0.0, now_ms - self._at_ms)
        self._at_ms = max(self._at_ms, now_ms)
        if self._level < self._goal:
            regained_ms = (self._goal - self._level) / _REGAIN_PER_MS
            if elapsed_ms < regained_ms:
                self._level += elapsed_ms * _REGAIN_PER_MS
                return
            self._level = self._goal
            elapsed_ms -= regained_ms
        if self._saturated:
            grown = self._level + elapsed_ms * self._growth_per_ms
            self._level = min(grown, float(self._bounds.maximum))
