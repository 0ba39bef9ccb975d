"""The one palette of plots, widgets and prose, safe for colour-blind readers.

A colour is never alone: each meaning has a shape or a hatch, and a word, as well.
"""

from __future__ import annotations

from typing import Final

INIT: Final = "#E69F00"
"""The init phase: orange, hatched."""
INVOKE: Final = "#0072B2"
"""The handler runs: blue."""
FROZEN: Final = "#BBBBBB"
"""Frozen, waiting for the next invocation: grey."""
QUEUED: Final = "#56B4E9"
"""Waiting in a queue: sky blue, hollow."""
THROTTLED: Final = "#D55E00"
"""Refused: vermilion, with a cross."""
ERROR: Final = "#CC79A7"
"""An invocation that failed: pink, with a triangle."""
SUCCESS: Final = "#009E73"
"""Done: green."""

PAPER: Final = "#FFFFFF"
"""Behind every figure, in the light and the dark theme: the marks keep their contrast."""
INK: Final = "#24292F"
"""Text and outlines."""
FAINT: Final = "#6E7781"
"""Text of second rank; still readable on paper."""
RULE: Final = "#D0D7DE"
"""Grid lines and frames of second rank."""


def as_dict() -> dict[str, str]:
    """Return the colours by the lower-case name of their meaning, as widgets get them."""
    return {name.lower(): value for name, value in globals().items() if name.isupper()}
