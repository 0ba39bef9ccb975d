"""The size of items, by the rules of DynamoDB's developer guide."""

from __future__ import annotations

from typing import Any

import pytest

from labkit.core.dynamodb_items import item_bytes


@pytest.mark.parametrize(
    ("value", "size_bytes"),
    [
        ({"S": "x"}, 1),
        ({"S": "ü"}, 2),
        ({"N": "5"}, 2),
        ({"N": "-123.45"}, 4),
        ({"B": "AP8="}, 2),
        ({"B": "YWJj"}, 3),
        ({"BOOL": True}, 1),
        ({"NULL": True}, 1),
        ({"SS": ["ab", "c"]}, 3),
        ({"NS": ["1", "22"]}, 4),
        ({"BS": ["YQ=="]}, 1),
        ({"L": []}, 3),
        ({"L": [{"S": "ab"}, {"NULL": True}]}, 3 + 1 + 2 + 1 + 1),
        ({"M": {"key": {"S": "ab"}}}, 3 + 3 + 1 + 2),
    ],
)
def test_values(value: dict[str, Any], size_bytes: int) -> None:
    assert item_bytes({"pk": value}) == len("pk") + size_bytes


def test_an_item_is_the_sum_of_its_attributes() -> None:
    assert item_bytes({}) == 0
    assert item_bytes({"a": {"S": "x"}, "bb": {"N": "1"}}) == 2 + 4
