from __future__ import annotations

import csv
from decimal import Decimal

import numpy as np
import pytest

from labkit.pricing import invocation_cost_usd
from labkit.pricing.files import data_file
from labkit.pricing.lambda_prices import first_tier_usd


def test_a_million_requests_as_on_the_pricing_page() -> None:
    # 1 M × 0.2 s × 0.125 GB = 25,000 GB-s at $0.0000166667, and $0.20 for the requests.
    million_usd = invocation_cost_usd(128, 200) * 1_000_000
    assert million_usd == pytest.approx(0.6166675, abs=1e-9)
    # The same on Graviton: 25,000 GB-s at $0.0000133334.
    arm_usd = invocation_cost_usd(128, 200, architecture="arm64") * 1_000_000
    assert arm_usd == pytest.approx(0.533335, abs=1e-9)


@pytest.mark.parametrize(
    ("memory_mb", "billed_ms", "cost_usd"),
    [
        (128, 0, 2e-07),
        (1024, 1000, 2e-07 + 0.0000166667),
        (10_240, 900_000, 2e-07 + 0.0000166667 * 10 * 900),
        (1769, 1, 2e-07 + 0.0000166667 * 1769 / 1024 / 1000),
    ],
)
def test_request_and_gb_seconds_are_added(memory_mb: int, billed_ms: int, cost_usd: float) -> None:
    assert invocation_cost_usd(memory_mb, billed_ms) == pytest.approx(cost_usd, rel=1e-12)


def test_regions_have_prices_of_their_own() -> None:
    assert invocation_cost_usd(128, 200, region="af-south-1") == pytest.approx(
        0.0000221 * 0.025 + 0.000000265, rel=0.01
    )
    assert invocation_cost_usd(128, 200, region="af-south-1") > invocation_cost_usd(128, 200)


def test_figures_out_of_tables_are_taken() -> None:
    assert invocation_cost_usd(np.int64(128), np.int64(200)) == invocation_cost_usd(128, 200)
    assert invocation_cost_usd(128, np.float64(2.5)) == pytest.approx(
        (invocation_cost_usd(128, 2) + invocation_cost_usd(128, 3)) / 2, rel=1e-12
    )


def test_what_has_no_price_is_said() -> None:
    with pytest.raises(ValueError, match="region 'mars-1'; there are: af-south-1, .*us-east-1"):
        invocation_cost_usd(128, 1, region="mars-1")
    with pytest.raises(ValueError, match="architecture 'sparc'; there are: arm64, x86_64"):
        invocation_cost_usd(128, 1, architecture="sparc")
    with pytest.raises(ValueError, match="'tea' has no price for arm64 in us-east-1"):
        first_tier_usd("tea", architecture="arm64", region="us-east-1")
    with pytest.raises(ValueError, match="-1 MB and 1 ms: neither can be negative"):
        invocation_cost_usd(-1, 1)


def test_the_table_is_whole() -> None:
    with data_file("lambda_prices.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    keys = [
        tuple(row[name] for name in ("region", "architecture", "item", "tier_from")) for row in rows
    ]
    assert len(set(keys)) == len(keys) == 685
    assert all(Decimal(row["usd"]) >= 0 for row in rows)
    regions = {row["region"] for row in rows}
    assert len(regions) == 36
    for region in regions:
        for architecture in ("x86_64", "arm64"):
            for item in ("requests", "duration", "ephemeral_storage", "provisioned_concurrency"):
                price = first_tier_usd(item, architecture=architecture, region=region)
                assert isinstance(price, Decimal)
