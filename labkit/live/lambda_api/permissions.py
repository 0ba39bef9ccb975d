"""Resource policies of functions (for each qualifier of its own) and of layer versions."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from labkit.core import errors, quotas
from labkit.core.names import LATEST, FunctionRef, is_version, partition
from labkit.live.lambda_api.backend import Backend, Caller
from labkit.live.lambda_api.functions import check_revision
from labkit.live.lambda_api.layers import Layers
from labkit.live.lambda_api.store import Alias, FunctionVersion, Policy, new_revision

_ACCOUNT = re.compile(r"\d{12}", re.ASCII)
_SERVICE = re.compile(r"[a-z0-9.-]+\.amazonaws\.com(\.cn)?")
_CONDITIONS = (
    # parameter, operator, condition key
    ("SourceAccount", "StringEquals", "AWS:SourceAccount"),
    ("SourceArn", "ArnLike", "AWS:SourceArn"),
    ("PrincipalOrgID", "StringEquals", "aws:PrincipalOrgID"),
    ("FunctionUrlAuthType", "StringEquals", "lambda:FunctionUrlAuthType"),
    ("EventSourceToken", "StringEquals", "lambda:EventSourceToken"),
    ("InvokedViaFunctionUrl", "Bool", "lambda:InvokedViaFunctionUrl"),
)


class Permissions:
    """AddPermission, RemovePermission, GetPolicy."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    def add_permission(self, caller: Caller, parameters: dict[str, Any]) -> dict[str, Any]:
        """AddPermission."""
        reference = self._reference(caller, parameters)
        if reference.qualifier == LATEST:
            raise errors.invalid_parameter(
                "We currently do not support adding policies for $LATEST."
            )
        principal = _principal(caller.region, parameters["Principal"])
        with self._backend.lock:
            holder = self._holder(reference)
            check_revision(holder, parameters, "GetPolicy")
            statement = {
                "Sid": parameters["StatementId"],
                "Effect": "Allow",
                "Principal": principal,
                "Action": parameters["Action"],
                "Resource": reference.arn,
            }
            if conditions := _conditions(parameters):
                statement["Condition"] = conditions
            _add(holder.policy, statement)
            holder.revision_id = new_revision()
        return {"Statement": json.dumps(statement, separators=(",", ":"))}

    def remove_permission(self, caller: Caller, parameters: dict[str, Any]) -> dict[str, Any]:
        """RemovePermission."""
        reference = self._reference(caller, parameters)
        with self._backend.lock:
            if reference.name not in self._backend.region(reference.region).functions:
                raise errors.resource_not_found(f"No policy found for: {reference.arn}")
            holder = self._holder(reference)
            if not holder.policy.statements:
                raise _no_policy()
            _check_statement(holder.policy, parameters["StatementId"])
            check_revision(holder, parameters, "GetPolicy")
            del holder.policy.statements[parameters["StatementId"]]
            holder.revision_id = new_revision()
        return {}

    def get_policy(self, caller: Caller, parameters: dict[str, Any]) -> dict[str, Any]:
        """GetPolicy."""
        reference = self._reference(caller, parameters)
        function = self._backend.region(reference.region).functions.get(reference.name)
        holder = None if function is None else function.holder(reference.qualifier)
        if holder is None or not holder.policy.statements:
            raise errors.no_such_resource()
        return {"Policy": _document(holder.policy), "RevisionId": holder.revision_id}

    def _reference(self, caller: Caller, parameters: Mapping[str, Any]) -> FunctionRef:
        return self._backend.reference(
            caller, parameters["FunctionName"], parameters.get("Qualifier")
        )

    def _holder(self, reference: FunctionRef) -> FunctionVersion | Alias:
        holder = self._backend.function(reference).holder(reference.qualifier)
        if holder is not None:
            return holder
        if reference.qualifier is not None and not is_version(reference.qualifier):
            raise errors.alias_not_found(reference.arn)
        raise errors.function_not_found(reference.arn)


