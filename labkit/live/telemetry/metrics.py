"""The metrics of Lambda: made from the event log, kept by the minute, for CloudWatch to answer.

An event costs the invocation nothing but its place in a queue; the metrics are made when somebody
asks for them, or when the queue has grown long.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable
from typing import Final, Protocol

from labkit.core.events import Event
from labkit.core.metric_statistics import Sample
from labkit.core.metrics import DataPoint, Dimensions, Facts, LambdaMetrics
from labkit.live.event_log import EventLog

_log = logging.getLogger(__name__)

NAMESPACE: Final = "AWS/Lambda"
_QUEUE_MAX: Final = 5_000
_MINUTE_MS: Final = 60_000
_MINUTES_KEPT: Final = 15 * 24 * 60  # of CloudWatch, for data points of one minute

SeriesKey = tuple[str, str, Dimensions]
"""The Region, the metric's name, its dimensions."""


class LambdaFacts(Protocol):
    """What the Lambda API knows beside the events."""

    def region_of(self, event: Event) -> str:
        """Return the Region in which something happened."""

    def facts(self, region: str) -> Facts:
        """Return what the metrics of a Region need to know now."""


class Series:
    """One metric with its dimensions: a sample for each minute since 1970 that has one."""

    __slots__ = ("minutes", "unit")

    def __init__(self, unit: str) -> None:
        self.unit = unit
        self.minutes: dict[int, Sample] = {}

    def add(self, point: DataPoint) -> None:
        """Add a value; the oldest minute is dropped when there are too many."""
        minute = int(point.time_ms // _MINUTE_MS)
        sample = self.minutes.get(minute)
        if sample is None:
            sample = self.minutes[minute] = Sample()
            if len(self.minutes) > _MINUTES_KEPT:
                del self.minutes[min(self.minutes)]
        sample.values[point.value] += 1


class MetricStore:
    """Follows an event log and keeps the metrics. Safe to use from several threads."""

    def __init__(self, events: EventLog, facts: LambdaFacts) -> None:
        self._facts = facts
        self._queue: deque[Event] = deque()
        self._lock = threading.Lock()
        self._regions: dict[str, LambdaMetrics] = {}
        self._series: dict[SeriesKey, Series] = {}
        self._full = threading.Event()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="lab metrics", daemon=True)
        self._thread.start()
        events.subscribe(self._take)

    def read(self, use: Callable[[dict[SeriesKey, Series]], None]) -> None:
        """Call `use` with all series as of now; they may change when it has returned."""
        with self._lock:
            self._flush()
            use(self._series)

    def clear(self) -> None:
        """Forget all metrics; which environments are at work is known on."""
        with self._lock:
            self._flush()
            self._series.clear()

    def close(self) -> None:
        """End the thread."""
        self._closed = True
        self._full.set()
        self._thread.join()

    def _take(self, event: Event) -> None:
        self._queue.append(event)
        if len(self._queue) >= _QUEUE_MAX:
            self._full.set()

    def _run(self) -> None:
        while self._full.wait() and not self._closed:
            self._full.clear()
            try:
                with self._lock:
                    self._flush()
            except Exception:
                _log.exception("an event of the lab gave no metrics")

    def _flush(self) -> None:
        """Make the metrics of the events in the queue. The caller holds the lock."""
        known: set[str] = set()
        while self._queue:
            event = self._queue.popleft()
            region = self._facts.region_of(event)
            metrics = self._regions.setdefault(region, LambdaMetrics())
            if region not in known:
                metrics.facts = self._facts.facts(region)
                known.add(region)
            for point in metrics.take(event):
                key = (region, point.name, point.dimensions)
                series = self._series.get(key)
                if series is None:
                    series = self._series[key] = Series(point.unit)
                series.add(point)
