from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from labkit.live import real_time


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    yield
    real_time.take_from(time.time)


def test_it_is_the_machine_s_time_unless_that_is_read_elsewhere() -> None:
    assert abs(real_time.real_time_s() - time.time()) < 30
    real_time.take_from(lambda: 5.0)
    assert real_time.real_time_s() == 5.0
