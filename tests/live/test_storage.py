from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from labkit.live.storage import Storage


@pytest.fixture(autouse=True)
def own_temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_a_folder_is_private_and_goes_with_its_server(tmp_path: Path) -> None:
    storage = Storage()
    assert storage.directory.parent == tmp_path
    assert storage.directory.stat().st_mode & 0o777 == 0o700
    (storage.directory / "code").mkdir()
    storage.close()
    assert list(tmp_path.iterdir()) == []


def test_a_given_folder_is_taken_over(tmp_path: Path) -> None:
    directory = tmp_path / "given"
    directory.mkdir()
    storage = Storage(directory)
    assert storage.directory == directory
    storage.close()
    assert not directory.exists()


def test_what_a_killed_server_left_is_removed_and_nothing_else(tmp_path: Path) -> None:
    in_use = Storage()
    abandoned = tmp_path / "labkit-abandoned"
    for name in ("labkit-abandoned", "labkit-just-made", "other"):
        (tmp_path / name).mkdir()
    (abandoned / "in-use").touch()
    (abandoned / "code").mkdir()
    (tmp_path / "other" / "in-use").touch()
    (tmp_path / "labkit-link").symlink_to(tmp_path / "other")
    storage = Storage()
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {
        in_use.directory.name,
        storage.directory.name,
        "labkit-just-made",
        "labkit-link",
        "other",
    }
    in_use.close()
    storage.close()
