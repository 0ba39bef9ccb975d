"""The lab as a notebook sees it."""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import select
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, ClassVar, Final, Self

from labkit.classroom.goals import Goal
from labkit.core.events import Event
from labkit.live.client import LabClient, LabError
from labkit.notebook import deploy as deployment
from labkit.notebook import magics
from labkit.notebook.deploy import Function
from labkit.notebook.feed import follow
from labkit.notebook.records import Events, Logs, read_logs
from labkit.notebook.shell import Surroundings, aws_variables, write_aws_command
from labkit.notebook.source import source_of

if TYPE_CHECKING:  # it brings pandas, which Lab.start() does not need
    from labkit.notebook.reports import Reports

_START_LIMIT_S: Final = 30.0
_STOP_LIMIT_S: Final = 10.0
_LOG_NAME: Final = "server.log"
_ACCOUNT_ID: Final = "123456789012"


class Lab:
    """A running lab: a server process of its own, which ends with this one.

    Begin with `Lab.start()`. From then on boto3 and the `aws` command use the lab, and nothing
    else, until `stop()`.
    """

    _current: ClassVar[Lab | None] = None

    region: str
    """The AWS Region that clients use by default."""
    endpoint_url: str
    """The address of the lab."""

    def __init__(self, process: subprocess.Popen[bytes], directory: Path) -> None:
        self._process = process
        self._pid = os.getpid()
        self._directory = directory
        self._log = (directory / _LOG_NAME).open("rb")
        self._surroundings = Surroundings()
        self._client: LabClient | None = None
        self._events: list[Event] = []
        self._lock = threading.RLock()  # widgets ask from threads of their own
        self._aws_clients: dict[str, Any] = {}

    @classmethod
    def start(cls, *, seed: int = 0, port: int = 0) -> Lab:
        """Start a fresh lab and make boto3 and `aws` use it; a lab started before is stopped.

        `seed` decides every random choice of the lab, `port` is where it listens (0: anywhere).
        Raises LabError if the server does not come up.
        """
        if cls._current is not None:
            cls._current.stop()
        directory = Path(tempfile.mkdtemp(prefix="labkit-"))
        lab = cls(_spawn(directory, seed, port), directory)
        try:
            lab._enter(lab._read_ready_line())
        except BaseException:
            lab._end_process()
            raise
        cls._current = lab
        atexit.register(lab.stop)
        magics.register(lab)
        return lab

    def stop(self) -> None:
        """End the lab and set everything back that `start` set. Stopping twice does nothing."""
        if self._client is None or os.getpid() != self._pid:  # a forked child is not the owner
            return
        self._client = None
        for client in self._aws_clients.values():
            client.close()
        atexit.unregister(self.stop)
        if Lab._current is self:
            Lab._current = None
        self._surroundings.leave()
        _forget_boto3_session()
        self._end_process()

    def advance(self, seconds: float) -> None:
        """Go forward by `seconds` of lab time, as if one had waited that long.

        What is due on the way happens in its order; work that it starts is done on return.
        """
        self._control.advance(seconds)

    def settle(self, limit_seconds: float | None = None) -> bool:
        """Go forward until nothing is running or waiting; tell whether that was reached.

        Goes no further than `limit_seconds` of lab time (default: a day).
        """
        return self._control.settle(limit_seconds).settled

    def reset(self) -> None:
        """Forget all functions and resources; the clock and the event log go on."""
        self._control.reset()

    def deploy(
        self,
        handler: Callable[..., object] | str | Path,
        *,
        name: str | None = None,
        memory_mb: int = deployment.MEMORY_MB,
        timeout_s: int = deployment.TIMEOUT_S,
        runtime: str = deployment.RUNTIME,
        handler_name: str | None = None,
        environment: dict[str, str] | None = None,
        **options: Any,
    ) -> Function:
        """Deploy a function of the notebook, or a folder, and wait until it can be invoked.

        `handler` is the function, which takes along what it refers to, or the folder's path. The
        Lambda function is called `name` (default: as the handler or the folder); one of that name
        is updated. `options` are further ones of boto3's `create_function`. Raises LabError for
        what cannot be deployed, botocore's ClientError for what AWS would refuse.
        """
        if not isinstance(handler, str | Path):
            source = source_of(handler)
            return self.deploy_source(
                source,
                name=name or handler.__name__,
                memory_mb=memory_mb,
                timeout_s=timeout_s,
                runtime=runtime,
                handler_name=handler_name or f"app.{handler.__name__}",
                environment=environment,
                **options,
            )
        folder = Path(handler)
        package = deployment.package_of_folder(folder)
        handler_name = handler_name or deployment.handler_of_folder(folder)
        function = Function(
            name or folder.resolve().name, runtime, memory_mb, timeout_s, handler_name
        )
        return self._deploy(package, function, environment, options)

    def deploy_source(
        self,
        source: str,
        *,
        name: str,
        memory_mb: int = deployment.MEMORY_MB,
        timeout_s: int = deployment.TIMEOUT_S,
        runtime: str = deployment.RUNTIME,
        handler_name: str = deployment.HANDLER,
        environment: dict[str, str] | None = None,
        **options: Any,
    ) -> Function:
        """Deploy the text of one file, `app.py`, as it stands; otherwise like `deploy`."""
        function = Function(name, runtime, memory_mb, timeout_s, handler_name, source)
        return self._deploy(deployment.package_of_source(source), function, environment, options)

    def events(self, function: str | None = None, **fields: Any) -> Events:
        """Return the events of this lab so far, oldest first.

        Those of one function, and with these fields, as in `events("hello", outcome="timeout")`.
        Raises TypeError for a field that events do not have.
        """
        if function is not None:
            fields["function"] = function
        wanted = Goal("", at_least=1, **fields)
        with self._lock:
            seen = self._events
            seen += self._control.events(after=seen[-1].seq if seen else 0)
            return Events(filter(wanted.matches, seen))

    def logs(self, function: str, request_id: str | None = None) -> Logs:
        """Return the log lines of a function, oldest first: all, or those of one invocation.

        The first characters of the request id are enough. Raises LabError if there is no such
        function and no log of one.
        """
        return read_logs(self.client("logs"), self.client("lambda"), function, request_id)

    def reports(self, function: str | None = None) -> Reports:
        """Return the REPORT lines of a function, or of all, as a pandas table, oldest first.

        Raises LabError if there is no such function and no log of one.
        """
        from labkit.notebook.reports import read_report_lines, reports_of

        # The events second: each invocation's is there before its REPORT line.
        lines = read_report_lines(self.client("logs"), self.client("lambda"), function)
        return reports_of(lines, self.events(kind="invoke_ended"), self.region)

    def follow(
        self,
        callback: Callable[[list[Event]], None],
        ended: Callable[[], None] | None = None,
    ) -> Callable[[], None]:
        """Call back with all events so far, then with new ones as they happen, in a thread.

        Returns what ends it. Stopping the lab ends it too, and calls `ended`.
        """
        return follow(self._control, callback, ended)

    @property
    def now(self) -> datetime:
        """The lab time, in UTC."""
        return datetime.fromtimestamp(self._control.clock() / 1000, UTC)

    @property
    def settings(self) -> dict[str, Any]:
        """The lab's settings by name; change them with `configure`."""
        return self._control.settings()

    def configure(self, **changes: object) -> None:
        """Change settings of the lab, such as `idle_life_s=60`. Raises LabError for a wrong one."""
        self._control.patch(changes)

    @property
    def server_log(self) -> str:
        """What the server wrote about its own failures; empty when all is well."""
        if self._log.closed:
            return ""
        self._log.seek(0)
        return self._log.read().decode(errors="replace")

    @property
    def role_arn(self) -> str:
        """A role that functions can have."""
        return f"arn:aws:iam::{_ACCOUNT_ID}:role/lab-execution-role"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def __repr__(self) -> str:
        # The same in every run, so that a notebook's stored output stays true.
        state = "running" if self._client is not None else "stopped"
        return f"<Lab in {self.region}, account {_ACCOUNT_ID}, {state}>"

    @property
    def _control(self) -> LabClient:
        if self._client is None:
            raise LabError("This lab has been stopped; Lab.start() starts a new one.")
        return self._client

    def client(self, service: str, config: Any = None) -> Any:
        """Return a boto3 client of this lab, whatever the environment has been changed to since.

        With a `config` (botocore's) it is a new one.
        """
        _ = self._control
        import boto3

        with self._lock:
            if service in self._aws_clients and config is None:
                return self._aws_clients[service]
            client = boto3.client(
                service, endpoint_url=self.endpoint_url, config=config, **self._credentials
            )
            return client if config else self._aws_clients.setdefault(service, client)

    def _deploy(
        self,
        package: bytes,
        function: Function,
        environment: dict[str, str] | None,
        options: dict[str, Any],
    ) -> Function:
        role_arn = options.pop("Role", self.role_arn)
        return deployment.deploy(
            self.client("lambda"),
            package,
            function,
            role_arn=role_arn,
            environment=environment,
            **options,
        )

    def _enter(self, ready: Mapping[str, str]) -> None:
        self.region, self.endpoint_url = ready["region"], ready["endpoint"]
        self._credentials = {
            "aws_access_key_id": ready["access_key_id"],
            "aws_secret_access_key": ready["secret_access_key"],
            "region_name": ready["region"],
        }
        bin_dir = self._directory / "bin"
        write_aws_command(bin_dir, self.endpoint_url)
        self._surroundings.enter(aws_variables(ready, self._directory), bin_dir)
        _forget_boto3_session()
        self._client = LabClient(self.endpoint_url, ready["token"])

    def _read_ready_line(self) -> dict[str, str]:
        """Wait until the server is ready. Raises LabError with its last words if it is not."""
        output = self._process.stdout
        assert output is not None
        # Loads while the server starts, which takes as long; the first cell needs it anyway.
        with contextlib.suppress(ImportError):
            import boto3  # noqa: F401
        ready, _, _ = select.select([output], [], [], _START_LIMIT_S)
        line = output.readline() if ready else b""
        output.close()
        try:
            answer: dict[str, str] = json.loads(line)
        except ValueError:
            raise self._failed_to_start() from None
        return answer

    def _failed_to_start(self) -> LabError:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(1)
        status = self._process.returncode
        state = f"ended with exit status {status}"
        if status is None:
            state = f"did not become ready within {_START_LIMIT_S:.0f} s"
        words = self.server_log.strip()[-4000:] or "(nothing)"
        return LabError(
            f"The lab's server {state}. `labkit doctor` checks this machine. "
            f"The server said:\n{words}"
        )

    def _end_process(self) -> None:
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):
            self._process.stdin.close()
        try:
            self._process.wait(_STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._log.close()
        shutil.rmtree(self._directory, ignore_errors=True)


def _spawn(directory: Path, seed: int, port: int) -> subprocess.Popen[bytes]:
    # -P: a file of the learner's that is called like a module must not be taken for it.
    command = [sys.executable, "-P", "-m", "labkit", "serve", "--with-parent"]
    command += ["--directory", str(directory), "--seed", str(seed), "--port", str(port)]
    with (directory / _LOG_NAME).open("ab") as log:
        return subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            env={**os.environ, **_import_path()},
            start_new_session=True,  # interrupting the kernel must not end the lab
        )


def _import_path() -> dict[str, str]:
    """What the server needs to find this very labkit, when it is not installed but a checkout."""
    here = str(Path(__file__).resolve().parents[2])
    if here in (sysconfig.get_path("purelib"), sysconfig.get_path("platlib")):
        return {}
    return {"PYTHONPATH": os.pathsep.join(filter(None, [here, os.environ.get("PYTHONPATH")]))}


def _forget_boto3_session() -> None:
    """Let boto3 read the environment anew."""
    boto3 = sys.modules.get("boto3")
    if boto3 is not None:
        boto3.DEFAULT_SESSION = None  # type: ignore[attr-defined]
