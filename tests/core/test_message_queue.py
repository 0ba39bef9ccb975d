from __future__ import annotations

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from labkit.core.message_queue import Deduplication, Held, MessageQueue, State

START_MS = 1_000_000.0


@dataclass
class Modelled:
    number: int
    group: str | None
    kept_ms: float
    visible_ms: float
    flying: bool = False
    received: int = 0


class Model:
    """The same queue, which looks through all its messages at each call."""

    def __init__(self, fifo: bool, retention_s: float) -> None:
        self.fifo, self.retention_s = fifo, retention_s
        self.messages: list[Modelled] = []
        self.sent = 0

    def pass_to(self, now_ms: float) -> None:
        oldest_ms = now_ms - self.retention_s * 1000
        self.messages = [m for m in self.messages if m.kept_ms > oldest_ms]
        for message in self.messages:
            message.flying = message.flying and message.visible_ms > now_ms

    def receive(self, now_ms: float, limit: int, timeout_s: float, exclude: set[str]) -> list[int]:
        self.pass_to(now_ms)
        queue = self.messages if not self.fifo else self.by_open_group(now_ms, exclude)
        taken = [m for m in queue if m.visible_ms <= now_ms][:limit]
        for message in taken:
            message.received += 1
            message.visible_ms = now_ms + timeout_s * 1000
            message.flying = timeout_s > 0
        return [message.number for message in taken]

    def by_open_group(self, now_ms: float, exclude: set[str]) -> list[Modelled]:
        found = []
        for name in {m.group: None for m in self.messages}:
            group = [m for m in self.messages if m.group == name]
            if name in exclude or any(m.flying for m in group):
                continue
            for message in group:
                if message.visible_ms > now_ms:
                    break
                found.append(message)
        return found


operations = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.sampled_from("abc"), st.sampled_from([0, 0, 3])),
        st.tuples(
            st.just("receive"),
            st.integers(1, 4),
            st.sampled_from([0, 5, 5, 20]),
            st.sets(st.sampled_from("abc"), max_size=1),
        ),
        st.tuples(st.just("delete"), st.integers(0, 20)),
        st.tuples(st.just("change"), st.integers(0, 20), st.sampled_from([0, 4])),
        st.tuples(st.just("wait"), st.sampled_from([1, 3, 5, 30])),
    ),
    max_size=40,
)


@given(fifo=st.booleans(), operations=operations)
def test_it_does_what_a_slow_queue_does(fifo: bool, operations: list[tuple[object, ...]]) -> None:
    queue: MessageQueue[str] = MessageQueue(fifo=fifo, retention_s=60)
    model = Model(fifo, 60)
    now_ms = START_MS
    for operation, *values in operations:
        now_ms = apply(queue, model, operation, values, now_ms)
        model.pass_to(now_ms)
        visible = sum(m.visible_ms <= now_ms for m in model.messages)
        flying = sum(m.flying for m in model.messages)
        delayed = len(model.messages) - visible - flying
        assert queue.counts(now_ms) == (visible, delayed, flying)
        appear = [m.visible_ms for m in model.messages if m.visible_ms > now_ms]
        assert queue.next_visible_ms(now_ms) == min(appear, default=None)
        if not fifo:
            assert queue.receivable(now_ms) == visible
        else:
            assert (queue.receivable(now_ms) > 0) == bool(model.by_open_group(now_ms, set()))


def apply(
    queue: MessageQueue[str], model: Model, operation: object, values: list, now_ms: float
) -> float:
    if operation == "wait":
        return now_ms + values[0] * 1000
    if operation == "add":
        held = queue.add("", now_ms, group=values[0], delay_s=values[1])
        model.sent += 1
        assert held.number == model.sent
        model.messages.append(
            Modelled(held.number, values[0], now_ms, now_ms + values[1] * 1000),
        )
    elif operation == "receive":
        limit, timeout_s, exclude = values
        received = queue.receive(now_ms, limit, timeout_s, exclude=exclude)
        assert received.exhausted == []
        expected = model.receive(now_ms, limit, timeout_s, exclude)
        assert [held.number for held in received.messages] == expected
    else:
        change(queue, model, operation, values, now_ms)
    return now_ms


def change(
    queue: MessageQueue[str], model: Model, operation: object, values: list, now_ms: float
) -> None:
    model.pass_to(now_ms)
    held = queue.find(values[0], now_ms)
    found = next((m for m in model.messages if m.number == values[0]), None)
    assert (held is None) == (found is None)
    if held is None or found is None:
        return
    assert held.receive_count == found.received
    if operation == "delete":
        queue.delete(held)
        model.messages.remove(found)
        return
    assert queue.change_visibility(held, now_ms, values[1]) == found.flying
    if found.flying:
        found.visible_ms = now_ms + values[1] * 1000
        found.flying = values[1] > 0


def received(queue: MessageQueue[str], now_ms: float, limit: int = 10, **options: object) -> str:
    taken = queue.receive(now_ms, limit, 30, **options)  # type: ignore[arg-type]
    return "".join(held.content for held in taken.messages)


