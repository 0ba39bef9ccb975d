"""What a poller is given, and what it is asked to do.

The registry of mappings makes one poller for each enabled mapping and speaks to it through
`Poller`; a poller acts on the lab through its `PollerContext`.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Protocol

from labkit.core.clock import Clock
from labkit.core.mapping import MappingConfig
from labkit.live.calls import Calls
from labkit.live.context import Events
from labkit.live.pollers.queue_port import QueueStore
from labkit.live.pollers.stream_port import Destinations, StreamStore
from labkit.live.settings import Settings
from labkit.live.workers import Workers


@dataclass(slots=True, eq=False, kw_only=True)
class Mapping:
    """One event source mapping, as its poller sees it.

    An update of the mapping replaces `function_arn`, `role_arn` and `config` before the poller's
    `update` is called: read them anew for each batch. `function_arn` has the version or alias that
    the mapping was made for, if any; `role_arn` is the function's execution role.
    """

    uuid: str
    arn: str
    function_arn: str
    event_source_arn: str
    role_arn: str
    config: MappingConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class PollerContext:
    """The lab around the pollers."""

    clock: Clock
    settings: Settings
    events: Events
    workers: Workers
    calls: Calls
    queues: QueueStore
    streams: StreamStore
    destinations: Destinations
    random: random.Random = field(default_factory=random.Random)


class Poller(Protocol):
    """Polls the source of one mapping. All methods return at once."""

    last_result: str | None
    """LastProcessingResult of the mapping; None where the source has none."""

    def start(self) -> None:
        """Begin to poll, or go on after `stop`."""

    def stop(self) -> None:
        """Take no more records; batches that run are finished."""

    def update(self, config: MappingConfig) -> None:
        """Follow other settings from now on."""


class PollerFactory(Protocol):
    """Makes the poller of a mapping: the class of a poller, or a function like it."""

    def __call__(self, *, mapping: Mapping, context: PollerContext) -> Poller: ...
