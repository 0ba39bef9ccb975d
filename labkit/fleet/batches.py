"""An event source mapping in virtual time: records arrive, batches form, fail and come back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from labkit.fleet.batch_scenario import KINESIS, SQS, BatchScenario, Recorder, Run
from labkit.fleet.clock import VirtualClock
from labkit.fleet.queue_batches import play_queue
from labkit.fleet.stream_batches import play_stream

_PLAYS: Final[dict[str, Callable[[Recorder], None]]] = {SQS: play_queue, KINESIS: play_stream}


def simulate(scenario: BatchScenario) -> Run:
    """Play a scenario from the first arrival until nothing is left to do, or to its horizon.

    The rules are those of the live Lambda, and the events those that a live mapping writes.
    """
    recorder = Recorder(scenario, VirtualClock())
    _PLAYS[scenario.source](recorder)
    return recorder.run()