class LayerPermissions:
    """AddLayerVersionPermission, RemoveLayerVersionPermission, GetLayerVersionPolicy."""

    def __init__(self, backend: Backend, layers: Layers) -> None:
        self._backend = backend
        self._layers = layers

    def add_layer_version_permission(
        self, caller: Caller, parameters: dict[str, Any]
    ) -> dict[str, Any]:
        """AddLayerVersionPermission."""
        with self._backend.lock:
            version = self._layers.existing(caller, parameters)
            _check_layer_revision(version.policy_revision, parameters)
            statement: dict[str, Any] = {
                "Sid": parameters["StatementId"],
                "Effect": "Allow",
                "Principal": _principal(caller.region, parameters["Principal"]),
                "Action": parameters["Action"],
                "Resource": version.arn,
            }
            if "OrganizationId" in parameters:
                statement["Condition"] = {
                    "StringEquals": {"aws:PrincipalOrgID": parameters["OrganizationId"]}
                }
            _add(version.policy, statement)
            version.policy_revision = new_revision()
            return {
                "Statement": json.dumps(statement, separators=(",", ":")),
                "RevisionId": version.policy_revision,
            }

    def remove_layer_version_permission(
        self, caller: Caller, parameters: dict[str, Any]
    ) -> dict[str, Any]:
        """RemoveLayerVersionPermission."""
        with self._backend.lock:
            version = self._layers.existing(caller, parameters)
            _check_layer_revision(version.policy_revision, parameters)
            _check_statement(version.policy, parameters["StatementId"])
            del version.policy.statements[parameters["StatementId"]]
            version.policy_revision = new_revision()
        return {}

    def get_layer_version_policy(
        self, caller: Caller, parameters: dict[str, Any]
    ) -> dict[str, Any]:
        """GetLayerVersionPolicy."""
        version = self._layers.existing(caller, parameters)
        if not version.policy.statements:
            raise _no_policy()
        return {"Policy": _document(version.policy), "RevisionId": version.policy_revision}


def _no_policy() -> errors.ApiError:
    return errors.resource_not_found("No policy is associated with the given resource.")


def _check_statement(policy: Policy, sid: str) -> None:
    if sid not in policy.statements:
        raise errors.resource_not_found(f"Statement {sid} is not found in resource policy.")


def _check_layer_revision(revision: str, parameters: Mapping[str, Any]) -> None:
    if parameters.get("RevisionId", revision) != revision:
        raise errors.stale_revision("GetLayerPolicy")


def _add(policy: Policy, statement: dict[str, Any]) -> None:
    sid = statement["Sid"]
    if sid in policy.statements:
        raise errors.resource_conflict(
            f"The statement id ({sid}) provided already exists. Please provide a new statement "
            "id, or remove the existing statement."
        )
    policy.statements[sid] = statement
    size_bytes = len(_document(policy).encode())
    if size_bytes > quotas.RESOURCE_POLICY_MAX_BYTES:
        del policy.statements[sid]
        raise errors.policy_length_exceeded(
            f"The final policy size ({size_bytes}) is bigger than the limit "
            f"({quotas.RESOURCE_POLICY_MAX_BYTES})."
        )


def _document(policy: Policy) -> str:
    return json.dumps(policy.document(), separators=(",", ":"))


def _principal(region: str, text: str) -> str | dict[str, str]:
    if text == "*":
        return "*"
    if _ACCOUNT.fullmatch(text):
        return {"AWS": f"arn:{partition(region)}:iam::{text}:root"}
    if text.startswith("arn:"):
        return {"AWS": text}
    if _SERVICE.fullmatch(text):
        return {"Service": text}
    raise errors.invalid_parameter(
        "The provided principal was invalid. Please check the principal and try again."
    )


def _conditions(parameters: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for name, operator, key in _CONDITIONS:
        if name in parameters:
            value = parameters[name]
            text = str(value).lower() if isinstance(value, bool) else value
            found.setdefault(operator, {})[key] = text
    return found
