"""The timeline of execution environments: the lab's signature picture, to be taken apart."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

import traitlets
from botocore.exceptions import BotoCoreError, ClientError

from labkit.core.events import Event
from labkit.live.client import LabError
from labkit.notebook.figures import environments_over_time
from labkit.notebook.history import HistoryBuilder
from labkit.notebook.widgets.base import STATIC, LabWidget
from labkit.notebook.widgets.timeline_columns import ARCHITECTURES, columns
from labkit.pricing.lambda_prices import first_tier_usd

if TYPE_CHECKING:
    from labkit.notebook.lab import Lab

_SYNC_S: Final = 0.05
"""The picture is sent at most so often."""
_SHARE: Final = 0.1
"""Packing takes at most this part of the time: the kernel has a cell to run."""
_BYTES_PER_S: Final = 2_000_000
"""A larger picture is sent less often, so that a slow connection keeps up."""
_REGION: Final = "us-east-1"
"""Whose prices hold where no lab says."""


class Timeline(LabWidget):
    """Execution environments over time: one row each, bars for init, invoke and frozen, marks for
    throttles, errors and timeouts.

    `source` is a lab, which is then followed live, or any events, such as a simulator's.
    `function` leaves the environments of one function. The picture is made of the events alone;
    the log lines of a record are read from the lab when it is opened.
    """

    _esm = STATIC / "timeline.js"
    _css = STATIC / "timeline.css"

    _data = traitlets.Dict().tag(sync=True)  # see timeline_columns
    _is_live = traitlets.Bool(False).tag(sync=True)
    _prices = traitlets.Dict().tag(sync=True)

    def __init__(self, source: Lab | Iterable[Event], *, function: str | None = None) -> None:
        self._function = function
        self._lock = threading.Lock()
        self._builder = HistoryBuilder(function)
        self._events: list[Event] = []
        self._next_sync_s = 0.0
        self._later: threading.Timer | None = None
        self._views, self._is_hidden = 0, False
        self._lab: Lab | None = None
        events: Iterable[Event]
        if isinstance(source, Iterable):
            events = source
        else:
            self._lab, events = source, source.events()
        self._add(events)
        super().__init__(
            _data=columns(self._builder.history()),
            _is_live=self._lab is not None,
            _prices=_prices(_REGION if self._lab is None else self._lab.region),
        )
        self.on_msg(self._asked)
        self._cancel = _nothing
        if self._lab is not None:
            self._cancel = self._lab.follow(self._take, self._ended)

    def close(self) -> None:
        """Take the widget away, and follow the lab no longer."""
        if (cancel := getattr(self, "_cancel", None)) is not None:
            cancel()
        if (later := getattr(self, "_later", None)) is not None:
            later.cancel()
        super().close()

    def _add(self, events: Iterable[Event]) -> bool:
        last = self._events[-1].seq if self._events else -1
        fresh = sorted((e for e in events if e.seq > last), key=lambda event: event.seq)
        self._events += fresh
        for event in fresh:
            self._builder.take(event)
        return bool(fresh)

    def _take(self, events: list[Event]) -> None:
        """New events of the lab, in the feed's thread."""
        with self._lock:
            if not self._add(events) or self._later is not None or self._is_hidden:
                return
            wait_s = self._next_sync_s - time.monotonic()
            if wait_s <= 0:
                self._sync()
                return
            self._later = threading.Timer(wait_s, self._sync_late)
            self._later.daemon = True
            self._later.start()

    def _sync_late(self) -> None:
        with self._lock:
            self._later = None
            self._sync()

    def _sync(self) -> None:
        """Send the picture; under the lock, so that an older one never follows a newer one."""
        began_s = time.thread_time()  # of the processor: waiting for it must not slow this down
        data = columns(self._builder.history())
        self._data = data
        took_s = time.thread_time() - began_s
        size = sum(len(column) for group in ("bars", "records") for column in data[group].values())
        self._next_sync_s = time.monotonic() + max(_SYNC_S, took_s / _SHARE, size / _BYTES_PER_S)

    def _ended(self) -> None:
        """The lab has stopped: nothing will come any more."""
        self._is_live = False

    def _asked(self, widget: object, content: dict[str, Any], buffers: object) -> None:
        """The page wants the log lines of an invocation."""
        if content.get("type") in ("seen", "gone"):
            self._viewed(content["type"] == "seen")
        if content.get("type") != "log" or self._lab is None:
            return
        try:
            lines = list(self._lab.logs(content["function"], request_id=content["request_id"]))
        except (LabError, BotoCoreError, ClientError) as error:
            lines = [str(error)]
        self.send({"type": "log", "request_id": content["request_id"], "lines": lines})

    def _viewed(self, is_new: bool) -> None:
        """A view has come or gone. What nobody looks at is not packed: a cell that is run again
        leaves its old widget behind.
        """
        with self._lock:
            self._views += 1 if is_new else -1
            was_hidden, self._is_hidden = self._is_hidden, self._views <= 0
            if was_hidden and not self._is_hidden:
                self._sync()

    def _text(self) -> str:
        with self._lock:
            return self._builder.history().summary()

    def _still_png(self) -> bytes | None:
        with self._lock:
            events = list(self._events)
        return environments_over_time(events, function=self._function).png if events else None


def _prices(region: str) -> dict[str, dict[str, float]]:
    """The prices of the first tier in USD, by architecture."""
    return {
        architecture: {
            item: float(first_tier_usd(item, architecture=architecture, region=region))
            for item in ("requests", "duration")
        }
        for architecture in ARCHITECTURES
    }


def _nothing() -> None:
    """Ends what was never begun."""
