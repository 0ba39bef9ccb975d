"""What one value of a record is compared with: the values and operators of a filter pattern."""

from __future__ import annotations

import json
import operator
from collections.abc import Callable, Mapping
from typing import Any, Final, NoReturn

Test = Callable[[Any], bool]

_NUMBER_LIMIT: Final = 5e9  # either way; developer guide of EventBridge, "numeric matching"
_COMPARISONS: Final[Mapping[str, Callable[[float, float], bool]]] = {
    "=": operator.eq,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


class Number(str):
    """A number as it was written: 300 and 300.0 are different to a list of values."""

    __slots__ = ()


def parse_json(text: str | bytes) -> Any:
    """Read JSON, with each number as a `Number`. Raises ValueError for what is none."""
    try:
        return json.loads(text, parse_int=Number, parse_float=Number, parse_constant=_refuse)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def is_leaf(value: Any) -> bool:
    """Tell whether a value is none that has others inside."""
    return not isinstance(value, (Mapping, list))


def value_test(value: Any) -> Test:
    """Return the test of a plain value in a list. Raises ValueError for a list."""
    if not is_leaf(value):
        raise ValueError("a list of values must not hold another list")
    wanted = _comparable(value)
    return lambda found: _comparable(found) == wanted


def operator_test(name: str, argument: Any) -> Test:
    """Return the test of an operator. Raises ValueError for one that there is not, or misused."""
    make = _OPERATORS.get(name)
    if make is None:
        raise ValueError(f"there is no operator {name!r}")
    return make(argument)


def _comparable(value: Any) -> tuple[str, Any]:
    """Keep apart what Python takes for equal: 1 and True, and a number from its text."""
    if isinstance(value, (Number, int, float)) and not isinstance(value, bool):
        return "number", str(value)
    return type(value).__name__, value


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and not isinstance(value, Number)


def _text(argument: Any) -> str:
    if not _is_text(argument):
        raise ValueError(f"a text is needed, not {argument!r}")
    return str(argument)


def _equals_ignore_case(argument: Any) -> Test:
    wanted = _text(argument).casefold()
    return lambda found: _is_text(found) and found.casefold() == wanted


def _prefix(argument: Any) -> Test:
    wanted = _text(argument)
    return lambda found: _is_text(found) and found.startswith(wanted)


def _suffix(argument: Any) -> Test:
    wanted = _text(argument)
    return lambda found: _is_text(found) and found.endswith(wanted)


def _anything_but(argument: Any) -> Test:
    values = argument if isinstance(argument, list) else [argument]
    if not values or not all(isinstance(value, str) for value in values):
        raise ValueError("anything-but needs texts or numbers")
    unwanted = {_comparable(value) for value in values}
    return lambda found: _comparable(found) not in unwanted


def _numeric(argument: Any) -> Test:
    """Compare with one bound, or with a lower and an upper one."""
    if not isinstance(argument, list) or len(argument) not in (2, 4):
        raise ValueError("numeric needs one or two comparisons")
    bounds = []
    for sign, limit in zip(argument[::2], argument[1::2], strict=True):
        compare = _COMPARISONS.get(sign) if _is_text(sign) else None
        if compare is None or not isinstance(limit, Number):
            raise ValueError("a comparison is a sign and a number")
        if abs(float(limit)) > _NUMBER_LIMIT:
            raise ValueError(f"{limit} is beyond what can be compared")
        bounds.append((compare, float(limit)))
    if len(bounds) == 2:
        low, high = argument[0], argument[2]
        if low[0] != ">" or high[0] != "<" or bounds[0][1] >= bounds[1][1]:
            raise ValueError("a range is a lower bound and a higher upper one")
    return lambda found: (
        _comparable(found)[0] == "number"
        and all(compare(float(found), limit) for compare, limit in bounds)
    )


_OPERATORS: Final[Mapping[str, Callable[[Any], Test]]] = {
    "anything-but": _anything_but,
    "equals-ignore-case": _equals_ignore_case,
    "numeric": _numeric,
    "prefix": _prefix,
    "suffix": _suffix,
}
