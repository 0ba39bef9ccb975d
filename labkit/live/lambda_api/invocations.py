"""Invoke and InvokeAsync: what is checked before a function runs, and the answer's headers.

This is the one hot path of the Lambda API, so it reads its requests by itself; botocore's model is
only asked for the words of a refusal.
"""

from __future__ import annotations

import base64
import binascii
import json
from typing import Final, NoReturn, Protocol
from urllib.parse import parse_qs, unquote

from labkit.core import errors, quotas
from labkit.core.names import FunctionRef
from labkit.core.payloads import refuse_constant
from labkit.live.http import Request, Response
from labkit.live.invoke import InvokeRequest, InvokeResult
from labkit.live.lambda_api import validation
from labkit.live.lambda_api.backend import Backend, Caller
from labkit.live.lambda_api.json_text import parser_text
from labkit.live.lambda_api.model import operations
from labkit.live.lambda_api.parsing import parse

_INVOKE_PREFIX: Final = "/2015-03-31/functions/"
_INVOKE_SUFFIX: Final = "/invocations"
_ASYNC_PREFIX: Final = "/2014-11-13/functions/"
_ASYNC_SUFFIX: Final = "/invoke-async"
_PAYLOAD_MAX_BYTES: Final = {
    "RequestResponse": quotas.SYNC_REQUEST_MAX_BYTES,
    "Event": quotas.ASYNC_REQUEST_MAX_BYTES,
    "DryRun": quotas.SYNC_REQUEST_MAX_BYTES,
}
_LOG_TYPES: Final = ("None", "Tail")
_REMAPPED: Final = ("x-amzn-Remapped-Content-Length", "0")
_JSON: Final = ("Content-Type", "application/json")


class Invoker(Protocol):
    """Runs functions; the data plane."""

    def invoke(self, request: InvokeRequest) -> InvokeResult:
        """Run a function, or accept an event for it. Raises ApiError, such as a throttle."""


