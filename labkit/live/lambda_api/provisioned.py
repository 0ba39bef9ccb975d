"""Provisioned concurrency of versions and aliases."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from labkit.core import errors
from labkit.core.names import LATEST, FunctionRef, is_version
from labkit.core.provisioning import check_provisioned, shares
from labkit.live.deployment import Deployment
from labkit.live.lambda_api.backend import Backend, Caller
from labkit.live.lambda_api.concurrency import claim, unreserved_concurrency
from labkit.live.lambda_api.paging import page
from labkit.live.lambda_api.store import Alias, Function, FunctionVersion, Provisioned, timestamp
from labkit.live.provisioning import ProvisionedKey


class ProvisionedConcurrency:
    """The operations on provisioned concurrency, and what changes of aliases mean for it."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    def put(self, caller: Caller, parameters: dict[str, Any]) -> dict[str, Any]:
        """PutProvisionedConcurrencyConfig."""
        reference = self._backend.reference(
            caller, parameters["FunctionName"], parameters["Qualifier"]
        )
        wanted = parameters["ProvisionedConcurrentExecutions"]
        if reference.qualifier == LATEST:
            raise _unpublished()
        with self._backend.lock:
            function, holder = self._holder(reference)
            targets = self._targets(function, holder, wanted)
            _check_overlap(function, holder)
            qualifier = _name(holder)
            check_provisioned(
                wanted,
                claim(function, qualifier),
                unreserved_concurrency(self._backend, caller.region, (function, qualifier)),
                self._backend.settings.unreserved_minimum,
            )
            self._check_machine(function, qualifier, wanted)
            config = Provisioned(requested=wanted, last_modified_ms=self._backend.clock.now_ms())
            function.provisioned[qualifier] = config
            key = ProvisionedKey(caller.region, function.name, qualifier)
            self._backend.provisioner.provision(key, targets)
            return self._view(key, config)

    def get(self, caller: Caller, parameters: dict[str, Any]) -> dict[str, Any]:
        """GetProvisionedConcurrencyConfig."""
        reference = self._published(caller, parameters)
        with self._backend.lock:
            function, holder = self._holder(reference)
            qualifier = _name(holder)
            config = function.provisioned.get(qualifier)
            if config is None:
                raise errors.no_provisioned_concurrency()
            return self._view(ProvisionedKey(caller.region, function.name, qualifier), config)

    def delete(self, caller: Caller, parameters: dict[str, Any]) -> dict[str, Any]:
        """DeleteProvisionedConcurrencyConfig; one that is not there counts as deleted."""
        reference = self._published(caller, parameters)
        with self._backend.lock:
            function, holder = self._holder(reference)
            self.end(caller.region, function, _name(holder))
        return {}

    def list_all(self, caller: Caller, parameters: dict[str, Any]) -> dict[str, Any]:
        """ListProvisionedConcurrencyConfigs."""
        with self._backend.lock:
            function = self._backend.function(
                self._backend.unqualified(caller, parameters["FunctionName"])
            )

            def row(item: tuple[str, Provisioned]) -> dict[str, Any]:
                key = ProvisionedKey(caller.region, function.name, item[0])
                return {"FunctionArn": f"{function.arn}:{item[0]}", **self._view(key, item[1])}

            return page(
                list(function.provisioned.items()),
                parameters,
                row,
                key="ProvisionedConcurrencyConfigs",
            )

    def end(self, region: str, function: Function, qualifier: str) -> None:
        """End the provisioned concurrency of a version or alias, if it has any."""
        if function.provisioned.pop(qualifier, None) is not None:
            self._backend.provisioner.end(ProvisionedKey(region, function.name, qualifier))

    def end_all(self, region: str, function: Function) -> None:
        """End all that a function has, and its reservation: it is deleted."""
        for qualifier in list(function.provisioned):
            self.end(region, function, qualifier)
        self._backend.provisioner.reserve(region, function.name, None)

    def check_move(
        self, function: Function, alias: Alias, version: str, weights: Mapping[str, float]
    ) -> None:
        """Check whether an alias that may have provisioned concurrency may point elsewhere.

        Raises ApiError (400, 409).
        """
        if alias.name not in function.provisioned:
            return
        if version == LATEST:
            raise _unpublished()
        if any(number in function.provisioned for number in (version, *weights)):
            raise errors.already_provisioned_version()

    def follow(self, region: str, function: Function, alias: Alias) -> None:
        """Provision for the versions that an alias points at now."""
        config = function.provisioned.get(alias.name)
        if config is not None:
            targets = self._targets(function, alias, config.requested)
            key = ProvisionedKey(region, function.name, alias.name)
            self._backend.provisioner.provision(key, targets)

    def _published(self, caller: Caller, parameters: Mapping[str, Any]) -> FunctionRef:
        reference = self._backend.reference(
            caller, parameters["FunctionName"], parameters["Qualifier"]
        )
        if reference.qualifier == LATEST:
            raise errors.invalid_parameter(
                "The function resource provided must be an alias or a published version."
            )
        return reference

    def _holder(self, reference: FunctionRef) -> tuple[Function, FunctionVersion | Alias]:
        """Return the version or alias of a request. Raises ApiError (404)."""
        function = self._backend.region(reference.region).functions.get(reference.name)
        holder = None if function is None else function.holder(reference.qualifier)
        if function is None or holder is None:
            if is_version(reference.qualifier or ""):
                raise errors.function_not_found(reference.arn)
            raise errors.alias_not_found(reference.arn)
        return function, holder

    def _targets(
        self, function: Function, holder: FunctionVersion | Alias, wanted: int
    ) -> list[tuple[Deployment, int]]:
        """Return how many environments of which deployment. Raises ApiError (400, 409)."""
        parts = {_name(holder): wanted}
        if isinstance(holder, Alias):
            parts = shares(wanted, holder.function_version, holder.weights)
        targets = []
        for number, count in parts.items():
            version = function.version(number)
            if version is None or version.version == LATEST:
                raise _unpublished()
            if version.configuration.snap_start_apply_on != "None":
                raise errors.invalid_parameter(
                    "Provisioned concurrency cannot be combined with SnapStart. Publish a version "
                    "without SnapStart and configure that one."
                )
            if version.deployment is None:
                raise errors.state_pending(version.state)
            targets.append((version.deployment, count))
        return targets

    def _check_machine(self, function: Function, qualifier: str, wanted: int) -> None:
        """Refuse what this machine cannot hold. Raises ApiError (400)."""
        limit = self._backend.settings.max_environments
        others = sum(
            config.requested
            for region in self._backend.regions.values()
            for one in region.functions.values()
            for name, config in one.provisioned.items()
            if not (one is function and name == qualifier)
        )
        if others + wanted > limit:
            raise errors.invalid_parameter(
                f"This machine holds at most {limit} execution environments (the lab's setting "
                f"max_environments), and {others} of them are provisioned already. Ask for fewer, "
                "or raise the setting."
            )

    def _view(self, key: ProvisionedKey, config: Provisioned) -> dict[str, Any]:
        state = self._backend.provisioner.state(key)
        answer: dict[str, Any] = {
            "RequestedProvisionedConcurrentExecutions": config.requested,
            "AvailableProvisionedConcurrentExecutions": state.available,
            "AllocatedProvisionedConcurrentExecutions": state.allocated,
            "Status": state.status,
            "LastModified": timestamp(config.last_modified_ms),
        }
        if state.reason is not None:
            answer["StatusReason"] = state.reason
        return answer


def _name(holder: FunctionVersion | Alias) -> str:
    return holder.name if isinstance(holder, Alias) else holder.version


def _check_overlap(function: Function, holder: FunctionVersion | Alias) -> None:
    """A version is provisioned for itself or for an alias, not for both. Raises ApiError (409)."""
    if isinstance(holder, Alias):
        if any(one in function.provisioned for one in (holder.function_version, *holder.weights)):
            raise errors.already_provisioned_version()
        return
    for alias in function.aliases.values():
        versions = (alias.function_version, *alias.weights)
        if alias.name in function.provisioned and holder.version in versions:
            raise errors.resource_conflict("Version is pointed by a Provisioned Concurrency alias")


def _unpublished() -> errors.ApiError:
    return errors.invalid_parameter(
        "Provisioned Concurrency Configs cannot be applied to unpublished function versions."
    )
