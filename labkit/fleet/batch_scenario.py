"""Records that arrive at an event source mapping, and what became of them: before and after."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Final, NamedTuple

from labkit.core import quotas
from labkit.core.events import Event, EventKind
from labkit.fleet.clock import VirtualClock

SQS, KINESIS = "sqs", "kinesis"
SOURCES: Final = (SQS, KINESIS)
DONE, DEAD_LETTER, DISCARDED, WAITING = "done", "dead_letter", "discarded", "waiting"
"""How a record's life ends: handled, in the dead-letter queue, given up by the mapping, or not at
all within the time that was played."""

FUNCTION: Final = "batch-handler"
MAPPING: Final = "mapping"
_KEYS: Final = "ABCDEF"


class Answer(NamedTuple):
    """What Invoke gives: the response, and whether it is a function error."""

    payload: bytes
    is_function_error: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchScenario:
    """What arrives, how the mapping is set, and what the function does.

    Records are numbered from 1 in their order; `arrivals_ms` and `keys` tell when each one arrives
    and with which partition key. The function takes `invocation_ms` for a batch and `record_ms`
    more for each record, and fails on `poisoned` records each time: with
    `report_batch_item_failures` it names them, otherwise it raises an error.

    `visibility_timeout_s` and `max_receive_count` belong to a queue; `parallelization_factor`,
    `bisect_batch` and `maximum_retry_attempts` (-1: until the record expires) to a stream, which
    here has one shard. Play ends at `horizon_s`.
    """

    source: str
    arrivals_ms: tuple[float, ...]
    keys: tuple[str, ...]
    poisoned: frozenset[int] = frozenset()
    batch_size: int = 10
    batching_window_s: float = 0.0
    report_batch_item_failures: bool = False
    invocation_ms: float = 500.0
    record_ms: float = 100.0
    visibility_timeout_s: float = 12.0
    max_receive_count: int = 3
    parallelization_factor: int = 1
    bisect_batch: bool = False
    maximum_retry_attempts: int = 2
    horizon_s: float = 120.0

    def __post_init__(self) -> None:
        if self.source not in SOURCES:
            raise ValueError(f"source is one of {', '.join(SOURCES)}, not {self.source!r}")
        if len(self.keys) != len(self.arrivals_ms):
            raise ValueError("each record has a time of arrival and a key")
        _check("batch_size", self.batch_size, 1, quotas.BATCH_SIZE_MAX)
        is_large = self.batch_size > quotas.BATCH_SIZE_WITHOUT_WINDOW_MAX
        if self.source == SQS and is_large and not self.batching_window_s:
            raise ValueError(
                f"a batch_size over {quotas.BATCH_SIZE_WITHOUT_WINDOW_MAX} needs a "
                "batching_window_s of at least 1"
            )
        _check("batching_window_s", self.batching_window_s, 0, quotas.BATCHING_WINDOW_S_MAX)
        factor_max = quotas.PARALLELIZATION_FACTOR_MAX
        _check("parallelization_factor", self.parallelization_factor, 1, factor_max)
        _check("visibility_timeout_s", self.visibility_timeout_s, 0, 43_200)
        _check("max_receive_count", self.max_receive_count, 1, 1_000)
        retries_max = quotas.RECORD_RETRY_ATTEMPTS_MAX
        _check("maximum_retry_attempts", self.maximum_retry_attempts, -1, retries_max)
        if not (self.horizon_s > 0 and math.isfinite(self.horizon_s)):
            raise ValueError(f"horizon_s is a time above 0, not {self.horizon_s!r}")

    def duration_ms(self, records: int) -> float:
        """Return how long an invocation with so many records takes."""
        return self.invocation_ms + self.record_ms * records

    def answer(self, records: Sequence[int]) -> Answer:
        """Return what the function answers to a batch of these records."""
        failed = [number for number in records if number in self.poisoned]
        if failed and not self.report_batch_item_failures:
            return Answer(b'{"errorMessage": "poisoned"}', True)
        items = [{"itemIdentifier": str(number)} for number in failed]
        return Answer(json.dumps({"batchItemFailures": items}).encode(), False)


def arriving(count: int, rate_per_s: float, seed: int) -> tuple[tuple[float, ...], tuple[str, ...]]:
    """Return times of arrival and partition keys of `count` records that come at random.

    The first one comes at 0. The same seed gives the same records.
    """
    draws = random.Random(seed)
    times, now_ms = [], 0.0
    for _ in range(count):
        times.append(round(now_ms, 1))
        now_ms += draws.expovariate(rate_per_s) * 1000
    return tuple(times), tuple(draws.choice(_KEYS) for _ in range(count))


@dataclass(frozen=True, slots=True)
class Attempt:
    """One invocation with a batch.

    `lane` is the sub-shard of a stream, 0 for a queue. The batch was gathered from `opened_ms` on
    and closed at `formed_ms`. `records` are the numbers of its records, `failed` those of them that
    come again or are given up.
    """

    batch: str
    lane: int
    attempt: int
    reason: str
    opened_ms: float
    formed_ms: float
    start_ms: float
    end_ms: float
    outcome: str
    records: tuple[int, ...]
    failed: tuple[int, ...]


@dataclass(slots=True)
class Life:
    """What became of a record.

    `visible_ms` are the times at which it could be had: its arrival, and each time that it came
    back. `end` is DONE, DEAD_LETTER, DISCARDED or WAITING, reached at `ended_ms`.
    """

    number: int
    key: str
    arrived_ms: float
    lane: int = 0
    visible_ms: list[float] = field(default_factory=list)
    attempts: int = 0
    end: str = WAITING
    ended_ms: float | None = None


@dataclass(frozen=True, slots=True)
class Blocked:
    """A time in which a lane of a stream tries what failed again, and does nothing else."""

    lane: int
    from_ms: float
    to_ms: float


@dataclass(frozen=True, slots=True)
class Run:
    """A scenario that has been played: its lives, its attempts and its events, each in order."""

    scenario: BatchScenario
    lives: tuple[Life, ...]
    attempts: tuple[Attempt, ...]
    events: tuple[Event, ...]
    end_ms: float

    @property
    def blocked(self) -> list[Blocked]:
        """When lanes were blocked, in the order of time; a queue never is."""
        found: list[Blocked] = []
        until_ms: dict[int, float] = {}
        attempts = self.attempts if self.scenario.source == KINESIS else ()
        for attempt in attempts:
            if not attempt.failed or attempt.start_ms < until_ms.get(attempt.lane, 0.0):
                continue
            ends = [self.lives[number - 1].ended_ms for number in attempt.failed]
            to_ms = max(self.end_ms if end_ms is None else end_ms for end_ms in ends)
            until_ms[attempt.lane] = to_ms
            if to_ms > attempt.end_ms:
                found.append(Blocked(attempt.lane, attempt.end_ms, to_ms))
        return found

    def count(self, end: str) -> int:
        """Return how many records have ended so."""
        return sum(life.end == end for life in self.lives)

    @property
    def repeated(self) -> int:
        """How many times a record was handed to the function that had been there before."""
        return sum(max(0, life.attempts - 1) for life in self.lives)

    @property
    def busy_ms(self) -> float:
        """The duration of all invocations together."""
        return sum(attempt.end_ms - attempt.start_ms for attempt in self.attempts)

    @property
    def longest_ms(self) -> float | None:
        """The longest time from a record's arrival to its success; None without a success."""
        ages = [
            life.ended_ms - life.arrived_ms
            for life in self.lives
            if life.end == DONE and life.ended_ms is not None
        ]
        return max(ages, default=None)


