"""In a real kernel: the magic, and functions that cells define."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

from labkit import Lab
from labkit.notebook import magics

BODY = """\
import json

BRACES = "{PRICE} {{x}} $HOME !ls %pwd"  # äöü

def handler(event, context):

    print(f"{event!r}")
    return [BRACES, json.dumps({})]"""

CELLS = {
    "before": "%%function early\npass",
    "start": (
        "import json\nfrom labkit import Lab\nlab = Lab.start()\nPRICE = 350\n"
        "def invoke(name, **event):\n"
        "    answer = lab.client('lambda').invoke(FunctionName=name, Payload=json.dumps(event))\n"
        "    return json.load(answer['Payload'])"
    ),
    "exact": "%%function exact\n" + BODY,
    "exact_source": "print(json.dumps([_.source, invoke('exact')]))",
    "options": (
        "%%function --runtime python3.12 options --memory-mb {PRICE} --timeout-s 10 "
        "--handler app.main --env COLOUR='dark blue' --env SIZE=\n"
        "import os, sys\n"
        "def main(event, context):\n"
        "    return [os.environ['COLOUR'], os.environ['SIZE'], sys.version_info[1],\n"
        "            context.memory_limit_in_mb]"
    ),
    "options_result": "print(json.dumps(invoke('options')))",
    "no_name": "%%function\npass",
    "unknown": "%%function f --memory 512\npass",
    "no_number": "%%function f --timeout-s long\npass",
    "no_pair": "%%function f --env COLOUR\npass",
    "quote": "%%function f --env 'COLOUR\npass",
    "refused": "%%function f --memory-mb 64\npass",
    "still_running": "print(repr(lab))",
    "broken": "%%function broken\n\ndef handler(event, context)\n    return 1",
    "broken_result": "print(invoke('broken')['errorType'])",
    "helper": "def with_vat(cents):\n    return round(cents * 1.19)",
    "basket": "class Basket:\n    FULL = 3\n\nclass Shop(Basket):\n    name = 'tea shop'",
    "handler": (
        "def shop(event, context):\n"
        "    return [with_vat(PRICE), Shop.name, Shop.FULL, json.dumps({})]\n"
        "lab.deploy(shop)"
    ),
    "handler_source": "print(_.source)\nprint(invoke('shop'))",
    "helper_again": "def with_vat(cents):\n    return round(cents * 1.07)",
    "deployed_again": "_ = lab.deploy(shop)\nprint(invoke('shop')[0])",
    "second": "first, lab = lab, Lab.start()\nprint(first)",
    "in_the_second": "%%function late\ndef handler(event, context): return 'late'",
    "second_result": "print(invoke('late'), repr(lab.logs('late')))",
    "stop": "lab.stop()",
    "after": "%%function f\npass",
}


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Any]]:
    """What the cells showed, by their names."""
    folder = tmp_path_factory.mktemp("notebook")
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(source, id=name) for name, source in CELLS.items()]
    )
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("IPYTHONDIR", str(folder / "ipython"))
        environment.setenv("JUPYTER_RUNTIME_DIR", str(folder / "runtime"))
        environment.setenv("PYTHONPATH", str(Path(__file__).resolve().parents[2]))
        client = NotebookClient(
            notebook,
            timeout=60,
            kernel_name="python3",
            allow_errors=True,
            resources={"metadata": {"path": str(folder)}},
        )
        client.execute()
    return {cell.id: cell.outputs for cell in notebook.cells}


def text(outputs: list[Any]) -> str:
    return "".join(output.text for output in outputs if output.output_type == "stream")


def value(outputs: list[Any]) -> str:
    (found,) = [output for output in outputs if output.output_type == "execute_result"]
    return str(found.data["text/plain"])


def error(outputs: list[Any]) -> str:
    """The only line of an error that is a usage error."""
    assert all(output.output_type == "stream" for output in outputs), outputs
    (line,) = text(outputs).splitlines()
    return line


def test_the_cell_is_the_file_to_the_letter(outputs: dict[str, list[Any]]) -> None:
    assert value(outputs["exact"]) == (
        "exact: python3.13, 128 MB, timeout 3 s, handler app.handler"
    )
    source, result = json.loads(text(outputs["exact_source"]))
    assert source == BODY + "\n"
    assert result == ["{PRICE} {{x}} $HOME !ls %pwd", "{}"]


def test_options_set_the_configuration(outputs: dict[str, list[Any]]) -> None:
    assert value(outputs["options"]) == (
        "options: python3.12, 350 MB, timeout 10 s, handler app.main"
    )
    assert json.loads(text(outputs["options_result"])) == ["dark blue", "", 12, "350"]


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        ("no_name", "the following arguments are required: NAME"),
        ("unknown", "unrecognized arguments: --memory 512"),
        ("no_number", "argument --timeout-s: invalid int value: 'long'"),
        ("no_pair", "argument --env: 'COLOUR' is not KEY=VALUE"),
        ("quote", "No closing quotation"),
    ],
)
def test_wrong_options_are_one_line_that_shows_the_right_ones(
    outputs: dict[str, list[Any]], cell: str, said: str
) -> None:
    assert error(outputs[cell]) == (
        f"UsageError: {said}. Write it like this: %%function NAME [--memory-mb N] [--timeout-s N] "
        "[--runtime NAME] [--handler FILE.FUNCTION] [--env KEY=VALUE]"
    )
    assert "running" in text(outputs["still_running"])


def test_before_a_lab_there_is_no_such_magic(outputs: dict[str, list[Any]]) -> None:
    assert error(outputs["before"]) == "UsageError: Cell magic `%%function` not found."


def test_what_aws_refuses_is_its_error(outputs: dict[str, list[Any]]) -> None:
    (refused,) = outputs["refused"]
    assert refused.ename == "ParamValidationError"


def test_a_syntax_error_is_deployed_and_told(outputs: dict[str, list[Any]]) -> None:
    assert text(outputs["broken"]).startswith("app.py, line 2: expected ':' (so says Python 3.")
    assert len(text(outputs["broken"]).splitlines()) == 1
    assert value(outputs["broken"]).startswith("broken: python3.13")
    assert text(outputs["broken_result"]) == "Runtime.UserCodeSyntaxError\n"


def test_a_function_takes_along_what_other_cells_define(outputs: dict[str, list[Any]]) -> None:
    assert value(outputs["handler"]) == "shop: python3.13, 128 MB, timeout 3 s, handler app.shop"
    assert text(outputs["handler_source"]) == (
        "import json\n\n\n"
        "PRICE = 350\n\n\n"
        "def with_vat(cents):\n    return round(cents * 1.19)\n\n\n"
        "class Basket:\n    FULL = 3\n\n\n"
        "class Shop(Basket):\n    name = 'tea shop'\n\n\n"
        "def shop(event, context):\n"
        "    return [with_vat(PRICE), Shop.name, Shop.FULL, json.dumps({})]\n\n"
        "[416, 'tea shop', 3, '{}']\n"
    )


def test_a_helper_that_was_changed_is_deployed_as_it_is_now(
    outputs: dict[str, list[Any]],
) -> None:
    assert text(outputs["deployed_again"]) == "374\n"


def test_the_magic_follows_the_lab_that_runs(outputs: dict[str, list[Any]]) -> None:
    assert "stopped" in text(outputs["second"])
    assert value(outputs["in_the_second"]).startswith("late: ")
    assert text(outputs["second_result"]) == "late 4 lines of late in 1 log stream\n"
    (stopped,) = outputs["after"]
    assert (stopped.ename, stopped.evalue) == (
        "LabError",
        "This lab has been stopped; Lab.start() starts a new one.",
    )


def test_without_ipython_nothing_is_registered() -> None:
    magics.register(Lab.__new__(Lab))
