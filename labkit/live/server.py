"""The server process: moto, the Lambda API, the data plane and the control interface together."""

from __future__ import annotations

import base64
import json
import logging
import os
import secrets
import select
import signal
import string
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from labkit.live import interpreters
from labkit.live.async_queue import AsyncQueue
from labkit.live.auth import AccessKey, Authenticator
from labkit.live.calls import Calls
from labkit.live.clock import LabClock
from labkit.live.control import Control
from labkit.live.destinations import Destinations
from labkit.live.event_log import EventLog
from labkit.live.front import HOST, Front, Router
from labkit.live.http import Request, Response
from labkit.live.invoke import Invoker
from labkit.live.lambda_api.app import LambdaApi
from labkit.live.moto_seam import app as moto_app
from labkit.live.moto_seam import cloudwatch, s3, sqs_api
from labkit.live.moto_seam import time as moto_time
from labkit.live.moto_seam.credentials import (
    ACCOUNT_ID,
    USER_ARN,
    Credentials,
    role_exists,
)
from labkit.live.moto_seam.logs import LogWriter
from labkit.live.moto_seam.sqs import QueueStore
from labkit.live.moto_seam.streams import StreamStore
from labkit.live.moto_seam.targets import MotoTargets
from labkit.live.pollers.context import PollerContext
from labkit.live.pollers.mappings import MappingPollers
from labkit.live.provisioning import Provisioner
from labkit.live.real_time import real_time_s
from labkit.live.settings import Settings
from labkit.live.storage import Storage
from labkit.live.telemetry.metrics import MetricStore
from labkit.live.workers import Workers

_log = logging.getLogger(__name__)

REGION: Final = "us-east-1"
_KEY_ALPHABET: Final = string.ascii_uppercase + "234567"
_PARENT_LOOK_S: Final = 1.0


class Services:
    """What the Lambda API and the data plane ask of the mocked AWS around them.

    Waits for moto where it is needed before it has been loaded.
    """

    def __init__(self, endpoint_url: str, credentials: Credentials, settings: Settings) -> None:
        self.endpoint_url = endpoint_url
        self.ready = threading.Event()
        self.invoker: Invoker | None = None
        self.targets = MotoTargets(self.ready)
        self._credentials = credentials
        self._logs = LogWriter(settings)

    def s3_object(self, bucket: str, key: str, version: str | None) -> bytes:
        """Return an object's content. Raises ApiError with AWS's text if there is none."""
        self.ready.wait()
        return s3.get_object(bucket, key, version)

    def role_exists(self, arn: str) -> bool:
        """Tell whether IAM knows the role."""
        self.ready.wait()
        return role_exists(arn)

    def target_exists(self, arn: str) -> bool:
        """Tell whether there is such a queue, topic, event bus or bucket."""
        return self.targets.exists(arn)

    def check_runtime_here(self, runtime: str, package_type: str) -> None:
        """Raise ApiError if this machine cannot run the runtime or package type."""
        interpreters.check_runtime_here(runtime, package_type)

    def retire(self, identity: str) -> None:
        """End the environments of a deployment's identity as they become idle."""
        if self.invoker is not None:
            self.invoker.retire(identity)

    def put_log_events(
        self, region: str, group: str, stream: str, events: Sequence[tuple[int, str]]
    ) -> None:
        """Write into CloudWatch Logs."""
        self.ready.wait()
        self._logs.put(region, group, stream, events)

    def queue(self, arn: str) -> Any:
        """Return moto's queue of an ARN, None if there is none."""
        self.ready.wait()
        return sqs_api.queue_of(arn)

    def load_logs(self) -> None:
        """Import what the first invocation would otherwise wait for."""
        self._logs.load()

    def role_credentials(self, role_arn: str, session_name: str) -> Mapping[str, str]:
        """Return credentials of a role."""
        self.ready.wait()
        return self._credentials.role_credentials(role_arn, session_name)


