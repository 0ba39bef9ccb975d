"""What an answer has no business to do: give a new meaning to what its check is made of.

The check runs in the same kernel as the answer, so this is no barrier. It brings back what a lab
imports from labkit before each check, and tells the teacher which cell to read.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from typing import Final

_INSIDES: Final = ("labkit.classroom", "labkit.notebook", "labkit.live")


def imports(sources: Iterable[str]) -> str:
    """Return the imports from labkit that the cells of a lab make, as one cell."""
    found = dict.fromkeys(
        ast.unparse(node)
        for source in sources
        for node in ast.walk(_tree(source))
        if isinstance(node, ast.ImportFrom) and node.module == "labkit"
    )
    return "\n".join(found)


def protected(sources: Iterable[str]) -> frozenset[str]:
    """Return the names that a lab's own cells import or define: none of an answer's."""
    return frozenset(name for source in sources for name in _made(_tree(source).body))


def meddles(source: str, names: frozenset[str]) -> list[str]:
    """Return what an answer does to the lab's own names, in words; empty if nothing."""
    tree = _tree(source)
    told = [f"gives a new meaning to `{name}`" for name in sorted(names & set(_bound(tree)))]
    told += [f"changes `{name}`" for name in sorted(names & set(_changed(tree)))]
    told += [f"reaches into {inside}" for inside in _INSIDES if inside in source]
    return told


def _tree(source: str) -> ast.Module:
    """The code of a cell; empty for the text of a file and for what Python cannot read."""
    try:
        return ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ast.Module([], [])


def _made(statements: Iterable[ast.stmt]) -> Iterator[str]:
    for node in statements:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Import | ast.ImportFrom):
            yield from (alias.asname or alias.name.partition(".")[0] for alias in node.names)


def _bound(tree: ast.Module) -> Iterator[str]:
    """The global names to which a cell gives a meaning."""
    yield from _made(node for node in tree.body if not _is_harmless_import(node))
    yield from (node.id for node in _outer(tree) if isinstance(node.ctx, ast.Store | ast.Del))
    for node in ast.walk(tree):
        if isinstance(node, ast.Global):
            yield from node.names


def _is_harmless_import(node: ast.stmt) -> bool:
    """`import json` once more: the module stays what it is."""
    if isinstance(node, ast.Import):
        return all(alias.asname in (None, alias.name) for alias in node.names)
    return isinstance(node, ast.ImportFrom) and all(alias.asname is None for alias in node.names)


def _outer(tree: ast.AST) -> Iterator[ast.Name]:
    """The names outside of functions and classes."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Name):
            yield node
        elif not isinstance(
            node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda
        ):
            yield from _outer(node)


def _changed(tree: ast.Module) -> Iterator[str]:
    """The names of whose objects a cell sets an attribute."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store | ast.Del):
            root: ast.expr = node.value
            while isinstance(root, ast.Attribute):
                root = root.value
            if isinstance(root, ast.Name):
                yield root.id
