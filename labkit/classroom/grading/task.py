"""The unit of work, which travels to any executor, and what comes back."""

from __future__ import annotations

from dataclasses import dataclass

from labkit.classroom.grading.limits import Limits


@dataclass(frozen=True, slots=True)
class Cell:
    """A code cell to run; `name` is its id."""

    name: str
    source: str
    is_wanted: bool
    """Whether what it shows is of interest."""


@dataclass(frozen=True, slots=True)
class Task:
    """One merged hand-in. Nothing in it says what the checks ought to print."""

    cells: tuple[Cell, ...]
    limits: Limits
    hidden: tuple[str, ...]
    """The teacher's folders, beside those that every machine has."""
    may_seal: bool = True


@dataclass(frozen=True, slots=True)
class Shown:
    """What one cell showed."""

    stdout: str
    stderr: str
    traceback: str
    """Empty when the cell ended well."""
    interrupted_s: float | None = None
    """After which time it was interrupted."""


@dataclass(frozen=True, slots=True)
class Ran:
    """How far one hand-in came."""

    shown: dict[str, Shown]
    """By the names of the wanted cells that ended."""
    stopped: str
    """Why it did not come to its end; empty if it did."""
    tried: tuple[str, ...]
    """Paths of the teacher's that it reached for."""
    is_sealed: bool
    """Whether namespaces kept it away from the rest of the machine."""
    took_s: float
