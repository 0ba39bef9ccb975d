"""Lists in pages: MaxItems and Marker, as the list operations have them."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from labkit.core.errors import invalid_parameter

PAGE_MAX = 50
"""What most lists answer at most at a time."""

Item = TypeVar("Item")


def page(
    items: Sequence[Item],
    parameters: dict[str, Any],
    view: Callable[[Item], Any],
    *,
    key: str,
    maximum: int = PAGE_MAX,
) -> dict[str, Any]:
    """Return one page of `items` under `key`, with NextMarker if there are more.

    `maximum` is how many items the service answers at a time, however many are asked for.
    Raises ApiError (400) for a Marker that no answer of this lab has given.
    """
    start = _start(parameters.get("Marker"))
    end = start + min(parameters.get("MaxItems", maximum), maximum)
    answer: dict[str, Any] = {key: [view(item) for item in items[start:end]]}
    if end < len(items):
        answer["NextMarker"] = base64.urlsafe_b64encode(f"from:{end}".encode()).decode()
    return answer


def _start(marker: str | None) -> int:
    if not marker:
        return 0
    try:
        word, _, number = base64.b64decode(marker, altchars=b"-_", validate=True).partition(b":")
        if word == b"from" and number.isdigit():
            return int(number)
    except (binascii.Error, ValueError):
        pass
    raise invalid_parameter(
        "The Marker is not one that a list operation has answered. "
        "Leave it out to start with the first page."
    )
