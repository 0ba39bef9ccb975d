"""What the metrics of Lambda need to know of functions and mappings beside the events."""

from __future__ import annotations

from labkit.core.events import Event
from labkit.core.metrics import Facts, MappingFacts
from labkit.live.lambda_api.backend import Backend


class MetricFacts:
    """Answers from the state of the Lambda API. Safe to use from several threads."""

    def __init__(self, backend: Backend, home_region: str) -> None:
        self._backend = backend
        self._home_region = home_region

    def region_of(self, event: Event) -> str:
        """Return the Region of an event's function.

        Events do not tell it: of two functions of one name, that in the lab's own Region is meant.
        """
        regions = self._backend.regions
        home = regions.get(self._home_region)
        if home is None or event.function not in home.functions:
            for name, region in list(regions.items()):
                if event.function in region.functions:
                    return name
        return self._home_region

    def facts(self, region: str) -> Facts:
        """Return what the metrics of a Region need to know now."""
        state = self._backend.region(region)
        with self._backend.lock:
            reserved = {
                name: function.reserved_concurrency
                for name, function in state.functions.items()
                if function.reserved_concurrency is not None
            }

        def shares_traffic(function: str, alias: str) -> bool:
            owner = state.functions.get(function)
            found = None if owner is None else owner.aliases.get(alias)
            return found is not None and bool(found.weights)

        def mapping(uuid: str) -> MappingFacts:
            found = state.mappings.get(uuid)
            if found is None:
                return MappingFacts()
            return MappingFacts(found.config.metrics, not found.source.is_stream)

        return Facts(reserved, shares_traffic, mapping)
