"""The rules of an SQS mapping: what closes a batch, how many run, what a throttle or error does."""

from __future__ import annotations

import heapq
import itertools
import random
from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from labkit.core import quotas
from labkit.core.sqs_mapping import AVAILABLE, PAYLOAD, SIZE, WINDOW, Batch, SqsMapping, SqsSettings

KIB = 1024


_numbers = itertools.count(1_000)


@dataclass(frozen=True)
class Message:
    number: int = 0
    size_bytes: int = field(default=100, compare=False)
    group_id: str | None = None


def messages(count: int, size_bytes: int = 100) -> list[Message]:
    return [Message(next(_numbers), size_bytes) for _ in range(count)]


def mapping(**settings: object) -> SqsMapping[Message]:
    return SqsMapping(SqsSettings(**settings))  # type: ignore[arg-type]


def taken(rules: SqsMapping[Message], now_ms: float = 0.0) -> list[Batch[Message]]:
    batches = []
    while (batch := rules.take(now_ms)) is not None:
        batches.append(batch)
    return batches


# What closes a batch.


def test_without_a_window_a_poll_makes_a_batch() -> None:
    rules = mapping()
    assert rules.wants(0, waiting=True) == 10
    rules.add(messages(3), 0)
    (batch,) = taken(rules)
    assert (len(batch.messages), batch.reason, batch.attempt) == (3, AVAILABLE, 1)
    assert rules.window_due_ms() is None


def test_a_poll_asks_for_what_the_batch_still_takes() -> None:
    assert mapping(batch_size=4).wants(0, waiting=True) == 4
    rules = mapping(batch_size=25, window_s=5)
    assert rules.wants(0, waiting=True) == 10
    rules.add(messages(10), 0)
    rules.add(messages(10), 0)
    assert rules.wants(0, waiting=True) == 5
    rules.add(messages(5), 0)
    (batch,) = taken(rules)
    assert (len(batch.messages), batch.reason) == (25, SIZE)


def test_an_empty_queue_is_not_polled() -> None:
    assert mapping().wants(0, waiting=False) == 0


def test_the_window_begins_with_the_first_message() -> None:
    rules = mapping(batch_size=100, window_s=5)
    rules.add(messages(2), 1_000)
    rules.add(messages(1), 5_999)
    assert rules.window_due_ms() == 6_000
    assert taken(rules, 5_999) == []
    (batch,) = taken(rules, 6_000)
    assert (len(batch.messages), batch.reason) == (3, WINDOW)
    assert (batch.polled_ms, batch.formed_ms) == (1_000, 6_000)


def test_six_megabytes_close_a_batch() -> None:
    rules = mapping(batch_size=10)
    rules.add(messages(10, 900 * KIB), 0)
    batches = taken(rules)
    assert [(len(batch.messages), batch.reason) for batch in batches] == [
        (6, PAYLOAD),
        (4, AVAILABLE),
    ]


def test_the_payload_may_be_six_megabytes_to_the_byte() -> None:
    room = quotas.BATCH_PAYLOAD_MAX_BYTES - len('{"Records":[,]}')
    for over, expected in ((0, [2]), (1, [1, 1])):
        rules = mapping()
        rules.add([Message(1, 1_000_000), Message(2, room - 1_000_000 + over)], 0)
        assert [len(batch.messages) for batch in taken(rules)] == expected


def test_a_record_is_never_split() -> None:
    rules = mapping()
    rules.add(messages(2, 7 * KIB * KIB), 0)
    assert [len(batch.messages) for batch in taken(rules)] == [1, 1]


def test_a_message_that_comes_back_within_the_window_is_in_the_batch_once() -> None:
    rules = mapping(batch_size=100, window_s=60)
    rules.add([Message(1, 100), Message(2, 100)], 0)
    again = Message(1, 101)
    rules.add([again], 30_000)
    (batch,) = taken(rules, 60_000)
    assert [message.number for message in batch.messages] == [1, 2]
    assert batch.messages[0] is again


