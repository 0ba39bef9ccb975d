"""HTTP/1.1 on one connection: read requests, write answers.

By hand, because `http.server` parses headers with the email package, which costs as much as all the
rest of a warm invocation's way through this server.
"""

from __future__ import annotations

import http
import socket
import time
from typing import Final

from labkit.core.quotas import REQUEST_HEADERS_MAX_BYTES
from labkit.live.http import Headers, Request, Response

BODY_MAX_BYTES: Final = 120 * 1024 * 1024
"""The largest request body; a deployment package of 50 MB fits in any encoding."""

_READ_BYTES: Final = 65_536
_CHUNK_LINE_MAX: Final = 4_096
_IDLE_S: Final = 600.0  # a connection that nobody uses is closed
_STALLED_S: Final = 60.0  # one that stops in the middle of a request too
_LINGER_S: Final = 10.0
_SET_HERE: Final = frozenset({"connection", "content-length", "transfer-encoding", "date"})
_BODILESS: Final = frozenset({204, 304})
_DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS: Final = (
    *("Jan", "Feb", "Mar", "Apr", "May", "Jun"),
    *("Jul", "Aug", "Sep", "Oct", "Nov", "Dec"),
)
STATUS_LINES: Final = {
    status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n" for status in http.HTTPStatus
}


class BadRequestError(Exception):
    """What arrived is not HTTP as this server speaks it; the connection must be closed."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


class Wire:
    """One connection. Used by one thread."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        self._buffer = b""
        self.keep_alive = True
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def read(self) -> Request | None:
        """Return the next request; None when the client has gone.

        Raises BadRequestError; the caller answers it and closes the connection.
        """
        self._socket.settimeout(_IDLE_S)
        head = self._read_head()
        if head is None:
            return None
        self._socket.settimeout(_STALLED_S)
        method, target, version, pairs = parse_head(head)
        headers = Headers(pairs)
        connection = (headers.get("connection") or "").lower()
        self.keep_alive = version == "HTTP/1.1" and "close" not in connection
        body = self._read_body(headers)
        path, _, query = target.partition("?")
        return Request(method, path, query, headers, body)

    def write(self, response: Response, *, head_only: bool) -> None:
        """Send an answer; `head_only` for the answer to HEAD."""
        status = response.status
        parts = [STATUS_LINES.get(status) or f"HTTP/1.1 {status} \r\n"]
        length = len(response.body)
        for name, value in response.headers:
            lower = name.lower()
            if lower not in _SET_HERE:
                parts.append(f"{name}: {value}\r\n")
            elif lower == "content-length" and head_only and not response.body:
                length = int(value)
        if status not in _BODILESS:
            parts.append(f"Content-Length: {length}\r\n")
        parts.append(f"Date: {http_date(time.time())}\r\n")
        parts.append("\r\n" if self.keep_alive else "Connection: close\r\n\r\n")
        data = "".join(parts).encode("latin-1", "replace")
        if head_only or status in _BODILESS:
            self._socket.sendall(data)
        elif length <= _READ_BYTES:
            self._socket.sendall(data + response.body)
        else:
            self._socket.sendall(data)
            self._socket.sendall(response.body)

    def close(self) -> None:
        """Close the connection so that the last answer still arrives.

        Closing while the client is sending would reset the connection and lose the answer, so the
        rest of what it sends is read for a while.
        """
        end_s = time.monotonic() + _LINGER_S
        try:
            if not self.keep_alive:
                self._socket.shutdown(socket.SHUT_WR)
                self._socket.settimeout(1.0)
                while time.monotonic() < end_s and self._socket.recv(_READ_BYTES):
                    pass
        except OSError:
            pass  # the client has gone, which is what is wanted
        finally:
            self._socket.close()

    def _receive(self) -> bytes:
        """Return what comes next. Raises BadRequestError if nothing does."""
        try:
            data = self._socket.recv(_READ_BYTES)
        except TimeoutError:
            data = b""
        if not data:
            raise BadRequestError(408, "The connection ended in the middle of a request.")
        return data

    def _read_head(self) -> str | None:
        data = self._buffer
        end = data.find(b"\r\n\r\n")
        while end < 0:
            if len(data) > REQUEST_HEADERS_MAX_BYTES:
                raise BadRequestError(
                    431, f"The request's headers exceed {REQUEST_HEADERS_MAX_BYTES} bytes."
                )
            try:
                more = self._socket.recv(_READ_BYTES)
            except (TimeoutError, ConnectionError):
                return None
            if not more:
                return None
            data += more
            end = data.find(b"\r\n\r\n", max(0, len(data) - len(more) - 3))
        self._buffer = data[end + 4 :]
        return data[:end].decode("latin-1")

    def _read_body(self, headers: Headers) -> bytes:
        encoding = headers.get("transfer-encoding")
        length_text = headers.get("content-length")
        if encoding is None and length_text is None:
            return b""
        length = _length(length_text) if encoding is None and length_text is not None else 0
        if encoding is not None:
            if encoding.strip().lower() != "chunked" or length_text is not None:
                raise BadRequestError(400, "A body is either chunked or has a Content-Length.")
        elif length > BODY_MAX_BYTES:
            raise _too_large()
        if (headers.get("expect") or "").strip().lower() == "100-continue":
            self._socket.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        return self._read_exactly(length) if encoding is None else self._read_chunks()

    def _read_exactly(self, length: int) -> bytes:
        buffer = self._buffer
        if len(buffer) >= length:
            self._buffer = buffer[length:]
            return buffer[:length]
        body = bytearray(length)
        view = memoryview(body)
        view[: len(buffer)] = buffer
        self._buffer = b""
        have = len(buffer)
        while have < length:
            try:
                got = self._socket.recv_into(view[have:])
            except TimeoutError:
                got = 0
            if not got:
                raise BadRequestError(408, "The connection ended in the middle of a request.")
            have += got
        return bytes(body)

    def _read_chunks(self) -> bytes:
        chunks: list[bytes] = []
        total = 0
        while True:
            size_text = self._read_line().partition(b";")[0].strip()
            try:
                size = int(size_text, 16)
            except ValueError:
                size = -1
            if size < 0 or size_text[:1] in b"+-":
                raise BadRequestError(400, "A chunk of the request's body has no valid length.")
            total += size
            if total > BODY_MAX_BYTES:
                raise _too_large()
            if size == 0:
                while self._read_line():
                    pass  # trailers
                return b"".join(chunks)
            chunks.append(self._read_exactly(size))
            if self._read_exactly(2) != b"\r\n":
                raise BadRequestError(400, "A chunk of the request's body has the wrong length.")

    def _read_line(self) -> bytes:
        while (end := self._buffer.find(b"\r\n")) < 0:
            if len(self._buffer) > _CHUNK_LINE_MAX:
                raise BadRequestError(400, "A line of the request's chunked body is too long.")
            self._buffer += self._receive()
        line, self._buffer = self._buffer[:end], self._buffer[end + 2 :]
        return line


