"""The constraints of the service model, checked as the service checks them: all at once."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from typing import Any

from labkit.core import quotas
from labkit.core.constraints import (
    Violation,
    matches,
    max_length,
    max_value,
    min_length,
    min_value,
    not_null,
    one_of,
    validation_error,
)
from labkit.live.lambda_api.model import Operation

# The model allows more than a function has outside of Lambda Managed Instances: the service checks
# these narrower ranges. Source: developer guide, "Lambda quotas".
_MAXIMA: Mapping[str, int] = {
    "MemorySize": quotas.MEMORY_MB_MAX,
    "Timeout": quotas.TIMEOUT_S_MAX,
    "EphemeralStorageSize": quotas.EPHEMERAL_STORAGE_MB_MAX,
}
# Checked after the model's constraints, each with a text of its own.
_CHECKED_ELSEWHERE = {("CreateFunction", "Runtime"), ("UpdateFunctionConfiguration", "Runtime")}


def check(operation: Operation, parameters: Mapping[str, Any]) -> None:
    """Check the input members of an operation.

    Raises ApiError: ValidationException that lists every violation, in the model's order.
    """
    if operation.input_shape is None:
        return
    found: list[Violation] = []
    for name, shape in operation.input_shape.members.items():
        if (operation.name, name) in _CHECKED_ELSEWHERE:
            continue
        value = parameters.get(name)
        if value is None or (shape.type_name == "list" and name == "TagKeys" and not value):
            if name in operation.input_shape.required_members:
                found.append(Violation(None, _camel(name), not_null()))
            continue
        found += _violations(shape, value, _camel(name))
    if found:
        raise validation_error(found)


def _camel(name: str) -> str:
    return name[0].lower() + name[1:]


def _violations(shape: Any, value: Any, path: str) -> list[Violation]:
    kind = shape.type_name
    if kind == "structure":
        return _structure(shape, value, path)
    if kind == "list":
        return _list(shape, value, path)
    if kind == "map":
        return _map(shape, value, path)
    hidden = bool(shape.metadata.get("sensitive"))
    return [Violation(value, path, text, hidden) for text in _broken(shape, value)]


def _structure(shape: Any, value: Mapping[str, Any], path: str) -> list[Violation]:
    found: list[Violation] = []
    for name, member in shape.members.items():
        inner = f"{path}.{_camel(name)}"
        if name in value:
            found += _violations(member, value[name], inner)
        elif name in shape.required_members:
            found.append(Violation(None, inner, not_null()))
    return found


def _list(shape: Any, value: list[Any], path: str) -> list[Violation]:
    found = [Violation(value, path, text) for text in _broken(shape, value)]
    if shape.member.type_name == "structure":
        for number, item in enumerate(value, start=1):
            found += _structure(shape.member, item, f"{path}.{number}.member")
    elif any(item is None or _broken(shape.member, item) for item in value):
        found.append(Violation(value, path, _member_text(shape)))
    return found


def _member_text(shape: Any) -> str:
    texts = _all_texts(shape.member)
    # Recorded forms: these two lists differ from all others.
    if shape.name == "CompatibleRuntimes":
        return texts[0]
    if shape.name != "CompatibleArchitectures":
        texts = [*texts, not_null()]
    return f"Member must satisfy constraint: [{', '.join(texts)}]"


def _map(shape: Any, value: Mapping[str, Any], path: str) -> list[Violation]:
    hidden = bool(shape.metadata.get("sensitive"))
    parts = (("keys", shape.key, value.keys()), ("value", shape.value, value.values()))
    for label, part, items in parts:
        if any(item is None or _broken(part, item) for item in items):
            texts = ", ".join([*_all_texts(part), not_null()])
            text = f"Map {label} must satisfy constraint: [{texts}]"
            return [Violation(value, path, text, hidden)]
    return []


def _broken(shape: Any, value: Any) -> list[str]:
    """Return the texts of the constraints that a text, number or list breaks."""
    limits = shape.metadata
    kind = shape.type_name
    found: list[str] = []
    if "enum" in limits and value not in limits["enum"]:
        found.append(one_of(limits["enum"]))
    if kind in ("string", "list"):
        if "max" in limits and len(value) > limits["max"]:
            found.append(max_length(limits["max"]))
        if "min" in limits and len(value) < limits["min"]:
            found.append(min_length(limits["min"]))
    elif kind != "blob":
        highest = _MAXIMA.get(shape.name, limits.get("max"))
        if highest is not None and value > highest:
            found.append(max_value(highest))
        if "min" in limits and value < limits["min"]:
            found.append(min_value(limits["min"]))
    if "pattern" in limits and compiled_pattern(limits["pattern"]).fullmatch(value) is None:
        found.append(matches(limits["pattern"]))
    return found


def _all_texts(shape: Any) -> list[str]:
    """Return the texts of every constraint of a shape, in the service's order."""
    limits = shape.metadata
    numeric = shape.type_name not in ("string", "list")
    texts: list[str] = []
    if "max" in limits:
        texts.append((max_value if numeric else max_length)(limits["max"]))
    if "min" in limits:
        texts.append((min_value if numeric else min_length)(limits["min"]))
    if "enum" in limits:
        texts.append(one_of(limits["enum"]))
    if "pattern" in limits:
        texts.append(matches(limits["pattern"]))
    return texts


@functools.cache
def compiled_pattern(pattern: str) -> re.Pattern[str]:
    """Compile a pattern of the model, which is written for Java."""
    if r"\p{" in pattern:
        return re.compile(pattern.replace(r"\p{L}\p{Z}\p{N}_", r"\w\s"))
    return re.compile(pattern, re.ASCII)
