"""What one hand-in may use."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields


@dataclass(frozen=True, slots=True)
class Limits:
    """Of one hand-in with all its processes. Raises ValueError for what is not above 0."""

    total_s: float = 120.0
    """Wall time of all cells together."""
    cell_s: float = 60.0
    """Wall time of one cell: it is interrupted, and killed if that does not end it."""
    memory_mb: float = 1500.0
    """All its processes together, shared pages counted once."""
    output_mb: float = 1.0
    """All that its cells show."""
    processes: int = 300

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if not (math.isfinite(value) and value > 0):
                raise ValueError(f"{field.name} must be above 0, not {value}")
