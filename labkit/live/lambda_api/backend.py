"""What the operations of the Lambda API share: the store, the clock, and how to find a function."""

from __future__ import annotations

import functools
import itertools
import random
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from labkit.core import errors
from labkit.core.clock import Clock
from labkit.core.names import (
    LATEST,
    FunctionRef,
    function_arn,
    is_version,
    parse_function_name,
)
from labkit.live.deployment import Deployment
from labkit.live.lambda_api.packages import PackageStore
from labkit.live.lambda_api.store import Function, FunctionVersion, RegionState
from labkit.live.provisioning import ProvisionedKey, ProvisionedState
from labkit.live.settings import Settings

_REFERENCES_CACHED = 4096


class Services(Protocol):
    """What the Lambda API asks of the rest of the lab."""

    def s3_object(self, bucket: str, key: str, version: str | None) -> bytes:
        """Return an object's content. Raises ApiError with AWS's text if there is none."""

    def role_exists(self, arn: str) -> bool:
        """Tell whether IAM knows the role."""

    def target_exists(self, arn: str) -> bool:
        """Tell whether there is such a queue, topic, event bus or bucket."""

    def check_runtime_here(self, runtime: str, package_type: str) -> None:
        """Raise ApiError if this machine cannot run the runtime or package type."""

    def retire(self, identity: str) -> None:
        """End the environments of a deployment's identity as they become idle."""


class Provisioner(Protocol):
    """What keeps functions to their concurrency, and environments ready."""

    def reserve(self, region: str, function: str, concurrency: int | None) -> None:
        """Reserve concurrency for a function; None ends that."""

    def provision(self, key: ProvisionedKey, wanted: Sequence[tuple[Deployment, int]]) -> None:
        """Allocate so many environments of each deployment for a version or alias."""

    def end(self, key: ProvisionedKey) -> None:
        """End all that was allocated for a version or alias."""

    def state(self, key: ProvisionedKey) -> ProvisionedState:
        """Return how far the allocation for a version or alias has come."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, and where: the Region and account of the request."""

    region: str
    account_id: str
    arn: str


@dataclass(frozen=True, slots=True)
class Resolved:
    """What an invocation runs: the deployment, and the ARN that it was called by."""

    deployment: Deployment
    invoked_arn: str


class Backend:
    """The state of the Lambda API. Operations that change it hold `lock`; resolving does not.

    `provisioner` must be set before the first operation.
    """

    provisioner: Provisioner

    def __init__(
        self,
        *,
        account_id: str,
        clock: Clock,
        settings: Settings,
        storage_dir: Path,
        services: Services,
    ) -> None:
        self.account_id = account_id
        self.clock = clock
        self.settings = settings
        self.services = services
        self.packages = PackageStore(storage_dir)
        self.endpoint_url = ""
        self.lock = threading.RLock()
        self.regions: dict[str, RegionState] = {}
        self._serials = itertools.count(1)
        self._random = random.Random(settings.seed)

    def region(self, name: str) -> RegionState:
        """Return the state of a Region, which is made when first asked for."""
        return self.regions.setdefault(name, RegionState())

    def forget(self) -> list[str]:
        """Forget everything and return the identities of all deployments there were."""
        with self.lock:
            identities: list[str] = []
            for region in self.regions.values():
                for function in region.functions.values():
                    for version in function.every_version():
                        identities += self.abandon(version)
            self.regions.clear()
            self._random = random.Random(self.settings.seed)
            return identities

    def abandon(self, version: FunctionVersion) -> list[str]:
        """Stop a version's change of state and return the identity to retire, if it has one."""
        if version.transition is not None:
            version.transition.cancel()
            version.transition = None
        deployment = version.deployment
        return [] if deployment is None else [deployment.identity]

    def new_identity(self, region: str, name: str, version: str) -> str:
        """Return an identity that no other deployment of this server has had."""
        return f"{region}:{name}:{version}:{next(self._serials)}"

    def reference(self, caller: Caller, text: str, qualifier: str | None = None) -> FunctionRef:
        """Read a function name of a request.

        Raises ApiError: what `parse_function_name` does, and 403 for another account's function.
        """
        reference = _reference(text, qualifier, caller.region, caller.account_id)
        if reference.account_id != caller.account_id:
            raise errors.not_authorized(
                caller.arn,
                "lambda:*",
                reference.arn,
                "this lab holds the functions of one account only",
            )
        return reference

    def unqualified(self, caller: Caller, text: str) -> FunctionRef:
        """Read a function name where a version or alias makes no sense. Raises ApiError."""
        reference = self.reference(caller, text)
        if reference.qualifier not in (None, LATEST):
            raise errors.invalid_parameter(
                "This operation is permitted on Lambda functions only. Aliases and versions do "
                "not support this operation. Please specify either a function name or an "
                "unqualified function ARN."
            )
        return reference

    def function(self, reference: FunctionRef) -> Function:
        """Return a function. Raises ApiError (404 with the ARN as it was asked for)."""
        function = self.region(reference.region).functions.get(reference.name)
        if function is None:
            raise errors.function_not_found(reference.arn)
        return function

    def resolve(self, reference: FunctionRef) -> Resolved:
        """Return what an invocation of this function, version or alias runs now.

        An alias with two versions is decided by a seeded random number for each call.
        Raises ApiError: 404 if there is no such version, 409 while it is not active.
        """
        region = self.regions.get(reference.region)
        function = None if region is None else region.functions.get(reference.name)
        version = None if function is None else self._version(function, reference.qualifier)
        if version is None:
            raise errors.function_not_found(
                function_arn(
                    reference.region,
                    reference.account_id,
                    reference.name,
                    reference.qualifier or LATEST,
                )
            )
        deployment = version.deployment
        if deployment is None:
            raise errors.state_pending(version.state)
        return Resolved(deployment, reference.arn)

    def _version(self, function: Function, qualifier: str | None) -> FunctionVersion | None:
        if qualifier is None or qualifier == LATEST or is_version(qualifier):
            return function.version(qualifier)
        alias = function.aliases.get(qualifier)
        if alias is None:
            return None
        for number, share in alias.weights.items():
            if self._random.random() < share:
                return function.version(number)
        return function.version(alias.function_version)


@functools.lru_cache(maxsize=_REFERENCES_CACHED)
def _reference(text: str, qualifier: str | None, region: str, account_id: str) -> FunctionRef:
    # The model of the operation has checked the narrower form where it has one.
    return parse_function_name(
        text, region=region, account_id=account_id, qualifier=qualifier, namespaced=True
    )
