from __future__ import annotations

import socket

import pytest
from harness import Served, create

from labkit.core.events import Event, EventKind
from labkit.live.client import LabClient, LabError


@pytest.fixture
def client(own_server: Served) -> LabClient:
    return LabClient(own_server.ready["endpoint"], own_server.ready["token"])


def test_the_clock(client: LabClient) -> None:
    before = client.clock()
    moved = client.advance(60)
    assert (moved.fired, moved.settled) == (0, True)
    assert client.clock() >= moved.now_ms >= before + 60_000
    assert client.settle().settled
    assert client.settle(5).settled


def test_the_events_of_an_invocation(own_server: Served, client: LabClient) -> None:
    function = create(own_server, "def handler(event, context):\n    return 1\n")
    function.result()
    events = client.events()
    assert all(isinstance(event, Event) for event in events)
    kinds = [event.kind for event in events]
    assert kinds[0] is EventKind.ACCEPTED
    assert EventKind.INVOKE_ENDED in kinds
    last = events[-1].seq
    assert client.events(after=last) == []
    assert client.events(after=last - 1)[0].seq == last


def test_settings_addresses_and_reset(own_server: Served, client: LabClient) -> None:
    assert client.patch({"idle_life_s": [1, 2]})["idle_life_s"] == [1, 2]
    assert client.settings()["idle_life_s"] == [1, 2]
    assert client.urls() == []
    create(own_server, "def handler(event, context):\n    return 1\n")
    client.reset()
    assert own_server.client("lambda").list_functions()["Functions"] == []


def test_what_the_lab_refuses_is_said_in_its_words(client: LabClient) -> None:
    with pytest.raises(LabError, match="max_environments must be a whole number"):
        client.patch({"max_environments": "many"})
    with pytest.raises(LabError, match="seconds must be from 0"):
        client.advance(-1)


def test_a_wrong_token_is_said(own_server: Served) -> None:
    with pytest.raises(LabError, match="token that `labkit serve` printed"):
        LabClient(own_server.ready["endpoint"], "wrong").clock()


def test_a_lab_that_is_gone_is_said() -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    with pytest.raises(LabError, match=f"127.0.0.1:{port} does not answer"):
        LabClient(f"http://127.0.0.1:{port}", "t").clock()
