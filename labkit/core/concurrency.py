"""Who may run now: the concurrency and the rates of the functions of one account and Region.

The rules are those of the developer guide ("Understanding function scaling", "Configuring reserved
concurrency", "Configuring provisioned concurrency").
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from labkit.core import quotas

PROVISIONED: Final = "provisioned"
"""The kind of an invocation that runs in a provisioned environment."""
IDLE: Final = "idle"
"""The kind of one that runs in an idle environment, on demand."""
NEW: Final = "new"
"""The kind of one that needs a new environment: a cold start."""

ON_DEMAND: Final = "on-demand"
PROVISIONED_CONCURRENCY: Final = "provisioned-concurrency"
"""AWS's names of how an environment came about: AWS_LAMBDA_INITIALIZATION_TYPE."""

# AWS states it as 10,000 requests a second every 10 s, too: the same limit, as an environment
# serves 10 requests a second.
_SCALING_PER_S: Final = quotas.SCALING_ENVIRONMENTS / quotas.SCALING_PERIOD_S
_RATE: Final = quotas.SYNC_REQUESTS_PER_S_PER_CONCURRENCY
_ALMOST_ONE: Final = 1 - 1e-9


class ThrottleReason(StrEnum):
    """Why an invocation was refused: the `Reason` of TooManyRequestsException."""

    CONCURRENCY = "ConcurrentInvocationLimitExceeded"
    RATE = "FunctionInvocationRateLimitExceeded"
    RESERVED_CONCURRENCY = "ReservedFunctionConcurrentInvocationLimitExceeded"
    RESERVED_RATE = "ReservedFunctionInvocationRateLimitExceeded"


@dataclass(frozen=True, slots=True)
class Admitted:
    """An invocation may run; give this back to `Admission.release` when it has ended.

    `kind` is PROVISIONED, IDLE or NEW.
    """

    function: str
    version: str
    kind: str


@dataclass(frozen=True, slots=True)
class Throttle:
    """An invocation may not run.

    `retry_after_s` is set where the rules tell when a further request can be taken, which is for
    rates: nobody knows when a running invocation will end.
    """

    reason: ThrottleReason
    retry_after_s: int | None = None


class _Bucket:
    """Tokens that come back at a rate; full at first."""

    __slots__ = ("_at_ms", "_tokens")

    def __init__(self) -> None:
        self._tokens = math.inf
        self._at_ms = -math.inf

    def wait_ms(self, now_ms: float, per_s: float, capacity: float) -> float:
        """Return how long it takes until there is a token; 0 if there is one."""
        tokens = self._tokens
        if now_ms > self._at_ms:
            if tokens < capacity:
                tokens += (now_ms - self._at_ms) * per_s / 1000
            self._at_ms = now_ms
        self._tokens = tokens = min(tokens, capacity)
        return 0.0 if tokens >= _ALMOST_ONE else (1 - tokens) / per_s * 1000

    def take(self) -> None:
        """Take the token that `wait_ms` has found."""
        self._tokens -= 1


class _Provisioned:
    """The provisioned environments of one version: `ready` may be used, `busy` are in use."""

    __slots__ = ("busy", "rate", "ready")

    def __init__(self) -> None:
        self.ready = 0
        self.busy = 0
        self.rate = _Bucket()


class _Function:
    """One function: what it may use, and what it uses."""

    __slots__ = ("in_flight", "on_demand", "provisioned", "rate", "ready", "reserved", "scaling")

    def __init__(self) -> None:
        self.reserved: int | None = None
        self.provisioned: dict[str, _Provisioned] = {}
        self.ready = 0
        self.in_flight = 0
        self.on_demand = 0
        self.rate = _Bucket()
        self.scaling = _Bucket()


