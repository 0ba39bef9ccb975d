"""The operations on event source mappings, and their changes of state in lab time."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any, Final, Protocol

from labkit.core import errors
from labkit.core import mapping as rules
from labkit.core.mapping import EventSource, MappingConfig
from labkit.core.names import FunctionRef, event_source_mapping_arn
from labkit.live.lambda_api import mapping_settings
from labkit.live.lambda_api.backend import Backend, Caller
from labkit.live.lambda_api.paging import page
from labkit.live.lambda_api.store import Alias, EventSourceMapping, FunctionVersion
from labkit.live.lambda_api.tags import check_tags
from labkit.live.pollers.context import Mapping as PolledMapping

_LIST_MAX: Final = 100
_STEADY: Final = ("Enabled", "Disabled")


class Pollers(Protocol):
    """What is at work behind the mappings. Mappings are named by their UUID."""

    def queue_visibility_timeout_s(self, queue_arn: str) -> float | None:
        """Return the visibility timeout of a queue, None if there is no such queue."""

    def stream_exists(self, stream_arn: str) -> bool:
        """Tell whether there is a stream with this ARN."""

    def run(self, mapping: PolledMapping) -> None:
        """Start to poll for a mapping, or follow its other settings from now on."""

    def pause(self, uuid: str) -> None:
        """Stop to poll; `run` goes on where that ended."""

    def remove(self, uuid: str) -> None:
        """Stop to poll, and forget the mapping."""

    def last_result(self, uuid: str) -> str | None:
        """Return LastProcessingResult, None if nothing has been polled."""


class EventSourceMappings:
    """Create-, Get-, List-, Update- and DeleteEventSourceMapping.

    `pollers` must be set before the first mapping is made.
    """

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self.pollers: Pollers | None = None

    def create_event_source_mapping(
        self, caller: Caller, parameters: dict[str, Any]
    ) -> dict[str, Any]:
        """CreateEventSourceMapping."""
        source = rules.event_source(parameters.get("EventSourceArn"))
        config = mapping_settings.changed(MappingConfig.default(source), source, parameters)
        rules.validate(config, source, self._backend.clock.now_ms())
        tags = check_tags(parameters.get("Tags", {}))
        reference = self._backend.reference(caller, parameters["FunctionName"])
        version = self._function_version(reference)
        self._check_source(caller, source, version)
        with self._backend.lock:
            self._check_unique(caller, source, reference)
            name = str(uuid.uuid4())
            mapping = self._backend.region(caller.region).mappings[name] = EventSourceMapping(
                uuid=name,
                arn=event_source_mapping_arn(caller.region, caller.account_id, name),
                source=source,
                function_arn=reference.arn,
                role_arn=version.configuration.role_arn,
                config=config,
                enabled=parameters.get("Enabled", True),
                last_modified_ms=self._backend.clock.now_ms(),
                tags=tags,
            )
            self._begin(caller.region, mapping, "Creating")
            return self._view(mapping)

    def get_event_source_mapping(
        self, caller: Caller, parameters: dict[str, Any]
    ) -> dict[str, Any]:
        """GetEventSourceMapping."""
        with self._backend.lock:
            return self._view(self._found(caller, parameters))

    def list_event_source_mappings(
        self, caller: Caller, parameters: dict[str, Any]
    ) -> dict[str, Any]:
        """ListEventSourceMappings: all, those of a function, those of a source, or of both."""
        name, source_arn = parameters.get("FunctionName"), parameters.get("EventSourceArn")
        asked = None if name is None else self._backend.reference(caller, name).arn
        with self._backend.lock:
            found = [
                mapping
                for mapping in self._backend.region(caller.region).mappings.values()
                if source_arn in (None, mapping.source.arn)
                # A name without a version or alias stands for those that have one, too.
                and (asked is None or f"{mapping.function_arn}:".startswith(f"{asked}:"))
            ]
            return page(found, parameters, self._view, key="EventSourceMappings", maximum=_LIST_MAX)

    def update_event_source_mapping(
        self, caller: Caller, parameters: dict[str, Any]
    ) -> dict[str, Any]:
        """UpdateEventSourceMapping."""
        with self._backend.lock:
            mapping = self._found(caller, parameters, "update")
            source = mapping.source
        config = mapping_settings.changed(mapping.config, source, parameters)
        rules.validate(config, source, self._backend.clock.now_ms())
        function_arn, role_arn = mapping.function_arn, mapping.role_arn
        if "FunctionName" in parameters:
            reference = self._backend.reference(caller, parameters["FunctionName"])
            version = self._function_version(reference)
            self._check_source(caller, source, version)
            function_arn, role_arn = reference.arn, version.configuration.role_arn
        with self._backend.lock:
            if self._found(caller, parameters, "update") is not mapping:
                raise errors.no_such_resource()
            if function_arn != mapping.function_arn:
                self._check_unique(caller, source, reference)
            enabled = parameters.get("Enabled", mapping.enabled)
            state = "Updating"
            if enabled != mapping.enabled:
                state = "Enabling" if enabled else "Disabling"
            mapping.config, mapping.enabled = config, enabled
            mapping.function_arn, mapping.role_arn = function_arn, role_arn
            mapping.last_modified_ms = self._backend.clock.now_ms()
            self._begin(caller.region, mapping, state)
            return self._view(mapping)

    def delete_event_source_mapping(
        self, caller: Caller, parameters: dict[str, Any]
    ) -> dict[str, Any]:
        """DeleteEventSourceMapping."""
        with self._backend.lock:
            mapping = self._found(caller, parameters, "delete")
            self._begin(caller.region, mapping, "Deleting")
            return self._view(mapping)

    def reset(self) -> None:
        """Stop all pollers and forget all mappings."""
        with self._backend.lock:
            for region in self._backend.regions.values():
                for mapping in region.mappings.values():
                    if mapping.transition is not None:
                        mapping.transition.cancel()
                    self._pollers().remove(mapping.uuid)
                region.mappings.clear()

    def _pollers(self) -> Pollers:
        if self.pollers is None:
            raise errors.service_exception("The lab's pollers have not started.")
        return self.pollers

    def _function_version(self, reference: FunctionRef) -> FunctionVersion:
        """Return the version that a reference leads to. Raises ApiError (400)."""
        function = self._backend.region(reference.region).functions.get(reference.name)
        holder = None if function is None else function.holder(reference.qualifier)
        if function is not None and isinstance(holder, Alias):
            holder = function.version(holder.function_version)
        if not isinstance(holder, FunctionVersion):
            raise rules.function_missing()
        return holder

    def _check_source(self, caller: Caller, source: EventSource, version: FunctionVersion) -> None:
        """Check that the source exists, and that a queue gives the function the time it needs."""
        if source.region != caller.region:
            raise rules.source_missing(source)
        if source.is_stream:
            if not self._pollers().stream_exists(source.arn):
                raise rules.source_missing(source)
            return
        visibility_timeout_s = self._pollers().queue_visibility_timeout_s(source.arn)
        if visibility_timeout_s is None:
            raise rules.source_missing(source)
        timeout_s = version.configuration.timeout_s
        if visibility_timeout_s < timeout_s:
            raise rules.queue_too_impatient(visibility_timeout_s, timeout_s)

    # The caller of what follows holds the lock.

    def _check_unique(self, caller: Caller, source: EventSource, reference: FunctionRef) -> None:
        for other in self._backend.region(caller.region).mappings.values():
            if (other.source.arn, other.function_arn) == (source.arn, reference.arn):
                raise rules.already_mapped(source, reference.name, other.uuid)

    def _found(
        self, caller: Caller, parameters: Mapping[str, Any], verb: str | None = None
    ) -> EventSourceMapping:
        """Return a mapping; with `verb`, only if it can be changed now. Raises ApiError."""
        mapping = self._backend.region(caller.region).mappings.get(parameters["UUID"])
        if mapping is None:
            raise errors.no_such_resource()
        if verb is not None and mapping.state not in _STEADY:
            raise rules.in_use(verb)
        return mapping

    def _view(self, mapping: EventSourceMapping) -> dict[str, Any]:
        return mapping_settings.view(mapping, self._pollers().last_result(mapping.uuid))

    def _begin(self, region: str, mapping: EventSourceMapping, state: str) -> None:
        """Start a change of state. Polling ends at once, and begins when the change is done."""
        mapping.state = state
        if state in ("Disabling", "Deleting"):
            self._pollers().pause(mapping.uuid)
        delay_ms = self._backend.settings.mapping_state_delay_s * 1000
        mapping.transition = self._backend.clock.call_at(
            self._backend.clock.now_ms() + delay_ms, lambda: self._finish(region, mapping)
        )

    def _finish(self, region: str, mapping: EventSourceMapping) -> None:
        """Called without the lock."""
        with self._backend.lock:
            mappings = self._backend.region(region).mappings
            if mappings.get(mapping.uuid) is not mapping:  # forgotten by a reset
                return
            mapping.transition = None
            if mapping.state == "Deleting":
                del mappings[mapping.uuid]
                self._pollers().remove(mapping.uuid)
                return
            mapping.state = "Enabled" if mapping.enabled else "Disabled"
            if mapping.enabled:
                self._pollers().run(
                    PolledMapping(
                        uuid=mapping.uuid,
                        arn=mapping.arn,
                        function_arn=mapping.function_arn,
                        event_source_arn=mapping.source.arn,
                        role_arn=mapping.role_arn,
                        config=mapping.config,
                    )
                )
