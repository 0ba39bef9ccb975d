"""Changes of state: Pending becomes Active, InProgress becomes Successful, in lab time."""

from __future__ import annotations

import dataclasses
from typing import Any

from labkit.live.deployment import Deployment
from labkit.live.lambda_api.backend import Backend
from labkit.live.lambda_api.packages import check_total, keep_alive
from labkit.live.lambda_api.store import Function, FunctionVersion, new_revision


class Lifecycle:
    """Starts changes of state and ends them after `state_change_delay_s` of lab time."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    def deployment(self, region: str, version: FunctionVersion) -> Deployment:
        """Make the deployment of a version's present code and configuration, with a new identity.

        Raises ApiError if code and layers are too large together.
        """
        layers = [layer.package for layer in version.layers]
        check_total(version.package, layers)
        opt = self._backend.packages.opt_tree(layers)
        task_dir = version.package.task_dir
        if task_dir is None:
            raise AssertionError("the package of a function is always unpacked")
        name = version.configuration.function_name
        made = Deployment(
            configuration=version.configuration,
            version=version.version,
            region=region,
            account_id=self._backend.account_id,
            task_dir=task_dir,
            opt_dir=None if opt is None else opt.directory,
            identity=self._backend.new_identity(region, name, version.version),
        )
        keep_alive(made, version.package, opt)
        return made

    def begin(self, version: FunctionVersion, deployment: Deployment) -> None:
        """Put `deployment` in the place of the version's present one, after the delay."""
        clock = self._backend.clock
        due_ms = clock.now_ms() + self._backend.settings.state_change_delay_s * 1000
        version.transition = clock.call_at(
            due_ms, lambda: self._finish(version, deployment), pending=True
        )

    def begin_update(self, region: str, function: Function, **changed: Any) -> None:
        """Start the update of $LATEST: until it is done, invocations run what they ran before.

        `changed` are new values of fields of FunctionVersion (package, configuration, layers...).
        Raises ApiError, with nothing changed, if code and layers are too large together.
        """
        latest = function.latest
        deployment = self.deployment(region, dataclasses.replace(latest, **changed))
        for field, value in changed.items():
            setattr(latest, field, value)
        latest.last_update_status = "InProgress"
        latest.last_modified_ms = self._backend.clock.now_ms()
        latest.revision_id = new_revision()
        self.begin(latest, deployment)

    def publish(
        self, region: str, function: Function, *, description: str | None, at_once: bool
    ) -> FunctionVersion:
        """Return the version made from $LATEST, which is an existing one if nothing has changed.

        `at_once`: it is active from the start, as after PublishVersion; otherwise it is pending,
        as after CreateFunction and UpdateFunctionCode with Publish.
        """
        latest = function.latest
        last = function.versions.get(str(function.next_version - 1))
        if last is not None and last.made_from == latest.content:
            return last
        version = self._copied(function, description)
        deployment = self.deployment(region, version)
        function.versions[version.version] = version
        function.next_version += 1
        latest.revision_id = new_revision()
        if at_once:
            version.state = "Active"
            version.last_update_status = "Successful"
            version.deployment = deployment
        else:
            self.begin(version, deployment)
        return version

    def _copied(self, function: Function, description: str | None) -> FunctionVersion:
        latest = function.latest
        configuration = latest.configuration
        if description is not None:
            configuration = dataclasses.replace(configuration, description=description)
        return FunctionVersion(
            version=str(function.next_version),
            configuration=configuration,
            environment_given=latest.environment_given,
            package=latest.package,
            layers=latest.layers,
            last_modified_ms=self._backend.clock.now_ms(),
            made_from=latest.content,
        )

    def _finish(self, version: FunctionVersion, deployment: Deployment) -> None:
        with self._backend.lock:
            if version.transition is None:  # deleted meanwhile
                return
            version.transition = None
            old = version.deployment
            version.deployment = deployment
            version.state = "Active"
            version.last_update_status = "Successful"
            version.revision_id = new_revision()
        if old is not None:
            self._backend.services.retire(old.identity)
