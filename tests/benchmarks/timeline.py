"""How fast the timeline is, in a real Chromium: python tests/benchmarks/timeline.py

It loads the module as it is into an empty page, gives it made-up events of 200, 2,000 and 20,000
bars, and zooms, pans and drags the playhead by one frame after the other. Then it invokes a function
in a JupyterLab and measures how long after its end an invocation is on the screen.
"""

from __future__ import annotations

import base64
import json
import os
import random
import statistics
import sys
import tempfile
import uuid
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "browser"))

from conftest import JupyterLab, Seen, find_chromium
from playwright.sync_api import Page, sync_playwright

from labkit.core.events import Event, EventKind
from labkit.notebook import palette
from labkit.notebook.history import history
from labkit.notebook.widgets.base import STATIC
from labkit.notebook.widgets.timeline_columns import columns

FRAMES = 120
PAGE = """async ({source, css, data, palette, live}) => {
    // As a model holds them: DataViews instead of bytes.
    const view = (text) =>
        new DataView(Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0)).buffer);
    const unpacked = (value) => {
        if (value === null || typeof value !== "object" || Array.isArray(value)) return value;
        if (typeof value.base64 === "string") return view(value.base64);
        return Object.fromEntries(Object.entries(value).map(([key, it]) => [key, unpacked(it)]));
    };
    data = unpacked(data);
    const prices = {x86_64: {requests: 2e-7, duration: 1.66667e-5}};
    const values = {_data: data, _palette: palette, _prices: prices, _is_live: live};
    const model = {get: (name) => values[name], set() {}, on() {}, off() {}, send() {}};
    const style = document.createElement("style");
    style.textContent = css;
    document.body.replaceChildren(style);
    const module = await import(URL.createObjectURL(new Blob([source], {type: "text/javascript"})));
    const el = document.createElement("div");
    document.body.append(el);
    module.default.render({model, el});
    window.timeline = el.firstChild.labkit;
}"""
MEASURE = """async ({frames, move}) => {
    const {picture, paint} = window.timeline;
    picture.fit();
    const moves = {
        zoom: (i) => picture.zoom(i < frames / 2 ? 0.93 : 1 / 0.93, picture.length * 0.4),
        pan: (i) => {
            if (!i) picture.setWindow(0, picture.length / 8);
            picture.pan(picture.length / 200);
        },
        play: (i) => { picture.head = picture.axis.time((picture.length * i) / frames); },
    };
    const painted = [], began = performance.now();
    for (let i = 0; i < frames; i++) {
        await new Promise(requestAnimationFrame);
        const start = performance.now();
        moves[move](i);
        paint();
        // Reading a pixel waits until the canvas has really been painted.
        picture.context.getImageData(0, 0, 1, 1);
        painted.push(performance.now() - start);
    }
    picture.head = null;
    return {painted, fps: (1000 * frames) / (performance.now() - began)};
}"""


