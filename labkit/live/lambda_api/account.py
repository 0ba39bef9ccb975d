"""Account settings, and the small settings of a function beside its configuration."""

from __future__ import annotations

from typing import Any

from labkit.core import quotas
from labkit.live.lambda_api.backend import Backend, Caller
from labkit.live.lambda_api.concurrency import unreserved_concurrency
from labkit.live.lambda_api.store import Function


class Account:
    """GetAccountSettings and the operations on one setting of a function."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    def get_account_settings(self, caller: Caller, parameters: dict[str, Any]) -> dict[str, Any]:
        """GetAccountSettings."""
        concurrency = self._backend.settings.account_concurrency
        with self._backend.lock:
            unreserved = unreserved_concurrency(self._backend, caller.region)
            region = self._backend.region(caller.region)
            functions, layers = region.functions.values(), region.layers.values()
            packages = [one.package for owner in functions for one in owner.every_version()]
            packages += [one.package for layer in layers for one in layer.versions.values()]
        code_bytes = sum(package.size_bytes for package in packages)
        return {
            "AccountLimit": {
                "TotalCodeSize": quotas.CODE_STORAGE_MAX_BYTES,
                "CodeSizeUnzipped": quotas.UNZIPPED_MAX_BYTES,
                "CodeSizeZipped": quotas.ZIP_UPLOAD_MAX_BYTES,
                "ConcurrentExecutions": concurrency,
                "UnreservedConcurrentExecutions": unreserved,
            },
            "AccountUsage": {
                "TotalCodeSize": code_bytes,
                "FunctionCount": len(region.functions),
            },
        }

    def put_function_recursion_config(
        self, caller: Caller, parameters: dict[str, Any]
    ) -> dict[str, Any]:
        """PutFunctionRecursionConfig."""
        function = self._function(caller, parameters)
        function.recursive_loop = parameters["RecursiveLoop"]
        return {"RecursiveLoop": function.recursive_loop}

    def get_function_recursion_config(
        self, caller: Caller, parameters: dict[str, Any]
    ) -> dict[str, Any]:
        """GetFunctionRecursionConfig."""
        return {"RecursiveLoop": self._function(caller, parameters).recursive_loop}

    def get_function_code_signing_config(
        self, caller: Caller, parameters: dict[str, Any]
    ) -> dict[str, Any]:
        """GetFunctionCodeSigningConfig: no function of this lab has one."""
        self._function(caller, parameters)
        return {}

    def get_runtime_management_config(
        self, caller: Caller, parameters: dict[str, Any]
    ) -> dict[str, Any]:
        """GetRuntimeManagementConfig: runtimes are those of this machine, so they just update."""
        function = self._function(caller, parameters)
        return {"UpdateRuntimeOn": "Auto", "FunctionArn": function.arn}

    def _function(self, caller: Caller, parameters: dict[str, Any]) -> Function:
        return self._backend.function(self._backend.unqualified(caller, parameters["FunctionName"]))
