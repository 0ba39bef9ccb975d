"""What the Lambda API remembers: functions, versions, aliases, layers and mappings, by Region."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from labkit.core.clock import Timer
from labkit.core.configuration import FunctionConfiguration
from labkit.core.mapping import EventSource, MappingConfig
from labkit.core.names import LATEST, is_version
from labkit.live.deployment import Deployment
from labkit.live.lambda_api.packages import Package

CREATING_REASON = "The function is being created."


def new_revision() -> str:
    """Return a new RevisionId."""
    return str(uuid.uuid4())


def timestamp(time_ms: float) -> str:
    """Write a lab time as Lambda writes LastModified: 2026-01-01T00:00:00.000+0000."""
    moment = datetime.fromtimestamp(time_ms / 1000, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}+0000"


@dataclass(slots=True, eq=False)
class Policy:
    """The statements of one resource policy by their Sid, in the order of their adding."""

    statements: dict[str, dict[str, Any]] = field(default_factory=dict)

    def document(self) -> dict[str, Any]:
        """Return the policy document."""
        return {
            "Version": "2012-10-17",
            "Id": "default",
            "Statement": list(self.statements.values()),
        }


@dataclass(slots=True, eq=False, kw_only=True)
class LayerVersion:
    """One version of a layer; `created_ms` is lab time."""

    arn: str
    layer_arn: str
    version: int
    package: Package
    description: str
    compatible_runtimes: list[str] | None
    compatible_architectures: list[str] | None
    license_info: str | None
    created_ms: float
    policy: Policy = field(default_factory=Policy)
    policy_revision: str = field(default_factory=new_revision)


@dataclass(slots=True, eq=False)
class Layer:
    """A layer. Deleted versions are gone from `versions`, their numbers are never used again."""

    name: str
    versions: dict[int, LayerVersion] = field(default_factory=dict)
    next_version: int = 1


@dataclass(slots=True, eq=False, kw_only=True)
class FunctionVersion:
    """$LATEST or one published version of a function.

    `deployment` is what invocations run: None until the version is active for the first time, and
    during an update still the old one. `made_from` is the content of $LATEST that a published
    version was made from. `last_modified_ms` is lab time.
    """

    version: str
    configuration: FunctionConfiguration
    environment_given: bool
    package: Package
    layers: tuple[LayerVersion, ...]
    last_modified_ms: float
    made_from: tuple[str, FunctionConfiguration] | None = None
    revision_id: str = field(default_factory=new_revision)
    state: str = "Pending"
    last_update_status: str | None = None
    deployment: Deployment | None = None
    transition: Timer | None = None
    policy: Policy = field(default_factory=Policy)

    @property
    def content(self) -> tuple[str, FunctionConfiguration]:
        """What publishing compares: the code's hash and the configuration."""
        return self.package.sha256, self.configuration


@dataclass(slots=True, eq=False, kw_only=True)
class Alias:
    """A name for one version, or for two: `weights` has at most one entry, version to share."""

    name: str
    function_version: str
    description: str
    weights: dict[str, float]
    revision_id: str = field(default_factory=new_revision)
    policy: Policy = field(default_factory=Policy)


@dataclass(frozen=True, slots=True, kw_only=True)
class EventInvoke:
    """Settings of asynchronous invocation, as they were given; the destinations are ARNs."""

    maximum_retry_attempts: int | None = None
    maximum_event_age_s: int | None = None
    on_success: str | None = None
    on_failure: str | None = None
    last_modified_ms: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Provisioned:
    """Provisioned concurrency of a version or alias: how many environments were asked for."""

    requested: int
    last_modified_ms: float


@dataclass(slots=True, eq=False, kw_only=True)
class Function:
    """A function of one Region with all its versions and aliases."""

    name: str
    arn: str
    latest: FunctionVersion
    versions: dict[str, FunctionVersion] = field(default_factory=dict)
    aliases: dict[str, Alias] = field(default_factory=dict)
    next_version: int = 1
    tags: dict[str, str] = field(default_factory=dict)
    recursive_loop: str = "Terminate"
    event_invoke: dict[str, EventInvoke] = field(default_factory=dict)
    """Settings of asynchronous invocation by qualifier: $LATEST, a version or an alias."""
    reserved_concurrency: int | None = None
    provisioned: dict[str, Provisioned] = field(default_factory=dict)
    """Provisioned concurrency by qualifier: a version or an alias."""

    def every_version(self) -> list[FunctionVersion]:
        """Return $LATEST and the published versions, oldest first."""
        return [self.latest, *self.versions.values()]

    def version(self, qualifier: str | None) -> FunctionVersion | None:
        """Return the version of a qualifier that is no alias."""
        if qualifier is None or qualifier == LATEST:
            return self.latest
        return self.versions.get(qualifier)

    def holder(self, qualifier: str | None) -> FunctionVersion | Alias | None:
        """Return the version or alias that a qualifier names."""
        if qualifier is None or qualifier == LATEST or is_version(qualifier):
            return self.version(qualifier)
        return self.aliases.get(qualifier)


@dataclass(slots=True, eq=False, kw_only=True)
class EventSourceMapping:
    """An event source mapping, with the settings that it has or is changing to.

    `enabled` is whether it is, or will be, at work when `state` has ceased to change.
    """

    uuid: str
    arn: str
    source: EventSource
    function_arn: str
    role_arn: str
    config: MappingConfig
    enabled: bool
    last_modified_ms: float
    state: str = "Creating"
    transition: Timer | None = None
    tags: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True, eq=False)
class RegionState:
    """All that one Region holds; event source mappings by their UUID."""

    functions: dict[str, Function] = field(default_factory=dict)
    layers: dict[str, Layer] = field(default_factory=dict)
    mappings: dict[str, EventSourceMapping] = field(default_factory=dict)
