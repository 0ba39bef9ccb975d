"""How AWS words a value that breaks a constraint of the service model.

A request may break several constraints at once; the service lists them all in one error:
"2 validation errors detected: Value 'x' at 'functionName' failed to satisfy constraint: ...; ...".
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from labkit.core.errors import ApiError, validation


@dataclass(frozen=True, slots=True)
class Violation:
    """One value that breaks one constraint.

    `value` is shown as the service shows it (None for a value that is missing or hidden because
    the model calls it sensitive: see `hidden`); `member_path` is the path in camel case, such as
    "functionName" or "environment.variables.1.key"; `constraint` is one of the texts below.
    """

    value: object
    member_path: str
    constraint: str
    hidden: bool = False

    def text(self) -> str:
        """Return the sentence of this violation."""
        return f"Value {self._shown()}at '{self.member_path}' failed to satisfy constraint: " + (
            self.constraint
        )

    def _shown(self) -> str:
        if self.hidden:
            return ""
        if self.value is None:
            return "null "
        return f"'{_java_text(self.value)}' "


def _java_text(value: object) -> str:
    """Write a value as the service's Java prints it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_java_text(item) for item in value) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}={_java_text(item)}" for key, item in value.items()) + "}"
    return str(value)


def validation_message(violations: Sequence[Violation]) -> str:
    """Return the text of all violations, in the order given."""
    count = len(violations)
    plural = "" if count == 1 else "s"
    listed = "; ".join(violation.text() for violation in violations)
    return f"{count} validation error{plural} detected: {listed}"


def validation_error(violations: Sequence[Violation]) -> ApiError:
    """Return the 400 ValidationException that lists all violations, in the order given."""
    return validation(validation_message(violations))


def not_null() -> str:
    """The text for a required value that is missing."""
    return "Member must not be null"


def max_length(limit: int) -> str:
    """The text for a text or list that is too long."""
    return f"Member must have length less than or equal to {limit}"


def min_length(limit: int) -> str:
    """The text for a text or list that is too short."""
    return f"Member must have length greater than or equal to {limit}"


def max_value(limit: float) -> str:
    """The text for a number that is too large."""
    return f"Member must have value less than or equal to {limit}"


def min_value(limit: float) -> str:
    """The text for a number that is too small."""
    return f"Member must have value greater than or equal to {limit}"


def matches(pattern: str) -> str:
    """The text for a text that does not match a regular expression."""
    return f"Member must satisfy regular expression pattern: {pattern}"


def one_of(values: Iterable[str]) -> str:
    """The text for a text that is not one of the allowed values."""
    return f"Member must satisfy enum value set: [{', '.join(values)}]"


def list_members(*constraints: str) -> str:
    """The text for a list with a member that breaks one of the constraints on members."""
    return f"Member must satisfy constraint: [{', '.join((*constraints, not_null()))}]"


def map_keys(*constraints: str) -> str:
    """The text for a map with a key that breaks one of the constraints on keys."""
    return f"Map keys must satisfy constraint: [{', '.join(constraints)}]"


def length_violations(
    value: str | Sequence[object],
    member_path: str,
    *,
    minimum: int | None = None,
    maximum: int | None = None,
) -> list[Violation]:
    """Check the length of a text or list."""
    if maximum is not None and len(value) > maximum:
        return [Violation(value, member_path, max_length(maximum))]
    if minimum is not None and len(value) < minimum:
        return [Violation(value, member_path, min_length(minimum))]
    return []


def range_violations(
    value: float, member_path: str, *, minimum: float | None = None, maximum: float | None = None
) -> list[Violation]:
    """Check the value of a number."""
    if maximum is not None and value > maximum:
        return [Violation(value, member_path, max_value(maximum))]
    if minimum is not None and value < minimum:
        return [Violation(value, member_path, min_value(minimum))]
    return []


def pattern_violations(value: str, member_path: str, pattern: str) -> list[Violation]:
    """Check a text against a regular expression, which must match all of it."""
    if re.fullmatch(pattern, value, re.ASCII) is None:
        return [Violation(value, member_path, matches(pattern))]
    return []


def enum_violations(value: str, member_path: str, allowed: Sequence[str]) -> list[Violation]:
    """Check that a text is one of the allowed values."""
    if value not in allowed:
        return [Violation(value, member_path, one_of(allowed))]
    return []
