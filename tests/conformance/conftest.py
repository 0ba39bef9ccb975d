"""A lab for all scenarios that are played live and in virtual time."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from harness import Served


@pytest.fixture(scope="session")
def served() -> Iterator[Served]:
    server = Served("--seed", "1")
    yield server
    server.stop()
