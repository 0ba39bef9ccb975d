"""Messages of Lambda itself to moto's queues, topics, event buses and buckets."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any, Final

_EVENT_MAX_BYTES: Final = 1024 * 1024


class MotoTargets:
    """Writes straight into moto. Every method raises what moto raises if it does not take it.

    `ready` is set when moto has been loaded; until then the methods wait.
    """

    def __init__(self, ready: threading.Event) -> None:
        self._ready = ready

    def send_message(
        self,
        queue_arn: str,
        body: str,
        attributes: Mapping[str, tuple[str, str]],
        trace_header: str | None,
    ) -> None:
        """Send to a standard queue."""
        _, backend, name = self._found(queue_arn, "sqs")
        backend.send_message(
            name,
            body,
            message_attributes={
                key: {"DataType": kind, "StringValue": value}
                for key, (kind, value) in attributes.items()
            },
            system_attributes=None
            if trace_header is None
            else {"AWSTraceHeader": {"DataType": "String", "StringValue": trace_header}},
        )

    def publish(
        self, topic_arn: str, message: str, attributes: Mapping[str, tuple[str, str]]
    ) -> None:
        """Publish to a standard topic."""
        _, backend, _ = self._found(topic_arn, "sns")
        backend.publish(
            message,
            topic_arn,
            message_attributes={
                key: {"Type": kind, "Value": value} for key, (kind, value) in attributes.items()
            },
        )

    def put_event(self, entry: Mapping[str, Any]) -> None:
        """Put an entry of PutEvents onto its bus."""
        _, backend, _ = self._found(entry["EventBusName"], "events")
        size_bytes = len(entry["Detail"].encode())
        if size_bytes > _EVENT_MAX_BYTES:
            raise ValueError(f"the event has {size_bytes} bytes, too many for an event bus")
        (answer,) = backend.put_events([dict(entry)])
        if "ErrorCode" in answer:
            raise ValueError(f"{answer['ErrorCode']}: {answer['ErrorMessage']}")

    def put_object(self, bucket_arn: str, key: str, content: bytes) -> None:
        """Write an object."""
        _, backend, name = self._found(bucket_arn, "s3")
        backend.put_object(name, key, content)

    def exists(self, arn: str) -> bool:
        """Tell whether there is such a queue, topic, bus or bucket."""
        try:
            service, backend, name = self._found(arn, arn.split(":")[2])
            match service:
                case "sqs":
                    backend.get_queue(name)
                case "sns":
                    backend.get_topic(arn)
                case "events":
                    backend.describe_event_bus(name)
                case "s3":
                    backend.get_bucket(name)
        except Exception:  # each service has exceptions of its own for what is not there
            return False
        return True

    def _found(self, arn: str, service: str) -> tuple[str, Any, str]:
        """The service, moto's backend of the ARN's account and Region, and the resource's name."""
        self._ready.wait()
        from moto.backends import get_backend

        _, partition, _, region, account_id, name = arn.split(":", 5)
        backends: Any = get_backend(service)  # type: ignore[call-overload]
        if service == "s3":
            from labkit.live.moto_seam.credentials import ACCOUNT_ID

            return service, backends[ACCOUNT_ID][partition], name
        return service, backends[account_id][region], name.rpartition("/")[2]
