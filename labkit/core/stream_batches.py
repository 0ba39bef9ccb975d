"""What the event source mappings of streams work with: settings, batches, what became of them.

Source: developer guide, "Using Lambda with Amazon Kinesis Data Streams", "... Amazon DynamoDB
Streams" and their pages on errors, partial batch responses and tumbling windows.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Generic, Protocol, TypeVar

from labkit.core import quotas

SIZE, WINDOW, PAYLOAD, AVAILABLE = "size", "window", "payload", "available"
BISECT: Final = "bisect"
"""What made a batch: it was full, its window was over, the 6 MB were reached, nothing more was
there to read, or a failed batch was split."""

RETRY_ATTEMPTS_EXHAUSTED: Final = "RetryAttemptsExhausted"
RECORD_AGE_EXCEEDED: Final = "RecordAgeExceeded"
"""Why a batch is given up."""

RETENTION_DEFAULT_S: Final = 86_400.0
# How long a batch waits for its next attempt is not documented. With a maximum age of 60 s a record
# that always failed was attempted 8 times, which fits waits of 2, 4, 8, 10, 10... seconds.
_BACKOFF_BASE: Final = 2.0
_BACKOFF_MAX_S: Final = 10.0
_DOUBLINGS_MAX: Final = 40


class StreamRecord(Protocol):
    """What the rules need to know of a record.

    `sequence_number` identifies it within its shard; `partition_key` is what keeps its order
    (DynamoDB: the item's keys); `arrived_ms` is when the stream took it; `size_bytes` is the size
    of its record in the event.
    """

    @property
    def sequence_number(self) -> str: ...

    @property
    def partition_key(self) -> str: ...

    @property
    def arrived_ms(self) -> float: ...

    @property
    def size_bytes(self) -> int: ...


R = TypeVar("R", bound=StreamRecord)


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamSettings:
    """The settings that the shards of a mapping follow.

    -1 as `maximum_retry_attempts` or `maximum_record_age_s` means no limit but the retention of
    the stream. `polls_per_s` is 1 for Kinesis and 4 for DynamoDB, `poll_records_max` what one of
    them brings at most. `backoff_max_s` is the longest wait between two attempts.
    """

    batch_size: int = quotas.BATCH_SIZE_STREAM_DEFAULT
    window_s: float = 0.0
    parallelization_factor: int = 1
    bisect_batch_on_function_error: bool = False
    maximum_retry_attempts: int = -1
    maximum_record_age_s: float = -1.0
    tumbling_window_s: float = 0.0
    report_batch_item_failures: bool = False
    polls_per_s: float = float(quotas.KINESIS_POLLS_PER_S)
    poll_records_max: int = quotas.KINESIS_POLL_RECORDS_MAX
    backoff_max_s: float = _BACKOFF_MAX_S
    retention_s: float = RETENTION_DEFAULT_S

    def expires_ms(self, arrived_ms: float) -> float:
        """Return when a record that arrived then is given up unprocessed."""
        age_s = self.retention_s
        if self.maximum_record_age_s >= 0:
            age_s = min(age_s, self.maximum_record_age_s)
        return arrived_ms + age_s * 1000

    def backoff_ms(self, failures: int) -> float:
        """Return how long to wait after so many failures in a row."""
        wait_s = _BACKOFF_BASE ** min(failures, _DOUBLINGS_MAX)
        return min(self.backoff_max_s, wait_s) * 1000

    def may_retry(self, retries: int) -> bool:
        """Tell whether a batch that was tried again so many times may be tried once more."""
        return self.maximum_retry_attempts < 0 or retries < self.maximum_retry_attempts


@dataclass(frozen=True, slots=True)
class WindowCall:
    """What an invocation says of its tumbling window, from `start_ms` to before `end_ms`.

    `state` is what the function returned the last time. The final invocation of a window has no
    records; `is_terminated_early` tells that the state had outgrown 1 MB.
    """

    start_ms: float
    end_ms: float
    state: Mapping[str, object]
    is_final: bool = False
    is_terminated_early: bool = False


@dataclass(slots=True, eq=False)
class StreamBatch(Generic[R]):
    """Records of one invocation, in the order of the shard. The next attempt is a new object.

    `name` is unique in the shard: "3", and "3.1", "3.2" for the halves of a split batch. The batch
    was gathered from `opened_ms` on and closed at `formed_ms`. `retries` counts the attempts before
    this one that count against the maximum, `failures` those in a row that failed for whatever
    reason. The batch is not tried before `due_ms`; `begun_ms` is when this attempt began.
    `request_id` is that of the last attempt, kept here by the driver.
    """

    name: str
    lane: int
    records: tuple[R, ...]
    reason: str
    opened_ms: float
    formed_ms: float
    window: WindowCall | None = None
    retries: int = 0
    failures: int = 0
    due_ms: float = 0.0
    begun_ms: float = 0.0
    request_id: str = ""

    @property
    def attempt(self) -> int:
        """The number of this attempt, or of the next; a throttled one does not count."""
        return self.retries + 1

    @property
    def arrived_ms(self) -> float:
        """When the first record arrived; for the last call of a window, when that ended."""
        if self.records or self.window is None:
            return self.records[0].arrived_ms
        return self.window.end_ms

    @property
    def iterator_age_ms(self) -> float | None:
        """How old the last record was when the attempt began."""
        return max(0.0, self.begun_ms - self.records[-1].arrived_ms) if self.records else None


@dataclass(frozen=True, slots=True)
class Drop(Generic[R]):
    """Records that are given up.

    `condition` is "RetryAttemptsExhausted" or "RecordAgeExceeded"; `invoke_count` is what the
    on-failure destination is told, at least 1; `request_id` is that of the last attempt, if any.
    """

    batch: str
    lane: int
    records: tuple[R, ...]
    condition: str
    invoke_count: int
    request_id: str = ""


@dataclass(frozen=True, slots=True)
class Outcome(Generic[R]):
    """What became of an attempt at a batch.

    `outcome` is "success", "partial", "error" or "timeout". `failed_records` counts those that come
    again or are given up: everything from the first failed one on. `retry` is the batch that is
    tried next, at its `due_ms`; `halves` are the two parts of a batch that was split, of which
    `retry` is the first; `dropped` is what is given up.
    """

    outcome: str
    failed_records: int = 0
    retry: StreamBatch[R] | None = None
    halves: tuple[StreamBatch[R], ...] = ()
    dropped: Drop[R] | None = None


def lane_of(partition_key: str, parallelization_factor: int) -> int:
    """Return which of a shard's concurrent batches takes the records with this partition key."""
    return zlib.crc32(partition_key.encode("utf-8", "replace")) % parallelization_factor