class Server:
    """A running lab behind `front`, with its files in `storage`; it closes both.

    moto is loaded beside the first requests, so that the server answers at once.
    """

    def __init__(self, front: Front, storage: Storage, *, seed: int = 0) -> None:
        self._front = front
        self._storage = storage
        self.endpoint = front.endpoint
        self.session = new_access_key()
        self.token = secrets.token_urlsafe(32)
        self.settings = Settings()
        self.settings.patch({"seed": seed})
        self.clock = LabClock()
        self.events = EventLog(self.clock, self.settings)
        self._credentials = Credentials(self.session)
        self._services = Services(self.endpoint, self._credentials, self.settings)
        self._moto = moto_app.MockedServices(HOST, front.port)
        self._lambda_api = LambdaApi(
            account_id=ACCOUNT_ID,
            clock=self.clock,
            settings=self.settings,
            storage_dir=storage.directory,
            services=self._services,
        )
        self._lambda_api.endpoint_url = self.endpoint
        self._invoker = Invoker(
            clock=self.clock,
            settings=self.settings,
            events=self.events,
            services=self._services,
            storage_dir=storage.directory,
        )
        self._lambda_api.invoker = self._invoker
        self._services.invoker = self._invoker
        self._workers = Workers(self.clock, lambda: self.settings.max_environments)
        self._provisioner = Provisioner(
            clock=self.clock,
            settings=self.settings,
            events=self.events,
            pools=self._invoker.pools,
            submit=self._workers.submit,
        )
        self._lambda_api.provisioner = self._provisioner
        self._calls = Calls(self._lambda_api.resolve_arn, self._invoker.invoke)
        self._destinations = Destinations(
            clock=self.clock,
            events=self.events,
            targets=self._services.targets,
            calls=self._calls,
        )
        self._async_queue = AsyncQueue(
            clock=self.clock,
            settings=self.settings,
            events=self.events,
            workers=self._workers,
            functions=self._lambda_api,
            run=self._invoker.run,
            destinations=self._destinations,
        )
        self._invoker.event_queue = self._async_queue
        self._queues = QueueStore(self.clock, self._services.queue)
        self._streams = StreamStore(self.clock)
        self._metrics = MetricStore(self.events, self._lambda_api.metric_facts(REGION))
        self._lambda_api.pollers = MappingPollers(
            PollerContext(
                clock=self.clock,
                settings=self.settings,
                events=self.events,
                workers=self._workers,
                calls=self._calls,
                queues=self._queues,
                streams=self._streams,
                destinations=self._destinations,
            ),
            self._services.ready.wait,
        )
        front.start(self._router())
        threading.Thread(target=self._load, name="load moto", daemon=True).start()

    def ready_line(self) -> str:
        """Return the one line that tells how to reach the lab."""
        return json.dumps(
            {
                "endpoint": self.endpoint,
                "region": REGION,
                "access_key_id": self.session.access_key_id,
                "secret_access_key": self.session.secret,
                "token": self.token,
            }
        )

    def reset(self) -> None:
        """Forget the functions and the state of all services; the clock and the events go on."""
        self._services.ready.wait()
        self._async_queue.clear()
        self._provisioner.reset()
        self._lambda_api.reset()
        self._invoker.reset()
        moto_app.reset()
        self._queues.tell_deleted()
        self._metrics.clear()
        self._credentials.prepare_account()

    def close(self) -> None:
        """End the environments and the server, and remove its folder."""
        self._front.close()
        self._workers.close()
        self._invoker.close()
        self._metrics.close()
        self.clock.close()
        self._storage.close()

    def _router(self) -> Router:
        control = Control(
            token=self.token,
            clock=self.clock,
            events=self.events,
            settings=self.settings,
            code=self._lambda_api.code_by_token,
            reset=self.reset,
        )
        return Router(
            authenticator=Authenticator(
                self._find_key, real_time_s, lambda: self.clock.now_ms() / 1000
            ),
            token=self.token,
            control=control.handle,
            lambda_api=self._lambda_api.handle,
            mocked_services=self._mocked,
        )

    def _mocked(self, request: Request) -> Response:
        self._services.ready.wait()
        return self._moto.handle(request)

    def _find_key(self, access_key_id: str) -> AccessKey | None:
        if access_key_id == self.session.access_key_id:
            return self.session
        self._services.ready.wait()
        return self._credentials.find(access_key_id)

    def _load(self) -> None:
        """Load what is slow to load, the likeliest to be asked for first."""
        try:
            self._lambda_api.warm()
            moto_time.install(self.clock)
            self._moto.load()
            self._streams.load()
            cloudwatch.install(self._metrics)
            sqs_api.install(self._queues)
            self._credentials.prepare_account()
            self._services.load_logs()
        except Exception:
            _log.exception("moto could not be loaded: the mocked services will not answer")
        finally:
            self._services.ready.set()


def new_access_key() -> AccessKey:
    """Return random credentials that look like AWS's."""
    letters = "".join(secrets.choice(_KEY_ALPHABET) for _ in range(16))
    secret = base64.b64encode(secrets.token_bytes(30)).decode()
    return AccessKey(f"AKIA{letters}", secret, USER_ARN)


def serve(
    *, port: int = 0, seed: int = 0, with_parent: bool = False, directory: Path | None = None
) -> int:
    """Run a lab until SIGINT, SIGTERM or SIGHUP; with `with_parent` until the parent ends, too.

    Prints one line of JSON to standard output when ready. `directory` is a folder to keep the
    lab's files in, which is removed at the end. Returns the exit status.
    """
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: stop.set())
    _forget_own_aws()
    storage = Storage(directory)
    try:
        front = Front(port)
    except OSError as error:
        storage.close()
        sys.stderr.write(f"labkit serve: port {port} cannot be used: {error.strerror}\n")
        return 1
    server = Server(front, storage, seed=seed)
    try:
        sys.stdout.write(server.ready_line() + "\n")
        sys.stdout.flush()
        # From here on nothing may write to standard output, moto included.
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
        if with_parent:
            threading.Thread(target=_watch_parent, args=(stop,), daemon=True).start()
        stop.wait()
    finally:
        server.close()
    return 0


def _forget_own_aws() -> None:
    """Drop the user's own configuration of AWS: moto uses boto3, which would act on it."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]
    os.environ.update(
        AWS_CONFIG_FILE=os.devnull,
        AWS_SHARED_CREDENTIALS_FILE=os.devnull,
        AWS_EC2_METADATA_DISABLED="true",
    )


def _watch_parent(stop: threading.Event) -> None:
    """Stop when the parent has closed our standard input, or has gone.

    A child that the parent forked holds the pipe open after the parent's death, so that alone is
    not enough. A signal at the parent's death (PR_SET_PDEATHSIG) would come when the thread that
    started us ends, not the process.
    """
    parent = os.getppid()
    while os.getppid() == parent:
        readable, _, _ = select.select([0], [], [], _PARENT_LOOK_S)
        if readable and not os.read(0, 4096):
            break
    stop.set()
