"""What is wrong with a notebook is found; the labs themselves are looked at in tests/house."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tiny_lab
from nbformat import NotebookNode, v4

from labkit.classroom.hygiene import problems, words
from labkit.classroom.release import release


def test_a_good_lab_has_no_problems() -> None:
    assert problems(tiny_lab.solved_lab(), solved=True) == []
    assert problems(release(tiny_lab.solved_lab()), solved=False) == []


def test_a_copy_is_told_from_a_solved_lab() -> None:
    assert "no solution" in problems(release(tiny_lab.solved_lab()), solved=True)[0]
    assert "not run" in "\n".join(problems(tiny_lab.solved_lab(), solved=False))


def _good() -> NotebookNode:
    """A small notebook without exercises."""
    source = "import json\nimport boto3\nfrom labkit import Lab\n!aws s3 ls"
    cell = tiny_lab.code("look", source, "2\n")
    cell.execution_count = 1
    return v4.new_notebook(cells=[cell], metadata=tiny_lab.solved_lab().metadata)


def _with(**changes: Any) -> Callable[[NotebookNode], None]:
    return lambda notebook: notebook.cells[0].update(changes)


def _noted(**notes: Any) -> Callable[[NotebookNode], None]:
    return lambda notebook: notebook.cells[0].metadata.update(notes)


def _printing(text: str) -> Callable[[NotebookNode], None]:
    return _with(outputs=[v4.new_output("stream", text=text)])


def _prose(*texts: str) -> Callable[[NotebookNode], None]:
    cells = [v4.new_markdown_cell(text, id=f"text-{n}") for n, text in enumerate(texts)]
    return lambda notebook: notebook.cells.extend(cells)


def _code_cells(number: int) -> Callable[[NotebookNode], None]:
    def change(notebook: NotebookNode) -> None:
        (first,) = notebook.cells
        for count in range(2, number + 1):
            new = {"execution_count": count, "id": f"look-{count}"}
            notebook.cells.append(NotebookNode({**copy.deepcopy(first), **new}))

    return change


def _picture(notebook: NotebookNode) -> None:
    data = {"image/png": "iVBORw0KGgo" + "A" * 300_000}
    notebook.cells[0].outputs = [v4.new_output("display_data", data)]


HANDLER = "def handler(event, context):\n"


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (_with(execution_count=None), "not run"),
        (_with(execution_count=7), "not run"),
        (_with(outputs=[v4.new_output("error", ename="KeyError")]), "'look': a stored traceback"),
        (_printing("Traceback (most recent call last):"), "'look': a printed traceback"),
        (_printing("/tmp/ipykernel_77/1.py:1: DeprecationWarning"), "a path of one machine"),
        (_printing("in /home/" + "ada/lab"), "a path of one machine"),
        (_with(source="!ls /Users/" + "ada/"), "a path of one machine"),
        (_prose("See /root" + "/lab."), "'text-0': it names a path of one machine"),
        (_with(source=" \n"), "'look': an empty code cell"),
        (_with(source="a = 1\n" * 16), "too many lines: 16, at most 15"),
        (_with(source=HANDLER + "    a = 1\n" * 20), "too many lines: 21, at most 20"),
        (_with(source="%%function hello\n" + "a = 1\n" * 20), "too many lines: 21, at most 20"),
        (_with(source="import numpy as np"), "imports ['numpy']"),
        (_with(source="def late():\n    from moto import mock_aws"), "imports ['moto']"),
        (_with(source="x = !ls\nimport numpy"), "imports ['numpy']"),
        (_with(source="def broken("), "'look': it does not read as Python"),
        (_with(source="lab = Lab.start()"), "does not stop the lab"),
        (_with(source="lab = Lab.start()\n# lab.stop()"), "does not stop the lab"),
        (lambda notebook: notebook.metadata.update(widgets={}), "widgets"),
        (lambda notebook: notebook.metadata.update(papermill={}), "metadata.papermill"),
        (lambda notebook: notebook.metadata.update(language_info={"version": "3"}), "version"),
        (lambda notebook: notebook.metadata.update(kernelspec={"name": "mine"}), "kernel"),
        (_noted(execution={}), "metadata.execution of a run"),
        (_noted(papermill={}), "metadata.papermill of a run"),
        (lambda notebook: notebook.update(cells=[]), "no code"),
        (_code_cells(4), "more than 3 code cells in a row"),
        (_prose(*["text"] * 80), "81 cells, at most 80"),
        (_prose("word " * 121), "'text-0': 121 words, at most 120 in one cell"),
        (_prose(*["word " * 101] * 20), "2020 words of prose, at most 2000"),
        (_picture, "301 kB, at most 300"),
        (lambda n: n.cells.append(v4.new_markdown_cell(id="look")), "have the id 'look'"),
    ],
)
def test_what_is_wrong_with_a_notebook_is_found(
    spoil: Callable[[NotebookNode], None], said: str
) -> None:
    notebook = _good()
    assert problems(notebook, solved=True) == []
    spoil(notebook)
    assert said in "\n".join(problems(notebook, solved=True))


def _tagged(name: str, *tags: str) -> Callable[[NotebookNode], None]:
    return lambda notebook: tiny_lab.cell(notebook, name).metadata.update(tags=list(tags))


def _output(name: str, text: str) -> Callable[[NotebookNode], None]:
    outputs = [v4.new_output("stream", name="stdout", text=text)]
    return lambda notebook: tiny_lab.cell(notebook, name).update(outputs=outputs)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (_tagged("check-bill"), "exercise 'bill' has no check"),
        (_tagged("parameters"), "one cell `SEED = 1` with the tag 'parameters'"),
        (_tagged("setup", "parameters"), "one cell `SEED = 1` with the tag 'parameters'"),
        (_output("check-bill", "TODO 1 · the bill – no\n"), "'check-bill' does not store one line"),
        (_output("check-bill", "PASS 1 · a\nPASS 1 · b\n"), "'check-bill' does not store one line"),
        (lambda lab: tiny_lab.cell(lab, "bill").update(source="x = 1"), "has no solution"),
    ],
)
def test_what_is_wrong_with_exercises_is_found(
    spoil: Callable[[NotebookNode], None], said: str
) -> None:
    lab = tiny_lab.solved_lab()
    spoil(lab)
    assert said in "\n".join(problems(lab, solved=True))


@pytest.mark.parametrize(
    "source",
    [
        HANDLER + "    a = 1\n" * 19,
        "### BEGIN SOLUTION\n" + "a = 1\n" * 15 + "### END SOLUTION",
        "%%function hello\nimport numpy",
        "files = !aws s3 ls \\\n  s3://here\n%timeit -n 1 len(files)",
        "ratio = (7\n    % 2)",
        "if True:\n    !ls /tmp",
        "from urllib.parse import quote",
        'home = "/home/sbx_user1051/"',
        'url = "https://example.org/root" + "/"\npath = "/tmp/root"',
        "lab = Lab.start()\nlab.stop()",
    ],
)
def test_what_is_allowed_is_not_refused(source: str) -> None:
    notebook = _good()
    notebook.cells[0].source = source
    found = [text for text in problems(notebook, solved=True) if "marks of a solution" not in text]
    assert found == []


@pytest.mark.parametrize(
    ("markdown", "number"),
    [
        ("", 0),
        ("One two, three-four; `five_six` – **seven**.", 5),
        ("See [the guide](https://example.org/a/b) at https://example.org/c.", 4),
        ("| a | b |\n|---|:---|\n| one | 1,769 MB |", 5),
        ("<details><summary>Why?</summary>\n\nSo.\n</details>", 2),
        ("<b title='not read'>read</b>", 1),
        ("# 1 · A title\n\n- item\n* * *", 4),
    ],
)
def test_words_are_what_a_reader_reads(markdown: str, number: int) -> None:
    assert words(markdown) == number


def test_the_place_of_this_user_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    notebook = _good()
    notebook.cells[0].source = 'path = "/data/people/ada/lab"'
    assert problems(notebook, solved=True) == []
    monkeypatch.setattr(Path, "home", lambda: Path("/data/people/ada"))
    assert "a path of one machine" in problems(notebook, solved=True)[0]
