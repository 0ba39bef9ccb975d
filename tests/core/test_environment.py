"""The life of an execution environment: every move is illegal unless the table allows it."""

from itertools import pairwise, product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit.core.environment import (
    TRANSITIONS,
    EnvironmentState,
    IllegalTransition,
    transition,
)

S = EnvironmentState

# Written out a second time, on purpose: the table in the code is compared with this one.
LEGAL = {
    (S.CREATED, S.INIT),
    (S.CREATED, S.ENDED),
    (S.INIT, S.IDLE),
    (S.INIT, S.INVOKE),
    (S.INIT, S.RESET),
    (S.INIT, S.ENDED),
    (S.IDLE, S.INVOKE),
    (S.IDLE, S.ENDED),
    (S.INVOKE, S.IDLE),
    (S.INVOKE, S.RESET),
    (S.INVOKE, S.ENDED),
    (S.RESET, S.INVOKE),
    (S.RESET, S.ENDED),
}


@pytest.mark.parametrize(("state", "to"), list(product(EnvironmentState, repeat=2)))
def test_each_pair_of_states(state: EnvironmentState, to: EnvironmentState) -> None:
    if (state, to) in LEGAL:
        assert transition(state, to) is to
    else:
        with pytest.raises(IllegalTransition) as refusal:
            transition(state, to)
        assert (refusal.value.state, refusal.value.to) == (state, to)
        assert f"from {state} to {to}" in str(refusal.value)


def test_table_covers_every_state() -> None:
    assert set(TRANSITIONS) == set(EnvironmentState)


def test_refusal_names_what_is_allowed() -> None:
    with pytest.raises(IllegalTransition, match="allowed from idle: ended, invoke"):
        transition(S.IDLE, S.INIT)
    with pytest.raises(IllegalTransition, match="none, it is final"):
        transition(S.ENDED, S.INIT)


@given(st.lists(st.sampled_from(EnvironmentState), max_size=30))
def test_walks_keep_the_rules_of_a_life(wishes: list[EnvironmentState]) -> None:
    state, visited = S.CREATED, [S.CREATED]
    for wish in wishes:
        try:
            state = transition(state, wish)
        except IllegalTransition:
            continue
        visited.append(state)
    assert visited.count(S.INIT) <= 1, "init is an own phase once in a life"
    assert S.ENDED not in visited[:-1], "nothing follows the end"
    for before, after in pairwise(visited):
        if after is S.IDLE:
            assert before in (S.INIT, S.INVOKE)


def test_every_state_can_end_and_every_state_is_reached() -> None:
    reached, frontier = {S.CREATED}, [S.CREATED]
    while frontier:
        for to in TRANSITIONS[frontier.pop()] - reached:
            reached.add(to)
            frontier.append(to)
    assert reached == set(EnvironmentState)
    assert all(S.ENDED in TRANSITIONS[state] for state in set(EnvironmentState) - {S.ENDED})


def test_table_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        TRANSITIONS[S.ENDED] = frozenset({S.INIT})  # type: ignore[index]
