"""What may be reserved and provisioned, and how provisioned environments come about.

The texts are the service's own, as recorded; the rules are those of the developer guide
("Configuring reserved concurrency", "Configuring provisioned concurrency").
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from labkit.core import errors, quotas

IN_PROGRESS: Final = "IN_PROGRESS"
READY: Final = "READY"
FAILED: Final = "FAILED"
DELETED: Final = "DELETED"
"""No status of AWS's: the lab's event says by it that a configuration is gone."""
INIT_FAILURE: Final = "FUNCTION_ERROR_INIT_FAILURE"

INIT_TRIES: Final = 6
"""After so many failed inits an allocation has failed (recorded)."""


@dataclass(frozen=True, slots=True)
class Claim:
    """What one function takes of the account's concurrency.

    `provisioned` counts the requested environments of all its versions and aliases.
    """

    reserved: int | None = None
    provisioned: int = 0

    @property
    def concurrency(self) -> int:
        """What others cannot use: the reservation, or what is provisioned without one."""
        return self.provisioned if self.reserved is None else self.reserved


def unreserved(account_concurrency: int, claims: Iterable[Claim]) -> int:
    """Return what is left for functions without a reservation, which is never below 0."""
    return max(0, account_concurrency - sum(claim.concurrency for claim in claims))


def check_reserved(wanted: int, present: Claim, left: int, unreserved_minimum: int) -> None:
    """Check a reservation of `wanted` for a function that takes `present`.

    `left` is the unreserved concurrency with `present` taken. Raises ApiError (400).
    """
    if wanted < present.provisioned:
        raise errors.invalid_parameter(
            f" ReservedConcurrentExecutions  {wanted} should not be lower than function's total "
            f"provisioned concurrency [{present.provisioned}]."
        )
    more = wanted - present.concurrency
    if more > 0 and left - more < unreserved_minimum:
        raise errors.invalid_parameter(
            "Specified ReservedConcurrentExecutions for function decreases account's "
            f"UnreservedConcurrentExecution below its minimum value of [{unreserved_minimum}]."
        )


def check_provisioned(wanted: int, others: Claim, left: int, unreserved_minimum: int) -> None:
    """Check `wanted` provisioned environments for one version or alias of a function.

    `others` is what the function takes without it, `left` the unreserved concurrency then. Raises
    ApiError (400).
    """
    if others.reserved is not None:
        if others.provisioned + wanted > others.reserved:
            raise errors.invalid_parameter(
                "Requested Provisioned Concurrency should not be greater than the "
                "reservedConcurrentExecution for function"
            )
    elif wanted > left:
        raise errors.invalid_parameter(
            "Specified ConcurrentExecutions for function is greater than account's unreserved "
            f"concurrency [{left}]."
        )
    elif left - wanted < unreserved_minimum:
        raise errors.invalid_parameter(
            "Specified ConcurrentExecutions for function decreases account's "
            f"UnreservedConcurrentExecution below its minimum value of [{unreserved_minimum}]."
        )


def shares(wanted: int, version: str, weights: Mapping[str, float]) -> dict[str, int]:
    """Return how many provisioned environments of an alias belong to each of its versions.

    `version` is the main one, `weights` the others' shares of the traffic. Versions that get none
    are left out.
    """
    found = {number: round(wanted * weight) for number, weight in weights.items()}
    found[version] = wanted - sum(found.values())
    return {number: count for number, count in found.items() if count > 0}


class Allocation:
    """The environments of one version for one configuration, from order to readiness.

    One environment is initialised at first, the others together once one init has succeeded: code
    that cannot start is found out after INIT_TRIES inits, not after as many as were requested.
    `kept` environments are there already and serve all the time.
    """

    def __init__(self, requested: int, kept: int = 0) -> None:
        self.requested = requested
        self.allocated = min(kept, requested)
        self.status = IN_PROGRESS
        self._serving = self.allocated
        self._running = 0
        self._failures = 0

    def due_ms(self, now_ms: float, preparation_s: float) -> float:
        """Return when the inits may begin: a preparation, then 6,000 environments a minute."""
        missing = self.requested - self.allocated
        return now_ms + preparation_s * 1000 + missing * _MS_PER_ENVIRONMENT

    def start(self) -> int:
        """Return how many inits to begin now; they count as running until `init_ended`."""
        if self.status != IN_PROGRESS:
            return 0
        missing = self.requested - self.allocated
        if missing == 0:
            self.status = READY
        wanted = missing if self.allocated else min(missing, 1)
        begun = max(0, wanted - self._running)
        self._running += begun
        return begun

    def init_ended(self, succeeded: bool) -> None:
        """One of the inits has ended; `start` tells how it goes on."""
        self._running -= 1
        if self.status != IN_PROGRESS:
            return
        if succeeded:
            self.allocated += 1
            return
        self._failures += 1
        if self._failures >= INIT_TRIES:
            self.status = FAILED
            self.allocated = 0

    @property
    def available(self) -> int:
        """How many environments serve invocations: new ones not before all are there."""
        return self._serving if self.status == IN_PROGRESS else self.allocated

    @property
    def reason(self) -> str | None:
        """Why the allocation failed, as StatusReason says it."""
        return INIT_FAILURE if self.status == FAILED else None


_MS_PER_ENVIRONMENT: Final = 60_000 / quotas.PROVISIONED_ENVIRONMENTS_PER_MINUTE
