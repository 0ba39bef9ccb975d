"""Static figures: the picture of the system, and environments over time."""

from __future__ import annotations

import bisect
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from matplotlib.axes import Axes
from matplotlib.figure import Figure as MatplotlibFigure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle
from matplotlib.ticker import MaxNLocator

from labkit.core.events import Event
from labkit.notebook import palette
from labkit.notebook.display import Figure
from labkit.notebook.history import Doing, History, Row, history

WIDTH_IN: Final = 7.6
ROWS_MAX: Final = 40
"""More rows than this would be thinner than one can see: the rest is counted, not drawn."""

_CUT_FRACTION: Final = 0.07
"""Waiting that is longer than this part of the busy time is cut down to it."""
_BAR_MIN_FRACTION: Final = 0.005
"""Bars are at least so wide (about three pixels), to be seen at all."""
_LABEL_FRACTION: Final = 0.07
"""The width of the label of a cut, as a part of the axis."""
_BAR_HEIGHT: Final = 0.56

_STYLES: Final[dict[Doing, dict[str, Any]]] = {
    Doing.FROZEN: {"facecolor": palette.FROZEN, "zorder": 2},
    Doing.PROVISIONED: {
        "facecolor": palette.FROZEN,
        "edgecolor": palette.FAINT,
        "linewidth": 1.0,
        "zorder": 2,
    },
    Doing.NO_PROCESS: {
        "facecolor": palette.PAPER,
        "edgecolor": palette.FAINT,
        "linestyle": (0, (3, 2)),
        "linewidth": 1.0,
        "zorder": 2,
    },
    Doing.INVOKE: {"facecolor": palette.INVOKE, "zorder": 3},
    Doing.INIT: {
        "facecolor": palette.INIT,
        "edgecolor": palette.INK,
        "hatch": "//////",
        "hatch_linewidth": 0.7,
        "linewidth": 0.0,
        "zorder": 4,
    },
}
_WORDS: Final = {
    Doing.INIT: "init",
    Doing.INVOKE: "invoke",
    Doing.FROZEN: "frozen",
    Doing.PROVISIONED: "provisioned",
    Doing.NO_PROCESS: "process gone",
}
_ERROR: Final[dict[str, Any]] = {
    "marker": "^",
    "markersize": 9,
    "markerfacecolor": palette.ERROR,
    "markeredgecolor": palette.INK,
    "linestyle": "none",
    "zorder": 6,
}
_THROTTLE: Final[dict[str, Any]] = {
    "marker": "X",
    "markersize": 8,
    "markerfacecolor": palette.THROTTLED,
    "markeredgecolor": palette.PAPER,
    "markeredgewidth": 0.6,
    "linestyle": "none",
    "zorder": 6,
}
_END: Final[dict[str, Any]] = {
    "marker": "|",
    "markersize": 15,
    "markeredgecolor": palette.INK,
    "markeredgewidth": 2.0,
    "linestyle": "none",
    "zorder": 5,
}


def environments_over_time(events: Iterable[Event], *, function: str | None = None) -> Figure:
    """Draw the life of each execution environment: one row each, time from left to right.

    `events` are the lab's (`lab.events()`), `function` leaves those of one function. Time is to
    scale, but long waiting is cut out; each cut is marked and its length written above it.
    """
    past = history(events, function)
    axis = TimeAxis(past)
    rows = past.rows[:ROWS_MAX]
    throttled = bool(past.throttles_ms)
    lanes = len(rows) + throttled
    figure = MatplotlibFigure(
        figsize=(WIDTH_IN, 1.25 + 0.34 * max(lanes, 1)),
        layout=ConstrainedLayoutEngine(w_pad=0.12, h_pad=0.08),
        facecolor=palette.PAPER,
    )
    axes = figure.add_subplot()
    for lane, row in enumerate(rows):
        _draw_row(axes, axis, lane, row)
    for time_ms in past.throttles_ms:
        axes.add_line(Line2D([axis.x(time_ms)], [len(rows)], gid="throttle", **_THROTTLE))
    _draw_cuts(axes, axis, lanes)
    axes.set_yticks(range(lanes), _lane_names(rows) + ["throttled"] * throttled)
    axes.set_ylim(max(lanes, 1) - 0.5, -0.5)
    _label_time(axes, axis, len(past.rows) - len(rows))
    _legend(figure, past, rows)
    return Figure(figure, past.summary())


