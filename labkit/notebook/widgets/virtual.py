"""What the widgets in virtual time have in common: settings that the page turns, a picture that
answers, the setting before as a ghost, two pins, and events that goals can count."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import traitlets

from labkit.classroom.goals import Goal
from labkit.core.events import Event, EventKind
from labkit.notebook.widgets.base import STATIC, LabWidget


def module(name: str) -> str:
    """Return the source of a widget's module: what all share, then its own."""
    return (STATIC / "virtual.js").read_text() + (STATIC / f"{name}.js").read_text()


def styles(name: str) -> str:
    """Return the styles of a widget: those that all share, then its own."""
    return (STATIC / "virtual.css").read_text() + (STATIC / f"{name}.css").read_text()


class VirtualWidget(LabWidget):
    """A picture that is simulated anew whenever a setting changes, in Python or on the page.

    A subclass names in `_settings` the traits that make the picture, and overrides `_run` (simulate
    with the present settings), `_paint` (what the page draws), `_pinned_words` and, as every
    `LabWidget`, `_text` and `_still_png`.
    """

    knobs = traitlets.List(traitlets.Unicode()).tag(sync=True)
    """What the learner can turn here; the rest is fixed and shown as text."""
    _picture = traitlets.Dict().tag(sync=True)

    _settings: ClassVar[tuple[str, ...]] = ()

    def __init__(self, **traits: Any) -> None:
        self._followers: list[Callable[[list[Event]], None]] = []
        self._view, self._seq, self._error = "", 0, ""
        self._before: Any = None
        self._pins: dict[str, Any] = {}
        super().__init__(**traits)
        self._result: Any = self._run()
        self._present: Any = self._kept()
        self._show()
        self.observe(self._turned, list(self._settings))
        self.on_msg(self._asked)

    @property
    def comparison(self) -> str:
        """The pinned settings in words; empty without pins."""
        return " · ".join(f"{name}: {self._pinned_words(pin)}" for name, pin in self._pinned())

    def events(
        self, function: str | None = None, *, kind: EventKind | str | None = None
    ) -> list[Event]:
        """Return what happened with the present settings, as a lab's `events()` does."""
        wanted = None if kind is None else EventKind(kind)
        return [
            event
            for event in self._events()
            if function in (None, event.function) and wanted in (None, event.kind)
        ]

    def follow(
        self,
        callback: Callable[[list[Event]], None],
        ended: Callable[[], None] | None = None,
    ) -> Callable[[], None]:
        """Call back with the events of each setting that is tried; return what ends that.

        So `goals(widget, Goal(…))` works as `goals(lab, Goal(…))` does.
        """
        self._followers.append(callback)
        callback(self._events())
        return lambda: self._followers.remove(callback) if callback in self._followers else None

    def reached(self, goal: Goal) -> bool:
        """Tell whether the present settings reach a goal."""
        return goal.count(self._events()) >= goal.at_least

    def pin(self, name: str) -> None:
        """Keep the present settings as "A" or "B", to be compared with others.

        Raises ValueError for another name.
        """
        if name not in ("A", "B"):
            raise ValueError(f"a pin is 'A' or 'B', not {name!r}")
        self._pins[name] = self._present
        self._show()

    def _run(self) -> Any:
        raise NotImplementedError

    def _events(self) -> list[Event]:
        raise NotImplementedError

    def _kept(self) -> Any:
        """What a pin and a ghost keep of the present settings."""
        raise NotImplementedError

    def _pinned_words(self, pin: Any) -> str:
        raise NotImplementedError

    def _paint(self) -> dict[str, Any]:
        raise NotImplementedError

    def _pinned(self) -> list[tuple[str, Any]]:
        return sorted(self._pins.items())

    def _turned(self, change: Any) -> None:
        """A setting was changed in Python; one that cannot be is undone."""
        try:
            self._again(begins=True)
        except ValueError:
            self._put({change["name"]: change["old"]})
            raise

    def _again(self, *, begins: bool = False) -> None:
        """Simulate with the present settings; `begins` makes those before them the ghost."""
        self._result = self._run()
        if begins:
            self._before = self._present
        self._present = self._kept()
        self._show()
        for callback in list(self._followers):
            callback(self._events())

    def _show(self) -> None:
        self._picture = {
            **self._paint(),
            "view": self._view,
            "seq": self._seq,
            "error": self._error,
            "comparison": self.comparison,
        }

    def _asked(self, _: object, content: dict[str, Any], buffers: object) -> None:
        """The page turned something, or pins what it shows."""
        if content.get("type") == "pin":
            self.pin(content["name"])
        if content.get("type") != "set":
            return
        self._view, self._seq = str(content.get("view", "")), int(content.get("seq", 0))
        before = {name: getattr(self, name) for name in self._settings}
        try:
            self._put(content.get("values", {}))
            self._error = ""
            self._again(begins=bool(content.get("begins")))  # not at each move of one drag
        except (traitlets.TraitError, ValueError, TypeError) as error:
            self._put(before)
            self._error = " ".join(str(error).split())
            self._show()

    def _put(self, values: dict[str, Any]) -> None:
        """Change settings without a word to their observers."""
        self.unobserve(self._turned, list(self._settings))
        try:
            for name, value in values.items():
                if name in self._settings:
                    setattr(self, name, value)
        finally:
            self.observe(self._turned, list(self._settings))


def checked_knobs(knobs: tuple[str, ...], known: dict[str, str]) -> list[str]:
    """Return the knobs in their usual order; raises ValueError for one that there is not."""
    if unknown := [knob for knob in knobs if knob not in known]:
        raise ValueError(f"knobs are some of {', '.join(known)}, not {', '.join(unknown)}")
    return [knob for knob in known if knob in knobs]
