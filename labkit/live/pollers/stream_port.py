"""What the poller of a stream's mapping needs around it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from labkit.core.clock import Clock
from labkit.live.calls import Calls
from labkit.live.context import Events
from labkit.live.moto_seam.streams import StreamHandle
from labkit.live.settings import Settings
from labkit.live.workers import Workers


class StreamStore(Protocol):
    """The streams of the lab."""

    def find(self, stream_arn: str) -> StreamHandle | None:
        """The stream of an ARN, None if there is none."""

    def watch(self, stream_arn: str, callback: Callable[[], None]) -> Callable[[], None]:
        """Call `callback` after records have come, shards have changed, or the stream has been
        deleted or made. Returns what ends that."""


class Destinations(Protocol):
    """Where the records of batches go that were given up."""

    def deliver_batch_failure(
        self,
        target_arn: str,
        record: dict[str, object],
        *,
        mapping_uuid: str,
        shard_id: str,
        records: int,
        payload: str | None,
    ) -> None:
        """Send `record`; `payload` is the event of the batch, for an S3 bucket."""


class Filters(Protocol):
    """The filter criteria of a mapping."""

    def matches(self, record: Mapping[str, object], source: str) -> bool: ...


class StreamConfig(Protocol):
    """The settings of a mapping that matter for a stream."""

    @property
    def batch_size(self) -> int: ...

    @property
    def maximum_batching_window_s(self) -> float: ...

    @property
    def parallelization_factor(self) -> int: ...

    @property
    def bisect_batch_on_function_error(self) -> bool: ...

    @property
    def maximum_retry_attempts(self) -> int: ...

    @property
    def maximum_record_age_s(self) -> float: ...

    @property
    def tumbling_window_s(self) -> float: ...

    @property
    def report_batch_item_failures(self) -> bool: ...

    @property
    def filters(self) -> Filters | None: ...

    @property
    def starting_position(self) -> str | None: ...

    @property
    def starting_position_timestamp_s(self) -> float | None: ...

    @property
    def on_failure_destination(self) -> str | None: ...


class StreamMapping(Protocol):
    """An event source mapping of a stream."""

    @property
    def uuid(self) -> str: ...

    @property
    def function_arn(self) -> str: ...

    @property
    def event_source_arn(self) -> str: ...

    @property
    def role_arn(self) -> str: ...

    @property
    def config(self) -> StreamConfig: ...


class StreamContext(Protocol):
    """The lab around the poller."""

    @property
    def clock(self) -> Clock: ...

    @property
    def settings(self) -> Settings: ...

    @property
    def events(self) -> Events: ...

    @property
    def workers(self) -> Workers: ...

    @property
    def calls(self) -> Calls: ...

    @property
    def streams(self) -> StreamStore: ...

    @property
    def destinations(self) -> Destinations: ...
