"""moto's SQS API, made to keep its messages in the lab's `QueueStore`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from labkit.live.moto_seam import patching, sqs_checks
from labkit.live.moto_seam.sqs import ExpiredHandleError, QueueStore
from labkit.live.moto_seam.sqs_messages import ReceiptHandleError, ReceivedMessage, Sent

_VISIBILITY_TIMEOUT_S_MAX: Final = 43_200
_WAIT_S_MAX: Final = 20
_NOT_IN_FLIGHT: Final = "Message does not exist or is not available for visibility timeout change."


def queue_of(arn: str) -> Any:
    """Return moto's queue of an ARN, None if there is none."""
    from moto.sqs.models import sqs_backends

    parts = arn.split(":")
    if len(parts) != 6 or parts[2] != "sqs" or parts[4] not in sqs_backends:
        return None
    backend = sqs_backends[parts[4]].get(parts[3])
    queue = None if backend is None else backend.queues.get(parts[5])
    return queue if queue is not None and queue.queue_arn == arn else None


def install(store: QueueStore) -> None:
    """Let every service of moto's, and whoever calls its SQS, use the messages of `store`."""
    from moto.sqs.models import Queue, SQSBackend
    from moto.sqs.responses import SQSResponse

    calls = _Calls(store)
    for name, place in (("messages", 0), ("messages_delayed", 1), ("messages_not_visible", 2)):
        setattr(Queue, f"approximate_number_of_{name}", _count(store, place))
    for backend_method in (
        calls.send_message,
        calls.delete_message,
        calls.change_message_visibility,
        calls.purge_queue,
    ):
        patching.replace(SQSBackend, backend_method.__name__, _method(backend_method))
    patching.replace(SQSBackend, "change_message_visibility_batch", _change_batch)
    _tell_of_queues(SQSBackend, store)
    answers = _Answers(store, calls)
    for answer in (answers.send_message, answers.send_message_batch, answers.receive_message):
        patching.replace(SQSResponse, answer.__name__, _method(answer))


def _count(store: QueueStore, place: int) -> property:
    return property(lambda queue: store.counts(queue)[place])


def _method(bound: Any) -> Any:
    """A function of which a class makes a method: it hands its object on as first argument."""

    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        return bound(self, *args, **kwargs)

    return method


def _tell_of_queues(backend_class: Any, store: QueueStore) -> None:
    create_queue = patching.original(backend_class.create_queue)
    delete_queue = patching.original(backend_class.delete_queue)

    def create_and_tell(self: Any, *args: Any, **kwargs: Any) -> Any:
        queue = create_queue(self, *args, **kwargs)
        store.tell_created(queue.queue_arn)
        return queue

    def delete_and_tell(self: Any, queue_name: str) -> None:
        delete_queue(self, queue_name)
        store.tell_deleted()

    patching.replace(backend_class, "create_queue", create_and_tell)
    patching.replace(backend_class, "delete_queue", delete_and_tell)


