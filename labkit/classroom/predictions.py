"""What a learner bets on, and what the answer is: words alone, whatever shows them."""

from __future__ import annotations

import math
import numbers
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, TypeGuard

Value = str | int | float
"""A bet or an answer: a word, a truth value or a number."""

_EXACT_FROM: Final = 1_000
"""Numbers from here on are written without decimals."""
_SYMBOL_MAX: Final = 3
"""Units that are longer than "ms" or "min" are words, which have a singular."""


@dataclass(frozen=True, slots=True)
class Question:
    """A question with a findable answer: one of `options`, or a number of `unit`.

    Numbers are written with their unit, words as they are. Raises ValueError for a single option
    and for options that are the same.
    """

    text: str
    options: tuple[Value, ...] = ()
    unit: str | None = None

    def __post_init__(self) -> None:
        if self.options and len(set(self.options)) < max(2, len(self.options)):
            raise ValueError(
                f"{self.text!r} offers {list(self.options)}: a choice takes two options or more, "
                f"all different"
            )

    def line(self) -> str:
        """Return the question in one line, for viewers without widgets."""
        dash = "" if self.text.endswith(":") else " –"
        if not self.options:
            return f"Predict: {self.text}{dash} a number{f' of {self.unit}' if self.unit else ''}"
        *first, last = self.options
        choice = f"{', '.join(map(_plain, first))} or {self.said(last)}"
        return f"Predict: {self.text}{dash} {choice}"

    def said(self, value: Value) -> str:
        """Return a value as it is written: "1,769 MB", "14 times", "1 time", "yes"."""
        if not self.unit or not _is_number(value):
            return _plain(value)
        is_word = len(self.unit) > _SYMBOL_MAX and self.unit.islower()
        unit = self.unit.removesuffix("s") if is_word and value == 1 else self.unit
        return f"{_plain(value)} {unit}"

    def bet(self, value: object) -> Value | None:
        """Return a bet in its plain form; None and `...` are no bet yet.

        Raises ValueError for what is none of the options, or no number where one is asked for.
        """
        if value is None or value is ...:
            return None
        bet = _as_value(value)
        if self.options:
            if bet not in self.options:
                known = ", ".join(map(repr, self.options))
                raise ValueError(f"the bet on {self.text!r} is one of {known}, not {value!r}")
            return self.options[self.options.index(bet)]
        if not _is_number(bet):
            raise ValueError(f"the bet on {self.text!r} is a number, not {value!r}")
        return bet

    def answer(self, measured: object, *, digits: int | None = None) -> Answer:
        """Return the answer that something measured gives.

        A number that is none of the options stands for the nearest one. `digits` rounds it to so
        many significant digits. Raises ValueError for what is no word and no finite number.
        """
        value = _as_value(measured)
        if not _is_number(value):
            return Answer(self, value)
        numbers_offered = [option for option in self.options if _is_number(option)]
        if numbers_offered and value not in numbers_offered:
            return Answer(self, _nearest(value, numbers_offered), measured=value)
        rounded = value if digits is None else _rounded(value, digits)
        return Answer(self, rounded, measured=None if rounded == value else value)


@dataclass(frozen=True, slots=True)
class Answer:
    """What was found. `measured` is the number behind `value`, where that is not exact."""

    question: Question
    value: Value
    measured: Value | None = None

    @property
    def found(self) -> str:
        """What it was, in words."""
        about = "about " if self.measured is not None else ""
        return f"{about}{self.question.said(self.value)}"

    def is_right(self, bet: Value | None) -> bool:
        """Tell whether a bet was right: it reads the same as what was found."""
        return bet is not None and self.question.said(bet) == self.question.said(self.value)

    def verdict(self, bet: Value | None) -> str:
        """Return one line that answers a bet, or its absence."""
        if bet is None:
            return f"It was {self.found}."
        said = f"You said {self.question.said(bet)}"
        if self.is_right(bet):
            return f"{said}, and it was {self.found}."
        return f"{said}{self._how_far(bet)}; it was {self.found}."

    def _how_far(self, bet: Value) -> str:
        """How far a number is off, in words; a choice is just wrong."""
        if self.question.options or not (_is_number(bet) and _is_number(self.value)):
            return ""
        actual, where = self.value, "low" if bet < self.value else "high"
        if self.question.unit == "%":
            return f", {_plain(abs(bet - actual))} percentage points too {where}"
        if bet * actual <= 0:  # a ratio would mean nothing
            return f", {self.question.said(abs(bet - actual))} too {where}"
        factor = max(bet / actual, actual / bet)
        if factor >= 2:
            times = _plain(round(factor) if factor >= 10 else _rounded(factor, 2))
            return f", {times} times too {where}"
        percent = round(100 * abs(bet - actual) / abs(actual))
        return f", {percent} % too {where}" if percent else f", a little too {where}"


def _as_value(value: object) -> Value:
    """Return a value in the plain form that JSON knows; numpy's numbers are none of those."""
    if type(value).__module__ == "numpy" and hasattr(value, "item"):
        value = value.item()
    if isinstance(value, str | bool):
        return value
    if isinstance(value, numbers.Integral):
        return int(value)
    if isinstance(value, numbers.Real | Decimal) and math.isfinite(value):
        return float(value)
    raise ValueError(f"{value!r} is no answer: a word, a truth value or a finite number is")


def _is_number(value: Value) -> TypeGuard[float]:
    return not isinstance(value, str | bool)


def _plain(value: Value) -> str:
    """Write a value: whole numbers exactly, others with four digits."""
    if not _is_number(value):
        return str(value)
    if value == round(value) or abs(value) >= _EXACT_FROM:
        return f"{round(value):,}"
    return f"{Decimal(f'{value:.4g}'):,f}"


def _rounded(value: float, digits: int) -> float:
    """Round to significant digits."""
    rounded = float(f"{value:.{digits - 1}e}")
    return int(rounded) if rounded == round(rounded) else rounded


def _nearest(value: float, options: Sequence[float]) -> float:
    """Return the option that is nearest: by ratio, or by difference where a ratio means nothing."""
    if value > 0 and min(options) > 0:
        return min(options, key=lambda option: abs(math.log(option / value)))
    return min(options, key=lambda option: abs(option - value))
