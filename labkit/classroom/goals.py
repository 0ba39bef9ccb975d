"""Goals that are reached by events: the same question for checklists and for checks."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields
from typing import Any, Final

from labkit.core.events import Event, EventKind

_FIELDS: Final = frozenset(field.name for field in fields(Event))


class Goal:
    """Something that the lab's events show, such as `Goal("Cause a timeout", outcome="timeout")`.

    `fields` are what an event must have to count, `at_least` says how many are needed. Raises
    TypeError for a field that events do not have, ValueError for an unknown kind.
    """

    def __init__(self, text: str, *, at_least: int = 1, **fields: Any) -> None:
        unknown = sorted(set(fields) - _FIELDS)
        if unknown:
            raise TypeError(
                f"events have no field {', '.join(unknown)}; they have {', '.join(sorted(_FIELDS))}"
            )
        if "kind" in fields:
            fields["kind"] = EventKind(fields["kind"])
        self.text, self.at_least, self.fields = text, at_least, fields

    def matches(self, event: Event) -> bool:
        """Tell whether an event counts."""
        return all(getattr(event, name) == value for name, value in self.fields.items())

    def count(self, events: Iterable[Event]) -> int:
        """Return how many of the events count."""
        return sum(map(self.matches, events))

    def reached(self, events: Iterable[Event]) -> bool:
        """Tell whether so many of the events count as are needed."""
        return self.count(events) >= self.at_least

    def __repr__(self) -> str:
        return f"Goal({self.text!r})"
