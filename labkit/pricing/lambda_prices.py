"""The prices of Lambda, and what one invocation costs.

Source: AWS's price list, `data/lambda_prices.csv`; rules: the pricing page and AWS Compute Blog,
29 April 2025 (the init phase is billed).
"""

from __future__ import annotations

import csv
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Final

_FILE: Final = Path(__file__).resolve().parents[2] / "data" / "lambda_prices.csv"
_MB_PER_GB: Final = 1024
_MS_PER_S: Final = 1000


def invocation_cost_usd(
    memory_mb: int,
    billed_ms: int,
    *,
    architecture: str = "x86_64",
    region: str = "us-east-1",
) -> float:
    """Return what one on-demand invocation costs, in the first price tier: request and duration.

    The free tier and what other services charge are not in it. Raises ValueError for a region or
    an architecture that has no price.
    """
    gb_seconds = Decimal(memory_mb) / _MB_PER_GB * Decimal(billed_ms) / _MS_PER_S
    request_usd = first_tier_usd("requests", architecture=architecture, region=region)
    per_gb_second_usd = first_tier_usd("duration", architecture=architecture, region=region)
    return float(request_usd + gb_seconds * per_gb_second_usd)


def first_tier_usd(item: str, *, architecture: str, region: str) -> Decimal:
    """Return the price of one unit of an item, such as "duration" (GB-seconds) or "requests".

    Raises ValueError, naming what there is, if the table has no such price.
    """
    prices = _first_tiers()
    price = prices.get((region, architecture, item))
    if price is not None:
        return price
    for what, value, place in (("region", region, 0), ("architecture", architecture, 1)):
        known = sorted({key[place] for key in prices})
        if value not in known:
            raise ValueError(f"no prices for the {what} {value!r}; there are: {', '.join(known)}")
    raise ValueError(f"{item!r} has no price for {architecture} in {region}")


@cache
def _first_tiers() -> dict[tuple[str, str, str], Decimal]:
    with _FILE.open(encoding="utf-8", newline="") as file:
        return {
            (row["region"], row["architecture"], row["item"]): Decimal(row["usd"])
            for row in csv.DictReader(file)
            if Decimal(row["tier_from"] or 0) == 0
        }
