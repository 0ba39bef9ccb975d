"""Event filtering: which records an event source mapping hands to its function.

A pattern is JSON: the keys of an object are ANDed, the values of a list are ORed; the filters of a
mapping are ORed, too. Source: developer guide, "Control which events Lambda sends to your
function", and its page for each event source.
"""

from __future__ import annotations

import base64
import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from labkit.core import quotas
from labkit.core.errors import invalid_parameter
from labkit.core.filter_tests import Test, is_leaf, operator_test, parse_json, value_test

_OR: Final = "$or"
_EXISTS: Final = "exists"
_DEPTH_MAX: Final = 100
_CACHED: Final = 1024


@dataclass(frozen=True, slots=True)
class Filters:
    """The filter criteria of a mapping; equal if their patterns are, letter by letter."""

    patterns: tuple[str, ...]

    def __post_init__(self) -> None:
        """Check the patterns. Raises ApiError (400) for too many, or one that is no pattern."""
        if len(self.patterns) > quotas.FILTERS_MAX:
            raise invalid_parameter(
                f"An event source mapping may have {quotas.FILTERS_MAX} filters; there are "
                f"{len(self.patterns)}. Put several values into the list of one pattern."
            )
        for pattern in self.patterns:
            try:
                _compiled(pattern)
            except ValueError:
                raise invalid_parameter("Invalid filter pattern definition.") from None

    def matches(self, record: Mapping[str, Any], source: str) -> bool:
        """Tell whether the function is to get a record of its event.

        `source` is "sqs", "kinesis" or "dynamodb". The body of a message, and the data of a Kinesis
        record, is read only if a pattern asks for it; what then is not of the kind that the pattern
        expects (JSON, or a plain text) does not match. Without patterns everything matches.
        """
        if not self.patterns:
            return True
        view = dict(record)
        if source == "sqs":
            view["body"] = _Body(record["body"])
        elif source == "kinesis":
            view["data"] = _Data(record["kinesis"]["data"])
        return any(_compiled(pattern).matches(view) for pattern in self.patterns)


class _Absent:
    """Where the record has no value."""


class _Unfit:
    """Where the record has data of another kind than the pattern asks for: nothing matches it."""


_ABSENT: Final = _Absent()
_UNFIT: Final = _Unfit()


class _Body:
    """The body of a message: JSON to a pattern with keys, a plain text to a list of values."""

    def __init__(self, text: str) -> None:
        self._text = text

    @functools.cached_property
    def inside(self) -> Any:
        """What a pattern with keys is compared with."""
        try:
            parsed = parse_json(self._text)
        except ValueError:
            return _UNFIT
        return _UNFIT if is_leaf(parsed) else parsed

    @property
    def plain(self) -> Any:
        """What a list of values is compared with."""
        return self._text if self.inside is _UNFIT else _UNFIT


class _Data:
    """The data of a Kinesis record, which must be JSON to match anything."""

    def __init__(self, encoded: str) -> None:
        self._encoded = encoded

    @functools.cached_property
    def inside(self) -> Any:
        """What a pattern with keys is compared with."""
        try:
            return parse_json(base64.b64decode(self._encoded))
        except ValueError:
            return _UNFIT

    @property
    def plain(self) -> Any:
        """What a list of values is compared with."""
        return self.inside


@dataclass(frozen=True, slots=True)
class _Leaf:
    """A list of values and operators, of which one must hold; of an array, for one element."""

    tests: tuple[Test, ...]
    if_absent: bool

    def matches(self, value: Any) -> bool:
        if isinstance(value, (_Body, _Data)):
            value = value.plain
        if value is _UNFIT:
            return False
        found = [each for each in _elements(value) if is_leaf(each)]
        if not found:
            return self.if_absent
        return any(test(each) for each in found for test in self.tests)


@dataclass(frozen=True, slots=True)
class _Object:
    """Fields that must all match; of each group in `alternatives`, one object must match."""

    fields: tuple[tuple[str, _Leaf | _Object], ...]
    alternatives: tuple[tuple[_Object, ...], ...]

    def matches(self, value: Any) -> bool:
        if isinstance(value, (_Body, _Data)):
            value = value.inside
        if value is _UNFIT:
            return False
        # A pattern may ask for keys to be absent, and they are where there is no object at all.
        found = [each for each in _elements(value) if isinstance(each, Mapping)]
        return any(self._matches_object(each) for each in found or [{}])

    def _matches_object(self, value: Mapping[str, Any]) -> bool:
        return all(node.matches(value.get(key, _ABSENT)) for key, node in self.fields) and all(
            any(node.matches(value) for node in group) for group in self.alternatives
        )


def _elements(value: Any) -> list[Any]:
    if value is _ABSENT:
        return []
    return value if isinstance(value, list) else [value]


@functools.lru_cache(maxsize=_CACHED)
def _compiled(pattern: str) -> _Object:
    """Read a pattern. Raises ValueError if it is none."""
    return _object(parse_json(pattern), depth=1)


def _object(content: Any, *, depth: int) -> _Object:
    if not isinstance(content, dict) or not content or depth > _DEPTH_MAX:
        raise ValueError("an object with something in it is needed")
    fields: list[tuple[str, _Leaf | _Object]] = []
    alternatives = []
    for key, value in content.items():
        if key == _OR and _is_choice(value):
            alternatives.append(tuple(_object(choice, depth=depth + 1) for choice in value))
        elif isinstance(value, list):
            fields.append((key, _leaf(value)))
        else:
            fields.append((key, _object(value, depth=depth + 1)))
    return _Object(tuple(fields), tuple(alternatives))


def _is_choice(value: Any) -> bool:
    """Tell a choice between patterns from a field that happens to be called "$or"."""
    return (
        isinstance(value, list)
        and len(value) > 1
        and all(isinstance(choice, dict) for choice in value)
    )


def _leaf(values: list[Any]) -> _Leaf:
    if not values:
        raise ValueError("a list with something in it is needed")
    tests: list[Test] = []
    if_absent = False
    for value in values:
        if not isinstance(value, dict):
            tests.append(value_test(value))
            continue
        if len(value) != 1:
            raise ValueError("an operator is an object with one key")
        [(name, argument)] = value.items()
        if name != _EXISTS:
            tests.append(operator_test(name, argument))
        elif argument is True:
            tests.append(lambda found: True)
        elif argument is False:
            if_absent = True
        else:
            raise ValueError("exists is true or false")
    return _Leaf(tuple(tests), if_absent)
