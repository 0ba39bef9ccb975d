"""The lab's control interface: the clock, the event log, the settings, reset.

HTTP and JSON under `/_lab/`, with `Authorization: Bearer <token>`. One door is open without it:
`/_lab/code/<token>`, the download that GetFunction names, whose own token nobody can guess.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import parse_qs

from labkit.live.auth import has_token
from labkit.live.clock import LabClock, Moved
from labkit.live.event_log import EventLog
from labkit.live.http import Request, Response, json_response
from labkit.live.settings import Settings

PREFIX: Final = "/_lab/"
_CODE_PREFIX: Final = "/_lab/code/"
_WAIT_MAX_S: Final = 300.0

_Action = Callable[[Request], object]


class _RefusedError(Exception):
    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Control:
    """Answers requests under `/_lab/`.

    `code` returns the zip file of a download token, or None; `reset` forgets the functions and the
    state of all mocked services.
    """

    def __init__(
        self,
        *,
        token: str,
        clock: LabClock,
        events: EventLog,
        settings: Settings,
        code: Callable[[str], bytes | None],
        reset: Callable[[], None],
    ) -> None:
        self._token = token
        self._clock = clock
        self._events = events
        self._settings = settings
        self._code = code
        self._reset = reset
        self._routes: dict[str, dict[str, _Action]] = {
            "clock": {"GET": self._get_clock},
            "advance": {"POST": self._advance},
            "settle": {"POST": self._settle},
            "events": {"GET": self._get_events},
            "settings": {"GET": self._get_settings, "PATCH": self._patch_settings},
            "urls": {"GET": self._get_urls},
            "reset": {"POST": self._post_reset},
        }

    def handle(self, request: Request) -> Response:
        """Answer a request whose path begins with `/_lab/`."""
        try:
            if request.path.startswith(_CODE_PREFIX):
                return self._download(request)
            if not has_token(request, self._token):
                raise _RefusedError(
                    401,
                    "The lab's control interface needs the header 'Authorization: Bearer <token>' "
                    "with the token that `labkit serve` printed.",
                )
            return json_response(200, self._action(request)(request))
        except _RefusedError as refused:
            response = json_response(refused.status, {"message": str(refused)})
            if refused.status == 401:
                response.headers.append(("WWW-Authenticate", "Bearer"))
            return response

    def _action(self, request: Request) -> _Action:
        methods = self._routes.get(request.path[len(PREFIX) :])
        if methods is None:
            raise _RefusedError(
                404,
                f"There is nothing at {request.path}; there are: "
                + ", ".join(PREFIX + name for name in self._routes),
            )
        action = methods.get(request.method)
        if action is None:
            raise _RefusedError(
                405, f"{request.path} takes {' and '.join(methods)}, not {request.method}."
            )
        return action

    def _download(self, request: Request) -> Response:
        if request.method not in ("GET", "HEAD"):
            raise _RefusedError(405, f"Code is downloaded with GET, not {request.method}.")
        content = self._code(request.path[len(_CODE_PREFIX) :])
        if content is None:
            raise _RefusedError(
                404, "There is no code at this address (any more); call GetFunction for a new one."
            )
        return Response(200, [("Content-Type", "application/zip")], content)

    def _get_clock(self, request: Request) -> object:
        return {"now_ms": self._clock.now_ms(), "offset_ms": self._clock.offset_ms}

    def _advance(self, request: Request) -> object:
        body = _body(request, {"seconds"})
        if "seconds" not in body:
            raise _RefusedError(400, 'The body must be {"seconds": n}.')
        return _moved(_checked(self._clock.advance, body["seconds"]))

    def _settle(self, request: Request) -> object:
        body = _body(request, {"limit_seconds"})
        return _moved(_checked(self._clock.settle, *body.values()))

    def _get_events(self, request: Request) -> object:
        query = parse_qs(request.query, keep_blank_values=True)
        unknown = query.keys() - {"after", "wait_s"}
        if unknown:
            raise _RefusedError(400, f"Unknown parameter {min(unknown)!r}: after and wait_s exist.")
        after = _number(query, "after", 2.0**63)
        if after != int(after):
            raise _RefusedError(400, "after must be a whole number, the seq of an event.")
        events = self._events.after(int(after), _number(query, "wait_s", _WAIT_MAX_S))
        last = events[-1].seq if events else int(after)
        return {"events": [event.to_dict() for event in events], "last": last}

    def _get_settings(self, request: Request) -> object:
        return self._settings.to_dict()

    def _patch_settings(self, request: Request) -> object:
        _checked(self._settings.patch, _body(request, None))
        return self._settings.to_dict()

    def _get_urls(self, request: Request) -> object:
        return {"urls": []}

    def _post_reset(self, request: Request) -> object:
        _body(request, set())
        self._reset()
        return {"now_ms": self._clock.now_ms()}


def _checked(action: Callable[..., Any], *values: object) -> Any:
    """Call what checks its own values, and refuse what it refuses."""
    try:
        return action(*values)
    except ValueError as error:
        raise _RefusedError(400, f"{error}.") from None


def _body(request: Request, names: set[str] | None) -> dict[str, Any]:
    """Return the JSON object of the body, empty without one; `names` are those it may have."""
    if not request.body:
        return {}
    try:
        body = json.loads(request.body)
    except ValueError as error:
        raise _RefusedError(400, f"The body is not JSON: {error}.") from None
    if not isinstance(body, dict):
        raise _RefusedError(400, "The body must be a JSON object.")
    unknown = set() if names is None else body.keys() - names
    if unknown:
        known = f"there is only {', '.join(names)}" if names else "it takes none"
        raise _RefusedError(400, f"Unknown field {min(unknown)!r} in the body: {known}.")
    return body


def _number(query: dict[str, list[str]], name: str, maximum: float) -> float:
    text = query.get(name, ["0"])[-1]
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= maximum:
        raise _RefusedError(400, f"{name} must be a number from 0 to {maximum:g}, not {text!r}.")
    return value


def _moved(moved: Moved) -> object:
    return {"now_ms": moved.now_ms, "fired": moved.fired, "settled": moved.settled}
