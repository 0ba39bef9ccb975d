from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit.core.errors import ApiError
from labkit.core.filters import Filters


def sqs(pattern: Any, body: str, **fields: Any) -> bool:
    record = {"messageId": "m", "body": body, "eventSource": "aws:sqs", **fields}
    return filters(pattern).matches(record, "sqs")


def kinesis(pattern: Any, data: bytes) -> bool:
    encoded = base64.b64encode(data).decode()
    record = {"kinesis": {"partitionKey": "k", "data": encoded}, "eventName": "aws:kinesis:record"}
    return filters(pattern).matches(record, "kinesis")


def filters(*patterns: Any) -> Filters:
    return Filters(tuple(each if isinstance(each, str) else json.dumps(each) for each in patterns))


def body(pattern: Any, value: Any) -> bool:
    """Whether a message whose body has `value` under "v" matches values or operators."""
    return sqs({"body": {"v": pattern}}, json.dumps({"v": value}))


@pytest.mark.parametrize(
    ("pattern", "matching", "other"),
    [
        (["a"], ["a"], ["A", "ab", "", None, 1, True, {}, {"a": "a"}]),
        ([""], [""], ["a", None, 0, False]),
        ([5], [5], ["5", 6, True]),
        ([1], [1], [True, "1", 1.5]),
        ([True], [True], [False, 1, "true"]),
        ([None], [None], [0, "", "null", False]),
        (["a", 5, None], ["a", 5, None], ["b", 6]),
        ([{"equals-ignore-case": "x"}], ["x", "X"], ["xx", 1]),
        ([{"anything-but": ["a", "b"]}], ["c", 1, None], ["a", "b"]),
        ([{"anything-but": "a"}], ["c", "A"], ["a"]),
        ([{"anything-but": [1]}], ["1", 2], [1]),
        ([{"numeric": ["=", 100]}], [100, 100.0, 1e2], [101, "100", True, None]),
        ([{"numeric": [">", 10, "<=", 20]}], [10.1, 20], [10, 20.5, "15"]),
        ([{"numeric": [">=", 10, "<", 20]}], [10, 19.9], [9, 20]),
        ([{"numeric": ["<", 0]}], [-1], [0, 1]),
        ([{"exists": True}], ["a", 0, None, False, ["a"]], [{"a": 1}]),
        ([{"exists": False}], [{"a": 1}], ["a", 0, None]),
        ([{"prefix": "us-"}], ["us-east-1"], ["eu-us-", "US-", 5]),
        ([{"suffix": ".png"}], ["a.png"], ["a.PNG", "png", 1]),
        ([{"prefix": "a"}, {"suffix": "z"}, 3], ["ab", "yz", 3], ["ba"]),
    ],
)
def test_values_and_operators(pattern: Any, matching: list[Any], other: list[Any]) -> None:
    assert [value for value in matching if not body(pattern, value)] == []
    assert [value for value in other if body(pattern, value)] == []


def test_numbers_are_compared_as_they_are_written() -> None:
    assert sqs('{"body":{"v":[300]}}', '{"v":300}')
    assert not sqs('{"body":{"v":[300]}}', '{"v":300.0}')
    assert sqs('{"body":{"v":[3.0e2]}}', '{"v":3.0e2}')
    assert sqs('{"body":{"v":[{"numeric":["=",300]}]}}', '{"v":300.0}')
    assert sqs({"size": [54]}, "x", size=54)  # a number of the record itself


def test_keys_are_anded_and_or_is_a_choice() -> None:
    pattern = {"body": {"a": [1], "b": {"c": ["x"]}}}
    assert sqs(pattern, '{"a":1,"b":{"c":"x"},"d":0}')
    assert not sqs(pattern, '{"a":1,"b":{"c":"y"}}')
    assert not sqs(pattern, '{"a":1,"b":"c"}')
    assert not sqs(pattern, '{"a":1}')
    choice = {"body": {"k": ["v"], "$or": [{"a": [1]}, {"b": [2]}]}}
    assert sqs(choice, '{"k":"v","b":2}')
    assert not sqs(choice, '{"k":"v","b":1}')
    assert not sqs(choice, '{"a":1}')
    assert sqs({"body": {"$or": ["x"]}}, '{"$or":"x"}')  # a key like any other


def test_absent_keys() -> None:
    assert sqs({"body": {"a": [{"exists": False}]}}, '{"b":1}')
    assert not sqs({"body": {"a": [{"exists": False}]}}, '{"a":1}')
    assert sqs({"body": {"a": [{"exists": False}, "x"]}}, '{"a":"x"}')
    assert sqs({"body": {"a": {"b": [{"exists": False}]}}}, '{"c":1}')
    assert not sqs({"body": {"a": [{"anything-but": "x"}]}}, '{"b":1}')
    assert not sqs({"body": {"a": [None]}}, '{"b":1}')


def test_an_array_matches_if_one_of_its_elements_does() -> None:
    assert body(["a"], ["b", "a"])
    assert not body(["a"], ["b"])
    assert not body(["a"], [])
    assert body([{"exists": False}], [])
    pattern = {"body": {"items": {"kind": ["book"], "price": [{"numeric": ["<", 10]}]}}}
    both = [{"kind": "book", "price": 12}, {"kind": "pen", "price": 2}]
    assert not sqs(pattern, json.dumps({"items": both}))  # no single item does
    assert sqs(pattern, json.dumps({"items": [*both, {"kind": "book", "price": 9}]}))


def test_filters_are_ored() -> None:
    both = filters({"body": {"a": [1]}}, {"body": {"b": [1]}})
    assert both.matches({"body": '{"b":1}'}, "sqs")
    assert not both.matches({"body": '{"b":2}'}, "sqs")
    assert Filters(()).matches({}, "sqs")


