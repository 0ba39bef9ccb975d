from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from labkit import predict
from labkit.notebook.widgets.prediction import Prediction


@pytest.fixture
def times() -> Prediction:
    return predict("How many times as long?", [1, 2, 14], unit="times")


def shown(widget: Any) -> dict[str, Any]:
    data, _ = widget._repr_mimebundle_()
    return dict(data)


def test_the_question_is_a_widget_and_a_line_whatever_is_clicked(times: Prediction) -> None:
    line = "Predict: How many times as long? – 1, 2 or 14 times"
    assert repr(times) == shown(times)["text/plain"] == line
    times.bet = 2
    times.reveal(14)
    assert shown(times)["text/plain"] == line
    assert times.labels == ["1 time", "2 times", "14 times"]


@pytest.mark.parametrize(
    ("bet", "line", "mark"),
    [
        (None, "It was 14 times.", "→"),
        (14, "You said 14 times, and it was 14 times.", "✓"),
        (2, "You said 2 times; it was 14 times.", "✕"),
    ],
)
def test_the_reveal_answers_the_bet(times: Prediction, bet: int, line: str, mark: str) -> None:
    times.bet = bet
    revealed = times.reveal(14)
    assert repr(revealed) == line
    assert f">{mark}</b> {line}" in revealed._repr_html_()


def test_what_is_explained_follows_and_is_no_markup(times: Prediction) -> None:
    revealed = times.reveal(14, "128 < 1,769.")
    assert repr(revealed) == "It was 14 times. 128 < 1,769."
    assert revealed._repr_html_().endswith("128 &lt; 1,769.")
    assert times.answer["explain"] == "128 < 1,769."


def test_a_measured_number_gives_the_same_line_in_each_run(times: Prediction) -> None:
    assert (
        repr(times.reveal(13.7)) == repr(times.reveal(np.float64(14.2))) == "It was about 14 times."
    )
    assert times.answer["measured"] == "14.2 times"
    left = predict("How much is left?", unit="ms", bet=200)
    line = "You said 200 ms, 15 times too low; it was about 3,000 ms."
    assert repr(left.reveal(2988.4, digits=1)) == line
    assert left.answer["value"] == 3000


def test_a_bet_can_be_changed_until_it_is_answered(times: Prediction) -> None:
    times.bet = 1
    times.bet = 14
    times.reveal(2)
    times.bet = 2
    assert times.bet == 14
    assert times.answer["verdict"] == "You said 14 times; it was 2 times."


def test_the_cell_can_be_run_again(times: Prediction) -> None:
    times.reveal(2)
    times.reveal(1)
    assert times.answer["value"] == 1


@pytest.mark.parametrize("nothing", [None, ...])
def test_no_bet_in_code_is_no_bet(nothing: object) -> None:
    assert predict("Well?", ["yes", "no"], bet=nothing).bet is None


def test_a_bet_that_cannot_be_is_refused(times: Prediction) -> None:
    with pytest.raises(ValueError, match="is one of 1, 2, 14, not 3"):
        times.bet = 3
    assert times.bet is None
    with pytest.raises(ValueError, match="is a number, not 'long'"):
        predict("How long?", unit="ms", bet="long")


def test_options_may_be_words() -> None:
    question = predict("The caller gets an answer after:", ["1 s", "5 s", "never"])
    assert repr(question) == "Predict: The caller gets an answer after: 1 s, 5 s or never"
    question.bet = "never"
    assert repr(question.reveal("1 s")) == "You said never; it was 1 s."
