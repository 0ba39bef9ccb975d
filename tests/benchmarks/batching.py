"""How fast the batching explorer answers a knob: python tests/benchmarks/batching.py

In a JupyterLab with a real Chromium, from the key press to the painted answer of the kernel; and
how long the simulation takes by itself.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "browser"))

from conftest import JupyterLab, Seen, find_chromium
from playwright.sync_api import sync_playwright

from labkit.fleet.batches import simulate
from labkit.notebook.widgets.batching import BatchingExplorer

TARGET_MS = 100
CELLS = [
    "from labkit.notebook.widgets.batching import BatchingExplorer",
    "BatchingExplorer(records=40)",
    "BatchingExplorer('kinesis', records=40)",
]
KEYS = ["ArrowRight"] * 5 + ["ArrowLeft"] * 9 + ["ArrowRight"] * 9
ANSWERED = """([number, rev]) => {
    const {dataset} = document.querySelectorAll(".labkit-batching")[number];
    return Number(dataset.rev) > rev && dataset.state === "ready" && dataset.answerMs;
}"""


def main() -> None:
    for source in ("sqs", "kinesis"):
        explorer = BatchingExplorer(source, records=40)
        scenario, took_ms = explorer.scenario(), []
        for batch_size in range(1, 11):
            began_s = time.perf_counter()
            simulate(replace(scenario, batch_size=batch_size))
            took_ms.append((time.perf_counter() - began_s) * 1000)
        print(f"{source}: simulated in {max(took_ms):.1f} ms at most")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        home = Path(folder)
        jupyter = JupyterLab(home, home / "jupyterlab.log")
        browser = playwright.chromium.launch(
            executable_path=find_chromium(), chromium_sandbox=os.getuid() != 0
        )
        try:
            page = browser.new_page(viewport={"width": 1280, "height": 1000})
            Seen(page, jupyter, home).run_all(jupyter.write("batching.ipynb", CELLS))
            for number, source in enumerate(("sqs", "kinesis")):
                root = page.locator(".labkit-batching").nth(number)
                slider = root.get_by_role("slider").first
                answers_ms = []
                for key in KEYS:
                    rev = int(root.get_attribute("data-rev"))
                    slider.press(key)
                    page.wait_for_function(ANSWERED, arg=[number, rev])
                    answers_ms.append(float(root.get_attribute("data-answer-ms")))
                median_ms, worst_ms = statistics.median(answers_ms), max(answers_ms)
                met = "met" if worst_ms < TARGET_MS else "MISSED"
                print(f"{source}: answers in {median_ms:.0f} ms, {worst_ms:.0f} ms at most")
                print(f"   target < {TARGET_MS} ms: {met}")
        finally:
            browser.close()
            jupyter.stop()


if __name__ == "__main__":
    main()
