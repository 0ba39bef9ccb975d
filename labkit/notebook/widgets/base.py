"""What all widgets of the lab have in common."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import anywidget
import traitlets

from labkit.notebook import palette

STATIC: Final = Path(__file__).parent / "static"


class LabWidget(anywidget.AnyWidget):
    """A widget that also shows where widgets are not: as a line of text and a still picture.

    A subclass says `_esm = STATIC / "name.js"` and `_css = STATIC / "name.css"`, and overrides
    `_text` (one line, the same in every run, which nbval compares) and, if it has a picture,
    `_still_png`.
    """

    _palette = traitlets.Dict().tag(sync=True)

    def __init__(self, **traits: Any) -> None:
        super().__init__(_palette=palette.as_dict(), **traits)

    def _text(self) -> str:
        raise NotImplementedError

    def _still_png(self) -> bytes | None:
        """Return the picture for viewers without JavaScript, as a PNG file; None if there is
        none."""
        return None

    def __repr__(self) -> str:
        return self._text()

    def _repr_mimebundle_(self, **options: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        data, metadata = super()._repr_mimebundle_(**options) or ({}, {})
        data["text/plain"] = self._text()
        png = self._still_png()
        if png is not None:
            data["image/png"] = png
        return data, metadata
