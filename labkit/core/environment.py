"""The states of one execution environment, and the only moves between them."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final


class EnvironmentState(StrEnum):
    """Where an execution environment is in its life.

    CREATED: it has its id, its log stream and its /tmp, and no process yet.
    INIT: the runtime starts and the top-level code of the function runs.
    IDLE: frozen between invocations.
    INVOKE: the handler runs (after a reset: init first, inside the same invocation).
    RESET: the process is gone after a time-out, a crash, memory over the limit or a failed init;
    the environment and its /tmp remain for the next invocation.
    ENDED: gone for good.
    """

    CREATED = "created"
    INIT = "init"
    IDLE = "idle"
    INVOKE = "invoke"
    RESET = "reset"
    ENDED = "ended"


class IllegalTransition(Exception):
    """An environment was asked for a move that its state does not allow."""

    def __init__(self, state: EnvironmentState, to: EnvironmentState) -> None:
        allowed = ", ".join(sorted(TRANSITIONS[state])) or "none, it is final"
        super().__init__(
            f"an execution environment cannot go from {state} to {to}; allowed from {state}: "
            f"{allowed}"
        )
        self.state = state
        self.to = to


_S = EnvironmentState

TRANSITIONS: Final[Mapping[EnvironmentState, frozenset[EnvironmentState]]] = MappingProxyType(
    {
        _S.CREATED: frozenset({_S.INIT, _S.ENDED}),
        _S.INIT: frozenset({_S.IDLE, _S.INVOKE, _S.RESET, _S.ENDED}),
        _S.IDLE: frozenset({_S.INVOKE, _S.ENDED}),
        _S.INVOKE: frozenset({_S.IDLE, _S.RESET, _S.ENDED}),
        # Not back to INIT: what failed is initialised again inside the next invocation.
        _S.RESET: frozenset({_S.INVOKE, _S.ENDED}),
        _S.ENDED: frozenset(),
    }
)
"""For each state, the states that it may go to. What is not here is illegal."""


def transition(state: EnvironmentState, to: EnvironmentState) -> EnvironmentState:
    """Return `to` if an environment in `state` may go there.

    Raises IllegalTransition otherwise.
    """
    if to not in TRANSITIONS[state]:
        raise IllegalTransition(state, to)
    return to
