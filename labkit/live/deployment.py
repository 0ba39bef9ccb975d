"""What the data plane needs to run one version of a function."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from labkit.core.configuration import FunctionConfiguration
from labkit.core.names import function_arn


@dataclass(frozen=True, kw_only=True)
class Deployment:
    """One version's code and configuration, unzipped and ready to run.

    ``task_dir`` holds the deployment package, ``opt_dir`` its layers merged in their order (None
    without layers). ``identity`` changes whenever code or configuration change: execution
    environments are shared by invocations of one identity and by no others.
    """

    configuration: FunctionConfiguration
    version: str
    region: str
    account_id: str
    task_dir: Path
    opt_dir: Path | None
    identity: str

    @property
    def function_name(self) -> str:
        return self.configuration.function_name

    @property
    def arn(self) -> str:
        """The function's ARN without a qualifier."""
        return function_arn(self.region, self.account_id, self.function_name)