def events_of(bars: int, environments: int) -> list[Event]:
    """About so many bars: each environment starts cold and then serves one call after another."""
    dice = random.Random(1)
    events: list[dict[str, Any]] = []
    calls = (bars // environments - 1) // 2
    ids = (str(uuid.UUID(int=dice.getrandbits(128))) for _ in range(bars))
    for number in range(environments):
        now = number * dice.uniform(5, 50)
        name = {"environment": f"e{number}", "function": "hello"}
        events.append({"time_ms": now, "kind": "init_started", "phase": "init", **name})
        now += dice.uniform(80, 300)
        events.append(
            {"time_ms": now, "kind": "init_ended", "phase": "init", "outcome": "success", **name}
        )
        for _ in range(calls):
            now += dice.expovariate(1 / 40)
            call = {**name, "request_id": next(ids)}
            events.append({"time_ms": now, "kind": "invoke_started", **call})
            took = dice.lognormvariate(3, 1)
            now += took
            outcome = "error" if dice.random() < 0.02 else "success"
            figures = {"duration_ms": took, "billed_ms": int(took) + 1, "memory_mb": 512}
            events.append(
                {"time_ms": now, "kind": "invoke_ended", "outcome": outcome, **figures, **call}
            )
    events.sort(key=lambda event: event["time_ms"])
    return [
        Event.from_dict({**event, "seq": seq, "kind": EventKind(event["kind"])})
        for seq, event in enumerate(events, 1)
    ]


def load(page: Page, bars: int, environments: int) -> int:
    """Show a timeline with about so many bars; return how many there are."""
    data = columns(history(events_of(bars, environments)))
    source, css = ((STATIC / f"timeline.{kind}").read_text() for kind in ("js", "css"))
    shown = {"source": source, "css": css, "palette": palette.as_dict(), "live": False}
    page.evaluate(PAGE, {**shown, "data": packed(data)})
    return len(data["bars"]["kind"])


def packed(value: Any) -> Any:
    """The same with all bytes as base64, which can cross to the page."""
    if isinstance(value, dict):
        return {key: packed(inner) for key, inner in value.items()}
    return {"base64": base64.b64encode(value).decode()} if isinstance(value, bytes) else value


CALLS = 25
CELLS = [
    "import time, boto3\nfrom labkit import Lab, Timeline\nlab = Lab.start(seed=1)\n"
    "def handler(event, context):\n    pass\n"
    "_ = lab.deploy(handler, memory_mb=1769)\nlambda_client = boto3.client('lambda')",
    "Timeline(lab)",
    f"ends_ms = []\nfor _ in range({CALLS}):\n    lambda_client.invoke(FunctionName='handler')\n"
    "    ends_ms.append(time.time() * 1000)\n    time.sleep(0.25)\nprint(ends_ms)",
]
WATCH = """() => {
    window.seen = [];
    new MutationObserver(() => {
        const root = document.querySelector(".labkit-timeline");
        const count = Number(root?.dataset.invocations ?? 0);
        while (count > window.seen.length) window.seen.push(Date.now());
    }).observe(document.body, {subtree: true, attributes: true, attributeFilter: ["data-rev"]});
}"""


def delays_ms(page: Page, folder: Path) -> list[float]:
    """From the return of each invocation to its bar on the screen."""
    jupyter = JupyterLab(folder, folder / "jupyterlab.log")
    try:
        seen = Seen(page, jupyter, folder)
        page.evaluate(WATCH)
        run = seen.run_all(jupyter.write("latency.ipynb", CELLS))
        page.wait_for_function(f"window.seen.length >= {CALLS}")
        ends = json.loads(run.texts()[-1])
        shown = page.evaluate("window.seen")
        seen.close_lab()
        return [max(at - end, 0.0) for at, end in zip(shown, ends, strict=True)]
    finally:
        jupyter.stop()


def main() -> None:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=find_chromium(), chromium_sandbox=os.getuid() != 0
        )
        page = browser.new_page(viewport={"width": 1200, "height": 800})
        page.goto("about:blank")
        for bars, environments in ((200, 10), (2_000, 30), (20_000, 100)):
            count = load(page, bars, environments)
            for move in ("zoom", "pan", "play"):
                result = page.evaluate(MEASURE, {"frames": FRAMES, "move": move})
                painted = sorted(result["painted"])
                figures = {
                    "bars": count,
                    "move": move,
                    "painted_ms_p50": round(statistics.median(painted), 2),
                    "painted_ms_p95": round(painted[int(0.95 * len(painted))], 2),
                    "frames_per_s": round(result["fps"], 1),
                }
                print(json.dumps(figures))
            if folder := os.environ.get("LABKIT_BROWSER_ARTIFACTS"):
                page.screenshot(path=Path(folder) / f"timeline-{bars}.png")
        with tempfile.TemporaryDirectory() as folder:
            delays = sorted(delays_ms(page, Path(folder)))
        p50, p95 = statistics.median(delays), delays[int(0.95 * len(delays))]
        print(json.dumps({"bar_after_ms_p50": round(p50), "bar_after_ms_p95": round(p95)}))
        browser.close()
    size = (STATIC / "timeline.js").stat().st_size
    print(json.dumps({"module_kB": round(size / 1000, 1)}))


if __name__ == "__main__":
    main()
