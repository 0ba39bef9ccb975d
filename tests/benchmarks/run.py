"""Measure the lab: ``python tests/benchmarks/run.py [name …] [--rivals] [--json FILE]``.

Prints one table: figure, target, met or not. It never fails on a figure; reading it is for people.
A machine that is busy with something else spoils every figure, so the table says how busy it was.
"""

from __future__ import annotations

import argparse
import importlib
import json
import platform
import time
import traceback
from pathlib import Path
from typing import Any

import figures
from figures import Row, say

BENCHMARKS = (
    "start",
    "latency",
    "bursts",
    "asynchronous",
    "queues",
    "sqs_mapping",
    "cpu_share",
    "endurance",
)


def describe_machine() -> dict[str, Any]:
    """What the figures were measured on."""
    return {
        "cores": figures.cores(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "python": platform.python_version(),
        "busy before": round(figures.busy_fraction(), 2),
    }


def formatted(row: Row) -> tuple[str, str, str, str]:
    """One line of the table."""
    met = {None: "", True: "met", False: "MISSED"}[row.is_met]
    target = f"{row.comparison} {row.target:g}" if row.target is not None else ""
    digits = 0 if abs(row.value) >= 1000 or row.value == int(row.value) else 2
    return row.name, f"{row.value:,.{digits}f} {row.unit}", target, met


def print_table(rows: list[Row]) -> None:
    """Print figures under one another."""
    lines = [("figure", "value", "target", ""), *map(formatted, rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(3)]
    for name, value, target, met in lines:
        say(f"{name:<{widths[0]}}  {value:>{widths[1]}}  {target:<{widths[2]}}  {met}".rstrip())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", choices=[*BENCHMARKS, "rivals", []], metavar="name")
    parser.add_argument("--rivals", action="store_true", help="install and measure the rivals too")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there as well")
    options = parser.parse_args()
    names = [*(options.names or BENCHMARKS), *(["rivals"] if options.rivals else [])]
    machine = describe_machine()
    say(", ".join(f"{key}: {value}" for key, value in machine.items()))
    rows: dict[str, list[Row]] = {}
    for name in dict.fromkeys(names):
        started_s = time.perf_counter()
        try:
            rows[name] = importlib.import_module(name).measure()
        except Exception:  # the other benchmarks are still worth having
            traceback.print_exc()
            say(f"could not measure {name}")
            continue
        say(f"measured {name} in {time.perf_counter() - started_s:.0f} s")
    print_table([row for group in rows.values() for row in group])
    if options.json:
        figures_by_name = {
            name: [{**row._asdict(), "met": row.is_met} for row in group]
            for name, group in rows.items()
        }
        options.json.write_text(
            json.dumps({"machine": machine, "figures": figures_by_name}, indent=1) + "\n"
        )


if __name__ == "__main__":
    main()
