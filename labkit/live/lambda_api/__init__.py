"""The Lambda API: every operation of AWS's service model has its answer here."""

from labkit.live.lambda_api.app import LambdaApi
from labkit.live.lambda_api.backend import Resolved, Services

__all__ = ["LambdaApi", "Resolved", "Services"]
