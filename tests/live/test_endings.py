"""Results that the lab makes itself, and the figures that it reports."""

from __future__ import annotations

import json
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit.core.configuration import FunctionConfiguration
from labkit.live import endings
from labkit.live.invocation import Invocation, Result

ID = "8f507cfc-xmpl-4697-b07a-ac58fc914c95"
CONFIGURATION = FunctionConfiguration(
    function_name="hello", runtime="python3.13", handler="app.handler", role_arn="role"
)
INVOCATION = Invocation(request_id=ID, payload=b"{}", invoked_arn="arn", trace_header="")


@dataclass
class Process:
    exit: int | None = None
    failure: str | None = None


def test_timed_out() -> None:
    result = endings.timed_out(ID, 3.0)
    assert (result.status, result.noticed_by_lambda) == ("timeout", True)
    assert json.loads(result.payload)["errorMessage"].endswith("Task timed out after 3.00 seconds")


@pytest.mark.parametrize(
    ("process", "out_of_memory", "error_type"),
    [
        (Process(exit=1), False, "Runtime.ExitError"),
        (Process(exit=0), False, "Runtime.ExitError"),
        (Process(exit=-9), False, "Runtime.ExitError"),
        (Process(exit=-9), True, "Runtime.OutOfMemory"),
    ],
)
def test_exited(process: Process, out_of_memory: bool, error_type: str) -> None:
    result = endings.exited(ID, process, out_of_memory=out_of_memory)  # type: ignore[arg-type]
    assert (result.error_type, result.status) == (error_type, "error")
    assert result.noticed_by_lambda


def test_an_environment_that_could_not_be_set_up() -> None:
    result = endings.exited(ID, Process(failure="no room"), out_of_memory=False)  # type: ignore[arg-type]
    assert b"the lab could not set the environment up: no room" in result.payload


@given(st.floats(0, 900_000), st.one_of(st.none(), st.floats(0, 130_000)))
def test_figures_are_those_that_a_reader_can_add_up(
    duration_ms: float, init_ms: float | None
) -> None:
    found = endings.figures(
        INVOCATION,
        CONFIGURATION,
        Result(b"1"),
        duration_ms=duration_ms,
        init_ms=init_ms,
        max_memory_mb=14.4,
    )
    assert found.duration_ms == round(duration_ms, 2)
    assert 0 <= found.billed_ms - (found.duration_ms + (found.init_ms or 0)) < 1 + 1e-6
    assert (found.max_memory_mb, found.error_type) == (14, None)


def test_an_error_of_the_handler_is_none_of_the_platform() -> None:
    handled = Result(b"{}", "ValueError", "error")
    noticed = Result(b"{}", "Runtime.ExitError", "error", noticed_by_lambda=True)
    figures = [
        endings.figures(
            INVOCATION, CONFIGURATION, one, duration_ms=1.0, init_ms=None, max_memory_mb=999.0
        )
        for one in (handled, noticed)
    ]
    assert [one.status for one in figures] == ["success", "error"]
    assert [one.error_type for one in figures] == [None, "Runtime.ExitError"]
    assert figures[0].max_memory_mb == 128


def test_the_charge_of_an_init() -> None:
    charge = endings.init_charge(CONFIGURATION, 100.2)
    assert charge == {"architecture": "x86_64", "memory_mb": 128, "billed_ms": 101}
    assert endings.init_charge(CONFIGURATION, -0.5)["billed_ms"] == 0
