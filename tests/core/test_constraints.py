"""Broken constraints, in AWS's words."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit.core import constraints
from labkit.core.constraints import Violation, validation_error, validation_message


def test_one_violation() -> None:
    error = validation_error([Violation("x" * 65, "functionName", constraints.max_length(64))])
    assert error.status == 400
    assert error.code == "ValidationException"
    assert error.message == (
        f"1 validation error detected: Value '{'x' * 65}' at 'functionName' failed to satisfy "
        "constraint: Member must have length less than or equal to 64"
    )


def test_two_violations_are_joined() -> None:
    message = validation_message(
        [
            Violation(127, "memorySize", constraints.min_value(128)),
            Violation(901, "timeout", constraints.max_value(900)),
        ]
    )
    assert message == (
        "2 validation errors detected: "
        "Value '127' at 'memorySize' failed to satisfy constraint: "
        "Member must have value greater than or equal to 128; "
        "Value '901' at 'timeout' failed to satisfy constraint: "
        "Member must have value less than or equal to 900"
    )


def test_missing_and_hidden_values() -> None:
    assert Violation(None, "role", constraints.not_null()).text() == (
        "Value null at 'role' failed to satisfy constraint: Member must not be null"
    )
    assert Violation("secret", "zipFile", constraints.not_null(), hidden=True).text() == (
        "Value at 'zipFile' failed to satisfy constraint: Member must not be null"
    )


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (["x86_64", "arm64"], "'[x86_64, arm64]'"),
        ((), "'[]'"),
        (True, "'true'"),
        (False, "'false'"),
        ({"1": 0.5, "2": True}, "'{1=0.5, 2=true}'"),
        ("", "''"),
    ],
)
def test_values_are_shown_as_java_prints_them(value: object, shown: str) -> None:
    assert Violation(value, "m", "c").text().startswith(f"Value {shown} at 'm' ")


def test_texts_of_constraints() -> None:
    assert constraints.min_length(1) == "Member must have length greater than or equal to 1"
    assert constraints.matches("[a-z]+") == (
        "Member must satisfy regular expression pattern: [a-z]+"
    )
    assert constraints.one_of(["Zip", "Image"]) == (
        "Member must satisfy enum value set: [Zip, Image]"
    )
    assert constraints.list_members(constraints.one_of(["x86_64", "arm64"])) == (
        "Member must satisfy constraint: [Member must satisfy enum value set: [x86_64, arm64], "
        "Member must not be null]"
    )
    assert constraints.map_keys(constraints.matches("[A-Z]")) == (
        "Map keys must satisfy constraint: [Member must satisfy regular expression pattern: [A-Z]]"
    )


@given(st.text(max_size=40), st.integers(0, 40), st.integers(0, 40))
def test_length_is_checked_at_both_ends(text: str, one: int, other: int) -> None:
    low, high = sorted((one, other))
    found = constraints.length_violations(text, "m", minimum=low, maximum=high)
    assert (found == []) == (low <= len(text) <= high)
    if len(text) > high:
        assert found[0].constraint == constraints.max_length(high)


@given(st.integers(), st.integers(), st.integers())
def test_range_is_checked_at_both_ends(value: int, one: int, other: int) -> None:
    low, high = sorted((one, other))
    found = constraints.range_violations(value, "m", minimum=low, maximum=high)
    assert (found == []) == (low <= value <= high)
    if value < low:
        assert found[0].constraint == constraints.min_value(low)


@given(st.text(alphabet="ab\n", max_size=6))
def test_pattern_must_match_the_whole_text(text: str) -> None:
    found = constraints.pattern_violations(text, "m", "a+")
    assert (found == []) == (re.fullmatch("a+", text) is not None)


def test_pattern_knows_only_ascii_digits() -> None:
    assert constraints.pattern_violations("٣", "m", r"\d") != []


@given(st.text(max_size=5), st.lists(st.text(max_size=5), max_size=5))
def test_enum_accepts_exactly_its_values(value: str, allowed: list[str]) -> None:
    assert (constraints.enum_violations(value, "m", allowed) == []) == (value in allowed)


@given(st.integers(1, 9))
def test_count_is_in_front(count: int) -> None:
    message = validation_message([Violation(1, "m", "c")] * count)
    plural = "error" if count == 1 else "errors"
    assert message.startswith(f"{count} validation {plural} detected: ")
    assert message.count("; ") == count - 1
