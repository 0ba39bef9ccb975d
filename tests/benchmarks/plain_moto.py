"""A plain moto server in a process of its own, to compare with: no part of the lab is in it."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

from figures import HELLO, client_of, create_function

SERVER = """
import sys
from moto.core.config import default_user_config
from moto.server import ThreadedMotoServer
default_user_config["lambda"] = {"use_docker": False}
server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
server.start()
print(server.get_host_and_port()[1], flush=True)
sys.stdin.read()
server.stop()
"""


@contextlib.contextmanager
def plain_moto() -> Iterator[Any]:
    """A Lambda client for a plain moto that has the function ``hello``, with Docker not used."""
    with subprocess.Popen(
        [sys.executable, "-c", SERVER],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    ) as process:  # fmt: skip
        assert process.stdin is not None and process.stdout is not None
        try:
            endpoint = f"http://127.0.0.1:{int(process.stdout.readline())}"
            client = client_of(endpoint, "lambda")
            role = client_of(endpoint, "iam").create_role(
                RoleName="function-role", AssumeRolePolicyDocument="{}"
            )["Role"]
            create_function(client, role["Arn"], "hello", HELLO, MemorySize=1769)
            yield client
        finally:
            process.stdin.close()
