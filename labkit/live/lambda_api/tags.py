"""Tags of functions."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from labkit.core import quotas
from labkit.core.errors import invalid_parameter, no_such_resource, too_many_tags
from labkit.live.lambda_api.backend import Backend, Caller
from labkit.live.lambda_api.store import Function


class Tags:
    """TagResource, UntagResource and ListTags. Of the resources that carry tags, functions."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    def tag_resource(self, caller: Caller, parameters: dict[str, Any]) -> dict[str, Any]:
        """TagResource."""
        if not parameters["Tags"]:
            raise invalid_parameter("An error occurred and the request cannot be processed.")
        with self._backend.lock:
            function = self._function(caller, parameters)
            function.tags = check_tags({**function.tags, **parameters["Tags"]})
        return {}

    def untag_resource(self, caller: Caller, parameters: dict[str, Any]) -> dict[str, Any]:
        """UntagResource; tags that are not there are passed over."""
        with self._backend.lock:
            function = self._function(caller, parameters)
            for key in parameters["TagKeys"]:
                function.tags.pop(key, None)
        return {}

    def list_tags(self, caller: Caller, parameters: dict[str, Any]) -> dict[str, Any]:
        """ListTags."""
        return {"Tags": dict(self._function(caller, parameters).tags)}

    def _function(self, caller: Caller, parameters: Mapping[str, Any]) -> Function:
        arn: str = parameters["Resource"]
        if arn.split(":")[5] != "function":
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
