"""What the poller of an SQS mapping needs around it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from labkit.core.clock import Clock
from labkit.live.calls import Calls
from labkit.live.context import Events
from labkit.live.workers import Workers


class ReceivedMessage(Protocol):
    """One message as ReceiveMessage gives it, its attributes in the form of the Lambda record."""

    @property
    def message_id(self) -> str: ...

    @property
    def receipt_handle(self) -> str: ...

    @property
    def body(self) -> str: ...

    @property
    def attributes(self) -> Mapping[str, str]: ...

    @property
    def message_attributes(self) -> Mapping[str, Mapping[str, Any]]: ...

    @property
    def md5_of_body(self) -> str: ...

    @property
    def md5_of_message_attributes(self) -> str | None: ...

    @property
    def group_id(self) -> str | None: ...


class QueueHandle(Protocol):
    """One queue. Its methods may be called from any thread."""

    @property
    def arn(self) -> str: ...

    @property
    def exists(self) -> bool:
        """False from the deletion on, also when a queue of the same name is created later."""

    @property
    def visibility_timeout_s(self) -> float: ...

    def receive(
        self, limit: int, exclude_groups: frozenset[str] = frozenset()
    ) -> Sequence[ReceivedMessage]:
        """Receive up to `limit` messages, none of `exclude_groups`: they become invisible."""

    def delete(self, receipt_handles: Sequence[str]) -> None:
        """Delete messages; those that are gone, as all of a deleted queue, do not matter."""

    def make_visible(self, receipt_handles: Sequence[str]) -> None:
        """End the visibility timeout of messages now."""

    def visible_count(self) -> int:
        """How many messages are visible."""

    def next_visible_ms(self) -> float | None:
        """When the next message in flight or delayed becomes visible, in lab time."""

    def watch(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Call `callback` after a message became visible other than by the passing of time, and
        after the queue was deleted. Returns what ends that."""


class QueueStore(Protocol):
    """The queues of the lab."""

    def find(self, queue_arn: str) -> QueueHandle | None:
        """The queue of an ARN, None if there is none."""

    def watch_creation(self, queue_arn: str, callback: Callable[[], None]) -> Callable[[], None]:
        """Call `callback` after a queue with this ARN was created. Returns what ends that."""


class Filters(Protocol):
    """The filter criteria of a mapping."""

    def matches(self, record: Mapping[str, object], source: str) -> bool: ...


class QueueConfig(Protocol):
    """The settings of a mapping that matter for a queue."""

    @property
    def batch_size(self) -> int: ...

    @property
    def maximum_batching_window_s(self) -> float: ...

    @property
    def maximum_concurrency(self) -> int | None: ...

    @property
    def minimum_pollers(self) -> int | None: ...

    @property
    def maximum_pollers(self) -> int | None: ...

    @property
    def report_batch_item_failures(self) -> bool: ...

    @property
    def filters(self) -> Filters | None: ...


class QueueMapping(Protocol):
    """An event source mapping of a queue."""

    @property
    def uuid(self) -> str: ...

    @property
    def function_arn(self) -> str: ...

    @property
    def event_source_arn(self) -> str: ...

    @property
    def config(self) -> QueueConfig: ...


class QueueContext(Protocol):
    """The lab around the poller."""

    @property
    def clock(self) -> Clock: ...

    @property
    def events(self) -> Events: ...

    @property
    def workers(self) -> Workers: ...

    @property
    def calls(self) -> Calls: ...

    @property
    def queues(self) -> QueueStore: ...
