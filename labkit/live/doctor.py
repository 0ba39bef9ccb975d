"""What this machine can run: what is missing, what is reduced, and how to mend it."""

from __future__ import annotations

import dataclasses
import importlib.util
import json
import os
import platform
import shutil
import sys
import textwrap
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

OLDEST_PYTHON = (3, 11)
SMALL_MEMORY_GB = 1.5
_PACKAGES = ("awslambdaric", "boto3", "flask", "jupyterlab", "matplotlib", "moto")
_CHROMIUM_COMMANDS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_CHROMIUM_PLACES = (
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
)
# Where Playwright puts a browser that it installed itself.
_CHROMIUM_PLAYWRIGHT = (
    (".cache/ms-playwright", "chromium-*/chrome-linux*/chrome"),
    ("Library/Caches/ms-playwright", "chromium-*/chrome-mac*/*.app/Contents/MacOS/*"),
)


class State(StrEnum):
    """Of one finding. With anything MISSING the labs cannot run here."""

    OK = "ok"
    REDUCED = "reduced"
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class Finding:
    """One fact about this machine; ``mend`` says what would change it (empty if all is well)."""

    name: str
    state: State
    text: str
    mend: str = ""


def examine() -> list[Finding]:
    """Look at the machine: a second or two, as interpreters are asked for their versions."""
    if sys.platform == "win32":
        return [_windows()]
    findings = [_python(), _system(), _packages()]
    if any(finding.state is State.MISSING for finding in findings):
        return findings
    return [
        *findings,
        _isolation(),
        _runtime_client(),
        *_python_runtimes(),
        _node(),
        _aws_command(),
        _size(core_count(), memory_gb()),
        _chromium(),
    ]


def main(*, as_json: bool = False) -> int:
    """``labkit doctor [--json]``: 0 when labs can run on this machine, 1 when they cannot."""
    findings = examine()
    ready = all(finding.state is not State.MISSING for finding in findings)
    if as_json:
        rows = [dataclasses.asdict(finding) for finding in findings]
        print(json.dumps({"ready": ready, "findings": rows}, indent=1))
    else:
        print(table(findings, width=shutil.get_terminal_size().columns))
        print("\nThe labs run on this machine." if ready else "\nThe labs cannot run here yet.")
    return 0 if ready else 1


def table(findings: Iterable[Finding], width: int = 100) -> str:
    """The findings as text, one row each, with what would mend it beneath."""
    lines = []
    for finding in findings:
        head = f"{finding.state:<9}{finding.name:<17}"
        room = max(width - len(head), 40)
        below = "\n" + " " * len(head)
        text = textwrap.wrap(finding.text, room)
        mend = textwrap.wrap(f"→ {finding.mend}", room) if finding.mend else []
        lines.append(head + below.join(text + mend))
    return "\n".join(lines)


def find_chromium() -> str | None:
    """The path of a Chromium or Chrome that the tests can drive, or None."""
    for command in _CHROMIUM_COMMANDS:
        if path := shutil.which(command):
            return path
    for place in _CHROMIUM_PLACES:
        if os.access(place, os.X_OK):
            return place
    for folder, pattern in _CHROMIUM_PLAYWRIGHT:
        for path_found in sorted((Path.home() / folder).glob(pattern), reverse=True):
            if os.access(path_found, os.X_OK):
                return str(path_found)
    return None


def core_count() -> float:
    """Cores that this process may use, a container's quota counted."""
    affinity = getattr(os, "sched_getaffinity", None)  # Linux has it, macOS has not
    cores: float = len(affinity(0)) if affinity else os.cpu_count() or 1
    quota = _read("/sys/fs/cgroup/cpu.max").split()
    if len(quota) == 2 and quota[0].isdigit():
        cores = min(cores, int(quota[0]) / int(quota[1]))
    return cores


def memory_gb() -> float:
    """Memory of the machine, or of the container, in GB."""
    size = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    for place in ("memory.max", "memory/memory.limit_in_bytes"):  # cgroups version 2, version 1
        limit = _read(f"/sys/fs/cgroup/{place}").strip()
        if limit.isdigit():
            size = min(size, int(limit))
    return size / 1e9


def _windows() -> Finding:
    mend = (
        "Install the Windows Subsystem for Linux once (`wsl --install` in PowerShell), "
        "and use the lab in its Ubuntu terminal."
    )
    return Finding("System", State.MISSING, "Windows: the lab's processes need Unix", mend)


def _python() -> Finding:
    version = platform.python_version()
    if sys.version_info[:2] >= OLDEST_PYTHON:
        return Finding("Python", State.OK, f"{version} at {sys.executable}")
    return Finding("Python", State.MISSING, version, "Install Python 3.11 or later.")


def _system() -> Finding:
    kind = "macOS" if sys.platform == "darwin" else platform.system()
    if "microsoft" in platform.release().lower():
        kind += " in WSL"
    text = f"{kind} {platform.release()}, {platform.machine()}"
    if not Path("/proc/self/stat").exists():
        text += ": without /proc, CPU share and memory limit of functions are not held"
        return Finding("System", State.REDUCED, text, "Use Linux, or Linux in a virtual machine.")
    return Finding("System", State.OK, text)


