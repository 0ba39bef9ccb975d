from __future__ import annotations

import hashlib
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from moto.sqs.exceptions import SQSException

from labkit.live.moto_seam import sqs_checks

STANDARD = SimpleNamespace(fifo_queue=False, delay_seconds=7, content_based_deduplication=False)
FIFO = SimpleNamespace(fifo_queue=True, delay_seconds=7, content_based_deduplication=True)


@given(body=st.text(), value=st.binary(max_size=9), text=st.text(min_size=1, max_size=9))
def test_a_size_is_that_of_body_and_attributes(body: str, value: bytes, text: str) -> None:
    attributes: dict[str, dict[str, Any]] = {
        "né": {"DataType": "Binary", "BinaryValue": value},
        "t": {"DataType": "String", "StringValue": text},
    }
    size = len(body.encode()) + 3 + 6 + len(value) + 1 + 6 + len(text.encode())
    assert sqs_checks.size_bytes(body, attributes) == size


@pytest.mark.parametrize(
    ("queue", "given_s", "delay_s"),
    [(STANDARD, None, 7), (STANDARD, 0, 0), (STANDARD, 900, 900), (FIFO, None, 7), (FIFO, 0, 7)],
)
def test_a_message_s_own_delay_goes_before_the_queue_s(
    queue: SimpleNamespace, given_s: int | None, delay_s: int
) -> None:
    assert sqs_checks.delay_s(queue, given_s) == delay_s


@pytest.mark.parametrize(("queue", "given_s"), [(STANDARD, -1), (STANDARD, 901), (FIFO, 1)])
def test_delays_that_are_refused(queue: SimpleNamespace, given_s: int) -> None:
    with pytest.raises(SQSException, match=f"Value {given_s} for parameter DelaySeconds") as error:
        sqs_checks.delay_s(queue, given_s)
    assert error.value.code == "InvalidParameterValue"


def test_the_body_makes_the_deduplication_id_where_none_is_given() -> None:
    assert sqs_checks.deduplication_id(FIFO, "m", "g", "own") == "own"
    digest = hashlib.sha256(b"m").hexdigest()
    assert sqs_checks.deduplication_id(FIFO, "m", "g", None) == digest
    with pytest.raises(SQSException, match="MessageGroupId"):
        sqs_checks.deduplication_id(FIFO, "m", None, "own")
    with pytest.raises(SQSException, match="ContentBasedDeduplication"):
        sqs_checks.deduplication_id(STANDARD, "m", "g", None)
