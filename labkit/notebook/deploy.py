"""From code in a notebook or a folder to a function that can be invoked."""

from __future__ import annotations

import ast
import dis
import inspect
import io
import textwrap
import types
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from botocore.client import BaseClient

from labkit.live.client import LabError

FILE: Final = "app.py"
HANDLER: Final = "app.handler"
RUNTIME: Final = "python3.13"
MEMORY_MB: Final = 128
TIMEOUT_S: Final = 3

_ZIP_DATE: Final = (1980, 1, 1, 0, 0, 0)  # the same code gives the same package
_LEFT_OUT: Final = frozenset({"__pycache__", ".ipynb_checkpoints", ".git", ".venv"})
_HANDLER_FILES: Final = ("app.py", "lambda_function.py", "main.py", "handler.py")
_HANDLER_NAMES: Final = ("handler", "lambda_handler")
_CONSTANTS: Final = (str, bytes, int, float, complex, bool, type(None))
_WAY_OUT: Final = "Put it inside the function, or write the whole file with %%function."


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

    `client` is boto3's of Lambda, `options` are further ones of its `create_function`. Raises
    botocore's ClientError if AWS would refuse.
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
        updated = client.get_waiter("function_updated_v2")
        client.get_waiter("function_active_v2").wait(FunctionName=function.name)
        client.update_function_configuration(**configuration)
        updated.wait(FunctionName=function.name)
        client.update_function_code(FunctionName=function.name, ZipFile=package)
        updated.wait(FunctionName=function.name)
    else:
        client.get_waiter("function_active_v2").wait(FunctionName=function.name)
    return function


def package_of_source(source: str) -> bytes:
    """Return a deployment package that holds one file, `app.py`."""
    return _zip([(FILE, source.encode(), False)])


def package_of_folder(folder: Path) -> bytes:
    """Return a deployment package of a folder; the same files give the same bytes.

    Raises LabError for a folder that is missing or empty.
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
    return _zip(
        (path.relative_to(folder).as_posix(), path.read_bytes(), bool(path.stat().st_mode & 0o100))
        for path in paths
    )


def handler_of_folder(folder: Path) -> str:
    """Return the handler of a folder's usual file, such as "app.handler".

    Raises LabError if there is none, or more than one.
    """
    found = [
        f"{Path(file).stem}.{name}"
        for file in _HANDLER_FILES
        if (folder / file).is_file()
        for name in _HANDLER_NAMES
        if name in _functions_of((folder / file).read_text(encoding="utf-8"))
    ]
    if len(found) == 1:
        return found[0]
    said = f"has several: {', '.join(found)}" if found else "shows no handler"
    raise LabError(
        f"The folder {str(folder)!r} {said}. Name the one to use, as in handler_name='app.handler'."
    )


def _functions_of(source: str) -> set[str]:
    try:
        return {node.name for node in ast.parse(source).body if isinstance(node, ast.FunctionDef)}
    except SyntaxError:
        return set()


def source_of(handler: Callable[..., object]) -> str:
    """Return a file that holds a function of the notebook and all that it refers to.

    Modules become imports, functions come along, plain constants become assignments. Raises
    LabError for anything else, naming it.
    """
    if not isinstance(handler, types.FunctionType) or handler.__name__ == "<lambda>":
        raise LabError(
            f"A handler is a function with a name (def handler(event, context): …) or a folder, "
            f"not {handler!r}."
        )
    parts = _Parts()
    parts.add_function(handler)
    return parts.text()


class _Parts:
    """The parts of a file, each once and after what it needs."""

    def __init__(self) -> None:
        self._imports: dict[str, str] = {}
        self._rest: dict[str, str] = {}

    def text(self) -> str:
        imports = "\n".join(sorted(self._imports.values()))
        return "\n\n".join(filter(None, [imports, *self._rest.values()])) + "\n"

    def add_function(self, function: types.FunctionType) -> None:
        if function.__closure__:
            raise LabError(
                f"{function.__name__} uses variables of the function around it. {_WAY_OUT}"
            )
        try:
            source = textwrap.dedent(inspect.getsource(function)).rstrip()
        except (OSError, TypeError):
            raise LabError(
                f"The source of {function.__name__} is not to be found. {_WAY_OUT}"
            ) from None
        self._rest[function.__name__] = ""  # so that functions that call each other come to an end
        for name in sorted(_names(function, source)):
            if name != function.__name__ and name in function.__globals__:
                self._add(name, function.__globals__[name], function.__name__)
        del self._rest[function.__name__]
        self._rest[function.__name__] = source

    def _add(self, name: str, value: object, user: str) -> None:
        if name in self._rest or name in self._imports:
            return
        if isinstance(value, types.ModuleType):
            alias = "" if value.__name__ == name else f" as {name}"
            self._imports[name] = f"import {value.__name__}{alias}"
        elif _is_of_a_module(value):
            alias = "" if value.__name__ == name else f" as {name}"  # type: ignore[attr-defined]
            self._imports[name] = f"from {value.__module__} import {value.__name__}{alias}"  # type: ignore[attr-defined]
        elif isinstance(value, types.FunctionType) and value.__name__ == name:
            self.add_function(value)
        elif _is_constant(value):
            self._rest[name] = f"{name} = {value!r}"
        else:
            raise LabError(
                f"{user} uses {name}, a {type(value).__name__} of the notebook. {_WAY_OUT}"
            )


def _names(function: types.FunctionType, source: str) -> set[str]:
    """The global names that a function uses, when it runs and when it is defined."""
    definition = ast.parse(source).body[0]
    assert isinstance(definition, ast.FunctionDef | ast.AsyncFunctionDef)
    around: list[ast.AST] = [*definition.decorator_list, definition.args]
    around += [definition.returns] if definition.returns else []
    names = {node.id for part in around for node in ast.walk(part) if isinstance(node, ast.Name)}
    return names | set(_globals_of(function.__code__))


def _globals_of(code: types.CodeType) -> Iterator[str]:
    for instruction in dis.get_instructions(code):
        if instruction.opname in ("LOAD_GLOBAL", "LOAD_NAME"):
            yield instruction.argval
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _globals_of(constant)


def _is_of_a_module(value: object) -> bool:
    """Whether it is a function or a class that can be imported, not one of the notebook."""
    home = getattr(value, "__module__", None)
    name = getattr(value, "__qualname__", "")
    return (
        isinstance(value, type | types.FunctionType | types.BuiltinFunctionType)
        and home not in (None, "__main__")
        and name.isidentifier()
    )


def _is_constant(value: object) -> bool:
    if isinstance(value, dict):
        return all(map(_is_constant, (*value, *value.values())))
    if type(value) in (list, tuple, set):
        return all(map(_is_constant, value))  # type: ignore[call-overload]
    return type(value) in _CONSTANTS


def _zip(files: Any) -> bytes:
    package = io.BytesIO()
    with zipfile.ZipFile(package, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content, is_program in files:
            entry = zipfile.ZipInfo(name, _ZIP_DATE)
            entry.external_attr = (0o755 if is_program else 0o644) << 16
            archive.writestr(entry, content, zipfile.ZIP_DEFLATED)
    return package.getvalue()
