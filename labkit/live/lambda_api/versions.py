"""Versions and aliases of functions."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from labkit.core import errors, quotas
from labkit.core.names import LATEST, FunctionRef
from labkit.live.lambda_api import views
from labkit.live.lambda_api.backend import Backend, Caller
from labkit.live.lambda_api.functions import check_revision
from labkit.live.lambda_api.lifecycle import Lifecycle
from labkit.live.lambda_api.paging import page
from labkit.live.lambda_api.provisioned import ProvisionedConcurrency
from labkit.live.lambda_api.store import Alias, Function, new_revision


class Versions:
    """PublishVersion and ListVersionsByFunction."""

    def __init__(self, backend: Backend, lifecycle: Lifecycle) -> None:
        self._backend = backend
        self._lifecycle = lifecycle

    def publish_version(self, caller: Caller, parameters: dict[str, Any]) -> dict[str, Any]:
        """PublishVersion."""
        reference = self._backend.unqualified(caller, parameters["FunctionName"])
        with self._backend.lock:
            function = self._backend.function(reference)
            latest = function.latest
            check_revision(latest, parameters)
            if latest.state == "Pending":
                raise errors.state_pending(latest.state)
            if latest.last_update_status == "InProgress":
                raise errors.update_in_progress(function.arn)
            expected = parameters.get("CodeSha256")
            if expected and expected != latest.package.sha256:
                raise errors.invalid_parameter(
                    f"CodeSHA256 ({expected}) is different from current CodeSHA256 in $LATEST "
                    f"({latest.package.sha256}). Please try again with the CodeSHA256 in $LATEST."
                )
            version = self._lifecycle.publish(
                caller.region, function, description=parameters.get("Description"), at_once=True
            )
            return views.function_configuration(function, version, qualifier=version.version)

    def list_versions_by_function(
        self, caller: Caller, parameters: dict[str, Any]
    ) -> dict[str, Any]:
        """ListVersionsByFunction."""
        function = self._backend.function(
            self._backend.unqualified(caller, parameters["FunctionName"])
        )
        return page(
            function.every_version(),
            parameters,
            lambda version: views.listed_configuration(
                function, version, qualifier=version.version
            ),
            key="Versions",
        )


class Aliases:
    """The operations on aliases."""

    def __init__(self, backend: Backend, provisioned: ProvisionedConcurrency) -> None:
        self._backend = backend
        self._provisioned = provisioned

    def create_alias(self, caller: Caller, parameters: dict[str, Any]) -> dict[str, Any]:
        """CreateAlias."""
        reference = self._backend.unqualified(caller, parameters["FunctionName"])
        target = parameters["FunctionVersion"]
        weights = _weights(parameters)
        with self._backend.lock:
            function = self._backend.function(dataclasses.replace(reference, qualifier=target))
            _check_target(reference, function, target, weights)
            name = parameters["Name"]
            if name in function.aliases:
                raise errors.alias_exists(f"{function.arn}:{name}")
            alias = function.aliases[name] = Alias(
                name=name,
                function_version=target,
                description=parameters.get("Description", ""),
                weights=weights,
            )
            return views.alias(function, alias)

    def get_alias(self, caller: Caller, parameters: dict[str, Any]) -> dict[str, Any]:
        """GetAlias."""
        _, function, alias = self._found(caller, parameters)
        return views.alias(function, alias)

    def list_aliases(self, caller: Caller, parameters: dict[str, Any]) -> dict[str, Any]:
        """ListAliases: all of a function, or those that point at one version."""
        function = self._backend.function(
            self._backend.unqualified(caller, parameters["FunctionName"])
        )
        wanted = parameters.get("FunctionVersion")
        with self._backend.lock:
            found = [
                alias
                for _, alias in sorted(function.aliases.items())
                if wanted is None or wanted == alias.function_version or wanted in alias.weights
            ]
        return page(found, parameters, lambda alias: views.alias(function, alias), key="Aliases")

    def update_alias(self, caller: Caller, parameters: dict[str, Any]) -> dict[str, Any]:
        """UpdateAlias."""
        with self._backend.lock:
            reference, function, alias = self._found(caller, parameters)
            check_revision(alias, parameters)
            target = parameters.get("FunctionVersion", alias.function_version)
            weights = _weights(parameters) if "RoutingConfig" in parameters else alias.weights
            _check_target(reference, function, target, weights)
            self._provisioned.check_move(function, alias, target, weights)
            alias.function_version = target
            alias.weights = weights
            alias.description = parameters.get("Description", alias.description)
            alias.revision_id = new_revision()
            self._provisioned.follow(caller.region, function, alias)
            return views.alias(function, alias)

    def delete_alias(self, caller: Caller, parameters: dict[str, Any]) -> dict[str, Any]:
        """DeleteAlias; an alias that is not there counts as deleted, as on AWS."""
        reference = self._backend.unqualified(caller, parameters["FunctionName"])
        with self._backend.lock:
            function = self._backend.function(reference)
            function.aliases.pop(parameters["Name"], None)
            self._provisioned.end(caller.region, function, parameters["Name"])
            function.event_invoke.pop(parameters["Name"], None)
        return {}

    def _found(
        self, caller: Caller, parameters: Mapping[str, Any]
    ) -> tuple[FunctionRef, Function, Alias]:
        reference = self._backend.unqualified(caller, parameters["FunctionName"])
        asked = dataclasses.replace(reference, qualifier=parameters["Name"])
        function = self._backend.region(reference.region).functions.get(reference.name)
        alias = None if function is None else function.aliases.get(parameters["Name"])
        if function is None or alias is None:
            raise errors.alias_not_found(asked.arn)
        return reference, function, alias


def _weights(parameters: Mapping[str, Any]) -> dict[str, float]:
    routing = parameters.get("RoutingConfig", {})
    weights: dict[str, float] = routing.get("AdditionalVersionWeights", {})
    if len(weights) > quotas.ADDITIONAL_VERSION_WEIGHTS_MAX:
        raise errors.invalid_parameter(
            "Number of items in AdditionalVersionWeights cannot be greater than "
            f"{quotas.ADDITIONAL_VERSION_WEIGHTS_MAX}"
        )
    return weights


def _check_target(
    reference: FunctionRef, function: Function, target: str, weights: Mapping[str, float]
) -> None:
    """Check the versions of an alias against the rules of weighted routing. Raises ApiError."""
    if weights and target == LATEST:
        raise errors.ApiError(
            "InvalidParameterValueException",
            "$LATEST is not supported for an alias pointing to more than 1 version",
            status=400,
            type=None,
        )
    if target in weights:
        raise errors.invalid_parameter(
            f"Invalid function version {target}. Function version {target} is already included "
            "in routing configuration."
        )
    found = []
    for number in (target, *weights):
        version = function.version(number)
        if version is None:
            missing = dataclasses.replace(reference, qualifier=number)
            raise errors.function_not_found(missing.arn)
        found.append(version.configuration)
    main, *others = found
    for other in others:
        if other.role_arn != main.role_arn:
            raise _must_share("execution role")
        if other.dead_letter_target_arn != main.dead_letter_target_arn:
            raise _must_share("dead-letter queue")


def _must_share(what: str) -> errors.ApiError:
    return errors.invalid_parameter(
        f"The versions that an alias shares its traffic between must have the same {what}. "
        "Publish a version with the same one and point the alias at it."
    )
