"""The execution environments of the lab: which one takes an invocation, and how long each lives."""

from __future__ import annotations

import random
import threading
from dataclasses import dataclass, field

from labkit.core.environment import EnvironmentState
from labkit.core.errors import too_many_requests
from labkit.live.context import LiveContext
from labkit.live.deployment import Deployment
from labkit.live.environment import ExecutionEnvironment

CONCURRENCY_REASON = "ConcurrentInvocationLimitExceeded"


@dataclass(slots=True)
class _Pool:
    """The environments of one deployment identity; ``idle`` is a stack, most recently used last."""

    idle: list[ExecutionEnvironment] = field(default_factory=list)
    busy: set[ExecutionEnvironment] = field(default_factory=set)
    retired: bool = False


class EnvironmentPools:
    """All environments. An environment serves one invocation at a time, the most recently used
    first.
    """

    def __init__(self, context: LiveContext) -> None:
        self._context = context
        self._lock = threading.Lock()
        self._pools: dict[str, _Pool] = {}
        self._closed = False
        self._random = random.Random(context.settings.seed)

    def acquire(self, deployment: Deployment) -> ExecutionEnvironment:
        """Take an idle environment, or a new one.

        Raises ApiError (429) when the account's concurrency is used up, or the lab's machine may
        hold no further environment (setting ``max_environments``).
        """
        settings = self._context.settings
        evicted = None
        with self._lock:
            pool = self._pools.setdefault(deployment.identity, _Pool())
            busy = sum(len(other.busy) for other in self._pools.values())
            if self._closed or busy >= min(settings.account_concurrency, settings.max_environments):
                raise too_many_requests(CONCURRENCY_REASON)
            if pool.idle:
                environment = pool.idle.pop()
            else:
                if self._count() >= settings.max_environments:
                    evicted = self._evict_idle()
                environment = ExecutionEnvironment(deployment, self._context)
                age_ms = self._draw(settings.max_age_s)
                environment.max_age_ms = environment.created_ms + age_ms
            pool.busy.add(environment)
        if evicted is not None:
            evicted.end("evicted: the lab's setting max_environments")
        return environment

    def release(self, environment: ExecutionEnvironment) -> None:
        """Give an environment back after an invocation."""
        now_ms = self._context.clock.now_ms()
        with self._lock:
            identity = environment.deployment.identity
            pool = self._pools[identity]
            pool.busy.discard(environment)
            too_old = now_ms >= environment.max_age_ms
            keep = not (pool.retired or self._closed or too_old)
            if keep:
                pool.idle.append(environment)
                environment.used_ms = now_ms
                environment.expires_ms = now_ms + self._draw(self._context.settings.idle_life_s)
            elif pool.retired and not pool.busy:
                del self._pools[identity]
        if not keep:
            environment.end("maximum age" if too_old else "replaced")
        elif not environment.expiry_armed:
            environment.expiry_armed = True
            self._arm(environment)

    def discard(self, environment: ExecutionEnvironment) -> None:
        """End an environment that the lab itself failed with."""
        with self._lock:
            identity = environment.deployment.identity
            pool = self._pools[identity]
            pool.busy.discard(environment)
            if pool.retired and not pool.busy:
                del self._pools[identity]
        environment.end("failed")

    def retire(self, identity: str) -> None:
        """End the environments of old code or configuration: idle ones now, busy ones when done."""
        with self._lock:
            pool = self._pools.get(identity)
            if pool is None:
                return
            pool.retired = True
            idle, pool.idle = pool.idle, []
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
            idle = [environment for pool in pools.values() for environment in pool.idle]
            for identity, pool in pools.items():
                pool.idle, pool.retired = [], True
                if pool.busy:
                    self._pools[identity] = pool
        for environment in idle:
            environment.end(reason)

    def _count(self) -> int:
        return sum(len(pool.idle) + len(pool.busy) for pool in self._pools.values())

    def _evict_idle(self) -> ExecutionEnvironment | None:
        """The idle environment that was used the longest time ago makes room."""
        candidates = [pool for pool in self._pools.values() if pool.idle]
        if not candidates:
            return None
        return min(candidates, key=lambda pool: pool.idle[0].used_ms).idle.pop(0)

    def _arm(self, environment: ExecutionEnvironment) -> None:
        """One timer an environment: when it fires early because of later use, it is set again."""
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
        if due:
            environment.end("maximum age" if too_old else "idle")
        else:
            self._arm(environment)

    def _draw(self, life_s: float | tuple[float, float]) -> float:
        """A life in ms: a fixed one, or one drawn from a range."""
        if isinstance(life_s, (tuple, list)):
            return self._random.uniform(*life_s) * 1000
        return life_s * 1000
