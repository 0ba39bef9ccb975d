from __future__ import annotations

import http.client
import json
import logging
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from signing import USER, signed

from labkit.live.auth import Authenticator
from labkit.live.front import HOST, Front, Router
from labkit.live.http import Headers, Request, Response

WAIT_S = 10.0


class Parts:
    """A router whose parts say who they are, and remember what they were asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, Request]] = []
        self.router = Router(
            authenticator=Authenticator({USER.access_key_id: USER}.get),
            token="token",
            control=self._part("control"),
            lambda_api=self._part("lambda"),
            mocked_services=self._part("moto"),
        )

    def _part(self, name: str) -> Callable[[Request], Response]:
        def handle(request: Request) -> Response:
            self.asked.append((name, request))
            if "X-Fail" in request.headers:
                raise RuntimeError("a broken part")
            if "X-Unknown" in request.headers:
                raise NotImplementedError("the paint_it action has not been implemented")
            return Response(200, [], name.encode())

        return handle


@pytest.fixture
def parts() -> Parts:
    return Parts()


def asked(path: str, **headers: str) -> Request:
    pairs = [("Host", "127.0.0.1:1"), *((k.replace("_", "-"), v) for k, v in headers.items())]
    return Request("GET", path, "", Headers(pairs), b"")


def test_each_request_goes_to_the_part_that_answers_it(parts: Parts) -> None:
    assert parts.router(signed(service="lambda")).body == b"lambda"
    assert parts.router(signed(path="/2015-03-31/functions", service="s3")).body == b"moto"
    assert parts.router(signed(path="/", service="sqs")).body == b"moto"
    assert parts.router(asked("/_lab/clock")).body == b"control"
    assert parts.router(asked("/moto-api/data.json", Authorization="Bearer token")).body == b"moto"
    name, request = parts.asked[0]
    assert (name, request.region, request.account_id, request.caller_arn) == (
        "lambda",
        "us-east-1",
        "123456789012",
        USER.arn,
    )


def test_what_is_not_signed_reaches_nobody(parts: Parts) -> None:
    refused = parts.router(asked("/2015-03-31/functions"))
    assert refused.status == 403
    assert json.loads(refused.body)["message"] == "Missing Authentication Token"
    assert parts.router(asked("/bucket/key")).status == 403
    wrong = parts.router(signed(key=replace(USER, secret="x")))
    assert ("x-amzn-ErrorType", "InvalidSignatureException") in wrong.headers
    assert parts.asked == []


@pytest.mark.parametrize("path", ["/moto-api/reset", "/moto-api", "/moto-api/seed?a=1"])
def test_motos_own_control_needs_the_token(parts: Parts, path: str) -> None:
    assert parts.router(asked(path)).status == 401
    assert parts.router(asked(path, Authorization="Bearer wrong")).status == 401
    assert parts.router(replace(signed(), path=path)).status == 401
    assert parts.asked == []


@pytest.mark.parametrize(
    "headers", [{"Host": "evil.example"}, {"Host": "127.0.0.1:1", "Origin": "https://evil.example"}]
)
@pytest.mark.parametrize("path", ["/_lab/clock", "/moto-api/reset", "/2015-03-31/functions", "/b"])
def test_foreign_hosts_and_pages_reach_nobody(
    parts: Parts, path: str, headers: dict[str, str]
) -> None:
    pairs = [*headers.items(), ("Authorization", "Bearer token")]
    response = parts.router(Request("GET", path, "", Headers(pairs), b""))
    assert response.status == 403
    assert not any("access-control" in name.lower() for name, _ in response.headers)
    assert parts.asked == []


def test_a_part_that_breaks_is_answered_for(parts: Parts, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        response = parts.router(signed(service="s3", headers={"X-Fail": "1"}))
    assert response.status == 500
    assert b"<Code>InternalFailure</Code>" in response.body
    assert "a broken part" in caplog.text
    response = parts.router(signed(headers={"X-Unknown": "1"}, service="polly"))
    assert response.status == 501
    assert "not part of the lab: the paint_it action" in json.loads(response.body)["message"]


@pytest.fixture
def front() -> Iterator[Front]:
    front = Front()
    yield front
    front.close()


def connect(front: Front) -> http.client.HTTPConnection:
    return http.client.HTTPConnection(HOST, front.port, timeout=WAIT_S)


def ok(request: Request) -> Response:
    return Response(200, [], request.path.encode() + b" " + request.body[:20])


def test_it_listens_on_this_machine_only(front: Front) -> None:
    front.start(ok)
    assert front.endpoint == f"http://127.0.0.1:{front.port}"
    with open("/proc/net/tcp") as file:
        listening = [line.split()[1] for line in file if line.split()[3] == "0A"]
    addresses = [address for address in listening if address.endswith(f":{front.port:04X}")]
    assert addresses == [f"0100007F:{front.port:04X}"]


def test_one_connection_serves_many_requests(front: Front) -> None:
    front.start(ok)
    connection = connect(front)
    for number in range(5):
        connection.request("POST", f"/{number}", body=b"x" * number)
        assert connection.getresponse().read() == f"/{number} ".encode() + b"x" * number
    connection.close()


def test_requests_before_the_start_are_answered_after_it(front: Front) -> None:
    connection = connect(front)
    connection.request("GET", "/early")
    front.start(ok)
    assert connection.getresponse().read() == b"/early "
    connection.close()


def test_a_slow_answer_holds_nobody_up(front: Front) -> None:
    release = threading.Event()

    def handle(request: Request) -> Response:
        if request.path == "/slow":
            release.wait(WAIT_S)
        return ok(request)

    front.start(handle)
    slow, quick = connect(front), connect(front)
    slow.request("GET", "/slow")
    quick.request("GET", "/quick")
    assert quick.getresponse().read() == b"/quick "
    release.set()
    assert slow.getresponse().read() == b"/slow "
    slow.close()
    quick.close()


def test_a_hundred_connections_at_once(front: Front) -> None:
    front.start(ok)
    connections = [connect(front) for _ in range(100)]
    for number, connection in enumerate(connections):
        connection.request("GET", f"/{number}")
    answers = [connection.getresponse().read() for connection in connections]
    assert answers == [f"/{number} ".encode() for number in range(100)]
    for connection in connections:
        connection.close()


def test_a_body_that_is_too_large_gets_a_clear_answer(front: Front) -> None:
    front.start(ok)
    connection = connect(front)
    connection.putrequest("PUT", "/b/k")
    connection.putheader("Content-Length", str(200 * 1024 * 1024))
    connection.endheaders(b"x" * 1000)
    response = connection.getresponse()
    assert response.status == 413
    assert response.getheader("x-amzn-ErrorType") == "RequestEntityTooLargeException"
    assert "125829120 bytes at most" in json.loads(response.read())["message"]
    assert response.getheader("Connection") == "close"
    connection.close()


def test_nonsense_gets_an_answer_and_a_closed_connection(front: Front) -> None:
    front.start(ok)
    with socket.create_connection((HOST, front.port), timeout=WAIT_S) as client:
        client.sendall(b"\x16\x03\x01 TLS hello\r\n\r\n")
        client.shutdown(socket.SHUT_WR)
        answer = b"".join(iter(lambda: client.recv(65536), b""))
    assert answer.startswith(b"HTTP/1.1 400 Bad Request")
    assert b"first line" in answer


def test_a_client_that_goes_away_harms_nobody(front: Front) -> None:
    front.start(ok)
    for data in (b"", b"GET / HT", b"PUT / HTTP/1.1\r\nContent-Length: 9\r\n\r\nab"):
        with socket.create_connection((HOST, front.port)) as client:
            client.sendall(data)
    connection = connect(front)
    connection.request("GET", "/still-here")
    assert connection.getresponse().read() == b"/still-here "
    connection.close()


def test_closing_ends_all_connections_and_frees_the_port(front: Front) -> None:
    front.start(ok)
    idle = connect(front)
    idle.request("GET", "/")
    idle.getresponse().read()
    front.close()
    assert idle.sock is not None
    assert idle.sock.recv(10) == b""
    idle.close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((HOST, front.port))
    again = Front(front.port)
    again.close()


def test_a_port_that_is_taken_is_said(front: Front) -> None:
    with pytest.raises(OSError, match="in use"):
        Front(front.port)
