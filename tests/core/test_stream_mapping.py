"""The rules of a stream's mapping: polls, batches, retries, splits, drops and their order."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit.core import quotas
from labkit.core.stream_batches import (
    AVAILABLE,
    BISECT,
    PAYLOAD,
    RECORD_AGE_EXCEEDED,
    RETRY_ATTEMPTS_EXHAUSTED,
    SIZE,
    WINDOW,
    Drop,
    StreamBatch,
    StreamSettings,
    lane_of,
)
from labkit.core.stream_mapping import ShardInfo, StreamShard, readable

KIB = 1024
ERROR = b'{"errorMessage": "boom", "errorType": "ValueError"}'


@dataclass(frozen=True)
class Record:
    number: int
    partition_key: str = "a"
    arrived_ms: float = 0.0
    size_bytes: int = 100

    @property
    def sequence_number(self) -> str:
        return str(self.number)


Batch = StreamBatch[Record]


def shard(**settings: object) -> StreamShard[Record]:
    return StreamShard(StreamSettings(**settings), 0)  # type: ignore[arg-type]


def records(*numbers: int, arrived_ms: float = 0.0) -> list[Record]:
    return [Record(number, arrived_ms=arrived_ms) for number in numbers]


def numbers(batch: Batch | Drop[Record]) -> list[int]:
    return [record.number for record in batch.records]


def take(rules: StreamShard[Record], now_ms: float = 0.0) -> Batch:
    taken = rules.take(now_ms)
    assert isinstance(taken, StreamBatch)
    return taken


def named(*failed: int) -> bytes:
    return json.dumps(
        {"batchItemFailures": [{"itemIdentifier": str(number)} for number in failed]}
    ).encode()


class Play:
    """A shard played in virtual time, with a function that is a plain Python call.

    An invocation takes no time. `handler` returns a payload, or None for a function error.
    """

    def __init__(self, handler: Callable[[Sequence[int]], bytes | None], **settings: object):
        self.rules = shard(**settings)
        self.handler = handler
        self.now_ms = 0.0
        self.tried: list[tuple[float, list[int]]] = []
        self.dropped: list[tuple[float, list[int], str, int]] = []

    def add(self, *numbers: int) -> Play:
        self.rules.add(records(*numbers, arrived_ms=self.now_ms), self.now_ms)
        return self

    def run(self, until_s: float = 1_000_000) -> Play:
        while True:
            while (taken := self.rules.take(self.now_ms)) is not None:
                if isinstance(taken, Drop):
                    self.drop(taken)
                else:
                    self.invoke(taken)
            due_ms = self.rules.next_due_ms(self.now_ms)
            if due_ms is None or due_ms > until_s * 1000:
                return self
            assert due_ms > self.now_ms
            self.now_ms = due_ms

    def invoke(self, batch: Batch) -> None:
        self.tried.append((self.now_ms / 1000, numbers(batch)))
        answer = self.handler(numbers(batch))
        outcome = self.rules.answered(
            batch, ERROR if answer is None else answer, self.now_ms, function_error=answer is None
        )
        if outcome.dropped is not None:
            self.drop(outcome.dropped)

    def drop(self, drop: Drop[Record]) -> None:
        self.dropped.append((self.now_ms / 1000, numbers(drop), drop.condition, drop.invoke_count))


def poisoned(*poison: int) -> Callable[[Sequence[int]], bytes | None]:
    return lambda batch: None if set(poison) & set(batch) else b"null"


# Polls.


def test_a_shard_is_polled_once_a_second() -> None:
    rules = shard()
    assert rules.poll_due_ms(0) == 0
    assert rules.poll_due_ms(300) == 1_000
    assert rules.poll_due_ms(86_400_000 + 1) == 86_401_000
    assert shard(polls_per_s=4).poll_due_ms(300) == 500


def test_polls_keep_their_distance() -> None:
    rules = shard(window_s=10)
    rules.add(records(1), 500)
    assert rules.poll_due_ms(500) == 1_500


def test_nothing_is_read_while_a_batch_blocks_the_shard() -> None:
    rules = shard()
    rules.add(records(1), 0)
    batch = take(rules)
    assert (rules.wants(), rules.poll_due_ms(5_000)) == (0, None)
    assert rules.answered(batch, ERROR, 5_200, function_error=True).retry is not None
    assert rules.wants() == 0
    batch = take(rules, 7_200)
    rules.answered(batch, b"null", 7_300)
    assert rules.wants() == 10_000
    assert rules.poll_due_ms(7_300) == 7_300, "the poller waited for the batch only"


def test_nothing_is_read_while_a_full_batch_waits() -> None:
    rules = shard(batch_size=2, window_s=60)
    rules.add(records(1), 0)
    assert rules.wants()
    rules.add(records(2), 1_000)
    assert not rules.wants()


@given(st.floats(0, 1e6), st.floats(0, 1e9), st.sampled_from([1.0, 4.0]))
def test_the_next_poll_is_never_past_and_at_most_an_interval_away(
    polled_ms: float, idle_ms: float, polls_per_s: float
) -> None:
    rules = StreamShard[Record](StreamSettings(polls_per_s=polls_per_s), polled_ms)
    now_ms = polled_ms + idle_ms
    due_ms = rules.poll_due_ms(now_ms)
    assert due_ms is not None
    assert now_ms <= due_ms <= now_ms + 1000 / polls_per_s + 1e-3


# What closes a batch.


def test_without_a_window_a_poll_makes_a_batch() -> None:
    rules = shard()
    rules.add(records(1, 2, 3), 0)
    batch = take(rules)
    assert (numbers(batch), batch.reason, batch.name, batch.attempt) == (
        [1, 2, 3],
        AVAILABLE,
        "1",
        1,
    )
    assert rules.take(0) is None, "one batch of a shard at a time"


def test_the_batch_size_closes_a_batch() -> None:
    rules = shard(batch_size=2)
    rules.add(records(1, 2, 3), 0)
    batch = take(rules)
    assert (numbers(batch), batch.reason) == ([1, 2], SIZE)
    rules.answered(batch, b"null", 100)
    assert numbers(take(rules, 100)) == [3]


def test_the_window_gathers_records() -> None:
    rules = shard(window_s=5)
    rules.add(records(1), 1_000)
    rules.add(records(2), 3_000)
    assert rules.take(5_999) is None
    assert rules.next_due_ms(3_000) == 6_000
    batch = take(rules, 6_000)
    assert (numbers(batch), batch.reason) == ([1, 2], WINDOW)
    assert (batch.opened_ms, batch.formed_ms) == (1_000, 6_000)


def test_a_window_begins_when_the_batch_before_is_done() -> None:
    rules = shard(window_s=5, batch_size=2)
    rules.add(records(1, 2, 3), 0)
    rules.answered(take(rules), b"null", 4_000)
    assert rules.next_due_ms(4_000) == 9_000
    assert take(rules, 9_000).opened_ms == 4_000


def test_six_megabytes_close_a_batch() -> None:
    rules = shard()
    rules.add([Record(number, size_bytes=900 * KIB) for number in range(8)], 0)
    batch = take(rules)
    assert (len(batch.records), batch.reason) == (6, PAYLOAD)


def test_the_payload_may_be_six_megabytes_to_the_byte() -> None:
    room = quotas.BATCH_PAYLOAD_MAX_BYTES - len('{"Records":[,]}')
    for over, expected in ((0, 2), (1, 1)):
        rules = shard()
        rules.add([Record(1, size_bytes=10**6), Record(2, size_bytes=room - 10**6 + over)], 0)
        assert len(take(rules).records) == expected


def test_the_iterator_age_is_that_of_the_last_record() -> None:
    rules = shard()
    rules.add([Record(1, arrived_ms=0), Record(2, arrived_ms=400)], 1_000)
    assert take(rules, 1_000).iterator_age_ms == 600


# Parallelization.


def test_lanes_run_at_once_and_keys_keep_their_lane() -> None:
    rules = shard(parallelization_factor=10)
    rules.add([Record(number, partition_key=f"k{number % 40}") for number in range(400)], 0)
    batches = []
    while (taken := rules.take(0)) is not None:
        assert isinstance(taken, StreamBatch)
        batches.append(taken)
    assert len(batches) == 10
    for batch in batches:
        assert {lane_of(each.partition_key, 10) for each in batch.records} == {batch.lane}
        assert numbers(batch) == sorted(numbers(batch))
    assert sum(len(batch.records) for batch in batches) == 400


def test_a_blocked_lane_does_not_block_the_others() -> None:
    rules = shard(parallelization_factor=2)
    first, other = "a", next(k for k in "bcdefgh" if lane_of(k, 2) != lane_of("a", 2))
    rules.add([Record(1, first)], 0)
    rules.answered(take(rules), ERROR, 0, function_error=True)
    assert rules.wants()
    rules.add([Record(2, first), Record(3, other)], 1_000)
    assert numbers(take(rules, 1_000)) == [3]
    assert rules.take(1_000) is None


def test_another_factor_waits_until_nothing_is_in_flight() -> None:
    rules = shard(batch_size=1)
    keys = ["a", next(k for k in "bcdefgh" if lane_of(k, 2) != lane_of("a", 2))]
    rules.add([Record(1, keys[0]), Record(2, keys[0]), Record(3, keys[1])], 0)
    batch = take(rules)
    rules.settings = StreamSettings(batch_size=1, parallelization_factor=2)
    assert rules.take(0) is None
    assert not rules.wants()
    rules.answered(batch, b"null", 0)
    taken = sorted(numbers(take(rules)) + numbers(take(rules)))
    assert taken == [2, 3]


@given(
    st.lists(st.sampled_from("abcdefgh"), max_size=60),
    st.integers(1, 10),
    st.integers(1, 10),
    st.sets(st.integers(0, 59)),
    st.booleans(),
    st.integers(0, 3),
)
def test_each_record_is_done_or_dropped_once_in_the_order_of_its_key(
    keys: list[str],
    factor: int,
    batch_size: int,
    poison: set[int],
    bisect: bool,
    retries: int,
) -> None:
    rules = shard(
        batch_size=batch_size,
        parallelization_factor=factor,
        bisect_batch_on_function_error=bisect,
        maximum_retry_attempts=retries,
    )
    rules.add([Record(number, key) for number, key in enumerate(keys)], 0)
    ended: list[Record] = []
    given_up: list[Record] = []
    now_ms = 0.0
    while True:
        while (taken := rules.take(now_ms)) is not None:
            assert isinstance(taken, StreamBatch)
            failed = bool(poison & set(numbers(taken)))
            outcome = rules.answered(taken, b"null", now_ms, function_error=failed)
            if not failed:
                ended += taken.records
            if outcome.dropped:
                given_up += outcome.dropped.records
                ended += outcome.dropped.records
        due_ms = rules.next_due_ms(now_ms)
        if due_ms is None:
            break
        now_ms = due_ms
    assert rules.is_idle
    assert sorted(record.number for record in ended) == list(range(len(keys)))
    for key in set(keys):
        order = [record.number for record in ended if record.partition_key == key]
        assert order == sorted(order)
    if bisect:
        assert {record.number for record in given_up} == poison & set(range(len(keys)))


# Retries.


def test_waits_double_up_to_ten_seconds() -> None:
    play = Play(poisoned(1)).add(1).run(until_s=50)
    assert [at for at, _ in play.tried] == [0, 2, 6, 14, 24, 34, 44]


def test_a_maximum_age_of_a_minute_allows_eight_attempts() -> None:
    play = Play(poisoned(1), maximum_record_age_s=60).add(1).run()
    assert len(play.tried) == 8
    assert play.dropped == [(60, [1], RECORD_AGE_EXCEEDED, 8)]


def test_retries_end_with_the_last_attempt() -> None:
    play = Play(poisoned(1), maximum_retry_attempts=2).add(1, 2).run()
    assert play.tried == [(0, [1, 2]), (2, [1, 2]), (6, [1, 2])]
    assert play.dropped == [(6, [1, 2], RETRY_ATTEMPTS_EXHAUSTED, 3)]


def test_no_retries_at_all() -> None:
    play = Play(poisoned(1), maximum_retry_attempts=0).add(1).run()
    assert play.dropped == [(0, [1], RETRY_ATTEMPTS_EXHAUSTED, 1)]


def test_without_limits_a_poison_record_blocks_until_the_stream_forgets_it() -> None:
    play = Play(poisoned(1), batch_size=1).add(1, 2)
    play.run(until_s=86_399)
    assert {tuple(tried) for _, tried in play.tried} == {(1,)}
    play.rules.settings = StreamSettings(batch_size=1, retention_s=7 * 86_400)
    play.run(until_s=7 * 86_400 - 1)
    assert not play.dropped
    play.add(3).run()
    assert play.dropped[0] == (7 * 86_400, [1], RECORD_AGE_EXCEEDED, len(play.tried) - 1)
    assert play.dropped[1][1] == [2], "what waited behind it has expired as well"
    assert play.tried[-1] == (7 * 86_400, [3])


def test_only_the_records_that_are_too_old_are_given_up() -> None:
    play = Play(poisoned(1), maximum_record_age_s=60, batch_size=2, window_s=300)
    play.add(1)
    play.now_ms = 30_000
    play.add(2).run(until_s=64)
    assert play.dropped == [(60, [1], RECORD_AGE_EXCEEDED, 5)]
    assert play.tried[-1][1] == [2]


def test_a_record_too_old_on_arrival_counts_one_attempt() -> None:
    rules = shard(maximum_record_age_s=60)
    rules.add([Record(1, arrived_ms=0), Record(2, arrived_ms=50_000)], 61_000)
    dropped = rules.take(61_000)
    assert isinstance(dropped, Drop)
    assert (numbers(dropped), dropped.condition, dropped.invoke_count) == (
        [1],
        RECORD_AGE_EXCEEDED,
        1,
    )
    assert numbers(take(rules, 61_000)) == [2]


def test_throttles_do_not_count_as_retries() -> None:
    rules = shard(maximum_retry_attempts=1)
    rules.add(records(1), 0)
    now_ms, waits = 0.0, []
    for _ in range(6):
        batch = take(rules, now_ms)
        assert batch.attempt == 1
        retry = rules.throttled(batch, now_ms)
        waits.append((retry.due_ms - now_ms) / 1000)
        now_ms = retry.due_ms
    assert waits == [2, 4, 8, 10, 10, 10]
    outcome = rules.answered(take(rules, now_ms), ERROR, now_ms, function_error=True)
    assert outcome.retry is not None
    assert outcome.retry.attempt == 2
    now_ms = outcome.retry.due_ms
    outcome = rules.answered(take(rules, now_ms), ERROR, now_ms, function_error=True)
    assert outcome.dropped is not None
    assert outcome.dropped.invoke_count == 2


def test_a_shorter_longest_wait() -> None:
    play = Play(poisoned(1), backoff_max_s=3, maximum_retry_attempts=3).add(1).run()
    assert [at for at, _ in play.tried] == [0, 2, 5, 8]


# Bisecting.


def test_a_failed_batch_is_halved_down_to_the_poison() -> None:
    play = (
        Play(poisoned(3), bisect_batch_on_function_error=True, maximum_retry_attempts=1)
        .add(1, 2, 3, 4)
        .run()
    )
    assert [tried for _, tried in play.tried] == [[1, 2, 3, 4], [1, 2], [3, 4], [3], [3], [4]]
    assert play.dropped == [(8, [3], RETRY_ATTEMPTS_EXHAUSTED, 2)]


def test_the_halves_have_names_of_their_own() -> None:
    rules = shard(bisect_batch_on_function_error=True)
    rules.add(records(1, 2, 3), 0)
    outcome = rules.answered(take(rules), ERROR, 0, function_error=True)
    assert [(half.name, numbers(half), half.reason) for half in outcome.halves] == [
        ("1.1", [1], BISECT),
        ("1.2", [2, 3], BISECT),
    ]
    assert outcome.retry is outcome.halves[0]
    assert outcome.retry.attempt == 1, "splitting does not count as a retry"


# Partial batch responses.


def test_the_lowest_failed_record_is_the_checkpoint() -> None:
    rules = shard(report_batch_item_failures=True)
    rules.add(records(1, 2, 3, 4), 0)
    outcome = rules.answered(take(rules), named(4, 2), 0)
    assert (outcome.outcome, outcome.failed_records) == ("partial", 3)
    assert outcome.retry is not None
    assert (numbers(outcome.retry), outcome.retry.attempt) == ([2, 3, 4], 2)


def test_a_named_record_that_stays_poisoned_is_given_up_with_what_follows() -> None:
    play = (
        Play(
            lambda batch: named(2) if 2 in batch else b"null",
            report_batch_item_failures=True,
            maximum_retry_attempts=1,
        )
        .add(1, 2, 3)
        .run()
    )
    assert [tried for _, tried in play.tried] == [[1, 2, 3], [2, 3]]
    assert play.dropped == [(2, [2, 3], RETRY_ATTEMPTS_EXHAUSTED, 2)]


def test_with_bisecting_the_split_is_at_the_named_record() -> None:
    play = (
        Play(
            lambda batch: named(3) if 3 in batch else b"null",
            report_batch_item_failures=True,
            bisect_batch_on_function_error=True,
            maximum_retry_attempts=0,
        )
        .add(1, 2, 3, 4, 5)
        .run()
    )
    assert [tried for _, tried in play.tried] == [[1, 2, 3, 4, 5], [3, 4, 5], [3], [4, 5]]
    assert play.dropped == [(4, [3], RETRY_ATTEMPTS_EXHAUSTED, 1)]


@pytest.mark.parametrize("answer", [b"", b"null", b"{}", b'""', b'{"batchItemFailures": []}'])
def test_empty_answers_are_a_success(answer: bytes) -> None:
    rules = shard(report_batch_item_failures=True)
    rules.add(records(1), 0)
    assert rules.answered(take(rules), answer, 0).outcome == "success"


@pytest.mark.parametrize("answer", [b"nope", named(9), b'{"batchItemFailures": [{}]}'])
def test_answers_without_sense_fail_the_whole_batch(answer: bytes) -> None:
    rules = shard(report_batch_item_failures=True)
    rules.add(records(1, 2), 0)
    outcome = rules.answered(take(rules), answer, 0)
    assert (outcome.outcome, outcome.failed_records) == ("error", 2)


# Tumbling windows.


def window_call(batch: Batch) -> tuple[float, float, dict[str, object], bool, bool]:
    window = batch.window
    assert window is not None
    return (
        window.start_ms,
        window.end_ms,
        dict(window.state),
        window.is_final,
        window.is_terminated_early,
    )


def test_a_tumbling_window_hands_its_state_on_and_ends() -> None:
    rules = shard(tumbling_window_s=10)
    rules.add([Record(1, arrived_ms=1_000)], 1_000)
    batch = take(rules, 1_000)
    assert window_call(batch) == (0, 10_000, {}, False, False)
    rules.answered(batch, b'{"state": {"n": 1}}', 1_100)
    assert rules.next_due_ms(1_100) == 10_000
    rules.add([Record(2, arrived_ms=9_000), Record(3, arrived_ms=10_500)], 11_000)
    batch = take(rules, 11_000)
    assert (numbers(batch), batch.reason) == ([2], WINDOW), "a batch is of one window"
    assert window_call(batch)[2] == {"n": 1}
    rules.answered(batch, b'{"state": {"n": 2}}', 11_100)
    final = take(rules, 11_100)
    assert numbers(final) == []
    assert window_call(final) == (0, 10_000, {"n": 2}, True, False)
    rules.answered(final, b"null", 11_200)
    batch = take(rules, 11_200)
    assert (numbers(batch), window_call(batch)[:3]) == ([3], (10_000, 20_000, {}))


def test_a_window_waits_for_what_was_not_read_yet() -> None:
    rules = shard(tumbling_window_s=10)
    rules.add([Record(1, arrived_ms=0)], 0)
    rules.answered(take(rules), b'{"state": {}}', 0)
    assert rules.take(10_000, unread=True) is None
    assert rules.next_due_ms(10_000) is None
    assert not rules.is_idle
    assert take(rules, 10_000).window is not None


def test_an_answer_without_state_is_an_error() -> None:
    for answer in (b"null", b'{"state": 5}', b"[]", b"nope"):
        rules = shard(tumbling_window_s=10)
        rules.add(records(1), 0)
        assert rules.answered(take(rules), answer, 0).outcome == "error"


def test_a_state_that_outgrows_a_megabyte_ends_the_window_early() -> None:
    rules = shard(tumbling_window_s=10, batch_size=1)
    rules.add(records(1, 2), 0)
    large = json.dumps({"state": {"s": "x" * KIB * KIB}}).encode()
    rules.answered(take(rules), large, 0)
    final = take(rules)
    assert window_call(final)[3:] == (True, True)
    rules.answered(final, b"null", 0)
    batch = take(rules)
    assert (numbers(batch), window_call(batch)[2:]) == ([2], ({}, False, False))


def test_a_final_call_that_fails_is_retried_and_given_up() -> None:
    rules = shard(tumbling_window_s=10, maximum_retry_attempts=1)
    rules.add(records(1), 0)
    rules.answered(take(rules), b'{"state": {}}', 0)
    outcome = rules.answered(take(rules, 10_000), ERROR, 10_000, function_error=True)
    assert outcome.retry is not None
    again = take(rules, outcome.retry.due_ms)
    outcome = rules.answered(again, ERROR, 12_000, function_error=True)
    assert outcome.dropped is not None
    assert outcome.dropped.records == ()
    assert rules.is_idle


# The order of shards.


def test_children_are_read_after_their_parents() -> None:
    shards = [
        ShardInfo("a", is_closed=True),
        ShardInfo("b", is_closed=True),
        ShardInfo("ab", ("a", "b")),
        ShardInfo("c", ("gone",)),
    ]
    assert readable(shards, set()) == ["a", "b", "c"]
    assert readable(shards, {"a"}) == ["b", "c"]
    assert readable(shards, {"a", "b"}) == ["ab", "c"]
