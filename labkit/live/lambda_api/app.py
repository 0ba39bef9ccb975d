"""The front of the Lambda API: from an HTTP request to the operation and back to a response."""

from __future__ import annotations

import json
import logging
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

from labkit.core import errors
from labkit.core.clock import Clock
from labkit.live.async_queue import EventSettings
from labkit.live.http import Request, Response
from labkit.live.lambda_api import model, validation
from labkit.live.lambda_api.account import Account
from labkit.live.lambda_api.backend import Backend, Caller, Provisioner, Resolved, Services
from labkit.live.lambda_api.concurrency import Concurrency
from labkit.live.lambda_api.event_invoke import EventInvokeConfigs
from labkit.live.lambda_api.event_source_mappings import EventSourceMappings, Pollers
from labkit.live.lambda_api.functions import Functions, check_request_size
from labkit.live.lambda_api.invocations import Invocations, Invoker
from labkit.live.lambda_api.layers import Layers
from labkit.live.lambda_api.lifecycle import Lifecycle
from labkit.live.lambda_api.metric_facts import MetricFacts
from labkit.live.lambda_api.parsing import parse
from labkit.live.lambda_api.permissions import LayerPermissions, Permissions
from labkit.live.lambda_api.provisioned import ProvisionedConcurrency
from labkit.live.lambda_api.tags import Tags
from labkit.live.lambda_api.versions import Aliases, Versions
from labkit.live.settings import Settings

_log = logging.getLogger(__name__)

Handler = Callable[[Caller, dict[str, Any]], dict[str, Any]]


class LambdaApi:
    """Every Lambda operation: those that the lab serves, and a plain refusal of the others.

    `invoker` and `provisioner` must be set before the first request, `pollers` before the first
    event source mapping is made, `endpoint_url` before addresses of code are handed out, which are
    known only when the server listens. Safe to use from several threads.
    """

    def __init__(
        self,
        *,
        account_id: str,
        clock: Clock,
        settings: Settings,
        storage_dir: Path,
        services: Services,
    ) -> None:
        self._backend = Backend(
            account_id=account_id,
            clock=clock,
            settings=settings,
            storage_dir=storage_dir,
            services=services,
        )
        self._invocations = Invocations(self._backend)
        self._event_invoke = EventInvokeConfigs(self._backend)
        self._mappings = EventSourceMappings(self._backend)
        self._handlers = {
            **_handlers(self._backend),
            **_of_event_invoke(self._event_invoke),
            **_of_mappings(self._mappings),
        }

    @property
    def invoker(self) -> Invoker | None:
        """What runs the functions."""
        return self._invocations.invoker

    @invoker.setter
    def invoker(self, invoker: Invoker) -> None:
        self._invocations.invoker = invoker

    @property
    def provisioner(self) -> Provisioner:
        """What keeps functions to their concurrency, and environments ready."""
        return self._backend.provisioner

    @provisioner.setter
    def provisioner(self, provisioner: Provisioner) -> None:
        self._backend.provisioner = provisioner

    @property
    def pollers(self) -> Pollers | None:
        """What is at work behind the event source mappings."""
        return self._mappings.pollers

    @pollers.setter
    def pollers(self, pollers: Pollers) -> None:
        self._mappings.pollers = pollers

    @property
    def endpoint_url(self) -> str:
        """The address of the lab, without a slash at the end."""
        return self._backend.endpoint_url

    @endpoint_url.setter
    def endpoint_url(self, url: str) -> None:
        self._backend.endpoint_url = url.rstrip("/")

    @property
    def served_operations(self) -> frozenset[str]:
        """The names of the operations that the lab serves."""
        return frozenset(self._handlers) | {"Invoke", "InvokeAsync"}

    def warm(self) -> None:
        """Load the service model now, so that the first request need not wait for it."""
        model.route("GET", "/2015-03-31/functions", "")

    def handle(self, request: Request) -> Response:
        """Answer a request to the Lambda API. Never raises."""
        request_id = str(uuid.uuid4())
        try:
            response = self._invocations.answer(request, request_id)
            return response or self._control(request, request_id)
        except errors.ApiError as error:
            return _refusal(error, request_id)
        except Exception:
            _log.exception("%s %s failed", request.method, request.path)
            failed = errors.service_exception(
                "The lab failed to answer this request. The server's log says where."
            )
            return _refusal(failed, request_id)

    def _control(self, request: Request, request_id: str) -> Response:
        found = model.route(request.method, request.path, request.query)
        if found is None:
            raise errors.ApiError(
                "UnknownOperationException",
                f"No operation of AWS Lambda answers {request.method} {request.path}.",
                status=404,
            )
        operation, path_values = found
        handler = self._handlers.get(operation.name)
        if handler is None:
            raise errors.not_served(operation.name)
        check_request_size(operation.name, len(request.body))
        parameters = parse(operation, request, path_values)
        validation.check(operation, parameters)
        caller = Caller(request.region, request.account_id, request.caller_arn)
        answer = handler(caller, parameters)
        headers = [("Content-Type", "application/json"), ("x-amzn-RequestId", request_id)]
        body = b"" if operation.status == 204 else json.dumps(answer).encode()
        return Response(operation.status, headers, body)

    def resolve(self, name: str, qualifier: str | None, region: str) -> Resolved:
        """Return what an invocation of a function by name or ARN runs now.

        Raises ApiError: 404 if there is no such function, version or alias, 409 while pending.
        """
        account_id = self._backend.account_id
        caller = Caller(region, account_id, f"arn:aws:iam::{account_id}:root")
        return self._backend.resolve(self._backend.reference(caller, name, qualifier))

    def resolve_arn(self, function_arn: str) -> Resolved:
        """Return what `resolve` does, for the ARN of a function, a version or an alias."""
        return self.resolve(function_arn, None, function_arn.split(":")[3])

    def event_settings(self, function_arn: str) -> EventSettings:
        """Return what is configured for events of a function, a version or an alias.

        Raises ApiError (404) if the function is gone.
        """
        region, account_id = function_arn.split(":")[3:5]
        caller = Caller(region, account_id, f"arn:aws:iam::{account_id}:root")
        return self._event_invoke.settings_of(caller, function_arn)

    def metric_facts(self, home_region: str) -> MetricFacts:
        """Return what answers what the metrics need to know; `home_region` is the lab's own."""
        return MetricFacts(self._backend, home_region)

    def code_by_token(self, token: str) -> bytes | None:
        """Return the zip file that Code.Location of GetFunction names; None if it is gone."""
        return self._backend.packages.by_token(token)

    def reset(self) -> None:
        """Forget every function, layer and mapping, and retire what runs."""
        self._mappings.reset()
        for identity in self._backend.forget():
            self._backend.services.retire(identity)


