"""Checks meet what learners really answer: each time with one friendly line, and never an error."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber
from hypothesis import given
from hypothesis import strategies as st

from labkit.classroom.checks import check, expect_error, one_line

BILL = """
with check("1 · the bill") as refuse:
    refuse.unless_number(billed_ms, "ms", whole=True)
    refuse(billed_ms == 3, "the init phase is billed too")
    refuse(billed_ms < 78, "rounds up, not down")
    refuse(billed_ms != 78, "init and duration")
"""
NUMBER = "TODO 1 · the bill – the answer is a whole number of ms, and "
PRINTED = "this is None, as after a function without `return`, or after print()"


class Notebook:
    """Runs cells as a notebook does: each a piece of code of its own, with common names."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self.names: dict[str, Any] = {"check": check, "expect_error": expect_error}
        self._capsys = capsys

    def run(self, *cells: str) -> str:
        """Run cells; return what the last one printed."""
        for number, cell in enumerate(cells):
            self._capsys.readouterr()
            exec(compile(textwrap.dedent(cell), f"cell {number}", "exec"), self.names)
        printed = self._capsys.readouterr()
        assert printed.err == ""
        return printed.out


@pytest.fixture
def notebook(capsys: pytest.CaptureFixture[str]) -> Notebook:
    return Notebook(capsys)


@pytest.mark.parametrize(
    ("answer", "line"),
    [
        ("78", "PASS 1 · the bill"),
        ("78.0", "PASS 1 · the bill"),
        ("__import__('decimal').Decimal(78)", "PASS 1 · the bill"),
        ("__import__('fractions').Fraction(78)", "PASS 1 · the bill"),
        ("...", "TODO 1 · the bill – no answer yet: put your answer where the `...` is, for `billed_ms`"),
        ("[...]", "TODO 1 · the bill – no answer yet: put your answer where the `...` is, for `billed_ms`"),
        ("3", "TODO 1 · the bill – the init phase is billed too"),
        ("77.4", NUMBER + "77.4 has a fraction"),
        ("'78'", NUMBER + "'78' is text: leave out the quotes"),
        ("'1,234.5'", NUMBER + "'1,234.5' is text: leave out the quotes"),
        ("'78 ms'", NUMBER + "'78 ms' is text: leave out the quotes and the unit"),
        ("'dear'", NUMBER + "'dear' is text"),
        ("b'78'", NUMBER + "this is a bytes"),
        ("print()", NUMBER + PRINTED),
        ("None", NUMBER + PRINTED),
        ("True", NUMBER + "this is True"),
        ("round", NUMBER + "this is a function: call it, as in round(…)"),
        ("lambda: 78", NUMBER + "this is a function: call it"),
        ("[78]", NUMBER + "this is a list"),
        ("{'billed': 78}", NUMBER + "this is a dictionary"),
        ("78j", NUMBER + "this is a complex"),
        ("object()", NUMBER + "this is an object"),
        ("float('nan')", NUMBER + "nan is none that can be compared"),
        ("float('inf')", NUMBER + "inf is none that can be compared"),
        ("'" + "7" * 400 + "'", NUMBER + "'" + "7" * 58 + "… is text: leave out the quotes"),
    ],
)  # fmt: skip
def test_each_answer_gets_one_line(notebook: Notebook, answer: str, line: str) -> None:
    assert notebook.run(f"billed_ms = {answer}", BILL) == f"{line}\n"


def test_a_name_without_a_value_is_told_with_what_to_do(notebook: Notebook) -> None:
    assert notebook.run(BILL) == (
        "TODO 1 · the bill – `billed_ms` has no value yet: run the exercise's cell, "
        "and see that it ends without an error\n"
    )


@pytest.mark.parametrize(
    ("answer", "line"),
    [
        ("'warm'", "PASS 2 · x"),
        ("'Warm '", "TODO 2 · x – nearly: it is spelt 'warm', and not 'Warm '"),
        ("'hot'", "TODO 2 · x – 'hot' is not among 'cold', 'warm'"),
        ("['warm']", "TODO 2 · x – ['warm'] is not among 'cold', 'warm'"),
        ("None", f"TODO 2 · x – the answer is one of 'cold', 'warm', and {PRINTED}"),
        ("...", "TODO 2 · x – no answer yet: put your answer where the `...` is, for `start`"),
    ],
)
def test_one_of_some_options(notebook: Notebook, answer: str, line: str) -> None:
    options = """
    with check("2 · x") as refuse:
        refuse.unless_one_of(start, dict(cold=1, warm=2).keys())
    """
    assert notebook.run(f"start = {answer}", options) == f"{line}\n"


