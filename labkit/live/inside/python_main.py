"""Run AWS's Python runtime interface client in this process, as AWS's own ``bootstrap.py`` does."""

import builtins
import sys
from types import TracebackType

BOOTSTRAP = "/var/runtime/bootstrap.py"


def main(plan: dict) -> None:
    """Serve the handler until the environment ends. ``plan["import_path"]`` is what AWS's path
    would be.
    """
    stdlib = [entry for entry in sys.path if entry != plan["inside_dir"]]
    before, after = plan["import_path"]
    sys.path[:] = before + stdlib + after
    sys.argv[:] = [BOOTSTRAP, plan["handler"]]
    sys.executable = plan["executable"]
    sys.path.append(plan["inside_dir"])
    sys.dont_write_bytecode = True
    _add_site_builtins()
    if plan["guard"]:
        import guard

        guard.install(*plan["guard"])
    if plan["pure_client"]:
        import runtime_client_pure  # noqa: F401

        sys.modules["runtime_client"] = sys.modules.pop("runtime_client_pure")
    for name in ("template", "keeper", "namespaces", "python_main", "guard"):
        sys.modules.pop(name, None)
    sys.path.remove(plan["inside_dir"])

    from awslambdaric import bootstrap
    from awslambdaric.lambda_config import LambdaConfigProvider
    from awslambdaric.lambda_runtime_client import LambdaRuntimeClient

    config = LambdaConfigProvider(sys.argv)
    client = LambdaRuntimeClient(config.api_address, config.use_thread_polling)
    sys.excepthook = _show_without_lab
    bootstrap.run(config.handler, client)


def _add_site_builtins() -> None:
    """``exit`` and ``quit`` exist on AWS; Python's ``-S`` leaves them out here."""
    from _sitebuiltins import Quitter

    builtins.exit = Quitter("exit", "Ctrl-D (i.e. EOF)")
    builtins.quit = Quitter("quit", "Ctrl-D (i.e. EOF)")


def _show_without_lab(kind: type, error: BaseException, traceback: TracebackType | None) -> None:
    """An error of the client itself begins with the client: what started it is not AWS's."""
    while traceback is not None and "awslambdaric" not in traceback.tb_frame.f_code.co_filename:
        traceback = traceback.tb_next
    sys.__excepthook__(kind, error, traceback)


def from_json(text: str) -> None:
    """Entry for an interpreter other than the lab's own, which gets its plan on the command
    line.
    """
    import json

    main(json.loads(text))
