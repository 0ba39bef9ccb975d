"""What a response to a batch means: every shape of the developer guide and of the recordings."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit.core.partial_batch import (
    ERROR,
    PARTIAL,
    SUCCESS,
    TIMEOUT,
    Verdict,
    checkpoint,
    judge,
    read_response,
    retry_reason,
)
from labkit.core.payloads import timed_out

IDS = ("m1", "m2", "m3")


def failures(*names: object) -> bytes:
    return json.dumps({"batchItemFailures": [{"itemIdentifier": name} for name in names]}).encode()


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"null",
        b'""',
        b"[]",
        b"{}",
        b'{"batchItemFailures": []}',
        b'{"batchItemFailures": null}',
        b'{"statusCode": 200}',
        b' {"batchItemFailures" : [ ] } \n',
    ],
)
def test_all_succeeded(payload: bytes) -> None:
    assert read_response(payload, IDS) == Verdict(SUCCESS)


@pytest.mark.parametrize(
    "payload",
    [
        b"not json",
        b'{"batchItemFailures": [',
        b"NaN",
        b'{"batchItemFailures": [NaN]}',
        b"\xff",
        b"0",
        b"1",
        b"true",
        b"false",
        b'"done"',
        b'["m1"]',
        b'{"batchItemFailures": "m1"}',
        b'{"batchItemFailures": {}}',
        b'{"batchItemFailures": {"itemIdentifier": "m1"}}',
        b'{"batchItemFailures": ["m1"]}',
        b'{"batchItemFailures": [null]}',
        b'{"batchItemFailures": [{}]}',
        b'{"batchItemFailures": [{"itemIdentifier": ""}]}',
        b'{"batchItemFailures": [{"itemIdentifier": null}]}',
        b'{"batchItemFailures": [{"itemIdentifier": 1}]}',
        b'{"batchItemFailures": [{"itemIdentifier": ["m1"]}]}',
        b'{"batchItemFailures": [{"foo": "m1"}]}',
        b'{"batchItemFailures": [{"foo": null}]}',
        b'{"batchItemFailures": [{"ItemIdentifier": "m1"}]}',
        b'{"batchItemFailures": [{"itemIdentifier": "unknown"}]}',
        b'{"batchItemFailures": [{"itemIdentifier": "m1"}, {"itemIdentifier": "unknown"}]}',
        b"[" * 100_000,
    ],
)
def test_the_whole_batch_failed(payload: bytes) -> None:
    assert read_response(payload, IDS) == Verdict(ERROR, IDS)


def test_named_records_failed_in_the_order_of_the_batch() -> None:
    assert read_response(failures("m3", "m1", "m3"), IDS) == Verdict(PARTIAL, ("m1", "m3"))


def test_further_keys_do_not_matter() -> None:
    payload = b'{"batchItemFailures": [{"itemIdentifier": "m2", "why": "x"}], "more": 1}'
    assert read_response(payload, IDS) == Verdict(PARTIAL, ("m2",))


@pytest.mark.parametrize(
    ("failed", "done"), [((), 3), (("m1",), 0), (("m3", "m2"), 1), (("m3",), 2)]
)
def test_the_lowest_failed_record_is_the_checkpoint(failed: tuple[str, ...], done: int) -> None:
    assert checkpoint(read_response(failures(*failed), IDS), IDS) == done


def test_a_failed_batch_has_no_record_done() -> None:
    assert checkpoint(read_response(b"oops", IDS), IDS) == 0


@given(st.lists(st.text(min_size=1), min_size=1, unique=True), st.data())
def test_every_record_is_either_done_or_failed(names: list[str], data: st.DataObject) -> None:
    failed = data.draw(st.lists(st.sampled_from(names)))
    verdict = read_response(failures(*failed), names)
    assert set(verdict.failed) == set(failed)
    assert verdict.outcome == (PARTIAL if failed else SUCCESS)
    assert list(verdict.failed) == [name for name in names if name in failed]
    done = checkpoint(verdict, names)
    assert not set(names[:done]) & set(failed)
    assert done == len(names) or names[done] in failed


def test_a_function_error_fails_the_whole_batch_whatever_it_says() -> None:
    for payload in (b'{"errorType": "ValueError"}', b"", b"not json", failures("m1"), b"[" * 9999):
        verdict = judge(payload, IDS, function_error=True, reports_failures=True)
        assert verdict == Verdict(ERROR, IDS)
    _, payload = timed_out("id", 3)
    verdict = judge(payload, IDS, function_error=True, reports_failures=False)
    assert verdict == Verdict(TIMEOUT, IDS)


def test_without_the_setting_a_response_means_nothing() -> None:
    for payload in (failures("m1"), b"not json", b""):
        verdict = judge(payload, IDS, function_error=False, reports_failures=False)
        assert verdict == Verdict(SUCCESS)
    verdict = judge(failures("m1"), IDS, function_error=False, reports_failures=True)
    assert verdict == Verdict(PARTIAL, ("m1",))


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (429, "throttle"),
        (500, "service_error"),
        (503, "service_error"),
        (409, "service_error"),
        (400, None),
        (403, None),
        (404, None),
        (413, None),
    ],
)
def test_what_is_tried_again(status: int, reason: str | None) -> None:
    assert retry_reason(status) == reason


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=True) | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["batchItemFailures", "itemIdentifier", "other"]), inner, max_size=3
        )
    ),
)


@given(_json | st.binary(max_size=30))
def test_nothing_else_is_partial_and_nothing_raises(response: object) -> None:
    payload = response if isinstance(response, bytes) else json.dumps(response).encode()
    verdict = read_response(payload, IDS)
    assert verdict.outcome in (SUCCESS, ERROR, PARTIAL)
    if verdict.outcome == ERROR:
        assert verdict.failed == IDS
    if isinstance(response, float) and math.isnan(response):
        assert verdict.outcome == ERROR
