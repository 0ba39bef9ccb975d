"""Wrong answers that learners give are refused with a hint that fits; other right ones pass."""

from __future__ import annotations

from pathlib import Path

import answers
import pytest
import tiny_lab

from labkit.classroom import notebooks

HERE = Path(__file__).parent
# A glob, not a list: a new lab needs its answers from its first day.
SOLVED = notebooks.solved_labs()
WITH_EXERCISES = [path for path in SOLVED if notebooks.exercises(notebooks.read(path))]


@pytest.fixture(autouse=True)
def private_jupyter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "runtime"))


@pytest.mark.parametrize("path", WITH_EXERCISES, ids=lambda path: path.stem)
def test_checks_tell_wrong_answers_from_right_ones(path: Path, tmp_path: Path) -> None:
    tried = answers.read(HERE / f"{path.stem}.toml")
    found = answers.misfits(notebooks.read(path), tried, tmp_path)
    assert not found, "\n".join([f"{len(found)} misfits in {path.stem}:", *found])


def test_all_answers_belong_to_a_lab() -> None:
    assert {path.stem for path in HERE.glob("*.toml")} <= {path.stem for path in WITH_EXERCISES}


GOOD = """
[[refused]]
exercise = "bill"
mistake = "leaves the init phase out"
hint = "init phase is billed too"
answer = "billed_ms = math.ceil(2.3)"

[[refused]]
exercise = "bill"
mistake = "rounds down"
hint = "rounds up"
answer = '''
billed_ms = math.floor(2.3 + 75.1)
'''

[[refused]]
exercise = "bill"
mistake = "text"
hint = "leave out the quotes and the unit"
answer = "billed_ms = '78 ms'"

[[accepted]]
exercise = "bill"
way = "by hand"
answer = "billed_ms = 78"

[[refused]]
exercise = "mean"
mistake = "the median"
hint = "the median"
answer = "def mean(durations_ms): return sorted(durations_ms)[len(durations_ms) // 2]"

[[refused]]
exercise = "mean"
mistake = "prints"
hint = "this is None, as after a function without `return`"
answer = "def mean(durations_ms): print(sum(durations_ms) / len(durations_ms))"

[[refused]]
exercise = "mean"
mistake = "a module that was never imported"
hint = "name 'statistics' is not defined"
answer = "def mean(durations_ms): return statistics.fmean(durations_ms)"

[[accepted]]
exercise = "mean"
way = "the standard library's"
answer = "from statistics import mean"
"""


def tried(tmp_path: Path, text: str) -> list[answers.Answer]:
    path = tmp_path / "90_tiny.toml"
    path.write_text(text, encoding="utf-8")
    return answers.read(path)


def test_answers_that_fit_are_no_misfits(tmp_path: Path) -> None:
    assert answers.misfits(tiny_lab.solved_lab(), tried(tmp_path, GOOD), tmp_path) == []


def test_answers_that_do_not_fit_are_told(tmp_path: Path) -> None:
    spoilt = (
        GOOD.replace("math.ceil(2.3)", "39 * 2")
        .replace('hint = "rounds up"', 'hint = "cuts off"')
        .replace('answer = "billed_ms = 78"', 'answer = "billed_ms = 77"')
        .replace("from statistics import mean", "1 / 0")
    )
    spoilt += """
[[accepted]]
exercise = "mean"
way = "in a word"
answer = "mean = lambda durations_ms: 3"

[[accepted]]
exercise = "mean"
way = "in no word"
answer = "1 / 0"
"""
    found = answers.misfits(tiny_lab.solved_lab(), tried(tmp_path, spoilt), tmp_path)
    assert found == [
        "bill, leaves the init phase out\n"
        "  wanted:  TODO … 'init phase is billed too'\n"
        "  printed: PASS 1 · the bill",
        "bill, rounds down\n"
        "  wanted:  TODO … 'cuts off'\n"
        "  printed: TODO 1 · the bill – rounds up, not down",
        "bill, by hand\n"
        "  wanted:  PASS\n"
        "  printed: TODO 1 · the bill – rounds up, not down",
        "mean, the standard library's\n"
        "  wanted:  PASS\n"
        "  printed: TODO 2 · the mean – NameError: name 'statistics' is not defined "
        "(in `mean`, line 1 of its cell)",
        "mean, in no word\n  ended with ZeroDivisionError: division by zero",
    ]  # fmt: skip


def test_what_is_wrong_with_the_lab_is_told(tmp_path: Path) -> None:
    lab = tiny_lab.solved_lab()
    tiny_lab.cell(lab, "setup").source += "\n1 / 0"
    tiny_lab.cell(lab, "bill").source = "### BEGIN SOLUTION\nbilled_ms = 77\n### END SOLUTION"
    tiny_lab.cell(lab, "check-mean").source = "print('PASS 2 · the mean')"
    text = GOOD.partition('[[refused]]\nexercise = "mean"')[0].replace("by hand", "alone")
    found = answers.misfits(lab, tried(tmp_path, text), tmp_path)
    assert found == [
        "mean: 0 refused answers, at least 3",
        "mean: no other answer that is accepted",
        "cell setup: ZeroDivisionError: division by zero",
        "bill, the solution\n"
        "  wanted:  PASS 1 · the bill\n"
        "  printed: TODO 1 · the bill – rounds up, not down",
        "mean, the untouched gap\n  wanted:  TODO\n  printed: PASS 2 · the mean",
    ]


def test_a_check_that_says_more_than_its_line_is_told(tmp_path: Path) -> None:
    lab = tiny_lab.solved_lab()
    tiny_lab.cell(lab, "check-bill").source += "\nprint('by the way')\n1 / 0"
    found = answers.misfits(lab, tried(tmp_path, GOOD), tmp_path)
    assert len(found) == 6
    assert found[0].endswith("`billed_ms`\n    by the way\n    ZeroDivisionError: division by zero")


def test_an_answer_that_ends_the_kernel_ends_the_attempt(tmp_path: Path) -> None:
    text = GOOD.replace("billed_ms = 78", "import os; os._exit(1)").replace('"mean"', '"means"')
    found = answers.misfits(tiny_lab.solved_lab(), tried(tmp_path, text), tmp_path)
    assert "means: no such exercise" in found
    assert found[-1] == "the lab could not go on: Kernel died"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[[refuse]]\nexercise = "bill"', "has the keys"),
        ('[[refused]]\nexercise = "bill"\nmistake = "none"\nanswer = "x"', "has the keys"),
        ('[[accepted]]\nexercise = "bill"\nway = " "\nanswer = "x"', "an empty text"),
    ],
)
def test_what_is_no_answer_is_refused(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        tried(tmp_path, text)
