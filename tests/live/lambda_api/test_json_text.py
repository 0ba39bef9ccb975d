from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit.live.lambda_api.json_text import parser_text


@pytest.mark.parametrize(
    ("raw", "start", "place"),
    [
        (b"not json", "Unrecognized token 'not': was expecting (JSON String, ", "1, column: 4"),
        (b"{'a': 1}", "Unexpected character (''' (code 39))", "1, column: 3"),
        (b'{"a":\n  }', "Unexpected character ('}' (code 125))", "2, column: 4"),
        (b'{"a": 1', "Unexpected end-of-input", "1, column: 8"),
        (b"\xff", "Invalid UTF-8 start byte 0xff", "1, column: 2"),
    ],
)
def test_words_of_the_parser(raw: bytes, start: str, place: str) -> None:
    with pytest.raises(ValueError) as caught:
        json.loads(raw.decode())
    text = parser_text(raw, caught.value)
    assert text.startswith(start)
    assert text.endswith(f"; line: {place}]")


@given(st.binary(min_size=1, max_size=2000))
def test_there_are_words_for_every_text_that_is_no_json(raw: bytes) -> None:
    try:
        json.loads(raw.decode())
    except RecursionError:
        pass
    except ValueError as error:
        assert "; line: " in parser_text(raw, error)