class _Calls:
    """What moto's services call. `backend` is moto's, of one account and Region."""

    def __init__(self, store: QueueStore) -> None:
        self._store = store

    def send_message(
        self,
        backend: Any,
        queue_name: str,
        message_body: str,
        message_attributes: Mapping[str, Any] | None = None,
        delay_seconds: int | None = None,
        deduplication_id: str | None = None,
        group_id: str | None = None,
        system_attributes: Mapping[str, Any] | None = None,
        validate_group_id: bool = True,
    ) -> Sent:
        """Check a message and put it into its queue."""
        queue = backend.get_queue(queue_name)
        attributes = message_attributes or {}
        size_bytes = sqs_checks.size_bytes(message_body, attributes)
        sqs_checks.check_size(size_bytes, queue.maximum_message_size)
        delay_s = sqs_checks.delay_s(queue, delay_seconds)
        if queue.fifo_queue:
            deduplication_id = sqs_checks.deduplication_id(
                queue, message_body, group_id, deduplication_id
            )
        return self._store.send(
            queue,
            message_body,
            attributes=attributes,
            md5_of_attributes=_attributes_md5(attributes) if attributes else None,
            size_bytes=size_bytes,
            delay_s=delay_s,
            group_id=group_id,
            deduplication_id=deduplication_id,
            trace_header=_trace_header(system_attributes),
        )

    def delete_message(self, backend: Any, queue_name: str, receipt_handle: str) -> None:
        """Delete a message that was received."""
        from moto.sqs.exceptions import ReceiptHandleIsInvalid

        try:
            self._store.delete(backend.get_queue(queue_name), receipt_handle)
        except ReceiptHandleError:
            raise ReceiptHandleIsInvalid from None
        except ExpiredHandleError:
            raise sqs_checks.invalid_handle(
                receipt_handle, "The receipt handle has expired."
            ) from None

    def change_message_visibility(
        self, backend: Any, queue_name: str, receipt_handle: str, visibility_timeout: int
    ) -> None:
        """Change when a message that was received is visible again."""
        from moto.sqs.exceptions import InvalidParameterValue, ReceiptHandleIsInvalid

        queue = backend.get_queue(queue_name)
        timeout_s = int(visibility_timeout)
        try:
            self._store.change_visibility(queue, receipt_handle, timeout_s)
        except ReceiptHandleError:
            raise ReceiptHandleIsInvalid from None
        except ExpiredHandleError:
            raise sqs_checks.invalid_handle(receipt_handle, _NOT_IN_FLIGHT) from None
        except ValueError:
            raise InvalidParameterValue(
                f"Value {timeout_s} for parameter VisibilityTimeout is invalid. Reason: Total "
                "VisibilityTimeout for the message is beyond the limit [43200 seconds]"
            ) from None

    def purge_queue(self, backend: Any, queue_name: str) -> None:
        """Delete all messages of a queue."""
        self._store.purge(backend.get_queue(queue_name))


class _Answers:
    """Operations whose answer moto makes from messages of its own. `response` is moto's."""

    def __init__(self, store: QueueStore, calls: _Calls) -> None:
        self._store = store
        self._calls = calls

    def send_message(self, response: Any) -> Any:
        """Answer SendMessage."""
        from moto.core.responses import ActionResult

        entry = {
            name: response._get_param(name)
            for name in (
                "MessageBody",
                "DelaySeconds",
                "MessageGroupId",
                "MessageDeduplicationId",
                "MessageAttributes",
                "MessageSystemAttributes",
            )
        }
        return ActionResult(_sent_answer(self._send(response, response._get_queue_name(), entry)))

    def send_message_batch(self, response: Any) -> Any:
        """Answer SendMessageBatch: entry by entry, each sent or refused."""
        from moto.core.responses import ActionResult
        from moto.sqs.exceptions import SQSException

        name = response._get_queue_name()
        response.sqs_backend.get_queue(name)
        entries = response._get_param("Entries", [])
        sqs_checks.check_batch(entries)
        successful, failed = [], []
        for entry in entries:
            try:
                sent = self._send(response, name, entry)
            except SQSException as error:
                failed.append(_failure(entry["Id"], error))
            else:
                successful.append({"Id": entry["Id"], **_sent_answer(sent)})
        return ActionResult({"Successful": successful, "Failed": failed})

    def receive_message(self, response: Any) -> Any:
        """Answer ReceiveMessage."""
        from moto.core.responses import ActionResult

        queue = response.sqs_backend.get_queue(response._get_queue_name())
        limit = response._get_param("MaxNumberOfMessages", 1)
        wait_s = response._get_param("WaitTimeSeconds")
        wait_s = queue.receive_message_wait_time_seconds if wait_s is None else int(wait_s)
        timeout_s = response._get_param("VisibilityTimeout")
        timeout_s = queue.visibility_timeout if timeout_s is None else int(timeout_s)
        sqs_checks.check_range(
            "MaxNumberOfMessages", limit, 1, sqs_checks.BATCH_MAX, "must be between 1 and 10"
        )
        sqs_checks.check_range("WaitTimeSeconds", wait_s, 0, _WAIT_S_MAX, "Must be >= 0 and <= 20")
        sqs_checks.check_range(
            "VisibilityTimeout",
            timeout_s,
            0,
            _VISIBILITY_TIMEOUT_S_MAX,
            "Must be between 0 and 43200",
        )
        system_names = {
            *response._get_param("AttributeNames", []),
            *response._get_param("MessageSystemAttributeNames", []),
        }
        names = response._get_param("MessageAttributeNames", [])
        messages = self._store.wait_and_receive(queue, limit, timeout_s, wait_s)
        found = [_message(message, system_names, names) for message in messages]
        return ActionResult({"Messages": found} if found else {})

    def _send(self, response: Any, queue_name: str, entry: Mapping[str, Any]) -> Sent:
        from moto.sqs.utils import validate_message_attributes

        attributes = entry.get("MessageAttributes") or {}
        system = entry.get("MessageSystemAttributes") or {}
        validate_message_attributes(attributes)
        validate_message_attributes(system)
        # SQS takes the header of the request, which SDKs send on, for the message's own.
        header = response.headers.get("X-Amzn-Trace-Id")
        if header and "AWSTraceHeader" not in system:
            system = {"AWSTraceHeader": {"DataType": "String", "StringValue": header}}
        return self._calls.send_message(
            response.sqs_backend,
            queue_name,
            entry["MessageBody"],
            message_attributes=attributes,
            delay_seconds=entry.get("DelaySeconds"),
            deduplication_id=entry.get("MessageDeduplicationId"),
            group_id=entry.get("MessageGroupId"),
            system_attributes=system,
        )


