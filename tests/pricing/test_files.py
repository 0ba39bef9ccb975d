from __future__ import annotations

from pathlib import Path

import pytest

from labkit.pricing import files

ROOT = Path(__file__).resolve().parents[2]


def test_a_checkout_has_its_files_beside_the_package() -> None:
    assert files.data_file("lambda_prices.csv") == ROOT / "data" / "lambda_prices.csv"


def test_an_installed_package_has_them_inside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "site-packages" / "labkit"
    monkeypatch.setattr(files, "_PACKAGE", package)
    assert files.data_file("lambda_prices.csv") == package / "data" / "lambda_prices.csv"


def test_every_file_has_its_source_and_date() -> None:
    about = (ROOT / "data" / "README.md").read_text(encoding="utf-8")
    for path in (ROOT / "data").iterdir():
        if path.name != "README.md":
            assert f"| `{path.name}` |" in about
