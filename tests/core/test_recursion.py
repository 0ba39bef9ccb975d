from __future__ import annotations

from urllib.parse import quote

from hypothesis import given
from hypothesis import strategies as st

from labkit.core import recursion

ARN = "arn:aws:lambda:us-east-1:123456789012:function:"
ROOT = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=0"


def test_a_chain_may_come_to_a_function_sixteen_times() -> None:
    header, counts = ROOT, []
    for _ in range(17):
        header, count = recursion.entered(header, ARN + "loop")
        counts.append(count)
    assert counts == list(range(1, 18))
    assert [recursion.is_loop(count) for count in counts] == [False] * 16 + [True]
    assert header.startswith(ROOT + ";Lineage=")


def test_each_function_is_counted_by_itself_with_all_its_versions() -> None:
    header, _ = recursion.entered(ROOT, ARN + "a")
    header, count = recursion.entered(header, ARN + "b")
    assert count == 1
    header, count = recursion.entered(header, ARN + "a:live")
    assert count == 2
    header, count = recursion.entered(header, ARN + "a:7")
    assert count == 3
    assert recursion.entered(header, ARN + "b")[1] == 2


def test_the_sdk_may_have_quoted_the_header() -> None:
    header, _ = recursion.entered(ROOT, ARN + "a")
    header, _ = recursion.entered(header, ARN + "b")
    sent = quote(header, safe="-=;:+&[]{}\"',")  # as botocore does
    assert "%7C" in sent
    assert recursion.entered(sent, ARN + "a")[1] == 2


def test_a_long_chain_of_functions_keeps_its_latest() -> None:
    header = ROOT
    for number in range(200):
        header, _ = recursion.entered(header, f"{ARN}f{number}")
    assert len(header) < 1200
    assert recursion.entered(header, ARN + "f199")[1] == 2
    assert recursion.entered(header, ARN + "f0")[1] == 1


def test_the_refusal_of_a_synchronous_call() -> None:
    error = recursion.recursive_invocation()
    assert (error.status, error.code) == (400, "RecursiveInvocationException")
    assert b'"Message":"Lambda has detected your function being invoked' in error.body()


@given(st.text(max_size=200))
def test_any_header_is_taken(text: str) -> None:
    header, count = recursion.entered(text, ARN + "a")
    assert count >= 1
    again, next_count = recursion.entered(header, ARN + "a")
    assert next_count == count + 1
    assert again.count("Lineage=") >= 1
