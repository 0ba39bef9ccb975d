"""The surroundings of a lab in the notebook's process: environment variables and the `aws` command.

Whatever a cell or a command started from it does with AWS must reach the lab, and only the lab.
"""

from __future__ import annotations

import os
import shlex
import shutil
import sysconfig
from collections.abc import Mapping
from pathlib import Path
from typing import Final

_LOCAL: Final = ("127.0.0.1", "localhost")
_WRAPPER: Final = """\
#!/bin/sh
# The aws command of this lab. It adds the lab's address to every command, because the AWS CLI
# ignores AWS_ENDPOINT_URL for some services (SQS among them) and would call the real AWS. An
# --endpoint-url that you type yourself comes later and so wins.
exec {aws} --endpoint-url {endpoint} "$@"
"""
_MISSING: Final = """\
#!/bin/sh
echo "aws: the AWS CLI is not installed. Install it with: pip install awscli" >&2
exit 127
"""


class Surroundings:
    """What a lab changes in `os.environ`, and how to change it back."""

    def __init__(self) -> None:
        self._before: dict[str, str | None] = {}

    def enter(self, values: Mapping[str, str], bin_dir: Path) -> None:
        """Set AWS's variables to `values` and no others, and put `bin_dir` first on PATH."""
        changes: dict[str, str | None] = {
            # A profile, a role or an address set outside would lead away from the lab.
            name: None
            for name in os.environ
            if name.startswith("AWS_")
        }
        changes.update(values)
        changes["PATH"] = os.pathsep.join([str(bin_dir), os.environ.get("PATH", os.defpath)])
        for name in ("NO_PROXY", "no_proxy"):
            listed = [entry for entry in os.environ.get(name, "").split(",") if entry]
            changes[name] = ",".join([*listed, *(host for host in _LOCAL if host not in listed)])
        for name, value in changes.items():
            self._before[name] = os.environ.get(name)
            _set(name, value)

    def leave(self) -> None:
        """Set everything back."""
        before, self._before = self._before, {}
        for name, value in before.items():
            _set(name, value)


def _set(name: str, value: str | None) -> None:
    if value is None:
        os.environ.pop(name, None)
    else:
        os.environ[name] = value


def aws_variables(ready: Mapping[str, str], directory: Path) -> dict[str, str]:
    """Return the variables that make boto3 and `aws` use the lab; writes empty files for two."""
    config, credentials = directory / "config", directory / "credentials"
    config.touch()
    credentials.touch()
    return {
        "AWS_ENDPOINT_URL": ready["endpoint"],
        "AWS_DEFAULT_REGION": ready["region"],
        "AWS_REGION": ready["region"],
        "AWS_ACCESS_KEY_ID": ready["access_key_id"],
        "AWS_SECRET_ACCESS_KEY": ready["secret_access_key"],
        "AWS_CONFIG_FILE": str(config),
        "AWS_SHARED_CREDENTIALS_FILE": str(credentials),
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_PAGER": "",  # a pager would wait for keys that a notebook cannot send
    }


def write_aws_command(bin_dir: Path, endpoint: str) -> None:
    """Write an `aws` that always goes to the lab; the real one is looked for now."""
    bin_dir.mkdir()
    aws = shutil.which("aws") or shutil.which("aws", path=sysconfig.get_path("scripts"))
    text = _MISSING
    if aws is not None:
        text = _WRAPPER.format(aws=shlex.quote(aws), endpoint=shlex.quote(endpoint))
    command = bin_dir / "aws"
    command.write_text(text)
    command.chmod(0o700)