class Recorder:
    """Keeps what a driver tells of a run."""

    def __init__(self, scenario: BatchScenario, clock: VirtualClock) -> None:
        self.scenario, self.clock = scenario, clock
        pairs = zip(scenario.arrivals_ms, scenario.keys, strict=True)
        self.lives = [Life(number, key, at_ms) for number, (at_ms, key) in enumerate(pairs, 1)]
        self.attempts: list[Attempt] = []
        self.events: list[Event] = []

    def life(self, number: int) -> Life:
        """Return the life of the record with this number."""
        return self.lives[number - 1]

    def arrivals(self, receive: Callable[[list[Life]], None]) -> None:
        """Have `receive` called with the records of each moment at which some arrive."""
        moments: dict[float, list[Life]] = {}
        for life in self.lives:
            moments.setdefault(life.arrived_ms, []).append(life)
        for time_ms, lives in moments.items():
            self.clock.call_at(time_ms, partial(self._arrive, lives, receive))

    def emit(self, kind: EventKind, **fields: object) -> None:
        """Write an event of the mapping, now."""
        seq = len(self.events) + 1
        now_ms = self.clock.now_ms()
        event = Event(seq=seq, time_ms=now_ms, kind=kind, function=FUNCTION, mapping=MAPPING)
        self.events.append(replace(event, **fields))  # type: ignore[arg-type]

    def _arrive(self, lives: list[Life], receive: Callable[[list[Life]], None]) -> None:
        for life in lives:
            life.visible_ms.append(self.clock.now_ms())
        receive(lives)

    def attempted(self, attempt: Attempt) -> None:
        """An invocation with a batch has ended."""
        self.attempts.append(attempt)
        for number in attempt.records:
            self.life(number).attempts += 1
            if number not in attempt.failed and self.life(number).end == WAITING:
                self.ended(number, DONE)

    def ended(self, number: int, end: str) -> None:
        """A record's life has ended, now."""
        life = self.life(number)
        life.end, life.ended_ms = end, self.clock.now_ms()

    def run(self) -> Run:
        """Return all that was told."""
        attempts = tuple(sorted(self.attempts, key=lambda each: (each.start_ms, each.batch)))
        times = [life.ended_ms for life in self.lives if life.ended_ms is not None]
        times += [attempt.end_ms for attempt in attempts]
        is_over = all(life.end != WAITING for life in self.lives)
        end_ms = max(times, default=0.0) if is_over else self.clock.now_ms()
        return Run(self.scenario, tuple(self.lives), attempts, tuple(self.events), end_ms)


def _check(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise ValueError(f"{name} is from {low:,} to {high:,}, not {value!r}")
