"""From nothing to the first answered call, and the memory that a lab takes."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from statistics import median

from figures import BELOW, Row, client_of, deploy, lab, memory_mb
from harness import descendants

ROUNDS = 7
BOTO3 = "import boto3\nclient = boto3.client('sts')\n"

# In a process of its own, as in a notebook's kernel; {imports} tells what was imported before.
NOTEBOOK = """
import sys, time
{imports}
started_s = time.perf_counter()
import boto3, labkit
lab = labkit.Lab.start()
boto3.client({service!r}).{call}()
sys.stdout.write(str(time.perf_counter() - started_s))
sys.stdout.flush()
"""


def measure() -> list[Row]:
    return [*start_rows(), *memory_rows()]


def start_rows() -> list[Row]:
    """Medians, in seconds."""
    imported = "import boto3, labkit"
    client_of("http://127.0.0.1:9", "lambda")  # so that loading botocore's data is not counted
    ready_s, answer_s = serve_s()
    return [
        Row("Lab.start() to the first Lambda answer", _notebook_s(imported), "s", 0.8, BELOW),
        Row(
            "Lab.start() to the first S3 answer",
            _notebook_s(imported, "s3", "list_buckets"),
            "s",
            0.8,
            BELOW,
        ),
        Row("  first Lambda answer, imports counted", _notebook_s(""), "s"),
        Row("labkit serve to its ready line", ready_s, "s"),
        Row("labkit serve to the first Lambda answer", answer_s, "s", 0.8, BELOW),
    ]


def memory_rows() -> list[Row]:
    """The server, what it keeps beside it, and what one environment adds."""
    with lab() as served:
        server = served.process.pid
        helpers = descendants(server)
        rows = _memory("server after start", [server])
        rows += _memory("its CPU controller and template", helpers)
        for name, code in (("hello-world", ""), ("with a boto3 client", BOTO3)):
            before = set(descendants(server))
            function = deploy(
                served, name.replace(" ", "-"), f"{code}def handler(event, context):\n    pass\n"
            )
            function.invoke()
            rows += _memory(f"environment, {name}", sorted({*descendants(server)} - before))
        rows += _memory("server after two functions", [server])
    return rows


def _memory(name: str, pids: list[int]) -> list[Row]:
    pss_mb, rss_mb = memory_mb(pids)
    return [Row(f"{name}: PSS", pss_mb, "MB"), Row(f"{name}: RSS", rss_mb, "MB")]


def _notebook_s(imports: str, service: str = "lambda", call: str = "list_functions") -> float:
    code = NOTEBOOK.format(imports=imports, service=service, call=call)

    def once() -> float:
        output = subprocess.run(
            [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, check=True, timeout=60
        ).stdout
        return float(output.split()[-1])

    return median(once() for _ in range(ROUNDS))


def serve_s() -> tuple[float, float]:
    """Seconds from starting `labkit serve` to its ready line, and to its first answered call."""
    times = [_serve_once() for _ in range(ROUNDS)]
    return median(ready_s for ready_s, _ in times), median(answer_s for _, answer_s in times)


def _serve_once() -> tuple[float, float]:
    started_s = time.perf_counter()
    command = [sys.executable, "-m", "labkit", "serve"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        ready = json.loads(process.stdout.readline())
        ready_s = time.perf_counter() - started_s
        keys = ready["access_key_id"], ready["secret_access_key"]
        client_of(ready["endpoint"], "lambda", *keys).list_functions()
        answer_s = time.perf_counter() - started_s
        process.terminate()
    return ready_s, answer_s
