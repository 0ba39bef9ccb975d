"""The pollers of all event source mappings: one for each that has been enabled."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

from labkit.live.pollers.context import Mapping, Poller, PollerContext, PollerFactory
from labkit.live.pollers.sqs import SqsPoller
from labkit.live.pollers.streams import StreamPoller


@dataclass(slots=True, eq=False)
class _Polled:
    mapping: Mapping
    poller: Poller


class MappingPollers:
    """Starts, pauses, updates and ends pollers. Safe to use from several threads.

    `wait_ready` returns when the services that hold the sources have been loaded. `sqs` and
    `streams` make a poller.
    """

    def __init__(
        self,
        context: PollerContext,
        wait_ready: Callable[[], object],
        *,
        sqs: PollerFactory = SqsPoller,
        streams: PollerFactory = StreamPoller,
    ) -> None:
        self._context = context
        self._wait_ready = wait_ready
        self._sqs = sqs
        self._streams = streams
        self._lock = threading.Lock()
        self._polled: dict[str, _Polled] = {}

    def queue_visibility_timeout_s(self, queue_arn: str) -> float | None:
        """Return the visibility timeout of a queue, None if there is no such queue."""
        self._wait_ready()
        queue = self._context.queues.find(queue_arn)
        return None if queue is None else queue.visibility_timeout_s

    def stream_exists(self, stream_arn: str) -> bool:
        """Tell whether there is a stream with this ARN."""
        self._wait_ready()
        return self._context.streams.find(stream_arn) is not None

    def run(self, mapping: Mapping) -> None:
        """Start to poll for a mapping, or follow its other settings from now on.

        `mapping` is a copy of the mapping as it is now.
        """
        with self._lock:
            polled = self._polled.get(mapping.uuid)
            if polled is None:
                make = self._sqs if ":sqs:" in mapping.event_source_arn else self._streams
                poller = make(mapping=mapping, context=self._context)
                self._polled[mapping.uuid] = _Polled(mapping, poller)
                poller.start()
                return
            polled.mapping.function_arn = mapping.function_arn
            polled.mapping.role_arn = mapping.role_arn
            polled.mapping.config = mapping.config
            polled.poller.update(mapping.config)
            polled.poller.start()

    def pause(self, uuid: str) -> None:
        """Take no more records for a mapping; batches that run are finished."""
        with self._lock:
            polled = self._polled.get(uuid)
            if polled is not None:
                polled.poller.stop()

    def remove(self, uuid: str) -> None:
        """Do as `pause` does, and forget the mapping."""
        with self._lock:
            polled = self._polled.pop(uuid, None)
            if polled is not None:
                polled.poller.stop()

    def last_result(self, uuid: str) -> str | None:
        """Return LastProcessingResult of a mapping, None if it has none."""
        polled = self._polled.get(uuid)
        return None if polled is None else polled.poller.last_result
