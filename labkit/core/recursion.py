"""Recursive loop detection: how often a chain of requests has come through a function.

The chain is known by the trace header that the AWS SDKs hand on, active tracing or not. Its field
`Lineage` holds a hash of each function in the chain and how often it was invoked. Source: developer
guide, "Use Lambda recursive loop detection to prevent infinite loops".
"""

from __future__ import annotations

import re
import zlib
from typing import Final
from urllib.parse import unquote

from labkit.core import quotas
from labkit.core.errors import ApiError

_FIELD: Final = "Lineage="
_ENTRY: Final = re.compile(r"([0-9a-f]{8}):(\d{1,5})", re.ASCII)
_FUNCTIONS_MAX: Final = 64


def entered(trace_header: str, function_arn: str) -> tuple[str, int]:
    """Return the trace header to hand on, and how often the chain has come to the function now.

    The header is that of the request, perhaps without a lineage; versions and aliases of a function
    count as one. An entry that is no lineage is left out.
    """
    fields = [one for one in unquote(trace_header).split(";") if one]
    lineage: dict[str, int] = {}
    for field in fields:
        if field.startswith(_FIELD):
            found = map(_ENTRY.fullmatch, field.removeprefix(_FIELD).split("|"))
            lineage = {match[1]: int(match[2]) for match in found if match is not None}
    own = _hash(function_arn)
    count = lineage.pop(own, 0) + 1
    # The latest come last; a chain of many functions forgets the first ones.
    kept = [*lineage.items(), (own, count)][-_FUNCTIONS_MAX:]
    others = [field for field in fields if not field.startswith(_FIELD)]
    entries = "|".join(f"{name}:{times}" for name, times in kept)
    return ";".join([*others, f"{_FIELD}{entries}"]), count


def is_loop(count: int) -> bool:
    """Tell whether an invocation, the `count`th of its chain, is to be stopped."""
    return count > quotas.RECURSION_MAX


def recursive_invocation() -> ApiError:
    """400 RecursiveInvocationException: a synchronous invocation that was stopped."""
    return ApiError(
        "RecursiveInvocationException",
        "Lambda has detected your function being invoked in a recursive loop with other AWS "
        "resources and stopped your function's invocation.",
        status=400,
        message_key="Message",
    )


def _hash(function_arn: str) -> str:
    return f"{zlib.crc32(':'.join(function_arn.split(':')[:7]).encode()):08x}"
