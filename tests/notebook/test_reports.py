from __future__ import annotations

import json
from collections.abc import Iterator

import pandas as pd
import pytest

from labkit import Lab
from labkit.live.client import LabError
from labkit.notebook.reports import Reports


def shop(event, context):
    import time

    for line in event.get("say", []):
        print(line)  # noqa: T201
    if event.get("sleep"):
        time.sleep(5)
    return 1 / event.get("divisor", 1)


class Counter:
    """A function in the lab, and the request ids of its invocations."""

    def __init__(self, lab: Lab, name: str, **options: object) -> None:
        self.lab, self.name = lab, lab.deploy(shop, name=name, **options).name  # type: ignore[arg-type]

    def invoke(self, **event: object) -> str:
        answer = self.lab.client("lambda").invoke(FunctionName=self.name, Payload=json.dumps(event))
        answer["Payload"].read()
        return str(answer["ResponseMetadata"]["RequestId"])


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with Lab.start() as lab:
        yield lab


@pytest.fixture(scope="module")
def ids(lab: Lab) -> list[str]:
    """Invocations of the function "shop": cold, warm and talking, an error, a timeout."""
    counter = Counter(lab, "shop", timeout_s=1)
    return [
        counter.invoke(),
        counter.invoke(say=["one", "two"]),
        counter.invoke(divisor=0),
        counter.invoke(sleep=True),
    ]


def test_reports_are_a_table_of_the_report_lines(lab: Lab, ids: list[str]) -> None:
    reports = lab.reports("shop")
    assert repr(reports) == "4 REPORT lines of shop, 1 cold"
    assert list(reports.columns) == [
        *("time", "function", "request_id", "duration_ms", "billed_ms", "init_ms", "memory_mb"),
        *("max_memory_mb", "status", "error_type", "cost_usd"),
    ]
    assert list(reports["request_id"]) == ids
    assert list(reports["init_ms"].notna()) == [True, False, False, False]
    assert list(reports["memory_mb"]) == [128] * 4
    assert reports["time"].is_monotonic_increasing
    assert str(reports["time"].dt.tz) == "UTC"
    assert abs(lab.now - reports["time"].iloc[-1]) < pd.Timedelta("1h")
    cost = reports["billed_ms"] / 1000 * 128 / 1024 * 0.0000166667 + 0.0000002
    assert list(reports["cost_usd"]) == pytest.approx(list(cost), rel=1e-9)


def test_reports_tell_how_each_invocation_ended(lab: Lab, ids: list[str]) -> None:
    """After an exception the text line names no status; the lab knows it all the same."""
    reports = lab.reports("shop")
    assert "Status" not in [line for line in lab.logs("shop", ids[2]) if "REPORT" in line][0]
    assert list(reports["status"]) == ["success", "success", "error", "timeout"]
    assert list(reports["error_type"])[:3] == [None, None, "ZeroDivisionError"]


def test_what_is_made_of_reports_shows_its_figures(lab: Lab, ids: list[str]) -> None:
    reports = lab.reports("shop")
    for made in (reports[reports["billed_ms"] > 0], reports.head(2), reports[["duration_ms"]]):
        assert type(made) is pd.DataFrame
        assert "duration_ms" in repr(made[["duration_ms"]])
        assert "REPORT line" not in repr(made)
    assert reports["duration_ms"].max() > 1000
    reports["seconds"] = reports["billed_ms"] / 1000
    assert type(reports) is Reports
    assert "REPORT line" not in repr(reports)
    assert "<th>seconds</th>" in reports._repr_html_()


def test_the_table_is_for_people(lab: Lab, ids: list[str]) -> None:
    reports = lab.reports("shop")
    text = reports._repr_html_()
    assert text.startswith('<table class="labkit-reports"><thead><tr><th>function</th>')
    assert text.endswith("</table>")
    assert "\n" not in text  # one rule replaces it as a whole
    assert "<th>duration (ms)</th>" in text
    assert text.count("<tr>") == 5
    assert text.count("<td>–</td>") == 3
    assert f"<td>{ids[0][:8]}</td>" in text
    assert ids[0] not in text
    assert "<td>error: ZeroDivisionError</td>" in text
    assert f"<td>{reports['duration_ms'].max():,.2f}</td>" in text