def parse_head(head: str) -> tuple[str, str, str, list[tuple[str, str]]]:
    """Return method, target, version and headers of a request. Raises BadRequestError."""
    lines = head.split("\r\n")
    first = lines[0].split(" ")
    if len(first) != 3 or first[2] not in ("HTTP/1.1", "HTTP/1.0"):
        raise BadRequestError(400, "The request's first line is not one of HTTP/1.1.")
    method, target, version = first
    if not target.startswith("/"):
        raise BadRequestError(400, "The request's target must be a path.")
    pairs: list[tuple[str, str]] = []
    for line in lines[1:]:
        name, colon, value = line.partition(":")
        if not colon or not name or name != name.strip() or "\n" in line or "\0" in line:
            raise BadRequestError(400, "A header of the request is malformed.")
        pairs.append((name, value.strip(" \t")))
    return method, target, version, pairs


def _length(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 20):
        raise BadRequestError(400, "The request's Content-Length is not a number.")
    return int(text)


def _too_large() -> BadRequestError:
    return BadRequestError(
        413, f"The request's body is too large: the lab takes {BODY_MAX_BYTES} bytes at most."
    )


def http_date(time_s: float) -> str:
    """Return a time as the Date header writes it."""
    # Not strftime: its names of days and months depend on the locale.
    t = time.gmtime(time_s)
    return (
        f"{_DAYS[t.tm_wday]}, {t.tm_mday:02} {_MONTHS[t.tm_mon - 1]} {t.tm_year} "
        f"{t.tm_hour:02}:{t.tm_min:02}:{t.tm_sec:02} GMT"
    )
