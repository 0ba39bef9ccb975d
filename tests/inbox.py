"""Asynchronous invocations of a real lab, and a queue to see where they end."""

from __future__ import annotations

import json
from typing import Any

from harness import Function, Served

ACCOUNT = "123456789012"
FAILS = "def handler(event, context):\n    raise ValueError('no')"
ECHO = "def handler(event, context):\n    return event"


class Inbox:
    """A queue, and what has come into it."""

    def __init__(self, served: Served, name: str) -> None:
        self.client = served.client("sqs")
        self.url = self.client.create_queue(QueueName=name)["QueueUrl"]
        self.arn = f"arn:aws:sqs:us-east-1:{ACCOUNT}:{name}"

    def messages(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        while True:
            answer = self.client.receive_message(
                QueueUrl=self.url,
                MaxNumberOfMessages=10,
                MessageAttributeNames=["All"],
                AttributeNames=["All"],
            )
            if not answer.get("Messages"):
                return found
            found += answer["Messages"]
            for message in answer["Messages"]:
                self.client.delete_message(
                    QueueUrl=self.url, ReceiptHandle=message["ReceiptHandle"]
                )

    def bodies(self) -> list[Any]:
        return [json.loads(message["Body"]) for message in self.messages()]


def configure(function: Function, **settings: Any) -> None:
    destinations = {
        side: {"Destination": settings.pop(side)}
        for side in ("OnSuccess", "OnFailure")
        if side in settings
    }
    if destinations:
        settings["DestinationConfig"] = destinations
    function.client.put_function_event_invoke_config(FunctionName=function.name, **settings)


def send(function: Function, event: Any = None, **options: Any) -> str:
    """Invoke asynchronously and return the request id of the 202."""
    answer = function.invoke(event, InvocationType="Event", **options)
    assert (answer["StatusCode"], answer["Payload"]) == (202, b"")
    request_id: str = answer["ResponseMetadata"]["RequestId"]
    return request_id


def settle(served: Served) -> None:
    assert served.control("POST", "settle", {})["settled"] is True
