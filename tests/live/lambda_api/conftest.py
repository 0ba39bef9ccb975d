"""The Lambda API behind a real boto3 client, without a socket, with a clock moved by hand."""

from __future__ import annotations

import contextlib
import io
import stat
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.config import Config
from botocore.exceptions import ClientError

from labkit.core.errors import invalid_parameter
from labkit.live.deployment import Deployment
from labkit.live.http import Headers, Request, Response
from labkit.live.invoke import InvokeRequest, InvokeResult
from labkit.live.lambda_api import LambdaApi
from labkit.live.provisioning import ProvisionedKey, ProvisionedState
from labkit.live.settings import Settings

ACCOUNT = "123456789012"
REGION = "eu-central-1"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/lab"
START_MS = 1_767_225_600_000.0  # 2026-01-01T00:00:00Z


@dataclass
class HandTimer:
    due_ms: float
    callback: Callable[[], None]
    pending: bool
    cancelled: bool = False

    def cancel(self) -> None:
        self.cancelled = True
        self.callback = lambda: None


@dataclass
class HandClock:
    """Lab time that stands still until `advance` is called."""

    time_ms: float = START_MS
    timers: list[HandTimer] = field(default_factory=list)

    def now_ms(self) -> float:
        return self.time_ms

    def call_at(
        self, time_ms: float, callback: Callable[[], None], *, pending: bool = True
    ) -> HandTimer:
        timer = HandTimer(time_ms, callback, pending)
        self.timers.append(timer)
        return timer

    def working(self) -> contextlib.AbstractContextManager[None]:
        return contextlib.nullcontext()

    def advance(self, seconds: float) -> None:
        end_ms = self.time_ms + seconds * 1000
        while due := [one for one in self.timers if one.due_ms <= end_ms and not one.cancelled]:
            first = min(due, key=lambda one: one.due_ms)
            self.timers.remove(first)
            self.time_ms = max(self.time_ms, first.due_ms)
            first.callback()
        self.time_ms = end_ms


@dataclass
class Lab:
    """What the API asks of the rest of the lab, and what the tests look at."""

    objects: dict[tuple[str, str], bytes] = field(default_factory=dict)
    roles: set[str] = field(default_factory=lambda: {ROLE})
    missing_runtimes: set[str] = field(default_factory=set)
    missing_targets: set[str] = field(default_factory=set)
    retired: list[str] = field(default_factory=list)
    invoked: list[InvokeRequest] = field(default_factory=list)
    result: dict[str, Any] = field(default_factory=dict)
    reserved: dict[str, int | None] = field(default_factory=dict)
    provisioned: dict[ProvisionedKey, list[tuple[str, int]]] = field(default_factory=dict)
    ready: ProvisionedState | None = None
    """Of every allocation; None leaves it in progress."""

    def s3_object(self, bucket: str, key: str, version: str | None) -> bytes:
        if (bucket, key) not in self.objects:
            raise invalid_parameter(
                "Error occurred while GetObject. S3 Error Code: NoSuchKey. "
                "S3 Error Message: The specified key does not exist."
            )
        return self.objects[bucket, key]

    def role_exists(self, arn: str) -> bool:
        return arn in self.roles

    def target_exists(self, arn: str) -> bool:
        return arn not in self.missing_targets

    def check_runtime_here(self, runtime: str, package_type: str) -> None:
        if package_type == "Image" or runtime in self.missing_runtimes:
            raise invalid_parameter(f"{runtime or package_type} cannot run here.")

    def retire(self, identity: str) -> None:
        self.retired.append(identity)

    def reserve(self, region: str, function: str, concurrency: int | None) -> None:
        self.reserved[function] = concurrency

    def provision(self, key: ProvisionedKey, wanted: Sequence[tuple[Deployment, int]]) -> None:
        self.provisioned[key] = [(one.version, count) for one, count in wanted]

    def end(self, key: ProvisionedKey) -> None:
        del self.provisioned[key]

    def state(self, key: ProvisionedKey) -> ProvisionedState:
        return self.ready or ProvisionedState(0, 0, "IN_PROGRESS", None)

    def invoke(self, request: InvokeRequest) -> InvokeResult:
        self.invoked.append(request)
        if request.invocation_type == "Event":
            return InvokeResult(status=202, request_id=request.request_id)
        answer = {
            "status": 200,
            "request_id": request.request_id,
            "payload": b'"done"',
            "executed_version": request.deployment.version,
            "trace_header": "Root=1-5759e988-bd862e3fe1be46a994272793",
        }
        return InvokeResult(**{**answer, **self.result})


