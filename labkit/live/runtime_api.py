"""AWS's Runtime API (2018-06-01) for one execution environment.

One listening port an environment: the port tells which environment calls, because AWS's client
copies the address when it is loaded and a path prefix in it would break ``/init/error``. There are
no threads here: whoever waits for the environment polls these sockets
(:mod:`labkit.live.environment`).
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

import h11

from labkit.core.quotas import SYNC_RESPONSE_MAX_BYTES

_BASE = "/2018-06-01/runtime/"
ERROR_TYPE_HEADER = b"lambda-runtime-function-error-type"
_JSON = ("Content-Type", "application/json")
_CHUNK = 262_144


class CallKind(StrEnum):
    """What a runtime asked for or said."""

    NEXT = "next"
    RESPONSE = "response"
    ERROR = "error"
    INIT_ERROR = "init_error"
    RESTORE_NEXT = "restore_next"
    RESTORE_ERROR = "restore_error"
    TOO_LARGE = "too_large"


@dataclass(slots=True)
class Call:
    """One request of the runtime."""

    kind: CallKind
    connection: Connection
    request_id: str = ""
    body: bytes = b""
    content_type: str = ""
    error_type: str = ""


def _route(method: str, path: str) -> tuple[CallKind, str] | None:
    """The routes of the Runtime API, all of them."""
    if not path.startswith(_BASE):
        return None
    match [method, *path[len(_BASE) :].split("/")]:
        case ["GET", "invocation", "next"]:
            return CallKind.NEXT, ""
        case ["POST", "invocation", request_id, "response"]:
            return CallKind.RESPONSE, request_id
        case ["POST", "invocation", request_id, "error"]:
            return CallKind.ERROR, request_id
        case ["POST", "init", "error"]:
            return CallKind.INIT_ERROR, ""
        case ["GET", "restore", "next"]:
            return CallKind.RESTORE_NEXT, ""
        case ["POST", "restore", "error"]:
            return CallKind.RESTORE_ERROR, ""
    return None


class RuntimeApi:
    """The listening port of one environment and the connections to it.

    ``watch(fd)`` and ``unwatch(fd)`` are told which descriptors to poll; :meth:`readable` is to be
    called when one of them is, and returns the requests that became complete.
    """

    def __init__(self, watch: Callable[[int], None], unwatch: Callable[[int], None]) -> None:
        self._watch, self._unwatch = watch, unwatch
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self._listener.setblocking(False)
        self._connections: dict[int, Connection] = {}
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        watch(self._listener.fileno())

    def readable(self, fd: int) -> list[Call]:
        """Read from ``fd``: accept a connection, or return the calls that are complete now."""
        if fd == self._listener.fileno():
            self._accept()
            return []
        connection = self._connections.get(fd)
        if connection is None:
            return []
        try:
            data = connection.socket.recv(_CHUNK)
        except BlockingIOError:
            return []
        except OSError:
            data = b""
        return self._received(connection, data)

    def _received(self, connection: Connection, data: bytes) -> list[Call]:
        try:
            calls = connection.received(data)
        except h11.RemoteProtocolError:
            self._drop(connection)
            return []
        served = []
        for call in calls:
            if isinstance(call, Call):
                served.append(call)
            else:
                refuse(connection, 404, "InvalidRequest", call)
        if connection.closed:
            self._drop(connection)
        return served

    def _accept(self) -> None:
        try:
            accepted, peer = self._listener.accept()
        except OSError:
            return
        if len(self._connections) >= 64 or not _is_own_user(peer[1]):
            accepted.close()
            return
        accepted.setblocking(False)
        accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._connections[accepted.fileno()] = Connection(accepted)
        self._watch(accepted.fileno())

    def _drop(self, connection: Connection) -> None:
        fd = connection.socket.fileno()
        if self._connections.pop(fd, None) is not None:
            self._unwatch(fd)
            connection.socket.close()

    def close(self) -> None:
        """Close the port and all connections."""
        for connection in list(self._connections.values()):
            self._drop(connection)
        self._unwatch(self._listener.fileno())
        self._listener.close()


def answer_next(connection: Connection, headers: list[tuple[str, str]], event: bytes) -> None:
    """Hand an invocation to the runtime that waits on ``connection``."""
    connection.send(200, [_JSON, *headers], event)


def accept(connection: Connection) -> None:
    """Answer a result or an error report of the runtime."""
    connection.send(202, [_JSON], b'{"status":"OK"}\n')


def refuse(connection: Connection, status: int, error_type: str, message: str) -> None:
    """Answer a call that the state or the request id does not allow."""
    body = json.dumps({"errorMessage": message, "errorType": error_type}).encode()
    connection.send(status, [_JSON], body)


def refuse_too_large(connection: Connection) -> None:
    """Answer a result over the payload limit."""
    message = f"Exceeded maximum allowed payload size ({SYNC_RESPONSE_MAX_BYTES} bytes)."
    refuse(connection, 413, "RequestEntityTooLarge", message)


class Connection:
    def __init__(self, accepted: socket.socket) -> None:
        self.socket = accepted
        self.closed = False
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=2 * 1024 * 1024)
        self._call: Call | str | None = None
        self._parts: list[bytes] = []
        self._size = 0

    def received(self, data: bytes) -> list[Call | str]:
        """Requests that ``data`` completes; a str is the path of one that nobody serves."""
        self._http.receive_data(data)
        complete: list[Call | str] = []
        while True:
            event = self._http.next_event()
            if event is h11.NEED_DATA or event is h11.PAUSED:
                return complete
            if isinstance(event, h11.ConnectionClosed):
                self.closed = True
                return complete
            if isinstance(event, h11.Request):
                self._start(event)
            elif isinstance(event, h11.Data):
                self._size += len(event.data)
                if self._size <= SYNC_RESPONSE_MAX_BYTES:
                    self._parts.append(bytes(event.data))
            elif isinstance(event, h11.EndOfMessage):
                complete.append(self._finish())
                return complete

    def _start(self, request: h11.Request) -> None:
        method, path = request.method.decode(), request.target.decode().partition("?")[0]
        self._parts, self._size = [], 0
        route = _route(method, path)
        if route is None:
            self._call = f"no route {method} {path} in the Runtime API"
            return
        headers = dict(request.headers)
        self._call = Call(
            kind=route[0],
            connection=self,
            request_id=route[1],
            content_type=headers.get(b"content-type", b"").decode("latin-1"),
            error_type=headers.get(ERROR_TYPE_HEADER, b"").decode("latin-1"),
        )
        if self._http.they_are_waiting_for_100_continue:
            self._write(self._http.send(h11.InformationalResponse(status_code=100, headers=[])))

    def _finish(self) -> Call | str:
        call = self._call
        assert call is not None
        if isinstance(call, Call):
            call.body = b"".join(self._parts)
            if self._size > SYNC_RESPONSE_MAX_BYTES:
                call.kind = CallKind.TOO_LARGE
        self._call, self._parts = None, []
        return call

    def send(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        """Answer the request that was received last."""
        fields = [*headers, ("Content-Length", str(len(body)))]
        encoded = [(name.encode("latin-1"), _latin(value)) for name, value in fields]
        data = self._http.send(h11.Response(status_code=status, headers=encoded))
        data += self._http.send(h11.Data(data=body))
        data += self._http.send(h11.EndOfMessage())
        self._write(data)
        if self._http.our_state is h11.DONE and self._http.their_state is h11.DONE:
            self._http.start_next_cycle()
        else:
            self.closed = True

    def _write(self, data: bytes) -> None:
        try:
            self.socket.settimeout(5.0)
            self.socket.sendall(data)
        except OSError:
            self.closed = True
        finally:
            self.socket.setblocking(False)


def _latin(value: str) -> bytes:
    return value.encode("latin-1", "backslashreplace")


def _is_own_user(peer_port: int) -> bool:
    """Whether the process at ``peer_port`` of this machine runs as the lab's user (Linux only)."""
    needle = f":{peer_port:04X}"
    try:
        with open("/proc/net/tcp") as table:
            for line in table:
                fields = line.split()
                if fields[1].endswith(needle) and fields[1].startswith("0100007F"):
                    return int(fields[7]) == os.getuid()
    except (FileNotFoundError, IndexError):
        return True
    return False
