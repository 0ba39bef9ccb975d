"""How fast widgets in virtual time answer a drag: python tests/benchmarks/virtual_widgets.py

It drags in a JupyterLab with a real Chromium, and measures from each move of the pointer to the frame
that shows the kernel's answer; then it drags without a pause and counts the answers that are drawn.
The target of both is 100 ms.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "browser"))

from conftest import JupyterLab, Seen, find_chromium
from playwright.sync_api import sync_playwright

MOVES = 40
PAUSE_MS = 150
CELLS = [
    "from labkit.notebook.widgets.lanes import ConcurrencyLanes\n"
    "from labkit.notebook.widgets.retries import RetryTimeline\nRetryTimeline()",
    "RetryTimeline(health=[(0, 'throttled')])",
    "ConcurrencyLanes()",
    "ConcurrencyLanes(rate_per_s=2.6, account_concurrency=20, reserved_concurrency=12)",
]
NAMES = ("retries", "retries, 80 throttles", "lanes", "lanes, 140 requests")
WATCH = """(root) => {
    root.moves = [];
    root.answers = [];
    root.addEventListener("pointermove", () => root.moves.push(performance.now()), true);
    let seq = root.dataset.seq;
    const look = () => requestAnimationFrame(() => {
        if (root.dataset.seq !== seq) root.answers.push(performance.now());
        seq = root.dataset.seq;
        look();
    });
    look();
}"""


def drag(page: Any, root: Any, places: list[tuple[float, float]], pause_ms: int) -> list[float]:
    """Drag over places; return how long after each answered move its answer was drawn."""
    root.evaluate("(root) => { root.moves = []; root.answers = []; }")
    page.mouse.move(*places[0])
    page.mouse.down()
    for place in places[1:]:
        page.mouse.move(*place)
        page.wait_for_timeout(pause_ms)
    page.mouse.up()
    page.wait_for_timeout(500)
    moves, answers = root.evaluate("(root) => [root.moves, root.answers]")
    return [answer - max((m for m in moves if m < answer), default=answer) for answer in answers]


def places_of(root: Any, is_lanes: bool) -> list[tuple[float, float]]:
    root.scroll_into_view_if_needed()
    if is_lanes:
        box = root.locator("[data-handle=ceiling] .labkit-virtual-grip").last.bounding_box()
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        return [(x, y + 25 * (number % 4)) for number in range(MOVES)]
    box = root.locator(".labkit-virtual-area").bounding_box()
    y = box["y"] + box["height"] / 2
    return [(box["x"] + 40 + 8 * number, y) for number in range(MOVES)]


def main() -> None:
    with tempfile.TemporaryDirectory() as home:
        jupyter = JupyterLab(Path(home), Path(home) / "log")
        try:
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(
                    executable_path=find_chromium(), chromium_sandbox=os.getuid() != 0
                )
                page = browser.new_page(viewport={"width": 1280, "height": 1000})
                seen = Seen(page, jupyter, Path(home))
                seen.run_all(jupyter.write("virtual.ipynb", CELLS))
                widgets = page.locator(".labkit-virtual")
                for number, name in enumerate(NAMES):
                    root = widgets.nth(number)
                    root.evaluate(WATCH)
                    is_lanes = name.startswith("lanes")
                    took = drag(page, root, places_of(root, is_lanes), PAUSE_MS)
                    fast = drag(page, root, places_of(root, is_lanes), 8)
                    print(
                        f"{name:<24} answer: median {statistics.median(took):4.0f} ms, "
                        f"slowest {max(took):4.0f} ms of {len(took)}; without a pause "
                        f"{len(fast)} answers to {MOVES} moves"
                    )
                browser.close()
        finally:
            jupyter.stop()


if __name__ == "__main__":
    main()