def _packages() -> Finding:
    lacking = [name for name in _PACKAGES if importlib.util.find_spec(name) is None]
    if not lacking:
        return Finding("Packages", State.OK, "all that the labs import")
    mend = "Run `python3 lab.py open`, which installs them."
    return Finding("Packages", State.MISSING, f"not installed: {', '.join(lacking)}", mend)


def _isolation() -> Finding:
    from labkit.live.supervisor import isolation

    if isolation() == "namespaces":
        text = "functions have a file system of their own (namespaces)"
        return Finding("Isolation", State.OK, text)
    text = (
        "namespaces are blocked: functions run as you, /var/task is a folder elsewhere, "
        "and the size of /tmp is not limited"
    )
    return Finding("Isolation", State.REDUCED, text, _mend_isolation(_read))


def _mend_isolation(read: Callable[[str], str]) -> str:
    """Which of the known locks is closed here, and its key."""
    if not sys.platform.startswith("linux"):
        return "Only Linux has namespaces; a Linux machine, a virtual one included, gives all."
    for setting, closed, open_value in (
        ("kernel/unprivileged_userns_clone", "0", "1"),
        ("kernel/apparmor_restrict_unprivileged_userns", "1", "0"),
        ("user/max_user_namespaces", "0", "10000"),
    ):
        if read(f"/proc/sys/{setting}").strip() == closed:
            return f"sudo sysctl {setting.replace('/', '.')}={open_value}"
    return "Containers such as Binder's block them; the labs say what differs. Nothing to do."


def _runtime_client() -> Finding:
    from labkit.live.supervisor import has_compiled_client

    if has_compiled_client():
        return Finding("Runtime client", State.OK, "awslambdaric, with its compiled part")
    text = "awslambdaric, with a pure-Python part in place of its compiled one"
    return Finding("Runtime client", State.OK, text)


def _python_runtimes() -> list[Finding]:
    from labkit.core.runtimes import SUPPORTED_RUNTIMES
    from labkit.live.interpreters import find_interpreters

    found = find_interpreters()
    identifiers = [name for name in SUPPORTED_RUNTIMES if name.startswith("python")]
    own = [f"{name} on {found[name].version}" for name in identifiers if name in found]
    lacking = [name for name in identifiers if name not in found]
    findings = []
    if own:
        findings.append(Finding("Python runtimes", State.OK, ", ".join(own)))
    if lacking:
        text = f"{', '.join(lacking)} run on Python {platform.python_version()} instead"
        versions = " ".join(name.removeprefix("python") for name in lacking)
        uv = _beside("uv")
        mend = (
            f"To have their own: `{uv} python install {versions}`"
            if uv
            else "Install these versions."
        )
        findings.append(Finding("Python runtimes", State.REDUCED, text, mend))
    return findings


def _node() -> Finding:
    from labkit.live.interpreters import find_node

    node = find_node()
    if node is not None:
        return Finding("Node.js", State.OK, f"{node.version}: all nodejs runtimes run on it")
    mend = "Install Node.js, for example `sudo apt install nodejs` or `brew install node`."
    return Finding("Node.js", State.REDUCED, "not found: nodejs functions are refused", mend)


def _aws_command() -> Finding:
    path = _beside("aws") or shutil.which("aws")
    if path is not None:
        return Finding("aws command", State.OK, path)
    mend = "Run `python3 lab.py open`, which installs it (package awscli)."
    return Finding("aws command", State.REDUCED, "not found: `!aws …` cells fail", mend)


def _size(cores: float, memory: float) -> Finding:
    text = f"{cores:g} core{'s' if cores != 1 else ''}, {memory:.1f} GB of memory"
    if memory < SMALL_MEMORY_GB:
        mend = "Close other programs, and use one notebook at a time."
        return Finding("Size", State.REDUCED, f"{text}: tight for JupyterLab and a lab", mend)
    if cores < 2:
        mend = "Close other programs while measuring; the labs mark what was disturbed."
        return Finding("Size", State.REDUCED, f"{text}: measurements are easily disturbed", mend)
    return Finding("Size", State.OK, text)


def _chromium() -> Finding:
    path = find_chromium()
    if path is not None:
        return Finding("Chromium", State.OK, f"{path} (for the lab's own tests alone)")
    text = "not found: the lab's own tests leave out those in a browser; labs do not need it"
    playwright = _beside("playwright")
    mend = "`sudo apt install chromium`"
    if playwright:
        mend += f", or `{playwright} install --with-deps chromium`"
    return Finding("Chromium", State.REDUCED, text, mend)


def _beside(command: str) -> str | None:
    """A command of the environment that this Python belongs to, as short as it can be typed."""
    path = shutil.which(command, path=os.path.dirname(sys.executable))
    if path is None:
        return None
    near = os.path.relpath(path)
    return path if near.startswith(os.pardir) else near


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8")
    except OSError:
        return ""
