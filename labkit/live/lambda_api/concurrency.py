"""Reserved concurrency of functions, and what functions take of the account's concurrency."""

from __future__ import annotations

from typing import Any

from labkit.core.provisioning import Claim, check_reserved, unreserved
from labkit.live.lambda_api.backend import Backend, Caller
from labkit.live.lambda_api.store import Function


class Concurrency:
    """PutFunctionConcurrency, GetFunctionConcurrency and DeleteFunctionConcurrency."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    def put_function_concurrency(
        self, caller: Caller, parameters: dict[str, Any]
    ) -> dict[str, Any]:
        """PutFunctionConcurrency."""
        wanted = parameters["ReservedConcurrentExecutions"]
        with self._backend.lock:
            function = self._function(caller, parameters)
            check_reserved(
                wanted,
                claim(function),
                unreserved_concurrency(self._backend, caller.region),
                self._backend.settings.unreserved_minimum,
            )
            self._reserve(caller, function, wanted)
        return {"ReservedConcurrentExecutions": wanted}

    def get_function_concurrency(
        self, caller: Caller, parameters: dict[str, Any]
    ) -> dict[str, Any]:
        """GetFunctionConcurrency; empty without a reservation."""
        return view(self._function(caller, parameters))

    def delete_function_concurrency(
        self, caller: Caller, parameters: dict[str, Any]
    ) -> dict[str, Any]:
        """DeleteFunctionConcurrency."""
        with self._backend.lock:
            self._reserve(caller, self._function(caller, parameters), None)
        return {}

    def _reserve(self, caller: Caller, function: Function, concurrency: int | None) -> None:
        function.reserved_concurrency = concurrency
        self._backend.provisioner.reserve(caller.region, function.name, concurrency)

    def _function(self, caller: Caller, parameters: dict[str, Any]) -> Function:
        return self._backend.function(self._backend.unqualified(caller, parameters["FunctionName"]))


def view(function: Function) -> dict[str, Any]:
    """Return the reservation of a function as answers show it; empty if there is none."""
    if function.reserved_concurrency is None:
        return {}
    return {"ReservedConcurrentExecutions": function.reserved_concurrency}


def claim(function: Function, without: str | None = None) -> Claim:
    """Return what a function takes; `without` leaves one provisioned qualifier out."""
    provisioned = sum(
        config.requested
        for qualifier, config in function.provisioned.items()
        if qualifier != without
    )
    return Claim(function.reserved_concurrency, provisioned)


def unreserved_concurrency(
    backend: Backend, region: str, without: tuple[Function, str] | None = None
) -> int:
    """Return the unreserved concurrency of a Region; `without` leaves one configuration out."""
    claims = [
        claim(function, without[1] if without is not None and without[0] is function else None)
        for function in backend.region(region).functions.values()
    ]
    return unreserved(backend.settings.account_concurrency, claims)
