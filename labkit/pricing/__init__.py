"""What AWS charges: price tables and what follows from them."""

from labkit.pricing.lambda_prices import invocation_cost_usd

__all__ = ["invocation_cost_usd"]
