"""A bar for work that takes its time."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import Any, ClassVar, Final, TypeVar

import traitlets
from IPython.core.getipython import get_ipython
from IPython.display import display

from labkit.notebook.widgets.base import STATIC, LabWidget

_T = TypeVar("_T")
_UPDATE_S: Final = 0.05
"""More updates a second than this nobody sees."""

RUNNING: Final = "running"
DONE: Final = "done"
STOPPED: Final = "stopped"


class Progress(LabWidget):
    """How far some work has come."""

    _esm = STATIC / "progress.js"
    _css = STATIC / "progress.css"

    what = traitlets.Unicode().tag(sync=True)
    total = traitlets.Int(None, allow_none=True).tag(sync=True)
    """How many steps there are; None if that is not known beforehand."""
    done = traitlets.Int(0).tag(sync=True)
    elapsed_s = traitlets.Float(0.0).tag(sync=True)
    state = traitlets.Unicode(RUNNING).tag(sync=True)

    def _text(self) -> str:
        if self.total is None:
            return f"{self.what}: steps counted as they come"
        return f"{self.what}: {self.total:,} {'step' if self.total == 1 else 'steps'}"


def progress(iterable: Iterable[_T], what: str, total: int | None = None) -> Iterator[_T]:
    """Go through an iterable and show how far that has come, and how long the rest will take.

    for memory_mb in progress([128, 256, 512], "memory sweep"): ...

    `total` is needed only where the iterable has no length. The bar is a widget in a notebook and
    a line on standard error elsewhere.
    """
    if total is None:
        try:
            total = len(iterable)  # type: ignore[arg-type]
        except TypeError:
            total = None
    shell = get_ipython()
    if getattr(shell, "kernel", None) is None:
        return _in_terminal(iterable, what, total)
    return _in_notebook(shell, iterable, what, total)


def _in_terminal(iterable: Iterable[_T], what: str, total: int | None) -> Iterator[_T]:
    from tqdm import tqdm

    yield from tqdm(iterable, desc=what, total=total)


def _in_notebook(shell: Any, iterable: Iterable[_T], what: str, total: int | None) -> Iterator[_T]:
    run = _Run(what, total)
    # A loop whose body fails tells its iterator nothing, so the end of the cell has to.
    shell.events.register("post_run_cell", run.cell_ended)
    state = STOPPED
    try:
        for item in iterable:
            yield item
            run.step()
        state = DONE
    finally:
        shell.events.unregister("post_run_cell", run.cell_ended)
        run.end(state)


class _Run:
    """One way through an iterable, and the bar that shows it.

    A loop inside a loop shows all its runs in one bar, or there would be a bar for each.
    """

    _active: ClassVar[list[_Run]] = []

    def __init__(self, what: str, total: int | None) -> None:
        self._inner: dict[str, Progress] = {}
        self._done = 0
        self._began = self._shown = time.monotonic()
        bars = self._active[-1]._inner if self._active else {}
        self._active.append(self)
        if what in bars:
            self._bar = bars[what]
            self._bar.total = total
            self._show(RUNNING)
        else:
            self._bar = bars[what] = Progress(what=what, total=total)
            display(self._bar)  # type: ignore[no-untyped-call]

    def step(self) -> None:
        self._done += 1
        if time.monotonic() - self._shown >= _UPDATE_S:
            self._show(RUNNING)

    def end(self, state: str) -> None:
        if self in self._active:
            self._active.remove(self)
        if state == DONE or self._bar.state == RUNNING:
            self._show(state)

    def cell_ended(self, _: object) -> None:
        self.end(STOPPED)

    def _show(self, state: str) -> None:
        self._shown = time.monotonic()
        with self._bar.hold_sync():
            self._bar.done, self._bar.state = self._done, state
            self._bar.elapsed_s = self._shown - self._began
