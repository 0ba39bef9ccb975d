"""Tags of functions and event source mappings."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from labkit.core import quotas
from labkit.core.errors import invalid_parameter, no_such_resource, too_many_tags
from labkit.live.lambda_api.backend import Backend, Caller
from labkit.live.lambda_api.store import EventSourceMapping, Function


class Tags:
    """TagResource, UntagResource and ListTags, for functions and event source mappings."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    def tag_resource(self, caller: Caller, parameters: dict[str, Any]) -> dict[str, Any]:
        """TagResource."""
        if not parameters["Tags"]:
            raise invalid_parameter("An error occurred and the request cannot be processed.")
        with self._backend.lock:
            tagged = self._tagged(caller, parameters)
            tagged.tags = check_tags({**tagged.tags, **parameters["Tags"]})
        return {}

    def untag_resource(self, caller: Caller, parameters: dict[str, Any]) -> dict[str, Any]:
        """UntagResource; tags that are not there are passed over."""
        with self._backend.lock:
            tagged = self._tagged(caller, parameters)
            for key in parameters["TagKeys"]:
                tagged.tags.pop(key, None)
        return {}

    def list_tags(self, caller: Caller, parameters: dict[str, Any]) -> dict[str, Any]:
        """ListTags."""
        return {"Tags": dict(self._tagged(caller, parameters).tags)}

    def _tagged(
        self, caller: Caller, parameters: Mapping[str, Any]
    ) -> Function | EventSourceMapping:
        arn: str = parameters["Resource"]
        kind = arn.split(":")[5]
        if kind == "event-source-mapping":
            mapping = self._backend.region(caller.region).mappings.get(arn.split(":")[6])
            if mapping is None or mapping.arn != arn:
                raise no_such_resource()
            return mapping
        if kind != "function":
            raise no_such_resource()
        reference = self._backend.reference(caller, arn)
        if reference.qualifier is not None:
            raise invalid_parameter(
                "Tags on function aliases and versions are not supported. "
                "Please specify a function ARN."
            )
        return self._backend.function(dataclasses.replace(reference, qualifier=None))


def check_tags(tags: Mapping[str, str]) -> dict[str, str]:
    """Return the tags. Raises ApiError (400) if there are more than a resource may have."""
    if len(tags) > quotas.TAGS_PER_RESOURCE_MAX:
        raise too_many_tags()
    return dict(tags)
