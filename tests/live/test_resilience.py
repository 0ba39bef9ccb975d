"""Children of a function, and the lab's own helpers when they are killed."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

from harness import Function, Served, create, descendants, is_running

Deploy = Callable[..., Function]


def helper(served: Served, mark: str) -> int:
    """The process of the server whose command line holds ``mark``."""
    for pid in descendants(served.process.pid):
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            if mark.encode() in file.read():
                return pid
    raise AssertionError(f"no process {mark}")


def test_a_childs_past_is_not_charged_again(deploy: Deploy) -> None:
    function = deploy(
        "import subprocess, sys, time\nchild = None\ndef handler(event, context):\n"
        "    global child\n    if child is None:\n"
        "        code = 'import time\\nwhile time.process_time() < 0.5: pass\\n"
        "print(1, flush=True)\\ntime.sleep(100)'\n"
        "        child = subprocess.Popen([sys.executable, '-c', code], stdout=subprocess.PIPE)\n"
        "        child.stdout.readline()\n    time.sleep(0.05)",
        MemorySize=885,
        Timeout=30,
    )
    for _ in range(3):
        function.result()
    first, *later = function.events("invoke_ended")
    assert first["cpu_ms"] > 450
    assert all(event["cpu_ms"] < 100 for event in later)
    assert all(event["duration_ms"] < 300 for event in later)


def test_a_child_in_its_own_session_is_frozen_and_thawed(deploy: Deploy) -> None:
    function = deploy(
        "import subprocess, sys, time\n"
        "code = 'import time\\nn = 0\\nwhile True:\\n    n += 1\\n"
        '    open("/tmp/n", "w").write(str(n))\\n    time.sleep(0.005)\'\n'
        "child = None\ndef count():\n    try:\n        return int(open('/tmp/n').read() or 0)\n"
        "    except OSError:\n        return 0\ndef handler(event, context):\n    global child\n"
        "    if child is None:\n"
        "        child = subprocess.Popen([sys.executable, '-c', code], start_new_session=True)\n"
        "    before = count()\n    until = time.monotonic() + 5\n"
        "    while count() <= before and time.monotonic() < until:\n        time.sleep(0.01)\n"
        "    return count() > before",
        MemorySize=3008,
        Timeout=20,
    )
    assert [function.result() for _ in range(3)] == [True, True, True]


def test_shared_pages_count_once(deploy: Deploy) -> None:
    function = deploy(
        "import os, time\ndata = bytearray(b'x') * (100 << 20)\ndef handler(event, context):\n"
        "    children = []\n    for _ in range(3):\n        pid = os.fork()\n        if pid == 0:\n"
        "            time.sleep(0.3)\n            os._exit(0)\n        children.append(pid)\n"
        "    for pid in children:\n        os.waitpid(pid, 0)\n    return 'fine'",
        MemorySize=300,
        Timeout=30,
    )
    assert function.result() == "fine"


def test_a_runtime_that_does_not_read_its_event_times_out_in_time(deploy: Deploy) -> None:
    bootstrap = (
        "#!/bin/bash\nexec 3<>/dev/tcp/${AWS_LAMBDA_RUNTIME_API/://}\n"
        "printf 'GET /2018-06-01/runtime/invocation/next HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n' >&3\n"
        "sleep 60\n"
    )
    function = deploy(
        files={"bootstrap": bootstrap}, Runtime="provided.al2023", Timeout=1, MemorySize=1769
    )
    payload = function.invoke(Payload=b'"' + b"x" * 5_000_000 + b'"')["Payload"]
    assert payload["errorType"] == "Sandbox.Timedout"
    (ended,) = function.events("invoke_ended")
    assert 1000 <= ended["duration_ms"] < 1500


def test_a_killed_template_is_replaced(own_server: Served) -> None:
    os.kill(helper(own_server, "template.main"), signal.SIGKILL)
    for _ in range(2):
        function = create(own_server, "def handler(event, context): return 1")
        assert function.invoke()["StatusCode"] == 200
    assert function.result() == 1


def test_a_killed_controller_costs_no_invocation(own_server: Served) -> None:
    function = create(own_server, "def handler(event, context): return 1")
    assert function.result() == 1
    for _ in range(2):
        os.kill(helper(own_server, "labkit.live.cpu"), signal.SIGKILL)
        assert function.result() == 1
    other = create(own_server, "def handler(event, context): return 2")
    assert other.result() == 2


def test_a_stopped_helper_does_not_outlive_the_lab(own_server: Served) -> None:
    pids = [helper(own_server, "template.main"), helper(own_server, "labkit.live.cpu")]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    assert own_server.stop() == 0
    assert not [pid for pid in pids if is_running(pid)]