def _headers(given: Mapping[str, Any]) -> Headers:
    return Headers(
        [
            (name, value.decode() if isinstance(value, bytes) else str(value))
            for name, value in given.items()
        ]
    )


class _Raw(io.BytesIO):
    def stream(self, *_: object, **__: object) -> Iterator[bytes]:
        yield self.read()


def make_zip(files: Mapping[str, str | bytes], executable: tuple[str, ...] = ()) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            info = zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0))
            info.compress_type = zipfile.ZIP_DEFLATED
            mode = 0o755 if name in executable else 0o600
            info.external_attr = (stat.S_IFREG | mode) << 16
            archive.writestr(info, content)
    return buffer.getvalue()


CODE = make_zip({"app.py": "def handler(event, context): return event\n"})


@dataclass
class Bench:
    """One Lambda API with everything around it."""

    api: LambdaApi
    clock: HandClock
    lab: Lab
    storage: Path
    _clients: dict[str, Any] = field(default_factory=dict)

    account = ACCOUNT
    region = REGION
    role = ROLE
    code = CODE
    zip = staticmethod(make_zip)

    def client(self, region: str = REGION) -> Any:
        """Return a client that leaves all checks of parameters to the service."""
        if region in self._clients:
            return self._clients[region]
        client = boto3.client(
            "lambda",
            region_name=region,
            endpoint_url="http://lab.test",
            aws_access_key_id="AKIDEXAMPLE",
            aws_secret_access_key="secret",
            config=Config(retries={"total_max_attempts": 1}, parameter_validation=False),
        )
        client.meta.events.register(
            "before-send.lambda", lambda request, **_: self._send(request, region)
        )
        self._clients[region] = client
        return client

    def request(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
        query: str = "",
        region: str = REGION,
    ) -> Response:
        return self.api.handle(
            Request(
                method=method,
                path=path,
                query=query,
                headers=_headers(headers or {}),
                body=body,
                region=region,
                account_id=ACCOUNT,
                caller_arn=f"arn:aws:iam::{ACCOUNT}:user/learner",
            )
        )

    def _send(self, prepared: AWSPreparedRequest, region: str) -> AWSResponse:
        url = urlsplit(prepared.url)
        body = prepared.body or b""
        if hasattr(body, "read"):
            body = body.read()
        response = self.request(
            prepared.method,
            url.path,
            body.encode() if isinstance(body, str) else bytes(body),
            prepared.headers,
            url.query,
            region,
        )
        headers = {name.lower(): value for name, value in response.headers}
        headers["content-length"] = str(len(response.body))
        return AWSResponse(prepared.url, response.status, headers, _Raw(response.body))

    def create(self, name: str = "hello", *, active: bool = True, **parameters: Any) -> Any:
        given = {
            "FunctionName": name,
            "Runtime": "python3.13",
            "Handler": "app.handler",
            "Role": ROLE,
            "Code": {"ZipFile": CODE},
            **parameters,
        }
        answer = self.client().create_function(
            **{key: value for key, value in given.items() if value is not None}
        )
        if active:
            self.settle()
        return answer

    def settle(self) -> None:
        self.clock.advance(1)

    def arn(self, name: str = "hello", qualifier: str | None = None) -> str:
        base = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{name}"
        return base if qualifier is None else f"{base}:{qualifier}"

    def folders(self) -> list[str]:
        return sorted(path.name for path in self.storage.glob("*/*"))


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    clock, lab = HandClock(), Lab()
    api = LambdaApi(
        account_id=ACCOUNT, clock=clock, settings=Settings(), storage_dir=tmp_path, services=lab
    )
    api.invoker = lab
    api.provisioner = lab
    api.endpoint_url = "http://127.0.0.1:4000"
    return Bench(api, clock, lab, tmp_path)


@pytest.fixture
def client(bench: Bench) -> Any:
    return bench.client()


@dataclass
class Refusal:
    status: int
    code: str
    message: str
    body: dict[str, Any]


@pytest.fixture
def refused() -> Callable[..., Refusal]:
    """Call an operation that must be refused; return how it was."""

    def call(operation: Callable[..., Any], **parameters: Any) -> Refusal:
        with pytest.raises(ClientError) as caught:
            operation(**parameters)
        answer = caught.value.response
        return Refusal(
            answer["ResponseMetadata"]["HTTPStatusCode"],
            answer["Error"]["Code"],
            answer["Error"]["Message"],
            answer,
        )

    return call
