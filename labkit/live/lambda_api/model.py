"""The operations of the Lambda API, their routes and their shapes, as botocore's model has them.

Loading the model takes about a tenth of a second, so it happens once, at the first request that
needs it (or before, through `operations()`); Invoke is answered without it.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any
from urllib.parse import parse_qsl, unquote

from botocore.loaders import Loader
from botocore.model import OperationModel, ServiceModel, StructureShape

_PARAMETER = re.compile(r"\{([A-Za-z0-9]+)\}")


@dataclass(frozen=True, slots=True)
class Member:
    """One input member that does not travel in the body: its place, its name there, its shape."""

    name: str
    wire_name: str
    shape: Any


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation: its route, its answer's status, and where its input members travel.

    `segments` are the path's parts between slashes, None where a parameter stands; `parameters`
    are the wire names of those; `marks` are query arguments that belong to the route itself.
    """

    name: str
    method: str
    segments: tuple[str | None, ...]
    parameters: tuple[str, ...]
    marks: tuple[tuple[str, str], ...]
    status: int
    input_shape: StructureShape | None
    path_members: tuple[Member, ...]
    query_members: tuple[Member, ...]
    header_members: tuple[Member, ...]

    def matches(self, segments: Sequence[str], query: str) -> bool:
        """Tell whether a path with as many segments, and its query, belong to this route."""
        for own, given in zip(self.segments, segments, strict=True):
            if own is not None and own != given:
                return False
        if not self.marks:
            return True
        given_query = parse_qsl(query, keep_blank_values=True)
        return all(mark in given_query for mark in self.marks)


@functools.cache
def service_model() -> ServiceModel:
    """Return botocore's model of Lambda."""
    return ServiceModel(Loader().load_service_model("lambda", "service-2"), "lambda")


@functools.cache
def operations() -> Mapping[str, Operation]:
    """Return every operation of the model, by name."""
    model = service_model()
    return MappingProxyType(
        {name: _operation(model.operation_model(name)) for name in model.operation_names}
    )


def _operation(model: OperationModel) -> Operation:
    path, _, query = str(model.http["requestUri"]).partition("?")
    parts = path.strip("/").split("/")
    shape = model.input_shape
    members: dict[str | None, list[Member]] = {}
    if shape is not None:
        for name, member in shape.members.items():
            place = member.serialization.get("location")
            wire_name = str(member.serialization.get("name", name))
            members.setdefault(place, []).append(Member(name, wire_name, member))
    return Operation(
        name=model.name,
        method=str(model.http["method"]),
        segments=tuple(None if _PARAMETER.fullmatch(part) else part for part in parts),
        parameters=tuple(match[1] for part in parts if (match := _PARAMETER.fullmatch(part))),
        marks=tuple(parse_qsl(query)),
        status=int(model.http.get("responseCode", 200)),
        input_shape=shape,
        path_members=tuple(members.get("uri", ())),
        query_members=tuple(members.get("querystring", ())),
        header_members=tuple(members.get("header", ())),
    )


@functools.cache
def _routes() -> Mapping[tuple[str, int, str | None], tuple[Operation, ...]]:
    """Group the operations by method, number of segments and date (the first segment)."""
    table: dict[tuple[str, int, str | None], list[Operation]] = {}
    for operation in operations().values():
        key = (operation.method, len(operation.segments), operation.segments[0])
        table.setdefault(key, []).append(operation)
    # A literal segment or a query mark is more telling than a parameter: try those first.
    return {
        key: tuple(sorted(found, key=lambda one: (-len(one.marks), len(one.parameters))))
        for key, found in table.items()
    }


def route(method: str, path: str, query: str) -> tuple[Operation, dict[str, str]] | None:
    """Find the operation of a request and its path parameters by wire name; None if there is none.

    `path` is the path as sent, still percent-encoded.
    """
    segments = path.strip("/").split("/")
    for operation in _routes().get((method, len(segments), segments[0]), ()):
        if operation.matches(segments, query):
            values = [
                unquote(given)
                for own, given in zip(operation.segments, segments, strict=True)
                if own is None
            ]
            return operation, dict(zip(operation.parameters, values, strict=True))
    return None
