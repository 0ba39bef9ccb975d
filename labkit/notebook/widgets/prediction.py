"""A bet before the experiment, and its answer after it."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Any, Final

import traitlets

from labkit.classroom.predictions import Answer, Question, Value
from labkit.notebook import palette
from labkit.notebook.widgets.base import STATIC, LabWidget

_MARKS: Final = {
    True: ("✓", palette.SUCCESS),
    False: ("✕", palette.THROTTLED),
    None: ("→", palette.FAINT),
}


class Prediction(LabWidget):
    """A question to be answered before one looks. Nobody has to: it never holds anything up."""

    _esm = STATIC / "prediction.js"
    _css = STATIC / "prediction.css"

    question = traitlets.Unicode().tag(sync=True)
    options: traitlets.List[Value] = traitlets.List().tag(sync=True)
    """What one can choose from; empty if a number is asked for."""
    labels = traitlets.List(traitlets.Unicode()).tag(sync=True)
    """The options as they are written."""
    unit = traitlets.Unicode().tag(sync=True)
    bet = traitlets.Any(None, allow_none=True).tag(sync=True)
    """What was chosen; None as long as nothing was. After the reveal it stays as it is."""
    answer = traitlets.Dict().tag(sync=True)
    """What was found, once it is revealed, and the words for it."""

    def __init__(self, question: Question, bet: object = None) -> None:
        self._question = question
        super().__init__(
            question=question.text,
            options=list(question.options),
            labels=[question.said(option) for option in question.options],
            unit=question.unit or "",
            bet=question.bet(bet),
        )

    @traitlets.validate("bet")
    def _keep_the_bet(self, proposal: Any) -> Value | None:
        return self.bet if self.answer else self._question.bet(proposal["value"])

    def reveal(
        self, actual: object, explain: str | None = None, *, digits: int | None = None
    ) -> Reveal:
        """Tell what was found, here and in the question itself; the bet is closed from then on.

        A measured number that is none of the options stands for the nearest one; `digits` rounds
        one to so many significant digits, so that the line is the same in every run. `explain` is
        said after it. Raises ValueError for what is no word and no finite number.
        """
        answer = self._question.answer(actual, digits=digits)
        self.answer = self._shown(answer, explain)
        right = None if self.bet is None else answer.is_right(self.bet)
        return Reveal(" ".join(filter(None, [answer.verdict(self.bet), explain])), right)

    def _shown(self, answer: Answer, explain: str | None) -> dict[str, Any]:
        measured = answer.measured
        return {
            "value": answer.value,
            "found": answer.found,
            "bet": None if self.bet is None else self._question.said(self.bet),
            "verdict": answer.verdict(self.bet),
            "measured": None if measured is None else self._question.said(measured),
            "explain": explain or "",
        }

    def _text(self) -> str:
        return self._question.line()


class Reveal:
    """One line that answers a bet."""

    def __init__(self, line: str, right: bool | None) -> None:
        self._line, self._right = line, right

    def __repr__(self) -> str:
        return self._line

    def _repr_html_(self) -> str:
        mark, colour = _MARKS[self._right]
        return f'<b style="color: {colour}">{mark}</b> {html.escape(self._line)}'


def predict(
    question: str,
    options: Sequence[Value] | None = None,
    *,
    unit: str | None = None,
    bet: object = None,
) -> Prediction:
    """Ask for a bet: one of `options`, or a number of `unit`.

    `bet` places it in code; `...` is none yet. `reveal(actual)` of what is returned answers it.
    Raises ValueError for fewer than two options and for a bet that is none of them.
    """
    return Prediction(Question(question, tuple(options or ()), unit), bet)
