"""The one drawing of the system, with the part that a lab is about highlighted."""

from __future__ import annotations

from typing import Final, NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure as MatplotlibFigure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

from labkit.notebook import palette
from labkit.notebook.display import Figure


class _Part(NamedTuple):
    """A box: its place in inches from the lower left corner, its title and what is in it."""

    x: float
    y: float
    width: float
    height: float
    title: str
    lines: str


_SIZE_IN: Final = (7.6, 4.3)
_HIGHLIGHT_FILL: Final = "#DCEBF7"
_PARTS: Final = {
    "notebook": _Part(0.15, 2.85, 1.55, 0.95, "your notebook", "boto3\nthe aws command"),
    "bench": _Part(0.15, 0.2, 1.55, 0.95, "the bench", "lab clock\nevent log"),
    "lambda_api": _Part(2.45, 2.85, 1.75, 0.95, "Lambda's API", "create · configure\ninvoke"),
    "queue": _Part(4.95, 2.95, 2.4, 0.75, "asynchronous queue", "keeps events, tries again"),
    "environments": _Part(
        4.95,
        1.4,
        2.4,
        1.1,
        "execution environments",
        "one process each:\nyour handler really runs",
    ),
    "mappings": _Part(2.45, 1.45, 1.75, 1.05, "event source\nmappings", "poll for records"),
    "services": _Part(2.45, 0.2, 1.75, 0.9, "other services", "IAM · S3 · SQS · …\nmocked by moto"),
    "logs": _Part(4.95, 0.2, 2.4, 0.75, "CloudWatch Logs", "START · END · REPORT"),
}
PARTS: Final = tuple(_PARTS)
"""What `the_system` can highlight."""

_ARROWS: Final = (
    ((1.7, 3.325), (2.45, 3.325), "call"),
    ((4.2, 3.325), (4.95, 3.325), "event"),
    ((4.1, 2.85), (5.0, 2.5), ""),
    ((6.15, 2.95), (6.15, 2.5), ""),
    ((4.2, 1.95), (4.95, 1.95), "batch"),
    ((3.3, 1.1), (3.3, 1.45), ""),
    ((6.15, 1.4), (6.15, 0.95), "log lines"),
    ((2.2, 0.675), (1.7, 0.675), ""),
)


def the_system(highlight: str | tuple[str, ...] = ()) -> Figure:
    """Draw the lab as a whole, with some parts highlighted.

    `highlight` is one of `PARTS`, or several. Raises ValueError for another name.
    """
    chosen = (highlight,) if isinstance(highlight, str) else tuple(highlight)
    for name in chosen:
        if name not in _PARTS:
            raise ValueError(f"there is no part {name!r}; there are: {', '.join(PARTS)}")
    figure = MatplotlibFigure(figsize=_SIZE_IN, facecolor=palette.PAPER)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_xlim(0, _SIZE_IN[0])
    axes.set_ylim(0, _SIZE_IN[1])
    axes.set_axis_off()
    _frame(axes)
    for name, part in _PARTS.items():
        _box(axes, name, part, name in chosen)
    for start, end, word in _ARROWS:
        _arrow(axes, start, end, word)
    names = ", ".join(_PARTS[name].title.replace("\n", " ") for name in chosen)
    return Figure(figure, "The lab's system" + (f"; highlighted: {names}" if names else ""))


def _frame(axes: Axes) -> None:
    axes.add_patch(
        FancyBboxPatch(
            (2.2, 0.08),
            5.28,
            4.03,
            boxstyle="round,pad=0,rounding_size=0.1",
            facecolor="none",
            edgecolor=palette.FAINT,
            linestyle=(0, (4, 3)),
        )
    )
    axes.text(
        7.35,
        3.96,
        "the lab's server, on 127.0.0.1 only",
        ha="right",
        va="center",
        fontsize=8.5,
        color=palette.FAINT,
    )


def _box(axes: Axes, name: str, part: _Part, highlighted: bool) -> None:
    axes.add_patch(
        FancyBboxPatch(
            (part.x, part.y),
            part.width,
            part.height,
            boxstyle="round,pad=0,rounding_size=0.08",
            facecolor=_HIGHLIGHT_FILL if highlighted else palette.PAPER,
            edgecolor=palette.INVOKE if highlighted else palette.FAINT,
            linewidth=2.2 if highlighted else 1.0,
            gid=name,
        )
    )
    middle = part.x + part.width / 2
    axes.text(
        middle,
        part.y + part.height - 0.24 - 0.08 * part.title.count("\n"),
        part.title,
        ha="center",
        va="center",
        fontsize=10.5,
        fontweight="bold" if highlighted else "normal",
        color=palette.INK,
    )
    axes.text(
        middle,
        part.y + (part.height - 0.36 - 0.16 * part.title.count("\n")) / 2,
        part.lines,
        ha="center",
        va="center",
        fontsize=9,
        color=palette.INK if highlighted else palette.FAINT,
        linespacing=1.35,
    )


def _arrow(axes: Axes, start: tuple[float, float], end: tuple[float, float], word: str) -> None:
    axes.add_patch(
        FancyArrowPatch(
            start, end, arrowstyle="-|>", mutation_scale=12, color=palette.INK, linewidth=1.2
        )
    )
    if word:
        across = start[1] == end[1]
        axes.text(
            (start[0] + end[0]) / 2 + (0 if across else 0.08),
            (start[1] + end[1]) / 2 + (0.11 if across else 0),
            word,
            ha="center" if across else "left",
            va="center",
            fontsize=8.5,
            color=palette.INK,
        )
