from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from labkit.live.http import Headers, json_response


def test_case_does_not_matter() -> None:
    headers = Headers([("Content-Type", "a"), ("x-amz-meta-My_Key", "b")])
    assert headers.get("content-type") == headers["CONTENT-TYPE"] == "a"
    assert "X-Amz-Meta-my_key" in headers
    assert headers.get("absent") is None
    assert headers.get("absent", "default") == "default"
    assert 5 not in headers


def test_repeated_headers_are_joined_and_the_pairs_kept() -> None:
    pairs = [("X-A", "1"), ("x-a", "2"), ("B", "3")]
    headers = Headers(pairs)
    assert headers["x-a"] == "1,2"
    assert list(headers) == ["x-a", "b"]
    assert len(headers) == 2
    assert headers.pairs == pairs


@given(st.lists(st.tuples(st.sampled_from("aAbBcC"), st.text(max_size=3)), max_size=8))
def test_it_is_the_mapping_of_what_was_sent(pairs: list[tuple[str, str]]) -> None:
    headers = Headers(pairs)
    for name in "abc":
        sent = [value for other, value in pairs if other.lower() == name]
        assert headers.get(name.upper()) == (",".join(sent) if sent else None)


def test_a_json_response() -> None:
    response = json_response(404, {"message": "Nothing here."})
    assert response.status == 404
    assert ("Content-Type", "application/json") in response.headers
    assert json.loads(response.body) == {"message": "Nothing here."}