@pytest.mark.parametrize(
    ("answer", "line"),
    [
        ("'hello'", "PASS 3 · x"),
        ("'  '", "TODO 3 · x – the answer is text, and this text is empty"),
        ("5", "TODO 3 · x – the answer is text, and this is a number"),
        ("b'hello'", "TODO 3 · x – the answer is text, and these are bytes: decode() them"),
        ("str", "TODO 3 · x – the answer is text, and this is a function: call it, as in str(…)"),
    ],
)
def test_text(notebook: Notebook, answer: str, line: str) -> None:
    text = """
    with check("3 · x") as refuse:
        refuse.unless_text(name)
    """
    assert notebook.run(f"name = {answer}", text) == f"{line}\n"


CALL = """
with check("4 · a function") as refuse:
    result = answer(2)
    refuse(result["billed"] == 3, "init is missing")
    refuse(result["billed"] != 78, "init and duration")
"""


@pytest.mark.parametrize(
    ("function", "hint"),
    [
        ("return {'billed': 3}", "init is missing"),
        ("...", "TypeError: 'NoneType' object is not subscriptable; a value is None, as after a "
         "function without `return`, or after print()"),
        ("return ...", "no answer yet: put your answer where the `...` is"),
        ("return {'billed': ...}", "init and duration"),
        ("return answer", "TypeError: 'function' object is not subscriptable; a function stands "
         "where its result is meant: call it, with ()"),
        ("return {}", "KeyError: 'billed'"),
        ("return x / 0", "ZeroDivisionError: division by zero (in `answer`, line 2 of its cell)"),
        ("return math.ceil(x)", "NameError: name 'math' is not defined (in `answer`, line 2 of its cell)"),
        ("return answer(x)", "RecursionError: maximum recursion depth exceeded (in `answer`, line 2 of its cell)"),
        ("raise SystemExit", "SystemExit (in `answer`, line 2 of its cell)"),
        ("raise ValueError(object())", "ValueError: <object object> (in `answer`, line 2 of its cell)"),
        ("raise ValueError('one\\n\\n  two\\x1b[31m \\ud800')",
         "ValueError: one two (in `answer`, line 2 of its cell)"),
        ("raise LookupError('x' * 10_000)", "LookupError: " + "x" * 464 + "…"),
    ],
)  # fmt: skip
def test_what_goes_wrong_in_the_answer_is_a_hint(
    notebook: Notebook, function: str, hint: str
) -> None:
    printed = notebook.run(f"def answer(x):\n    {function}", CALL)
    assert printed == f"TODO 4 · a function – {hint}\n"


def test_an_error_that_cannot_be_told_is_told_by_its_name(notebook: Notebook) -> None:
    answer = """
    class Broken(Exception):
        __str__ = None

    def answer(x):
        raise Broken
    """
    hint = "Broken (in `answer`, line 6 of its cell)"
    assert notebook.run(answer, CALL) == f"TODO 4 · a function – {hint}\n"


def test_a_gap_counts_wherever_the_check_reads_it(notebook: Notebook) -> None:
    only_known_mistakes = """
    with check("5 · both") as refuse:
        refuse(init_ms == 3, "three")
        total = (lambda: [duration_ms for _ in "x"])()
        refuse(total == [4], "four")
    """
    gap = "TODO 5 · both – no answer yet: put your answer where the `...` is, for "
    assert notebook.run("init_ms = duration_ms = ...", only_known_mistakes) == (
        f"{gap}`duration_ms`, `init_ms`\n"
    )
    assert notebook.run("init_ms = 5", only_known_mistakes) == f"{gap}`duration_ms`\n"
    assert notebook.run("duration_ms = 5", only_known_mistakes) == "PASS 5 · both\n"


def test_a_gap_of_the_last_run_is_forgotten(notebook: Notebook) -> None:
    """What the check itself assigned is still there when it runs again."""
    call = """
    with check("6 · again") as refuse:
        result = answer()
        refuse(result == 3, "three")
    """
    printed = notebook.run("def answer():\n    return ...", call)
    assert "no answer yet" in printed and "`result`" in printed
    assert notebook.run("def answer():\n    return 4", call) == "PASS 6 · again\n"


