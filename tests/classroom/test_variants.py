from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import tiny_lab

from labkit.classroom import notebooks, variants
from labkit.classroom.variants import CannotRun, hand_out, run_lab, seed_of


@pytest.fixture
def lab(tmp_path: Path) -> Path:
    tiny_lab.write_labs(tmp_path / "labs")
    return tmp_path / "labs" / "solutions" / tiny_lab.NAME


def change(lab: Path, name: str, source: str) -> None:
    notebook = notebooks.read(lab)
    tiny_lab.cell(notebook, name).source = source
    notebooks.write(notebook, lab)


def test_a_seed_follows_from_the_name() -> None:
    assert seed_of("ada") == 4708
    assert seed_of(" ada\n") == seed_of("ada")
    assert seed_of("zo\u00eb") == seed_of("zoe\u0308"), "macOS writes it the other way"
    seeds = {seed_of(f"learner {number}") for number in range(2_000)}
    assert len(seeds) > 1_750 and min(seeds) >= 1 and max(seeds) <= variants.SEED_MAX


def test_a_lab_runs_with_another_parameter(
    lab: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "new" / "run.ipynb"
    ran = run_lab(lab, {"SEED": 8}, output)
    assert notebooks.read(output) == ran
    assert notebooks.stdout_of(tiny_lab.cell(ran, "end")) == "9\n"
    assert tiny_lab.cell(ran, "injected-parameters").source == "# Parameters\nSEED = 8\n"
    assert set(ran.metadata) == {"kernelspec", "language_info"}
    assert all("papermill" not in cell.metadata for cell in ran.cells)
    assert str(tmp_path) not in output.read_text()
    assert run_lab(lab, {"SEED": 8}, tmp_path / "again.ipynb") == ran, "the same each time"
    assert capfd.readouterr().err == ""


def test_an_unknown_parameter_is_refused(lab: Path, tmp_path: Path) -> None:
    with pytest.raises(CannotRun, match="no parameter SEDE; its parameters are: SEED"):
        run_lab(lab, {"SEDE": 8}, tmp_path / "run.ipynb")
    assert not (tmp_path / "run.ipynb").exists()


def test_a_cell_that_fails_is_said(lab: Path, tmp_path: Path) -> None:
    change(lab, "end", "1 / (SEED - 8)")
    with pytest.raises(CannotRun, match="cell 8 fails: ZeroDivisionError: division by zero"):
        run_lab(lab, {"SEED": 8}, tmp_path / "run.ipynb")


def test_each_learner_gets_a_variant(lab: Path, tmp_path: Path) -> None:
    paths = hand_out(lab, ["ada", " zoe\u0308 "], tmp_path / "out", jobs=2)
    assert [path.name for path in paths] == ["ada.ipynb", "zoë.ipynb"]
    for path in paths:
        notebook = notebooks.read(path)
        seed = tiny_lab.cell(notebook, "injected-parameters").source
        assert seed.endswith(f"SEED = {seed_of(path.stem)}\n")
        assert "78" not in tiny_lab.cell(notebook, "bill").source
        assert "..." in tiny_lab.cell(notebook, "bill").source
        assert notebooks.stdout_of(tiny_lab.cell(notebook, "check-bill")) == "PASS 1 · the bill\n"
        assert notebooks.stdout_of(tiny_lab.cell(notebook, "end")) == f"{seed_of(path.stem) + 1}\n"
    before = [path.read_bytes() for path in paths]
    with ThreadPoolExecutor(1) as executor:
        assert hand_out(lab, ["ada", "zoë"], tmp_path / "out", executor) == paths
    assert [path.read_bytes() for path in paths] == before


def test_what_learners_already_have_is_not_overwritten(lab: Path, tmp_path: Path) -> None:
    (tmp_path / "ada.ipynb").write_text("work")
    with pytest.raises(CannotRun, match="already there and differs: choose another folder"):
        hand_out(lab, ["ada"], tmp_path)
    assert sorted(os.listdir(tmp_path)) == ["ada.ipynb", "labs"]


def test_a_solution_that_holds_for_one_seed_only_is_refused(lab: Path, tmp_path: Path) -> None:
    bill = "### BEGIN SOLUTION\nbilled_ms = 77 + (SEED == 1)\n### END SOLUTION"
    change(lab, "bill", bill)
    with pytest.raises(CannotRun) as caught:
        hand_out(lab, ["ada"], tmp_path / "out", jobs=1)
    assert str(caught.value).startswith(
        "the variant of ada: with SEED = 4708 the check 'check-bill'"
    )
    assert "solutions must hold for every SEED" in str(caught.value)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["a/b"], "'a/b' cannot be a file's"),
        (["a\\b"], "cannot be a file's"),
        ([".."], "cannot be a file's"),
        (["a\x00"], "cannot be a file's"),
        ([""], "cannot be a file's"),
        (["x" * 201], "longer than 200 bytes"),
        (["ada", "Ada"], "'Ada' is there twice"),
        (["zo\u00eb", "zoe\u0308"], "is there twice"),
        ([], "there are no learners"),
    ],
    ids=lambda value: ascii(value)[:40],
)
def test_names_that_cannot_be_files_are_refused(
    names: list[str], words: str, lab: Path, tmp_path: Path
) -> None:
    with pytest.raises(CannotRun, match=words.replace("\\", r"\\")):
        hand_out(lab, names, tmp_path / "out")
