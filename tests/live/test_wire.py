from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labkit.live import wire
from labkit.live.http import Request, Response
from labkit.live.wire import BadRequestError, Wire, http_date


def connected() -> tuple[socket.socket, socket.socket]:
    """A connection of this machine with itself: (client, server)."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = socket.create_connection(listener.getsockname())
        server, _ = listener.accept()
    client.settimeout(10)
    return client, server


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, Wire]]:
    client, server = connected()
    yield client, Wire(server)
    client.close()
    server.close()


def sent(*pieces: bytes) -> Request | None:
    """What the server reads when a client sends these pieces and no more."""
    client, server = connected()
    with client, server:
        for piece in pieces:
            client.sendall(piece)
        client.shutdown(socket.SHUT_WR)
        return Wire(server).read()


def refused(*pieces: bytes) -> BadRequestError:
    with pytest.raises(BadRequestError) as error:
        sent(*pieces)
    return error.value


def test_a_request_is_read_as_it_was_sent() -> None:
    request = sent(
        b"POST /a%2Fb/c?x=1&y=%20 HTTP/1.1\r\nHost: localhost\r\nX-Amz-Meta-my_key:  value \r\n"
        b"Content-Length: 5\r\n\r\nhello"
    )
    assert request is not None
    assert (request.method, request.path, request.query) == ("POST", "/a%2Fb/c", "x=1&y=%20")
    assert request.headers["x-amz-meta-my_key"] == "value"
    assert request.body == b"hello"
    assert (request.region, request.account_id, request.caller_arn) == ("", "", "")


def test_requests_of_one_connection_follow_each_other(
    ends: tuple[socket.socket, Wire],
) -> None:
    client, server = ends
    client.sendall(b"PUT /1 HTTP/1.1\r\nContent-Length: 3\r\n\r\nabcGET /2 HTTP/1.1\r\n\r\n")
    first, second = server.read(), server.read()
    assert first is not None
    assert second is not None
    assert (first.path, first.body, second.path, second.body) == ("/1", b"abc", "/2", b"")
    assert server.keep_alive
    client.close()
    assert server.read() is None


@settings(deadline=None, max_examples=40)
@given(
    body=st.binary(max_size=300),
    cuts=st.lists(st.integers(0, 500), max_size=4),
    chunk=st.integers(1, 100),
    chunked=st.booleans(),
)
def test_however_a_body_is_cut_it_arrives_whole(
    body: bytes, cuts: list[int], chunk: int, chunked: bool
) -> None:
    if chunked:
        pieces = [body[start : start + chunk] for start in range(0, len(body), chunk)]
        coded = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)
        head = b"Transfer-Encoding: chunked\r\n\r\n"
        data = b"PUT / HTTP/1.1\r\n" + head + coded + b"0\r\nX-Trailer: t\r\n\r\n"
    else:
        data = b"PUT / HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    request = sent(*(data[a:b] for a, b in zip(edges, edges[1:], strict=False)))
    assert request is not None
    assert request.body == body


@pytest.mark.parametrize(
    ("data", "status", "text"),
    [
        (b"GET /\r\n\r\n", 400, "first line"),
        (b"GET / HTTP/2\r\n\r\n", 400, "first line"),
        (b"GET http://elsewhere/ HTTP/1.1\r\n\r\n", 400, "must be a path"),
        (b"GET / HTTP/1.1\r\nno colon\r\n\r\n", 400, "malformed"),
        (b"GET / HTTP/1.1\r\nA: b\r\n folded\r\n\r\n", 400, "malformed"),
        (b"GET / HTTP/1.1\r\nName : b\r\n\r\n", 400, "malformed"),
        (b"GET / HTTP/1.1\r\nA: b\nC: d\r\n\r\n", 400, "malformed"),
        (b"PUT / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400, "not a number"),
        (b"PUT / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400, "not a number"),
        (
            b"PUT / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
            400,
            "either chunked or",
        ),
        (b"PUT / HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n", 400, "either chunked or"),
        (b"PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400, "valid length"),
        (b"PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\n", 400, "valid length"),
        (b"PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n", 400, "wrong length"),
        (b"PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1" * 9000, 400, "too long"),
        (b"PUT / HTTP/1.1\r\nContent-Length: 10\r\n\r\nabc", 408, "middle of a request"),
        (b"PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab", 408, "middle"),
        (b"PUT / HTTP/1.1\r\nContent-Length: 125829121\r\n\r\n", 413, "125829120 bytes at most"),
        (
            b"PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n7800001\r\n",
            413,
            "125829120 bytes at most",
        ),
    ],
)
def test_what_is_no_request_is_refused(data: bytes, status: int, text: str) -> None:
    error = refused(data)
    assert error.status == status
    assert text in error.message


def test_headers_without_end_are_refused(ends: tuple[socket.socket, Wire]) -> None:
    client, server = ends
    flood = threading.Thread(
        target=lambda: client.sendall(b"GET / HTTP/1.1\r\nA: " + b"b" * 1_200_000)
    )
    flood.start()
    with pytest.raises(BadRequestError) as error:
        server.read()
    assert error.value.status == 431
    client.shutdown(socket.SHUT_RDWR)
    flood.join(10)


def test_half_a_head_is_no_request() -> None:
    assert sent(b"GET / HT") is None
    assert sent() is None


def test_a_client_that_expects_it_is_told_to_go_on(ends: tuple[socket.socket, Wire]) -> None:
    client, server = ends
    got: list[Request | None] = []
    reader = threading.Thread(target=lambda: got.append(server.read()))
    client.sendall(b"PUT / HTTP/1.1\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n")
    reader.start()
    assert client.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
    client.sendall(b"ok")
    reader.join(10)
    assert got[0] is not None
    assert got[0].body == b"ok"


@pytest.mark.parametrize(
    ("line", "header", "kept"),
    [
        ("HTTP/1.1", "", True),
        ("HTTP/1.1", "Connection: close\r\n", False),
        ("HTTP/1.0", "", False),
    ],
)
def test_a_connection_is_kept_unless_the_client_closes_it(
    ends: tuple[socket.socket, Wire], line: str, header: str, kept: bool
) -> None:
    client, server = ends
    client.sendall(f"GET / {line}\r\n{header}\r\n".encode())
    server.read()
    assert server.keep_alive is kept
    server.write(Response(200, [], b""), head_only=False)
    assert (b"Connection: close" in client.recv(1000)) is not kept


def written(response: Response, *, head_only: bool = False) -> bytes:
    client, server = connected()
    with client:
        end = Wire(server)
        sender = threading.Thread(
            target=lambda: (end.write(response, head_only=head_only), server.close())
        )
        sender.start()
        data = b"".join(iter(lambda: client.recv(65536), b""))
        sender.join(10)
    return data


def test_an_answer_has_its_own_length_and_a_date() -> None:
    data = written(Response(200, [("X-A", "1"), ("Content-Length", "99"), ("Date", "x")], b"body"))
    head, _, body = data.partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    assert lines[0] == b"HTTP/1.1 200 OK"
    assert b"X-A: 1" in lines
    assert b"Content-Length: 4" in lines
    assert sum(line.startswith(b"Date: ") for line in lines) == 1
    assert body == b"body"


def test_a_large_answer_arrives_whole() -> None:
    body = bytes(range(256)) * 4096
    assert written(Response(200, [], body)).endswith(b"\r\n\r\n" + body)


def test_the_answer_to_head_tells_the_length_of_what_get_would_bring() -> None:
    data = written(Response(200, [("Content-Length", "1234")], b""), head_only=True)
    assert b"Content-Length: 1234\r\n" in data
    assert data.endswith(b"\r\n\r\n")
    assert b"Content-Length: 4\r\n" in written(Response(200, [], b"body"), head_only=True)


def test_no_content_has_no_length() -> None:
    data = written(Response(204, [("Content-Length", "0")], b""))
    assert b"Content-Length" not in data
    assert data.startswith(b"HTTP/1.1 204 No Content\r\n")


def test_an_unknown_status_and_odd_letters_do_not_break_an_answer() -> None:
    data = written(Response(299, [("X-A", "smile \u263a")], b""))
    assert data.startswith(b"HTTP/1.1 299 \r\n")
    assert b"X-A: smile ?\r\n" in data


def test_an_answer_arrives_although_the_client_is_still_sending() -> None:
    client, server = connected()
    end = Wire(server)
    end.keep_alive = False
    answered = threading.Thread(
        target=lambda: (end.write(Response(413, [], b"too large"), head_only=False), end.close())
    )
    answered.start()
    with client:
        client.sendall(b"x" * 3_000_000)
        client.shutdown(socket.SHUT_WR)
        data = b"".join(iter(lambda: client.recv(65536), b""))
    answered.join(15)
    assert data.endswith(b"too large")


def test_a_stalled_client_is_given_up(
    ends: tuple[socket.socket, Wire], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wire, "_STALLED_S", 0.02)
    client, server = ends
    client.sendall(b"PUT / HTTP/1.1\r\nContent-Length: 10\r\n\r\nabc")
    with pytest.raises(BadRequestError) as error:
        server.read()
    assert error.value.status == 408


def test_an_idle_connection_is_given_up(
    ends: tuple[socket.socket, Wire], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wire, "_IDLE_S", 0.02)
    assert ends[1].read() is None


def test_dates_are_those_of_rfc_9110() -> None:
    assert http_date(784111777) == "Sun, 06 Nov 1994 08:49:37 GMT"
