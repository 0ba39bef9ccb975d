"""What every part of the data plane shares: clock, settings, events, and the services around it."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from labkit.core.clock import Clock
from labkit.core.events import Event, EventKind
from labkit.live.cpu import Channel, Controller
from labkit.live.deployment import Deployment
from labkit.live.settings import Settings
from labkit.live.supervisor import Supervisor


class Events(Protocol):
    """The lab's event log, as its writers see it."""

    def append(self, kind: EventKind, **fields: Any) -> Event: ...


class Services(Protocol):
    """What the data plane needs of the mocked AWS around it."""

    endpoint_url: str

    def put_log_events(
        self, region: str, group: str, stream: str, events: Sequence[tuple[int, str]]
    ) -> None: ...

    def role_credentials(self, role_arn: str, session_name: str) -> Mapping[str, str]: ...


@dataclass(slots=True)
class LiveContext:
    """One lab's data plane."""

    clock: Clock
    settings: Settings
    events: Events
    services: Services
    storage_dir: Path
    supervisor: Supervisor
    controller: Controller
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def open_channel(self) -> Channel:
        """A line to the CPU controller, which is replaced if it has died or hangs."""
        with self._lock:
            try:
                channel = Channel(self.controller)
                channel.check()
            except OSError:
                self.controller.close()
                self.controller = Controller()
                channel = Channel(self.controller)
            return channel

    def role_credentials(self, deployment: Deployment) -> Mapping[str, str]:
        """Credentials of the function's role; the session is named after the function."""
        name = deployment.function_name
        session = name if len(name) > 1 else f"{name}@lambda_function"
        return self.services.role_credentials(deployment.configuration.role_arn, session)