def _change_batch(
    self: Any, queue_name: str, entries: list[dict[str, Any]]
) -> tuple[list[str], list[dict[str, Any]]]:
    """Change the visibility of each entry's message: the ids that worked, and the failures."""
    from moto.sqs.exceptions import InvalidParameterValue, SQSException

    self.get_queue(queue_name)
    successful, failed = [], []
    for entry in entries:
        try:
            timeout_s = int(entry["VisibilityTimeout"])
            if not 0 <= timeout_s <= _VISIBILITY_TIMEOUT_S_MAX:
                raise InvalidParameterValue(
                    f"Value {timeout_s} for parameter VisibilityTimeout is invalid. Reason: Must "
                    "be between 0 and 43200, if provided."
                )
            self.change_message_visibility(queue_name, entry["ReceiptHandle"], timeout_s)
        except SQSException as error:
            failed.append(_failure(entry["Id"], error))
        else:
            successful.append(entry["Id"])
    return successful, failed


def _failure(entry_id: str, error: Any) -> dict[str, Any]:
    return {"Id": entry_id, "SenderFault": True, "Code": error.code, "Message": error.message}


def _sent_answer(sent: Sent) -> dict[str, Any]:
    answer = {"MessageId": sent.message_id, "MD5OfMessageBody": sent.md5_of_body}
    if sent.md5_of_attributes is not None:
        answer["MD5OfMessageAttributes"] = sent.md5_of_attributes
    if sent.sequence_number is not None:
        answer["SequenceNumber"] = sent.sequence_number
    return answer


def _message(message: ReceivedMessage, system_names: set[str], names: list[str]) -> dict[str, Any]:
    """One message of ReceiveMessage's answer, with the attributes that were asked for."""
    from moto.sqs.models import Message as MotoMessage
    from moto.sqs.models import _filter_message_attributes

    answer: dict[str, Any] = {
        "MessageId": message.message_id,
        "ReceiptHandle": message.receipt_handle,
        "MD5OfBody": message.md5_of_body,
        "Body": message.body,
    }
    system = {
        name: value
        for name, value in message.attributes.items()
        if name in system_names or "All" in system_names
    }
    if system:
        answer["Attributes"] = system
    if names and message.sent.attributes:
        chosen = MotoMessage(message.message_id, "")
        chosen.message_attributes = dict(message.sent.attributes)
        _filter_message_attributes(chosen, names)
        if chosen.message_attributes:
            answer["MessageAttributes"] = chosen.message_attributes
            answer["MD5OfMessageAttributes"] = chosen.attribute_md5
    return answer


def _attributes_md5(attributes: Mapping[str, Any]) -> str:
    from moto.sqs.models import Message as MotoMessage

    message = MotoMessage("", "")
    message.message_attributes = dict(attributes)
    md5: str = message.attribute_md5
    return md5


def _trace_header(system_attributes: Mapping[str, Any] | None) -> str | None:
    header: str | None = ((system_attributes or {}).get("AWSTraceHeader") or {}).get("StringValue")
    return header
