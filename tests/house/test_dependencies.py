"""One pinned list, plain and complete, and what Binder makes of it."""

from __future__ import annotations

import ast
import importlib.metadata
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PIN_LINES = (ROOT / "binder" / "requirements.txt").read_text(encoding="utf-8").splitlines()
PYTHONS = ("3.11", "3.12", "3.13", "3.14")
# Installed for their commands; no module of ours imports them.
PROGRAMS = {"awscli", "jupyterlab"}
# Imported by their own names, brought along by a declared one that cannot be without them.
BROUGHT_ALONG = {
    "botocore": "boto3",
    "ipython": "anywidget",
    "nbformat": "nbclient",
    "numpy": "matplotlib",
    "pillow": "matplotlib",
    "pytest": "nbval",
    "traitlets": "anywidget",
}


def pins_for(python: str, system: str) -> dict[str, list[str]]:
    """The pinned versions that are installed there, by name."""
    environment = {
        "python_version": python,
        "python_full_version": f"{python}.9",
        "sys_platform": system,
        "os_name": "posix",
        "platform_system": {"linux": "Linux", "darwin": "Darwin"}[system],
        "implementation_name": "cpython",
        "platform_python_implementation": "CPython",
    }
    found: dict[str, list[str]] = {}
    for line in PIN_LINES:
        requirement = Requirement(line)
        if requirement.marker is None or requirement.marker.evaluate(environment):
            version = str(requirement.specifier).removeprefix("==")
            found.setdefault(canonicalize_name(requirement.name), []).append(version)
    return found


def declared(*extras: str) -> list[Requirement]:
    """What pyproject.toml asks for."""
    lines = list(PROJECT["project"]["dependencies"])
    for extra in extras:
        lines += PROJECT["project"]["optional-dependencies"][extra]
    return [Requirement(line) for line in lines]


@pytest.mark.parametrize("line", PIN_LINES)
def test_a_pin_is_a_name_and_one_version(line: str) -> None:
    assert re.fullmatch(r"[a-z0-9][a-z0-9-]*==[0-9][\w.]*( ; [^;#@]+)?", line)


def test_the_pins_are_in_order_and_complete() -> None:
    names = [line.split("==")[0] for line in PIN_LINES]
    assert names == sorted(names)
    assert len(names) > 100


@pytest.mark.parametrize("system", ["linux", "darwin"])
@pytest.mark.parametrize("python", PYTHONS)
def test_each_python_gets_one_version_of_each_that_suits_pyproject(
    python: str, system: str
) -> None:
    pins = pins_for(python, system)
    assert [name for name, versions in pins.items() if len(versions) != 1] == []
    for requirement in declared("test", "lint", "binder"):
        [version] = pins[canonicalize_name(requirement.name)]
        assert requirement.specifier.contains(version), f"{requirement} but {version} is pinned"


def test_what_is_pinned_is_what_these_tests_run_on() -> None:
    """The tests prove something about the pins only if they run on them."""
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    if python not in PYTHONS or sys.platform not in ("linux", "darwin"):
        pytest.skip(f"the pins are not made for Python {python} on {sys.platform}")
    differing = {}
    for requirement in declared("test", "lint"):
        [pinned] = pins_for(python, sys.platform)[canonicalize_name(requirement.name)]
        installed = importlib.metadata.version(requirement.name)
        if installed != pinned:
            differing[requirement.name] = f"{installed}, pinned {pinned}"
    assert differing == {}, "run `python3 lab.py test`, or renew the pins (CONTRIBUTING.md)"


def test_the_rivals_of_the_benchmarks_are_not_pinned() -> None:
    rivals = {canonicalize_name(Requirement(line).name) for line in _extra("bench")}
    assert rivals and rivals.isdisjoint(line.split("==")[0] for line in PIN_LINES)


def test_each_dependency_is_used_and_each_import_is_declared() -> None:
    names = {canonicalize_name(requirement.name) for requirement in declared()}
    providers = importlib.metadata.packages_distributions()
    inside = {path.stem for path in (ROOT / "labkit" / "live" / "inside").glob("*.py")}
    used = set()
    for module in _imported_modules() - inside - sys.stdlib_module_names - {"labkit"}:
        distributions = {canonicalize_name(name) for name in providers[module]}
        distributions = {BROUGHT_ALONG.get(name, name) for name in distributions}
        assert distributions & names, f"labkit imports {module}, which pyproject.toml lacks"
        used |= distributions & names
    assert names - used - PROGRAMS == set(), "declared, but nothing imports it"


def test_binder_runs_a_python_that_the_project_supports() -> None:
    text = (ROOT / "binder" / "runtime.txt").read_text().strip()
    match = re.fullmatch(r"python-(3\.\d+)", text)
    assert match and match[1] in PYTHONS
    assert SpecifierSet(PROJECT["project"]["requires-python"]).contains(match[1])


def test_binder_has_no_file_that_would_take_the_place_of_the_pins() -> None:
    found = {path.name for path in (ROOT / "binder").iterdir()}
    assert found == {"requirements.txt", "runtime.txt", "postBuild", "start"}


def test_binder_adds_the_lab_without_touching_the_pins() -> None:
    script = (ROOT / "binder" / "postBuild").read_text()
    installs = [line for line in script.splitlines() if "pip install" in line]
    assert installs and all("--no-deps" in line for line in installs)
    assert "@jupyterlab/apputils-extension:announcements" in script


def test_binder_starts_what_it_is_told_to_start() -> None:
    command = [
        ROOT / "binder" / "start",
        "bash",
        "-c",
        'echo "$AWS_EC2_METADATA_DISABLED $1"; exit 3',
    ]
    done = subprocess.run([*command, "-", "two words"], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (3, "true two words\n")


def _extra(name: str) -> list[str]:
    extra: list[str] = PROJECT["project"]["optional-dependencies"][name]
    return extra


def _imported_modules() -> set[str]:
    names = set()
    for path in (ROOT / "labkit").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                names.add((node.module or "").split(".")[0])
    return names
