"""Goals that are reached by events: the same question for checklists and for checks."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from labkit.core.events import Event, EventKind

_FIELDS: Final = tuple(field.name for field in dataclasses.fields(Event))


@dataclass(frozen=True, init=False)
class Goal:
    """Something that a lab's events can show.

    Goal("Cause a timeout", kind="invoke_ended", outcome="timeout")

    `text` is what learners read. An event counts if it has all the `fields` with these values,
    named as in `Event`; `at_least` says how many events are needed. Raises TypeError for a field
    that events do not have, ValueError for an unknown kind or for less than one event.
    """

    text: str
    at_least: int
    fields: Mapping[str, Any]

    def __init__(self, text: str, *, at_least: int = 1, **fields: Any) -> None:
        unknown = [name for name in fields if name not in _FIELDS]
        if unknown:
            raise TypeError(
                f"events have no field {', '.join(unknown)}; their fields are {', '.join(_FIELDS)}"
            )
        if at_least < 1:
            raise ValueError(f"at_least is {at_least}: a goal takes at least one event")
        if "kind" in fields:
            fields["kind"] = EventKind(fields["kind"])
        object.__setattr__(self, "text", text)
        object.__setattr__(self, "at_least", at_least)
        object.__setattr__(self, "fields", MappingProxyType(fields))

    def __hash__(self) -> int:
        return hash((self.text, self.at_least, *self.fields))

    def matches(self, event: Event) -> bool:
        """Tell whether an event counts."""
        return all(getattr(event, name) == value for name, value in self.fields.items())

    def count(self, events: Iterable[Event]) -> int:
        """Return how many of the events count."""
        return sum(map(self.matches, events))

    def reached(self, events: Iterable[Event]) -> bool:
        """Tell whether as many events count as are needed."""
        return self.count(events) >= self.at_least
