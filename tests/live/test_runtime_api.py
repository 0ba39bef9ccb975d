"""The Runtime API as a runtime sees it: what each call is answered in each phase."""

from __future__ import annotations

import json
from collections.abc import Callable

from harness import Function

Deploy = Callable[..., Function]

ASK = """
import http.client, json, os
def ask(method, path, body=None, headers={}):
    connection = http.client.HTTPConnection(os.environ['AWS_LAMBDA_RUNTIME_API'])
    connection.request(method, '/2018-06-01/runtime/' + path, body, headers)
    answer = connection.getresponse()
    return [answer.status, answer.read().decode()]
"""


def answers(deploy: Deploy, body: str) -> list[list]:
    code = ASK + f"def handler(event, context):\n    id = context.aws_request_id\n    return {body}"
    return deploy(code, MemorySize=1769, Timeout=10).result()


def test_calls_that_the_phase_does_not_allow(deploy: Deploy) -> None:
    seen = answers(
        deploy,
        "[ask('GET', 'invocation/next'), ask('POST', 'init/error', '{}'), ask('GET', 'restore/next')]",
    )
    for status, body in seen:
        assert (status, json.loads(body)["errorType"]) == (403, "InvalidStateTransition")


def test_a_wrong_request_id(deploy: Deploy) -> None:
    ((status, body),) = answers(deploy, "[ask('POST', 'invocation/other/response', '1')]")
    assert status == 400
    assert json.loads(body) == {
        "errorMessage": "Invalid request ID",
        "errorType": "InvalidRequestID",
    }


def test_unknown_paths(deploy: Deploy) -> None:
    seen = answers(deploy, "[ask('GET', 'nothing'), ask('PUT', 'invocation/next')]")
    assert [status for status, _ in seen] == [404, 404]


def test_an_answer_sent_in_chunks_on_another_connection(deploy: Deploy) -> None:
    function = deploy(
        ASK
        + "def handler(event, context):\n"
        + "    body = (part for part in (b'[1,', b'2]'))\n"
        + "    got = ask('POST', 'invocation/' + context.aws_request_id + '/response', body)"
        + "\n    assert got[0] == 202, got\n    os._exit(0)",
        MemorySize=1769,
    )
    assert function.result() == [1, 2]


def test_an_answer_over_the_limit_is_refused(deploy: Deploy) -> None:
    function = deploy(
        ASK
        + "def handler(event, context):\n"
        + "    got = ask('POST', 'invocation/' + context.aws_request_id + '/response', b'x' * 6291557)\n"
        + "    print(got)\n    os._exit(0)",
        MemorySize=1769,
    )
    assert function.invoke()["Payload"]["errorType"] == "Function.ResponseSizeTooLarge"
    assert any(
        "413" in line and "Exceeded maximum allowed payload size (6291556 bytes)." in line
        for line in function.log()
    )
