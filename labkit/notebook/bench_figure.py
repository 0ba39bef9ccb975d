"""The still picture of an InvokeBench: duration against memory, theory and measurements."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure as MatplotlibFigure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.path import Path
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullLocator

from labkit.core.cpu import FULL_CORE_MB, cpu_share
from labkit.core.report import ERROR, SUCCESS, TIMEOUT
from labkit.notebook import palette
from labkit.notebook.display import Figure
from labkit.notebook.measure import Measurement

MEMORY_MB: Final = (128, 256, 512, 1024, 2048, 4096, 8192)
"""Where the memory axis has its ticks."""
MEMORY_MAX_MB: Final = 10_240

_SIZE_IN: Final = (7.2, 3.5)
_BAR_OVER_TRIANGLE: Final = Path(
    [(-6, -6), (6, -6), (0, 6), (-6, -6), (-7, 9), (7, 9), (7, 11), (-7, 11), (-7, 9)],
    [
        Path.MOVETO,
        *[Path.LINETO] * 2,
        Path.CLOSEPOLY,
        Path.MOVETO,
        *[Path.LINETO] * 3,
        Path.CLOSEPOLY,
    ],
)
_MARKS: Final[dict[str, dict[str, Any]]] = {
    SUCCESS: {"marker": "x", "markersize": 8, "markeredgewidth": 2.4, "color": palette.INVOKE},
    ERROR: {
        "marker": "^",
        "markersize": 9,
        "markerfacecolor": palette.ERROR,
        "markeredgecolor": palette.INK,
    },
    TIMEOUT: {
        "marker": _BAR_OVER_TRIANGLE,
        "markersize": 18,
        "markerfacecolor": palette.ERROR,
        "markeredgecolor": palette.INK,
    },
}
_WORDS: Final = {SUCCESS: "measured", ERROR: "failed", TIMEOUT: "timed out"}
_RING: Final[dict[str, Any]] = {
    "marker": "o",
    "markersize": 15,
    "markerfacecolor": "none",
    "markeredgecolor": palette.INIT,
    "markeredgewidth": 2.0,
    "linestyle": "none",
}


def bench_figure(
    function: str, measurements: Sequence[Measurement], *, timeout_s: int | None = None
) -> Figure:
    """Draw what was measured, and the line of theory through the first success.

    Without a success the line tells how many times as long as with a whole vCPU it takes.
    `timeout_s` is drawn as a line if it is given and something was measured.
    """
    first = next((each for each in measurements if each.outcome == SUCCESS), None)
    figure = MatplotlibFigure(
        figsize=_SIZE_IN,
        layout=ConstrainedLayoutEngine(w_pad=0.12, h_pad=0.08),
        facecolor=palette.PAPER,
    )
    axes = figure.add_subplot(xscale="log", yscale="log")
    if first is not None or not measurements:
        _draw_theory(axes, first)
    if measurements:
        _draw_measurements(axes, measurements)
        axes.set_ylabel("duration (ms)", color=palette.INK)
        if timeout_s is not None:
            _draw_timeout(axes, timeout_s)
    else:
        axes.set_ylabel("times as long as with 1 vCPU", color=palette.INK)
    _label(axes, function)
    figure.legend(
        loc="outside lower center",
        ncols=5,
        frameon=False,
        fontsize=9,
        labelcolor=palette.INK,
        columnspacing=1.2,
        handletextpad=0.5,
    )
    return Figure(figure, f"duration against memory of {function}")


def theory_ms(memory_mb: int, measured: Measurement | None) -> float:
    """Return how long work that only calculates takes: time × CPU share stays the same, up to one
    vCPU. Without a measurement, the time with one vCPU counts as 1.
    """
    share = min(1.0, cpu_share(memory_mb))
    if measured is None:
        return 1 / share
    return measured.duration_ms * min(1.0, cpu_share(measured.memory_mb)) / share


def _draw_theory(axes: Axes, first: Measurement | None) -> None:
    sizes = np.geomspace(MEMORY_MB[0], MEMORY_MAX_MB, 200).round().astype(int)
    axes.plot(
        sizes,
        [theory_ms(int(memory_mb), first) for memory_mb in sizes],
        color=palette.FAINT,
        linestyle=(0, (5, 3)),
        linewidth=1.3,
        label="theory: time × share = constant",
        gid="theory",
    )
    if first is None:
        for memory_mb in (*MEMORY_MB[:4], FULL_CORE_MB):
            times = theory_ms(memory_mb, None)
            axes.plot([memory_mb], [times], "o", color=palette.FAINT, markersize=4)
            axes.annotate(
                f"{times:.3g}×",
                (memory_mb, times),
                xytext=(7, 5),
                textcoords="offset points",
                fontsize=9,
                color=palette.INK,
            )


def _draw_measurements(axes: Axes, measurements: Sequence[Measurement]) -> None:
    for outcome, style in _MARKS.items():
        chosen = [each for each in measurements if each.outcome == outcome]
        if chosen:
            axes.plot(
                *_places(chosen),
                **style,
                linestyle="none",
                label=_WORDS[outcome],
                gid=_WORDS[outcome],
                zorder=4,
            )
    cold = [each for each in measurements if each.init_ms is not None]
    if cold:
        axes.plot(*_places(cold), **_RING, label="cold start", gid="cold start", zorder=3)


def _places(measurements: Sequence[Measurement]) -> tuple[list[int], list[float]]:
    return [each.memory_mb for each in measurements], [each.duration_ms for each in measurements]


def _draw_timeout(axes: Axes, timeout_s: int) -> None:
    axes.axhline(timeout_s * 1000, color=palette.THROTTLED, linewidth=1.6, gid="timeout")
    axes.annotate(
        f"timeout {timeout_s:,} s",
        (1.0, timeout_s * 1000),
        xycoords=("axes fraction", "data"),
        xytext=(-4, 3),
        textcoords="offset points",
        ha="right",
        fontsize=9,
        color=palette.INK,
    )


def _label(axes: Axes, function: str) -> None:
    axes.set_title(f"{function}: duration by memory", loc="left", fontsize=10, color=palette.INK)
    axes.set_xlabel("memory (MB)", color=palette.INK)
    axes.set_xlim(MEMORY_MB[0] / 1.2, MEMORY_MAX_MB * 1.08)
    low, high = axes.get_ylim()
    axes.set_ylim(low / 1.5, high * 1.6)
    axes.axvline(FULL_CORE_MB, color=palette.FAINT, linestyle=":", linewidth=1.0, zorder=1)
    axes.annotate(
        f"{FULL_CORE_MB:,} MB = 1 vCPU",
        (FULL_CORE_MB, 1.0),
        xycoords=("data", "axes fraction"),
        xytext=(4, -4),
        textcoords="offset points",
        va="top",
        fontsize=9,
        color=palette.FAINT,
    )
    axes.xaxis.set_major_locator(FixedLocator(MEMORY_MB))
    axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_minor_locator(NullLocator())
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
    axes.tick_params(labelsize=9, colors=palette.INK)
    axes.grid(axis="y", color=palette.RULE, linewidth=0.6)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(palette.FAINT)
