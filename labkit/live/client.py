"""How a notebook talks to the server's control interface."""

from __future__ import annotations

import http.client
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from labkit.core.events import Event
from labkit.live.clock import Moved


class LabError(Exception):
    """The lab refused a request or cannot be reached; the text says why."""


class LabClient:
    """The control interface of the lab at `endpoint`. Safe to use from several threads.

    Every method raises LabError when the lab refuses or cannot be reached.
    """

    def __init__(self, endpoint: str, token: str) -> None:
        self._address = urlsplit(endpoint).netloc
        self._token = token

    def clock(self) -> float:
        """Return the lab time in milliseconds since 1970."""
        return float(self._call("GET", "clock")["now_ms"])

    def advance(self, seconds: float) -> Moved:
        """Go forward by `seconds` of lab time; returns when all work on the way is done."""
        return Moved(**self._call("POST", "advance", {"seconds": seconds}))

    def settle(self, limit_seconds: float | None = None) -> Moved:
        """Go forward until nothing is pending, by `limit_seconds` (default: a day) at most."""
        body = {} if limit_seconds is None else {"limit_seconds": limit_seconds}
        return Moved(**self._call("POST", "settle", body))

    def events(self, after: int = 0, wait_s: float = 0.0) -> list[Event]:
        """Return the events newer than the seq `after`, waiting up to `wait_s` for the first."""
        answer = self._call("GET", f"events?after={after}&wait_s={wait_s}")
        return [Event.from_dict(record) for record in answer["events"]]

    def settings(self) -> dict[str, Any]:
        """Return the settings by name."""
        return self._call("GET", "settings")

    def patch(self, changes: Mapping[str, object]) -> dict[str, Any]:
        """Change settings, all or none, and return them all."""
        return self._call("PATCH", "settings", changes)

    def urls(self) -> list[dict[str, str]]:
        """Return the addresses of what the lab serves over HTTP."""
        return list(self._call("GET", "urls")["urls"])

    def reset(self) -> None:
        """Forget functions and the state of all services; clock and events go on."""
        self._call("POST", "reset")

    def _call(
        self, method: str, path: str, body: Mapping[str, object] | None = None
    ) -> dict[str, Any]:
        # No time limit: a move of the clock waits for functions, which may run for minutes.
        connection = http.client.HTTPConnection(self._address)
        headers = {"Authorization": f"Bearer {self._token}"}
        content = None if body is None else json.dumps(body)
        try:
            connection.request(method, f"/_lab/{path}", content, headers)
            response = connection.getresponse()
            answer = json.loads(response.read())
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise LabError(f"The lab at {self._address} does not answer: {error!r}") from error
        finally:
            connection.close()
        if response.status != 200:
            raise LabError(answer.get("message", f"HTTP status {response.status}"))
        return dict(answer)
