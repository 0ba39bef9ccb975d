"""Fixtures of the tests that need a running lab."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest
from harness import Function, Served, create
from inbox import Inbox


@pytest.fixture(scope="session")
def served() -> Iterator[Served]:
    server = Served("--seed", "1")
    yield server
    server.stop()


@pytest.fixture
def own_server() -> Iterator[Served]:
    """A server that a test may change or break."""
    server = Served("--seed", "1")
    yield server
    if server.process.poll() is None:
        server.stop()
    assert server.process.stdout is not None
    server.process.stdout.close()


@pytest.fixture
def deploy(served: Served) -> Callable[..., Function]:
    """``deploy(code, MemorySize=…)``: a Python function, or other ``files``, ready to invoke."""
    return lambda code="", **options: create(served, code, **options)


@pytest.fixture
def inbox(served: Served, request: pytest.FixtureRequest) -> Inbox:
    """A new queue of the shared server."""
    name = re.sub(r"\W+", "-", request.node.name)[:70]
    return Inbox(served, name)
