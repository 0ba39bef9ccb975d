"""Where code lies on disk: uploaded packages, unpacked functions, and layers merged for /opt.

A folder lives as long as something refers to it: a version or layer in the store, or a Deployment
that an environment may still run. When the last reference goes, its folder goes.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
import shutil
import threading
import uuid
import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from labkit.core import quotas
from labkit.core.errors import unzipped_too_large
from labkit.live.deployment import Deployment
from labkit.live.lambda_api.archive import Archive


@dataclass(frozen=True, eq=False)
class Package:
    """One uploaded zip file.

    `sha256` is base64, as CodeSha256 shows it; `size_bytes` is the zip's; `task_dir` holds the
    unpacked code of a function, None for a layer; `token` names the download.
    """

    sha256: str
    size_bytes: int
    unzipped_bytes: int
    zip_path: Path
    task_dir: Path | None
    token: str


@dataclass(frozen=True, eq=False)
class OptTree:
    """The content of /opt for one list of layers."""

    directory: Path


class PackageStore:
    """The packages under one folder. Safe to use from several threads."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._lock = threading.RLock()
        self._by_token: weakref.WeakValueDictionary[str, Package] = weakref.WeakValueDictionary()
        self._opt: weakref.WeakValueDictionary[tuple[str, ...], OptTree] = (
            weakref.WeakValueDictionary()
        )

    def add_function(self, content: bytes, *, layers_bytes: int) -> Package:
        """Unpack a function's code; `layers_bytes` is the unzipped size of its layers.

        Raises ApiError for what `Archive` refuses.
        """
        allowance = max(quotas.UNZIPPED_MAX_BYTES - layers_bytes, 0)
        return self._add(Archive(content, allowance_bytes=allowance), content, unpack=True)

    def add_layer(self, content: bytes) -> Package:
        """Keep a layer's zip file; it is unpacked where functions use it."""
        return self._add(Archive(content), content, unpack=False)

    def _add(self, archive: Archive, content: bytes, *, unpack: bool) -> Package:
        directory = self._directory / "code" / uuid.uuid4().hex
        task_dir = directory / "task" if unpack else None
        (task_dir or directory).mkdir(parents=True)
        try:
            unzipped = archive.unpack(task_dir) if task_dir is not None else archive.measure()
            zip_path = directory / "package.zip"
            zip_path.write_bytes(content)
        except BaseException:
            shutil.rmtree(directory, ignore_errors=True)
            raise
        package = Package(
            sha256=base64.b64encode(hashlib.sha256(content).digest()).decode(),
            size_bytes=len(content),
            unzipped_bytes=unzipped,
            zip_path=zip_path,
            task_dir=task_dir,
            token=secrets.token_urlsafe(32),
        )
        weakref.finalize(package, shutil.rmtree, directory, ignore_errors=True)
        with self._lock:
            self._by_token[package.token] = package
        return package

    def opt_tree(self, layers: Sequence[Package]) -> OptTree | None:
        """Return /opt for these layers, later ones over earlier ones; None without layers."""
        if not layers:
            return None
        key = tuple(layer.token for layer in layers)
        with self._lock:
            tree = self._opt.get(key)
            if tree is None:
                tree = self._opt[key] = self._merge(layers)
            return tree

    def _merge(self, layers: Sequence[Package]) -> OptTree:
        directory = self._directory / "opt" / uuid.uuid4().hex
        directory.mkdir(parents=True)
        try:
            for layer in layers:
                Archive(layer.zip_path.read_bytes()).unpack(directory)
        except BaseException:
            shutil.rmtree(directory, ignore_errors=True)
            raise
        tree = OptTree(directory)
        weakref.finalize(tree, shutil.rmtree, directory, ignore_errors=True)
        return tree

    def by_token(self, token: str) -> bytes | None:
        """Return the zip file of a download token; None if there is none."""
        with self._lock:
            package = self._by_token.get(token)
        return None if package is None else package.zip_path.read_bytes()


def check_total(package: Package, layers: Sequence[Package]) -> None:
    """Refuse code that is too large together with its layers. Raises ApiError."""
    total = package.unzipped_bytes + sum(layer.unzipped_bytes for layer in layers)
    if total > quotas.UNZIPPED_MAX_BYTES:
        raise unzipped_too_large(quotas.UNZIPPED_MAX_BYTES)


def keep_alive(deployment: Deployment, *parts: object) -> None:
    """Keep the folders of `parts` as long as the deployment is in anybody's hands."""
    weakref.finalize(deployment, _let_go, *parts).atexit = False


def _let_go(*parts: object) -> None:
    """Do nothing: that finalize held the arguments until now is the point."""
