"""One runtime process and the talk with it, from its start to its end.

There is no thread for it. Whoever waits for the runtime polls its descriptors (Runtime API, output,
exit) in :meth:`RuntimeSession.wait`; so output, result and exit are seen in one order, and a
time-out is just the end of waiting.
"""

from __future__ import annotations

import json
import os
import select
import signal
import time
from collections.abc import Callable
from enum import Enum, StrEnum

from labkit.live import runtime_api
from labkit.live.cpu import Channel, Measurement
from labkit.live.runtime_api import Call, CallKind, RuntimeApi
from labkit.live.supervisor import RuntimeProcess

_READ_BYTES = 262_144


class Ending(Enum):
    """Why waiting for a runtime ended."""

    NEXT = "asked for the next event"
    EXIT = "the process ended"
    TIMEOUT = "the time was over"


class Phase(StrEnum):
    """Where the runtime is; AWS's Runtime API allows each call in some phases only."""

    INIT = "Init"
    READY = "Ready"
    RUNNING = "Running"
    RESPONDED = "ResponseSent"


class RuntimeSession:
    """A started runtime. ``on_output`` gets what it writes, as it comes.

    ``begin(pid)`` is called once its process id is known, so that it is measured from its first
    moment.
    """

    def __init__(
        self,
        api: RuntimeApi,
        process: RuntimeProcess,
        poll: select.poll,
        on_output: Callable[[bytes], None],
        on_start: Callable[[RuntimeProcess], None],
    ) -> None:
        self._api, self.process, self._poll = api, process, poll
        self._on_output, self._on_start = on_output, on_start
        self.phase = Phase.INIT
        self.result: tuple[bytes, str | None] | None = None
        """Payload and, for an error that the runtime reported, its type."""
        self.too_large = False
        self.ended_s = time.monotonic()
        """When the last `wait` ended (monotonic)."""
        self._request_id = ""
        self._waiting: runtime_api.Connection | None = None
        poll.register(process.output_fd, select.POLLIN)
        poll.register(process.status_fd, select.POLLIN)

    @property
    def is_ready(self) -> bool:
        """Whether the runtime waits for its next event, and can be measured and frozen.

        It may have asked for it and been killed before anybody looked; then its number may be
        unknown, or its end known.
        """
        return (
            self.phase is Phase.READY and self.process.pid is not None and self.process.exit is None
        )

    def deliver(self, request_id: str, headers: list[tuple[str, str]], event: bytes) -> None:
        """Hand an invocation to the runtime, which waits for one."""
        assert self.phase is Phase.READY and self._waiting is not None
        connection, self._waiting = self._waiting, None
        self.phase, self.result, self.too_large = Phase.RUNNING, None, False
        self._request_id = request_id
        runtime_api.answer_next(connection, headers, event)

    def wait(self, deadline_s: float) -> Ending:
        """Serve the runtime until it asks for the next event or ends, or until ``deadline_s``."""
        while True:
            left_s = deadline_s - time.monotonic()
            ending = self._turn(left_s) if left_s > 0 else Ending.TIMEOUT
            if ending is not None:
                self.ended_s = time.monotonic()
                return ending

    def _turn(self, left_s: float) -> Ending | None:
        ready = self._poll.poll(left_s * 1000)
        if any(fd == self.process.output_fd for fd, _ in ready):
            self._read_output()
        for fd, flags in ready:
            if fd == self.process.status_fd:
                self._read_status()
            elif fd != self.process.output_fd:
                if flags & select.POLLOUT:
                    self._api.writable(fd)
                for call in self._api.readable(fd) if flags & ~select.POLLOUT else ():
                    self._take(call)
        if self.is_ready:
            ending = Ending.NEXT
        elif self.process.exit is not None or self.process.failure is not None:
            ending = Ending.EXIT
        else:
            return None
        self._read_output()
        return ending

    def thaw(self) -> None:
        """Let a frozen runtime run."""
        self.process.signal_group(signal.SIGCONT)

    def freeze(self) -> None:
        """Stop it, where the controller could not."""
        self.process.signal_group(signal.SIGSTOP)

    def close(self) -> None:
        """Kill the runtime, take in its last words, close everything."""
        self.process.kill()
        self._read_output()
        for fd in (self.process.output_fd, self.process.status_fd):
            self._poll.unregister(fd)
        self.process.close()
        self._api.close()

    def _read_output(self) -> None:
        while True:
            try:
                data = os.read(self.process.output_fd, _READ_BYTES)
            except BlockingIOError:
                return
            if not data:
                return
            self._on_output(data)
            if len(data) < _READ_BYTES:
                return

    def _read_status(self) -> None:
        known = self.process.pid is not None
        self.process.read_status()
        if not known and self.process.pid is not None:
            self._on_start(self.process)

    def _take(self, call: Call) -> None:
        """One call of the runtime, served or refused as its phase demands."""
        match call.kind:
            case CallKind.NEXT if self.phase is not Phase.RUNNING:
                self._waiting, self.phase = call.connection, Phase.READY
            case CallKind.INIT_ERROR if self.phase is Phase.INIT:
                self.result = call.body, call.error_type or _error_type(call.body)
                runtime_api.accept(call.connection)
            case CallKind.RESTORE_NEXT if self.phase is Phase.INIT:
                runtime_api.answer_next(call.connection, [], b"")
            case CallKind.RESTORE_ERROR if self.phase is Phase.INIT:
                runtime_api.accept(call.connection)
            case CallKind.RESPONSE | CallKind.ERROR | CallKind.TOO_LARGE if (
                self.phase is Phase.RUNNING
            ):
                self._take_result(call)
            case _:
                message = f"Transition from {self.phase} by {call.kind} is not allowed."
                runtime_api.refuse(call.connection, 403, "InvalidStateTransition", message)

    def _take_result(self, call: Call) -> None:
        if call.request_id != self._request_id:
            runtime_api.refuse(call.connection, 400, "InvalidRequestID", "Invalid request ID")
            return
        self.phase = Phase.RESPONDED
        if call.kind is CallKind.TOO_LARGE:
            self.too_large = True
            runtime_api.refuse_too_large(call.connection)
            return
        failed = call.kind is CallKind.ERROR
        error_type = (call.error_type or _error_type(call.body)) if failed else None
        self.result = call.body, error_type
        runtime_api.accept(call.connection)


