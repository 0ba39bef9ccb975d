"""The rules of an event source mapping of Kinesis or DynamoDB Streams, for each of its shards.

No clock, no threads, no stream: `StreamShard` is told what was read and what the function
answered, and says when to read, which batch to invoke and when to look again. The live poller and
the fleet simulator both drive it.

Source: developer guide, "Using Lambda with Amazon Kinesis Data Streams" and "... DynamoDB Streams".
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Set
from dataclasses import dataclass
from typing import Final, Generic

from labkit.core.stream_batches import (
    Drop,
    Outcome,
    R,
    StreamBatch,
    StreamSettings,
    lane_of,
)
from labkit.core.stream_lane import Lane

_ROUNDING: Final = 1e-9


class StreamShard(Generic[R]):
    """The state of one shard in a mapping. Not safe for several threads at once.

    The driver's loop: if `poll_due_ms` has come and the shard has unread records, read `wants` of
    them at most and `add` those that match the filters; `take` until nothing comes, invoke each
    batch and tell each drop; hand each answer to `answered`, each refusal to `throttled`. Then wait
    until `next_due_ms`, or until `poll_due_ms` if there are unread records.
    """

    def __init__(self, settings: StreamSettings, now_ms: float) -> None:
        self._settings = settings
        self._poll_ms = now_ms
        self._batches = 0
        self._lanes = self._new_lanes(now_ms)

    @property
    def settings(self) -> StreamSettings:
        """Setting others takes effect on batches that are not formed yet, and on later retries.

        Another parallelization factor waits until no batch is in flight, for the sake of the order.
        """
        return self._settings

    @settings.setter
    def settings(self, settings: StreamSettings) -> None:
        self._settings = settings
        for lane in self._lanes:
            lane.settings = settings

    @property
    def is_idle(self) -> bool:
        """Whether all that was read is done."""
        return all(lane.is_idle for lane in self._lanes)

    def wants(self) -> int:
        """Return how many records the next poll may read; 0 while every lane is busy or full."""
        if self._is_changing() and any(lane.is_blocked for lane in self._lanes):
            return 0
        return self._settings.poll_records_max if any(lane.wants for lane in self._lanes) else 0

    def poll_due_ms(self, now_ms: float) -> float | None:
        """Return when the shard is read next, None while nothing can be taken.

        A shard is polled a fixed number of times a second. Polls that would bring nothing need not
        be made: this is the time of the first one from now on.
        """
        if not self.wants():
            return None
        if now_ms <= self._poll_ms:
            return self._poll_ms
        interval_ms = 1000 / self._settings.polls_per_s
        polls = math.ceil((now_ms - self._poll_ms) / interval_ms - _ROUNDING)
        return max(now_ms, self._poll_ms + polls * interval_ms)

    def add(self, records: Iterable[R], now_ms: float) -> None:
        """Gather the records of one poll that match the filters, in the order of the shard."""
        self._poll_ms = now_ms + 1000 / self._settings.polls_per_s
        for record in records:
            self._lanes[lane_of(record.partition_key, len(self._lanes))].add(record, now_ms)

    def take(self, now_ms: float, *, unread: bool = False) -> StreamBatch[R] | Drop[R] | None:
        """Return a batch to invoke now, or records that are given up; None if there is neither.

        `unread` tells whether the shard has records that were not read yet: a tumbling window is
        not over before those are done.
        """
        if self._is_changing() and not any(lane.is_blocked for lane in self._lanes):
            self._change_lanes(now_ms)
        for lane in self._lanes:
            if self._is_changing() and not lane.is_blocked:
                continue
            taken = lane.take(now_ms, unread=unread)
            if taken is not None:
                return taken
        return None

    def answered(
        self, batch: StreamBatch[R], payload: bytes, now_ms: float, *, function_error: bool = False
    ) -> Outcome[R]:
        """Tell what the function answered to a batch; return what became of it.

        `function_error` tells whether Invoke answered with a function error.
        """
        wanted = self.wants()
        lane = self._lanes[batch.lane]
        outcome = lane.answered(batch, payload, now_ms, function_error=function_error)
        if not wanted:  # nothing was polled meanwhile
            self._poll_ms = max(self._poll_ms, now_ms)
        return outcome

    def throttled(self, batch: StreamBatch[R], now_ms: float) -> StreamBatch[R]:
        """Tell that a batch did not reach the function; return it with its new `due_ms`."""
        return self._lanes[batch.lane].throttled(batch, now_ms)

    def next_due_ms(self, now_ms: float) -> float | None:
        """Return when `take` can give something without further records, None if never."""
        lanes = self._lanes
        if self._is_changing():
            lanes = [lane for lane in lanes if lane.is_blocked]
        due = (lane.next_due_ms(now_ms) for lane in lanes)
        return min((at for at in due if at is not None), default=None)

    def _is_changing(self) -> bool:
        return len(self._lanes) != self._settings.parallelization_factor

    def _change_lanes(self, now_ms: float) -> None:
        """Distribute the waiting records anew, each key's in the order in which they were read."""
        waiting = [pair for lane in self._lanes for pair in lane.drain()]
        self._lanes = self._new_lanes(now_ms)
        for record, read_ms in sorted(waiting, key=lambda pair: pair[1]):
            self._lanes[lane_of(record.partition_key, len(self._lanes))].add(record, read_ms)

    def _new_lanes(self, now_ms: float) -> list[Lane[R]]:
        count = self._settings.parallelization_factor
        return [Lane(number, self._settings, self._next_name, now_ms) for number in range(count)]

    def _next_name(self) -> str:
        self._batches += 1
        return str(self._batches)


@dataclass(frozen=True, slots=True)
class ShardInfo:
    """A shard of a stream; `parents` are the shards that were split or merged into it."""

    shard_id: str
    parents: tuple[str, ...] = ()
    is_closed: bool = False


def readable(shards: Iterable[ShardInfo], finished: Set[str]) -> list[str]:
    """Return the shards that may be read now: those whose parents are finished, or gone.

    `finished` are closed shards whose last record is done.
    """
    listed = list(shards)
    known = {shard.shard_id for shard in listed}
    return [
        shard.shard_id
        for shard in listed
        if shard.shard_id not in finished
        and all(parent in finished or parent not in known for parent in shard.parents)
    ]
