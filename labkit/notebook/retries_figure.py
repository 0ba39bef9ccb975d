"""The still picture of a retry timeline: how the function fared, and what became of the event."""

from __future__ import annotations

from typing import Any, Final

from matplotlib.axes import Axes
from matplotlib.figure import Figure as MatplotlibFigure
from matplotlib.ticker import FuncFormatter, MultipleLocator

from labkit.fleet.health import Health, HealthPlan
from labkit.notebook import palette
from labkit.notebook.display import Figure
from labkit.notebook.event_lives import THROTTLED, Life, spoken

_SIZE_IN: Final = (7.4, 2.3)
_MARKS: Final[dict[str, dict[str, Any]]] = {
    "success": {"marker": "$✓$", "color": palette.SUCCESS, "markersize": 10},
    "error": {"marker": "^", "color": palette.ERROR, "markersize": 9},
    "timeout": {"marker": "^", "color": palette.ERROR, "markersize": 9},
    THROTTLED: {"marker": "x", "color": palette.THROTTLED, "markersize": 8},
}
_SPELLS: Final[dict[Health, dict[str, Any]]] = {
    Health.HEALTHY: {"facecolor": "#B2E2D5", "edgecolor": palette.PAPER},
    Health.BROKEN: {"facecolor": "#EBCADC", "edgecolor": palette.ERROR, "hatch": "///"},
    Health.THROTTLED: {"facecolor": "#F2CFB2", "edgecolor": palette.THROTTLED, "hatch": "\\\\\\"},
}
_TICKS_S: Final = (10, 30, 60, 120, 300, 600, 1_800, 3_600)
_ROW_STRIP, _ROW_EVENT = 1.25, 0.0


def retries_figure(life: Life, plan: HealthPlan | None, *, maximum_event_age_s: float) -> Figure:
    """Draw one event's life on the axis of its age; `plan`, if it is known, above it."""
    figure = MatplotlibFigure(figsize=_SIZE_IN, layout="constrained", facecolor=palette.PAPER)
    axes = figure.add_subplot()
    reach = max([life.end_ms, *(wait.end_ms for wait in life.waits), 1_000.0])
    end_s = reach / 1000 * 1.45
    if plan is not None:
        _draw_plan(axes, plan, end_s)
    _draw_life(axes, life, end_s)
    if maximum_event_age_s <= end_s:
        axes.axvline(maximum_event_age_s, ymax=0.72, color=palette.THROTTLED, linewidth=1.6)
        words = f" maximum event age {spoken(maximum_event_age_s * 1000)}"
        axes.annotate(words, (maximum_event_age_s, -0.78), fontsize=9, color=palette.INK)
    axes.set_xlim(-end_s * 0.01, end_s)
    axes.set_ylim(-0.9, 1.75 if plan is not None else 0.9)
    axes.set_yticks([])
    axes.set_xlabel("age: time since the event was stored", color=palette.INK, fontsize=9)
    step = next((tick for tick in _TICKS_S if end_s / tick <= 8), _TICKS_S[-1])
    axes.xaxis.set_major_locator(MultipleLocator(step))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: spoken(value * 1000)))
    axes.tick_params(labelsize=9, colors=palette.INK)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(palette.FAINT)
    return Figure(figure, "the life of one asynchronous event")


def _draw_plan(axes: Axes, plan: HealthPlan, end_s: float) -> None:
    ends = [spell.start_s for spell in plan.spells[1:]] + [end_s]
    for spell, stop_s in zip(plan.spells, ends, strict=True):
        width_s = min(stop_s, end_s) - spell.start_s
        if width_s <= 0:
            continue
        style = _SPELLS[spell.health]
        axes.barh(_ROW_STRIP, width_s, 0.42, left=spell.start_s, **style)
        if width_s > end_s * 0.09:
            axes.text(
                spell.start_s + width_s / 2,
                _ROW_STRIP,
                str(spell.health),
                ha="center",
                va="center",
                fontsize=9,
                color=palette.INK,
                bbox={"facecolor": palette.PAPER, "edgecolor": "none", "pad": 1.5},
            )


def _draw_life(axes: Axes, life: Life, end_s: float) -> None:
    for wait in life.waits:
        start_s, width_s = wait.start_ms / 1000, (wait.end_ms - wait.start_ms) / 1000
        axes.barh(
            _ROW_EVENT, width_s, 0.3, left=start_s, facecolor="#E7F4FC", edgecolor=palette.QUEUED
        )
        if width_s > end_s * 0.12:
            words = f"waits {spoken(wait.end_ms - wait.start_ms)}"
            axes.text(
                start_s + width_s / 2,
                _ROW_EVENT,
                words,
                ha="center",
                va="center",
                fontsize=9,
                color=palette.INK,
            )
    for attempt in life.attempts:
        start_s = attempt.start_ms / 1000
        width_s = max((attempt.end_ms - attempt.start_ms) / 1000, end_s * 0.004)
        if attempt.ran:
            axes.barh(_ROW_EVENT, width_s, 0.62, left=start_s, color=palette.INVOKE)
        style = _MARKS.get(attempt.outcome)
        if style is not None:
            middle_s = start_s + (width_s / 2 if attempt.ran else 0)
            axes.plot([middle_s], [0.58], linestyle="none", markeredgewidth=1.6, **style)
    _draw_end(axes, life, end_s)


def _draw_end(axes: Axes, life: Life, end_s: float) -> None:
    if life.condition is None:
        return
    words = "done" if life.condition == "Success" else f"{life.condition}\n→ {life.fate()}"
    axes.text(
        life.end_ms / 1000 + end_s * 0.012,
        _ROW_EVENT,
        words,
        va="center",
        fontsize=9,
        color=palette.INK,
    )
