"""Functions: creating, reading, listing, updating and deleting them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from labkit.core import errors, quotas
from labkit.core.configuration import FunctionConfiguration, check_new_name, validate
from labkit.core.names import LATEST, FunctionRef, function_arn, is_version
from labkit.live.lambda_api import concurrency, settings_input, views
from labkit.live.lambda_api.backend import Backend, Caller
from labkit.live.lambda_api.layers import Layers
from labkit.live.lambda_api.lifecycle import Lifecycle
from labkit.live.lambda_api.packages import Package
from labkit.live.lambda_api.paging import page
from labkit.live.lambda_api.provisioned import ProvisionedConcurrency
from labkit.live.lambda_api.store import Alias, Function, FunctionVersion, LayerVersion
from labkit.live.lambda_api.tags import check_tags


class Functions:
    """The operations on functions themselves."""

    def __init__(
        self,
        backend: Backend,
        lifecycle: Lifecycle,
        layers: Layers,
        provisioned: ProvisionedConcurrency,
    ) -> None:
        self._backend = backend
        self._provisioned = provisioned
        self._lifecycle = lifecycle
        self._layers = layers

    def create_function(self, caller: Caller, parameters: dict[str, Any]) -> dict[str, Any]:
        """CreateFunction."""
        settings_input.refuse_not_served("CreateFunction", parameters)
        reference = self._backend.unqualified(caller, parameters["FunctionName"])
        check_new_name(reference.name)
        configuration = settings_input.created(reference.name, parameters)
        self._check_package_type(configuration, parameters["Code"])
        layers = self._check_configuration(caller, configuration, parameters)
        tags = check_tags(parameters.get("Tags", {}))
        functions = self._backend.region(caller.region).functions
        if reference.name in functions:
            raise errors.function_exists(reference.name)
        package = self._package(parameters["Code"], layers)
        with self._backend.lock:
            if reference.name in functions:
                raise errors.function_exists(reference.name)
            function = self._new_function(reference, configuration, package, layers, parameters)
            function.tags = tags
            deployment = self._lifecycle.deployment(caller.region, function.latest)
            functions[reference.name] = function
            self._lifecycle.begin(function.latest, deployment)
            shown = function.latest
            if parameters.get("Publish"):
                shown = self._lifecycle.publish(
                    caller.region, function, description=None, at_once=False
                )
            return views.function_configuration(function, shown)

    def _new_function(
        self,
        reference: FunctionRef,
        configuration: FunctionConfiguration,
        package: Package,
        layers: tuple[LayerVersion, ...],
        parameters: Mapping[str, Any],
    ) -> Function:
        latest = FunctionVersion(
            version=LATEST,
            configuration=configuration,
            environment_given="Environment" in parameters,
            package=package,
            layers=layers,
            last_modified_ms=self._backend.clock.now_ms(),
        )
        arn = function_arn(reference.region, reference.account_id, reference.name)
        return Function(name=reference.name, arn=arn, latest=latest)

    def _check_package_type(
        self, configuration: FunctionConfiguration, code: Mapping[str, Any]
    ) -> None:
        if configuration.package_type == "Image":
            self._backend.services.check_runtime_here("", "Image")
        elif "ImageUri" in code:
            raise errors.invalid_parameter(
                "Please don't provide ImageUri when creating a function with packageType Zip."
            )

    def _check_configuration(
        self,
        caller: Caller,
        configuration: FunctionConfiguration,
        parameters: Mapping[str, Any],
        layers: tuple[LayerVersion, ...] = (),
    ) -> tuple[LayerVersion, ...]:
        """Check all rules of a configuration and return its layers.

        Layers that the request does not name stay as they are, even if they have been deleted.
        """
        validate(configuration)
        if configuration.runtime is not None:
            self._backend.services.check_runtime_here(
                configuration.runtime, configuration.package_type
            )
        if "Layers" in parameters:
            layers = self._layers.of_function(caller, configuration.layer_arns)
        if "Role" in parameters and not self._backend.services.role_exists(parameters["Role"]):
            raise errors.role_not_assumable()
        return layers

    def _package(self, code: Mapping[str, Any], layers: tuple[LayerVersion, ...]) -> Package:
        """Fetch and unpack the code that CreateFunction or UpdateFunctionCode names."""
        content = self._layers.content(code)
        layers_bytes = sum(layer.package.unzipped_bytes for layer in layers)
        return self._backend.packages.add_function(content, layers_bytes=layers_bytes)

    def update_function_code(self, caller: Caller, parameters: dict[str, Any]) -> dict[str, Any]:
        """UpdateFunctionCode."""
        settings_input.refuse_not_served("UpdateFunctionCode", parameters)
        reference = self._backend.unqualified(caller, parameters["FunctionName"])
        function = self._backend.function(reference)
        if "ImageUri" in parameters:
            raise errors.invalid_parameter(
                "Please don't provide ImageUri when updating a function with packageType Zip."
            )
        self._check_updatable(function, parameters)
        package = self._package(parameters, function.latest.layers)
        configuration = function.latest.configuration
        if "Architectures" in parameters:
            configuration = dataclasses.replace(
                configuration, architecture=parameters["Architectures"][0]
            )
        if parameters.get("DryRun"):
            would_be = dataclasses.replace(
                function.latest, package=package, configuration=configuration
            )
            return views.function_configuration(function, would_be)
        with self._backend.lock:
            function = self._backend.function(reference)
            self._check_updatable(function, parameters)
            self._lifecycle.begin_update(
                caller.region, function, package=package, configuration=configuration
            )
            if not parameters.get("Publish"):
                return views.function_configuration(function, function.latest)
            version = self._lifecycle.publish(
                caller.region, function, description=None, at_once=False
            )
            return views.function_configuration(function, version, qualifier=version.version)

    def update_function_configuration(
        self, caller: Caller, parameters: dict[str, Any]
    ) -> dict[str, Any]:
        """UpdateFunctionConfiguration."""
        settings_input.refuse_not_served("UpdateFunctionConfiguration", parameters)
        reference = self._backend.unqualified(caller, parameters["FunctionName"])
        with self._backend.lock:
            function = self._backend.function(reference)
            self._check_updatable(function, parameters)
            latest = function.latest
            configuration = settings_input.updated(latest.configuration, parameters)
            layers = self._check_configuration(caller, configuration, parameters, latest.layers)
            self._lifecycle.begin_update(
                caller.region,
                function,
                configuration=configuration,
                layers=layers,
                environment_given=latest.environment_given or "Environment" in parameters,
            )
            return views.function_configuration(function, latest)

    def _check_updatable(self, function: Function, parameters: Mapping[str, Any]) -> None:
        latest = function.latest
        check_revision(latest, parameters)
        if latest.state == "Pending":
            raise errors.state_pending(latest.state)
        if latest.last_update_status == "InProgress":
            raise errors.update_in_progress(function.arn)

    def delete_function(self, caller: Caller, parameters: dict[str, Any]) -> dict[str, Any]:
        """DeleteFunction: all of a function, or one published version."""
        reference = self._backend.reference(
            caller, parameters["FunctionName"], parameters.get("Qualifier")
        )
        qualifier = reference.qualifier
        if qualifier == LATEST:
            raise errors.latest_cannot_be_deleted()
        if qualifier is not None and not is_version(qualifier):
            raise errors.invalid_parameter("Deletion of aliases is not currently supported.")
        plain = dataclasses.replace(reference, qualifier=None)
        with self._backend.lock:
            function = self._backend.function(plain)
            if qualifier is None:
                del self._backend.region(caller.region).functions[function.name]
                gone = function.every_version()
                self._provisioned.end_all(caller.region, function)
            else:
                gone = self._taken_out(function, qualifier)
                self._provisioned.end(caller.region, function, qualifier)
            identities = [one for version in gone for one in self._backend.abandon(version)]
        for identity in identities:
            self._backend.services.retire(identity)
        return {}

    def _taken_out(self, function: Function, number: str) -> list[FunctionVersion]:
        users = [
            alias.name
            for alias in function.aliases.values()
            if number == alias.function_version or number in alias.weights
        ]
        if users:
            raise errors.resource_conflict(
                "Unable to delete version because the following aliases reference it: "
                f"[{', '.join(users)}]"
            )
        version = function.versions.pop(number, None)
        function.event_invoke.pop(number, None)
        # A version that is not there counts as deleted, as on AWS.
        return [] if version is None else [version]

    def get_function(self, caller: Caller, parameters: dict[str, Any]) -> dict[str, Any]:
        """GetFunction."""
        function, version, qualifier = self._found(caller, parameters)
        location = views.code_location(self._backend.endpoint_url, version.package.token)
        answer: dict[str, Any] = {
            "Configuration": views.function_configuration(function, version, qualifier=qualifier),
            "Code": {"RepositoryType": "S3", "Location": location},
        }
        if function.tags:
            answer["Tags"] = dict(function.tags)
        if reservation := concurrency.view(function):
            answer["Concurrency"] = reservation
        return answer

    def get_function_configuration(
        self, caller: Caller, parameters: dict[str, Any]
    ) -> dict[str, Any]:
        """GetFunctionConfiguration."""
        function, version, qualifier = self._found(caller, parameters)
        return views.function_configuration(function, version, qualifier=qualifier)

    def _found(
        self, caller: Caller, parameters: Mapping[str, Any]
    ) -> tuple[Function, FunctionVersion, str | None]:
        reference = self._backend.reference(
            caller, parameters["FunctionName"], parameters.get("Qualifier")
        )
        function = self._backend.function(reference)
        holder = function.holder(reference.qualifier)
        if isinstance(holder, Alias):
            holder = function.version(holder.function_version)
        if holder is None:
            raise errors.function_not_found(reference.arn)
        return function, holder, reference.qualifier

    def list_functions(self, caller: Caller, parameters: dict[str, Any]) -> dict[str, Any]:
        """ListFunctions: $LATEST of each function, or every version with FunctionVersion=ALL."""
        everything = parameters.get("FunctionVersion") == "ALL"
        with self._backend.lock:
            functions = sorted(self._backend.region(caller.region).functions.items())
            rows = [
                (function, version, version.version if everything else None)
                for _, function in functions
                for version in (function.every_version() if everything else [function.latest])
            ]
        if "MasterRegion" in parameters:
            # Only replicas of Lambda@Edge functions have a master Region, and there are none here.
            rows = []
        return page(
            rows,
            parameters,
            lambda row: views.listed_configuration(row[0], row[1], qualifier=row[2]),
            key="Functions",
        )


def check_revision(
    holder: FunctionVersion | Alias,
    parameters: Mapping[str, Any],
    getters: str = "GetFunction/GetAlias",
) -> None:
    """Refuse a RevisionId that is not the latest one. Raises ApiError (412), naming `getters`."""
    revision = parameters.get("RevisionId")
    if revision is not None and revision != holder.revision_id:
        raise errors.stale_revision(getters)


# The operations that carry code: their requests may be as large as CreateFunction's.
_CARRY_CODE = ("CreateFunction", "UpdateFunctionCode", "PublishLayerVersion")


def check_request_size(operation: str, size_bytes: int) -> None:
    """Refuse a request that is too large to carry a package. Raises ApiError (413)."""
    limit = quotas.CREATE_FUNCTION_REQUEST_MAX_BYTES
    if operation in _CARRY_CODE and size_bytes > limit:
        raise errors.request_too_large(limit, operation)