def test_a_smaller_batch_size_closes_what_was_gathered() -> None:
    rules = mapping(batch_size=100, window_s=5)
    rules.add(messages(10), 0)
    rules.settings = SqsSettings(batch_size=5, window_s=5)
    assert rules.wants(0, waiting=True) == 0
    (batch,) = taken(rules, 0)
    assert len(batch.messages) == 10


# How many run.


def test_five_batches_run_at_the_start() -> None:
    rules = mapping(batch_size=1)
    for number in range(5):
        assert rules.wants(0, waiting=True) == 1
        rules.add([Message(number)], 0)
    assert len(taken(rules)) == 5
    assert rules.wants(0, waiting=True) == 0
    assert rules.next_slot_ms(0) == 200
    assert rules.wants(200, waiting=True) == 1


def test_maximum_concurrency_leaves_the_rest_in_the_queue() -> None:
    rules = mapping(maximum_concurrency=2)
    for _ in range(2):
        rules.add(messages(10), 0)
    first, _ = taken(rules)
    assert rules.wants(600_000, waiting=True) == 0
    assert rules.next_slot_ms(600_000) is None
    rules.ended(first, 600_000, failed=False)
    assert rules.wants(600_000, waiting=True) == 10


def test_batches_beyond_the_limit_wait_for_a_slot() -> None:
    rules = mapping(maximum_concurrency=2)
    rules.add(messages(10), 0)
    rules.add(messages(10, 900 * KIB), 0)
    assert len(taken(rules)) == 2
    assert rules.in_flight == 3


def test_a_lower_limit_ends_nothing_but_starts_nothing() -> None:
    rules = mapping(batch_size=1)
    for number in range(4):
        rules.add([Message(number)], 0)
    first, *_ = taken(rules)
    rules.settings = SqsSettings(batch_size=1, maximum_concurrency=2)
    rules.ended(first, 1, failed=False)
    assert rules.wants(1, waiting=True) == 0


def test_a_batch_that_is_gathered_has_room_in_the_last_slot() -> None:
    rules = mapping(batch_size=20, window_s=5, maximum_concurrency=2)
    rules.add(messages(20), 0)
    rules.add(messages(3), 0)
    assert len(taken(rules)) == 1
    assert (rules.in_flight, rules.room(0)) == (2, 10)
    rules.add(messages(17), 0)
    assert rules.room(0) == 0


# Errors.


def test_an_error_makes_the_pollers_back_off() -> None:
    rules = mapping()
    rules.add(messages(1), 1)
    (batch,) = taken(rules, 1)
    assert rules.ended(batch, 2, failed=True) == []
    assert rules.concurrency(2) == 2


def test_with_partial_batch_responses_errors_do_not() -> None:
    rules = mapping(report_batch_item_failures=True)
    rules.add(messages(1), 1)
    (batch,) = taken(rules, 1)
    rules.ended(batch, 2, failed=True)
    assert rules.concurrency(2) == 5


def test_success_does_not() -> None:
    rules = mapping()
    rules.add(messages(1), 1)
    (batch,) = taken(rules, 1)
    rules.ended(batch, 2, failed=False)
    assert rules.concurrency(2) == 5


# Throttles.


def test_a_throttled_batch_is_tried_while_its_visibility_timeout_lasts() -> None:
    rules = mapping()
    rules.add(messages(1), 0)
    (batch,) = taken(rules)
    tries_ms = [0.0]
    while (due_ms := rules.throttled(batch, tries_ms[-1], 30)) is not None:
        rules.retry(batch, due_ms)
        tries_ms.append(due_ms)
    assert tries_ms == [0, 1_000, 3_000, 7_000, 15_000]
    assert batch.attempt == 5
    rules.ended(batch, 15_000, failed=True, throttled=True)
    assert rules.in_flight == 0


def test_a_long_visibility_timeout_means_a_try_every_half_minute() -> None:
    rules = mapping()
    rules.add(messages(1), 0)
    (batch,) = taken(rules)
    now_ms = 0.0
    for _ in range(60):
        due_ms = rules.throttled(batch, now_ms, 12 * 3_600)
        assert due_ms is not None and 1_000 <= due_ms - now_ms <= 30_000
        now_ms = due_ms
        rules.retry(batch, now_ms)
    assert rules.throttled(batch, now_ms, 12 * 3_600) == now_ms + 30_000


