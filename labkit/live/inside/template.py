"""The process that execution environments are forked from.

Started once a lab by :mod:`labkit.live.supervisor` as ``python -I -S`` with this folder as an extra
import path; nothing of labkit is imported. Starting an interpreter and loading the modules that
AWS's client needs takes most of the time of a start, and it is the same for every function: the
template has done it, as AWS's own snapshots of runtimes have. What differs (code, client,
connections) is loaded after the fork.
"""

import gc
import json
import os
import socket
import sys

import keeper

PRELOADED = (
    "_sitebuiltins", "base64", "collections", "concurrent.futures", "concurrent.futures.thread",
    "datetime", "decimal", "importlib", "io", "logging", "operator", "pathlib", "traceback",
    "urllib.parse",
)  # fmt: skip
LENGTH_BYTES = 4


def main() -> None:
    """Fork one environment for each plan that arrives with its descriptors on the control
    socket.
    """
    for name in PRELOADED:
        __import__(name)
    keeper.adopt_orphans()
    gc.freeze()
    control = socket.socket(fileno=int(sys.argv[1]))
    while True:
        length, fds, _, _ = socket.recv_fds(control, LENGTH_BYTES, 8)
        if not length:
            return
        plan = _receive(control, int.from_bytes(length, "big"))
        try:
            forked = os.fork()
        except OSError as error:  # the machine has no room for a further process
            os.write(fds[1], json.dumps({"failed": str(error)}).encode() + b"\n")
            forked = -1
        if forked == 0:
            control.close()
            keeper.enter(json.loads(plan), fds)
        for fd in fds:
            os.close(fd)
        _reap()


def _receive(control: socket.socket, length: int) -> bytes:
    data = b""
    while len(data) < length:
        more = control.recv(length - len(data))
        if not more:  # the server has gone in the middle of it
            os._exit(0)
        data += more
    return data


def _reap() -> None:
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass
