"""How much processor a function gets for its memory, and when a measurement of it is unreliable.

Source: developer guide, "Configure Lambda function memory": at 1,769 MB a function has the
equivalent of one vCPU, and its share is proportional to memory.
"""

from __future__ import annotations

from typing import Final

FULL_CORE_MB: Final = 1_769
"""Memory size in MB at which a function has exactly one core."""

DISTURBED_MS: Final = 2.0
DISTURBED_FRACTION: Final = 0.03


def cpu_share(memory_mb: int) -> float:
    """Return the processor share of a memory size, in cores: 1.0 at 1,769 MB."""
    return memory_mb / FULL_CORE_MB


def is_disturbed(waiting_ms: float, duration_ms: float) -> bool:
    """Tell whether the machine's other load made a measurement unreliable.

    So it is when the function waited for a core for more than 2 ms and more than 3 % of its time:
    the correction takes the waiting out, but not what the load does to caches and clock speed.
    """
    return waiting_ms > max(DISTURBED_MS, DISTURBED_FRACTION * duration_ms)
