"""The one door to this lab. Standard library only, so that it runs on a machine with nothing else.

python3 lab.py open     set everything up and open JupyterLab on the first lab
python3 lab.py test     set everything up and run every check and test
python3 lab.py doctor   say what this machine lacks or reduces, and how to mend it

All that is installed goes into the folder .venv beside this file; delete it to start afresh.
`open` hands further words to JupyterLab, as in: python3 lab.py open --no-browser --port 8890
"""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.abspath(__file__))
VENV = os.path.join(ROOT, ".venv")
BIN = os.path.join(VENV, "bin")
PYTHON = os.path.join(BIN, "python")
PINS = os.path.join(ROOT, "binder", "requirements.txt")
STAMP = os.path.join(VENV, "labkit-stamp.json")
FIRST_LAB = "labs/00_start_here.ipynb"
OLDEST, NEWEST = (3, 11), (3, 14)  # what the pins are tried with

CHECKS = (
    ("ruff", ["ruff", "check", "."]),
    ("mypy", ["mypy"]),
    ("import rules", ["lint-imports", "--no-cache"]),
    ("pytest", ["pytest", "-n", "2", "--dist", "loadfile"]),
)


class Stop(Exception):
    """What went wrong and what to do, for the person at the keyboard."""


def main(arguments: list[str]) -> int:
    commands = {"open": open_lab, "test": run_tests, "doctor": doctor}
    name = arguments[0] if arguments else "help"
    if name not in commands:
        print((__doc__ or "").split("\n", 2)[2].strip())
        return 0 if name in ("help", "-h", "--help") else 2
    os.chdir(ROOT)
    sys.stdout.reconfigure(errors="replace")  # type: ignore[union-attr]
    try:
        check_machine(name)
        set_up()
        return commands[name](arguments[1:])
    except Stop as stop:
        print(f"\n{stop}", file=sys.stderr)
    except KeyboardInterrupt:
        print("\nStopped. The same command goes on where it was.", file=sys.stderr)
    return 1


def open_lab(more: list[str]) -> int:
    """Become JupyterLab, so that Ctrl+C and signals reach it and nothing is left behind."""
    command = [PYTHON, "-m", "jupyterlab", f"--LabApp.default_url=/lab/tree/{FIRST_LAB}", *more]
    if os.geteuid() == 0:
        command.append("--allow-root")
    say("starting JupyterLab on " + FIRST_LAB + "; Ctrl+C ends it")
    os.execve(PYTHON, command, environment())


def run_tests(more: list[str]) -> int:
    """Run every check, also after one has failed; then tell all results together."""
    if more:
        raise Stop("`test` takes no further words. For a part of the tests: .venv/bin/pytest FILE")
    results = []
    for name, command in CHECKS:
        say(f"\n{name}: {' '.join(command)}")
        began = time.monotonic()
        code, closing = stream([os.path.join(BIN, command[0]), *command[1:]])
        results.append((name, code, time.monotonic() - began, closing))
    tell_what_is_left_out()
    print()
    for name, code, seconds, closing in results:
        outcome = "ok" if code == 0 else "FAILED"
        print(f"{name:<14}{outcome:<8}{seconds:6.1f} s   {closing}")
    return 1 if any(code for _, code, _, _ in results) else 0


def doctor(more: list[str]) -> int:
    return subprocess.call([PYTHON, "-m", "labkit", "doctor", *more], env=environment())


def tell_what_is_left_out() -> None:
    """Name what this machine could not run or runs reduced, in the words of `labkit doctor`."""
    command = [PYTHON, "-m", "labkit", "doctor", "--json"]
    told = subprocess.run(command, env=environment(), stdout=subprocess.PIPE)
    rows = [row for row in json.loads(told.stdout)["findings"] if row["state"] != "ok"]
    if rows:
        say("\nleft out or reduced on this machine (`python3 lab.py doctor` shows all):")
    for row in rows:
        say(f"  {row['name']}: {row['text']}. {row['mend']}")