@dataclass(frozen=True, slots=True)
class Cut:
    """Waiting that is not drawn to scale."""

    start_ms: float
    end_ms: float


class TimeAxis:
    """Places lab time on an axis on which long waiting is short."""

    def __init__(self, past: History) -> None:
        stretches = _busy(past)
        busy_ms = sum(end - start for start, end in stretches) or 1.0
        self.cut_ms = _CUT_FRACTION * busy_ms
        self.cuts: list[Cut] = []
        self._times, self._places, self._running = [past.start_ms], [0.0], [0.0]
        for (_, before), (after, _) in zip(stretches, stretches[1:], strict=False):
            if after - before > self.cut_ms:
                self.cuts.append(Cut(before, after))
                self._append(before, before - self._times[-1], before - self._times[-1])
                self._append(after, self.cut_ms, 0.0)
        last_ms = max(past.end_ms - self._times[-1], 0.0)
        self._append(past.end_ms, last_ms, last_ms)

    @property
    def length(self) -> float:
        """The length of the whole axis; 1.0 if nothing happened."""
        return self._places[-1] or 1.0

    @property
    def running_ms(self) -> float:
        """The time that is drawn to scale."""
        return self._running[-1]

    def x(self, time_ms: float) -> float:
        """Return the place of a lab time (ms since 1970)."""
        return _interpolate(time_ms, self._times, self._places)

    def place_of_running(self, running_ms: float) -> float:
        """Return the place at which so much time has been drawn to scale."""
        return _interpolate(running_ms, self._running, self._places)

    def _append(self, time_ms: float, width: float, running_ms: float) -> None:
        self._times.append(time_ms)
        self._places.append(self._places[-1] + width)
        self._running.append(self._running[-1] + running_ms)


def _interpolate(value: float, keys: list[float], values: list[float]) -> float:
    index = min(max(bisect.bisect_left(keys, value), 1), len(keys) - 1)
    low, high = keys[index - 1], keys[index]
    part = 0.0 if high == low else (value - low) / (high - low)
    return values[index - 1] + part * (values[index] - values[index - 1])


def _busy(past: History) -> list[tuple[float, float]]:
    """The stretches of time in which something was to be seen, in order and apart."""
    found = [(past.start_ms, past.start_ms), (past.end_ms, past.end_ms)]
    found += [(time_ms, time_ms) for time_ms in past.throttles_ms]
    for row in past.rows:
        found += [
            (span.start_ms, span.end_ms)
            for span in row.spans
            if span.doing in (Doing.INIT, Doing.INVOKE)
        ]
        if row.ended_ms is not None:
            found.append((row.ended_ms, row.ended_ms))
    merged: list[tuple[float, float]] = []
    for start, end in sorted(found):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end))
        else:
            merged.append((start, end))
    return merged


def _draw_row(axes: Axes, axis: TimeAxis, lane: int, row: Row) -> None:
    for span in row.spans:
        start = axis.x(span.start_ms)
        width = max(axis.x(span.end_ms) - start, _BAR_MIN_FRACTION * axis.length)
        axes.add_patch(
            Rectangle(
                (start, lane - _BAR_HEIGHT / 2),
                width,
                _BAR_HEIGHT,
                gid=span.doing,
                **_STYLES[span.doing],
            )
        )
    for time_ms in row.errors_ms:
        axes.add_line(Line2D([axis.x(time_ms)], [lane], gid="error", **_ERROR))
    if row.ended_ms is not None:
        axes.add_line(Line2D([axis.x(row.ended_ms)], [lane], gid="end", **_END))


