"""Deployment packages, and functions made of them."""

from __future__ import annotations

import ast
import io
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from labkit.core.quotas import MIB, UNZIPPED_MAX_BYTES, ZIP_UPLOAD_MAX_BYTES
from labkit.live.client import LabError
from labkit.notebook.source import parsed

if TYPE_CHECKING:  # it takes a while to load, which Lab.start() does while the server starts
    from botocore.client import BaseClient

FILE: Final = "app.py"
HANDLER: Final = "app.handler"
RUNTIME: Final = "python3.13"
MEMORY_MB: Final = 128
TIMEOUT_S: Final = 3

_ZIP_DATE: Final = (1980, 1, 1, 0, 0, 0)  # the same code gives the same package
_LEFT_OUT: Final = frozenset({"__pycache__", ".ipynb_checkpoints", ".git", ".venv"})
_HANDLER_FILES: Final = ("app.py", "lambda_function.py", "main.py", "handler.py")
_HANDLER_NAMES: Final = ("handler", "lambda_handler")
# boto3 looks once a second, which is longer than the lab takes.
_LOOK_OFTEN: Final = {"Delay": 0.05, "MaxAttempts": 1200}


@dataclass(frozen=True, slots=True)
class Function:
    """A deployed function; invoke it with boto3 by its `name`."""

    name: str
    runtime: str
    memory_mb: int
    timeout_s: int
    handler: str
    source: str | None = field(default=None, repr=False)
    """The file that was deployed, if it came from the notebook."""

    def __repr__(self) -> str:
        size = f"{self.runtime}, {self.memory_mb:,} MB, timeout {self.timeout_s} s"
        return f"{self.name}: {size}, handler {self.handler}"


def deploy(
    client: BaseClient,
    package: bytes,
    function: Function,
    *,
    role_arn: str,
    environment: dict[str, str] | None = None,
    **options: Any,
) -> Function:
    """Create a function, or update code and configuration of the one with this name, and wait
    until it can be invoked.

    `client` is boto3's of Lambda, `options` are further ones of its `create_function`; an update
    leaves as it is what they do not name. Raises botocore's ClientError if AWS would refuse.
    """
    configuration = {
        "FunctionName": function.name,
        "Runtime": function.runtime,
        "Handler": function.handler,
        "MemorySize": function.memory_mb,
        "Timeout": function.timeout_s,
        "Role": role_arn,
        "Environment": {"Variables": environment or {}},
        **options,
    }
    try:
        client.create_function(**configuration, Code={"ZipFile": package})
    except client.exceptions.ResourceConflictException:
        _update(client, package, configuration)
    _wait(client, "function_active_v2", function.name)
    return function


def _update(client: BaseClient, package: bytes, configuration: dict[str, Any]) -> None:
    name = configuration["FunctionName"]
    _wait(client, "function_active_v2", name)
    _wait(client, "function_updated_v2", name)
    client.update_function_configuration(
        **_that_belong_to(client, "UpdateFunctionConfiguration", configuration)
    )
    _wait(client, "function_updated_v2", name)
    updated = client.update_function_code(
        **_that_belong_to(client, "UpdateFunctionCode", configuration), ZipFile=package
    )
    if "Tags" in configuration:
        arn = f"{updated['FunctionArn'].partition(':function:')[0]}:function:{name}"
        client.tag_resource(Resource=arn, Tags=configuration["Tags"])
    _wait(client, "function_updated_v2", name)


def _that_belong_to(client: BaseClient, operation: str, options: dict[str, Any]) -> dict[str, Any]:
    members = client.meta.service_model.operation_model(operation).input_shape.members
    return {name: value for name, value in options.items() if name in members}


def _wait(client: BaseClient, waiter: str, name: str) -> None:
    client.get_waiter(waiter).wait(FunctionName=name, WaiterConfig=_LOOK_OFTEN)


def package_of_source(source: str) -> bytes:
    """Return a deployment package that holds one file, `app.py`."""
    return _zip([(FILE, source.encode(), False)])


def package_of_folder(folder: Path) -> bytes:
    """Return a deployment package of a folder; the same files give the same bytes.

    Caches, checkpoints, `.git` and `.venv` stay out. Raises LabError for a folder that is missing,
    empty, too large for a package, or not to be read.
    """
    if not folder.is_dir():
        raise LabError(f"There is no folder {str(folder)!r} to deploy.")
    paths = [
        path
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not _LEFT_OUT & set(path.relative_to(folder).parts)
    ]
    if not paths:
        raise LabError(f"The folder {str(folder)!r} is empty: it needs a file with a handler.")
    _check_size(folder, sum(path.stat().st_size for path in paths), UNZIPPED_MAX_BYTES, "files")
    try:
        package = _zip(
            (path.relative_to(folder).as_posix(), path.read_bytes(), _is_program(path))
            for path in paths
        )
    except OSError as error:
        raise LabError(f"{error.filename!r} cannot be read: {error.strerror}.") from None
    _check_size(folder, len(package), ZIP_UPLOAD_MAX_BYTES, "a zip file")
    return package


def _check_size(folder: Path, size: int, limit: int, what: str) -> None:
    if size > limit:
        raise LabError(
            f"The folder {str(folder)!r} makes {size / MIB:,.1f} MB as {what}; Lambda takes "
            f"{limit // MIB} MB. Leave out what the function does not need."
        )


def _is_program(path: Path) -> bool:
    return bool(path.stat().st_mode & 0o100)


def handler_of_folder(folder: Path) -> str:
    """Return the handler of a folder's usual file, such as "app.handler".

    Raises LabError if there is none, or more than one.
    """
    found = [
        f"{Path(file).stem}.{name}"
        for file in _HANDLER_FILES
        if (folder / file).is_file()
        for name in _HANDLER_NAMES
        if name in _functions_of((folder / file).read_bytes())
    ]
    if len(found) == 1:
        return found[0]
    said = f"has several: {', '.join(found)}" if found else "shows no handler"
    raise LabError(
        f"The folder {str(folder)!r} {said}. Name the one to use, as in handler_name='app.handler'."
    )


def _functions_of(source: bytes) -> set[str]:
    try:
        body = parsed(source).body
    except (SyntaxError, ValueError):
        return set()
    return {node.name for node in body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


def _zip(files: Iterable[tuple[str, bytes, bool]]) -> bytes:
    package = io.BytesIO()
    with zipfile.ZipFile(package, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content, is_program in files:
            entry = zipfile.ZipInfo(name, _ZIP_DATE)
            entry.external_attr = (0o755 if is_program else 0o644) << 16
            archive.writestr(entry, content, zipfile.ZIP_DEFLATED)
    return package.getvalue()