class Admission:
    """Decides about each invocation of one account in one Region.

    Whoever drives it holds the environments, and tells with each request whether an idle one is
    there. `account_concurrency` may be changed at any time. Not safe to use from several threads
    at once. Times are in ms of lab time.
    """

    def __init__(self, account_concurrency: int = quotas.ACCOUNT_CONCURRENCY_DEFAULT) -> None:
        self.account_concurrency = account_concurrency
        self.in_flight = 0
        """How many invocations run, of all functions."""
        self._functions: dict[str, _Function] = {}
        self._rate = _Bucket()
        # Of all functions together: what is reserved; of those without a reservation: what runs on
        # demand, and what is provisioned and ready.
        self._reserved = 0
        self._unreserved_on_demand = 0
        self._unreserved_ready = 0

    def reserve(self, function: str, concurrency: int | None) -> None:
        """Reserve concurrency for a function: its cap and its guarantee; None ends that.

        What runs goes on.
        """
        state = self._function(function)
        if state.reserved is None:
            self._unreserved_on_demand -= state.on_demand
            self._unreserved_ready -= state.ready
        else:
            self._reserved -= state.reserved
        state.reserved = concurrency
        if concurrency is None:
            self._unreserved_on_demand += state.on_demand
            self._unreserved_ready += state.ready
        else:
            self._reserved += concurrency

    def reserved(self, function: str) -> int | None:
        """Return what is reserved for a function; None if nothing is."""
        state = self._functions.get(function)
        return None if state is None else state.reserved

    def provision(self, function: str, version: str, environments: int) -> None:
        """Say how many provisioned environments of a version are there, ready or in use."""
        state = self._function(function)
        provisioned = state.provisioned.setdefault(version, _Provisioned())
        change = environments - provisioned.ready
        provisioned.ready = environments
        state.ready += change
        if state.reserved is None:
            self._unreserved_ready += change
        _drop_unused(state, version, provisioned)

    def admit(
        self,
        function: str,
        version: str,
        now_ms: float,
        *,
        idle: bool,
        synchronous: bool = True,
    ) -> Admitted | Throttle:
        """Decide about one invocation.

        `version` is $LATEST or a number, never an alias; `idle` tells whether an idle environment
        of it is there that is not a provisioned one. Asynchronous invocations have no limit of
        requests per second.
        """
        state = self._function(function)
        if state.reserved is not None and state.in_flight >= state.reserved:
            return Throttle(ThrottleReason.RESERVED_CONCURRENCY)
        if self.in_flight >= self.account_concurrency:
            return Throttle(ThrottleReason.CONCURRENCY)
        provisioned = state.provisioned.get(version)
        if provisioned is None or not _has_room(provisioned, now_ms, synchronous):
            provisioned = None
            full = self._on_demand_full(state)
            if full is not None:
                return Throttle(full)
        if synchronous:
            too_fast = self._too_fast(state, now_ms)
            if too_fast is not None:
                return too_fast
        if provisioned is None and not idle:
            scaling_ms = state.scaling.wait_ms(now_ms, _SCALING_PER_S, quotas.SCALING_ENVIRONMENTS)
            if scaling_ms:
                return Throttle(ThrottleReason.CONCURRENCY, _whole_s(scaling_ms))
            state.scaling.take()
        return self._admitted(function, version, state, provisioned, idle, synchronous)

    def release(self, admitted: Admitted) -> None:
        """An invocation has ended."""
        state = self._functions[admitted.function]
        self.in_flight -= 1
        state.in_flight -= 1
        if admitted.kind == PROVISIONED:
            provisioned = state.provisioned[admitted.version]
            provisioned.busy -= 1
            _drop_unused(state, admitted.version, provisioned)
        else:
            state.on_demand -= 1
            if state.reserved is None:
                self._unreserved_on_demand -= 1

    def forget_limits(self) -> None:
        """Drop all reservations and provisioned environments, and fill all rates again."""
        for function, state in self._functions.items():
            self.reserve(function, None)
            for version in list(state.provisioned):
                self.provision(function, version, 0)
            state.rate, state.scaling = _Bucket(), _Bucket()
        self._rate = _Bucket()

    def _function(self, function: str) -> _Function:
        state = self._functions.get(function)
        if state is None:
            state = self._functions[function] = _Function()
        return state

    def _on_demand_full(self, state: _Function) -> ThrottleReason | None:
        """Tell why nothing more of a function may run on demand.

        What is provisioned is set aside, from the function's reservation if it has one, otherwise
        from the unreserved pool.
        """
        if state.reserved is not None:
            if state.on_demand >= state.reserved - state.ready:
                return ThrottleReason.RESERVED_CONCURRENCY
            return None
        pool = self.account_concurrency - self._reserved - self._unreserved_ready
        return ThrottleReason.CONCURRENCY if self._unreserved_on_demand >= pool else None

    def _too_fast(self, state: _Function, now_ms: float) -> Throttle | None:
        """Apply the limits of requests per second."""
        reserved = state.reserved
        if reserved is not None:
            wait_ms = state.rate.wait_ms(now_ms, _RATE * reserved, _RATE * reserved)
            if wait_ms:
                return Throttle(ThrottleReason.RESERVED_RATE, _whole_s(wait_ms))
        rate = _RATE * self.account_concurrency
        wait_ms = self._rate.wait_ms(now_ms, rate, rate)
        return Throttle(ThrottleReason.RATE, _whole_s(wait_ms)) if wait_ms else None

    def _admitted(
        self,
        function: str,
        version: str,
        state: _Function,
        provisioned: _Provisioned | None,
        idle: bool,
        synchronous: bool,
    ) -> Admitted:
        """Take the tokens and count the invocation."""
        if synchronous:
            self._rate.take()
            if state.reserved is not None:
                state.rate.take()
        self.in_flight += 1
        state.in_flight += 1
        if provisioned is not None:
            provisioned.busy += 1
            if synchronous:
                provisioned.rate.take()
            return Admitted(function, version, PROVISIONED)
        state.on_demand += 1
        if state.reserved is None:
            self._unreserved_on_demand += 1
        return Admitted(function, version, IDLE if idle else NEW)


def _has_room(provisioned: _Provisioned, now_ms: float, synchronous: bool) -> bool:
    """Tell whether a provisioned environment is free; if not, the request spills over."""
    if provisioned.busy >= provisioned.ready:
        return False
    rate = _RATE * provisioned.ready
    return not synchronous or not provisioned.rate.wait_ms(now_ms, rate, rate)


def _drop_unused(state: _Function, version: str, provisioned: _Provisioned) -> None:
    if not provisioned.ready and not provisioned.busy:
        del state.provisioned[version]


def _whole_s(wait_ms: float) -> int:
    return max(1, math.ceil(wait_ms / 1000))
