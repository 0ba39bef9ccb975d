"""A learning lab for AWS Lambda that runs on your own machine.

`Lab.start()` starts the lab; after that plain boto3 and the `aws` command talk to it.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from labkit.classroom.checks import check, expect_error
    from labkit.classroom.goals import Goal
    from labkit.notebook.display import report_fields
    from labkit.notebook.figures import environments_over_time
    from labkit.notebook.lab import Lab
    from labkit.notebook.system_figure import the_system
    from labkit.notebook.widgets.batching import BatchingExplorer
    from labkit.notebook.widgets.bench import InvokeBench
    from labkit.notebook.widgets.goals import goals
    from labkit.notebook.widgets.lanes import ConcurrencyLanes
    from labkit.notebook.widgets.prediction import predict
    from labkit.notebook.widgets.progress import progress
    from labkit.notebook.widgets.retries import RetryTimeline
    from labkit.notebook.widgets.timeline import Timeline

__version__ = "0.1.0"

__all__ = [
    "BatchingExplorer",
    "ConcurrencyLanes",
    "Goal",
    "InvokeBench",
    "Lab",
    "RetryTimeline",
    "Timeline",
    "__version__",
    "check",
    "environments_over_time",
    "expect_error",
    "goals",
    "predict",
    "progress",
    "report_fields",
    "the_system",
]

_HOMES: Final = {
    "BatchingExplorer": "labkit.notebook.widgets.batching",
    "ConcurrencyLanes": "labkit.notebook.widgets.lanes",
    "Goal": "labkit.classroom.goals",
    "InvokeBench": "labkit.notebook.widgets.bench",
    "Lab": "labkit.notebook.lab",
    "RetryTimeline": "labkit.notebook.widgets.retries",
    "Timeline": "labkit.notebook.widgets.timeline",
    "check": "labkit.classroom.checks",
    "environments_over_time": "labkit.notebook.figures",
    "expect_error": "labkit.classroom.checks",
    "goals": "labkit.notebook.widgets.goals",
    "predict": "labkit.notebook.widgets.prediction",
    "progress": "labkit.notebook.widgets.progress",
    "report_fields": "labkit.notebook.display",
    "the_system": "labkit.notebook.system_figure",
}


def __getattr__(name: str) -> object:
    # Loaded when asked for: the server and the command line need none of it.
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
