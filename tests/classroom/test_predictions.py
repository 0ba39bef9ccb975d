from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from labkit.classroom.predictions import Question

TIMES = Question("How many times as long?", (1, 2, 14), "times")
REMAINING = Question("How much is left?", unit="ms")


@pytest.mark.parametrize(
    ("question", "line"),
    [
        (TIMES, "Predict: How many times as long? – 1, 2 or 14 times"),
        (Question("Cold starts:", (0, 1, 5)), "Predict: Cold starts: 0, 1 or 5"),
        (Question("Will it run?", ("yes", "no"), "ms"), "Predict: Will it run? – yes or no"),
        (Question("Will it run?", (True, False)), "Predict: Will it run? – True or False"),
        (Question("Which size?", (128, 1769), "MB"), "Predict: Which size? – 128 or 1,769 MB"),
        (REMAINING, "Predict: How much is left? – a number of ms"),
        (Question("How many?"), "Predict: How many? – a number"),
    ],
)
def test_the_question_is_one_line(question: Question, line: str) -> None:
    assert question.line() == line


@pytest.mark.parametrize("options", [(1,), (1, 2, 1), (1, True), (2, 2.0)])
def test_a_choice_takes_two_different_options(options: tuple[Any, ...]) -> None:
    with pytest.raises(ValueError, match="two options or more, all different"):
        Question("Well?", options)


@pytest.mark.parametrize(
    ("bet", "verdict"),
    [
        (None, "It was 2 times."),
        (2, "You said 2 times, and it was 2 times."),
        (1, "You said 1 time; it was 2 times."),
    ],
)
def test_a_choice_is_right_or_wrong(bet: int | None, verdict: str) -> None:
    answer = TIMES.answer(2)
    assert answer.verdict(bet) == verdict
    assert answer.is_right(bet) is (bet == 2)


@pytest.mark.parametrize(
    ("measured", "found"),
    [(13.82, "about 14 times"), (0.98, "about 1 time"), (6, "about 14 times"), (14, "14 times")],
)
def test_a_measured_number_stands_for_the_nearest_option(measured: float, found: str) -> None:
    answer = TIMES.answer(measured)
    assert answer.found == found
    assert answer.measured == (None if measured == 14 else measured)


def test_with_an_option_of_zero_the_nearest_is_by_difference() -> None:
    assert Question("Cold starts:", (0, 1, 5)).answer(3.2).value == 5
    assert Question("Cold starts:", (0, 1, 5)).answer(0.3).value == 0


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (1, "cold starts", "1 cold start"),
        (2, "cold starts", "2 cold starts"),
        (1, "ms", "1 ms"),
        (1, "MBs", "1 MBs"),
        (1, None, "1"),
    ],
)
def test_one_of_something_is_written_so(value: int, unit: str | None, text: str) -> None:
    assert Question("How many?", unit=unit).said(value) == text


def test_a_word_that_was_not_offered_is_told_all_the_same() -> None:
    answer = Question("When?", ("1 s", "never")).answer("5 s")
    assert answer.verdict("1 s") == "You said 1 s; it was 5 s."
    assert answer.verdict(None) == "It was 5 s."


@pytest.mark.parametrize(
    ("bet", "verdict"),
    [
        (3000, "You said 3,000 ms, and it was 3,000 ms."),
        (2999, "You said 2,999 ms, a little too low; it was 3,000 ms."),
        (2900, "You said 2,900 ms, 3 % too low; it was 3,000 ms."),
        (4500, "You said 4,500 ms, 50 % too high; it was 3,000 ms."),
        (1400, "You said 1,400 ms, 2.1 times too low; it was 3,000 ms."),
        (216.5, "You said 216.5 ms, 14 times too low; it was 3,000 ms."),
        (9_000_000, "You said 9,000,000 ms, 3,000 times too high; it was 3,000 ms."),
        (0, "You said 0 ms, 3,000 ms too low; it was 3,000 ms."),
        (-2, "You said -2 ms, 3,002 ms too low; it was 3,000 ms."),
        (None, "It was 3,000 ms."),
    ],
)
def test_a_number_hears_how_far_it_is_off(bet: float | None, verdict: str) -> None:
    assert REMAINING.answer(3000).verdict(bet) == verdict


def test_negative_numbers_are_compared_too() -> None:
    change = Question("By how much does it change?", unit="ms")
    assert change.answer(-90).verdict(-30) == "You said -30 ms, 3 times too high; it was -90 ms."
    assert change.answer(-90).verdict(-80) == "You said -80 ms, 11 % too high; it was -90 ms."


def test_per_cent_are_compared_in_points() -> None:
    share = Question("How much of a vCPU?", unit="%")
    verdict = "You said 40 %, 32.8 percentage points too high; it was 7.2 %."
    assert share.answer(7.2).verdict(40) == verdict


@pytest.mark.parametrize(
    ("measured", "digits", "found"),
    [
        (2987.3, 1, "about 3,000 ms"),
        (2987.3, 2, "about 3,000 ms"),
        (2987.3, 3, "about 2,990 ms"),
        (0.04712, 2, "about 0.047 ms"),
        (3000, 1, "3,000 ms"),
        (0, 1, "0 ms"),
        (0.000012345, None, "0.00001234 ms"),
        (12.5, None, "12.5 ms"),
        (123456.7, None, "123,457 ms"),
    ],
)
def test_numbers_are_written_with_separators_and_rounded_on_demand(
    measured: float, digits: int | None, found: str
) -> None:
    assert REMAINING.answer(measured, digits=digits).found == found


def test_numbers_of_numpy_become_plain_ones() -> None:
    answer = TIMES.answer(np.int64(2))
    assert (answer.value, answer.measured) == (2, None)
    assert json.dumps(REMAINING.answer(np.float32(2.5)).value) == "2.5"
    assert TIMES.bet(np.int64(14)) == 14


@pytest.mark.parametrize("nothing", [float("nan"), float("inf"), None, ..., [2], {"a": 1}])
def test_an_answer_is_a_word_or_a_finite_number(nothing: object) -> None:
    with pytest.raises(ValueError, match="is no answer"):
        TIMES.answer(nothing)


def test_a_bet_is_one_of_the_options_or_not_there_yet() -> None:
    assert TIMES.bet(None) is None
    assert TIMES.bet(...) is None
    assert TIMES.bet(14.0) == 14
    with pytest.raises(ValueError, match="is one of 1, 2, 14, not 3"):
        TIMES.bet(3)
    with pytest.raises(ValueError, match="is a number, not 'much'"):
        REMAINING.bet("much")
