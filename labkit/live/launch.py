"""How each runtime is launched: its command, its environment variables, its import path.

Sources: developer guide "Environment variables", "Runtimes"; values as recorded from AWS.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

from labkit.core.runtimes import RUNTIMES
from labkit.live.deployment import Deployment
from labkit.live.interpreters import find_node, python_for
from labkit.live.supervisor import NAMESPACES, Launch, Supervisor, inside_dir

_PATH = "/var/lang/bin:/usr/local/bin:/usr/bin/:/bin:/opt/bin"
_LIBRARY_PATH = (
    "/var/lang/lib:/lib64:/usr/lib64:/var/runtime:/var/runtime/lib:/var/task:/var/task/lib:/opt/lib"
)
_FROM_JSON = (
    "import sys; sys.path.append({!r}); import python_main; python_main.from_json(sys.argv[1])"
)


def runtime_version(deployment: Deployment) -> tuple[str, str]:
    """The version and its ARN for INIT_START: what really runs here, not what AWS would run."""
    identifier = deployment.configuration.runtime or ""
    family, own_version = RUNTIMES[identifier].family, identifier.removeprefix("provided.")
    if family == "python":
        interpreter = python_for(identifier)
        wanted = identifier.removeprefix("python")
        version = f"python:{wanted}.labkit-cpython-{interpreter.version}"
    elif family == "nodejs":
        node = find_node()
        wanted = identifier.removeprefix("nodejs").removesuffix(".x")
        version = f"nodejs:{wanted}.labkit-node-{node.version if node else 'missing'}"
    else:
        version = f"{family}:{own_version}.labkit"
    digest = hashlib.sha256(version.encode()).hexdigest()
    return version, f"arn:aws:lambda:{deployment.region}::runtime:{digest}"


def build_launch(
    deployment: Deployment,
    supervisor: Supervisor,
    *,
    tmp_dir: Path,
    runtime_api: str,
    log_stream: str,
    initialization_type: str,
    credentials: Mapping[str, str],
    endpoint_url: str,
) -> Launch:
    """Everything the supervisor needs to start a runtime for ``deployment``."""
    isolated = supervisor.isolation == NAMESPACES
    places = _Places(deployment, supervisor, isolated)
    environ = _environ(deployment, places, runtime_api, log_stream, credentials, endpoint_url)
    environ["AWS_LAMBDA_INITIALIZATION_TYPE"] = initialization_type
    if not isolated:
        environ["TMPDIR"] = str(tmp_dir)
    launch = Launch(
        environ=environ,
        tmp_mb=deployment.configuration.ephemeral_storage_mb,
        task_dir=deployment.task_dir,
        opt_dir=deployment.opt_dir,
        tmp_dir=tmp_dir,
        handler=deployment.configuration.handler or "",
    )
    family = RUNTIMES[deployment.configuration.runtime or ""].family
    return {"python": _python, "nodejs": _node, "provided": _provided}[family](
        launch, deployment, places
    )


class _Places:
    """Where things are, as the function sees them."""

    def __init__(self, deployment: Deployment, supervisor: Supervisor, isolated: bool) -> None:
        self.isolated, self.supervisor = isolated, supervisor
        self.task = "/var/task" if isolated else str(deployment.task_dir)
        self.opt = "/opt" if isolated else str(deployment.opt_dir or "/opt")
        self.runtime = "/var/runtime" if isolated else str(supervisor.runtime_dir)
        self.inside = inside_dir(supervisor.isolation)


def _environ(
    deployment: Deployment,
    places: _Places,
    runtime_api: str,
    log_stream: str,
    credentials: Mapping[str, str],
    endpoint_url: str,
) -> dict[str, str]:
    configuration = deployment.configuration
    environ = {
        "PATH": _PATH,
        "LD_LIBRARY_PATH": _LIBRARY_PATH,
        "LANG": "en_US.UTF-8",
        "LC_CTYPE": "C.UTF-8",
        "TZ": ":UTC",
        "SHLVL": "0",
        "PWD": places.task,
        "AWS_XRAY_CONTEXT_MISSING": "LOG_ERROR",
        "AWS_XRAY_DAEMON_ADDRESS": "127.0.0.1:2000",
        "_AWS_XRAY_DAEMON_ADDRESS": "127.0.0.1",
        "_AWS_XRAY_DAEMON_PORT": "2000",
        "AWS_ENDPOINT_URL": endpoint_url,
        "AWS_EC2_METADATA_DISABLED": "true",
        **configuration.environment,
        "_HANDLER": configuration.handler or "",
        "AWS_REGION": deployment.region,
        "AWS_DEFAULT_REGION": deployment.region,
        "AWS_LAMBDA_FUNCTION_NAME": configuration.function_name,
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(configuration.memory_mb),
        "AWS_LAMBDA_FUNCTION_VERSION": deployment.version,
        "AWS_LAMBDA_LOG_GROUP_NAME": configuration.log_group_name,
        "AWS_LAMBDA_LOG_STREAM_NAME": log_stream,
        "AWS_ACCESS_KEY_ID": credentials["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": credentials["SecretAccessKey"],
        "AWS_SESSION_TOKEN": credentials["SessionToken"],
        "AWS_LAMBDA_RUNTIME_API": runtime_api,
        "LAMBDA_TASK_ROOT": places.task,
        "LAMBDA_RUNTIME_DIR": places.runtime,
    }
    if configuration.log_format == "JSON":
        environ["AWS_LAMBDA_LOG_FORMAT"] = "JSON"
        environ["AWS_LAMBDA_LOG_LEVEL"] = configuration.application_log_level or "INFO"
    else:
        environ["AWS_LAMBDA_LOG_FORMAT"] = "Text"
    return environ


def _python(launch: Launch, deployment: Deployment, places: _Places) -> Launch:
    runtime = deployment.configuration.runtime or ""
    interpreter = python_for(runtime)
    short = ".".join(interpreter.version.split(".")[:2])
    executable = f"/var/lang/bin/python{short}" if places.isolated else interpreter.path
    launch.environ["AWS_EXECUTION_ENV"] = f"AWS_Lambda_{runtime}"
    launch.environ.setdefault("PYTHONPATH", places.runtime)
    launch.environ["_LAMBDA_TELEMETRY_LOG_FD"] = "1"
    packages = f"{places.opt}/python/lib/python{short}/site-packages"
    launch.import_path = ([places.task, packages, f"{places.opt}/python", places.runtime], [])
    launch.executable = executable
    launch.prefixes = (interpreter.prefix,)
    launch.links = {
        f"/var/lang/bin/{name}": interpreter.path
        for name in (f"python{short}", "python3", "python")
    }
    if not interpreter.own:
        plan = {
            "import_path": launch.import_path,
            "handler": launch.handler,
            "executable": executable,
            "inside_dir": places.inside,
            "guard": places.supervisor.guard(launch),
            "pure_client": True,
        }
        launch.command = [
            interpreter.path, "-I", "-S", "-X", "utf8",
            "-c", _FROM_JSON.format(places.inside), json.dumps(plan),
        ]  # fmt: skip
    return launch


def _node(launch: Launch, deployment: Deployment, places: _Places) -> Launch:
    node = find_node()
    assert node is not None, "creation refuses Node.js functions on a machine without it"
    launch.environ["AWS_EXECUTION_ENV"] = f"AWS_Lambda_{deployment.configuration.runtime}"
    launch.environ.setdefault(
        "NODE_PATH", f"{places.opt}/nodejs/node_modules:{places.runtime}:{places.task}"
    )
    launch.command = [node.path, f"{places.inside}/node_main.mjs"]
    launch.prefixes = (node.prefix,)
    return launch


def _provided(launch: Launch, deployment: Deployment, places: _Places) -> Launch:
    for folder, seen in ((deployment.task_dir, places.task), (deployment.opt_dir, places.opt)):
        if folder is not None and (folder / "bootstrap").is_file():
            launch.command = [f"{seen}/bootstrap"]
            return launch
    launch.command = []
    return launch


def lacks_entrypoint(launch: Launch) -> bool:
    """Whether an OS-only runtime has no ``bootstrap`` to run."""
    return launch.command == []
