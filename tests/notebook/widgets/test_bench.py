from __future__ import annotations

import base64
import io
import threading
from collections.abc import Iterator
from typing import Any

import botocore.exceptions
import pytest
from PIL import Image

from labkit import InvokeBench, Lab

SOURCE = """
import time

def handler(event, context):
    time.sleep(event.get("seconds", 0))
    return "ran"
"""


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with Lab.start(seed=6) as lab:
        yield lab


@pytest.fixture
def function(lab: Lab) -> str:
    return lab.deploy_source(SOURCE, name="sleepy", memory_mb=128, timeout_s=30).name


def press(bench: InvokeBench, **knobs: Any) -> None:
    """What a press of the button does, to its end."""
    done = threading.Event()
    bench.observe(lambda change: done.set() if not change.new else None, "busy")
    bench._handle_custom_msg({"type": "invoke", **knobs}, [])
    assert done.wait(30)
    bench.unobserve_all("busy")


def configuration(lab: Lab, function: str) -> tuple[int, int]:
    now = lab.client("lambda").get_function_configuration(FunctionName=function)
    return now["MemorySize"], now["Timeout"]


def test_the_line_tells_the_configuration_and_the_count(lab: Lab, function: str) -> None:
    bench = InvokeBench(lab, function, {})
    size = "InvokeBench of sleepy: memory 128 MB, timeout 30 s"
    assert repr(bench) == f"{size}; 0 invocations"
    bench.invoke()
    assert repr(bench) == f"{size}; 1 invocation"
    bench.invoke(memory_mb=1769)
    assert repr(bench) == "InvokeBench of sleepy: memory 1,769 MB, timeout 30 s; 2 invocations"


def test_a_deployed_function_will_do_for_its_name(lab: Lab) -> None:
    assert InvokeBench(lab, lab.deploy_source(SOURCE, name="other"), {}).function == "other"


def test_a_press_turns_the_knobs_and_invokes_once(lab: Lab, function: str) -> None:
    bench = InvokeBench(lab, function, {}, knobs=("timeout_s", "memory_mb"))
    invoked = len(lab.events(function, kind="invoke_ended"))
    press(bench, memory_mb=512, timeout_s=7)
    assert configuration(lab, function) == (512, 7)
    assert (bench.memory_mb, bench.timeout_s, bench.error) == (512, 7, "")
    assert len(lab.events(function, kind="invoke_ended")) == invoked + 1
    (measured,) = bench.measurements
    (shown,) = bench._results
    assert (measured.memory_mb, measured.payload) == (512, '"ran"')
    assert shown["setting"] == "512 MB, timeout 7 s"
    assert shown["headline"] == "✓ Success with 512 MB, timeout 7 s."


def test_what_is_no_knob_stays_as_it_is(lab: Lab, function: str) -> None:
    bench = InvokeBench(lab, function, {}, knobs=("memory_mb",))
    press(bench, memory_mb=256, timeout_s=1)
    assert configuration(lab, function) == (256, 30)
    assert bench._results[0]["setting"] == "256 MB"


def test_a_timeout_is_a_result(lab: Lab, function: str) -> None:
    bench = InvokeBench(lab, function, {"seconds": 5}, knobs=("timeout_s",))
    press(bench, timeout_s=1)
    assert bench.measurements[0].outcome == "timeout"
    assert bench._results[0]["headline"] == "▲ Timeout with 128 MB, timeout 1 s."
    assert (
        bench._results[0]["caller"]
        == " The caller got status 200, FunctionError Unhandled, payload "
    )


def test_while_it_runs_a_second_press_does_nothing(lab: Lab, function: str) -> None:
    bench = InvokeBench(lab, function, {"seconds": 1}, knobs=("memory_mb",))
    done = threading.Event()
    bench.observe(lambda change: done.set() if not change.new else None, "busy")
    for _ in range(3):
        bench._handle_custom_msg({"type": "invoke", "memory_mb": 128}, [])
    assert bench.busy
    assert done.wait(30)
    assert len(bench.measurements) == 1


@pytest.mark.parametrize(
    ("memory_mb", "words"),
    [
        (64, "Parameter validation failed: Invalid value for parameter MemorySize, value: 64, "),
        (99_999, "ValidationException: 1 validation error detected: Value '99999' at 'memorySize'"),
        (None, "Parameter validation failed: Invalid type for parameter MemorySize"),
    ],
)
def test_what_is_refused_becomes_one_line(
    lab: Lab, function: str, memory_mb: Any, words: str
) -> None:
    bench = InvokeBench(lab, function, {})
    if memory_mb is None:
        memory_mb = "much"
    press(bench, memory_mb=memory_mb)
    assert bench.error.startswith(words)
    assert "\n" not in bench.error
    assert bench.measurements == []
    press(bench, memory_mb=128)
    assert bench.error == ""


def test_a_function_that_is_gone_is_told(lab: Lab) -> None:
    function = lab.deploy_source(SOURCE, name="gone")
    bench = InvokeBench(lab, function, {})
    lab.client("lambda").delete_function(FunctionName="gone")
    press(bench, memory_mb=128)
    assert bench.error.startswith("ResourceNotFoundException: Function not found")
    with pytest.raises(botocore.exceptions.ClientError, match="ResourceNotFoundException"):
        bench.invoke()
    with pytest.raises(botocore.exceptions.ClientError, match="ResourceNotFoundException"):
        InvokeBench(lab, "gone", {})


@pytest.mark.parametrize("knobs", [(), ("memory",), ("memory_mb", "region")])
def test_unknown_knobs_are_refused(lab: Lab, function: str, knobs: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="knobs are some of memory_mb, timeout_s"):
        InvokeBench(lab, function, {}, knobs=knobs)


def test_two_pins_are_compared_in_words(lab: Lab, function: str) -> None:
    bench = InvokeBench(lab, function, {})
    for memory_mb in (128, 1769):
        bench.invoke(memory_mb=memory_mb)
    bench.pins = {"A": 0}
    assert bench.comparison == f"A: {bench._results[0]['summary']}"
    bench.pins = {"B": 1, "A": 0}
    a, b, rest = bench.comparison.partition(". B takes")[0].partition(" · B: ")[0::2] + (
        bench.comparison,
    )
    assert a.startswith("A: 128 MB, ")
    assert b.startswith("1,769 MB, ")
    assert "times as long as A and costs" in rest


def test_the_still_picture_is_a_png_that_fits_a_notebook(lab: Lab, function: str) -> None:
    bench = InvokeBench(lab, function, {}, knobs=("memory_mb", "timeout_s"))
    for count in range(2):
        data, _ = bench._repr_mimebundle_()
        png = data["image/png"]
        raw = png if isinstance(png, bytes) else base64.b64decode(png)
        with Image.open(io.BytesIO(raw)) as picture:
            assert picture.width > 600
        assert len(raw) < 25_000
        assert data["text/plain"].endswith(f"; {count} invocation{'s' * (not count)}")
        bench.invoke()
