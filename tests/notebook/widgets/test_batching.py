from __future__ import annotations

from typing import Any

import pytest

from labkit.classroom.goals import Goal
from labkit.notebook.widgets.batching import BatchingExplorer


def turn(widget: BatchingExplorer, *, begins: bool = True, **values: Any) -> dict[str, Any]:
    """What the page does when a knob is turned; returns the picture that answers."""
    message = {"type": "set", "view": "v", "seq": 7, "begins": begins, "values": values}
    widget._handle_custom_msg(message, [])
    picture: dict[str, Any] = widget._picture
    assert (picture["view"], picture["seq"]) == ("v", 7)
    return picture


def test_the_default_shows_how_one_poisoned_message_takes_others_along() -> None:
    explorer = BatchingExplorer()
    assert repr(explorer) == (
        "Batching of SQS messages: 20 messages, batch size 5; "
        "7 invocations, 15 messages done, 5 in the dead-letter queue"
    )
    assert "4 of them without fault" in explorer._picture["story"]
    assert explorer._picture["fixed"] == [
        "batching window 2 s",
        "report batch item failures off",
        "visibility timeout 12 s",
        "maximum receive count 3",
    ]
    data, _ = explorer._repr_mimebundle_()
    assert data["text/plain"] == repr(explorer)
    assert len(data["image/png"]) < 40_000


def test_a_knob_plays_anew_and_leaves_a_ghost() -> None:
    explorer = BatchingExplorer()
    assert explorer._picture["ghost"] is None
    picture = turn(explorer, batch_size=2)
    assert explorer.batch_size == 2
    assert picture["settings"]["batch_size"] == 2
    assert picture["ghost"]["settings"]["batch_size"] == 5
    assert max(len(attempt["records"]) for attempt in picture["attempts"]) == 2
    # Moves of one drag keep the ghost from before it.
    picture = turn(explorer, begins=False, batch_size=3)
    assert picture["ghost"]["settings"]["batch_size"] == 5
    assert turn(explorer, begins=False, batch_size=5)["ghost"] is None


def test_a_click_poisons_and_heals() -> None:
    explorer = BatchingExplorer(poisoned=())
    assert turn(explorer, poisoned=[3, 8])["settings"]["poisoned"] == [3, 8]
    assert {life.number for life in explorer.run.lives if life.end == "dead_letter"} >= {3, 8}
    explorer.poisoned = []
    assert explorer.run.count("done") == 20


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"batch_size": 0}, "batch_size is from 1 to 10,000, not 0"),
        ({"batching_window_s": 0, "batch_size": 11}, "needs a batching_window_s of at least 1"),
        ({"batch_size": "many"}, "batch_size"),
    ],
)
def test_what_is_refused_is_told_and_not_kept(values: dict[str, Any], words: str) -> None:
    explorer = BatchingExplorer(knobs=("batch_size", "batching_window_s"))
    picture = turn(explorer, **values)
    assert words in picture["error"]
    assert explorer.batch_size == 5
    assert picture["settings"]["batching_window_s"] == 2
    assert turn(explorer, batch_size=6)["error"] == ""


def test_what_is_refused_in_a_cell_is_undone() -> None:
    explorer = BatchingExplorer()
    with pytest.raises(ValueError, match="batch_size is from 1"):
        explorer.batch_size = 0
    assert explorer.batch_size == 5
    assert explorer._picture["settings"]["batch_size"] == 5


def test_pins_keep_what_was_seen() -> None:
    explorer = BatchingExplorer()
    explorer.pin("A")
    turn(explorer, batch_size=1)
    explorer.pin("B")
    pins = explorer._picture["pins"]
    assert list(pins) == ["A", "B"]
    assert pins["A"]["label"] == "batch size 5, batching window 2 s, 1 poisoned"
    assert pins["B"]["facts"][0] == ("invocations", "22")
    assert explorer.comparison.startswith("A: batch size 5, ")
    assert "in the dead-letter queue · B: batch size 1, " in explorer.comparison


def test_goals_count_what_the_mapping_does() -> None:
    explorer = BatchingExplorer()
    partial = Goal("get a partial batch", kind="batch_ended", outcome="partial")
    assert not explorer.reached(partial)
    explorer.report_batch_item_failures = True
    assert explorer.reached(partial)
    assert len(explorer.events(kind="batch_ended")) == len(explorer.run.attempts)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"source": "sns"}, "source is one of sqs, kinesis"),
        ({"knobs": ("size",)}, "knobs and settings of sqs are batch_size, .*, not size"),
        ({"knobs": ()}, "knobs and settings of sqs are"),
        ({"parallelization_factor": 2}, "not parallelization_factor"),
        ({"records": 41}, "records are from 1 to 40"),
        ({"batch_size": 0}, "batch_size is from 1 to 10,000"),
        ({"batch_size": 20, "batching_window_s": 0}, "needs a batching_window_s"),
    ],
)
def test_what_there_is_not_is_refused(given: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        BatchingExplorer(**given)


def test_knobs_come_in_their_usual_order() -> None:
    explorer = BatchingExplorer(knobs=("report_batch_item_failures", "batch_size"))
    assert explorer.knobs == ["batch_size", "report_batch_item_failures"]
    described = explorer._picture["knobs"]
    assert [knob["label"] for knob in described] == ["Batch size", "Report batch item failures"]
    assert described[0]["unit"] == "messages"
