from __future__ import annotations

import io
import os
import stat
import warnings
import zipfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from labkit.core.errors import ApiError
from labkit.live.lambda_api import archive as archive_module
from labkit.live.lambda_api.archive import Archive

UNREADABLE = "Could not unzip uploaded file. Please check your file, then try to upload again."
TOO_LARGE = "Unzipped size must be smaller than 262144000 bytes"


def entry(name: str, mode: int = stat.S_IFREG | 0o644) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.external_attr = mode << 16
    info.compress_type = zipfile.ZIP_DEFLATED
    return info


def packed(*entries: tuple[zipfile.ZipInfo | str, bytes | str]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        for info, content in entries:
            file.writestr(entry(info) if isinstance(info, str) else info, content)
    return buffer.getvalue()


def link(name: str, target: str) -> tuple[zipfile.ZipInfo, str]:
    return entry(name, stat.S_IFLNK | 0o777), target


def refusal(content: bytes, root: Path, **options: Any) -> str:
    with pytest.raises(ApiError) as caught:
        Archive(content, **options).unpack(root)
    assert (caught.value.status, caught.value.code) == (400, "InvalidParameterValueException")
    return caught.value.message


def test_files_folders_and_modes(tmp_path: Path) -> None:
    content = packed(
        ("app.py", "x = 1"),
        (entry("secret.py", stat.S_IFREG | 0o600), "x = 2"),
        (entry("bin/run", stat.S_IFREG | 0o755), "#!/bin/sh"),
        (entry("dos.py", 0), "x = 3"),
        (entry("empty/", stat.S_IFDIR | 0o755), b""),
        ("./dotted/a.py", "x = 4"),
    )
    assert Archive(content).unpack(tmp_path) == 29
    modes = {
        str(path.relative_to(tmp_path)): stat.S_IMODE(path.stat().st_mode)
        for path in tmp_path.rglob("*")
        if path.is_file()
    }
    assert modes == {
        "app.py": 0o644,
        "secret.py": 0o644,
        "bin/run": 0o755,
        "dos.py": 0o644,
        "dotted/a.py": 0o644,
    }
    assert (tmp_path / "empty").is_dir()


def test_measure_reads_all_and_writes_nothing(tmp_path: Path) -> None:
    assert Archive(packed(("a", b"0" * 10), ("b/c", b"1" * 5))).measure() == 15
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "name",
    ["/etc/passwd", "../out", "a/../../out", "a/../b", "..", "//x", "a\\..\\out", "C:\\x"],
)
def test_names_that_leave_the_folder(tmp_path: Path, name: str) -> None:
    root = tmp_path / "root"
    root.mkdir()
    assert refusal(packed((name, "x")), root) == UNREADABLE
    assert list(tmp_path.rglob("*")) == [root]


