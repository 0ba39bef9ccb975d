"""Settings of asynchronous invocation: the operations on EventInvokeConfig."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, Final

from labkit.core import errors
from labkit.core.asynchronous import EventInvokeConfig
from labkit.core.names import LATEST, FunctionRef, function_arn
from labkit.live.async_queue import EventSettings
from labkit.live.lambda_api.backend import Backend, Caller
from labkit.live.lambda_api.paging import page
from labkit.live.lambda_api.store import EventInvoke, Function

_FIELDS: Final = {
    "MaximumRetryAttempts": "maximum_retry_attempts",
    "MaximumEventAgeInSeconds": "maximum_event_age_s",
}
_SERVICES: Final = {
    "OnSuccess": ("sqs", "sns", "lambda", "events"),
    "OnFailure": ("sqs", "sns", "lambda", "events", "s3"),
}


class EventInvokeConfigs:
    """The operations, and what the queue of asynchronous invocation reads."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    def put(self, caller: Caller, parameters: dict[str, Any]) -> dict[str, Any]:
        """PutFunctionEventInvokeConfig: it replaces all settings."""
        return self._write(caller, parameters, merge=False)

    def update(self, caller: Caller, parameters: dict[str, Any]) -> dict[str, Any]:
        """UpdateFunctionEventInvokeConfig: what it does not name stays as it is."""
        return self._write(caller, parameters, merge=True)

    def get(self, caller: Caller, parameters: dict[str, Any]) -> dict[str, Any]:
        """GetFunctionEventInvokeConfig."""
        with self._backend.lock:
            function, reference = self._function(caller, parameters)
            return _view(function, *_config(function, reference))

    def delete(self, caller: Caller, parameters: dict[str, Any]) -> dict[str, Any]:
        """DeleteFunctionEventInvokeConfig."""
        with self._backend.lock:
            function, reference = self._function(caller, parameters)
            qualifier, _ = _config(function, reference)
            del function.event_invoke[qualifier]
        return {}

    def list(self, caller: Caller, parameters: dict[str, Any]) -> dict[str, Any]:
        """ListFunctionEventInvokeConfigs: of the function, its versions and its aliases."""
        with self._backend.lock:
            function, _ = self._function(caller, parameters)
            found = sorted(function.event_invoke.items())
        return page(
            found,
            parameters,
            lambda item: _view(function, *item),
            key="FunctionEventInvokeConfigs",
        )

    def settings_of(self, caller: Caller, invoked_arn: str) -> EventSettings:
        """Return what is configured for events of an ARN. Raises ApiError (404) if it is gone."""
        reference = self._backend.reference(caller, invoked_arn)
        function = self._backend.function(reference)
        found = function.event_invoke.get(reference.qualifier or LATEST, EventInvoke())
        given = {
            name: value for name in _FIELDS.values() if (value := getattr(found, name)) is not None
        }
        return EventSettings(
            config=EventInvokeConfig(**given),
            on_success=found.on_success,
            on_failure=found.on_failure,
            reserved_concurrency=function.reserved_concurrency,
            stops_loops=function.recursive_loop == "Terminate",
        )

    def _write(self, caller: Caller, parameters: dict[str, Any], *, merge: bool) -> dict[str, Any]:
        if not any(name in parameters for name in (*_FIELDS, "DestinationConfig")):
            raise errors.invalid_parameter(
                "You must specify at least one of error handling or destination setting."
            )
        with self._backend.lock:
            function, reference = self._function(caller, parameters)
            if function.holder(reference.qualifier) is None:
                raise _no_such_function()
            qualifier, base = reference.qualifier or LATEST, EventInvoke()
            if merge:
                qualifier, base = _config(function, reference)
            given: dict[str, Any] = {
                field: parameters[name] for name, field in _FIELDS.items() if name in parameters
            }
            if "DestinationConfig" in parameters:
                given |= self._destinations(caller, function, parameters["DestinationConfig"])
            given["last_modified_ms"] = self._backend.clock.now_ms()
            written = function.event_invoke[qualifier] = dataclasses.replace(base, **given)
            return _view(function, qualifier, written)

    def _function(
        self, caller: Caller, parameters: Mapping[str, Any]
    ) -> tuple[Function, FunctionRef]:
        reference = self._backend.reference(
            caller, parameters["FunctionName"], parameters.get("Qualifier")
        )
        function = self._backend.region(reference.region).functions.get(reference.name)
        if function is None:
            raise _no_such_function()
        return function, reference

    def _destinations(
        self, caller: Caller, function: Function, given: Mapping[str, Any]
    ) -> dict[str, str | None]:
        """Read a DestinationConfig; what it leaves out is no destination. Raises ApiError."""
        arns = {side: given.get(side, {}).get("Destination") or None for side in _SERVICES}
        for side in ("OnFailure", "OnSuccess"):
            arn = arns[side]
            if arn is not None:
                self._check(caller, function, side, arn, arns)
        return {"on_success": arns["OnSuccess"], "on_failure": arns["OnFailure"]}

    def _check(
        self,
        caller: Caller,
        function: Function,
        side: str,
        arn: str,
        arns: Mapping[str, str | None],
    ) -> None:
        parts = arn.split(":", 5)
        if len(parts) < 6 or parts[2] not in _SERVICES[side]:
            raise errors.invalid_parameter(
                "The provided destination config DestinationConfig("
                f"onSuccess={_shown('OnSuccess', arns)}, onFailure={_shown('OnFailure', arns)}) "
                "is invalid."
            )
        if parts[2] == "lambda":
            self._check_function(caller, function, arn)
        elif arn.endswith(".fifo") or not self._backend.services.target_exists(arn):
            raise _bad_destination(arn)

    def _check_function(self, caller: Caller, function: Function, arn: str) -> None:
        try:
            target = self._backend.reference(caller, arn)
            found = self._backend.function(target).holder(target.qualifier)
        except errors.ApiError:
            raise _bad_destination(arn) from None
        if found is None:
            raise _bad_destination(arn)
        if function_arn(target.region, target.account_id, target.name) == function.arn:
            raise errors.invalid_parameter(
                "You can't specify the function as a destination for itself."
            )


def _config(function: Function, reference: FunctionRef) -> tuple[str, EventInvoke]:
    qualifier = reference.qualifier or LATEST
    found = function.event_invoke.get(qualifier)
    if found is None:
        raise errors.ApiError(
            "ResourceNotFoundException",
            f"The function {function.arn}:{qualifier} doesn't have an EventInvokeConfig",
            status=404,
            message_key="Message",
        )
    return qualifier, found


def _view(function: Function, qualifier: str, config: EventInvoke) -> dict[str, Any]:
    view: dict[str, Any] = {
        "LastModified": config.last_modified_ms / 1000,
        "FunctionArn": f"{function.arn}:{qualifier}",
        "DestinationConfig": {
            side: {} if arn is None else {"Destination": arn}
            for side, arn in (("OnSuccess", config.on_success), ("OnFailure", config.on_failure))
        },
    }
    for name, field in _FIELDS.items():
        value = getattr(config, field)
        if value is not None:
            view[name] = value
    return view


def _shown(side: str, arns: Mapping[str, str | None]) -> str:
    arn = arns[side]
    return "null" if arn is None else f"{side}(destination={arn})"


def _no_such_function() -> errors.ApiError:
    return errors.resource_not_found("The function doesn't exist.")


def _bad_destination(arn: str) -> errors.ApiError:
    return errors.invalid_parameter(f"The destination ARN {arn} is invalid.")
