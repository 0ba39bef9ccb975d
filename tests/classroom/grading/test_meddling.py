"""What answers do to the lab's own names is noticed; what they may do is not."""

from __future__ import annotations

import pytest

from labkit.classroom.grading.meddling import imports, meddles, protected

LAB = [
    "import json\nfrom labkit import Lab, check\n\ndef call(name):\n    return json.dumps(name)\n",
    "%%function total\ndef handler(event, context):\n    pass\n",
    "from labkit import Timeline, check",
]
NAMES = protected(LAB)


def test_the_labs_own_names_are_what_it_imports_and_defines() -> None:
    assert NAMES == {"json", "Lab", "check", "call", "Timeline"}


def test_what_is_imported_from_labkit_is_brought_back() -> None:
    scope: dict[str, object] = {}
    exec(imports(LAB), scope)
    assert {"Lab", "check", "Timeline"} <= scope.keys()
    assert imports(["import json"]) == ""


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ("class check:\n    pass", "gives a new meaning to `check`"),
        ("check = print", "gives a new meaning to `check`"),
        ("if True:\n    for call in []: pass", "gives a new meaning to `call`"),
        ("def f():\n    global call\n    call = 1", "gives a new meaning to `call`"),
        ("from contextlib import nullcontext as check", "gives a new meaning to `check`"),
        ("check.__exit__ = print", "changes `check`"),
        ("json.JSONDecoder.decode = print", "changes `json`"),
        ("import labkit.classroom.checks as c", "reaches into labkit.classroom"),
    ],
)
def test_meddling_is_told(answer: str, told: str) -> None:
    assert told in meddles(answer, NAMES)


@pytest.mark.parametrize(
    "answer",
    [
        "billed_ms = 78",
        "import json\nbilled_ms = json.loads('78')",
        "def invoke(name):\n    call = 1\n    check = call\n    return check",
        "%%function shop\ndef handler(event, context):\n    check = 1",
        "!aws lambda list-functions",
        "result = call('total')\nresult.value = 1",
    ],
)
def test_honest_answers_are_not_suspected(answer: str) -> None:
    assert meddles(answer, NAMES) == []
