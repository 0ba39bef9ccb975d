from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from labkit.core.events import EventKind
from labkit.live.clock import LabClock
from labkit.live.control import Control
from labkit.live.event_log import EventLog
from labkit.live.http import Headers, Request, Response
from labkit.live.settings import Settings

TOKEN = "the-token"


class Bench:
    """A control interface with real parts behind it."""

    def __init__(self) -> None:
        self.clock = LabClock()
        self.settings = Settings()
        self.events = EventLog(self.clock, self.settings)
        self.resets = 0
        self.control = Control(
            token=TOKEN,
            clock=self.clock,
            events=self.events,
            settings=self.settings,
            code={"guess-me-not": b"PK zip"}.get,
            reset=self._reset,
        )

    def _reset(self) -> None:
        self.resets += 1

    def ask(
        self, method: str, path: str, body: object = None, *, token: str | None = TOKEN
    ) -> Response:
        path, _, query = path.partition("?")
        pairs = [] if token is None else [("Authorization", f"Bearer {token}")]
        data = (
            body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        )
        return self.control.handle(Request(method, f"/_lab/{path}", query, Headers(pairs), data))

    def get(self, method: str, path: str, body: object = None) -> Any:
        response = self.ask(method, path, body)
        assert response.status == 200, response.body
        return json.loads(response.body)

    def refused(self, method: str, path: str, body: object = None) -> tuple[int, str]:
        response = self.ask(method, path, body)
        return response.status, json.loads(response.body)["message"]


@pytest.fixture
def bench() -> Iterator[Bench]:
    bench = Bench()
    yield bench
    bench.clock.close()


def test_the_clock(bench: Bench) -> None:
    assert bench.get("GET", "clock")["offset_ms"] == 0
    moved = bench.get("POST", "advance", {"seconds": 90.5})
    assert set(moved) == {"now_ms", "fired", "settled"}
    assert (moved["fired"], moved["settled"]) == (0, True)
    clock = bench.get("GET", "clock")
    assert clock["offset_ms"] >= 90_000
    assert clock["now_ms"] >= moved["now_ms"]


def test_settle_with_and_without_limit(bench: Bench) -> None:
    bench.clock.call_at(bench.clock.now_ms() + 100_000, lambda: None)
    moved = bench.get("POST", "settle", {"limit_seconds": 10})
    assert (moved["fired"], moved["settled"]) == (0, False)
    moved = bench.get("POST", "settle")
    assert (moved["fired"], moved["settled"]) == (1, True)
    assert bench.get("POST", "settle", {})["fired"] == 0


def test_events_by_page(bench: Bench) -> None:
    assert bench.get("GET", "events") == {"events": [], "last": 0}
    for name in "ab":
        bench.events.append(EventKind.ACCEPTED, function=name)
    answer = bench.get("GET", "events?after=0")
    assert [event["function"] for event in answer["events"]] == ["a", "b"]
    assert answer["events"][0]["kind"] == "accepted"
    assert answer["last"] == 2
    assert bench.get("GET", "events?after=1")["events"][0]["seq"] == 2
    assert bench.get("GET", "events?after=2&wait_s=0.01") == {"events": [], "last": 2}
    assert bench.get("GET", "events?after=99") == {"events": [], "last": 99}


def test_events_are_waited_for(bench: Bench) -> None:
    answers: list[Any] = []
    reader = threading.Thread(
        target=lambda: answers.append(bench.get("GET", "events?after=0&wait_s=10"))
    )
    reader.start()
    bench.events.append(EventKind.QUEUED)
    reader.join(10)
    assert answers[0]["last"] == 1


def test_settings_are_told_and_changed(bench: Bench) -> None:
    assert bench.get("GET", "settings")["idle_life_s"] == [300, 900]
    changed = bench.get("PATCH", "settings", {"idle_life_s": 60, "max_environments": 5})
    assert (changed["idle_life_s"], changed["max_environments"]) == (60, 5)
    assert bench.get("GET", "settings") == changed
    assert bench.settings.max_environments == 5


def test_addresses_and_reset(bench: Bench) -> None:
    assert bench.get("GET", "urls") == {"urls": []}
    now = bench.clock.now_ms()
    assert bench.get("POST", "reset")["now_ms"] >= now
    assert bench.resets == 1


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "text"),
    [
        ("POST", "advance", None, 400, 'must be {"seconds": n}'),
        ("POST", "advance", {"seconds": -1}, 400, "seconds must be from 0"),
        ("POST", "advance", {"seconds": "5"}, 400, "seconds must be a number"),
        ("POST", "advance", {"seconds": None}, 400, "seconds must be a number"),
        ("POST", "advance", b'{"seconds": NaN}', 400, "seconds must be from 0"),
        ("POST", "advance", b'{"seconds": Infinity}', 400, "seconds must be from 0"),
        ("POST", "advance", {"minutes": 1}, 400, "Unknown field 'minutes'"),
        ("POST", "advance", b"{", 400, "not JSON"),
        ("POST", "advance", b"\xff\xfe", 400, "not JSON"),
        ("POST", "advance", [5], 400, "must be a JSON object"),
        ("POST", "settle", {"seconds": 1}, 400, "there is only limit_seconds"),
        ("POST", "settle", {"limit_seconds": -1}, 400, "limit_seconds must be from 0"),
        ("POST", "reset", {"all": True}, 400, "it takes none"),
        ("GET", "events?after=x", None, 400, "after must be a number"),
        ("GET", "events?after=-1", None, 400, "after must be a number"),
        ("GET", "events?after=1.5", None, 400, "after must be a whole number"),
        ("GET", "events?after=nan", None, 400, "after must be a number"),
        ("GET", "events?wait_s=301", None, 400, "wait_s must be a number from 0 to 300"),
        ("GET", "events?since=1", None, 400, "Unknown parameter 'since'"),
        ("PATCH", "settings", {"colour": 1}, 400, "no setting 'colour'"),
        ("PATCH", "settings", {"seed": "x"}, 400, "seed must be a whole number"),
        ("GET", "nothing", None, 404, "nothing at /_lab/nothing; there are: /_lab/clock"),
        ("GET", "", None, 404, "nothing at /_lab/"),
        ("GET", "clock/", None, 404, "nothing at"),
        ("GET", "advance", None, 405, "takes POST, not GET"),
        ("PUT", "settings", None, 405, "takes GET and PATCH, not PUT"),
        ("DELETE", "code/guess-me-not", None, 405, "downloaded with GET"),
    ],
)
def test_what_is_wrong_is_said(
    bench: Bench, method: str, path: str, body: object, status: int, text: str
) -> None:
    refused_status, message = bench.refused(method, path, body)
    assert refused_status == status
    assert text in message
    assert message.endswith(".") or status == 404


@pytest.mark.parametrize("token", [None, "", "wrong", "the-token2"])
@pytest.mark.parametrize("path", ["clock", "reset", "nothing"])
def test_without_the_token_nothing_is_told(bench: Bench, path: str, token: str | None) -> None:
    response = bench.ask("POST", path, token=token)
    assert response.status == 401
    assert ("WWW-Authenticate", "Bearer") in response.headers
    assert "labkit serve" in json.loads(response.body)["message"]
    assert bench.resets == 0


def test_code_is_downloaded_by_its_own_token(bench: Bench) -> None:
    response = bench.ask("GET", "code/guess-me-not", token=None)
    assert (response.status, response.body) == (200, b"PK zip")
    assert ("Content-Type", "application/zip") in response.headers
    gone = bench.ask("GET", "code/other", token=None)
    assert gone.status == 404
    assert "GetFunction" in json.loads(gone.body)["message"]
