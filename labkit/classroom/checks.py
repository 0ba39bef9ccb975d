"""Checks that say in one line what is wrong with an answer, and never raise."""

from __future__ import annotations

import contextlib
import dis
import io
import math
import re
import sys
import traceback
from collections.abc import Collection
from decimal import Decimal
from numbers import Real
from types import CodeType, FrameType, TracebackType
from typing import Any, Final, Self

# What differs from run to run and teaches nothing.
_NOISE: Final = re.compile(
    r" at 0x[0-9a-fA-F]+|0x[0-9a-fA-F]{6,}"
    r"|\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b"
)
_COLOURS: Final = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_LINE_MAX, _VALUE_MAX = 500, 60
_HOMES_OF_NUMBERS: Final = frozenset({"builtins", "decimal", "fractions", "numpy"})
_NUMBER_AS_TEXT: Final = re.compile(r"\s*[-+]?[\d.,_]*\d[\d.,_]*\s*(?P<unit>.*)", re.DOTALL)
_KINDS: Final = {str: "text", dict: "dictionary", int: "number", float: "number"}
# What the words of an error say about the mistake behind it.
_MEANINGS: Final = {
    "'NoneType'": "a value is None, as after a function without `return`, or after print()",
    "'function'": "a function stands where its result is meant: call it, with ()",
    "'builtin_function_or_method'": "a function stands where its result is meant: call it, with ()",
    "'method'": "a function stands where its result is meant: call it, with ()",
}


class Refuse:
    """What a check does with an answer: refuse it, with a hint that fits the mistake.

    The first refusal ends the check.
    """

    def __init__(self) -> None:
        self.hint: str | None = None
        """Why the answer was refused; None if it was not."""

    def __call__(self, condition: object, hint: str) -> None:
        """Refuse the answer if `condition` holds."""
        if self.hint is None and condition:
            self.hint = hint
        if self.hint is not None:
            raise _Refused

    def unless_number(self, value: object, unit: str = "", *, whole: bool = False) -> None:
        """Refuse what is no finite number, such as a gap, text, a list, True or a function.

        `unit` is named in the hint. With `whole` a number must have no fraction; 3.0 has none.
        """
        wanted = "the answer is a whole number" if whole else "the answer is a number"
        wanted += f" of {unit}" if unit else ""
        self._unless_given(value, wanted)
        self(isinstance(value, str), f"{wanted}, and {shown(value)} is text{_repair(value)}")
        # An answer's own class of numbers could say that it equals whatever it is compared with.
        is_plain = type(value).__module__.partition(".")[0] in _HOMES_OF_NUMBERS
        is_number = isinstance(value, Real | Decimal) and not isinstance(value, bool) and is_plain
        self(not is_number, f"{wanted}, and this is {_kind(value)}")
        assert isinstance(value, Real | Decimal)
        self(not math.isfinite(value), f"{wanted}, and {value} is none that can be compared")
        self(whole and value % 1 != 0, f"{wanted}, and {value} has a fraction")

    def unless_text(self, value: object) -> None:
        """Refuse what is no text, or text without a character that is seen."""
        self._unless_given(value, "the answer is text")
        self(isinstance(value, bytes), "the answer is text, and these are bytes: decode() them")
        self(not isinstance(value, str), f"the answer is text, and this is {_kind(value)}")
        self(not str(value).strip(), "the answer is text, and this text is empty")

    def unless_one_of(self, value: object, options: Collection[object]) -> None:
        """Refuse what is not among `options`, which the hint lists."""
        options = list(options)  # a set refuses to be asked for a list
        listed = ", ".join(map(repr, options))
        self._unless_given(value, f"the answer is one of {listed}")
        if isinstance(value, str) and value not in options:
            same = [one for one in options if str(one).casefold() == value.strip().casefold()]
            self(same, f"nearly: it is spelt {same[0]!r}, and not {shown(value)}" if same else "")
        self(value not in options, f"{shown(value)} is not among {listed}")

    def _unless_given(self, value: object, wanted: str) -> None:
        self(_has_gap(value), f"no answer yet: put your answer where the `...` is; {wanted}")
        self(
            value is None,
            f"{wanted}, and this is None, as after a function without `return`, or after print()",
        )
        name = getattr(value, "__name__", "")
        example = f", as in {name}(…)" if name.isidentifier() else ""
        self(callable(value), f"{wanted}, and this is a function: call it{example}")


class check:
    """Check an answer and print one line: `PASS title`, or `TODO title – hint`.

    with check("1 · the bill") as refuse:
        refuse.unless_number(billed_ms, "ms")
        refuse(billed_ms == 3, "that is the duration alone: the init phase is billed too")

    A name that stands for `...` is no answer yet, and whatever is raised inside becomes a hint
    too, KeyboardInterrupt aside. What the checked code prints meanwhile is not shown.
    """

    def __init__(self, title: str) -> None:
        self._title = title
        self._refuse = Refuse()
        self._frame: FrameType | None = None
        self._silence = contextlib.ExitStack()

    def __enter__(self) -> Refuse:
        self._frame = sys._getframe(1)
        read, assigned = _names(self._frame.f_code)
        # What the check itself assigns is still that of its last run.
        self._look_for_gaps(read - assigned, self._frame)
        self._silence.enter_context(contextlib.redirect_stdout(_Nowhere()))
        self._silence.enter_context(contextlib.redirect_stderr(_Nowhere()))
        return self._refuse

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        self._silence.close()
        frame, self._frame = self._frame, None
        assert frame is not None
        if error is not None and not isinstance(error, Exception | SystemExit | _Refused):
            return False
        if error is None:
            self._look_for_gaps(_names(frame.f_code)[0], frame)
        elif self._refuse.hint is None:
            self._refuse.hint = _hint(error, trace, frame)
        hint = self._refuse.hint
        print(one_line(f"PASS {self._title}" if hint is None else f"TODO {self._title} – {hint}"))
        return True

    def _look_for_gaps(self, names: set[str], frame: FrameType) -> None:
        gaps = sorted(name for name in names if _has_gap(frame.f_globals.get(name)))
        if gaps and self._refuse.hint is None:
            listed = ", ".join(f"`{name}`" for name in gaps)
            self._refuse.hint = f"no answer yet: put your answer where the `...` is, for {listed}"


