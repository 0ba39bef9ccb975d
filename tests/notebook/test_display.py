"""The table of a REPORT line."""

from __future__ import annotations

import pytest

from labkit import report_fields

REQUEST_ID = "8f507cfc-1f1a-4b5c-9d4d-3a1c1a2b3c4d"
WARM = (
    f"REPORT RequestId: {REQUEST_ID}\tDuration: 2.90 ms\tBilled Duration: 3 ms\t"
    "Memory Size: 128 MB\tMax Memory Used: 36 MB\t\n"
)
COLD = WARM.replace("Billed Duration: 3 ms", "Billed Duration: 113 ms").replace(
    "36 MB\t", "36 MB\tInit Duration: 110.10 ms\t"
)
KILLED = WARM.replace("\t\n", "\tStatus: error\tError Type: Runtime.OutOfMemory\n")


def fields(line: str) -> dict[str, str]:
    return {name: value for name, value, _ in report_fields(line).rows()}


def test_the_fields_are_those_of_the_line() -> None:
    warm = {
        "RequestId": REQUEST_ID,
        "Duration": "2.90 ms",
        "Billed Duration": "3 ms",
        "Memory Size": "128 MB",
        "Max Memory Used": "36 MB",
    }
    assert fields(WARM) == warm
    assert fields(COLD) == warm | {"Billed Duration": "113 ms", "Init Duration": "110.10 ms"}
    assert fields(KILLED) == warm | {"Status": "error", "Error Type": "Runtime.OutOfMemory"}


def test_every_field_has_a_meaning() -> None:
    for line in (COLD, KILLED):
        assert all(meaning for _, _, meaning in report_fields(line).rows())


def test_text_and_table_say_the_same() -> None:
    shown = report_fields(COLD)
    table = shown._repr_html_()
    for name, value, meaning in shown.rows():
        assert f"{name}: {value} ({meaning})" in repr(shown).splitlines()
        assert name in table and value in table and meaning in table


def test_what_the_line_says_cannot_be_markup() -> None:
    line = WARM.replace("\t\n", "\tStatus: error\tError Type: <b>&\n")
    assert "&lt;b&gt;&amp;" in report_fields(line)._repr_html_()


def test_another_line_is_refused() -> None:
    with pytest.raises(ValueError, match="not a REPORT line"):
        report_fields("START RequestId: 1")
