"""Statistics of metrics over a period, as CloudWatch gives them.

Source: CloudWatch user guide, "CloudWatch statistics definitions".
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

_PERCENTILE: Final = re.compile(r"p(100|\d{1,2}(?:\.\d{1,10})?)")


@dataclass(slots=True)
class Sample:
    """The values of a metric in a period, and how often each came.

    `sets` are values that somebody has summarised before: minimum, maximum, sum and number.
    """

    values: Counter[float] = field(default_factory=Counter)
    sets: list[tuple[float, float, float, float]] = field(default_factory=list)

    def add(self, other: Sample) -> None:
        """Take in the values of another sample."""
        self.values.update(other.values)
        self.sets += other.sets

    def statistic(self, name: str) -> float | None:
        """Return Sum, Average, Minimum, Maximum, SampleCount or a percentile, such as p99.

        None if the sample is empty, if there is no such statistic, or for a percentile of values
        that were summarised before.
        """
        count = sum(self.values.values()) + sum(number for *_, number in self.sets)
        if not count:
            return None
        total = sum(value * times for value, times in self.values.items())
        total += sum(one for _, _, one, _ in self.sets)
        lows = [low for low, *_ in self.sets]
        highs = [high for _, high, *_ in self.sets]
        simple = {
            "SampleCount": float(count),
            "Sum": float(total),
            "Average": total / count,
            "Minimum": min([*self.values, *lows]),
            "Maximum": max([*self.values, *highs]),
        }
        if name in simple:
            return simple[name]
        percent = percentile_of(name)
        return None if percent is None or self.sets else self._percentile(percent)

    def _percentile(self, percent: float) -> float:
        """The smallest value that so many percent of the values do not exceed."""
        wanted = percent / 100 * sum(self.values.values())
        reached = 0
        for value, times in sorted(self.values.items()):
            reached += times
            if reached >= wanted:
                return value
        return max(self.values)


def percentile_of(name: str) -> float | None:
    """Return the percent of a statistic's name, such as 99.0 for p99; None if it has none."""
    match = _PERCENTILE.fullmatch(name)
    return None if match is None else float(match[1])


def merged(samples: Iterable[Sample]) -> Sample:
    """Return one sample with the values of all."""
    whole = Sample()
    for sample in samples:
        whole.add(sample)
    return whole