def check_machine(command: str) -> None:
    """Stop with a clear word where the set-up cannot work."""
    have = sys.version_info[:2]
    if os.name == "nt":
        raise Stop(
            "On Windows the lab runs in the Windows Subsystem for Linux (WSL).\n"
            "Install it once with `wsl --install` in PowerShell, open its Ubuntu terminal,\n"
            f"copy this folder there, and run `python3 lab.py {command}` in it."
        )
    if have < OLDEST:
        this = f"this is {dotted(have)}.\n{other_python()}"
        raise Stop(f"The lab needs Python {dotted(OLDEST)} or later; {this}")
    if not importlib.util.find_spec("venv") or not importlib.util.find_spec("ensurepip"):
        raise Stop(
            "This Python comes without its module for virtual environments (venv, ensurepip).\n"
            "Debian and Ubuntu keep it in a package of its own:\n"
            f"  sudo apt install python3-venv      (or python{have[0]}.{have[1]}-venv)"
        )


def dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))


def other_python() -> str:
    """A word on which Python to take instead of this one."""
    for minor in range(NEWEST[1], OLDEST[1] - 1, -1):
        name = f"python{OLDEST[0]}.{minor}"
        if (
            shutil.which(name)
            and subprocess.run([name, "-c", ""], stderr=subprocess.PIPE).returncode == 0
        ):
            return f"This machine has {name} too: use `{name} lab.py …`."
    return f"Install Python {dotted(NEWEST)} from python.org or with your package manager."


def set_up() -> None:
    """Bring .venv to what the pins say. Does nothing when the stamp says that it is there."""
    with open(PINS, "rb") as pins, open(os.path.join(ROOT, "pyproject.toml"), "rb") as project:
        pinned = hashlib.sha256(pins.read() + project.read()).hexdigest()
    stamp = read_stamp()
    usable = stamp.get("place") == VENV and os.path.exists(PYTHON)
    if usable and stamp.get("pinned") == pinned:
        return
    began = time.monotonic()
    say("Setting up .venv (once; later runs skip this)")
    # New pins go over the old ones: without a network the environment stays what it was.
    if not usable or "pinned" not in stamp:
        make_venv()
    install()
    write_page_config()
    write_stamp({"place": VENV, "pinned": pinned})
    say(f"  ready after {time.monotonic() - began:.1f} s\n")


def make_venv() -> None:
    if os.path.exists(VENV) and not os.path.exists(STAMP):
        raise Stop(
            "There is a folder .venv here that this script did not make.\n"
            "Delete it or give it another name, and run the same command again."
        )
    if os.path.exists(PYTHON):
        say("  the old environment does not fit this place or is incomplete; removing it")
    shutil.rmtree(VENV, ignore_errors=True)
    os.mkdir(VENV)
    write_stamp({"place": VENV})
    step(
        f"an environment with Python {dotted(sys.version_info[:3])}",
        [sys.executable, "-m", "venv", VENV],
    )


def install() -> None:
    """The pins, then labkit itself as it stands in this folder; uv does it, or else pip."""
    with open(PINS, encoding="utf-8") as pins:
        count = sum("==" in line for line in pins)
    pip = [PYTHON, "-m", "pip", "install", "-q", "--disable-pip-version-check"]
    uv = [PYTHON, "-m", "uv", "pip", "install", "-q", "--compile-bytecode"]
    labkit = ["--no-deps", "--editable", "."]
    try:
        step("uv, a fast installer", [*pip, "uv"])
        environ = {**index_settings(), **environment()}
        step(f"packages for the {count} pins", [*uv, "-r", PINS], environ)
        step("labkit", [*uv, *labkit], environ)
    except Stop:
        say("  uv could not do it; pip tries, which takes a minute or two")
        step(f"packages for the {count} pins", [*pip, "-r", PINS])
        step("labkit", [*pip, *labkit])


