"""An HTTP request and its answer, as the parts of the server hand them to each other."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final


class Headers(Mapping[str, str]):
    """Request headers: case does not matter, and repeated ones are joined with a comma.

    `pairs` holds them as they were sent.
    """

    __slots__ = ("_values", "pairs")

    def __init__(self, pairs: Sequence[tuple[str, str]]) -> None:
        self.pairs = pairs
        values: dict[str, str] = {}
        for name, value in pairs:
            key = name.lower()
            values[key] = f"{values[key]},{value}" if key in values else value
        self._values = values

    def __getitem__(self, name: str) -> str:
        return self._values[name.lower()]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name.lower() in self._values

    def get(self, name: str, default: str | None = None) -> str | None:  # type: ignore[override]
        """Return the value of a header, `default` if it was not sent."""
        return self._values.get(name.lower(), default)


@dataclass(slots=True)
class Request:
    """One request.

    `path` and `query` are as they were sent, percent-encoded and without the question mark. The
    last three are empty until the signature is checked: the Region that it is for, the account of
    the caller, and who that is.
    """

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes
    region: str = ""
    account_id: str = ""
    caller_arn: str = ""


@dataclass(slots=True)
class Response:
    """One answer. Content-Length, Date and Connection are added when it is sent."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes


JSON_TYPE: Final = ("Content-Type", "application/json")


def json_response(status: int, content: object) -> Response:
    """Return an answer with a JSON body."""
    return Response(status, [JSON_TYPE], json.dumps(content).encode())
