"""Requests of one function in virtual time, by the admission rules of `labkit.core.concurrency`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from labkit.core.concurrency import (
    IDLE,
    ON_DEMAND,
    PROVISIONED,
    PROVISIONED_CONCURRENCY,
    Admission,
    Admitted,
    Throttle,
)
from labkit.core.events import Event, EventKind
from labkit.fleet.arrivals import Request
from labkit.fleet.clock import VirtualClock

FUNCTION: Final = "worker"
NEIGHBOUR: Final = "others"
VERSION: Final = "1"
SYNC: Final = "RequestResponse"


@dataclass(frozen=True, slots=True, kw_only=True)
class LanesScenario:
    """Requests of one function, and the limits that they meet.

    A cold start takes `init_ms` before the handler runs. `reserved_concurrency` None means no
    reservation; `neighbour_concurrency` environments are kept busy by other functions, which have
    no reservation.
    """

    requests: tuple[Request, ...]
    init_ms: float = 700.0
    reserved_concurrency: int | None = None
    provisioned_concurrency: int = 0
    account_concurrency: int = 10
    neighbour_concurrency: int = 0


def simulate_lanes(scenario: LanesScenario) -> list[Event]:
    """Return all events of the function, in their order; times in ms, the first request after 0.

    Provisioned environments are ready at 0. An idle environment stays.
    """
    return _Run(scenario).events


@dataclass(slots=True)
class _Environment:
    name: str
    is_provisioned: bool

    @property
    def initialization_type(self) -> str:
        """In AWS's words, how it came to be."""
        return PROVISIONED_CONCURRENCY if self.is_provisioned else ON_DEMAND


class _Run:
    """The function, its environments and the account, for one scenario."""

    def __init__(self, scenario: LanesScenario) -> None:
        self._scenario, self._clock = scenario, VirtualClock(-scenario.init_ms)
        self._idle: list[_Environment] = []  # the one used last is the last
        self._ready: list[_Environment] = []
        self._count = 0
        self.events: list[Event] = []
        self._admission = _limits(scenario)
        for _ in range(scenario.provisioned_concurrency):
            self._provision()
        self._clock.run_until(0.0)
        for number, request in enumerate(scenario.requests, start=1):
            self._clock.call_at(request.arrival_ms, self._arrival(number, request))
        self._clock.settle()

    def _emit(self, kind: EventKind, environment: _Environment | None, **fields: Any) -> None:
        event = Event(
            seq=len(self.events) + 1,
            time_ms=self._clock.now_ms(),
            kind=kind,
            function=FUNCTION,
            version=VERSION,
            environment=None if environment is None else environment.name,
            **fields,
        )
        self.events.append(event)

    def _add(self, *, is_provisioned: bool) -> _Environment:
        """Begin the init of a new environment."""
        self._count += 1
        environment = _Environment(f"environment-{self._count}", is_provisioned)
        self._emit(
            EventKind.INIT_STARTED,
            environment,
            phase="init",
            initialization_type=environment.initialization_type,
        )
        return environment

    def _init_ended(self, environment: _Environment) -> None:
        self._emit(
            EventKind.INIT_ENDED,
            environment,
            phase="init",
            outcome="success",
            init_ms=self._scenario.init_ms,
        )

    def _provision(self) -> None:
        environment = self._add(is_provisioned=True)
        self._ready.append(environment)
        self._clock.call_at(0.0, lambda: self._init_ended(environment))

    def _arrival(self, number: int, request: Request) -> Callable[[], None]:
        request_id = f"00000000-0000-4000-8000-{number:012}"
        return lambda: self._arrives(request_id, request)

    def _arrives(self, request_id: str, request: Request) -> None:
        self._emit(EventKind.ACCEPTED, None, request_id=request_id, invocation_type=SYNC)
        verdict = self._admission.admit(
            FUNCTION, VERSION, self._clock.now_ms(), idle=bool(self._idle)
        )
        if isinstance(verdict, Throttle):
            reason = str(verdict.reason)
            self._emit(EventKind.THROTTLED, None, request_id=request_id, reason=reason)
        elif verdict.kind == PROVISIONED:
            self._invoke(self._ready.pop(), verdict, request_id, request)
        elif verdict.kind == IDLE:
            self._invoke(self._idle.pop(), verdict, request_id, request)
        else:
            self._start(verdict, request_id, request)

    def _start(self, admitted: Admitted, request_id: str, request: Request) -> None:
        """A cold start: the request waits for the init of its environment."""
        environment = self._add(is_provisioned=False)

        def ready() -> None:
            self._init_ended(environment)
            self._invoke(environment, admitted, request_id, request)

        self._clock.call_at(self._clock.now_ms() + self._scenario.init_ms, ready)

    def _invoke(
        self, environment: _Environment, admitted: Admitted, request_id: str, request: Request
    ) -> None:
        common = {
            "request_id": request_id,
            "initialization_type": environment.initialization_type,
            "invocation_type": SYNC,
        }
        self._emit(EventKind.INVOKE_STARTED, environment, **common)

        def end() -> None:
            took = {"outcome": "success", "duration_ms": request.duration_ms}
            self._emit(EventKind.INVOKE_ENDED, environment, **common, **took)
            self._admission.release(admitted)
            (self._ready if environment.is_provisioned else self._idle).append(environment)

        self._clock.call_at(self._clock.now_ms() + request.duration_ms, end)


def ceiling(scenario: LanesScenario) -> int:
    """Return how many environments of the function can be busy at once."""
    admission, count = _limits(scenario), 0
    while isinstance(
        admission.admit(FUNCTION, VERSION, 0.0, idle=True, synchronous=False), Admitted
    ):
        count += 1
    return count


def _limits(scenario: LanesScenario) -> Admission:
    admission = Admission(scenario.account_concurrency)
    admission.reserve(FUNCTION, scenario.reserved_concurrency)
    admission.provision(FUNCTION, VERSION, scenario.provisioned_concurrency)
    for _ in range(scenario.neighbour_concurrency):
        admission.admit(NEIGHBOUR, "$LATEST", 0.0, idle=True, synchronous=False)
    return admission
