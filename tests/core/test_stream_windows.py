"""Tumbling windows: where they begin, what state they keep, what their event says."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit.core.stream_batches import WindowCall
from labkit.core.stream_windows import (
    STATE_MAX_BYTES,
    TumblingWindow,
    read_state,
    window_fields,
    window_start_ms,
)

ARN = "arn:aws:kinesis:us-east-1:123456789012:stream/s"


@given(st.integers(0, 2 * 10**12), st.integers(1, 900))
def test_windows_are_aligned_and_hold_their_records(arrived_ms: int, window_s: int) -> None:
    start_ms = window_start_ms(arrived_ms, window_s)
    assert start_ms % (window_s * 1000) == 0
    assert start_ms <= arrived_ms < start_ms + window_s * 1000
    assert TumblingWindow(arrived_ms, window_s).holds(arrived_ms)


@pytest.mark.parametrize(
    ("payload", "state"),
    [
        (b'{"state": {"n": 1}}', {"n": 1}),
        (b'{"state": {}, "batchItemFailures": []}', {}),
        (b'{"state": null}', None),
        (b'{"state": [1]}', None),
        (b"{}", None),
        (b"null", None),
        (b"", None),
        (b"[" * 100_000, None),
    ],
)
def test_the_state_of_a_response(payload: bytes, state: dict[str, object] | None) -> None:
    assert read_state(payload) == state


def test_a_megabyte_of_state_is_allowed_to_the_byte() -> None:
    room = STATE_MAX_BYTES - len(json.dumps({"s": ""}, separators=(",", ":")))
    for over, early in ((0, False), (1, True)):
        window = TumblingWindow(0, 60)
        window.keep({"s": "x" * (room + over)})
        assert window.call(is_final=True).is_terminated_early is early
        assert not window.call(is_final=False).is_terminated_early


def test_what_the_event_says() -> None:
    call = WindowCall(1_607_497_440_000.0, 1_607_497_560_000.0, {"n": 1}, is_final=True)
    assert window_fields(call, "shardId-000000000006", ARN) == {
        "window": {"start": "2020-12-09T07:04:00Z", "end": "2020-12-09T07:06:00Z"},
        "state": {"n": 1},
        "shardId": "shardId-000000000006",
        "eventSourceARN": ARN,
        "isFinalInvokeForWindow": True,
        "isWindowTerminatedEarly": False,
    }
