"""Where the machine allows no namespaces (Binder, macOS): what holds all the same."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from harness import Function, Served, create, descendants, is_running


@pytest.fixture(scope="module")
def plain() -> Iterator[Served]:
    server = Served("--seed", "1", LABKIT_ISOLATION="none")
    yield server
    if server.process.poll() is None:
        server.stop()


def deployed(plain: Served, code: str, **options: object) -> Function:
    return create(plain, code, **options)


def test_globals_and_the_temporary_folder_survive(plain: Served) -> None:
    function = deployed(
        plain,
        "import os, tempfile, time\ncalls = 0\ndef handler(event, context):\n"
        "    global calls\n    calls += 1\n    mark = tempfile.gettempdir() + '/mark'\n"
        "    there = os.path.exists(mark)\n    open(mark, 'w').close()\n"
        "    time.sleep(event.get('s', 0))\n    return [calls, there]",
        Timeout=1,
        MemorySize=1769,
    )
    assert function.result() == [1, False]
    assert function.result() == [2, True]
    assert function.invoke({"s": 30})["Payload"]["errorType"] == "Sandbox.Timedout"
    assert function.result() == [1, True]


def test_two_environments_have_two_temporary_folders(plain: Served) -> None:
    code = "import tempfile\ndef handler(event, context): return tempfile.gettempdir()"
    one, other = deployed(plain, code), deployed(plain, code)
    assert one.result() != other.result()


def test_what_is_not_packaged_cannot_be_imported(plain: Served) -> None:
    function = deployed(
        plain,
        "import importlib.util\ndef handler(event, context):\n"
        "    return [bool(importlib.util.find_spec(name)) for name in event]",
    )
    assert function.result(["boto3", "moto", "pytest", "labkit", "numpy"]) == [
        True, False, False, False, False,
    ]  # fmt: skip


def test_stack_traces_say_var_task(plain: Served) -> None:
    function = deployed(plain, "def handler(event, context):\n    raise ValueError('x')")
    assert 'File "/var/task/app.py"' in function.invoke()["Payload"]["stackTrace"][0]
    (record,) = [line for line in function.log() if line.startswith("[ERROR]")]
    assert "/var/task/app.py" in record


@pytest.mark.parametrize(
    "harm",
    [
        "os.kill(os.getppid(), 9)",
        "os.kill(-1, 9)",
        "os.killpg(os.getpgid(os.getppid()), 9)",
        "open(os.path.expanduser('~/labkit-was-here'), 'w')",
        "open(os.environ['LAMBDA_TASK_ROOT'] + '/app.py', 'w')",
        "os.mkdir('/var/tmp/../labkit-was-here')",
    ],
)
def test_the_guard_refuses_harm(harm: str, plain: Served) -> None:
    function = deployed(plain, f"import os\ndef handler(event, context): {harm}")
    assert function.invoke()["Payload"]["errorType"] in ("PermissionError", "OSError")
    assert plain.process.poll() is None


def test_crash_and_memory_limit(plain: Served) -> None:
    crash = deployed(plain, "import os\ndef handler(event, context): os.kill(os.getpid(), 9)")
    assert crash.invoke()["Payload"]["errorMessage"].endswith("signal: killed")
    greedy = deployed(
        plain,
        "def handler(event, context): return len(bytearray(1 << 30))",
        MemorySize=256,
        Timeout=60,
    )
    assert greedy.invoke()["Payload"]["errorType"] == "Runtime.OutOfMemory"


def test_no_process_is_left_behind(plain: Served) -> None:
    deployed(
        plain,
        "import subprocess\ndef handler(event, context):\n"
        "    subprocess.Popen(['sleep', '1000'], start_new_session=True)",
    ).result()
    pids = descendants(plain.process.pid)
    assert plain.stop() == 0
    assert not [pid for pid in pids if is_running(pid)]
