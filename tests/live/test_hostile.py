"""Handlers that do harm: the lab goes on, and the next function still runs."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from harness import Function, Served

Deploy = Callable[..., Function]

HARM = {
    "kills its parent": "import os, signal\ndef handler(event, context):\n    os.kill(os.getppid() or 1, signal.SIGKILL)",
    "kills everybody": "import os, signal\ndef handler(event, context):\n    os.kill(-1, signal.SIGKILL)",
    "forks without end": "import os\ndef handler(event, context):\n    while True:\n        try:\n            os.fork()\n        except OSError:\n            pass",
    "starts threads without end": "import threading, time\ndef handler(event, context):\n    while True:\n        threading.Thread(target=time.sleep, args=(60,)).start()",
    "writes 1 GB to stdout": "import os\nblock = b'x' * 1048575 + b'\\n'\ndef handler(event, context):\n    for _ in range(1024):\n        os.write(1, block)",
    "closes its sockets": "import os\ndef handler(event, context): os.closerange(3, 1024)",
    "answers twice": "import os, urllib.request\ndef handler(event, context):\n    url = 'http://' + os.environ['AWS_LAMBDA_RUNTIME_API'] + '/2018-06-01/runtime/invocation/' + context.aws_request_id + '/response'\n    for _ in range(2):\n        urllib.request.urlopen(url, data=b'1').read()",
    "answers for another": "import os, urllib.request\ndef handler(event, context):\n    url = 'http://' + os.environ['AWS_LAMBDA_RUNTIME_API'] + '/2018-06-01/runtime/invocation/other/response'\n    urllib.request.urlopen(url, data=b'1').read()",
    "speaks no HTTP": "import os, socket\ndef handler(event, context):\n    host, port = os.environ['AWS_LAMBDA_RUNTIME_API'].split(':')\n    s = socket.create_connection((host, int(port)))\n    s.sendall(b'\\x00\\xff' * 100000)\n    return s.recv(10).decode()",
    "fills /tmp": "def handler(event, context):\n    with open('/tmp/big', 'wb') as f:\n        for _ in range(600):\n            f.write(b'x' * 1048576)",
    "needs too much memory": "def handler(event, context): return len(bytearray(4 * 1024 ** 3))",
    "stops itself": "import os, signal\ndef handler(event, context): os.kill(os.getpid(), signal.SIGSTOP)",
    "starts a process that outlives it": "import subprocess\ndef handler(event, context):\n    subprocess.Popen(['sleep', '1000'], start_new_session=True)\n    return 'left'",
}


@pytest.mark.parametrize("harm", HARM)
def test_the_next_function_still_runs(harm: str, deploy: Deploy, served: Served) -> None:
    deploy(HARM[harm], Timeout=3, MemorySize=1769).invoke()
    assert served.process.poll() is None
    assert deploy("def handler(event, context): return 'fine'").result() == "fine"


def test_dropped_output_is_reported(deploy: Deploy, served: Served) -> None:
    limit = served.control("GET", "settings")["log_max_bytes"]
    function = deploy(
        "def handler(event, context):\n    for _ in range(40):\n        print('x' * 99_999)",
        MemorySize=1769,
    )
    function.invoke()
    lines = function.log()
    assert sum(len(line) for line in lines if line.startswith("x")) <= limit + 300_000
    (told,) = [line for line in lines if "output dropped" in line]
    assert "log_max_bytes" in told


def test_code_and_layers_are_read_only(deploy: Deploy) -> None:
    function = deploy(
        "def handler(event, context):\n    failed = []\n    for place in ('/var/task/x', '/opt/x', '/etc/x', '/var/runtime/x'):\n"
        "        try:\n            open(place, 'w')\n        except OSError as error:\n            failed.append(error.errno)\n    return failed"
    )
    assert function.result() == [30, 30, 30, 30]
