"""From an HTTP request to the input members of an operation.

What has the wrong JSON type is a SerializationException, as the service's protocol layer answers
it; whether the values keep the model's constraints is for `validation`.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs

from labkit.core.errors import invalid_request_content, serialization_error
from labkit.live.http import Request
from labkit.live.lambda_api.json_text import parser_text
from labkit.live.lambda_api.model import Member, Operation

_JAVA_TYPES = {
    "string": "a String",
    "integer": "an Integer",
    "long": "a Long",
    "double": "a Double",
    "float": "a Float",
    "boolean": "a Boolean",
    "blob": "a Blob",
    "timestamp": "a Date",
}


def parse(operation: Operation, request: Request, path_values: Mapping[str, str]) -> dict[str, Any]:
    """Return the input members of a request by their names in the model; absent ones are left out.

    Raises ApiError: InvalidRequestContentException if the body is not JSON,
    SerializationException if a value has another type than the model says.
    """
    found: dict[str, Any] = {}
    if operation.input_shape is None:
        return found
    for member in operation.path_members:
        found[member.name] = _from_text(member, path_values[member.wire_name])
    if operation.query_members and request.query:
        query = parse_qs(request.query, keep_blank_values=True)
        for member in operation.query_members:
            if member.wire_name in query:
                found[member.name] = _from_query(member, query[member.wire_name])
    for member in operation.header_members:
        text = request.headers.get(member.wire_name)
        if text is not None:
            found[member.name] = _from_text(member, text)
    body = _body(request.body)
    for name, shape in operation.input_shape.members.items():
        if "location" not in shape.serialization and body.get(name) is not None:
            found[name] = _from_json(shape, body[name])
    return found


def _body(raw: bytes) -> dict[str, Any]:
    if not raw:
        return {}
    try:
        content = json.loads(raw)
    except RecursionError:
        raise invalid_request_content(
            "Could not parse request body into json: Document nesting depth exceeds the maximum "
            "allowed"
        ) from None
    except ValueError as error:
        raise invalid_request_content(
            f"Could not parse request body into json: {parser_text(raw, error)}"
        ) from None
    if not isinstance(content, dict):
        raise serialization_error("Start of structure or map was expected.")
    return content


def _from_query(member: Member, values: list[str]) -> Any:
    if member.shape.type_name == "list":
        return [value for value in values if value]
    return _from_text(member, values[0])


def _from_text(member: Member, text: str) -> Any:
    kind = member.shape.type_name
    if kind in ("integer", "long"):
        try:
            return int(text)
        except ValueError:
            raise serialization_error(f'For input string: "{text}"') from None
    if kind == "boolean":
        return text == "true"
    return text


def _from_json(shape: Any, value: Any) -> Any:
    kind = shape.type_name
    if kind == "structure":
        _expect(value, dict, kind)
        return {
            name: _from_json(member, value[name])
            for name, member in shape.members.items()
            if value.get(name) is not None
        }
    if kind == "map":
        _expect(value, dict, kind)
        return {key: _from_json(shape.value, item) for key, item in value.items()}
    if kind == "list":
        _expect(value, list, kind)
        return [_from_json(shape.member, item) for item in value]
    return _scalar(kind, value)


def _expect(value: Any, wanted: type, kind: str) -> None:
    if not isinstance(value, wanted):
        raise serialization_error(f"{_token(value)} can not be converted to a {kind}")


def _scalar(kind: str, value: Any) -> Any:
    if isinstance(value, dict):
        raise serialization_error("Start of structure or map found where not expected.")
    if isinstance(value, list):
        raise serialization_error("Start of list found where not expected")
    if kind == "blob":
        return _blob(value)
    if kind == "boolean" and isinstance(value, bool):
        return value
    if kind == "string" and isinstance(value, str):
        return value
    if kind in ("integer", "long") and _is_number(value) and value == int(value):
        return int(value)
    if kind in ("double", "float", "timestamp") and _is_number(value):  # seconds since 1970
        return float(value)
    raise serialization_error(f"{_token(value)} can not be converted to {_JAVA_TYPES[kind]}")


def _blob(value: Any) -> bytes:
    if not isinstance(value, str):
        raise serialization_error(f"{_token(value)} can not be converted to a Blob")
    try:
        return base64.b64decode(value, validate=True)
    except binascii.Error as error:
        raise serialization_error(
            f"A binary value must be base64 text: {error}. Encode it and send it again."
        ) from None


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _token(value: Any) -> str:
    if isinstance(value, bool):
        return "TRUE_VALUE" if value else "FALSE_VALUE"
    if isinstance(value, str):
        return "STRING_VALUE"
    if _is_number(value):
        return "NUMBER_VALUE"
    if value is None:
        return "NULL_VALUE"
    return "START_OBJECT" if isinstance(value, dict) else "START_ARRAY"
