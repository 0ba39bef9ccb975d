"""What is wrong with a text that is no JSON, worded as the service's parser (Jackson) words it."""

from __future__ import annotations

import json
import re

_SHOWN_MAX = 500
_TOKEN = re.compile(r"[A-Za-z_$][A-Za-z0-9_$]*")


def parser_text(raw: bytes, error: ValueError) -> str:
    """Return Jackson's message for `raw`, which `json` refused with `error`."""
    if isinstance(error, UnicodeDecodeError):
        return f"Invalid UTF-8 start byte 0x{raw[error.start]:x}{_source(raw, 1, error.start + 2)}"
    text = raw.decode(errors="replace")
    position = _position(text, error)
    line = text.count("\n", 0, position) + 1
    column = position - (text.rfind("\n", 0, position) + 1) + 1
    if position >= len(text.rstrip()):
        return f"Unexpected end-of-input{_source(raw, line, column)}"
    token = _TOKEN.match(text, position)
    if token is not None and token[0] not in ("true", "false", "null"):
        return (
            f"Unrecognized token '{token[0]}': was expecting (JSON String, Number, Array, Object "
            f"or token 'null', 'true' or 'false'){_source(raw, line, column + len(token[0]))}"
        )
    character = text[position]
    return (
        f"Unexpected character ('{character}' (code {ord(character)}))"
        f"{_source(raw, line, column + 1)}"
    )


def _position(text: str, error: ValueError) -> int:
    if not isinstance(error, json.JSONDecodeError):
        return 0
    position = error.pos
    while position < len(text) and text[position].isspace():
        position += 1
    return position


def _source(raw: bytes, line: int, column: int) -> str:
    shown = raw[:_SHOWN_MAX].decode(errors="replace")
    cut = "" if len(raw) <= _SHOWN_MAX else f"[truncated {len(raw) - _SHOWN_MAX} bytes]"
    return f'\n at [Source: (byte[])"{shown}"{cut}; line: {line}, column: {column}]'
