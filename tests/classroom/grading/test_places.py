from __future__ import annotations

import sys
from pathlib import Path

import pytest

from labkit.classroom.grading import places
from labkit.classroom.grading.places import Places


@pytest.mark.parametrize(
    ("path", "hides"),
    [
        ("/srv/t", True),
        ("/srv/t/grades.csv", True),
        ("/srv/tom", False),
        ("/srv/t/lab/.venv/bin/python", False),
        ("/srv/t/lab/labkit", False),
        ("/srv/t/lab/labkitty", True),
        ("/srv/t/lab/.venv/secret/x", True),
        ("/usr/lib", False),
    ],
)
def test_the_inner_folder_decides(path: str, hides: bool) -> None:
    hidden = ("/srv/t", "/srv/t/lab/.venv/secret")
    needed = ("/usr", "/srv/t/lab/.venv", "/srv/t/lab/labkit")
    assert Places(hidden, needed).hides(path) == hides


def test_the_teachers_folders_are_hidden_and_python_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    monkeypatch.setenv("HOME", str(home))
    run_dir = home / "tmp" / "run"
    run_dir.mkdir(parents=True)
    found = places.teachers_places([str(tmp_path / "handins")], run_dir)
    root = Path(places.__file__).parents[3]
    for path in (home, tmp_path / "handins" / "ada.ipynb", root / "labs" / "solutions" / "x",
                 root / "tests" / "x", root / ".git" / "x", home / "tmp"):  # fmt: skip
        assert found.hides(str(path)), path
    for path in (run_dir, Path(sys.prefix), Path(sys.executable), Path(places.__file__)):
        assert not found.hides(str(path)), path


def test_a_link_to_the_hand_ins_hides_what_it_leads_to(tmp_path: Path) -> None:
    real = tmp_path / "real"
    real.mkdir()
    (tmp_path / "link").symlink_to(real)
    found = places.teachers_places([str(tmp_path / "link")], tmp_path / "run")
    assert found.hides(str(real / "ada.ipynb"))
