from __future__ import annotations

from typing import Any

import pytest

from labkit.core.errors import ApiError, function_not_found
from labkit.live.calls import Calls
from labkit.live.invoke import InvokeRequest, InvokeResult
from labkit.live.lambda_api.backend import Resolved

ARN = "arn:aws:lambda:us-east-1:123456789012:function:pack"


def test_each_call_runs_what_the_arn_stands_for_at_that_moment() -> None:
    requests: list[InvokeRequest] = []
    deployments: list[Any] = ["old code", "new code"]

    def invoke(request: InvokeRequest) -> InvokeResult:
        requests.append(request)
        return InvokeResult(status=200, request_id=request.request_id)

    calls = Calls(lambda arn: Resolved(deployments.pop(0), arn), invoke)
    calls.invoke(ARN, b"1", request_id="a", mapping="uuid")
    calls.invoke(f"{ARN}:live", b"2", trace_header="Root=1")
    assert [request.deployment for request in requests] == ["old code", "new code"]
    assert requests[0].request_id == "a" and requests[0].mapping == "uuid"
    assert requests[1].invoked_arn == f"{ARN}:live" and requests[1].trace_header == "Root=1"
    assert {request.invocation_type for request in requests} == {"RequestResponse"}


def test_what_the_invoke_api_would_refuse_is_raised() -> None:
    def resolve(arn: str) -> Resolved:
        raise function_not_found(arn)

    def invoke(request: InvokeRequest) -> InvokeResult:
        raise AssertionError("nothing to run")

    with pytest.raises(ApiError, match="Function not found"):
        Calls(resolve, invoke).invoke(ARN, b"{}")
