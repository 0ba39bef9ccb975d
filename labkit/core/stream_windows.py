"""Tumbling windows: the aggregation of a stream's records, state and all.

Source: developer guide, "Implementing stateful Kinesis Data Streams processing in Lambda".
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

from labkit.core import quotas
from labkit.core.stream_batches import WindowCall

STATE_MAX_BYTES: Final = 1 * quotas.MIB
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def window_start_ms(arrived_ms: float, window_s: float) -> float:
    """Return where the window of a record begins: windows are aligned to 1970."""
    length_ms = window_s * 1000
    return math.floor(arrived_ms / length_ms) * length_ms


class TumblingWindow:
    """The window that a lane is in, and the state that the function keeps in it."""

    def __init__(self, arrived_ms: float, window_s: float) -> None:
        self.start_ms = window_start_ms(arrived_ms, window_s)
        self.end_ms = self.start_ms + window_s * 1000
        self.is_terminated_early = False
        self._state: Mapping[str, object] = {}

    def holds(self, arrived_ms: float) -> bool:
        """Tell whether a record that arrived then belongs to the window, or came too late."""
        return arrived_ms < self.end_ms

    def call(self, *, is_final: bool) -> WindowCall:
        """Return what the next invocation says of the window."""
        early = is_final and self.is_terminated_early
        return WindowCall(self.start_ms, self.end_ms, self._state, is_final, early)

    def keep(self, state: Mapping[str, object]) -> None:
        """Keep the state that the function returned; the window ends early if it is too large."""
        self._state = state
        text = json.dumps(state, ensure_ascii=False, separators=(",", ":"))
        if len(text.encode("utf-8", "replace")) > STATE_MAX_BYTES:
            self.is_terminated_early = True


def read_state(payload: bytes) -> Mapping[str, object] | None:
    """Return the state in a function's response; None if there is no valid one."""
    try:
        response = json.loads(payload)
    except (ValueError, RecursionError):
        return None
    state = response.get("state") if isinstance(response, dict) else None
    return state if isinstance(state, dict) else None


def window_fields(call: WindowCall, shard_id: str, stream_arn: str) -> dict[str, object]:
    """Return what the event of a tumbling window has besides its records."""
    return {
        "window": {"start": _iso(call.start_ms), "end": _iso(call.end_ms)},
        "state": call.state,
        "shardId": shard_id,
        "eventSourceARN": stream_arn,
        "isFinalInvokeForWindow": call.is_final,
        "isWindowTerminatedEarly": call.is_terminated_early,
    }


def _iso(time_ms: float) -> str:
    return f"{_EPOCH + timedelta(milliseconds=time_ms):%Y-%m-%dT%H:%M:%SZ}"
