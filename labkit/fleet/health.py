"""How a function fares over time: when it works, when it fails, when it is throttled."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Health(StrEnum):
    """What an attempt meets."""

    HEALTHY = "healthy"
    BROKEN = "broken"
    """The handler raises an exception."""
    THROTTLED = "throttled"
    """No environment is free for the function, and none may be added."""


@dataclass(frozen=True, slots=True)
class Spell:
    """From `start_s` on, until the next spell begins, the function fares like `health`."""

    start_s: float
    health: Health


@dataclass(frozen=True, slots=True)
class HealthPlan:
    """Spells one after the other, from 0 on; two that follow each other differ."""

    spells: tuple[Spell, ...]

    @classmethod
    def of(cls, spells: Iterable[tuple[float, str]]) -> HealthPlan:
        """Read (start in s, health) pairs in any order; of two at one time the later one counts.

        Raises ValueError if none begins at 0, for a time that is negative or not finite, and for
        an unknown health.
        """
        read: dict[float, Health] = {}
        for start_s, health in spells:
            if not (math.isfinite(start_s) and start_s >= 0):
                raise ValueError(f"a spell begins at a number of seconds from 0, not {start_s!r}")
            if health not in list(Health):
                raise ValueError(f"a function is {', '.join(Health)}, not {health!r}")
            read[float(start_s)] = Health(health)
        if 0.0 not in read:
            raise ValueError(
                "the first spell begins at 0 s, as in [(0, 'broken'), (90, 'healthy')]"
            )
        return cls(_merged(Spell(start_s, read[start_s]) for start_s in sorted(read)))

    def at(self, time_s: float) -> Health:
        """Return how the function fares at a time; before 0 as at 0."""
        begun = [spell for spell in self.spells if spell.start_s <= time_s]
        return (begun or self.spells)[-1 if begun else 0].health

    def painted(self, health: str, start_s: float, end_s: float = math.inf) -> HealthPlan:
        """Return a plan in which the function is `health` from `start_s` to before `end_s`."""
        start_s = max(start_s, 0.0)
        if not start_s < end_s:
            return self
        kept = [s for s in self.spells if s.start_s < start_s or s.start_s > end_s]
        after = [] if math.isinf(end_s) else [Spell(end_s, self.at(end_s))]
        spells = [*kept, Spell(start_s, Health(health)), *after]
        return HealthPlan(_merged(sorted(spells, key=lambda spell: spell.start_s)))


def _merged(spells: Iterable[Spell]) -> tuple[Spell, ...]:
    merged: list[Spell] = []
    for spell in spells:
        if not merged or merged[-1].health is not spell.health:
            merged.append(spell)
    return tuple(merged)
