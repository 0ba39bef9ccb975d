"""A real JupyterLab and a real browser, for tests of what a person sees.

The folder of the environment variable LABKIT_BROWSER_ARTIFACTS keeps the screenshots and
JupyterLab's log; without it they go to pytest's temporary folder.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest

ROOT = Path(__file__).resolve().parents[2]
HOW_TO_GET_CHROMIUM = (
    "no Chromium was found, so nobody looked at the labs in a browser; to have that tested too, "
    "install it (Debian, Ubuntu: sudo apt-get install chromium; macOS: brew install chromium), or "
    "set CHROMIUM to the path of one"
)
START_S = 60
RUN_ALL_MS = 120_000
STEP_MS = 20_000

OPEN = """async (path) => {
    const app = window.jupyterapp;
    await app.restored;
    const panel = await app.commands.execute("docmanager:open", {path, factory: "Notebook"});
    await panel.context.ready;
    await panel.sessionContext.ready;
    await panel.sessionContext.session.kernel.info;
    window.opened = panel;
}"""
START_ALL = """() => {
    const done = window.jupyterapp.commands.execute("notebook:run-all-cells");
    window.running = {done, start: performance.now()};
}"""
END_ALL = """async (limit_ms) => {
    const {done, start} = window.running;
    await Promise.race([
        done,
        new Promise((_, reject) => setTimeout(reject, limit_ms, `no end after ${limit_ms} ms`)),
    ]);
    const cells = window.opened.content.widgets.filter((cell) => cell.model.type === "code");
    return {
        seconds: (performance.now() - start) / 1000,
        cells: cells.map((cell) => ({
            count: cell.model.executionCount,
            source: cell.model.sharedModel.source,
            outputs: cell.outputArea.model.toJSON(),
        })),
    };
}"""
CLOSE = """async () => {
    const app = window.jupyterapp;
    await app.commands.execute("notebook:shutdown-kernel");
    await app.commands.execute("docmanager:save");
    await app.commands.execute("application:close-all");
}"""


class JupyterLab:
    """A JupyterLab server of its own over a copy of the labs, without anything of the user's."""

    def __init__(self, home: Path, log: Path) -> None:
        self.root = home / "work"
        shutil.copytree(ROOT / "labs", self.root / "labs")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.process = subprocess.Popen(
            self._command(),
            cwd=self.root,
            env=self._environment(home),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self._ready, self._is_up = threading.Event(), False
        self._reader = threading.Thread(target=self._read_log, args=(log,))
        self._reader.start()
        if not self._ready.wait(START_S) or not self._is_up:
            self.stop()
            raise RuntimeError(f"JupyterLab ended or did not start within {START_S} s; see {log}")

    def write(self, name: str, cells: list[str]) -> str:
        """Write a notebook of code cells and return its path for `Seen.run_all`."""
        notebook = nbformat.v4.new_notebook()
        notebook.cells = [nbformat.v4.new_code_cell(source) for source in cells]
        notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
        nbformat.write(notebook, self.root / name)
        return name

    def stop(self) -> None:
        """End the server, which ends its kernels."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait()
        self._reader.join()

    def _command(self) -> list[str]:
        return [
            *(sys.executable, "-m", "jupyterlab"),
            "--no-browser",
            "--ip=127.0.0.1",
            f"--port={self.port}",
            "--ServerApp.port_retries=0",
            "--IdentityProvider.token=",
            "--ServerApp.disable_check_xsrf=True",
            "--LabApp.expose_app_in_browser=True",
            "--LabApp.extension_manager=readonly",
            *(("--allow-root",) if os.getuid() == 0 else ()),
        ]

    def _environment(self, home: Path) -> dict[str, str]:
        config = home / "config"
        _write_json(
            config / "labconfig" / "page_config.json",
            {"disabledExtensions": {"@jupyterlab/apputils-extension:announcements": True}},
        )
        # Every cell is in the page, also those that are scrolled out of sight.
        _write_json(
            config / "lab/user-settings/@jupyterlab/notebook-extension/tracker.jupyterlab-settings",
            {"windowingMode": "none"},
        )
        inherited = {
            name: value for name, value in os.environ.items() if not name.startswith("JUPYTER")
        }
        return inherited | {
            "JUPYTER_CONFIG_DIR": str(config),
            "JUPYTER_DATA_DIR": str(home / "data"),
            "JUPYTER_RUNTIME_DIR": str(home / "runtime"),
            "JUPYTERLAB_SETTINGS_DIR": str(config / "lab" / "user-settings"),
            "JUPYTERLAB_WORKSPACES_DIR": str(home / "workspaces"),
            "IPYTHONDIR": str(home / "ipython"),
        }

    def _read_log(self, log: Path) -> None:
        assert self.process.stderr is not None
        with self.process.stderr as lines, log.open("w") as kept:
            for line in lines:
                kept.write(line)
                if f":{self.port}/lab" in line:
                    self._is_up = True
                    self._ready.set()
        self._ready.set()  # it has ended


class LabRun:
    """What came of running all cells of one lab."""

    def __init__(self, result: dict[str, Any]) -> None:
        self.seconds: float = result["seconds"]
        self.cells: list[dict[str, Any]] = result["cells"]
        self.outputs = [output for cell in self.cells for output in cell["outputs"]]

    def texts(self) -> list[str]:
        """The plain text of each output, in order."""
        return [
            "".join(output["text"] if "text" in output else output["data"]["text/plain"])
            for output in self.outputs
            if output["output_type"] != "error"
        ]


class Seen:
    """The browser's one page, with everything it asked for and complained of."""

    def __init__(self, page: Any, jupyter: JupyterLab, artifacts: Path) -> None:
        self.page, self.jupyter, self._artifacts = page, jupyter, artifacts
        self.requests: list[str] = []
        self.errors: list[str] = []
        page.set_default_timeout(STEP_MS)
        page.on("request", lambda request: self.requests.append(request.url))
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.goto(f"{jupyter.url}/lab")
        page.wait_for_function("window.jupyterapp !== undefined")

    def run_all(self, path: str) -> LabRun:
        """Open a lab and run all its cells."""
        self.open(path)
        self.start_all()
        return self.end_all()

    def open(self, path: str) -> None:
        """Open a lab; its kernel is ready then."""
        self.page.evaluate(OPEN, path)

    def start_all(self) -> None:
        """Begin to run all cells of the lab that is open."""
        self.page.evaluate(START_ALL)

    def end_all(self) -> LabRun:
        """Wait until all cells are done."""
        return LabRun(self.page.evaluate(END_ALL, RUN_ALL_MS))

    def close_lab(self) -> None:
        """End the kernel and close the lab."""
        self.page.evaluate(CLOSE)

    def theme(self, name: str) -> None:
        """Change JupyterLab's theme and wait until it is there."""
        self.page.evaluate(
            "(theme) => window.jupyterapp.commands.execute('apputils:change-theme', {theme})", name
        )
        self.page.wait_for_selector(f'body[data-jp-theme-name="{name}"]', state="attached")
        self.page.wait_for_selector("#jupyterlab-splash", state="detached")

    def screenshots(self, name: str) -> list[Path]:
        """Take pictures of the whole open notebook, one screen height after the other."""
        area = self.page.locator(".jp-NotebookPanel:not(.lm-mod-hidden) .jp-WindowedPanel-outer")
        height = area.evaluate("(node) => node.clientHeight")
        total = area.evaluate("(node) => node.scrollHeight")
        taken = []
        for number in range(-(-total // height)):
            area.evaluate("(node, top) => { node.scrollTop = top; }", number * height)
            taken.append(self._artifacts / f"{name}-{number + 1:02}.png")
            self.page.screenshot(path=taken[-1])
        return taken


def find_chromium() -> str | None:
    """Return the path of a Chromium: Debian's, or a relative of it."""
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    candidates = (os.environ.get("CHROMIUM"), *map(shutil.which, names))
    return next((path for path in candidates if path), None)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Without a browser, leave these tests out, and say so once."""
    if find_chromium() is not None:
        return
    for item in items:
        if item.path.parent == Path(__file__).parent:
            item.add_marker(pytest.mark.skip(reason=HOW_TO_GET_CHROMIUM))


@pytest.fixture(scope="session")
def artifacts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that keeps what one may want to look at."""
    chosen = os.environ.get("LABKIT_BROWSER_ARTIFACTS")
    folder = Path(chosen) if chosen else tmp_path_factory.mktemp("browser")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture(scope="module")
def jupyter(tmp_path_factory: pytest.TempPathFactory, artifacts: Path) -> Iterator[JupyterLab]:
    lab = JupyterLab(tmp_path_factory.mktemp("jupyter"), artifacts / "jupyterlab.log")
    yield lab
    lab.stop()


@pytest.fixture(scope="module")
def seen(jupyter: JupyterLab, artifacts: Path) -> Iterator[Seen]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=find_chromium(),
            args=["--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"],
            chromium_sandbox=os.getuid() != 0,
        )
        page = browser.new_page(viewport={"width": 1280, "height": 1000})
        yield Seen(page, jupyter, artifacts)
        browser.close()


def _write_json(path: Path, content: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