def test_throttles_lower_the_concurrency_even_with_partial_batch_responses() -> None:
    rules = mapping(report_batch_item_failures=True)
    rules.add(messages(1), 1)
    (batch,) = taken(rules, 1)
    rules.throttled(batch, 2, 30)
    assert rules.concurrency(2) == 2


# FIFO.


def fifo(count: int, group: str, size_bytes: int = 100) -> list[Message]:
    return [Message(number, size_bytes, group) for number in range(count)]


def test_the_groups_of_running_batches_are_busy() -> None:
    rules = mapping(fifo=True)
    rules.add([*fifo(2, "a"), *fifo(1, "b")], 0)
    rules.add(fifo(1, "c"), 0)
    first, second = taken(rules)
    assert (first.groups, first.group) == ({"a", "b"}, None)
    assert second.group == "c"
    assert rules.busy_groups == {"a", "b", "c"}
    rules.ended(first, 0, failed=False)
    assert rules.busy_groups == {"c"}


def test_groups_of_a_standard_queue_mean_nothing() -> None:
    rules = mapping()
    rules.add(fifo(2, "a"), 0)
    rules.add(fifo(2, "a"), 0)
    assert len(taken(rules)) == 2
    assert rules.busy_groups == frozenset()


def test_two_batches_of_a_group_run_one_after_the_other() -> None:
    rules = mapping(fifo=True)
    rules.add(fifo(10, "a", 900 * KIB), 0)
    rules.add(fifo(1, "b"), 0)
    first, other = taken(rules)
    assert (first.group, other.group) == ("a", "b")
    assert rules.ended(first, 0, failed=False) == []
    (second,) = taken(rules)
    assert [message.number for message in second.messages] == [6, 7, 8, 9]


def test_what_was_gathered_behind_a_failed_batch_of_the_group_goes_back() -> None:
    rules = mapping(fifo=True)
    rules.add(fifo(10, "a", 900 * KIB), 0)
    (first,) = taken(rules)
    returned = rules.ended(first, 0, failed=True)
    assert [message.number for message in returned] == [6, 7, 8, 9]
    assert rules.in_flight == 0


# Stopping.


def test_drain_returns_what_was_not_invoked() -> None:
    rules = mapping(batch_size=20, window_s=5, maximum_concurrency=2)
    rules.add(messages(20), 0)
    rules.add(messages(20), 0)
    assert len(taken(rules)) == 2
    rules.add(messages(20), 0)
    rules.add(messages(3), 0)
    assert len(rules.drain()) == 23
    assert rules.in_flight == 2
    assert rules.drain() == []


# Everything together, in virtual time.


class Queue:
    """A queue in virtual time, as simple as can be: visible from a time on, in order of sending."""

    def __init__(self, sent: list[Message], visibility_ms: float) -> None:
        self.left = sent
        self.visible_ms = dict.fromkeys(sent, 0.0)
        self.visibility_ms = visibility_ms

    def receive(self, limit: int, now_ms: float, busy: frozenset[str]) -> list[Message]:
        blocked = set(busy)
        found: list[Message] = []
        for message in self.left:
            if message.group_id in blocked:
                continue
            if self.visible_ms[message] > now_ms:
                if message.group_id is not None:
                    blocked.add(message.group_id)
            elif len(found) < limit:
                found.append(message)
        for message in found:
            self.visible_ms[message] = now_ms + self.visibility_ms
        return found

    def next_visible_ms(self, now_ms: float) -> float:
        return min((at for at in self.visible_ms.values() if at > now_ms), default=now_ms)

    def delete(self, message: Message) -> None:
        self.left.remove(message)
        del self.visible_ms[message]


@dataclass
class Run:
    done: list[Message]
    batches: list[Batch[Message]]


