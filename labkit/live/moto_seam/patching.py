"""Putting functions of the lab in the place of moto's."""

from __future__ import annotations

from typing import Any


def original(function: Any) -> Any:
    """Return moto's own function, also if it has been replaced before."""
    return getattr(function, "lab_original", function)


def replace(owner: type, name: str, function: Any) -> None:
    """Put `function` in the place of a class's method."""
    function.lab_original = original(getattr(owner, name))
    setattr(owner, name, function)