def test_a_body_of_another_kind_than_the_pattern_expects() -> None:
    keys, texts = {"body": {"a": [1]}}, {"body": [{"prefix": "order"}]}
    assert not sqs(keys, "order 5")
    assert not sqs({"body": {"a": [{"exists": False}]}}, "order 5")
    assert not sqs(keys, "5")
    assert sqs(texts, "order 5")
    assert not sqs({"body": [{"exists": True}]}, '{"a": 1}')
    assert not sqs({"body": [{"exists": True}]}, '["order"]')
    assert sqs({"body": ["5"]}, "5")
    metadata = {"messageAttributes": {"kind": {"stringValue": ["a"]}}}
    attributes = {"messageAttributes": {"kind": {"stringValue": "a", "dataType": "String"}}}
    for text in ("order 5", '{"a":1}'):
        assert sqs(metadata, text, **attributes)
    assert not sqs({**metadata, **keys}, '{"a":2}', **attributes)
    assert not sqs(keys, "[" * 100_000)


def test_data_of_kinesis() -> None:
    pattern = {"data": {"a": [1]}}
    assert kinesis(pattern, b'{"a":1}')
    assert not kinesis(pattern, b'{"a":2}')
    assert not kinesis(pattern, b"a")
    assert not kinesis(pattern, b"\xff\xfe\x00")
    assert not kinesis({"data": [{"exists": True}]}, b"plain text")
    assert not kinesis({"data": {"a": [{"exists": False}]}}, b"plain text")
    assert kinesis({"eventName": ["aws:kinesis:record"]}, b"\xff")
    assert not kinesis({"partitionKey": ["k"]}, b"{}")


def test_records_of_dynamodb() -> None:
    record = {
        "eventName": "INSERT",
        "dynamodb": {"NewImage": {"n": {"N": "5"}, "s": {"S": "x"}}, "SizeBytes": 54},
    }

    def matches(pattern: Any) -> bool:
        return filters(pattern).matches(record, "dynamodb")

    assert matches({"eventName": ["INSERT"], "dynamodb": {"NewImage": {"n": {"N": ["5"]}}}})
    assert not matches({"dynamodb": {"NewImage": {"n": {"N": [5]}}}})
    assert not matches({"dynamodb": {"NewImage": {"n": {"N": [{"numeric": ["=", 5]}]}}}})
    assert matches({"dynamodb": {"SizeBytes": [54]}})
    assert matches({"dynamodb": {"OldImage": {"n": {"N": [{"exists": False}]}}}})


@pytest.mark.parametrize(
    "pattern",
    [
        "",
        "None",
        "simple string",
        "[]",
        '["a"]',
        "5",
        "{}",
        '{"a": {}}',
        '{"a": []}',
        '{"a": [[1]]}',
        '{"a": [{}]}',
        '{"a": [NaN]}',
        '{"eventSource": "aws:sqs"}',
        '{"eventSource": ["aws:sqs", 1, []]}',
        '{"a": [{"exists": "yes"}]}',
        '{"a": [{"prefix": 1}]}',
        '{"a": [{"prefix": ["a"]}]}',
        '{"a": [{"unknown": "a"}]}',
        '{"a": [{"prefix": "a", "suffix": "b"}]}',
        '{"a": [{"anything-but": []}]}',
        '{"a": [{"anything-but": [["a"]]}]}',
        '{"a": [{"numeric": []}]}',
        '{"a": [{"numeric": [">"]}]}',
        '{"a": [{"numeric": [">", "5"]}]}',
        '{"a": [{"numeric": ["!", 5]}]}',
        '{"a": [{"numeric": [5, ">"]}]}',
        '{"a": [{"numeric": [">", 5, "<", 5]}]}',
        '{"a": [{"numeric": ["<", 9, ">", 5]}]}',
        '{"a": [{"numeric": [">", 1, "<", 5, "=", 3]}]}',
        '{"a": [{"numeric": [">", 6e9]}]}',
        '{"a":' * 600 + "[1]" + "}" * 600,
        "[" * 4000,
    ],
)
def test_what_is_no_pattern_is_refused(pattern: str) -> None:
    with pytest.raises(ApiError) as caught:
        Filters((pattern,))
    assert (caught.value.status, caught.value.code, caught.value.message) == (
        400,
        "InvalidParameterValueException",
        "Invalid filter pattern definition.",
    )


def test_the_number_of_filters_is_limited() -> None:
    Filters(('{"a":[1]}',) * 5)
    with pytest.raises(ApiError, match="may have 5 filters; there are 6"):
        Filters(('{"a":[1]}',) * 6)


_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text()
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(_JSON, _JSON)
def test_any_pattern_is_refused_or_answers_for_any_body(pattern: Any, content: Any) -> None:
    text = json.dumps({"body": {"key": pattern}})
    try:
        found = Filters((text,))
    except ApiError as error:
        assert error.message == "Invalid filter pattern definition."
        return
    assert found.matches({"body": json.dumps({"key": content})}, "sqs") in (True, False)
    assert found.matches({"body": "no JSON"}, "sqs") is False


@given(st.text() | st.integers() | st.booleans() | st.none(), st.text())
def test_a_value_matches_itself_and_not_what_is_excluded(value: Any, key: str) -> None:
    content = json.dumps({key: value})
    assert sqs({"body": {key: [value]}}, content) or key == "$or"
    if isinstance(value, (str, int)) and not isinstance(value, bool):
        assert not sqs({"body": {key: [{"anything-but": [value]}]}}, content)
