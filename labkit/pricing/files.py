"""Where the files of figures are."""

from __future__ import annotations

from pathlib import Path
from typing import Final

_PACKAGE: Final = Path(__file__).resolve().parents[1]


def data_file(name: str) -> Path:
    """Return the path of a file of `data/`: beside the package in a checkout, inside it where
    labkit is installed.
    """
    checkout = _PACKAGE.parent / "data" / name
    # In a checkout first: an editable install may have left a copy behind.
    return checkout if checkout.is_file() else _PACKAGE / "data" / name