def test_the_order_over_streams_is_that_of_time(lab: Lab) -> None:
    counter = Counter(lab, "replaced")
    first = counter.invoke()
    Counter(lab, "replaced", memory_mb=256)
    lab.advance(1)
    second = counter.invoke()
    assert repr(lab.logs("replaced")).endswith(" lines of replaced in 2 log streams")
    reports = lab.reports("replaced")
    assert list(reports["request_id"]) == [first, second]
    assert list(reports["memory_mb"]) == [128, 256]
    assert repr(reports) == "2 REPORT lines of replaced, 2 cold"


def test_all_functions_together(lab: Lab, ids: list[str]) -> None:
    Counter(lab, "other").invoke()
    reports = lab.reports()
    assert {"shop", "other"} <= set(reports["function"])
    assert reports["time"].is_monotonic_increasing
    assert "REPORT lines of " in repr(reports)


def test_a_function_without_reports_and_one_that_is_none(lab: Lab) -> None:
    Counter(lab, "silent")
    reports = lab.reports("silent")
    assert repr(reports) == "no REPORT lines"
    assert reports["billed_ms"].sum() == 0
    assert reports["time"].dt.tz is not None
    assert reports._repr_html_().endswith("<tbody></tbody></table>")
    with pytest.raises(LabError, match="There is no function 'nobody', and no log of one"):
        lab.reports("nobody")


def test_the_json_format_and_the_price_of_the_architecture(lab: Lab) -> None:
    options = {"LoggingConfig": {"LogFormat": "JSON"}, "Architectures": ["arm64"]}
    counter = Counter(lab, "structured", **options)
    ids = [counter.invoke(say=["hi"]), counter.invoke(divisor=0)]
    reports = lab.reports("structured")
    assert list(reports["request_id"]) == ids
    assert list(reports["init_ms"].notna()) == [True, False]
    assert list(reports["status"]) == ["success", "error"]
    cost = reports["billed_ms"] / 8000 * 0.0000133334 + 0.0000002
    assert list(reports["cost_usd"]) == pytest.approx(list(cost), rel=1e-9)


def test_lines_that_only_look_like_reports_are_not(lab: Lab) -> None:
    request_id = Counter(lab, "liar").invoke(
        say=[
            "REPORT is late",
            "REPORT RequestId: x\tDuration: long",
            '{"time": 1, "type": "platform.report", "record": {}}',
            '{"type": "platform.report", "record": {"requestId": 1, "metrics": 2}}',
            '{"type": "platform.report"}',
            "[1, 2]",
            "{",
        ]
    )
    assert list(lab.reports("liar")["request_id"]) == [request_id]


def test_functions_that_share_a_log_group_or_are_gone(lab: Lab) -> None:
    for name in ("left", "right"):
        Counter(lab, name, LoggingConfig={"LogGroup": "/aws/lambda/common"}).invoke()
    Counter(lab, "mortal").invoke()
    lab.client("lambda").delete_function(FunctionName="mortal")
    functions = list(lab.reports()["function"])
    assert [functions.count(name) for name in ("left", "right", "mortal", "common")] == [1, 1, 1, 0]


def test_attempts_of_one_asynchronous_invocation(lab: Lab) -> None:
    counter = Counter(lab, "queued")
    lab.client("lambda").invoke(
        FunctionName="queued", InvocationType="Event", Payload='{"divisor": 0}'
    )
    lab.settle()
    counter.invoke()
    reports = lab.reports("queued")
    assert set(reports["status"][:-1]) == {"error"}
    assert reports["status"].iloc[-1] == "success"
