"""Nothing of one machine is in the repository, and its parts keep their size."""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path

import pytest

# Put together from parts, or this file would be the first to be found.
_HOME = re.compile("/" + r"(?:home|Users)/(?!sbx_user1051\b)[\w.-]+/|" + "/" + r"root/[\w.-]")
_INDEX = re.compile(r"(?:https?|file)://\S*/" + r"simple\b|files\.pythonhosted" + r"\.org")
MODULE_LINES_MAX = 400


@pytest.mark.parametrize(
    ("text", "is_found"),
    [
        ("/home/ada" + "/lab/x.py", True),
        ("/Users/ada" + "/lab", True),
        ("/root" + "/.pyenv/versions", True),
        ("/home/sbx_user1051/.cache", False),  # the user of AWS's own environments
        ("root:x:0:0:root:/root:/sbin/nologin", False),
        ("https://docs.aws.amazon.com/lambda/", False),
    ],
)
def test_the_search_for_home_directories_finds_them(text: str, is_found: bool) -> None:
    assert bool(_HOME.search(text)) == is_found


@pytest.mark.parametrize(
    ("text", "is_found"),
    [
        ("https://pypi.org" + "/simple", True),
        ("file:///opt/mirror" + "/simple/boto3", True),
        ("https://files.pythonhosted" + ".org/packages/x.whl", True),
        ("https://mybinder.org", False),
    ],
)
def test_the_search_for_package_indexes_finds_them(text: str, is_found: bool) -> None:
    assert bool(_INDEX.search(text)) == is_found


def test_no_file_names_a_home_directory_or_this_very_place(
    texts: dict[Path, str], root: Path
) -> None:
    places = {str(root), str(Path.home()), sys.prefix} - {"/", "/usr", "/usr/local"}
    for path, text in texts.items():
        found = _HOME.search(text)
        assert found is None, f"{path} names {found[0]}"
        for place in places:
            assert f"{place}/" not in text, f"{path} names {place}"


def test_no_file_names_a_package_index(texts: dict[Path, str]) -> None:
    for path, text in texts.items():
        found = _INDEX.search(text)
        assert found is None, f"{path} names {found[0]}"


def test_what_the_tools_leave_behind_is_not_tracked(tracked: list[Path]) -> None:
    leftovers = re.compile(
        r"(^|/)(\.venv|__pycache__|\.ipynb_checkpoints|\.\w+_cache|\.hypothesis|uv\.lock)(/|$)"
        r"|\.(pyc|egg-info)$"
    )
    assert [str(path) for path in tracked if leftovers.search(path.as_posix())] == []


def test_no_module_of_the_product_grows_beyond_its_size(texts: dict[Path, str]) -> None:
    modules = [
        path
        for path in texts
        if path.suffix == ".py" and (path.parts[0] == "labkit" or path == Path("lab.py"))
    ]
    assert len(modules) > 50
    for path in modules:
        lines = len(texts[path].splitlines())
        assert lines < MODULE_LINES_MAX, f"{path} has {lines} lines"


def test_each_program_names_its_interpreter_and_may_be_run(tracked: list[Path], root: Path) -> None:
    programs = [Path(".ci/run"), Path("binder/postBuild"), Path("binder/start")]
    for path in programs:
        assert path in tracked
        assert (root / path).read_text().startswith("#!/bin/bash\n"), path
        assert (root / path).stat().st_mode & 0o111 == 0o111, f"{path} is not executable"


def test_the_rules_import_the_standard_library_alone(texts: dict[Path, str]) -> None:
    modules = [path for path in texts if path.parts[:2] == ("labkit", "core")]
    assert len(modules) > 10
    for path in modules:
        for name in _imported(texts[path]):
            is_own = name.split(".")[:2] == ["labkit", "core"]
            assert is_own or name.split(".")[0] in sys.stdlib_module_names, f"{path}: {name}"


def _imported(source: str) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            names.add(node.module or "")
    return names
