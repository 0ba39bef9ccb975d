"""From a function of the notebook to the file that is deployed: the function, and what it needs."""

from __future__ import annotations

import ast
import cmath
import contextlib
import dis
import inspect
import sys
import textwrap
import types
import warnings
from collections.abc import Callable, Iterator
from typing import Any, Final

from labkit.live.client import LabError

_CONSTANTS: Final = (str, bytes, int, float, complex, bool, type(None))
_LOADS: Final = ("LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS")
_WAY_OUT: Final = "Put it inside the function, or write the whole file with %%function."


def source_of(handler: Callable[..., object]) -> str:
    """Return a file that holds a function of the notebook and all that it refers to.

    Modules become imports, functions and classes of the notebook come along, plain values (numbers,
    text, None, and tuples, lists and dicts of these) become assignments of what they are now.
    Raises LabError for anything else, naming it.
    """
    if not isinstance(handler, types.FunctionType):
        kind = type(handler).__name__
        raise LabError(
            f"A handler is a function that was written with def, or a folder: no {kind}."
        )
    if handler.__name__ == "<lambda>":
        raise LabError("A lambda has no name: write the handler as def handler(event, context): …")
    file = _File(handler.__module__)
    file.add(handler.__name__, handler)
    return file.text()


class _File:
    """What the file holds, each once and after what it needs."""

    def __init__(self, home: str) -> None:
        self._home = home
        self._names: set[str] = set()
        self._imports: set[str] = set()
        self._definitions: list[str] = []
        self._assignments: list[str] = []  # since the last definition

    def text(self) -> str:
        # `import urllib.request` brings urllib too.
        needed = {
            line
            for line in self._imports
            if not any(other.startswith(f"{line}.") for other in self._imports)
        }
        imports = sorted(needed, key=lambda line: (line.startswith("from"), line))
        return "\n\n\n".join(filter(None, ["\n".join(imports), *self._definitions])) + "\n"

    def add(self, name: str, definition: types.FunctionType | type) -> None:
        """Add a function or a class of the notebook, and before it what it needs."""
        self._names.add(name)  # at once, so that functions that call each other come to an end
        source, tree, code = _definition(name, definition)
        if isinstance(definition, types.FunctionType):
            variables = definition.__globals__
            _refuse_what_text_cannot_carry(name, definition, tree)
        else:
            variables = vars(sys.modules[definition.__module__])
        used = {used for used in _globals_of(code) if not used.startswith("__")}
        for needed in [variable for variable in variables if variable in used]:
            if needed not in self._names:
                self._add_needed(needed, variables[needed], user=name)
        self._imports.update(_submodules(tree, variables))
        self._definitions += ["\n".join(self._assignments), source]
        self._assignments.clear()

    def _add_needed(self, name: str, value: object, *, user: str) -> None:
        """Add what `user` refers to by `name`."""
        is_own = getattr(value, "__module__", None) == self._home
        if is_own and isinstance(value, types.FunctionType | type) and value.__name__ == name:
            self.add(name, value)
            return
        self._names.add(name)
        line = _import_of(name, value, self._home)
        if line is not None:
            self._imports.add(line)
            return
        with contextlib.suppress(RecursionError):  # a list that holds itself
            if _is_constant(value):
                self._assignments.append(f"{name} = {value!r}")
                return
        raise LabError(
            f"{user} uses {name}, which is {_what(value)}. Only modules, functions, classes and "
            f"plain values (numbers, text, lists, …) can come along. {_WAY_OUT}"
        )


def _definition(
    name: str, definition: types.FunctionType | type
) -> tuple[str, ast.Module, types.CodeType]:
    """The source of a function or a class, its syntax tree, and its code."""
    try:
        source = inspect.getsource(definition)
    except (OSError, TypeError):
        source = _class_in_cells(name) if isinstance(definition, type) else ""
    source = textwrap.dedent(source).rstrip()
    try:
        tree = parsed(source)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            code = compile(tree, name, "exec", dont_inherit=True)
    except SyntaxError:  # dedented text inside a longer string, for example
        source = ""
    if not source:
        raise LabError(f"The source of {name} is not to be found. {_WAY_OUT}")
    return source, tree, code


