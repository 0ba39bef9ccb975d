"""The registry of pollers: which poller is made, started, paused, updated and forgotten."""

from __future__ import annotations

import dataclasses
from types import SimpleNamespace
from typing import Any

import pytest

from labkit.core.mapping import MappingConfig
from labkit.live.pollers.context import Mapping
from labkit.live.pollers.mappings import MappingPollers

QUEUE = "arn:aws:sqs:us-east-1:123456789012:orders"
STREAM = "arn:aws:kinesis:us-east-1:123456789012:stream/clicks"


class Poller:
    def __init__(self, kind: str, mapping: Mapping, context: Any) -> None:
        self.kind, self.mapping, self.context = kind, mapping, context
        self.calls: list[str] = []
        self.last_result: str | None = None

    def start(self) -> None:
        self.calls.append("start")

    def stop(self) -> None:
        self.calls.append("stop")

    def update(self, config: MappingConfig) -> None:
        self.calls.append(f"update {config.batch_size}")


class Bench:
    def __init__(self) -> None:
        self.made: list[Poller] = []
        self.waited = 0
        self.context: Any = SimpleNamespace(
            queues=SimpleNamespace(
                find=lambda arn: (
                    SimpleNamespace(visibility_timeout_s=30.0) if arn == QUEUE else None
                )
            ),
            streams=SimpleNamespace(find=lambda arn: object() if arn == STREAM else None),
        )
        self.pollers = MappingPollers(
            self.context, self.wait, sqs=self.factory("sqs"), streams=self.factory("streams")
        )

    def wait(self) -> None:
        self.waited += 1

    def factory(self, kind: str) -> Any:
        def make(*, mapping: Mapping, context: Any) -> Poller:
            self.made.append(Poller(kind, mapping, context))
            return self.made[-1]

        return make


@pytest.fixture
def bench() -> Bench:
    return Bench()


def mapping(source: str = QUEUE, uuid: str = "u", **changes: Any) -> Mapping:
    one = Mapping(
        uuid=uuid,
        arn="arn",
        function_arn="arn:f",
        event_source_arn=source,
        role_arn="arn:role",
        config=MappingConfig(batch_size=10),
    )
    return dataclasses.replace(one, **changes)


def test_a_poller_of_the_right_kind_is_started(bench: Bench) -> None:
    bench.pollers.run(mapping())
    bench.pollers.run(mapping(STREAM, "v"))
    assert [(one.kind, one.calls) for one in bench.made] == [
        ("sqs", ["start"]),
        ("streams", ["start"]),
    ]
    assert bench.made[0].context is bench.context


def test_an_update_reaches_the_running_poller(bench: Bench) -> None:
    bench.pollers.run(mapping())
    changed = {
        "function_arn": "arn:g",
        "role_arn": "arn:other",
        "config": MappingConfig(batch_size=3),
    }
    bench.pollers.run(mapping(**changed))
    [poller] = bench.made
    assert poller.calls == ["start", "update 3", "start"]
    assert (poller.mapping.function_arn, poller.mapping.role_arn) == ("arn:g", "arn:other")
    assert poller.mapping.config.batch_size == 3


def test_a_paused_poller_is_started_again_and_a_removed_one_is_not(bench: Bench) -> None:
    bench.pollers.run(mapping())
    bench.pollers.pause("u")
    bench.pollers.run(mapping())
    assert bench.made[0].calls == ["start", "stop", "update 10", "start"]
    bench.pollers.remove("u")
    assert bench.made[0].calls[-1] == "stop"
    bench.pollers.run(mapping())
    assert len(bench.made) == 2
    bench.pollers.pause("unknown")
    bench.pollers.remove("unknown")


def test_the_last_result_of_a_poller(bench: Bench) -> None:
    assert bench.pollers.last_result("u") is None
    bench.pollers.run(mapping(STREAM))
    bench.made[0].last_result = "OK"
    assert bench.pollers.last_result("u") == "OK"


def test_sources_are_looked_for_when_they_have_been_loaded(bench: Bench) -> None:
    assert bench.pollers.queue_visibility_timeout_s(QUEUE) == 30.0
    assert bench.pollers.queue_visibility_timeout_s(f"{QUEUE}2") is None
    assert bench.pollers.stream_exists(STREAM)
    assert not bench.pollers.stream_exists(f"{STREAM}2")
    assert bench.waited == 4