def test_what_an_answer_prints_is_not_mixed_with_the_line(notebook: Notebook) -> None:
    answer = """
    import sys

    def answer(x):
        print("trying", x)
        print("warning", file=sys.stderr)
        return {"billed": 78}
    """
    assert notebook.run(answer, CALL) == "PASS 4 · a function\n"
    assert notebook.run("print('after')") == "after\n"


def test_a_refusal_is_not_kept_by_the_check_s_own_except(notebook: Notebook) -> None:
    cell = """
    with check("7 · kept") as refuse:
        try:
            refuse(True, "the first")
        except BaseException:
            pass
        refuse(True, "the second")
    """
    assert notebook.run(cell) == "TODO 7 · kept – the first\n"


def test_hints_are_one_line_without_addresses_and_ids(notebook: Notebook) -> None:
    cell = """
    with check("8 · noise") as refuse:
        refuse(True, f"{object()!r}\\nfrom 8f507cfc-1f1a-4b5c-9d4d-3a1c1a2b3c4d\\tat 0xdeadbeef")
    """
    assert notebook.run(cell) == "TODO 8 · noise – <object object> from at\n"


@given(st.text())
def test_one_line_is_one_line(text: str) -> None:
    line = one_line(text)
    assert len(line.splitlines()) <= 1
    assert len(line) <= 500
    line.encode()
    assert one_line(line) == line


def test_stopping_the_kernel_s_work_stops_a_check_too(notebook: Notebook) -> None:
    output = sys.stdout
    for opening in ("check('9 · stopped')", "expect_error('ValueError')"):
        with pytest.raises(KeyboardInterrupt):
            notebook.run(f"with {opening}:\n    raise KeyboardInterrupt")
    assert sys.stdout is output


@pytest.fixture
def refused_client(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A client of AWS whose calls are refused as AWS does."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "x")
    client = boto3.client("lambda", region_name="us-east-1")
    message = "Function not found:\n  arn:aws:lambda:us-east-1:123456789012:function:hello"
    with Stubber(client) as stubber:
        stubber.add_client_error("get_function", "ResourceNotFoundException", message, 404)
        yield client
    client.close()


SAID = "Function not found: arn:aws:lambda:us-east-1:123456789012:function:hello"


def test_what_aws_says_is_told(notebook: Notebook, refused_client: Any) -> None:
    notebook.names["client"] = refused_client
    cell = """
    with check("10 · there") as refuse:
        refuse(client.get_function(FunctionName="hello") is None, "nothing")
    """
    line = f"TODO 10 · there – AWS says ResourceNotFoundException: {SAID}\n"
    assert notebook.run(cell) == line


@pytest.mark.parametrize(
    ("expected", "line"),
    [
        ("ResourceNotFoundException", f"ResourceNotFoundException: {SAID}"),
        ("ClientError", f"ResourceNotFoundException: {SAID}"),
        ("Throttled", f"expected Throttled, but got ResourceNotFoundException: {SAID}"),
    ],
)
def test_an_expected_error_is_one_line(
    notebook: Notebook, refused_client: Any, expected: str, line: str
) -> None:
    notebook.names["client"] = refused_client
    cell = f"with expect_error({expected!r}):\n    client.get_function(FunctionName='hello')"
    assert notebook.run(cell) == f"{line}\n"


@pytest.mark.parametrize(
    ("code", "line"),
    [
        ("int('x')", "ValueError: invalid literal for int() with base 10: 'x'"),
        ("raise UnicodeError", "UnicodeError"),
        ("pass", "expected ValueError, but no error came"),
        ("[][1]", "expected ValueError, but got IndexError: list index out of range"),
        ("raise SystemExit(3)", "expected ValueError, but got SystemExit: 3"),
        ("raise ValueError('a\\nb')", "ValueError: a b"),
    ],
)
def test_other_errors_are_expected_by_their_name(notebook: Notebook, code: str, line: str) -> None:
    assert notebook.run(f"with expect_error('ValueError'):\n    {code}") == f"{line}\n"


def test_checks_load_neither_boto3_nor_ipython() -> None:
    script = "import sys, labkit.classroom.checks; print({'boto3', 'botocore', 'IPython'} & set(sys.modules))"
    ran = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    assert ran.stdout == "set()\n"
