"""moto's WSGI application, for every AWS service that is not the lab's own."""

from __future__ import annotations

import io
import os
import sys
from typing import Any, Final
from urllib.parse import unquote_to_bytes

from labkit.live.http import Headers, Request, Response
from labkit.live.moto_seam import sts

# moto reads these once, when it is imported.
_ENVIRONMENT: Final = {
    # Its default answers any web page of the browser, as if the page had asked for it.
    "MOTO_DISABLE_GLOBAL_CORS": "true",
    # The lab's host name is never a bucket's.
    "S3_IGNORE_SUBDOMAIN_BUCKETNAME": "true",
}
_BODY_METHODS: Final = frozenset({"PUT", "POST", "PATCH"})


class MockedServices:
    """The application, which listens at `host` and `port` as far as moto can tell.

    `handle` takes requests whose signature has been checked.
    """

    def __init__(self, host: str, port: int) -> None:
        self._host = host
        self._port = str(port)
        self._application: Any = None

    def load(self) -> None:
        """Import moto, which takes about 0.3 s. To be called once, before `handle`."""
        os.environ.update(_ENVIRONMENT, MOTO_PORT=self._port)
        from moto.core.common_models import BaseModel
        from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

        # moto keeps every object that it ever made, for a dashboard that the lab does not have.
        BaseModel.__new__ = staticmethod(_new_untracked)  # type: ignore[assignment]
        sts.install()
        self._application = DomainDispatcherApplication(create_backend_app)

    def handle(self, request: Request) -> Response:
        """Answer a request. Raises whatever a service raises that has no answer."""
        answered: list[Any] = []

        def start_response(status: str, headers: Any, exc_info: Any = None) -> None:
            answered[:] = [int(status[:3]), headers]

        body = self._application(self._environ(request), start_response)
        try:
            content = b"".join(body)
        finally:
            getattr(body, "close", lambda: None)()
        return Response(answered[0], answered[1], content)

    def _environ(self, request: Request) -> dict[str, Any]:
        """The request as WSGI has it. Source: PEP 3333, and werkzeug's own server for RAW_URI."""
        target = f"{request.path}?{request.query}" if request.query else request.path
        environ: dict[str, Any] = {
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "http",
            "wsgi.input": io.BytesIO(request.body),
            "wsgi.input_terminated": True,
            "wsgi.errors": sys.stderr,
            "wsgi.multithread": True,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
            "REQUEST_METHOD": request.method,
            "SCRIPT_NAME": "",
            "PATH_INFO": unquote_to_bytes(request.path).decode("latin-1"),
            "QUERY_STRING": request.query,
            "REQUEST_URI": target,
            "RAW_URI": target,
            "REMOTE_ADDR": self._host,
            "SERVER_NAME": self._host,
            "SERVER_PORT": self._port,
            "SERVER_PROTOCOL": "HTTP/1.1",
        }
        _add_headers(environ, request)
        if request.body or request.method in _BODY_METHODS:
            environ["CONTENT_LENGTH"] = str(len(request.body))
        return environ


def _add_headers(environ: dict[str, Any], request: Request) -> None:
    """Add the headers; those of S3 metadata that have an underscore keep it, as moto arranges."""
    from moto.core.request import (
        PRESERVED_HEADER_NAMES_ENVIRON_KEY,
        environ_key_for_header,
        should_preserve_original_header_name,
    )

    headers = request.headers
    pairs = headers.pairs if isinstance(headers, Headers) else list(headers.items())
    names = {name.lower(): name for name, _ in pairs}
    preserved: dict[str, str] = {}
    for lower, name in names.items():
        if lower == "transfer-encoding":
            continue  # the body has been put together
        key = environ_key_for_header(name)
        if "_" in name:
            if not should_preserve_original_header_name(name) or lower.replace("_", "-") in names:
                continue
            preserved[key] = name
        environ[key] = headers[name]
    environ[PRESERVED_HEADER_NAMES_ENVIRON_KEY] = preserved


def _new_untracked(cls: type, *args: object, **kwargs: object) -> object:
    return object.__new__(cls)


def reset() -> None:
    """Forget the state of all mocked services."""
    from moto.moto_api._internal.models import moto_api_backend

    moto_api_backend.reset()