class Invocations:
    """Answers Invoke and InvokeAsync."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self.invoker: Invoker | None = None

    def answer(self, request: Request, request_id: str) -> Response | None:
        """Answer an invocation; None if the request is none. Raises ApiError."""
        path = request.path
        if request.method != "POST":
            return None
        if path.endswith(_INVOKE_SUFFIX) and path.startswith(_INVOKE_PREFIX):
            name = path[len(_INVOKE_PREFIX) : -len(_INVOKE_SUFFIX)]
            return None if "/" in name else self._invoke(request, unquote(name), request_id)
        trimmed = path.rstrip("/")
        if trimmed.endswith(_ASYNC_SUFFIX) and trimmed.startswith(_ASYNC_PREFIX):
            name = trimmed[len(_ASYNC_PREFIX) : -len(_ASYNC_SUFFIX)]
            return None if "/" in name else self._invoke_async(request, unquote(name), request_id)
        return None

    def _invoke(self, request: Request, name: str, request_id: str) -> Response:
        headers = request.headers
        invocation_type = headers.get("X-Amz-Invocation-Type") or "RequestResponse"
        log_type = headers.get("X-Amz-Log-Type") or "None"
        if invocation_type not in _PAYLOAD_MAX_BYTES or log_type not in _LOG_TYPES:
            _refuse(request, name)
        for header in ("X-Amz-Tenant-Id", "X-Amz-Durable-Execution-Name"):
            if headers.get(header):
                raise errors.not_served(f"Invoke with the header {header}")
        resolved = self._backend.resolve(self._reference(request, name, _qualifier(request)))
        payload = _payload(request.body, invocation_type, _PAYLOAD_MAX_BYTES[invocation_type])
        client_context = None
        if invocation_type != "Event":
            client_context = _client_context(headers.get("X-Amz-Client-Context"))
        if invocation_type == "DryRun":
            return Response(204, [("x-amzn-RequestId", request_id), _REMAPPED], b"")
        result = self._run(
            InvokeRequest(
                deployment=resolved.deployment,
                invoked_arn=resolved.invoked_arn,
                payload=payload,
                invocation_type=invocation_type,
                client_context=client_context,
                trace_header=headers.get("X-Amzn-Trace-Id"),
                request_id=request_id,
            )
        )
        return _response(result, invocation_type, tail=log_type == "Tail")

    def _invoke_async(self, request: Request, name: str, request_id: str) -> Response:
        resolved = self._backend.resolve(self._reference(request, name, None))
        payload = _payload(request.body, "Event", quotas.INVOKE_ASYNC_REQUEST_MAX_BYTES)
        result = self._run(
            InvokeRequest(
                deployment=resolved.deployment,
                invoked_arn=resolved.invoked_arn,
                payload=payload,
                invocation_type="Event",
                client_context=None,
                trace_header=request.headers.get("X-Amzn-Trace-Id"),
                request_id=request_id,
            )
        )
        return Response(202, [("x-amzn-RequestId", result.request_id), _JSON], b"{}")

    def _reference(self, request: Request, name: str, qualifier: str | None) -> FunctionRef:
        caller = Caller(request.region, request.account_id, request.caller_arn)
        return self._backend.reference(caller, name, qualifier)

    def _run(self, request: InvokeRequest) -> InvokeResult:
        if self.invoker is None:
            raise errors.service_exception("The lab's data plane has not started.")
        return self.invoker.invoke(request)


def _qualifier(request: Request) -> str | None:
    if not request.query:
        return None
    values = parse_qs(request.query, keep_blank_values=True).get("Qualifier")
    return values[0] if values else None


def _refuse(request: Request, name: str) -> NoReturn:
    """Refuse a request whose headers break the model's constraints, in the model's words."""
    operation = operations()["Invoke"]
    validation.check(operation, parse(operation, request, {"FunctionName": name}))
    raise AssertionError("the model accepts headers that the invoke path refuses")


def _payload(body: bytes, invocation_type: str, limit_bytes: int) -> bytes:
    """Return the event; an invocation without one has `{}`. Raises ApiError."""
    if len(body) > limit_bytes:
        raise errors.ApiError(
            "RequestTooLargeException",
            f"{len(body)} byte payload is too large for the {invocation_type} invocation type "
            f"(limit {limit_bytes} bytes)",
            status=413,
        )
    if not body:
        return b"{}"
    try:
        _DECODER.decode(body.decode())
    except ValueError as error:
        raise errors.bad_payload(parser_text(body, error)) from None
    except RecursionError:
        raise errors.bad_payload("Document nesting depth exceeds the maximum allowed") from None
    return body


_DECODER: Final = json.JSONDecoder(parse_constant=refuse_constant)


def _client_context(header: str | None) -> str | None:
    """Return the client context as JSON text. Raises ApiError (400)."""
    if not header:
        return None
    if len(header) > quotas.CLIENT_CONTEXT_MAX_BYTES:
        raise errors.invalid_request_content(
            f"Client context must be at most {quotas.CLIENT_CONTEXT_MAX_BYTES} bytes of Base64; "
            f"this one has {len(header)}. Send the rest in the payload."
        )
    try:
        content = json.loads(base64.b64decode(header, validate=True))
    except (binascii.Error, ValueError):
        content = None
    if not isinstance(content, dict):
        raise errors.invalid_request_content(
            "Client context must be a valid Base64-encoded JSON object."
        )
    return json.dumps(content)


def _response(result: InvokeResult, invocation_type: str, *, tail: bool) -> Response:
    headers = [("x-amzn-RequestId", result.request_id), _REMAPPED]
    if result.trace_header:
        headers.append(("X-Amzn-Trace-Id", result.trace_header))
    if invocation_type == "Event":
        return Response(result.status, headers, b"")
    headers.append(_JSON)
    if result.executed_version is not None:
        headers.append(("X-Amz-Executed-Version", result.executed_version))
    if result.function_error is not None:
        headers.append(("X-Amz-Function-Error", result.function_error))
    if tail:
        log = result.log_tail[-quotas.LOG_TAIL_MAX_BYTES :]
        headers.append(("X-Amz-Log-Result", base64.b64encode(log).decode()))
    return Response(result.status, headers, result.payload)
