"""The still picture of a bench, by the facts that it shows."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text

from labkit.notebook.bench_figure import bench_figure, theory_ms
from labkit.notebook.display import Figure
from labkit.notebook.measure import Measurement

WARM = Measurement(
    memory_mb=1769,
    timeout_s=1,
    status_code=200,
    function_error=None,
    payload="1",
    outcome="success",
    duration_ms=120.0,
    billed_ms=120,
    init_ms=None,
    max_memory_mb=30,
    cost_usd=0.0000036,
)
COLD = replace(WARM, memory_mb=512, duration_ms=410.0, init_ms=90.0)
FAILED = replace(WARM, memory_mb=256, duration_ms=3.0, outcome="error", function_error="Unhandled")
TIMED_OUT = replace(WARM, memory_mb=128, duration_ms=1000.2, outcome="timeout")


def drawn(figure: Figure) -> dict[str, Any]:
    """The lines by their names."""
    (axes,) = figure.figure.axes
    return {line.get_gid(): line for line in axes.lines if line.get_gid()}


def words(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.figure.findobj(Text) if text.get_text()]


def test_each_measurement_is_a_mark_of_its_kind() -> None:
    figure = bench_figure("primes", [WARM, COLD, FAILED, TIMED_OUT], timeout_s=1)
    marks = drawn(figure)
    assert list(marks["measured"].get_xdata()) == [1769, 512]
    assert list(marks["failed"].get_ydata()) == [3.0]
    assert list(marks["timed out"].get_xdata()) == [128]
    assert list(marks["timeout"].get_ydata()) == [1000, 1000]
    assert list(marks["cold start"].get_xdata()) == [512]
    assert {"measured", "failed", "timed out", "cold start", "duration (ms)"} <= set(words(figure))


def test_the_theory_goes_through_the_first_success() -> None:
    curve = drawn(bench_figure("primes", [TIMED_OUT, WARM, COLD]))["theory"]
    points = dict(zip(curve.get_xdata(), curve.get_ydata(), strict=True))
    assert points[128] == pytest.approx(120 * 1769 / 128)
    assert points[10_240] == 120


def test_without_a_success_there_is_no_theory_of_the_duration() -> None:
    assert "theory" not in drawn(bench_figure("primes", [FAILED]))


def test_before_anything_is_measured_the_picture_teaches_the_share() -> None:
    figure = bench_figure("primes", [], timeout_s=3)
    assert "timeout" not in drawn(figure)
    said = words(figure)
    assert {"13.8×", "6.91×", "1×", "times as long as with 1 vCPU", "1,769 MB = 1 vCPU"} <= set(
        said
    )
    assert "theory: time × share = constant" in said


@pytest.mark.parametrize(("memory_mb", "times"), [(128, 13.8203125), (1769, 1), (10_240, 1)])
def test_time_times_share_is_constant(memory_mb: int, times: float) -> None:
    assert theory_ms(memory_mb, None) == pytest.approx(times)
    assert theory_ms(memory_mb, WARM) == pytest.approx(120 * times)
    assert theory_ms(memory_mb, replace(WARM, memory_mb=10_240)) == pytest.approx(120 * times)


@pytest.mark.parametrize(
    "measurements", [[], [WARM], [WARM, COLD, FAILED, TIMED_OUT], [replace(WARM, memory_mb=10_240)]]
)
def test_nothing_is_clipped(measurements: list[Measurement]) -> None:
    figure = bench_figure("a-function-of-a-long-name", measurements, timeout_s=900).figure
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    drawn_in = figure.get_tightbbox(canvas.get_renderer())
    assert drawn_in.x0 >= 0 and drawn_in.y0 >= 0
    assert drawn_in.x1 <= figure.get_figwidth() and drawn_in.y1 <= figure.get_figheight()
