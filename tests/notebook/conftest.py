"""Events to draw, without a lab that makes them."""

from __future__ import annotations

from typing import Any

import pytest

from labkit.core.events import Event, EventKind

START_MS = 1_790_000_000_000.0


class Story:
    """Events of environments, with times in ms after the first."""

    def __init__(self) -> None:
        self._events: list[dict[str, Any]] = []

    def add(self, kind: str, at_ms: float, function: str = "hello", **fields: Any) -> None:
        self._events.append(
            {"kind": kind, "time_ms": START_MS + at_ms, "function": function, **fields}
        )

    def init(self, environment: str, at_ms: float, init_ms: float, **fields: Any) -> None:
        fields = {"environment": environment, "phase": "init", **fields}
        outcome = fields.pop("outcome", "success")
        self.add("init_started", at_ms, **fields)
        self.add("init_ended", at_ms + init_ms, init_ms=init_ms, outcome=outcome, **fields)

    def invoke(self, environment: str, at_ms: float, wall_ms: float, **fields: Any) -> None:
        ended = {"outcome": "success", "duration_ms": wall_ms, **fields}
        function = {"function": ended.pop("function", "hello"), "environment": environment}
        self.add("invoke_started", at_ms, **function)
        self.add("invoke_ended", at_ms + wall_ms, **function, **ended)

    def events(self) -> list[Event]:
        ordered = sorted(self._events, key=lambda event: event["time_ms"])
        return [
            Event.from_dict({**event, "seq": number, "kind": EventKind(event["kind"])})
            for number, event in enumerate(ordered, start=1)
        ]


@pytest.fixture
def story() -> Story:
    return Story()


@pytest.fixture
def sleepers(story: Story) -> Story:
    """Two rounds of three at once, then a timeout."""
    for number, environment in enumerate("abc"):
        story.init(environment, 3 * number, 100)
        story.invoke(environment, 110 + number, 300)
        story.invoke(environment, 1_600 + number, 300)
    story.invoke("c", 3_000, 1_001, outcome="timeout", error_type="Sandbox.Timedout")
    return story
