"""A checklist that the lab's own events tick off."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol

import traitlets

from labkit.classroom.goals import Goal
from labkit.core.events import Event
from labkit.notebook.widgets.base import STATIC, LabWidget


class Followed(Protocol):
    """A lab, or a widget that tells what happens in virtual time."""

    def events(self) -> Iterable[Event]: ...

    def follow(self, callback: Callable[[list[Event]], None]) -> Callable[[], None]: ...


class Goals(LabWidget):
    """Goals of an experiment, each ticked as soon as enough events count for it."""

    _esm = STATIC / "goals.js"
    _css = STATIC / "goals.css"

    texts = traitlets.List(traitlets.Unicode()).tag(sync=True)
    needed = traitlets.List(traitlets.Int()).tag(sync=True)
    """How many events each goal takes."""
    counts = traitlets.List(traitlets.Int()).tag(sync=True)
    """How many events have counted for each goal so far."""

    def __init__(self, lab: Followed, goals: tuple[Goal, ...]) -> None:
        if not goals:
            raise ValueError(
                "a checklist takes a goal, as in goals(lab, Goal('Cause a timeout', …))"
            )
        self._goals = goals
        super().__init__(
            texts=[goal.text for goal in goals],
            needed=[goal.at_least for goal in goals],
            counts=[goal.count(lab.events()) for goal in goals],
        )
        self._followed = [0] * len(goals)
        self._cancel: Callable[[], None] = _follows_nothing
        if not self.all_reached:
            self._cancel = lab.follow(self._take)

    @property
    def reached(self) -> list[bool]:
        """Which of the goals are reached, in their order."""
        return [count >= need for count, need in zip(self.counts, self.needed, strict=True)]

    @property
    def all_reached(self) -> bool:
        """Whether there is nothing left to do."""
        return all(self.reached)

    def close(self) -> None:
        """Take the checklist away, and follow the lab no longer."""
        getattr(self, "_cancel", _follows_nothing)()  # it is closed, too, if it was never finished
        super().close()

    def _take(self, events: list[Event]) -> None:
        """Count events: first all of the lab so far, then the new ones."""
        self._followed = [
            seen + goal.count(events)
            for seen, goal in zip(self._followed, self._goals, strict=True)
        ]
        # Those of before the display are counted already, and come again.
        self.counts = list(map(max, self._followed, self.counts))
        if self.all_reached:
            self._cancel()

    def _text(self) -> str:
        marks = [
            f"[{'x' if reached else ' '}] {text}"
            for text, reached in zip(self.texts, self.reached, strict=True)
        ]
        noun = "goal" if len(marks) == 1 else "goals"
        return f"{sum(self.reached)} of {len(marks)} {noun} reached: {'; '.join(marks)}"


def goals(lab: Followed, *goals: Goal) -> Goals:
    """Show goals as a checklist, ticked live by the events of a lab, or of a widget.

    goals(lab, Goal("Cause a timeout", kind="invoke_ended", outcome="timeout"))

    Events from before count, too. Raises ValueError without a goal, LabError if the lab has
    stopped.
    """
    if not goals:
        raise ValueError("a checklist takes a goal, as in goals(lab, Goal('Cause a timeout', …))")
    return Goals(lab, goals)


def _follows_nothing() -> None:
    """Stand in for what ends following the lab."""
