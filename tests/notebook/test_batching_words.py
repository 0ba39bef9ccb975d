from __future__ import annotations

import json
from typing import Any

import pytest

from labkit.fleet.batch_scenario import SOURCES, BatchScenario, Run
from labkit.fleet.batches import simulate
from labkit.notebook.batching_words import (
    KNOBS,
    columns,
    facts,
    label,
    setting_words,
    settings_of,
    story,
    summary,
)


def play(source: str = "sqs", poisoned: tuple[int, ...] = (), **settings: Any) -> Run:
    """Six records, one each second, batches of three."""
    given = {"batch_size": 3, "batching_window_s": 5, **settings}
    return simulate(
        BatchScenario(
            source=source,
            arrivals_ms=tuple(1000.0 * number for number in range(6)),
            keys=tuple("ABABAB"),
            poisoned=frozenset(poisoned),
            **given,
        )
    )


def test_without_poison_the_story_weighs_invocations_against_time() -> None:
    assert story(play()) == (
        "6 messages take 2 invocations; the slowest is done 2.8 s after it arrived. A larger batch "
        "saves invocations, a longer wait for it costs time."
    )


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (
            {},
            "The function fails on message 2 each time. 2 other messages come back after the "
            "visibility timeout because of it. After 3 attempts 3 end up in the dead-letter queue, "
            "2 of them without fault.",
        ),
        (
            {"batch_size": 2},
            "The function fails on message 2 each time. 1 other message comes back after the "
            "visibility timeout because of it. After 3 attempts 2 end up in the dead-letter queue, "
            "one of them without fault.",
        ),
        (
            {"report_batch_item_failures": True},
            "The function fails on message 2 each time. No other message is handed over twice. "
            "After 3 attempts it ends up in the dead-letter queue.",
        ),
        (
            {"max_receive_count": 1, "poisoned": (2, 5), "report_batch_item_failures": True},
            "The function fails on messages 2 and 5 each time. No other message is handed over "
            "twice. After 1 attempt 2 end up in the dead-letter queue.",
        ),
    ],
)
def test_a_poisoned_message_has_its_story(settings: dict[str, Any], words: str) -> None:
    assert story(play(**{"poisoned": (2,), **settings})) == words


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (
            {},
            "The function fails on record 2 each time. 2 other records come again in a retry "
            "because of it. After 3 attempts 3 are given up, 2 of them without fault. The shard is "
            "blocked for 7.6 s: what is behind waits.",
        ),
        (
            {"parallelization_factor": 2, "batch_size": 1},
            "The function fails on record 2 each time. No other record is handed over twice. After "
            "3 attempts it is given up. The sub-shard is blocked for 7.2 s: what is behind waits.",
        ),
        (
            {"bisect_batch": True, "maximum_retry_attempts": 0},
            "The function fails on record 2 each time. 2 other records come again in a retry "
            "because of it. After 3 attempts it is given up. The shard is blocked for 6.5 s: what "
            "is behind waits.",
        ),
    ],
)
def test_a_poisoned_record_has_its_story(settings: dict[str, Any], words: str) -> None:
    run = play("kinesis", (2,), **settings)
    assert story(run) == words
    assert ("given up", str(run.count("discarded"))) in facts(run)


def test_sub_shards_tell_their_keys() -> None:
    two = play("kinesis", parallelization_factor=2)
    assert columns(two)["lanes"] == ["sub-shard 1: no key here", "sub-shard 2: keys A, B"]
    assert columns(two)["order"] == [1, 2, 3, 4, 5, 6]
    assert columns(play("kinesis"))["lanes"] == ["shard"]
    assert "parallelization factor 2" in label(two.scenario)


def test_retries_without_a_limit_have_words_of_their_own() -> None:
    run = play("kinesis", maximum_retry_attempts=-1)
    assert setting_words(run.scenario, ["maximum_retry_attempts"]) == [
        "retries until the record expires"
    ]


def test_the_figures_of_a_run() -> None:
    assert facts(play(poisoned=(2,))) == [
        ("invocations", "4"),
        ("of them with failures", "3"),
        ("messages done", "3 of 6"),
        ("in the dead-letter queue", "3"),
        ("messages handed over again", "6"),
        ("slowest, from arrival to done", "2.8 s"),
        ("cost of a million messages, 128 MB", "$1.24"),
    ]
    assert facts(play(poisoned=tuple(range(1, 7))))[5] == ("slowest, from arrival to done", "–")


def test_a_cost_is_what_its_invocations_cost() -> None:
    run = play()
    # Two invocations of 0.8 s with 128 MB for six messages.
    usd = (2 * 0.20e-6 + 2 * 0.8 * 128 / 1024 * 0.0000166667) / 6 * 1e6
    assert facts(run)[-1][1] == f"${usd:.2f}"


def test_settings_in_words() -> None:
    run = play(poisoned=(1, 2), report_batch_item_failures=True)
    assert setting_words(run.scenario, ["batch_size", "batching_window_s", "bisect_batch"]) == [
        "batch size 3",
        "batching window 5 s",
        "bisect batch on function error off",
    ]
    assert label(run.scenario) == "batch size 3, batching window 5 s, failures reported, 2 poisoned"
    assert summary(run) == "4 invocations, 4 messages done, 2 in the dead-letter queue"


def test_what_the_page_gets_is_json_and_names_every_setting() -> None:
    run = play(poisoned=(2,))
    sent = json.loads(json.dumps(columns(run)))
    assert set(sent["settings"]) == {*KNOBS, "poisoned"} == set(settings_of(run.scenario))
    assert [record["number"] for record in sent["records"]] == [1, 2, 3, 4, 5, 6]
    assert sent["records"][1]["end"] == "dead_letter"
    assert [attempt["records"] for attempt in sent["attempts"]][:2] == [[1, 2, 3], [4, 5, 6]]
    assert sent["blocked"] == []
    assert sent["lanes"] == ["queue"]


def test_each_knob_is_a_setting_of_the_scenario() -> None:
    for name, knob in KNOBS.items():
        assert name in BatchScenario.__slots__
        assert set(knob.sources) <= set(SOURCES)
        assert all(knob.low <= stop <= knob.high for stop in knob.stops)
