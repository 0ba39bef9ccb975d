"""AWS's Runtime API spoken in pure Python: stands in for ``awslambdaric``'s compiled
``runtime_client``.

Used where AWS publishes no binary: other interpreters than the lab's own, macOS. One keep-alive
connection for the life of the environment, as the compiled client has.
"""

import http.client
import os

_BASE = "/2018-06-01/runtime/invocation"
_DEADLINE = "Lambda-Runtime-Deadline-Ms"
_connection: http.client.HTTPConnection
_user_agent: str


def initialize_client(user_agent: str) -> None:
    """Connect to the address in ``AWS_LAMBDA_RUNTIME_API``."""
    global _connection, _user_agent
    _user_agent = user_agent
    _connection = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])


def _call(method: str, path: str, body: bytes | None, headers: dict, expected: int) -> tuple:
    _connection.request(method, _BASE + path, body, {"User-Agent": _user_agent, **headers})
    response = _connection.getresponse()
    answer = response.read()
    if response.status != expected:
        raise RuntimeError(f"Runtime API answered {response.status} to {method} {path}: {answer!r}")
    return answer, response.headers


def next() -> tuple[bytes, dict]:
    """Wait for the next event: its body and the headers of the invocation."""
    answer, headers = _call("GET", "/next", None, {}, 200)
    # The one number among them: awslambdaric calculates the remaining time with it.
    return answer, {**headers, _DEADLINE: int(headers[_DEADLINE])}


def post_invocation_result(
    request_id: str, data: bytes, content_type: str, invocation_id: str | None = None
) -> None:
    """Hand the handler's result to Lambda."""
    _call("POST", f"/{request_id}/response", data, {"Content-Type": content_type}, 202)


def post_error(
    request_id: str, error: str, xray_cause: str, invocation_id: str | None = None
) -> None:
    """Hand the handler's error object to Lambda."""
    import json

    headers = {
        "Content-Type": "application/json",
        "Lambda-Runtime-Function-Error-Type": json.loads(error).get("errorType", "Unknown"),
        "Lambda-Runtime-Function-XRay-Error-Cause": xray_cause,
    }
    try:
        headers["Lambda-Runtime-Function-Error-Type"].encode("latin-1")
    except UnicodeEncodeError:
        del headers["Lambda-Runtime-Function-Error-Type"]
    _call("POST", f"/{request_id}/error", error.encode(), headers, 202)
