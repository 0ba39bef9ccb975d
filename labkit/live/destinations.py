"""Deliveries of what Lambda tells others: dead letters, and records of invocations and batches."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol

from labkit.core import quotas
from labkit.core.asynchronous import Condition
from labkit.core.clock import Clock
from labkit.core.events import EventKind
from labkit.core.invocation_records import (
    LastError,
    dead_letter_attributes,
    encoded,
    event_bus_entry,
    object_key,
)
from labkit.core.names import qualifier_of
from labkit.live.calls import Calls
from labkit.live.context import Events
from labkit.live.invoke import EVENT, InvokeRequest

_log = logging.getLogger(__name__)

Attributes = Mapping[str, tuple[str, str]]
"""Message attributes: name to data type and value."""

DEAD_LETTER: Final = "dead_letter"
ON_SUCCESS: Final = "on_success"
ON_FAILURE: Final = "on_failure"


class Targets(Protocol):
    """The services that take messages. Each method raises an exception if the message is not
    taken."""

    def send_message(
        self, queue_arn: str, body: str, attributes: Attributes, trace_header: str | None
    ) -> None: ...

    def publish(self, topic_arn: str, message: str, attributes: Attributes) -> None: ...

    def put_event(self, entry: Mapping[str, Any]) -> None: ...

    def put_object(self, bucket_arn: str, key: str, content: bytes) -> None: ...


class Destinations:
    """Delivers, and tells the event log whether it worked; a delivery is tried once."""

    def __init__(self, *, clock: Clock, events: Events, targets: Targets, calls: Calls) -> None:
        self._clock = clock
        self._events = events
        self._targets = targets
        self._calls = calls

    def send_dead_letter(self, target_arn: str, request: InvokeRequest, error: LastError) -> None:
        """Send the event itself, unchanged, to the dead-letter queue or topic."""
        attributes = dead_letter_attributes(request.request_id, error)
        body = request.payload.decode()
        self._deliver(
            target_arn,
            lambda: self._send(target_arn, body, attributes, request.trace_header),
            reason=DEAD_LETTER,
            **_of_request(request),
        )

    def send_record(self, target_arn: str, request: InvokeRequest, record: dict[str, Any]) -> None:
        """Send the record of an asynchronous invocation to the destination for its condition."""
        succeeded = record["requestContext"]["condition"] == Condition.SUCCESS

        def send() -> None:
            body = encoded(record)
            match target_arn.split(":")[2]:
                case "lambda":
                    self._invoke(target_arn, body, request.trace_header)
                case "events":
                    entry = event_bus_entry(
                        record,
                        bus_arn=target_arn,
                        function_arn=request.invoked_arn,
                        succeeded=succeeded,
                    )
                    self._targets.put_event(entry)
                case "s3":
                    self._put(target_arn, f"async/{request.deployment.function_name}", body)
                case _:
                    self._send(target_arn, body, {}, request.trace_header)

        self._deliver(
            target_arn,
            send,
            reason=ON_SUCCESS if succeeded else ON_FAILURE,
            **_of_request(request),
        )

    def deliver_batch_failure(
        self,
        target_arn: str,
        record: dict[str, Any],
        *,
        mapping_uuid: str,
        shard_id: str,
        records: int,
        payload: str | None = None,
    ) -> None:
        """Send the record of a batch of a stream that was given up.

        `records` is how many records it had, `payload` the event with them, as JSON; only an
        object in S3 holds it.
        """

        def send() -> None:
            if target_arn.split(":")[2] == "s3":
                content = record if payload is None else {**record, "payload": payload}
                self._put(target_arn, f"{mapping_uuid}/{shard_id}", encoded(content))
            else:
                self._send(target_arn, encoded(record), {}, None)

        context = record["requestContext"]
        self._deliver(
            target_arn,
            send,
            reason=ON_FAILURE,
            function=context["functionArn"].split(":")[6],
            qualifier=qualifier_of(context["functionArn"]),
            request_id=context["requestId"],
            mapping=mapping_uuid,
            shard=shard_id,
            records=records,
        )

    def _deliver(self, target_arn: str, send: Callable[[], None], **fields: object) -> None:
        kind = EventKind.DELIVERED
        try:
            send()
        except Exception as error:  # whatever a mocked service raises: not there, too large...
            _log.info("%s did not take a message of Lambda: %s", target_arn, error)
            kind = EventKind.DELIVERY_FAILED
        self._events.append(kind, target_arn=target_arn, **fields)

    def _send(
        self, target_arn: str, body: str, attributes: Attributes, trace_header: str | None
    ) -> None:
        service = target_arn.split(":")[2]
        if service == "sqs":
            self._targets.send_message(target_arn, body, attributes, trace_header)
        elif service == "sns":
            self._targets.publish(target_arn, body, attributes)
        else:
            raise ValueError(f"the lab has no destination of the service {service!r}")

    def _invoke(self, function_arn: str, body: str, trace_header: str | None) -> None:
        payload = body.encode()
        if len(payload) > quotas.ASYNC_REQUEST_MAX_BYTES:
            raise ValueError(f"the record has {len(payload)} bytes, too many for an event")
        self._calls.invoke(function_arn, payload, invocation_type=EVENT, trace_header=trace_header)

    def _put(self, bucket_arn: str, folder: str, body: str) -> None:
        key = object_key(folder, self._clock.now_ms(), str(uuid.uuid4()))
        self._targets.put_object(bucket_arn, key, body.encode())


def _of_request(request: InvokeRequest) -> dict[str, object]:
    return {
        "function": request.deployment.function_name,
        "version": request.deployment.version,
        "request_id": request.request_id,
        "qualifier": qualifier_of(request.invoked_arn),
    }
