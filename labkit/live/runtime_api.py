"""AWS's Runtime API (2018-06-01) for one execution environment.

One listening port an environment: the port tells which environment calls, because AWS's client
copies the address when it is loaded and a path prefix in it would break ``/init/error``. There are
no threads here: whoever waits for the environment polls these sockets
(:mod:`labkit.live.environment`).
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import socket
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from labkit.core.quotas import REQUEST_HEADERS_MAX_BYTES, SYNC_RESPONSE_MAX_BYTES
from labkit.live.wire import STATUS_LINES, BadRequestError, parse_head

_BASE = "/2018-06-01/runtime/"
ERROR_TYPE_HEADER = "lambda-runtime-function-error-type"
_JSON = ("Content-Type", "application/json")
_CHUNK = 262_144
_LOOKS_AT_TABLE = 10  # while connections come and go, a reader may miss a row


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

    ``watch(fd, flags)`` and ``unwatch(fd)`` are told what to poll; :meth:`readable` and
    :meth:`writable` are to be called when something is. Nothing here blocks.
    """

    def __init__(
        self, watch: Callable[[int, int], object], unwatch: Callable[[int], object]
    ) -> None:
        self._watch, self._unwatch = watch, unwatch
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self._listener.setblocking(False)
        self._connections: dict[int, Connection] = {}
        self._port = self._listener.getsockname()[1]
        self.address = f"127.0.0.1:{self._port}"
        watch(self._listener.fileno(), select.POLLIN)

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

    def writable(self, fd: int) -> None:
        """Send on what did not fit into the connection at ``fd`` before."""
        if (connection := self._connections.get(fd)) is not None:
            connection.flush()

    def _received(self, connection: Connection, data: bytes) -> list[Call]:
        try:
            calls = connection.received(data)
        except BadRequestError:
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
        if len(self._connections) >= 64 or not _is_own_user(peer[1], self._port):
            accepted.close()
            return
        accepted.setblocking(False)
        accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._connections[accepted.fileno()] = Connection(accepted, self._watch)
        self._watch(accepted.fileno(), select.POLLIN)

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
    """One connection of a runtime: gives the requests that arrive, as they become complete."""

    def __init__(self, accepted: socket.socket, watch: Callable[[int, int], object]) -> None:
        self.socket = accepted
        self.closed = False
        self._watch, self._unsent = watch, b""
        self._buffer = bytearray()
        self._call: Call | str | None = None
        self._parts: list[bytes] = []
        self._size = self._missing = 0
        self._chunked = self._in_chunk = self._in_trailers = self._last = False
        self._polls_output = False

    def received(self, data: bytes) -> list[Call | str]:
        """Requests that ``data`` completes; a str is the path of one that nobody serves.

        Raises BadRequestError for what is not HTTP.
        """
        self._buffer += data
        self.closed = self.closed or not data
        complete: list[Call | str] = []
        while (call := self._next()) is not None:
            complete.append(call)
        return complete

    def send(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        """Answer the request that was received last."""
        lines = [STATUS_LINES[status]]
        lines += [f"{name}: {_one_line(value)}\r\n" for name, value in headers]
        head = "".join((*lines, f"Content-Length: {len(body)}\r\n\r\n"))
        self._write(head.encode("latin-1", "backslashreplace") + body)

    def flush(self) -> None:
        """Send what there is to send, as far as it fits."""
        try:
            sent = self.socket.send(self._unsent)
        except BlockingIOError:
            sent = 0
        except OSError:
            self.closed, self._unsent = True, b""
            return
        more = sent < len(self._unsent)
        self._unsent = self._unsent[sent:]
        if more or self._polls_output:
            self._watch(self.socket.fileno(), select.POLLIN | (select.POLLOUT if more else 0))
            self._polls_output = more
        if self._last and not more:
            with contextlib.suppress(OSError):
                self.socket.shutdown(socket.SHUT_WR)

    def _next(self) -> Call | str | None:
        if self._call is None:
            end = self._buffer.find(b"\r\n\r\n")
            if end < 0:
                if len(self._buffer) > REQUEST_HEADERS_MAX_BYTES:
                    raise BadRequestError(431, "The headers are too large.")
                return None
            head = self._buffer[:end].decode("latin-1")
            del self._buffer[: end + 4]
            self._call = self._start(head)
        if not (self._take_chunks() if self._chunked else self._take()):
            return None
        call, self._call = self._call, None
        if isinstance(call, Call):
            call.body = b"".join(self._parts)
            if self._size > SYNC_RESPONSE_MAX_BYTES:
                call.kind = CallKind.TOO_LARGE
        return call

    def _start(self, head: str) -> Call | str:
        method, target, version, pairs = parse_head(head)
        headers = {name.lower(): value for name, value in pairs}
        self._parts, self._size = [], 0
        self._chunked = "chunked" in headers.get("transfer-encoding", "").lower()
        self._in_chunk = self._in_trailers = False
        length = headers.get("content-length", "0")
        if not length.isdecimal():
            raise BadRequestError(400, "Content-Length is not a number.")
        self._missing = 0 if self._chunked else int(length)
        self._last = version == "HTTP/1.0" or headers.get("connection", "").lower() == "close"
        if headers.get("expect", "").lower() == "100-continue":
            self._unsent += b"HTTP/1.1 100 Continue\r\n\r\n"
            self.flush()
        path = target.partition("?")[0]
        route = _route(method, path)
        if route is None:
            return f"no route {method} {path} in the Runtime API"
        content_type, error_type = (
            headers.get("content-type", ""),
            headers.get(ERROR_TYPE_HEADER, ""),
        )
        return Call(route[0], self, route[1], b"", content_type, error_type)

    def _take(self) -> bool:
        """Take what is there of the missing bytes; tell whether that was all."""
        taken = bytes(self._buffer[: self._missing])
        del self._buffer[: len(taken)]
        self._missing -= len(taken)
        self._size += len(taken)
        if self._size <= SYNC_RESPONSE_MAX_BYTES:
            self._parts.append(taken)
        return self._missing == 0

    def _take_chunks(self) -> bool:
        while self._take():
            end = self._buffer.find(b"\r\n")
            if end < 0:
                return False
            line = bytes(self._buffer[:end])
            del self._buffer[: end + 2]
            if self._in_trailers:
                if not line:
                    return True
            elif self._in_chunk:  # the line break after a chunk
                self._in_chunk = False
            else:
                self._missing = _chunk_size(line)
                self._in_chunk, self._in_trailers = self._missing > 0, self._missing == 0
        return False

    def _write(self, data: bytes) -> None:
        self._unsent += data
        self.flush()


def _chunk_size(line: bytes) -> int:
    try:
        size = int(line.partition(b";")[0].strip(), 16)
    except ValueError:
        size = -1
    if size < 0:
        raise BadRequestError(400, "A chunk has no valid length.")
    return size


def _one_line(value: str) -> str:
    return value.replace("\r", " ").replace("\n", " ")


def _is_own_user(peer_port: int, own_port: int) -> bool:
    """Whether the process at ``peer_port`` of this machine runs as the lab's user (Linux only)."""
    # Both ends: an earlier connection from the same port may linger, and belongs to nobody.
    row = [f"0100007F:{peer_port:04X}", f"0100007F:{own_port:04X}"]
    for _ in range(_LOOKS_AT_TABLE):
        try:
            with open("/proc/net/tcp") as table:
                for line in table:
                    fields = line.split()
                    if fields[1:3] == row:
                        return int(fields[7]) == os.getuid()
        except FileNotFoundError:
            return True
    return False