def test_a_message_is_visible_exactly_when_its_timeout_is_over() -> None:
    queue: MessageQueue[str] = MessageQueue()
    queue.add("m", 0)
    assert received(queue, 0) == "m"
    assert queue.next_visible_ms(0) == 30_000
    assert received(queue, 29_999.999) == ""
    assert received(queue, 30_000) == "m"


def test_a_message_received_too_often_is_taken_out_at_the_next_receive() -> None:
    queue: MessageQueue[str] = MessageQueue()
    held = queue.add("m", 0)
    queue.add("n", 0, delay_s=60)
    for number in range(2):
        assert received(queue, number * 30_000.0, receives_max=2) == "m"
    taken = queue.receive(60_000, 10, 30, receives_max=2)
    assert taken.exhausted == [held]
    assert [other.content for other in taken.messages] == ["n"]
    assert (held.receive_count, held.state) == (2, State.GONE)
    assert queue.counts(60_000) == (0, 0, 1)


def test_a_dead_letter_queue_keeps_the_count_and_if_asked_the_age() -> None:
    queue: MessageQueue[str] = MessageQueue()
    held = queue.add("m", 0)
    received(queue, 1_000)
    queue.delete(held)
    for keeps_age, kept_until_ms in ((True, 100_000), (False, 150_000)):
        dead: MessageQueue[str] = MessageQueue(retention_s=100)
        adopted = dead.adopt("m", held, 50_000, keeps_age=keeps_age)
        assert (adopted.receive_count, adopted.first_received_ms) == (1, 1_000)
        assert dead.counts(kept_until_ms - 1).visible == 1
        assert dead.counts(kept_until_ms).visible == 0


def test_receives_of_another_queue_do_not_exhaust_a_message() -> None:
    queue: MessageQueue[str] = MessageQueue()
    held = queue.add("m", 0)
    for now_ms in (0, 30_000):
        assert received(queue, now_ms, receives_max=2) == "m"
    (given_up,) = queue.receive(60_000, 1, 30, receives_max=2).exhausted
    assert given_up is held
    # Also where a queue is its own dead-letter queue, by mistake: else it would never rest.
    again = queue.adopt("m", held, 60_000, keeps_age=True)
    for now_ms in (60_000, 90_000):
        assert received(queue, now_ms, receives_max=2) == "m"
    assert again.receive_count == 4
    assert queue.receive(120_000, 1, 30, receives_max=2).exhausted == [again]


def test_an_exhausted_message_no_longer_holds_its_group() -> None:
    queue: MessageQueue[str] = MessageQueue(fifo=True)
    for content in "ab":
        queue.add(content, 0, group="g")
    assert received(queue, 0, limit=1) == "a"
    assert received(queue, 0) == ""
    assert received(queue, 30_000, limit=1, receives_max=1) == "b"


def test_a_group_waits_for_all_its_messages_in_flight() -> None:
    queue: MessageQueue[str] = MessageQueue(fifo=True)
    first, second = (queue.add(content, 0, group="g") for content in "ab")
    queue.add("c", 0, group="g")
    queue.add("x", 0, group="h")
    assert received(queue, 0, limit=2) == "ab"
    queue.delete(second)
    queue.change_visibility(first, 0, 5)
    assert received(queue, 1_000) == "x"
    assert queue.receivable(1_000) == 0
    assert received(queue, 5_000) == "ac"


@given(
    sends=st.lists(st.tuples(st.sampled_from("xyz"), st.sampled_from("gh"), st.integers(0, 200)))
)
def test_a_repeated_message_is_known_for_five_minutes(sends: list[tuple[str, str, int]]) -> None:
    deduplication: Deduplication[int] = Deduplication()
    first: dict[tuple[str, str], tuple[int, int]] = {}
    now_s = 0
    for number, (name, scope, wait_s) in enumerate(sends):
        now_s += wait_s
        before = first.get((name, scope))
        repeated = deduplication.first(number, name, scope, now_s * 1000.0)
        if before is not None and now_s - before[1] < 300:
            assert repeated == before[0]
        else:
            assert repeated is None
            first[name, scope] = number, now_s


def test_a_message_may_hide_for_twelve_hours_from_its_receive() -> None:
    held: Held[str] = Held(1, "", None, 0, received_ms=0)
    assert held.may_hide(3_600_000, 39_600)
    assert not held.may_hide(3_600_000, 39_601)


def test_it_forgets_what_it_noted_of_messages_that_are_gone() -> None:
    """Also while one old message stays: neither its list of ages nor of timeouts grows."""
    queue: MessageQueue[int] = MessageQueue()
    queue.receive(0, 1, 43_200)
    queue.add(0, 0)
    queue.receive(0, 1, 43_200)
    for number in range(5_000):
        queue.add(number, 1)
        for held in queue.receive(1, 1, 43_200).messages:
            queue.delete(held)
    assert len(queue._kept) < 1_100
    assert len(queue._waiting) < 1_100
    queue.clear()
    assert queue.counts(1) == (0, 0, 0)
