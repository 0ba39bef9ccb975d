"""What cells show: pictures and tables, each with one deterministic text that tests can compare."""

from __future__ import annotations

import html
import io
from functools import cached_property
from typing import Any, Final

import matplotlib.figure
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from numpy.typing import NDArray
from PIL import Image

from labkit.core.report import Report, parse_report

DPI: Final = 110
_COLOURS: Final = 64


class Figure:
    """A drawn figure, shown as a picture where pictures can be shown and as one line of text
    elsewhere.

    `figure` is a matplotlib Figure, `text` the line.
    """

    def __init__(self, figure: matplotlib.figure.Figure, text: str) -> None:
        self.figure, self.text = figure, text

    @cached_property
    def png(self) -> bytes:
        """The picture as a PNG file, of few colours: notebooks carry it, a third as large."""
        self.figure.set_dpi(DPI)
        canvas = FigureCanvasAgg(self.figure)
        canvas.draw()  # type: ignore[no-untyped-call]
        pixels = np.asarray(canvas.buffer_rgba())  # type: ignore[no-untyped-call]
        buffer = io.BytesIO()
        _with_few_colours(pixels[:, :, :3]).save(buffer, "PNG", optimize=True)
        return buffer.getvalue()

    def __repr__(self) -> str:
        return self.text

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, Any]:
        return {"text/plain": self.text, "image/png": self.png}


def _with_few_colours(pixels: NDArray[np.uint8]) -> Image.Image:
    """Keep the most frequent colours exactly; the rest, soft edges, take the nearest of these."""
    height, width, _ = pixels.shape
    colours, places, counts = np.unique(
        pixels.reshape(-1, 3), axis=0, return_inverse=True, return_counts=True
    )
    frequent = colours[np.argsort(counts)[-_COLOURS:]]
    difference = colours[:, None, :].astype(int) - frequent[None, :, :]
    nearest = np.square(difference).sum(axis=2).argmin(axis=1).astype(np.uint8)
    picture = Image.fromarray(nearest[places.reshape(height, width)], "P")
    picture.putpalette(frequent.tobytes())
    return picture


_MEANINGS: Final = (
    ("RequestId", "the name of this one invocation, in every line that it logs"),
    ("Duration", "how long the handler ran"),
    ("Billed Duration", "what is billed: init and duration, rounded up to whole ms"),
    ("Memory Size", "what you ordered"),
    ("Max Memory Used", "the most that this environment has needed so far"),
    ("Init Duration", "how long the init phase took: only after a cold start"),
    ("Status", "only when Lambda itself ended the invocation"),
    ("Error Type", "only when Lambda itself ended the invocation"),
)


_COLUMNS: Final = ("field", "value", "meaning")
_CELL: Final = "text-align: left; white-space: nowrap"


class ReportFields:
    """A REPORT line, field by field: what it says and what that means."""

    def __init__(self, line: str) -> None:
        self.report: Report = parse_report(line)

    def rows(self) -> list[tuple[str, str, str]]:
        """Return (field, value with its unit, meaning) for each field of the line."""
        report = self.report
        init = None if report.init_ms is None else f"{report.init_ms:.2f} ms"
        values = {
            "RequestId": report.request_id,
            "Duration": f"{report.duration_ms:.2f} ms",
            "Billed Duration": f"{report.billed_ms} ms",
            "Memory Size": f"{report.memory_mb} MB",
            "Max Memory Used": f"{report.max_memory_mb} MB",
            "Init Duration": init,
            "Status": None if report.status == "success" else report.status,
            "Error Type": report.error_type,
        }
        return [
            (name, value, meaning)
            for name, meaning in _MEANINGS
            if (value := values[name]) is not None
        ]

    def __repr__(self) -> str:
        return "\n".join(f"{name}: {value} ({meaning})" for name, value, meaning in self.rows())

    def _repr_html_(self) -> str:
        head = "".join(f'<th style="{_CELL}">{name}</th>' for name in _COLUMNS)
        body = "".join(
            "<tr>"
            + "".join(f'<td style="{_CELL}">{html.escape(cell)}</td>' for cell in row)
            + "</tr>"
            for row in self.rows()
        )
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def report_fields(line: str) -> ReportFields:
    """Read a REPORT line of a function's log, to be shown as a table.

    Its figures are in `.report`: `duration_ms`, `billed_ms`, `init_ms` (None after a warm start),
    `memory_mb`, `max_memory_mb`. Raises ValueError if the line is none.
    """
    return ReportFields(line)
