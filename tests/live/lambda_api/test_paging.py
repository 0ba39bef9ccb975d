from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit.core.errors import ApiError
from labkit.live.lambda_api.paging import page


@given(count=st.integers(0, 200), size=st.integers(1, 10_000))
def test_pages_give_every_item_once_and_in_order(count: int, size: int) -> None:
    items = list(range(count))
    seen: list[int] = []
    parameters: dict[str, Any] = {"MaxItems": size}
    while True:
        answer = page(items, parameters, lambda item: item, key="Items")
        assert len(answer["Items"]) <= min(size, 50)
        seen += answer["Items"]
        if "NextMarker" not in answer:
            break
        parameters["Marker"] = answer["NextMarker"]
    assert seen == items


@given(marker=st.text(min_size=1))
def test_markers_from_elsewhere_are_refused(marker: str) -> None:
    with pytest.raises(ApiError) as caught:
        page([1, 2, 3], {"Marker": marker}, lambda item: item, key="Items")
    assert caught.value.status == 400
