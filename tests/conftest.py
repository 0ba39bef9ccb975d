"""What holds for all tests."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest


def _aws_variables() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name.startswith("AWS_")}


@pytest.fixture(autouse=True, scope="module")
def surroundings_are_set_back() -> Iterator[None]:
    """A lab that is left in the environment would fail the tests of another file, or answer them."""
    before = _aws_variables()
    yield
    assert _aws_variables() == before
