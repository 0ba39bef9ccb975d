"""Checks that say what is wrong with an answer, in one line, and never raise."""

from __future__ import annotations

import math
import re
from collections.abc import Collection
from numbers import Real
from types import TracebackType
from typing import Any, Final, Self

_ADDRESS: Final = re.compile(r" at 0x[0-9a-fA-F]+|0x[0-9a-fA-F]{6,}")
_REQUEST_ID: Final = re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b")
_HINT_MAX: Final = 400


class _Refused(Exception):
    """Ends a check; its text is the hint."""


class Refuse:
    """What a check does with an answer: refuse it, with a hint that fits the mistake."""

    def __call__(self, condition: object, hint: str) -> None:
        """Refuse the answer if `condition` holds; the first that holds ends the check."""
        if condition:
            raise _Refused(hint)

    def unless_number(self, value: object, unit: str = "") -> None:
        """Refuse what is no finite number: a gap, text, a list, True, a function."""
        number = f"a number of {unit}" if unit else "a number"
        self._unless_given(value, f"the answer is {number}")
        self(isinstance(value, bool), f"the answer is {number}, not {value}")
        self(
            isinstance(value, str),
            f"the answer is {number}, not text: {_short(value)} without quotes and unit",
        )
        self(callable(value), f"the answer is {number}, not a function: call it")
        self(not isinstance(value, Real), f"the answer is {number}, not a {_kind(value)}")
        assert isinstance(value, Real)
        self(not math.isfinite(value), f"the answer is {number}, not {value}")

    def unless_text(self, value: object) -> None:
        """Refuse what is no text."""
        self._unless_given(value, "the answer is text")
        self(not isinstance(value, str), f"the answer is text in quotes, not a {_kind(value)}")

    def unless_one_of(self, value: object, options: Collection[object]) -> None:
        """Refuse what is not among `options`, which the hint lists."""
        listed = ", ".join(map(str, options))
        self._unless_given(value, f"the answer is one of {listed}")
        self(value not in options, f"{_short(value)} is not among {listed}")

    def _unless_given(self, value: object, wanted: str) -> None:
        self(value is ..., f"no answer yet: replace the dots; {wanted}")
        self(value is None, f"{wanted}, and this is None: does print() stand where a value should?")


class check:
    """Check an answer and print one line: `PASS title`, or `TODO title – hint`.

    with check("1 · the bill") as refuse:
        refuse.unless_number(billed_ms, "ms")
        refuse(billed_ms == 3, "that is the duration alone: the init phase is billed too")

    Whatever is raised inside becomes a hint too, but for KeyboardInterrupt and the like.
    """

    def __init__(self, title: str) -> None:
        self._title = title

    def __enter__(self) -> Refuse:
        return Refuse()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        if error is None:
            print(f"PASS {self._title}")
            return True
        if not isinstance(error, Exception):
            return False
        print(f"TODO {self._title} – {one_line(_hint(error))}")
        return True


class expect_error:
    """Run code that must fail in one way, and print that error in one line.

    `code` is the code of an AWS error or the name of an exception, such as
    "ResourceNotFoundException". Another error, or none, is told instead and raises nothing.
    """

    def __init__(self, code: str) -> None:
        self._code = code

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        if error is not None and not isinstance(error, Exception):
            return False
        if error is None:
            print(f"expected {self._code}, but nothing failed")
            return True
        code, message = _code_and_message(error)
        expected = "" if code == self._code else f"expected {self._code}, but got "
        print(one_line(f"{expected}{code}: {message}"))
        return True


def one_line(text: str) -> str:
    """Return a text as one line, without what differs from run to run."""
    text = _REQUEST_ID.sub("…", _ADDRESS.sub("", " ".join(text.split())))
    return text if len(text) <= _HINT_MAX else text[: _HINT_MAX - 1] + "…"


def _hint(error: Exception) -> str:
    if isinstance(error, _Refused):
        return str(error)
    code, message = _code_and_message(error)
    if isinstance(error, NameError):
        return f"`{error.name}` has no value yet: run the exercise's cell, and see that it succeeds"
    if "ellipsis" in message:
        return "no answer yet: replace the dots"
    if hasattr(error, "response"):
        return f"AWS says {code}: {message}"
    return f"the check met a {code}: {message}; is the answer of the right kind?"


def _code_and_message(error: Exception) -> tuple[str, str]:
    """The name of an error and its words: AWS's own where it came from AWS."""
    response: Any = getattr(error, "response", None)
    if isinstance(response, dict) and "Error" in response:
        told = response["Error"]
        return str(told.get("Code", "")), str(told.get("Message", ""))
    return type(error).__name__, str(error)


def _kind(value: object) -> str:
    return type(value).__name__


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:59] + "…"
