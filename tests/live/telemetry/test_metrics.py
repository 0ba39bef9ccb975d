from __future__ import annotations

from collections.abc import Iterator

import pytest

from labkit.core.events import Event, EventKind
from labkit.core.metrics import DataPoint, Facts
from labkit.live.clock import LabClock
from labkit.live.event_log import EventLog
from labkit.live.settings import Settings
from labkit.live.telemetry.metrics import MetricStore, Series, SeriesKey

OF_FUNCTION = (("FunctionName", "f"),)


class OneRegion:
    def __init__(self) -> None:
        self.asked = 0

    def region_of(self, event: Event) -> str:
        return "there" if event.function == "g" else "here"

    def facts(self, region: str) -> Facts:
        self.asked += 1
        return Facts()


class Bench:
    def __init__(self) -> None:
        self.clock = LabClock()
        self.events = EventLog(self.clock, Settings())
        self.facts = OneRegion()
        self.store = MetricStore(self.events, self.facts)

    def invoked(self, function: str = "f") -> None:
        self.events.append(EventKind.INVOKE_ENDED, function=function, outcome="success")

    def total(self, region: str, name: str = "Invocations") -> float:
        found = 0.0

        def add(series: dict[SeriesKey, Series]) -> None:
            nonlocal found
            one = series.get((region, name, ()))
            for sample in one.minutes.values() if one else ():
                found += sample.statistic("Sum") or 0.0

        self.store.read(add)
        return found


@pytest.fixture
def bench() -> Iterator[Bench]:
    bench = Bench()
    yield bench
    bench.store.close()
    bench.clock.close()


def test_metrics_are_there_as_soon_as_one_asks(bench: Bench) -> None:
    assert bench.total("here") == 0
    bench.invoked()
    bench.invoked()
    bench.invoked("g")
    assert (bench.total("here"), bench.total("there")) == (2, 1)
    bench.invoked()
    assert bench.total("here") == 3


def test_values_are_kept_by_the_minute(bench: Bench) -> None:
    bench.invoked()
    bench.clock.advance(120)
    bench.invoked()
    minutes: list[int] = []
    bench.store.read(
        lambda series: minutes.extend(series["here", "Invocations", OF_FUNCTION].minutes)
    )
    assert minutes[1] - minutes[0] in (2, 3)


def test_a_long_queue_of_events_is_worked_off_by_itself(bench: Bench) -> None:
    for _ in range(12_000):
        bench.invoked()
    assert bench.total("here") == 12_000
    assert bench.facts.asked <= 5


def test_what_is_forgotten(bench: Bench) -> None:
    bench.invoked()
    bench.store.clear()
    assert bench.total("here") == 0
    bench.invoked()
    assert bench.total("here") == 1


def test_the_oldest_minutes_go() -> None:
    series = Series("Count")
    for minute in range(15 * 24 * 60 + 2):
        series.add(DataPoint("Invocations", "Count", 1.0, minute * 60_000.0, ()))
    assert (min(series.minutes), len(series.minutes)) == (2, 15 * 24 * 60)
