"""Log events written straight into moto's CloudWatch Logs, without a request."""

from __future__ import annotations

import itertools
import logging
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

from labkit.live.moto_seam.credentials import ACCOUNT_ID
from labkit.live.settings import Settings

_log = logging.getLogger(__name__)

# Lambda's events and those that a learner puts must not share an id; moto counts its own from 0.
_event_ids: Final = itertools.count(2**62)


class _LogEvent:
    """An event as moto's streams hold them, without the bookkeeping of moto's own class."""

    __slots__ = ("event_id", "ingestion_time", "message", "timestamp")

    def __init__(self, ingestion_time: int, timestamp: int, message: str) -> None:
        self.ingestion_time = ingestion_time
        self.timestamp = timestamp
        self.message = message
        self.event_id = next(_event_ids)

    def to_filter_dict(self) -> dict[str, Any]:
        return {"eventId": str(self.event_id), **self.to_response_dict()}

    def to_response_dict(self) -> dict[str, Any]:
        return {
            "ingestionTime": self.ingestion_time,
            "message": self.message,
            "timestamp": self.timestamp,
        }


class LogWriter:
    """Writes into log streams; each keeps the newest `log_max_events` of the settings."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def load(self) -> None:
        """Import moto's CloudWatch Logs now, which the first write would otherwise wait for."""
        import moto.logs.models  # noqa: F401

    def put(self, region: str, group: str, stream: str, events: Sequence[tuple[int, str]]) -> None:
        """Add events (milliseconds since 1970, message) to a stream.

        The group and the stream are made if they do not exist.
        """
        from moto.logs.models import logs_backends

        backend = logs_backends[ACCOUNT_ID][region]
        log_group = backend.groups.get(group)
        if log_group is None:
            backend.ensure_log_group(group)
            log_group = backend.groups[group]
        log_stream = log_group.streams.get(stream)
        if log_stream is None:
            log_group.create_log_stream(stream)
            log_stream = log_group.streams[stream]
        if log_group.subscription_filters:
            _deliver(log_stream, events)
        else:
            _append(log_stream, events)
        excess = len(log_stream.events) - self._settings.log_max_events
        if excess > 0:
            del log_stream.events[:excess]


def _append(log_stream: Any, events: Sequence[tuple[int, str]]) -> None:
    now_s = time.time()
    log_stream.last_ingestion_time = datetime.fromtimestamp(now_s, UTC).replace(tzinfo=None)
    now_ms = int(now_s * 1000)
    log_stream.events += [_LogEvent(now_ms, timestamp, text) for timestamp, text in events]
    log_stream.stored_bytes += sum(len(message) for _, message in events)
    log_stream.upload_sequence_token += 1


def _deliver(log_stream: Any, events: Sequence[tuple[int, str]]) -> None:
    """Write through moto, which hands the events on to the group's subscribers."""
    try:
        log_stream.put_log_events(
            [{"timestamp": timestamp, "message": message} for timestamp, message in events]
        )
    except Exception:  # a subscriber that is gone must not fail the invocation
        _log.exception("log events of %s were not delivered", log_stream.arn)
