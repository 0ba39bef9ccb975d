"""The lab's events as they happen, for what shows them live."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Final

from labkit.core.events import Event
from labkit.live.client import LabClient, LabError

_WAIT_S: Final = 10.0
_log = logging.getLogger(__name__)


def follow(
    client: LabClient,
    callback: Callable[[list[Event]], None],
    ended: Callable[[], None] | None = None,
) -> Callable[[], None]:
    """Call back with all events so far, then with new ones as they happen; return what ends it.

    The callback runs in one thread of its own; an exception in it ends this follow alone and is
    logged. The thread ends by itself when the lab stops, and calls `ended` then.
    """
    cancelled = threading.Event()
    threading.Thread(
        target=_follow, args=(client, callback, ended, cancelled), name="labkit-feed", daemon=True
    ).start()
    return cancelled.set


def _follow(
    client: LabClient,
    callback: Callable[[list[Event]], None],
    ended: Callable[[], None] | None,
    cancelled: threading.Event,
) -> None:
    last, wait_s = 0, 0.0
    while not cancelled.is_set():
        try:
            events = client.events(after=last, wait_s=wait_s)
        except LabError:  # the lab has stopped
            if ended is not None:
                ended()
            return
        if cancelled.is_set():
            return
        if events or not wait_s:
            try:
                callback(events)
            except Exception:
                _log.exception("following the lab's events ended")
                return
        last, wait_s = (events[-1].seq if events else last), _WAIT_S
