"""The prices of Lambda, and what one invocation costs.

Source: AWS's price list, `data/lambda_prices.csv`; rules: the pricing page and AWS Compute Blog,
29 April 2025 (the init phase is billed).
"""

from __future__ import annotations

import csv
from decimal import Decimal
from functools import cache
from typing import Final

from labkit.pricing.files import data_file

_FILE: Final = data_file("lambda_prices.csv")
_MB_PER_GB: Final = 1024
_MS_PER_S: Final = 1000


def invocation_cost_usd(
    memory_mb: float,
    billed_ms: float,
    *,
    architecture: str = "x86_64",
    region: str = "us-east-1",
) -> float:
    """Return what one on-demand invocation costs, in the first price tier: request and duration.

    AWS bills whole ms (the billed duration of the REPORT line); a mean of several need not be
    whole. The free tier, ephemeral storage over 512 MB and what other services charge are not in
    it. Raises ValueError for a region or an architecture that has no price, and for negative
    figures.
    """
    if memory_mb < 0 or billed_ms < 0:
        raise ValueError(f"{memory_mb} MB and {billed_ms} ms: neither can be negative")
    # float: numpy's whole numbers, which come out of tables, are none for Decimal.
    gb_seconds = Decimal(float(memory_mb)) / _MB_PER_GB * Decimal(float(billed_ms)) / _MS_PER_S
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
        known = sorted({key[place] for key in prices if key[2] == item})
        if known and value not in known:
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