class Meter:
    """Measures a runtime and holds it to its CPU share, through the controller process.

    ``open_channel`` gives a line to the controller; it is asked again when a controller has died.
    """

    def __init__(
        self, open_channel: Callable[[], Channel], memory_mb: int, period_ms: float
    ) -> None:
        self._open_channel, self._memory_mb, self._period_ms = open_channel, memory_mb, period_ms
        self._channel: Channel | None = None
        self._measuring = False

    def begin(self, process: RuntimeProcess, share: float) -> None:
        """From now on. ``share`` in cores, ``math.inf`` for an unthrottled init."""
        assert process.pid is not None and process.keeper_pid is not None
        if self._measuring:
            return
        arguments = (process.pid, process.keeper_pid, share, self._memory_mb, self._period_ms)
        try:
            self._channel = self._channel or self._open_channel()
            self._channel.begin(*arguments)
        except OSError:
            self.close()
            self._channel = self._open_channel()
            self._channel.begin(*arguments)
        self._measuring = True

    def end(self, at_s: float, *, freeze: bool) -> Measurement | None:
        """Until ``at_s``; None if nothing was measured (no runtime, or the controller died)."""
        if not self._measuring or self._channel is None:
            return None
        self._measuring = False
        try:
            return self._channel.end(at_s, freeze=freeze)
        except OSError:
            self.close()
            return None

    def close(self) -> None:
        """The environment has ended."""
        if self._channel is not None:
            self._channel.close()
            self._channel = None


def _error_type(body: bytes) -> str:
    try:
        return str(json.loads(body)["errorType"])
    except (ValueError, KeyError, TypeError):
        return "Runtime.Unknown"