@pytest.mark.parametrize(
    "entries",
    [
        (link("out", "../secret"),),
        (link("out", "/etc/passwd"),),
        (link("a/b/c", "../../../x"),),
        # Each link by itself seems to stay inside; one through the other does not.
        (("d1/d2/d3/f", "x"), link("d1/d2/d3/up", "../../.."), link("out", "d1/d2/d3/up/..")),
        (link("a", "."), link("a/out", "../../x")),
        (link("empty", ""),),
        (link("long", "x" * 5000),),
        ((entry("pipe", stat.S_IFIFO | 0o644), "x"),),
        ((entry("device", stat.S_IFCHR | 0o644), "x"),),
    ],
)
def test_links_and_special_files_that_lead_out(tmp_path: Path, entries: Any) -> None:
    root = tmp_path / "root"
    root.mkdir()
    assert refusal(packed(*entries), root) == UNREADABLE
    assert [path.name for path in tmp_path.iterdir()] == ["root"]


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_link_that_replaces_a_checked_one(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    entries = (("x/f", "x"), link("a", "x"), link("a/l", "f"), link("a", ".."), link("a/out", "x"))
    assert refusal(packed(*entries), root) == UNREADABLE
    assert [path.name for path in tmp_path.iterdir()] == ["root"]


def test_links_inside_are_kept(tmp_path: Path) -> None:
    Archive(
        packed(("lib/libx.so.1", "elf"), link("lib/libx.so", "libx.so.1"), link("alias", "lib"))
    ).unpack(tmp_path)
    assert os.readlink(tmp_path / "lib/libx.so") == "libx.so.1"
    assert (tmp_path / "alias/libx.so").read_text() == "elf"


def test_a_second_archive_goes_over_the_first(tmp_path: Path) -> None:
    Archive(packed(("a", "1"), ("same", "1"), link("link", "a"))).unpack(tmp_path)
    Archive(packed(("same", "2"), ("link", "2"))).unpack(tmp_path)
    assert (tmp_path / "same").read_text() == "2"
    assert (tmp_path / "link").read_text() == "2" and (tmp_path / "a").read_text() == "1"


def test_a_link_of_one_archive_cannot_lead_another_out(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    os.symlink(tmp_path, root / "planted")
    assert refusal(packed(("planted/file", "x")), root) == UNREADABLE
    assert not (tmp_path / "file").exists()


@pytest.mark.parametrize(
    "content",
    [b"", b"no zip", b"PK\x03\x04" + b"\0" * 100, packed(("a", "b" * 100))[:-30]],
)
def test_what_is_no_zip(tmp_path: Path, content: bytes) -> None:
    assert refusal(content, tmp_path) == UNREADABLE


def test_damaged_content(tmp_path: Path) -> None:
    content = bytearray(packed(("a.py", os.urandom(1000))))
    content[200] ^= 0xFF
    assert refusal(bytes(content), tmp_path) == UNREADABLE


def test_encrypted_entry(tmp_path: Path) -> None:
    content = bytearray(packed(("a.py", "x")))
    content[content.index(b"PK\x01\x02") + 8] |= 1
    assert refusal(bytes(content), tmp_path) == UNREADABLE


def test_file_and_folder_of_one_name(tmp_path: Path) -> None:
    assert refusal(packed(("a", "x"), ("a/b", "x")), tmp_path) == UNREADABLE


def test_empty_zip(tmp_path: Path) -> None:
    assert refusal(packed(), tmp_path) == "Uploaded file must be a non-empty zip"


def test_declared_bomb(tmp_path: Path) -> None:
    bomb = packed(*((f"{number}", b"\0" * 50_000_000) for number in range(6)))
    assert len(bomb) < 400_000
    assert refusal(bomb, tmp_path) == TOO_LARGE
    assert list(tmp_path.iterdir()) == []


def test_bomb_that_lies_about_its_size(tmp_path: Path) -> None:
    content = bytearray(packed(("a", b"\0" * 1_000_000)))
    central = content.index(b"PK\x01\x02")
    content[central + 24 : central + 28] = (10).to_bytes(4, "little")
    assert refusal(bytes(content), tmp_path) == UNREADABLE


def test_allowance_counts_what_is_really_there(tmp_path: Path) -> None:
    content = packed(("a", b"0" * 60), ("b", b"0" * 50))
    assert refusal(content, tmp_path, allowance_bytes=100) == TOO_LARGE
    assert Archive(content, allowance_bytes=110).unpack(tmp_path) == 110


def test_too_many_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive_module, "ENTRIES_MAX", 3)
    found = refusal(packed(*((f"{number}", "") for number in range(4))), tmp_path)
    assert found.startswith("The package holds 4 files; this lab unpacks at most 3.")


_parts = st.sampled_from(["a", "b", "..", ".", "", "c d", "é"])
_names = st.lists(_parts, min_size=1, max_size=5).map("/".join)
_entries = st.lists(
    st.one_of(
        st.tuples(_names, st.just("file")), st.tuples(_names, st.tuples(st.just("link"), _names))
    ),
    min_size=1,
    max_size=6,
)


@given(entries=_entries)
@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_nothing_ever_leaves_the_folder(
    tmp_path_factory: pytest.TempPathFactory, entries: Any
) -> None:
    outside = tmp_path_factory.mktemp("outside")
    root = outside / "x" / "root"
    root.mkdir(parents=True)
    rows = [
        (entry(name), "x") if kind == "file" else link(name, kind[1])
        for name, kind in entries
        if name and not name.endswith("/")
    ]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # names may come twice, on purpose
            content = packed(*rows)
        Archive(content).unpack(root)
        refused = False
    except ApiError:
        refused = True
    assert {path.name for path in outside.iterdir()} == {"x"}
    assert {path.name for path in (outside / "x").iterdir()} == {"root"}
    for path in () if refused else root.rglob("*"):
        assert os.path.realpath(path).startswith(os.path.realpath(root))
