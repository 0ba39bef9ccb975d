"""What Lambda sends to moto's services; the deliveries themselves are in tests/live."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError
from harness import Function, Served
from inbox import ACCOUNT, ECHO, Inbox, configure

Deploy = Callable[..., Function]


def is_taken(function: Function, arn: str) -> bool:
    try:
        configure(function, OnFailure=arn)
    except ClientError as error:
        assert error.response["Error"]["Message"] == f"The destination ARN {arn} is invalid."
        return False
    return True


def make_all(served: Served, name: str, region: str) -> dict[str, str]:
    """A queue, a topic, a bus and a bucket; their ARNs."""

    def client(service: str) -> Any:
        return served.client(service, region_name=region)

    client("sqs").create_queue(QueueName=name)
    served.client("s3").create_bucket(Bucket=f"{name}-{region}")
    return {
        "sqs": f"arn:aws:sqs:{region}:{ACCOUNT}:{name}",
        "sns": client("sns").create_topic(Name=name)["TopicArn"],
        "events": client("events").create_event_bus(Name=name)["EventBusArn"],
        "s3": f"arn:aws:s3:::{name}-{region}",
    }


@pytest.mark.parametrize("region", ["us-east-1", "eu-central-1"])
def test_what_is_there_can_be_a_destination(deploy: Deploy, served: Served, region: str) -> None:
    function = deploy(ECHO)
    for arn in make_all(served, "there", region).values():
        assert is_taken(function, arn)
        assert not is_taken(function, arn.replace("there", "elsewhere"))


@pytest.mark.parametrize(
    "arn",
    [
        "arn:aws:sqs:eu-west-3:{account}:only-in-us-east-1",
        "arn:aws:sqs:us-east-1:999999999999:only-in-us-east-1",
        "arn:aws:sqs:::only-in-us-east-1",
        "arn:aws:s3:::",
    ],
)
def test_what_is_elsewhere_cannot(deploy: Deploy, served: Served, arn: str) -> None:
    Inbox(served, "only-in-us-east-1")
    assert not is_taken(deploy(ECHO), arn.replace("{account}", ACCOUNT))


def test_the_default_bus(deploy: Deploy) -> None:
    assert is_taken(deploy(ECHO), f"arn:aws:events:us-east-1:{ACCOUNT}:event-bus/default")
