"""The figures, by the facts that they show."""

from __future__ import annotations

import io
from collections import Counter
from typing import Any

import matplotlib.figure
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex
from matplotlib.text import Text
from PIL import Image

from labkit.notebook import palette
from labkit.notebook.display import Figure
from labkit.notebook.figures import ROWS_MAX, TimeAxis, environments_over_time
from labkit.notebook.history import history
from labkit.notebook.system_figure import PARTS, the_system


def marks(figure: Figure) -> Counter[str]:
    """How many artists there are of each kind."""
    (axes,) = figure.figure.axes
    return Counter(
        str(artist.get_gid()) for artist in axes.get_children() if artist.get_gid() is not None
    )


def clipped(figure: matplotlib.figure.Figure) -> list[str]:
    """The texts that do not lie within the picture."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    renderer = canvas.get_renderer()
    texts = [text for axes in figure.axes for text in axes.findobj(Text)]
    texts += [text for legend in figure.legends for text in legend.get_texts()]
    outside = []
    for text in texts:
        box = text.get_window_extent(renderer)
        inside = box.x0 >= 0 and box.y0 >= 0 and box.x1 <= figure.bbox.x1
        if text.get_text() and text.get_visible() and not (inside and box.y1 <= figure.bbox.y1):
            outside.append(text.get_text())
    return outside


@pytest.fixture
def everything(sleepers: Any) -> Any:
    """One of every mark: cuts, errors, throttles, ends."""
    sleepers.add("throttled", 4_500)
    for number, environment in enumerate("abc"):
        sleepers.add("environment_ended", 900_000 + 61_000 * number, environment=environment)
    return sleepers


def test_each_thing_is_one_mark(everything: Any) -> None:
    figure = environments_over_time(everything.events())
    assert figure.text == "3 environments, 7 invocations (3 cold), 1 error, 1 throttle"
    counted = marks(figure)
    assert counted["init"] == 3
    assert counted["invoke"] == 7
    assert counted["error"] == 1
    assert counted["throttle"] == 1
    assert counted["end"] == 3
    assert counted["no process"] == 1


def test_no_label_is_clipped(everything: Any) -> None:
    everything.init("d", 5_000, 20, function="a-function-with-a-rather-long-name")
    assert clipped(environments_over_time(everything.events()).figure) == []
    assert clipped(the_system().figure) == []


def test_rows_are_named_after_their_function_if_there_are_several(story: Any) -> None:
    story.init("a", 0, 10)
    story.init("b", 5, 10)
    names = [label.get_text() for label in _lane_labels(story)]
    assert names == ["environment 1", "environment 2"]
    story.init("c", 8, 10, function="other")
    assert [label.get_text() for label in _lane_labels(story)] == ["hello 1", "hello 2", "other 1"]


def _lane_labels(story: Any) -> list[Any]:
    (axes,) = environments_over_time(story.events()).figure.axes
    return list(axes.get_yticklabels())


def test_long_waiting_is_cut_out_and_said_so(story: Any) -> None:
    story.init("a", 0, 100)
    story.invoke("a", 100, 100)
    story.invoke("a", 900_200, 100)
    figure = environments_over_time(story.events())
    (axes,) = figure.figure.axes
    assert [text.get_text() for text in axes.texts] == ["15 min"]
    assert "cut out" in axes.get_xlabel()
    axis = TimeAxis(history(story.events()))
    assert axis.running_ms == pytest.approx(300)
    assert axis.length == pytest.approx(300 + axis.cut_ms)


def test_time_is_to_scale_where_nothing_is_cut(sleepers: Any) -> None:
    past = history(sleepers.events())
    axis = TimeAxis(past)
    for row in past.rows:
        for span in row.spans:
            if span.doing in ("init", "invoke"):
                drawn = axis.x(span.end_ms) - axis.x(span.start_ms)
                assert drawn == pytest.approx(span.end_ms - span.start_ms, abs=1e-3)


def test_the_unit_of_time_follows_the_length(story: Any) -> None:
    story.init("a", 0, 100)
    assert _time_label(story).startswith("time (ms)")
    story.invoke("a", 100, 5_000)
    assert _time_label(story).startswith("time (s)")


def _time_label(story: Any) -> str:
    (axes,) = environments_over_time(story.events()).figure.axes
    return str(axes.get_xlabel())


def test_too_many_rows_are_counted_and_not_drawn(story: Any) -> None:
    for number in range(ROWS_MAX + 5):
        story.init(f"environment {number}", number, 10)
    figure = environments_over_time(story.events())
    assert marks(figure)["init"] == ROWS_MAX
    assert "5 more environments are not drawn" in figure.figure.axes[0].get_xlabel()
    assert figure.text.startswith(f"{ROWS_MAX + 5} environments")


def test_nothing_to_draw_is_drawn_all_the_same() -> None:
    assert environments_over_time([]).png.startswith(b"\x89PNG")


@pytest.mark.parametrize("draw", [environments_over_time, lambda _: the_system("logs")])
def test_the_picture_has_its_colours_and_a_size_to_be_seen(draw: Any, everything: Any) -> None:
    picture = Image.open(io.BytesIO(draw(everything.events()).png)).convert("RGB")
    assert 700 <= picture.width <= 900
    colours = {
        "#" + bytes(colour).hex().upper() for _, colour in picture.getcolors(picture.width**2)
    }
    wanted = {palette.INVOKE, palette.PAPER, palette.INK}
    if draw is environments_over_time:
        wanted |= {palette.INIT, palette.FROZEN, palette.ERROR, palette.THROTTLED}
    assert wanted <= colours


def test_a_cell_shows_a_picture_and_one_line_of_text(sleepers: Any) -> None:
    figure = environments_over_time(sleepers.events())
    bundle = figure._repr_mimebundle_()
    assert set(bundle) == {"text/plain", "image/png"}
    assert bundle["text/plain"] == repr(figure)
    assert "\n" not in bundle["text/plain"]


def test_the_same_events_give_the_same_picture(sleepers: Any) -> None:
    events = sleepers.events()
    assert environments_over_time(events).png == environments_over_time(events).png


def test_the_system_highlights_what_it_is_asked_to() -> None:
    figure = the_system(("notebook", "logs"))
    boxes = {
        box.get_gid(): to_hex(box.get_edgecolor()).upper()
        for box in figure.figure.axes[0].patches
        if box.get_gid() is not None
    }
    assert set(boxes) == set(PARTS)
    assert {name for name, colour in boxes.items() if colour == palette.INVOKE} == {
        "notebook",
        "logs",
    }
    assert figure.text == "The lab's system; highlighted: your notebook, CloudWatch Logs"


def test_an_unknown_part_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match="there is no part 'lambda'; there are: notebook, bench"):
        the_system("lambda")
