"""Provisioned concurrency: environments that are initialised ahead of their invocations."""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from labkit.core.clock import Clock, Timer
from labkit.core.environment import EnvironmentState
from labkit.core.events import EventKind
from labkit.core.provisioning import DELETED, FAILED, IN_PROGRESS, READY, Allocation
from labkit.live.context import Events
from labkit.live.deployment import Deployment
from labkit.live.environment import ExecutionEnvironment
from labkit.live.pool import EnvironmentPools
from labkit.live.settings import Settings

_log = logging.getLogger(__name__)


class ProvisionedKey(NamedTuple):
    """What provisioned concurrency is configured for: a version or an alias of a function."""

    region: str
    function: str
    qualifier: str


@dataclass(frozen=True, slots=True)
class ProvisionedState:
    """How far an allocation has come; `reason` is StatusReason, set when `status` is FAILED."""

    allocated: int
    available: int
    status: str
    reason: str | None


@dataclass(slots=True, eq=False)
class _Part:
    """The environments of one version for one configuration; `serving` are those in use."""

    key: ProvisionedKey
    deployment: Deployment
    allocation: Allocation
    timer: Timer | None = None
    environments: list[ExecutionEnvironment] = field(default_factory=list)
    serving: list[ExecutionEnvironment] = field(default_factory=list)


class Provisioner:
    """Allocates provisioned environments in lab time, and ends them.

    They live as long as their configuration. `submit` runs work in a thread that counts as the
    clock's `working()`. Safe to use from several threads.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        settings: Settings,
        events: Events,
        pools: EnvironmentPools,
        submit: Callable[[Callable[[], None]], None],
    ) -> None:
        self._clock = clock
        self._settings = settings
        self._events = events
        self._pools = pools
        self._submit = submit
        self._lock = threading.RLock()
        self._parts: dict[ProvisionedKey, dict[str, _Part]] = {}
        self._random = random.Random(settings.seed)

    def provision(self, key: ProvisionedKey, wanted: Sequence[tuple[Deployment, int]]) -> None:
        """Allocate so many environments of each deployment for a version or alias.

        What it had of other deployments ends; what it has of these serves on, down to the number
        that is wanted. The rest follows after the time that the preparation takes.
        """
        with self._lock:
            parts = self._parts.setdefault(key, {})
            identities = {deployment.identity for deployment, _ in wanted}
            for identity in [one for one in parts if one not in identities]:
                self._end(parts.pop(identity))
            for deployment, count in wanted:
                self._order(parts, key, deployment, count)

    def reserve(self, region: str, function: str, concurrency: int | None) -> None:
        """Reserve concurrency for a function; None ends that."""
        self._pools.reserve(region, function, concurrency)

    def end(self, key: ProvisionedKey) -> None:
        """End all that was allocated for a version or alias."""
        with self._lock:
            for part in self._parts.pop(key, {}).values():
                self._end(part)

    def state(self, key: ProvisionedKey) -> ProvisionedState:
        """Return how far the allocation for a version or alias has come."""
        with self._lock:
            allocations = [part.allocation for part in self._parts.get(key, {}).values()]
        statuses = [allocation.status for allocation in allocations]
        worst = next((one for one in (FAILED, IN_PROGRESS) if one in statuses), READY)
        return ProvisionedState(
            allocated=sum(allocation.allocated for allocation in allocations),
            available=sum(allocation.available for allocation in allocations),
            status=worst,
            reason=next((one.reason for one in allocations if one.reason), None),
        )

    def reset(self) -> None:
        """End everything, and begin the seed anew."""
        with self._lock:
            self._random = random.Random(self._settings.seed)
            for key in list(self._parts):
                self.end(key)

    # Below, the caller holds the lock unless said otherwise.

    def _order(
        self, parts: dict[str, _Part], key: ProvisionedKey, deployment: Deployment, count: int
    ) -> None:
        part = parts.get(deployment.identity)
        if part is None:
            part = parts[deployment.identity] = _Part(key, deployment, Allocation(count))
        else:
            self._stop(part)
            surplus = [one for one in part.environments if one not in part.serving]
            part.environments = _living(part.serving)[:count]
            part.allocation = Allocation(count, len(part.environments))
            if len(part.serving) > count:
                self._serve(part)
            for environment in surplus:
                self._pools.end_provisioned(environment, "a new allocation has begun")
        self._emit(part)
        low_s, high_s = _range(self._settings.provisioning_delay_s)
        due_ms = part.allocation.due_ms(self._clock.now_ms(), self._random.uniform(low_s, high_s))
        allocation = part.allocation
        part.timer = self._clock.call_at(due_ms, lambda: self._go_on(part, allocation))

    def _go_on(self, part: _Part, allocation: Allocation) -> None:
        """Begin the inits that are due, and tell when the allocation is done.

        Called without the lock.
        """
        with self._lock:
            if part.allocation is not allocation or allocation.status == FAILED:
                return
            begun = allocation.start()
            if allocation.status == READY:
                self._serve(part)
                self._emit(part)
        for _ in range(begun):
            self._submit(lambda: self._initialise(part, allocation))

    def _initialise(self, part: _Part, allocation: Allocation) -> None:
        """Run one init. Called without the lock."""
        environment = self._pools.new_provisioned(part.deployment)
        try:
            succeeded = environment.prepare()
        except Exception:
            _log.exception("an environment could not be prepared")
            succeeded = False
        with self._lock:
            is_current = part.allocation is allocation and allocation.status == IN_PROGRESS
            allocation.init_ended(succeeded)
            if is_current and succeeded:
                part.environments.append(environment)
            elif is_current and allocation.status == FAILED:
                self._clear(part, "the allocation failed")
                self._emit(part)
        if not (is_current and succeeded):
            reason = "replaced" if succeeded else "init failed"
            self._pools.end_provisioned(environment, reason)
        self._go_on(part, allocation)

    def _end(self, part: _Part) -> None:
        self._stop(part)
        part.allocation = Allocation(0)
        self._clear(part, "provisioned concurrency was deleted")
        self._emit(part, DELETED)

    def _clear(self, part: _Part, reason: str) -> None:
        """End all environments of a part."""
        waiting = [one for one in part.environments if one not in part.serving]
        part.environments = []
        self._serve(part)
        for environment in waiting:
            self._pools.end_provisioned(environment, reason)

    def _stop(self, part: _Part) -> None:
        if part.timer is not None:
            part.timer.cancel()
            part.timer = None

    def _serve(self, part: _Part) -> None:
        """Let the environments of a part take invocations, and no others of it."""
        part.serving = _living(part.environments)
        identity = part.deployment.identity
        serving = [
            environment
            for parts in self._parts.values()
            if (other := parts.get(identity)) is not None and other is not part
            for environment in _living(other.serving)
        ]
        self._pools.set_provisioned(part.deployment, serving + part.serving)

    def _emit(self, part: _Part, status: str | None = None) -> None:
        allocation = part.allocation
        self._events.append(
            EventKind.PROVISIONED_CHANGED,
            function=part.key.function,
            version=part.deployment.version,
            qualifier=part.key.qualifier,
            requested=allocation.requested,
            allocated=allocation.allocated,
            reason=status or allocation.status,
        )


def _living(environments: Sequence[ExecutionEnvironment]) -> list[ExecutionEnvironment]:
    """Leave out those that have ended: a pool discards what the lab itself failed with."""
    return [one for one in environments if one.state is not EnvironmentState.ENDED]


def _range(life_s: float | tuple[float, float]) -> tuple[float, float]:
    return life_s if isinstance(life_s, tuple) else (life_s, life_s)
