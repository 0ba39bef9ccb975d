"""What a hand-in reaches for is refused and told, also where nothing else would hide it."""

from __future__ import annotations

from pathlib import Path

from labkit.classroom.grading.limits import Limits
from labkit.classroom.grading.run import run
from labkit.classroom.grading.task import Cell, Task

ATTEMPTS = (
    "open('{path}').read()",
    "open(b'{path}', 'rb').read()",
    "import os; os.open('{path}', os.O_RDONLY)",
    "import os; os.chdir('{folder}'); open('secret')",
    "import os; os.symlink('{path}', 'here'); open('here')",
    "import os; os.listdir('{folder}')",
    "import os; list(os.scandir('{folder}'))",
    "from pathlib import Path; Path('{path}').read_text()",
    "import os; open(os.path.relpath('{path}'))",
    "import glob; glob.glob('{folder}/*')",
    "import shutil; shutil.copytree('{folder}', 'copy')",
    "import subprocess; subprocess.run(['cat', '{path}'])",
    "import os; os.system('cat {path}')",
    "!cat {path}",
)


def test_it_is_refused_and_told(tmp_path: Path) -> None:
    folder = tmp_path / "teachers"
    folder.mkdir()
    path = folder / "secret"
    path.write_text("secret words")
    sources = [source.format(path=path, folder=folder) for source in ATTEMPTS]
    cells = [Cell(source, source, True) for source in [*sources, "print('on')"]]
    ran = run(Task(tuple(cells), Limits(), (str(folder),), may_seal=False))
    for source in sources:
        shown = ran.shown[source]
        assert "A hand-in may not read the teacher's files" in shown.traceback, source
        assert "secret words" not in shown.stdout, source
    assert {str(folder), str(path)} <= set(ran.tried)
    assert ran.shown["print('on')"].stdout == "on\n"


def test_what_labs_do_is_no_attempt(tmp_path: Path) -> None:
    source = (
        "import json, sqlite3, tempfile, labkit, pathlib\n"
        "open('notes', 'w').close()\n"
        "tempfile.TemporaryFile().close()\n"
        "pathlib.Path(labkit.__file__).read_text()\n"
        "import matplotlib.pyplot as plt\n"
        "_ = plt.plot([1, 2])\n"
        "!ls; python -c 'import boto3'"
    )
    ran = run(Task((Cell("c", source, True),), Limits(), (str(tmp_path),), may_seal=False))
    assert (ran.stopped, ran.tried) == ("", ())
    assert ran.shown["c"].traceback == ""
