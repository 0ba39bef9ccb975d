"""The still picture of a BatchingExplorer: records on a time axis, one row each."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, Final

from matplotlib.axes import Axes
from matplotlib.figure import Figure as MatplotlibFigure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle
from matplotlib.path import Path

from labkit.fleet.batch_scenario import DEAD_LETTER, DISCARDED, DONE, SQS, Attempt, Life, Run
from labkit.notebook import palette
from labkit.notebook.batching_words import NOUNS, story
from labkit.notebook.display import Figure

_WIDTH_IN: Final = 7.4
_ROW_IN: Final = 0.135
_REST_IN: Final = 1.35
_ENDS: Final = {DEAD_LETTER: "DLQ", DISCARDED: "given up"}
_TICK: Final = Path([(-4, 0), (-1, -3), (4, 4)], [Path.MOVETO, Path.LINETO, Path.LINETO])
_TICK_STYLE: Final[dict[str, Any]] = {
    "markersize": 6,
    "markeredgewidth": 1.7,
    "markerfacecolor": "none",
    "zorder": 6,
}
_TICK_GAP: Final = 0.009  # of the width


def batching_figure(run: Run) -> Figure:
    """Draw what became of each record of a run; the colours and shapes are those of the widget."""
    ordered = sorted(run.lives, key=lambda life: (life.lane, life.number))
    rows = {life.number: place for place, life in enumerate(ordered)}
    figure = MatplotlibFigure(
        figsize=(_WIDTH_IN, _REST_IN + _ROW_IN * len(rows)),
        layout=ConstrainedLayoutEngine(w_pad=0.1, h_pad=0.06),
        facecolor=palette.PAPER,
    )
    axes = figure.add_subplot()
    for stretch in run.blocked:
        own = [rows[life.number] for life in ordered if life.lane == stretch.lane]
        _box(axes, stretch.from_ms, stretch.to_ms, min(own), max(own), "blocked")
    for attempt in run.attempts:
        _draw_attempt(axes, attempt, rows)
    for life in ordered:
        _draw_life(axes, life, rows[life.number], run)
    _label(axes, run, ordered)
    _legend(figure, run)
    return Figure(figure, story(run))


def _box(axes: Axes, from_ms: float, to_ms: float, first: int, last: int, kind: str) -> None:
    looks: dict[str, dict[str, Any]] = {
        "blocked": {"facecolor": palette.ERROR, "alpha": 0.22, "zorder": 0},
        "gathering": {"facecolor": palette.QUEUED, "alpha": 0.2, "zorder": 1},
        "batch": {"facecolor": palette.INVOKE, "edgecolor": palette.INK, "zorder": 4},
        "failed": {"facecolor": palette.ERROR, "edgecolor": palette.INK, "zorder": 5},
    }
    place, size = (from_ms / 1000, first - 0.42), ((to_ms - from_ms) / 1000, last - first + 0.84)
    axes.add_patch(Rectangle(place, *size, linewidth=0.7, gid=kind, **looks[kind]))


def _draw_attempt(axes: Axes, attempt: Attempt, rows: dict[int, int]) -> None:
    places = [rows[number] for number in attempt.records]
    for first, last in _blocks(places):
        if attempt.start_ms > attempt.opened_ms:
            _box(axes, attempt.opened_ms, attempt.start_ms, first, last, "gathering")
        _box(axes, attempt.start_ms, attempt.end_ms, first, last, "batch")
    for first, last in _blocks([rows[number] for number in attempt.failed]):
        _box(axes, attempt.start_ms, attempt.end_ms, first, last, "failed")
    middle_s = (attempt.start_ms + attempt.end_ms) / 2000
    for number in attempt.failed:
        axes.plot(middle_s, rows[number], "^", color=palette.INK, markersize=3, zorder=6)


def _blocks(places: list[int]) -> list[tuple[int, int]]:
    """Rows that follow each other, as (first, last)."""
    found: list[tuple[int, int]] = []
    for place in sorted(places):
        if found and found[-1][1] == place - 1:
            found[-1] = (found[-1][0], place)
        else:
            found.append((place, place))
    return found


def _draw_life(axes: Axes, life: Life, row: int, run: Run) -> None:
    end_ms = run.end_ms if life.ended_ms is None else life.ended_ms
    for from_ms, to_ms, is_hidden in _waits(life, run, end_ms):
        look: dict[str, Any] = (
            {"color": palette.FAINT, "ls": ":"} if is_hidden else {"color": palette.QUEUED}
        )
        axes.plot([from_ms / 1000, to_ms / 1000], [row, row], lw=1.1, zorder=2, **look)
    style: dict[str, Any] = {
        "markeredgecolor": palette.INK,
        "markeredgewidth": 0.6,
        "markersize": 4,
    }
    axes.plot(life.arrived_ms / 1000, row, "o", color=palette.QUEUED, zorder=3, **style)
    if life.end == DONE:
        place_s = (end_ms + _TICK_GAP * run.end_ms) / 1000
        axes.plot(place_s, row, marker=_TICK, color=palette.SUCCESS, gid="done", **_TICK_STYLE)
    elif life.end in _ENDS:
        axes.annotate(
            f"■ {_ENDS[life.end]}",
            (end_ms / 1000, row),
            xytext=(3, 0),
            textcoords="offset points",
            va="center",
            fontsize=7,
            color=palette.INK,
            zorder=6,
        )


def _waits(life: Life, run: Run, end_ms: float) -> Iterator[tuple[float, float, bool]]:
    """The waits of a record, and whether it was hidden, or had to be tried again."""
    from_ms, seen_ms = life.arrived_ms, life.arrived_ms
    own = [attempt for attempt in run.attempts if life.number in attempt.records]
    for attempt in own:
        yield from _wait(from_ms, seen_ms, attempt.start_ms)
        from_ms = attempt.end_ms
        again_ms = (time_ms for time_ms in life.visible_ms if time_ms > attempt.start_ms)
        seen_ms = next(again_ms, math.inf)
    yield from _wait(from_ms, seen_ms, end_ms)


def _wait(from_ms: float, seen_ms: float, to_ms: float) -> Iterator[tuple[float, float, bool]]:
    seen_ms = min(max(seen_ms, from_ms), to_ms)
    if seen_ms > from_ms:
        yield from_ms, seen_ms, True
    if to_ms > seen_ms:
        yield seen_ms, to_ms, False


def _label(axes: Axes, run: Run, ordered: list[Life]) -> None:
    noun = NOUNS[run.scenario.source]
    names = [
        f"{'▲ ' if life.number in run.scenario.poisoned else ''}{life.number}"
        + ("" if run.scenario.source == SQS else f" {life.key}")
        for life in ordered
    ]
    axes.set_yticks(range(len(ordered)), names)
    axes.set_ylim(len(ordered) - 0.4, -0.6)
    axes.set_xlim(-0.2, run.end_ms / 1000 * 1.07 + 0.2)
    axes.set_xlabel(f"seconds since the first {noun} arrived", color=palette.INK, fontsize=9)
    axes.tick_params(labelsize=7.5, colors=palette.INK, length=0)
    axes.grid(axis="x", color=palette.RULE, linewidth=0.6)
    axes.set_axisbelow(True)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(palette.FAINT)
    axes.set_title(story(run), loc="left", fontsize=9, color=palette.INK, wrap=True, x=0.0, pad=6)


def _legend(figure: MatplotlibFigure, run: Run) -> None:
    marks: list[Line2D | Patch] = [
        Line2D(
            [], [], marker="o", color=palette.QUEUED, markeredgecolor=palette.INK, label="waits"
        ),
        Patch(facecolor=palette.QUEUED, alpha=0.2, label="a batch is gathered"),
        Patch(facecolor=palette.INVOKE, edgecolor=palette.INK, label="one invocation"),
    ]
    if any(attempt.failed for attempt in run.attempts):
        marks.append(Patch(facecolor=palette.ERROR, edgecolor=palette.INK, label="▲ failed in it"))
        marks.append(Line2D([], [], color=palette.FAINT, ls=":", label="hidden, or to be retried"))
    if run.blocked:
        marks.append(Patch(facecolor=palette.ERROR, alpha=0.22, label="blocked"))
    figure.legend(
        handles=marks,
        loc="outside lower center",
        ncols=6,
        frameon=False,
        fontsize=7.5,
        labelcolor=palette.INK,
        columnspacing=1.2,
        handletextpad=0.5,
    )
