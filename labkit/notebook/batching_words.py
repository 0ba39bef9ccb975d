"""What a played batching scenario says: its figures, its point in a few sentences, its columns."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from labkit.core import quotas
from labkit.fleet.batch_scenario import DEAD_LETTER, DISCARDED, DONE, SQS, BatchScenario, Life, Run
from labkit.pricing.lambda_prices import invocation_cost_usd

NOUNS: Final = {"sqs": "message", "kinesis": "record"}
MEMORY_MB: Final = quotas.MEMORY_MB_DEFAULT
"""What the priced function has."""


class Knob(NamedTuple):
    """A setting that can be turned: its name in words, its unit, the stops of its slider (none for
    a switch), and from where to where AWS lets it be."""

    label: str
    unit: str = ""
    stops: tuple[int, ...] = ()
    low: int = 0
    high: int = 0
    sources: tuple[str, ...] = ("sqs", "kinesis")


KNOBS: Final = {
    "batch_size": Knob(
        "Batch size", "records", (1, 2, 3, 4, 5, 6, 7, 8, 9, 10), 1, quotas.BATCH_SIZE_MAX
    ),
    "batching_window_s": Knob(
        "Batching window", "s", (0, 1, 2, 3, 4, 5, 6, 8, 10), 0, quotas.BATCHING_WINDOW_S_MAX
    ),
    "parallelization_factor": Knob(
        "Parallelization factor",
        "sub-shards",
        tuple(range(1, 11)),
        1,
        quotas.PARALLELIZATION_FACTOR_MAX,
        ("kinesis",),
    ),
    "report_batch_item_failures": Knob("Report batch item failures"),
    "bisect_batch": Knob("Bisect batch on function error", sources=("kinesis",)),
    "maximum_retry_attempts": Knob(
        "Maximum retry attempts",
        "retries",
        (0, 1, 2, 3, 4, 5),
        -1,
        quotas.RECORD_RETRY_ATTEMPTS_MAX,
        ("kinesis",),
    ),
    "visibility_timeout_s": Knob(
        "Visibility timeout", "s", (2, 4, 6, 8, 10, 12, 15, 20, 30), 0, 43_200, ("sqs",)
    ),
    "max_receive_count": Knob(
        "Maximum receive count", "receives", (1, 2, 3, 4, 5), 1, 1_000, ("sqs",)
    ),
}
"""What a BatchingExplorer can turn, by the name of its field in BatchScenario."""


def columns(run: Run) -> dict[str, Any]:
    """Return what the module needs to draw a run; times in ms, records by their numbers."""
    scenario = run.scenario
    return {
        "source": scenario.source,
        "settings": settings_of(scenario),
        "end_ms": run.end_ms,
        "order": [life.number for life in sorted(run.lives, key=lambda life: life.lane)],
        "lanes": _lanes(run),
        "blocked": [
            {"lane": stretch.lane, "from": stretch.from_ms, "to": stretch.to_ms}
            for stretch in run.blocked
        ],
        "records": [_record(life) for life in run.lives],
        "attempts": [
            {
                "batch": attempt.batch,
                "lane": attempt.lane,
                "attempt": attempt.attempt,
                "reason": attempt.reason,
                "opened": attempt.opened_ms,
                "formed": attempt.formed_ms,
                "start": attempt.start_ms,
                "end": attempt.end_ms,
                "outcome": attempt.outcome,
                "records": attempt.records,
                "failed": attempt.failed,
            }
            for attempt in run.attempts
        ],
        "story": story(run),
        "facts": facts(run),
        "label": label(scenario),
    }


def settings_of(scenario: BatchScenario) -> dict[str, Any]:
    """Return what the page compares with where its knobs stand."""
    chosen: dict[str, Any] = {name: getattr(scenario, name) for name in KNOBS}
    return {**chosen, "poisoned": sorted(scenario.poisoned)}


def setting_words(scenario: BatchScenario, names: list[str]) -> list[str]:
    """Return these settings with their units, such as "batching window 2 s"."""
    words = []
    for name in names:
        knob, value = KNOBS[name], getattr(scenario, name)
        if not knob.stops:
            words.append(f"{knob.label.lower()} {'on' if value else 'off'}")
        elif name == "maximum_retry_attempts" and value < 0:
            words.append("retries until the record expires")
        else:
            unit = " s" if knob.unit == "s" else ""
            words.append(f"{knob.label.lower()} {value:,}{unit}")
    return words


def label(scenario: BatchScenario) -> str:
    """Return the setting in short, for a column of figures."""
    names = ["batch_size", "batching_window_s"]
    if scenario.source != SQS:
        names.append("parallelization_factor")
    words = setting_words(scenario, names)
    if scenario.report_batch_item_failures:
        words.append("failures reported")
    if scenario.bisect_batch and scenario.source != SQS:
        words.append("bisect")
    return ", ".join([*words, f"{len(scenario.poisoned)} poisoned"])


def facts(run: Run) -> list[tuple[str, str]]:
    """Return the figures of a run as pairs of words, the same ones for every run of a source."""
    noun, total = NOUNS[run.scenario.source], len(run.lives)
    failures = sum(bool(attempt.failed) for attempt in run.attempts)
    slowest = "–" if run.longest_ms is None else f"{run.longest_ms / 1000:,.1f} s"
    cost_usd = sum(
        invocation_cost_usd(MEMORY_MB, attempt.end_ms - attempt.start_ms)
        for attempt in run.attempts
    )
    found = [
        ("invocations", f"{len(run.attempts)}"),
        ("of them with failures", f"{failures}"),
        (f"{noun}s done", f"{run.count(DONE)} of {total}"),
    ]
    if run.scenario.source == SQS:
        found.append(("in the dead-letter queue", f"{run.count(DEAD_LETTER)}"))
    else:
        found.append(("given up", f"{run.count(DISCARDED)}"))
        blocked_ms = sum(stretch.to_ms - stretch.from_ms for stretch in run.blocked)
        name = "shard blocked" if run.scenario.parallelization_factor == 1 else "sub-shards blocked"
        found.append((name, f"{blocked_ms / 1000:,.1f} s"))
    return [
        *found,
        (f"{noun}s handed over again", f"{run.repeated}"),
        ("slowest, from arrival to done", slowest),
        (f"cost of a million {noun}s, {MEMORY_MB} MB", f"${cost_usd / total * 1e6:,.2f}"),
    ]


def story(run: Run) -> str:
    """Return what the run shows, in two or three sentences."""
    scenario, noun = run.scenario, NOUNS[run.scenario.source]
    bad = [life for life in run.lives if life.number in scenario.poisoned]
    if not bad:
        return _calm_story(run, noun)
    one = len(bad) == 1
    names = _listed([str(life.number) for life in bad])
    words = [f"The function fails on {noun}{'' if one else 's'} {names} each time."]
    with_it = [
        life for life in run.lives if life.number not in scenario.poisoned and life.attempts > 1
    ]
    them = "it" if one else "them"
    if not with_it:
        words.append(f"No other {noun} is handed over twice.")
    else:
        many = f"{len(with_it)} other {noun}{'s' * (len(with_it) > 1)}"
        verb = "comes" if len(with_it) == 1 else "come"
        back = "back after the visibility timeout" if scenario.source == SQS else "again in a retry"
        words.append(f"{many} {verb} {back} because of {them}.")
    return " ".join([*words, *_endings(run, bad)])


def summary(run: Run) -> str:
    """Return what became of the records, in a few words."""
    noun = NOUNS[run.scenario.source]
    ends = [f"{len(run.attempts)} invocations", f"{run.count(DONE)} {noun}s done"]
    if run.count(DEAD_LETTER):
        ends.append(f"{run.count(DEAD_LETTER)} in the dead-letter queue")
    if run.count(DISCARDED):
        ends.append(f"{run.count(DISCARDED)} given up")
    return ", ".join(ends)


def _calm_story(run: Run, noun: str) -> str:
    slowest = (run.longest_ms or 0.0) / 1000
    return (
        f"{len(run.lives)} {noun}s take {len(run.attempts)} invocations; the slowest is done "
        f"{slowest:,.1f} s after it arrived. A larger batch saves invocations, a longer wait for "
        "it costs time."
    )


def _endings(run: Run, bad: list[Life]) -> list[str]:
    """Where the failure ends, and whom it takes along."""
    words = []
    numbers = {life.number for life in bad}
    lost = [life for life in run.lives if life.end in (DEAD_LETTER, DISCARDED)]
    innocent = sum(life.number not in numbers for life in lost)
    if lost:
        attempts = max(life.attempts for life in lost)
        who = "it" if len(lost) == 1 else f"{len(lost)}"
        if run.scenario.source == SQS:
            ending = f"{who} end{'s' * (who == 'it')} up in the dead-letter queue"
        else:
            ending = f"{who} {'is' if who == 'it' else 'are'} given up"
        if innocent:
            ending += f", {'one' if innocent == 1 else innocent} of them without fault"
        words.append(f"After {attempts} attempt{'s' * (attempts > 1)} {ending}.")
    if run.blocked:
        longest_ms = max(stretch.to_ms - stretch.from_ms for stretch in run.blocked)
        what = "shard" if run.scenario.parallelization_factor == 1 else "sub-shard"
        words.append(f"The {what} is blocked for {longest_ms / 1000:,.1f} s: what is behind waits.")
    return words


def _record(life: Life) -> dict[str, Any]:
    return {
        "number": life.number,
        "key": life.key,
        "lane": life.lane,
        "arrived": life.arrived_ms,
        "visible": life.visible_ms,
        "end": life.end,
        "ended": life.ended_ms,
    }


def _lanes(run: Run) -> list[str]:
    if run.scenario.source == SQS:
        return ["queue"]
    factor = run.scenario.parallelization_factor
    if factor == 1:
        return ["shard"]
    return [_lane(run, number) for number in range(factor)]


def _lane(run: Run, number: int) -> str:
    """A sub-shard with the partition keys that it takes."""
    keys = sorted({life.key for life in run.lives if life.lane == number})
    noun = "key" if len(keys) == 1 else "keys"
    return (
        f"sub-shard {number + 1}: {noun} {', '.join(keys)}"
        if keys
        else (f"sub-shard {number + 1}: no key here")
    )


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