def _refusal(error: errors.ApiError, request_id: str) -> Response:
    headers = [*error.headers().items(), ("x-amzn-RequestId", request_id)]
    return Response(error.status, headers, error.body())


def _handlers(backend: Backend) -> dict[str, Handler]:
    """Return the operations that are served, by name."""
    lifecycle = Lifecycle(backend)
    layers = Layers(backend)
    provisioned = ProvisionedConcurrency(backend)
    functions = Functions(backend, lifecycle, layers, provisioned)
    return {
        **_of_functions(functions, Versions(backend, lifecycle)),
        **_of_aliases_and_layers(Aliases(backend, provisioned), layers),
        **_of_concurrency(Concurrency(backend), provisioned),
        **_of_the_rest(
            Permissions(backend),
            LayerPermissions(backend, layers),
            Tags(backend),
            Account(backend),
        ),
    }


def _of_functions(functions: Functions, versions: Versions) -> dict[str, Handler]:
    return {
        "CreateFunction": functions.create_function,
        "GetFunction": functions.get_function,
        "GetFunctionConfiguration": functions.get_function_configuration,
        "ListFunctions": functions.list_functions,
        "UpdateFunctionCode": functions.update_function_code,
        "UpdateFunctionConfiguration": functions.update_function_configuration,
        "DeleteFunction": functions.delete_function,
        "PublishVersion": versions.publish_version,
        "ListVersionsByFunction": versions.list_versions_by_function,
    }


def _of_aliases_and_layers(aliases: Aliases, layers: Layers) -> dict[str, Handler]:
    return {
        "CreateAlias": aliases.create_alias,
        "GetAlias": aliases.get_alias,
        "ListAliases": aliases.list_aliases,
        "UpdateAlias": aliases.update_alias,
        "DeleteAlias": aliases.delete_alias,
        "PublishLayerVersion": layers.publish_layer_version,
        "GetLayerVersion": layers.get_layer_version,
        "GetLayerVersionByArn": layers.get_layer_version_by_arn,
        "ListLayers": layers.list_layers,
        "ListLayerVersions": layers.list_layer_versions,
        "DeleteLayerVersion": layers.delete_layer_version,
    }


def _of_concurrency(
    concurrency: Concurrency, provisioned: ProvisionedConcurrency
) -> dict[str, Handler]:
    return {
        "PutFunctionConcurrency": concurrency.put_function_concurrency,
        "GetFunctionConcurrency": concurrency.get_function_concurrency,
        "DeleteFunctionConcurrency": concurrency.delete_function_concurrency,
        "PutProvisionedConcurrencyConfig": provisioned.put,
        "GetProvisionedConcurrencyConfig": provisioned.get,
        "DeleteProvisionedConcurrencyConfig": provisioned.delete,
        "ListProvisionedConcurrencyConfigs": provisioned.list_all,
    }


def _of_event_invoke(configs: EventInvokeConfigs) -> dict[str, Handler]:
    return {
        "PutFunctionEventInvokeConfig": configs.put,
        "UpdateFunctionEventInvokeConfig": configs.update,
        "GetFunctionEventInvokeConfig": configs.get,
        "DeleteFunctionEventInvokeConfig": configs.delete,
        "ListFunctionEventInvokeConfigs": configs.list,
    }


def _of_mappings(mappings: EventSourceMappings) -> dict[str, Handler]:
    return {
        "CreateEventSourceMapping": mappings.create_event_source_mapping,
        "GetEventSourceMapping": mappings.get_event_source_mapping,
        "ListEventSourceMappings": mappings.list_event_source_mappings,
        "UpdateEventSourceMapping": mappings.update_event_source_mapping,
        "DeleteEventSourceMapping": mappings.delete_event_source_mapping,
    }


def _of_the_rest(
    permissions: Permissions, layer_permissions: LayerPermissions, tags: Tags, account: Account
) -> dict[str, Handler]:
    return {
        "AddPermission": permissions.add_permission,
        "RemovePermission": permissions.remove_permission,
        "GetPolicy": permissions.get_policy,
        "AddLayerVersionPermission": layer_permissions.add_layer_version_permission,
        "RemoveLayerVersionPermission": layer_permissions.remove_layer_version_permission,
        "GetLayerVersionPolicy": layer_permissions.get_layer_version_policy,
        "TagResource": tags.tag_resource,
        "UntagResource": tags.untag_resource,
        "ListTags": tags.list_tags,
        "GetAccountSettings": account.get_account_settings,
        "PutFunctionRecursionConfig": account.put_function_recursion_config,
        "GetFunctionRecursionConfig": account.get_function_recursion_config,
        "GetFunctionCodeSigningConfig": account.get_function_code_signing_config,
        "GetRuntimeManagementConfig": account.get_runtime_management_config,
    }