def index_settings() -> dict[str, str]:
    """The index that pip's configuration names, in uv's own words: uv does not read it itself."""
    command = [PYTHON, "-m", "pip", "config", "list"]
    listed = subprocess.run(command, stdout=subprocess.PIPE, text=True).stdout
    pip = {}
    for section in ("global", "install", ":env:"):
        for name, value in re.findall(rf"^{section}\.([\w-]+)=(.+)$", listed, re.MULTILINE):
            pip[name] = " ".join(ast.literal_eval(value).split())
    names = {
        "index-url": "UV_DEFAULT_INDEX",
        "extra-index-url": "UV_INDEX",
        "find-links": "UV_FIND_LINKS",
        "trusted-host": "UV_INSECURE_HOST",
        "cert": "SSL_CERT_FILE",
        "proxy": "ALL_PROXY",
    }
    settings = {names[name]: value for name, value in pip.items() if name in names}
    if "UV_FIND_LINKS" in settings:
        settings["UV_FIND_LINKS"] = settings["UV_FIND_LINKS"].replace(" ", ",")
    # As pip does: any index may have the pinned version.
    settings["UV_INDEX_STRATEGY"] = "unsafe-best-match"
    return settings


def write_page_config() -> None:
    """Keep JupyterLab's news pop-up out of the learner's first minute."""
    folder = os.path.join(VENV, "etc", "jupyter", "labconfig")
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, "page_config.json"), "w", encoding="utf-8") as file:
        json.dump(
            {"disabledExtensions": {"@jupyterlab/apputils-extension:announcements": True}}, file
        )


def read_stamp() -> dict[str, object]:
    try:
        with open(STAMP, encoding="utf-8") as file:
            return dict(json.load(file))
    except (OSError, ValueError):
        return {}


def write_stamp(content: dict[str, object]) -> None:
    with open(STAMP, "w", encoding="utf-8") as file:
        json.dump(content, file)


def environment() -> dict[str, str]:
    """This process's environment with .venv switched on, as its `activate` script does."""
    environ = {**os.environ, "VIRTUAL_ENV": VENV, "JUPYTER_PREFER_ENV_PATH": "1"}
    environ["PATH"] = BIN + os.pathsep + os.environ.get("PATH", os.defpath)
    environ.pop("PYTHONHOME", None)
    return environ


def step(what: str, command: list[str], environ: dict[str, str] | None = None) -> None:
    """Run one step of the set-up, saying what it is and how long it took."""
    print(f"  {what} … ", end="", flush=True)
    began = time.monotonic()
    done = subprocess.run(
        command,
        env=environ or environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    if done.returncode:
        print("failed", flush=True)
        told = done.stdout.decode("utf-8", "replace").strip().splitlines()
        tail = "\n".join([line for line in told if not line.startswith("WARNING")][-15:])
        need = (
            f"The set-up stopped at: {what}.\nIt needs the network (or the package index "
            "that pip's configuration names) once, and 1.3 GB of disk."
        )
        if sys.version_info[:2] > NEWEST:
            need += f"\nThe pins are tried with Python up to {dotted(NEWEST)}. {other_python()}"
        raise Stop(f"{tail}\n\n{need}")
    print(f"{time.monotonic() - began:.1f} s", flush=True)


def stream(command: list[str]) -> tuple[int, str]:
    """Run a check, passing on each line as it comes; returns the exit code and the last line."""
    environ = environment()
    if sys.stdout.isatty():
        environ.setdefault("FORCE_COLOR", "1")
    closing = ""
    with subprocess.Popen(
        command, env=environ, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        for raw in process.stdout:
            line = raw.decode("utf-8", "replace")
            print(line, end="", flush=True)
            closing = re.sub(r"\x1b\[[0-9;]*m", "", line).strip(" =\n") or closing
    return process.returncode, closing


def say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
