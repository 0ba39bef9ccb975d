from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit.core.message_queue import Held
from labkit.live.moto_seam.sqs_messages import ReceiptHandleError, Sent, read_handle, received

SENT = Sent("id", "body", "md5", {}, None, 4, sent_ms=1_500.9)


@given(number=st.integers(1), count=st.integers(1))
def test_a_handle_names_its_message_and_its_receive(number: int, count: int) -> None:
    held = Held(number, SENT, None, 0, receive_count=count, first_received_ms=2_000.5)
    message = received(held, "secret")
    assert read_handle(message.receipt_handle, "secret") == (number, count)
    with pytest.raises(ReceiptHandleError):
        read_handle(message.receipt_handle, "another")
    assert message.attributes == {
        "ApproximateReceiveCount": str(count),
        "SentTimestamp": "1500",
        "SenderId": "AIDAIT2UOQQY3AUEKVGXU",
        "ApproximateFirstReceiveTimestamp": "2000",
    }


@pytest.mark.parametrize("text", ["", "secret/1", "secret/a/1", "secret/1/1/1", "\xff"])
def test_other_texts_are_no_handles(text: str) -> None:
    with pytest.raises(ReceiptHandleError):
        read_handle(base64.b64encode(text.encode()).decode(), "secret")
    with pytest.raises(ReceiptHandleError):
        read_handle(text, "secret")