def _class_in_cells(name: str) -> str:
    """The source of a class in the cells run so far; inspect finds it from Python 3.13 on."""
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    for cell in reversed(shell.user_ns["In"] if shell is not None else []):
        try:
            tree = parsed(cell)
        except SyntaxError:
            continue
        for node in reversed(tree.body):
            if isinstance(node, ast.ClassDef) and node.name == name:
                first = min([node.lineno, *(line.lineno for line in node.decorator_list)])
                return "\n".join(cell.splitlines()[first - 1 : node.end_lineno])
    return ""


def parsed(source: str | bytes) -> ast.Module:
    """Parse without warnings, which are for who writes the code and has seen them.

    Raises SyntaxError, or ValueError for what is no text.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ast.parse(source)


def _refuse_what_text_cannot_carry(
    name: str, function: types.FunctionType, tree: ast.Module
) -> None:
    (node,) = tree.body
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.decorator_list:
        decorator = ast.unparse(node.decorator_list[0])
        raise LabError(
            f"{name} has the decorator @{decorator}, which makes another function of it. "
            "Write the whole file with %%function."
        )
    if function.__closure__:
        variables = ", ".join(function.__code__.co_freevars)
        raise LabError(f"{name} uses {variables} of the function around it. {_WAY_OUT}")


def _globals_of(code: types.CodeType) -> Iterator[str]:
    """The names that code looks up outside, when it is defined and when it runs."""
    steps = list(dis.get_instructions(code))
    # What a class body assigns is its own.
    own = {step.argval for step in steps if step.opname == "STORE_NAME"}
    for step in steps:
        if step.opname in _LOADS and step.argval not in own:
            yield step.argval
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _globals_of(constant)


def _import_of(name: str, value: object, home: str) -> str | None:
    """The line that imports a value under this name; None if it is not to be had by an import."""
    if isinstance(value, types.ModuleType):
        return f"import {value.__name__}" + ("" if value.__name__ == name else f" as {name}")
    # A constant such as datetime.UTC tells its module by its type, and its own name not at all.
    module = getattr(value, "__module__", None) or type(value).__module__
    if module == home or type(value) in _CONSTANTS:
        return None
    for original in (getattr(value, "__name__", name), name):
        if getattr(sys.modules.get(str(module)), str(original), None) is value:
            line = f"from {module} import {original}"
            return line if original == name else f"{line} as {name}"
    return None


def _submodules(tree: ast.AST, variables: dict[str, Any]) -> Iterator[str]:
    """Imports of modules inside packages, as in urllib.request.urlopen after `import urllib`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            package, *path = ast.unparse(node).split(".")
            value = variables.get(package)
            if isinstance(value, types.ModuleType):
                full_name = ".".join([value.__name__, *path])
                # os.path is only another name of posixpath, which `import os` brings.
                if getattr(sys.modules.get(full_name), "__name__", None) == full_name:
                    yield f"import {full_name}"


def _is_constant(value: object) -> bool:
    if type(value) is dict:
        return all(map(_is_constant, (*value, *value.values())))
    if isinstance(value, list | tuple) and type(value) in (list, tuple):
        return all(map(_is_constant, value))
    if isinstance(value, float | complex) and not cmath.isfinite(value):
        return False  # infinity and NaN cannot be written as such
    return type(value) in _CONSTANTS


def _what(value: object) -> str:
    if isinstance(value, types.FunctionType):
        is_lambda = value.__name__ == "<lambda>"
        return "a lambda" if is_lambda else f"another name of the function {value.__name__}"
    if isinstance(value, float | complex):
        return f"the number {value}"
    return f"an object of type {type(value).__name__}"
