"""The execution environments of the lab: which one takes an invocation, and how long each lives."""

from __future__ import annotations

import random
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from labkit.core.concurrency import (
    NEW,
    ON_DEMAND,
    PROVISIONED,
    PROVISIONED_CONCURRENCY,
    Admission,
    Admitted,
    Throttle,
    ThrottleReason,
)
from labkit.core.environment import EnvironmentState
from labkit.core.errors import too_many_requests
from labkit.live.context import LiveContext
from labkit.live.deployment import Deployment
from labkit.live.environment import ExecutionEnvironment

_EVICTED: Final = "evicted: the lab's setting max_environments"
_REDUCED: Final = "provisioned concurrency was reduced"


@dataclass(slots=True)
class _Pool:
    """The environments of one deployment identity; ``idle`` is a stack, most recently used last.

    ``provisioned`` are all its provisioned environments, ``ready`` those of them that are free.
    """

    idle: list[ExecutionEnvironment] = field(default_factory=list)
    busy: dict[ExecutionEnvironment, Admitted] = field(default_factory=dict)
    provisioned: set[ExecutionEnvironment] = field(default_factory=set)
    ready: list[ExecutionEnvironment] = field(default_factory=list)
    retired: bool = False


class EnvironmentPools:
    """All environments. An environment serves one invocation at a time, the most recently used
    first. Who may run is for `Admission` to decide, one for each Region.
    """

    def __init__(self, context: LiveContext) -> None:
        self._context = context
        self._lock = threading.Lock()
        self._pools: dict[str, _Pool] = {}
        self._admissions: dict[str, Admission] = {}
        self._count = 0
        self._closed = False
        self._random = random.Random(context.settings.seed)

    def acquire(self, deployment: Deployment, *, synchronous: bool = True) -> ExecutionEnvironment:
        """Take a provisioned environment, or an idle one, or a new one.

        Raises ApiError (429) when the function may not run now, or the lab's machine may hold no
        further environment (setting ``max_environments``).
        """
        now_ms = self._context.clock.now_ms()
        evicted = None
        with self._lock:
            if self._closed:
                raise too_many_requests(ThrottleReason.CONCURRENCY)
            pool = self._pools.get(deployment.identity)
            if pool is None:
                pool = self._pools[deployment.identity] = _Pool()
            verdict = self._admission(deployment.region).admit(
                deployment.function_name,
                deployment.version,
                now_ms,
                idle=bool(pool.idle),
                synchronous=synchronous,
            )
            if isinstance(verdict, Throttle):
                raise too_many_requests(verdict.reason, retry_after_s=verdict.retry_after_s)
            if verdict.kind == NEW:
                environment, evicted = self._added(deployment, verdict)
            else:
                environment = (pool.ready if verdict.kind == PROVISIONED else pool.idle).pop()
            pool.busy[environment] = verdict
        if evicted is not None:
            evicted.end(_EVICTED)
        return environment

    def release(self, environment: ExecutionEnvironment) -> None:
        """Give an environment back after an invocation."""
        now_ms = self._context.clock.now_ms()
        with self._lock:
            pool = self._given_back(environment)
            reason = self._end_reason(environment, pool, now_ms)
            if reason is not None:
                self._count -= 1
            elif environment in pool.provisioned:
                pool.ready.append(environment)
            else:
                pool.idle.append(environment)
                environment.used_ms = now_ms
                environment.expires_ms = now_ms + self._draw(self._context.settings.idle_life_s)
        if reason is not None:
            environment.end(reason)
        elif not environment.is_provisioned and not environment.expiry_armed:
            environment.expiry_armed = True
            self._arm(environment)

    def discard(self, environment: ExecutionEnvironment) -> None:
        """End an environment that the lab itself failed with."""
        with self._lock:
            pool = self._given_back(environment)
            self._count -= 1
            if environment in pool.provisioned:
                pool.provisioned.discard(environment)
                self._tell_provisioned(environment.deployment, pool)
        environment.end("failed")

    def reserve(self, region: str, function: str, concurrency: int | None) -> None:
        """Reserve concurrency for a function; None ends that."""
        with self._lock:
            self._admission(region).reserve(function, concurrency)

    def new_provisioned(self, deployment: Deployment) -> ExecutionEnvironment:
        """Return a new environment, to be prepared and then given to `set_provisioned`.

        It takes the place of an idle one if the machine may hold no more.
        """
        with self._lock:
            evicted = self._make_room()
            environment = self._new(deployment, PROVISIONED_CONCURRENCY)
        if evicted is not None:
            evicted.end(_EVICTED)
        return environment

    def end_provisioned(self, environment: ExecutionEnvironment, reason: str) -> None:
        """End an environment of `new_provisioned` that `set_provisioned` has not got."""
        with self._lock:
            self._count -= 1
        environment.end(reason)

    def set_provisioned(
        self, deployment: Deployment, environments: Sequence[ExecutionEnvironment]
    ) -> None:
        """Say which provisioned environments a version has from now on.

        Those it had before end: idle ones now, busy ones when done.
        """
        with self._lock:
            pool = self._pools.setdefault(deployment.identity, _Pool())
            new = [one for one in environments if one not in pool.provisioned]
            gone = pool.provisioned.difference(environments)
            pool.provisioned = set(environments)
            ended = [one for one in pool.ready if one in gone]
            pool.ready = [one for one in pool.ready if one not in gone] + new
            self._count -= len(ended)
            self._tell_provisioned(deployment, pool)
        for environment in ended:
            environment.end(_REDUCED)

    def retire(self, identity: str) -> None:
        """End the environments of old code or configuration: idle ones now, busy ones when done."""
        with self._lock:
            pool = self._pools.get(identity)
            if pool is None:
                return
            idle = self._emptied(pool)
            if not pool.busy:
                del self._pools[identity]
        for environment in idle:
            environment.end("replaced")

    def close(self) -> None:
        """End every environment; acquire nothing more."""
        self._closed = True
        self.clear("the lab ended")

    def clear(self, reason: str) -> None:
        """End every idle environment, let busy ones end when done, and begin the seed anew."""
        with self._lock:
            self._random = random.Random(self._context.settings.seed)
            pools, self._pools = self._pools, {}
            idle = [one for pool in pools.values() for one in self._emptied(pool)]
            self._pools.update({name: pool for name, pool in pools.items() if pool.busy})
            for admission in self._admissions.values():
                admission.forget_limits()
        for environment in idle:
            environment.end(reason)

    # Below, the caller holds the lock unless said otherwise.

    def _admission(self, region: str) -> Admission:
        admission = self._admissions.get(region)
        if admission is None:
            admission = self._admissions[region] = Admission()
        admission.account_concurrency = self._context.settings.account_concurrency
        return admission

    def _added(
        self, deployment: Deployment, admitted: Admitted
    ) -> tuple[ExecutionEnvironment, ExecutionEnvironment | None]:
        """Return a new environment and the one to end for it. Raises ApiError (429)."""
        evicted = self._make_room()
        if evicted is None and self._count >= self._context.settings.max_environments:
            self._admission(deployment.region).release(admitted)
            raise too_many_requests(ThrottleReason.CONCURRENCY)
        return self._new(deployment, ON_DEMAND), evicted

    def _new(self, deployment: Deployment, initialization_type: str) -> ExecutionEnvironment:
        self._count += 1
        environment = ExecutionEnvironment(deployment, self._context, initialization_type)
        age_ms = self._draw(self._context.settings.max_age_s)
        environment.max_age_ms = environment.created_ms + age_ms
        return environment

    def _given_back(self, environment: ExecutionEnvironment) -> _Pool:
        """The environment is no longer busy; return its pool, which goes if it was retired."""
        deployment = environment.deployment
        pool = self._pools[deployment.identity]
        self._admission(deployment.region).release(pool.busy.pop(environment))
        if pool.retired and not pool.busy:
            del self._pools[deployment.identity]
        return pool

    def _end_reason(
        self, environment: ExecutionEnvironment, pool: _Pool, now_ms: float
    ) -> str | None:
        """Tell why an environment is not kept after an invocation; None if it is."""
        if pool.retired or self._closed:
            return "replaced"
        if environment.is_provisioned:
            return None if environment in pool.provisioned else _REDUCED
        return "maximum age" if now_ms >= environment.max_age_ms else None

    def _emptied(self, pool: _Pool) -> list[ExecutionEnvironment]:
        """Retire a pool and return the environments to end."""
        provisioned, pool.provisioned = pool.provisioned, set()
        if provisioned:
            self._tell_provisioned(next(iter(provisioned)).deployment, pool)
        idle = pool.idle + pool.ready
        pool.idle, pool.ready, pool.retired = [], [], True
        self._count -= len(idle)
        return idle

    def _tell_provisioned(self, deployment: Deployment, pool: _Pool) -> None:
        admission = self._admission(deployment.region)
        admission.provision(deployment.function_name, deployment.version, len(pool.provisioned))

    def _make_room(self) -> ExecutionEnvironment | None:
        """At the machine's limit, the idle environment that was used the longest time ago goes."""
        if self._count < self._context.settings.max_environments:
            return None
        candidates = [pool for pool in self._pools.values() if pool.idle]
        if not candidates:
            return None
        self._count -= 1
        return min(candidates, key=lambda pool: pool.idle[0].used_ms).idle.pop(0)

    def _arm(self, environment: ExecutionEnvironment) -> None:
        """One timer an environment: when it fires early because of later use, it is set again.

        Called without the lock, as is `_expire`.
        """
        due_ms = min(environment.expires_ms, environment.max_age_ms)
        self._context.clock.call_at(due_ms, lambda: self._expire(environment), pending=False)

    def _expire(self, environment: ExecutionEnvironment) -> None:
        now_ms = self._context.clock.now_ms()
        with self._lock:
            pool = self._pools.get(environment.deployment.identity)
            if environment.state is EnvironmentState.ENDED or pool is None:
                return
            if environment not in pool.idle:
                environment.expiry_armed = False
                return
            too_old = now_ms >= environment.max_age_ms
            due = too_old or now_ms >= environment.expires_ms
            if due:
                pool.idle.remove(environment)
                self._count -= 1
        if due:
            environment.end("maximum age" if too_old else "idle")
        else:
            self._arm(environment)

    def _draw(self, life_s: float | tuple[float, float]) -> float:
        """A life in ms: a fixed one, or one drawn from a range."""
        if isinstance(life_s, (tuple, list)):
            return self._random.uniform(*life_s) * 1000
        return life_s * 1000