def _draw_cuts(axes: Axes, axis: TimeAxis, lanes: int) -> None:
    middles = [(axis.x(cut.start_ms) + axis.x(cut.end_ms)) / 2 for cut in axis.cuts]
    crowded = any(
        after - before < _LABEL_FRACTION * axis.length
        for before, after in zip(middles, middles[1:], strict=False)
    )
    for cut, middle in zip(axis.cuts, middles, strict=True):
        for shift in (-0.12, 0.12):
            axes.add_line(
                Line2D(
                    [middle + shift * axis.cut_ms] * 2,
                    [-0.5, max(lanes, 1) - 0.5],
                    color=palette.PAPER,
                    linewidth=2.5,
                    zorder=7,
                )
            )
        axes.annotate(
            _waiting(cut.end_ms - cut.start_ms),
            (middle, -0.5),
            xytext=(0, 4),
            textcoords="offset points",
            ha="center",
            va="bottom",
            rotation=90 if crowded else 0,
            fontsize=8,
            color=palette.FAINT,
            gid="cut",
        )


def _waiting(waiting_ms: float) -> str:
    if waiting_ms < 1_000:
        return f"{waiting_ms:.0f} ms"
    if waiting_ms < 99_500:
        return f"{waiting_ms / 1_000:.2g} s"
    if waiting_ms < 5_970_000:
        return f"{waiting_ms / 60_000:.0f} min"
    return f"{waiting_ms / 3_600_000:.1f} h"


def _lane_names(rows: list[Row]) -> list[str]:
    several = len({row.function for row in rows}) > 1
    numbers: dict[str, int] = {}
    names = []
    for row in rows:
        number = numbers[row.function] = numbers.get(row.function, 0) + 1
        names.append(f"{row.function if several else 'environment'} {number}")
    return names


def _label_time(axes: Axes, axis: TimeAxis, left_out: int) -> None:
    in_seconds = axis.running_ms >= 2_000
    unit, unit_ms = ("s", 1_000.0) if in_seconds else ("ms", 1.0)
    ticks = [
        tick
        for tick in MaxNLocator(6, steps=[1, 2, 5, 10]).tick_values(0, axis.running_ms / unit_ms)
        if 0 <= tick * unit_ms <= axis.running_ms
    ]
    axes.set_xticks(
        [axis.place_of_running(tick * unit_ms) for tick in ticks], [f"{tick:g}" for tick in ticks]
    )
    axes.set_xlim(-0.01 * axis.length, 1.02 * axis.length)
    label = f"time ({unit})"
    if axis.cuts:
        label += "; waiting is cut out where a length of time stands above"
    if left_out:
        label += f"; {left_out} more environments are not drawn"
    axes.set_xlabel(label, color=palette.INK, fontsize=9)
    axes.tick_params(colors=palette.INK, labelsize=9, left=False)
    axes.grid(axis="x", color=palette.RULE, linewidth=0.6, zorder=0)
    axes.set_axisbelow(True)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(palette.FAINT)


def _legend(figure: MatplotlibFigure, past: History, rows: list[Row]) -> None:
    seen = {span.doing for row in rows for span in row.spans}
    handles: list[Patch | Line2D] = [
        Patch(label=word, **_STYLES[doing]) for doing, word in _WORDS.items() if doing in seen
    ]
    if any(row.errors_ms for row in rows):
        handles.append(Line2D([], [], label="error", **_ERROR))
    if past.throttles_ms:
        handles.append(Line2D([], [], label="throttled", **_THROTTLE))
    if any(row.ended_ms is not None for row in rows):
        handles.append(Line2D([], [], label="environment ends", **_END))
    if handles:
        figure.legend(
            handles=handles,
            loc="outside upper left",
            ncols=len(handles),
            frameon=False,
            fontsize=9,
            labelcolor=palette.INK,
            handlelength=1.6,
            handletextpad=0.6,
            columnspacing=1.2,
        )