def run(
    settings: SqsSettings, sent: list[Message], choice: random.Random, fail: float, throttle: float
) -> Run:
    """Drive a mapping until its queue is empty; check its promises on the way."""
    rules: SqsMapping[Message] = SqsMapping(settings)
    queue = Queue(list(sent), visibility_ms=30_000.0)
    order = itertools.count()
    ends: list[tuple[float, int, Batch[Message]]] = []
    running: set[Batch[Message]] = set()
    result = Run([], [])
    now_ms = 0.0
    while queue.left:
        waiting = any(at <= now_ms for at in queue.visible_ms.values())
        while True:
            while (batch := rules.take(now_ms)) is not None:
                assert len(running) < rules.concurrency(now_ms)
                assert all(not batch.groups & other.groups for other in running)
                running.add(batch)
                result.batches.append(batch)
                heapq.heappush(ends, (now_ms + choice.uniform(1, 20_000), next(order), batch))
            limit = rules.wants(now_ms, waiting=waiting)
            found = queue.receive(limit, now_ms, rules.busy_groups) if limit else []
            if not found:
                break
            rules.add(found, now_ms)
        due = [at for at in (rules.window_due_ms(), rules.next_slot_ms(now_ms)) if at is not None]
        if not rules.in_flight:
            due.append(queue.next_visible_ms(now_ms))
        next_ms = min([*due, *(ends[0][:1] if ends else ())])
        assert all(at > now_ms for at in due)
        now_ms = max(next_ms, now_ms)
        if not ends or ends[0][0] > now_ms:
            continue
        _, _, batch = heapq.heappop(ends)
        fate = choice.random()
        if fate < throttle:
            retry_ms = rules.throttled(batch, now_ms, 30)
            if retry_ms is not None:
                rules.retry(batch, retry_ms)
                heapq.heappush(ends, (retry_ms, next(order), batch))
                continue
        failed = fate < throttle + fail
        running.discard(batch)
        for message in rules.ended(batch, now_ms, failed=failed, throttled=fate < throttle):
            queue.visible_ms[message] = now_ms
        if not failed:
            for message in batch.messages:
                queue.delete(message)
                result.done.append(message)
    return result


_settings = st.builds(
    SqsSettings,
    batch_size=st.integers(1, 40),
    window_s=st.sampled_from([0.0, 0.5, 5.0]),
    maximum_concurrency=st.none() | st.integers(2, 20),
    report_batch_item_failures=st.booleans(),
)


@given(
    _settings,
    st.lists(st.integers(100, 3_000_000), max_size=60),
    st.randoms(use_true_random=False),
    st.sampled_from([(0.0, 0.0), (0.3, 0.0), (0.0, 0.3), (0.2, 0.2)]),
)
def test_every_message_is_done_once_within_all_bounds(
    settings: SqsSettings,
    sizes: list[int],
    choice: random.Random,
    fates: tuple[float, float],
) -> None:
    sent = [Message(number, size) for number, size in enumerate(sizes)]
    result = run(settings, sent, choice, *fates)
    assert sorted(result.done, key=lambda message: message.number) == sent
    for batch in result.batches:
        assert len(batch.messages) <= settings.batch_size
        payload = sum(message.size_bytes + 1 for message in batch.messages) + 13
        assert len(batch.messages) == 1 or payload <= quotas.BATCH_PAYLOAD_MAX_BYTES
        assert batch.formed_ms - batch.polled_ms <= settings.window_s * 1000
        assert (batch.reason == SIZE) == (len(batch.messages) == settings.batch_size)


@given(
    st.integers(1, 10),
    st.lists(st.tuples(st.sampled_from("abc"), st.integers(100, 3_000_000)), max_size=40),
    st.randoms(use_true_random=False),
    st.sampled_from([(0.0, 0.0), (0.3, 0.0), (0.0, 0.3), (0.2, 0.2)]),
)
def test_fifo_keeps_the_order_of_each_group_whatever_fails(
    batch_size: int,
    sent: list[tuple[str, int]],
    choice: random.Random,
    fates: tuple[float, float],
) -> None:
    queue = [Message(number, size, group) for number, (group, size) in enumerate(sent)]
    result = run(SqsSettings(batch_size=batch_size, fifo=True), queue, choice, *fates)
    for group in "abc":
        of_group = [message for message in queue if message.group_id == group]
        assert [message for message in result.done if message.group_id == group] == of_group
