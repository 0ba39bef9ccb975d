"""The grades to read: one HTML file, nothing else needed.

All that a learner wrote is escaped, and the page's policy forbids scripts and every address.
"""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from typing import Final

from labkit.classroom.grading.results import ClassResult, LearnerResult, Mark, State

_SIGNS: Final = {
    State.SOLVED: ("✓", "solved"),
    State.UNSOLVED: ("✗", "unsolved"),
    State.NOT_RUN: ("–", "notrun"),
    State.MISSING: ("?", "missing"),
}
_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'"
_STYLE: Final = """
:root { color-scheme: light dark; --ink: #24292f; --faint: #59636e; --paper: #fff; --rule: #d0d7de;
  --code: #f6f8fa; --solved: #00664a; --unsolved: #a84300; --notrun: #59636e; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6edf3; --faint: #9198a1; --paper: #0d1117;
  --rule: #3d444d; --code: #151b23; --solved: #3fd0a4; --unsolved: #ff9d5c; --notrun: #9198a1; } }
body { margin: 0 auto; padding: 1.5rem 1rem 4rem; max-width: 72rem; color: var(--ink);
  background: var(--paper); font: 16px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.6rem; margin: 0 0 .2rem; } h2 { font-size: 1.25rem; margin: 0; }
h3 { font-size: 1rem; margin: 1.4rem 0 .3rem; }
p { margin: .3rem 0; } .faint { color: var(--faint); } a { color: inherit; }
.scroll { overflow-x: auto; margin: 1rem 0 2rem; }
table { border-collapse: collapse; font-size: .95rem; }
th, td { text-align: left; padding: .35rem .8rem; border-bottom: 1px solid var(--rule);
  vertical-align: top; } td { white-space: nowrap; } thead th { vertical-align: bottom; }
tbody th { font-weight: 600; overflow-wrap: anywhere; min-width: 8rem; }
.solved { color: var(--solved); } .unsolved, .missing { color: var(--unsolved); }
.notrun { color: var(--notrun); }
section { border-top: 2px solid var(--rule); padding-top: 1.2rem; margin-top: 2.2rem; }
h1, h2, p { overflow-wrap: anywhere; }
pre { margin: .4rem 0; padding: .6rem .8rem; background: var(--code); border: 1px solid
  var(--rule); border-radius: 6px; overflow: auto; max-height: 30rem; font: 13px/1.45
  ui-monospace, monospace; }
.struck { border-left: 4px solid var(--unsolved); padding-left: .6rem; }
summary { cursor: pointer; } :focus-visible { outline: 2px solid var(--solved); }
@media print { pre { max-height: none; } }
"""


def as_html(result: ClassResult) -> str:
    """Return the page: a table of all, and below it each learner's cells."""
    return "".join(f"{line}\n" for line in _lines(result))


def _lines(result: ClassResult) -> Iterator[str]:
    title = f"Grades · {escape(result.lab)}"
    yield '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">'
    yield f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
    yield f"<title>{title}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<h1>{title}</h1>"
    learners, count = len(result.learners), len(result.titles)
    every = sum(learner.solved == count for learner in result.learners)
    yield (
        f'<p class="faint">{learners} hand-in{"" if learners == 1 else "s"}, '
        f"{count} exercise{'' if count == 1 else 's'}; {every} solved every one.</p>"
    )
    for remark in result.remarks:
        yield f'<p class="struck">{escape(remark)}</p>'
    yield from _table(result)
    for number, learner in enumerate(result.learners):
        yield from _section(learner, number)
    yield "</body>\n</html>"


def _table(result: ClassResult) -> Iterator[str]:
    yield '<div class="scroll" tabindex="0" role="region" aria-label="All grades"><table>'
    heads = "".join(f'<th scope="col">{escape(title)}</th>' for title in result.titles)
    yield f'<thead><tr><th scope="col">Learner</th><th scope="col">Solved</th>{heads}</tr></thead>'
    yield "<tbody>"
    for number, learner in enumerate(result.learners):
        name = f'<a href="#learner-{number}">{escape(learner.learner)}</a>'
        cells = "".join(f"<td>{_state(mark)}</td>" for mark in learner.marks)
        total = f"<td>{learner.solved} of {len(learner.marks)}</td>"
        yield f'<tr><th scope="row">{name}</th>{total}{cells}</tr>'
    yield "</tbody></table></div>"


def _state(mark: Mark) -> str:
    sign, name = _SIGNS[mark.state]
    return f'<span class="{name}"><span aria-hidden="true">{sign}</span> {mark.state}</span>'


def _section(learner: LearnerResult, number: int) -> Iterator[str]:
    yield f'<section id="learner-{number}">\n<h2>{escape(learner.learner)}</h2>'
    took = f", {learner.took_s:.1f} s" if learner.took_s else ""
    yield f'<p class="faint">{learner.solved} of {len(learner.marks)} solved{took}</p>'
    for remark in learner.remarks:
        yield f'<p class="struck">{escape(remark)}</p>'
    for mark in learner.marks:
        yield f"<h3>{escape(mark.title)} · {_state(mark)}</h3>"
        if mark.source:
            yield f"<pre>{escape(mark.source)}</pre>"
        if mark.line:
            yield f"<p>The check: <code>{escape(mark.line)}</code></p>"
        if mark.note:
            yield f"<p>{escape(mark.note)}</p>"
        if mark.traceback:
            yield f"<details><summary>Traceback</summary><pre>{escape(mark.traceback)}</pre>"
            yield "</details>"
    yield "</section>"
