"""The settings of the lab: AWS's undocumented defaults, and the bounds of this machine.

Units are in the names. What AWS documents is no setting but a quota, in `labkit.core.quotas`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any, Final, NamedTuple

from labkit.core import quotas

Life = float | tuple[float, float]


@dataclass
class Settings:
    """What the lab does where AWS leaves it open.

    A life is a number of seconds, or a range (low, high) that each environment draws from.
    """

    seed: int = 0
    """Of every random choice; a change takes effect at the next reset."""
    idle_life_s: Life = (300.0, 900.0)
    """How long an idle environment is kept. AWS does not say; 5 to 15 minutes are observed."""
    max_age_s: Life = (7_200.0, 14_400.0)
    """How old an environment becomes however busy it is; 2 to 4 hours are observed."""
    max_environments: int = 50
    """How many environments this machine may hold; beyond it Lambda throttles."""
    account_concurrency: int = quotas.ACCOUNT_CONCURRENCY_DEFAULT
    unreserved_minimum: int = quotas.UNRESERVED_CONCURRENCY_MIN
    state_change_delay_s: float = 0.25
    """How long a function stays Pending, or its update InProgress, in lab time."""
    mapping_state_delay_s: float = 1.0
    """How long an event source mapping is Creating, Enabling, Updating..., in lab time; on AWS it
    takes from seconds to minutes."""
    provisioning_delay_s: Life = (60.0, 90.0)
    """How long the allocation of provisioned concurrency is prepared."""
    async_backoff_max_s: float = 300.0
    """The longest wait of a throttled asynchronous event; waits double from 1 s up to here."""
    stream_backoff_max_s: float = 10.0
    """The longest wait between two attempts at a batch of a stream; waits double from 2 s."""
    init_timeout_s: float = quotas.INIT_TIMEOUT_S
    cpu_period_ms: float = 20.0
    """Within this period an environment may use its CPU share."""
    log_max_events: int = 10_000
    """Kept for each log stream; older ones are dropped."""
    log_max_bytes: int = 1_000_000
    """Output taken from one invocation; the rest is dropped, and a line says so."""
    event_log_max: int = 15_000
    """Kept in the lab's event log; older ones are dropped."""

    def patch(self, changes: Mapping[str, object]) -> None:
        """Set several settings at once, all or none.

        Raises ValueError for an unknown name, a wrong value or a contradiction.
        """
        checked = {name: _checked(name, value) for name, value in changes.items()}
        merged = {**self.to_dict(), **checked}
        if merged["unreserved_minimum"] > merged["account_concurrency"]:
            raise ValueError(
                f"unreserved_minimum ({merged['unreserved_minimum']}) must not be above "
                f"account_concurrency ({merged['account_concurrency']})"
            )
        for name, value in checked.items():
            setattr(self, name, value)

    def to_dict(self) -> dict[str, Any]:
        """Return all settings by name."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


class _Rule(NamedTuple):
    """What a setting may be: in words, and as a function that returns None for what it may not."""

    words: str
    accept: Callable[[object], object]


def _integer(low: int, high: int) -> _Rule:
    def accept(value: object) -> int | None:
        if isinstance(value, int) and not isinstance(value, bool) and low <= value <= high:
            return value
        return None

    return _Rule(f"a whole number from {low} to {high}", accept)


def _number(low: float, high: float) -> _Rule:
    def accept(value: object) -> float | None:
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return value if math.isfinite(value) and low <= value <= high else None
        return None

    return _Rule(f"a number from {low:g} to {high:g}", accept)


def _life(high: float) -> _Rule:
    number = _number(0, high)

    def accept(value: object) -> object:
        if not isinstance(value, (list, tuple)):
            return number.accept(value)
        if len(value) != 2 or None in map(number.accept, value) or value[0] > value[1]:
            return None
        return tuple(value)

    return _Rule(f"{number.words} (seconds), or a range [low, high] of such numbers", accept)


_YEAR_S: Final = 366 * 86_400.0
_RULES: Final = {
    "seed": _integer(0, 2**63 - 1),
    "idle_life_s": _life(_YEAR_S),
    "max_age_s": _life(_YEAR_S),
    "max_environments": _integer(1, 1_000),
    "account_concurrency": _integer(1, 1_000_000),
    "unreserved_minimum": _integer(0, 1_000_000),
    "state_change_delay_s": _number(0, 3_600),
    "mapping_state_delay_s": _number(0, 3_600),
    "provisioning_delay_s": _life(3_600),
    "async_backoff_max_s": _number(1, 21_600),
    "stream_backoff_max_s": _number(0.1, 3_600),
    "init_timeout_s": _number(0.1, quotas.TIMEOUT_S_MAX),
    "cpu_period_ms": _number(1, 1_000),
    "log_max_events": _integer(1, 10_000_000),
    "log_max_bytes": _integer(0, 1_000_000_000),
    "event_log_max": _integer(1, 10_000_000),
}


def _checked(name: str, value: object) -> object:
    rule = _RULES.get(name)
    if rule is None:
        raise ValueError(f"there is no setting {name!r}; there are: {', '.join(sorted(_RULES))}")
    accepted = rule.accept(value)
    if accepted is None:
        raise ValueError(f"{name} must be {rule.words}, not {value!r}")
    return accepted
