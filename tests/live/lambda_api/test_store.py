from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit.live.lambda_api.store import timestamp


@pytest.mark.parametrize(
    ("time_ms", "text"),
    [
        (1_767_225_600_000.0, "2026-01-01T00:00:00.000+0000"),
        (1_767_225_600_001.0, "2026-01-01T00:00:00.001+0000"),
        (1_767_225_600_999.9, "2026-01-01T00:00:00.999+0000"),
    ],
)
def test_timestamps_as_lambda_writes_them(time_ms: float, text: str) -> None:
    assert timestamp(time_ms) == text


@given(st.integers(0, 4_000_000_000_000))
def test_timestamps_keep_the_millisecond(time_ms: int) -> None:
    text = timestamp(time_ms)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+0000", text)
    back = datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%f%z").astimezone(UTC)
    assert round(back.timestamp() * 1000) == time_ms