class expect_error:
    """Run code that must fail in one way, and print that error in one line.

    `code` is the code of an AWS error or the name of an exception, such as
    "ResourceNotFoundException". Another error, or none, is told instead; neither raises.
    """

    def __init__(self, code: str) -> None:
        self._code = code

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        if error is None:
            print(f"expected {self._code}, but no error came")
            return True
        if not isinstance(error, Exception | SystemExit):
            return False
        code, message = code_and_message(error)
        is_expected = self._code in (code, *(one.__name__ for one in type(error).__mro__))
        told = f"{code}: {message}" if message else code
        print(one_line(told if is_expected else f"expected {self._code}, but got {told}"))
        return True


def one_line(text: str) -> str:
    """Return a text as one line that can be printed, without what differs from run to run."""
    text = _NOISE.sub("", _COLOURS.sub("", text))
    text = "".join(letter if letter.isprintable() else " " for letter in text)
    text = " ".join(text.split())
    return text if len(text) <= _LINE_MAX else text[: _LINE_MAX - 1] + "…"


def shown(value: object) -> str:
    """Return a value as a hint can show it: as Python writes it, but short."""
    try:
        text = repr(value)
    except Exception:  # an object of the learner's
        text = f"a {type(value).__name__}"
    return text if len(text) <= _VALUE_MAX else text[: _VALUE_MAX - 1] + "…"


def code_and_message(error: BaseException) -> tuple[str, str]:
    """Return the name of an error and its words: AWS's own where it came from AWS."""
    if told := _told_by_aws(error):
        return str(told.get("Code", "")), str(told.get("Message", ""))
    try:
        return type(error).__name__, str(error)
    except Exception:  # an exception of the learner's
        return type(error).__name__, ""


def _told_by_aws(error: BaseException) -> dict[str, Any]:
    """What botocore's ClientError brings along; without importing botocore."""
    response = getattr(error, "response", None)
    told = response.get("Error") if isinstance(response, dict) else None
    return told if isinstance(told, dict) else {}


class _Refused(BaseException):
    """Ends a check. No Exception, so that an `except Exception` inside does not keep it."""


class _Nowhere(io.TextIOBase):
    def write(self, text: str) -> int:
        return len(text)


def _hint(error: BaseException, trace: TracebackType | None, frame: FrameType) -> str:
    code, message = code_and_message(error)
    place = _place(trace, frame)
    if isinstance(error, NameError) and error.name and not place:
        return (
            f"`{error.name}` has no value yet: run the exercise's cell, "
            "and see that it ends without an error"
        )
    if "ellipsis" in message:
        return "no answer yet: put your answer where the `...` is"
    if _told_by_aws(error):
        return f"AWS says {code}: {message}"
    meanings = [f"; {text}" for sign, text in _MEANINGS.items() if sign in message][:1]
    return "".join([f"{code}: {message}" if message else code, place, *meanings])


def _place(trace: TracebackType | None, frame: FrameType) -> str:
    """Which function of the learner's an error came up in; nothing if it was in the check."""
    place = ""
    for step, line in traceback.walk_tb(trace):
        if step is not frame and step.f_globals is frame.f_globals:
            place = f" (in `{step.f_code.co_name}`, line {line} of its cell)"
    return place


def _names(code: CodeType) -> tuple[set[str], set[str]]:
    """The global names that code reads, and those that it assigns."""
    read, assigned = set(), set()
    for instruction in dis.get_instructions(code):
        if instruction.opname in ("LOAD_NAME", "LOAD_GLOBAL"):
            read.add(instruction.argval)
        elif instruction.opname in ("STORE_NAME", "STORE_GLOBAL"):
            assigned.add(instruction.argval)
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            read |= _names(constant)[0]
    return read, assigned


def _has_gap(value: object) -> bool:
    """Tell whether a value is `...` or holds it."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list | tuple | set):
        return any(item is ... for item in value)
    return value is ...


def _kind(value: object) -> str:
    """A value's kind in words, with its article where it takes one."""
    if isinstance(value, bool):
        return repr(value)
    kind = _KINDS.get(type(value), type(value).__name__)
    if kind == "text":
        return kind
    return f"an {kind}" if kind[0] in "aeiouAEIOU" else f"a {kind}"


def _repair(value: object) -> str:
    """What to do about text that should be a number."""
    number = _NUMBER_AS_TEXT.fullmatch(value) if isinstance(value, str) else None
    if number is None:
        return ""
    return ": leave out the quotes and the unit" if number["unit"] else ": leave out the quotes"
