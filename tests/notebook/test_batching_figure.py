from __future__ import annotations

import io

from PIL import Image

from labkit.fleet.batch_scenario import BatchScenario
from labkit.fleet.batches import simulate
from labkit.notebook.batching_figure import batching_figure
from labkit.notebook.batching_words import story

SCENARIO = BatchScenario(
    source="sqs",
    arrivals_ms=tuple(1000.0 * number for number in range(6)),
    keys=("A",) * 6,
    poisoned=frozenset({2}),
    batch_size=3,
    batching_window_s=5,
)


def test_each_invocation_and_each_failure_is_a_box() -> None:
    run = simulate(SCENARIO)
    drawn = batching_figure(run)
    (axes,) = drawn.figure.axes
    kinds = [patch.get_gid() for patch in axes.patches]
    assert kinds.count("batch") == len(run.attempts) == 4
    assert kinds.count("failed") == 3
    assert [text.get_text() for text in axes.get_yticklabels()][:3] == ["1", "▲ 2", "3"]
    assert axes.get_xlabel() == "seconds since the first message arrived"
    assert [line.get_gid() for line in axes.lines].count("done") == 3
    assert [note.get_text() for note in axes.texts] == ["■ DLQ"] * 3
    assert drawn.text == story(run)


def test_the_picture_fits_a_notebook() -> None:
    png = batching_figure(simulate(SCENARIO)).png
    with Image.open(io.BytesIO(png)) as picture:
        assert picture.width > 600
    assert len(png) < 30_000
