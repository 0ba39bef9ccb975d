"""What stands in CloudWatch Logs after an invocation."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

from harness import Function, Served

from labkit.core.report import parse_report

Deploy = Callable[..., Function]
UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"


def test_the_lines_of_a_cold_and_a_warm_invocation(deploy: Deploy) -> None:
    function = deploy(
        "print('top level')\ndef handler(event, context): print('one\\ntwo')", MemorySize=256
    )
    ids = [function.invoke()["ResponseMetadata"]["RequestId"] for _ in range(2)]
    lines = function.log()
    assert re.fullmatch(
        r"INIT_START Runtime Version: python:3\.\d+\.\S+\tRuntime Version ARN: "
        r"arn:aws:lambda:us-east-1::runtime:[0-9a-f]{64}\n",
        lines[0],
    )
    body = ["one\n", "two\n"]
    start, end = "START RequestId: {} Version: $LATEST\n", "END RequestId: {}\n"
    assert lines[1:6] == ["top level\n", start.format(ids[0]), *body, end.format(ids[0])]
    assert lines[7:11] == [start.format(ids[1]), *body, end.format(ids[1])]
    assert re.fullmatch(
        rf"REPORT RequestId: {ids[0]}\tDuration: \d+\.\d\d ms\tBilled Duration: \d+ ms\t"
        r"Memory Size: 256 MB\tMax Memory Used: \d+ MB\tInit Duration: \d+\.\d\d ms\t\n",
        lines[6],
    )
    assert "Init Duration" not in lines[11]
    cold, warm = parse_report(lines[6]), parse_report(lines[11])
    ended = function.events("invoke_ended")
    for report, event in zip((cold, warm), ended, strict=True):
        assert (report.duration_ms, report.billed_ms) == (event["duration_ms"], event["billed_ms"])
    assert 5 <= warm.max_memory_mb <= 100


def test_one_stream_an_environment_and_version(deploy: Deploy, served: Served) -> None:
    function = deploy("def handler(event, context): pass")
    function.client.publish_version(FunctionName=function.name)
    for qualifier in ("$LATEST", "$LATEST", "1"):
        function.invoke(Qualifier=qualifier)
    streams = served.client("logs").describe_log_streams(
        logGroupName=f"/aws/lambda/{function.name}"
    )["logStreams"]
    versions = sorted(re.search(r"\[(.*?)\]", stream["logStreamName"])[1] for stream in streams)
    assert versions == ["$LATEST", "1"]


def test_records_of_logging_are_one_event_and_info_is_dropped_by_default(deploy: Deploy) -> None:
    function = deploy(
        "import logging\nlog = logging.getLogger()\ndef handler(event, context):\n"
        "    log.info('not seen')\n    log.warning('first\\nsecond')\n"
    )
    request_id = function.invoke()["ResponseMetadata"]["RequestId"]
    (record,) = [line for line in function.log() if "first" in line]
    assert re.fullmatch(
        rf"\[WARNING\]\t\d{{4}}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{{3}}Z\t{request_id}\tfirst\nsecond\n",
        record,
    )
    assert not any("not seen" in line for line in function.log())


def test_an_exception_is_one_event_with_non_breaking_indentation(deploy: Deploy) -> None:
    function = deploy("def handler(event, context):\n    raise ValueError('wrong')")
    function.invoke()
    (record,) = [line for line in function.log() if line.startswith("[ERROR]")]
    blank = "\u00a0"
    assert record == (
        "[ERROR] ValueError: wrong\nTraceback (most recent call last):\n"
        f"{blank * 2}File \"/var/task/app.py\", line 2, in handler\n{blank * 4}raise ValueError('wrong')\n"
    )


def test_failed_init_has_its_own_report(deploy: Deploy) -> None:
    function = deploy("import no_such_module")
    function.invoke()
    lines = [line for line in function.log() if "REPORT" in line]
    ending = "\tStatus: error\tError Type: Runtime.ImportModuleError\n"
    assert re.fullmatch(
        r"INIT_REPORT Init Duration: \d+\.\d\d ms\tPhase: init" + re.escape(ending), lines[0]
    )
    assert lines[1].startswith("REPORT") and lines[1].endswith(ending)


def test_json_format_with_levels(deploy: Deploy) -> None:
    function = deploy(
        "import logging\nlog = logging.getLogger()\ndef handler(event, context):\n"
        "    log.debug('d')\n    log.info('i', extra={'order': 7})\n    log.error('e')\n    print('plain')\n",
        LoggingConfig={
            "LogFormat": "JSON",
            "ApplicationLogLevel": "INFO",
            "SystemLogLevel": "DEBUG",
        },
    )
    request_id = function.invoke()["ResponseMetadata"]["RequestId"]
    lines = [line for line in function.log() if line != "plain\n"]
    records = [json.loads(line) for line in lines]
    assert [record["type"] for record in records if "type" in record] == [
        "platform.initStart", "platform.initRuntimeDone", "platform.initReport",
        "platform.start", "platform.runtimeDone", "platform.report",
    ]  # fmt: skip
    messages = [record for record in records if "message" in record]
    assert [record["message"] for record in messages] == ["i", "e"]
    assert (messages[0]["order"], messages[0]["requestId"]) == (7, request_id)
    metrics = records[-1]["record"]["metrics"]
    assert {
        "durationMs",
        "billedDurationMs",
        "memorySizeMB",
        "maxMemoryUsedMB",
        "initDurationMs",
    } == set(metrics)


def test_json_application_level_filters(deploy: Deploy) -> None:
    function = deploy(
        "import logging\nlog = logging.getLogger()\ndef handler(event, context):\n"
        "    log.info('i')\n    log.error('e')\n    print('plain')\n",
        LoggingConfig={
            "LogFormat": "JSON",
            "ApplicationLogLevel": "ERROR",
            "SystemLogLevel": "WARN",
        },
    )
    function.invoke()
    assert [json.loads(line).get("message") for line in function.log()] == ["e"]


def test_a_log_group_of_ones_own(deploy: Deploy, served: Served) -> None:
    function = deploy(
        "def handler(event, context): print('x')", LoggingConfig={"LogGroup": "shared"}
    )
    function.invoke()
    (stream,) = served.client("logs").describe_log_streams(logGroupName="shared")["logStreams"]
    assert re.fullmatch(
        rf"\d{{4}}/\d\d/\d\d/{function.name}\[\$LATEST\]\[[0-9a-f]{{32}}\]", stream["logStreamName"]
    )
