"""Items of DynamoDB: how large it counts them.

Source: developer guide of DynamoDB, "DynamoDB item sizes and formats".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

Item = Mapping[str, Mapping[str, Any]]
"""Attribute values by name, each with its type descriptor, as in {"id": {"S": "x"}}."""

_DOCUMENT_BYTES: Final = 3
_ELEMENT_BYTES: Final = 1


def item_bytes(item: Item) -> int:
    """Return the size of an item in bytes: its names and values. Binary values are in base64."""
    return sum(_text_bytes(name) + _value_bytes(value) for name, value in item.items())


def _value_bytes(value: Mapping[str, Any]) -> int:
    ((kind, content),) = value.items()
    if kind == "M":
        elements = sum(_ELEMENT_BYTES + _value_bytes(part) for part in content.values())
        return _DOCUMENT_BYTES + elements + sum(map(_text_bytes, content))
    if kind == "L":
        return _DOCUMENT_BYTES + sum(_ELEMENT_BYTES + _value_bytes(part) for part in content)
    if kind in ("SS", "NS", "BS"):
        return sum(_value_bytes({kind[0]: part}) for part in content)
    if kind == "N":
        digits = sum(character.isdigit() for character in str(content))
        return (digits + 1) // 2 + 1
    if kind == "B":
        return len(str(content).rstrip("=")) * 3 // 4
    return _text_bytes(str(content)) if kind == "S" else 1  # a boolean or null


def _text_bytes(text: str) -> int:
    return len(text.encode("utf-8", "replace"))
