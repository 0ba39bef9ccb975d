"""The one door of the lab: a threaded HTTP server on 127.0.0.1, and who answers what.

The Lambda API is answered before any other work is done, because its Invoke is what a learner
measures; everything that is neither Lambda's nor the lab's own goes to moto.
"""

from __future__ import annotations

import contextlib
import logging
import socket
import threading
import time
from collections.abc import Callable
from typing import Final

from labkit.live.auth import Authenticator, claimed_service, has_token, is_local
from labkit.live.control import PREFIX as CONTROL_PREFIX
from labkit.live.http import Request, Response, json_response
from labkit.live.refusals import RefusalError, Words, error_response, family_of
from labkit.live.wire import BadRequestError, Wire

_log = logging.getLogger(__name__)

HOST: Final = "127.0.0.1"
_BACKLOG: Final = 1_024
_ACCEPT_AGAIN_S: Final = 0.05
_MOTO_PREFIX: Final = "/moto-api"

Handler = Callable[[Request], Response]


class Router:
    """Lets requests in and hands each to the part of the lab that answers it."""

    def __init__(
        self,
        *,
        authenticator: Authenticator,
        token: str,
        control: Handler,
        lambda_api: Handler,
        mocked_services: Handler,
    ) -> None:
        self._authenticator = authenticator
        self._token = token
        self._control = control
        self._lambda_api = lambda_api
        self._mocked_services = mocked_services

    def __call__(self, request: Request) -> Response:
        """Answer a request. Never raises."""
        try:
            if not is_local(request):
                return json_response(403, {"message": _FOREIGN})
            if request.path.startswith(CONTROL_PREFIX):
                return self._control(request)
            if request.path.startswith(_MOTO_PREFIX):
                return self._moto_api(request)
            service = self._authenticator.check(request)
            if service == "lambda":
                return self._lambda_api(request)
            return self._mocked_services(request)
        except RefusalError as refusal:
            return refusal.response(request, claimed_service(request))
        except NotImplementedError as error:
            words = Words("NotImplemented", 501, f"This is not part of the lab: {error}")
        except Exception:
            _log.exception("%s %s failed", request.method, request.path)
            message = "The lab failed to answer this request. The server's log says where."
            words = Words("InternalFailure", 500, message)
        family = family_of(request, claimed_service(request))
        return error_response(request, family, words)

    def _moto_api(self, request: Request) -> Response:
        """moto's own control interface, which could switch off every other check."""
        if not has_token(request, self._token):
            return json_response(401, {"message": f"{_MOTO_PREFIX} needs the lab's token."})
        return self._mocked_services(request)


_FOREIGN: Final = (
    "The lab answers requests for 127.0.0.1 or localhost only, and none from web pages of another "
    "origin."
)


class Front:
    """The server. It listens as soon as it exists, and answers once it is started.

    Raises OSError if the port is taken. `port` 0 means any free one.
    """

    def __init__(self, port: int = 0) -> None:
        self._listener = socket.create_server((HOST, port), backlog=_BACKLOG)
        self.port: int = self._listener.getsockname()[1]
        self._connections: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._closed = False
        self._thread: threading.Thread | None = None

    @property
    def endpoint(self) -> str:
        """The address, without a slash at the end."""
        return f"http://{HOST}:{self.port}"

    def start(self, handler: Handler) -> None:
        """Answer requests with `handler`, each connection in a thread of its own."""
        self._thread = threading.Thread(
            target=self._accept, args=(handler,), name="front", daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """Accept nothing more and end all connections."""
        with self._lock:
            self._closed = True
            connections = list(self._connections)
        # Closing a listening socket does not wake the thread that waits at it: a visitor does.
        with contextlib.suppress(OSError), socket.create_connection((HOST, self.port), timeout=1):
            pass
        if self._thread is not None:
            self._thread.join()
        self._listener.close()
        for connection in connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def _accept(self, handler: Handler) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError as error:  # the client has gone already, or all descriptors are taken
                _log.warning("a connection was not accepted: %s", error)
                if self._closed:
                    return
                time.sleep(_ACCEPT_AGAIN_S)
                continue
            with self._lock:
                if self._closed:
                    connection.close()
                    return
                self._connections.add(connection)
            threading.Thread(
                target=self._serve, args=(connection, handler), name="connection", daemon=True
            ).start()

    def _serve(self, connection: socket.socket, handler: Handler) -> None:
        wire = Wire(connection)
        try:
            while wire.keep_alive:
                try:
                    request = wire.read()
                except BadRequestError as error:
                    wire.keep_alive = False
                    wire.write(_refusal(error), head_only=False)
                    break
                if request is None:
                    break
                wire.write(handler(request), head_only=request.method == "HEAD")
        except OSError:
            pass  # the client has gone, or the server is closing
        finally:
            wire.close()
            with self._lock:
                self._connections.discard(connection)


def _refusal(error: BadRequestError) -> Response:
    response = json_response(error.status, {"message": error.message})
    if error.status == 413:
        response.headers.append(("x-amzn-ErrorType", "RequestEntityTooLargeException"))
    return response
