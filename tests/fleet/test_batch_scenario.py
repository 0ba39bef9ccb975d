from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from labkit.fleet.batch_scenario import BatchScenario, arriving

SCENARIO = BatchScenario(source="sqs", arrivals_ms=(0.0, 1000.0), keys=("A", "B"))


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"source": "sns"}, "source is one of sqs, kinesis"),
        ({"keys": ("A",)}, "each record has a time of arrival and a key"),
        ({"batch_size": 0}, "batch_size is from 1 to 10,000, not 0"),
        ({"batch_size": 11}, "a batch_size over 10 needs a batching_window_s of at least 1"),
        ({"batching_window_s": 301}, "batching_window_s is from 0 to 300"),
        ({"parallelization_factor": 11}, "parallelization_factor is from 1 to 10"),
        ({"visibility_timeout_s": -1}, "visibility_timeout_s is from 0 to 43,200"),
        ({"max_receive_count": 0}, "max_receive_count is from 1 to 1,000"),
        ({"maximum_retry_attempts": -2}, "maximum_retry_attempts is from -1 to 10,000"),
        ({"horizon_s": float("inf")}, "horizon_s is a time above 0"),
    ],
)
def test_what_aws_refuses_is_refused(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        replace(SCENARIO, **settings)


def test_arrivals_are_the_same_for_a_seed_and_begin_at_once() -> None:
    times, keys = arriving(30, 2.0, seed=3)
    assert (times, keys) == arriving(30, 2.0, seed=3) != arriving(30, 2.0, seed=4)
    assert times[0] == 0
    assert list(times) == sorted(times)
    assert times[-1] == pytest.approx(15_000, rel=0.5)
    assert set(keys) == set("ABCDEF")
