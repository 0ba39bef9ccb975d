"""The error objects that Lambda answers in a function's place, byte for byte."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit.core import payloads

ID = "5b4ff3de-9a3c-4f4f-8f4d-0c9e9a1b2c3d"


def test_timed_out() -> None:
    assert payloads.timed_out(ID, 1) == (
        "Sandbox.Timedout",
        b'{"errorType":"Sandbox.Timedout",'
        b'"errorMessage":"RequestId: %s Error: Task timed out after 1.00 seconds"}' % ID.encode(),
    )


@pytest.mark.parametrize(
    ("exit_status", "signal", "reason"),
    [
        (0, None, "Runtime exited without providing a reason"),
        (1, None, "Runtime exited with error: exit status 1"),
        (127, None, "Runtime exited with error: exit status 127"),
        (0, 9, "Runtime exited with error: signal: killed"),
        (0, 11, "Runtime exited with error: signal: segmentation fault"),
        (0, 6, "Runtime exited with error: signal: aborted"),
        (0, 15, "Runtime exited with error: signal: terminated"),
        (0, 40, "Runtime exited with error: signal: signal 40"),
    ],
)
def test_exited(exit_status: int, signal: int | None, reason: str) -> None:
    error_type, payload = payloads.exited(ID, exit_status=exit_status, signal=signal)
    assert error_type == "Runtime.ExitError"
    assert (
        payload
        == (
            f'{{"errorType":"Runtime.ExitError","errorMessage":"RequestId: {ID} Error: {reason}"}}'
        ).encode()
    )


def test_out_of_memory() -> None:
    assert payloads.out_of_memory(ID) == (
        "Runtime.OutOfMemory",
        b'{"errorType":"Runtime.OutOfMemory","errorMessage":"RequestId: %s Error: '
        b'Runtime exited with error: signal: killed"}' % ID.encode(),
    )


def test_response_too_large() -> None:
    assert payloads.response_too_large() == (
        "Function.ResponseSizeTooLarge",
        (
            b'{"errorMessage":"Response payload size exceeded maximum allowed payload size '
            b'(6291556 bytes).","errorType":"Function.ResponseSizeTooLarge"}'
        ),
    )


def test_invalid_entrypoint() -> None:
    error_type, payload = payloads.invalid_entrypoint(ID)
    assert error_type == "Runtime.InvalidEntrypoint"
    assert json.loads(payload)["errorMessage"] == (
        f"RequestId: {ID} Error: "
        "Couldn't find valid bootstrap(s): [/var/task/bootstrap /opt/bootstrap]"
    )


@given(st.text(min_size=1), st.integers(min_value=1, max_value=900))
def test_every_payload_is_json_that_names_its_type(request_id: str, timeout_s: int) -> None:
    for error_type, payload in (
        payloads.timed_out(request_id, timeout_s),
        payloads.exited(request_id, signal=9),
        payloads.exited(request_id, exit_status=3),
        payloads.out_of_memory(request_id),
        payloads.invalid_entrypoint(request_id),
        payloads.sandbox_failure(request_id, "no namespaces"),
    ):
        content = json.loads(payload)
        assert content["errorType"] == error_type
        assert content["errorMessage"].startswith(f"RequestId: {request_id} Error: ")
        assert set(content) == {"errorType", "errorMessage"}


@given(st.integers(min_value=1, max_value=900))
def test_timeout_has_two_decimals(timeout_s: int) -> None:
    _, payload = payloads.timed_out(ID, timeout_s)
    assert f"timed out after {timeout_s}.00 seconds" in payload.decode()
