"""Layers: versions of them, who may use them, and which of them a function has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from labkit.core import errors, quotas
from labkit.core.configuration import check_layers
from labkit.core.names import layer_arn, layer_version_arn, parse_layer_version_arn
from labkit.live.lambda_api import views
from labkit.live.lambda_api.backend import Backend, Caller
from labkit.live.lambda_api.paging import page
from labkit.live.lambda_api.store import Layer, LayerVersion


class Layers:
    """The operations on layers and their versions."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    def content(self, code: Mapping[str, Any]) -> bytes:
        """Return the zip file that a request carries or that lies in S3. Raises ApiError."""
        if "ZipFile" in code:
            if any(name in code for name in ("S3Bucket", "S3Key", "S3ObjectVersion")):
                raise errors.invalid_parameter(
                    "Please do not provide other FunctionCode parameters when providing a ZipFile."
                )
            content: bytes = code["ZipFile"]
            if len(content) > quotas.ZIP_UPLOAD_MAX_BYTES:
                raise errors.zip_too_large(quotas.ZIP_UPLOAD_MAX_BYTES)
            if not content:
                raise errors.invalid_parameter("Uploaded file must be a non-empty zip")
            return content
        if "S3Bucket" in code and "S3Key" in code:
            return self._backend.services.s3_object(
                code["S3Bucket"], code["S3Key"], code.get("S3ObjectVersion")
            )
        raise errors.invalid_parameter("Please provide a source for function code.")

    def of_function(self, caller: Caller, arns: Sequence[str]) -> tuple[LayerVersion, ...]:
        """Return the layer versions that a function names, in its order.

        Raises ApiError: the rules of layers of one function, a layer version that does not exist,
        a layer of another account.
        """
        check_layers(arns, region=caller.region)
        return tuple(self._used(caller, arn) for arn in arns)

    def _used(self, caller: Caller, arn: str) -> LayerVersion:
        reference = parse_layer_version_arn(arn)
        if reference is None or reference.account_id != caller.account_id:
            raise errors.not_authorized(
                caller.arn,
                "lambda:GetLayerVersion",
                arn,
                "no resource-based policy allows the lambda:GetLayerVersion action",
            )
        layer = self._backend.region(reference.region).layers.get(reference.name)
        version = None if layer is None else layer.versions.get(reference.version)
        if version is None:
            raise errors.invalid_parameter(f"Layer version {arn} does not exist.")
        return version

    def publish_layer_version(self, caller: Caller, parameters: dict[str, Any]) -> dict[str, Any]:
        """PublishLayerVersion."""
        name = _name(caller, parameters["LayerName"])
        package = self._backend.packages.add_layer(self.content(parameters["Content"]))
        with self._backend.lock:
            layers = self._backend.region(caller.region).layers
            layer = layers.setdefault(name, Layer(name))
            number = layer.next_version
            layer.next_version += 1
            version = layer.versions[number] = LayerVersion(
                arn=layer_version_arn(caller.region, caller.account_id, name, number),
                layer_arn=layer_arn(caller.region, caller.account_id, name),
                version=number,
                package=package,
                description=parameters.get("Description", ""),
                compatible_runtimes=parameters.get("CompatibleRuntimes"),
                compatible_architectures=parameters.get("CompatibleArchitectures"),
                license_info=parameters.get("LicenseInfo"),
                created_ms=self._backend.clock.now_ms(),
            )
        return views.layer_version_with_content(version, self._backend.endpoint_url)

    def get_layer_version(self, caller: Caller, parameters: dict[str, Any]) -> dict[str, Any]:
        """GetLayerVersion."""
        found = self._version(caller, parameters)
        if found is None:
            raise errors.no_such_resource()
        return views.layer_version_with_content(found, self._backend.endpoint_url)

    def get_layer_version_by_arn(
        self, caller: Caller, parameters: dict[str, Any]
    ) -> dict[str, Any]:
        """GetLayerVersionByArn."""
        reference = parse_layer_version_arn(parameters["Arn"])
        found = None
        if reference is not None and reference.account_id == caller.account_id:
            layer = self._backend.region(reference.region).layers.get(reference.name)
            found = None if layer is None else layer.versions.get(reference.version)
        if found is None:
            raise errors.no_such_resource()
        return views.layer_version_with_content(found, self._backend.endpoint_url)

    def list_layer_versions(self, caller: Caller, parameters: dict[str, Any]) -> dict[str, Any]:
        """ListLayerVersions: newest first; a layer that does not exist has none."""
        with self._backend.lock:
            layers = self._backend.region(caller.region).layers
            layer = layers.get(_name(caller, parameters["LayerName"]))
            found = [] if layer is None else _matching(layer, parameters)
        return page(found, parameters, views.layer_version, key="LayerVersions")

    def list_layers(self, caller: Caller, parameters: dict[str, Any]) -> dict[str, Any]:
        """ListLayers: each with its newest version that fits."""
        with self._backend.lock:
            rows = [
                (layer, found[0])
                for _, layer in sorted(self._backend.region(caller.region).layers.items())
                if (found := _matching(layer, parameters))
            ]
        return page(rows, parameters, _listed, key="Layers")

    def delete_layer_version(self, caller: Caller, parameters: dict[str, Any]) -> dict[str, Any]:
        """DeleteLayerVersion; functions that have it keep it, and deleting twice is no error."""
        with self._backend.lock:
            if self._version(caller, parameters) is not None:
                name = _name(caller, parameters["LayerName"])
                layer = self._backend.region(caller.region).layers[name]
                del layer.versions[parameters["VersionNumber"]]
        return {}

    def _version(self, caller: Caller, parameters: Mapping[str, Any]) -> LayerVersion | None:
        if parameters["VersionNumber"] < 1:
            raise errors.invalid_parameter("Layer Version Cannot be less than 1")
        layers = self._backend.region(caller.region).layers
        layer = layers.get(_name(caller, parameters["LayerName"]))
        return None if layer is None else layer.versions.get(parameters["VersionNumber"])

    def existing(self, caller: Caller, parameters: Mapping[str, Any]) -> LayerVersion:
        """Return a layer version whose permissions are asked for. Raises ApiError (404)."""
        found = self._version(caller, parameters)
        if found is None:
            arn = layer_version_arn(
                caller.region,
                caller.account_id,
                _name(caller, parameters["LayerName"]),
                parameters["VersionNumber"],
            )
            raise errors.resource_not_found(f"Layer version {arn} does not exist.")
        return found


def _matching(layer: Layer, parameters: Mapping[str, Any]) -> list[LayerVersion]:
    runtime = parameters.get("CompatibleRuntime")
    architecture = parameters.get("CompatibleArchitecture")
    return [
        version
        for _, version in sorted(layer.versions.items(), reverse=True)
        if (runtime is None or runtime in (version.compatible_runtimes or ()))
        and (architecture is None or architecture in (version.compatible_architectures or ()))
    ]


def _listed(row: tuple[Layer, LayerVersion]) -> dict[str, Any]:
    layer, newest = row
    return {
        "LayerName": layer.name,
        "LayerArn": newest.layer_arn,
        "LatestMatchingVersion": views.layer_version(newest),
    }


def _name(caller: Caller, text: str) -> str:
    """Return the name of a layer that is given by name or by ARN."""
    if not text.startswith("arn:"):
        return text
    region, account_id, name = (text.split(":")[part] for part in (3, 4, 6))
    if (region, account_id) != (caller.region, caller.account_id):
        raise errors.not_authorized(
            caller.arn,
            "lambda:GetLayerVersion",
            text,
            "this lab holds the layers of one account only, each in its own Region",
        )
    return name
