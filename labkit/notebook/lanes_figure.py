"""The still picture of concurrency lanes: who ran in which, and who fell off at the ceiling."""

from __future__ import annotations

from typing import Any, Final

from matplotlib.axes import Axes
from matplotlib.figure import Figure as MatplotlibFigure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from labkit.notebook import palette
from labkit.notebook.display import Figure
from labkit.notebook.history import Doing
from labkit.notebook.lane_rows import LaneRun

_WIDTH_IN: Final = 7.4
_STYLES: Final[dict[Doing, dict[str, Any]]] = {
    Doing.INIT: {"facecolor": palette.INIT, "edgecolor": palette.INK, "hatch": "////"},
    Doing.INVOKE: {"facecolor": palette.INVOKE, "edgecolor": palette.PAPER},
}
_IDLE: Final[dict[str, Any]] = {"facecolor": palette.FROZEN}
_READY: Final = "#D6EFE8"


def lanes_figure(
    run: LaneRun, *, ceiling: int, ceiling_words: str, slots: int, provisioned: int
) -> Figure:
    """Draw lanes from the bottom up, the ceiling above the lanes that may be used."""
    height_in = 1.5 + 0.16 * slots
    size_in = (_WIDTH_IN, height_in)
    figure = MatplotlibFigure(figsize=size_in, layout="constrained", facecolor=palette.PAPER)
    axes = figure.add_subplot()
    if provisioned:
        axes.axhspan(0, provisioned, facecolor=_READY, zorder=0)
    seen = _draw_lanes(axes, run)
    axes.axhline(ceiling, color=palette.THROTTLED, linewidth=1.8)
    axes.annotate(
        ceiling_words,
        (0, ceiling),
        xytext=(4, 11),  # above the crosses
        textcoords="offset points",
        fontsize=9,
        color=palette.INK,
    )
    if run.throttles:
        times = [(event.time_ms - run.start_ms) / 1000 for event in run.throttles]
        style: dict[str, Any] = {"color": palette.THROTTLED, "linestyle": "none", "marker": "x"}
        axes.plot(times, [ceiling + 0.45] * len(times), markeredgewidth=1.8, **style)
        seen.append(Line2D([], [], label="throttled (429)", markeredgewidth=1.8, **style))
    if provisioned:
        seen.append(Patch(facecolor=_READY, label="provisioned"))
    axes.set_xlim(0, (run.end_ms - run.start_ms) / 1000 or 1)
    axes.set_ylim(0, max(slots, ceiling + 1.2))
    axes.set_xlabel("time (s)", fontsize=9, color=palette.INK)
    axes.set_ylabel("environments", fontsize=9, color=palette.INK)
    axes.tick_params(labelsize=9, colors=palette.INK)
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    figure.legend(
        handles=seen,
        loc="outside lower center",
        ncols=5,
        frameon=False,
        fontsize=9,
        labelcolor=palette.INK,
    )
    return Figure(figure, "execution environments as lanes")


def _draw_lanes(axes: Axes, run: LaneRun) -> list[Any]:
    """Draw all spans; return what the legend needs."""
    there: set[Doing] = set()
    for place, lane in enumerate(run.lanes):
        for _, span in lane.spans:
            start_ms = max(span.start_ms, run.start_ms)
            start_s = (start_ms - run.start_ms) / 1000
            width_s = (span.end_ms - start_ms) / 1000
            if width_s <= 0:
                continue
            style, height = _STYLES.get(span.doing, _IDLE), 0.72
            if span.doing not in _STYLES:
                height = 0.22
            there.add(span.doing)
            axes.barh(place + 0.5, width_s, height, left=start_s, linewidth=0.6, zorder=2, **style)
    found: list[Any] = []
    for doing, style in _STYLES.items():
        if doing in there:
            found.append(Patch(label=doing.value, linewidth=0.6, **style))
    if there - set(_STYLES):
        found.append(Patch(label="idle", **_IDLE))
    return found
