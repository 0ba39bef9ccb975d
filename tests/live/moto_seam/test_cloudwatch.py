"""CloudWatch in a running lab: the metrics of Lambda beside those that a learner puts."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError
from harness import Function, Served

CODE = """
def handler(event, context):
    if event.get("fail"):
        raise ValueError("as asked")
"""


class Watch:
    """CloudWatch, and the time of the lab."""

    def __init__(self, served: Served) -> None:
        self.client = served.client("cloudwatch")
        self.now = datetime.fromtimestamp(served.control("GET", "clock")["now_ms"] / 1000, UTC)

    def statistics(
        self, name: str, *pairs: str, namespace: str = "AWS/Lambda", **options: Any
    ) -> Any:
        options = options or {"Statistics": ["Sum"]}
        answer = self.client.get_metric_statistics(
            Namespace=namespace,
            MetricName=name,
            Dimensions=dimensions(*pairs),
            StartTime=self.now - timedelta(minutes=50),
            EndTime=self.now + timedelta(minutes=5),
            Period=3600,
            **options,
        )
        return answer["Datapoints"]

    def total(self, name: str, *pairs: str, **options: Any) -> float:
        return sum(point["Sum"] for point in self.statistics(name, *pairs, **options))


def dimensions(*pairs: str) -> list[dict[str, str]]:
    return [dict(zip(("Name", "Value"), pair.split("="), strict=True)) for pair in pairs]


@pytest.fixture
def called(served: Served, deploy: Callable[..., Function]) -> Function:
    """A function with three invocations, one of which failed."""
    function = deploy(CODE)
    for event in ({}, {}, {"fail": True}):
        function.invoke(event)
    return function


def test_invocations_by_function_and_resource(served: Served, called: Function) -> None:
    watch, name = Watch(served), called.name
    assert watch.total("Invocations", f"FunctionName={name}") == 3
    assert watch.total("Errors", f"FunctionName={name}", f"Resource={name}") == 1
    assert watch.total("Errors", f"Resource={name}", f"FunctionName={name}") == 1
    assert watch.total("Invocations") >= 3
    assert watch.statistics("Invocations", "FunctionName=other") == []
    assert watch.statistics("Invocations", f"Resource={name}") == []


def test_durations_with_percentiles(served: Served, called: Function) -> None:
    watch, function = Watch(served), f"FunctionName={called.name}"
    ended = [event["duration_ms"] for event in called.events("invoke_ended")]
    statistics = ["Average", "Maximum", "Minimum", "SampleCount", "Sum"]
    [point] = watch.statistics("Duration", function, Statistics=statistics)
    assert point["Unit"] == "Milliseconds"
    assert (point["Maximum"], point["Minimum"], point["SampleCount"]) == (max(ended), min(ended), 3)
    [point] = watch.statistics("Duration", function, ExtendedStatistics=["p50", "p99"])
    assert point["ExtendedStatistics"] == {"p50": sorted(ended)[1], "p99": max(ended)}


def test_get_metric_data(served: Served, called: Function) -> None:
    watch = Watch(served)

    def query(name: str, metric: str, statistic: str) -> dict[str, Any]:
        stat = {
            "Metric": {
                "Namespace": "AWS/Lambda",
                "MetricName": metric,
                "Dimensions": dimensions(f"FunctionName={called.name}"),
            },
            "Period": 3600,
            "Stat": statistic,
        }
        return {"Id": name, "MetricStat": stat}

    answer = watch.client.get_metric_data(
        MetricDataQueries=[
            {**query("all", "Invocations", "Sum"), "Label": "calls"},
            {**query("hidden", "Errors", "Sum"), "ReturnData": False},
            {"Id": "again", "Expression": "hidden"},
            query("slow", "Duration", "p99"),
        ],
        StartTime=watch.now - timedelta(minutes=50),
        EndTime=watch.now + timedelta(minutes=5),
    )["MetricDataResults"]
    assert [(one["Id"], one["Label"]) for one in answer] == [
        ("all", "calls"),
        ("again", "again"),
        ("slow", "Duration p99"),
    ]
    assert [one["Values"] for one in answer[:2]] == [[3.0], [1.0]]
    assert len(answer[2]["Values"]) == len(answer[2]["Timestamps"]) == 1


def test_metrics_are_listed_once(served: Served, called: Function) -> None:
    client = served.client("cloudwatch")
    wanted = dimensions(f"FunctionName={called.name}")
    found = client.list_metrics(
        Namespace="AWS/Lambda", MetricName="Invocations", Dimensions=wanted
    )["Metrics"]
    assert [len(metric["Dimensions"]) for metric in found] == [1, 2]
    by_name = client.list_metrics(MetricName="Errors", Dimensions=[{"Name": "Resource"}])["Metrics"]
    assert called.name in {metric["Dimensions"][1]["Value"] for metric in by_name}
    assert client.list_metrics(Namespace="AWS/Nothing")["Metrics"] == []


def test_what_a_learner_puts_is_kept_apart_by_its_dimensions(served: Served) -> None:
    watch = Watch(served)
    data = [
        {"MetricName": "Orders", "Value": 3, "Dimensions": dimensions("Shop=a")},
        {"MetricName": "Orders", "Value": 4, "Dimensions": dimensions("Shop=a", "Till=1")},
        {"MetricName": "Orders", "Values": [1, 2], "Counts": [2, 1]},
    ]
    stamped = [{**one, "Timestamp": watch.now} for one in data]
    watch.client.put_metric_data(Namespace="Mine", MetricData=stamped)
    assert watch.total("Orders", namespace="Mine") == 4
    assert watch.total("Orders", "Shop=a", namespace="Mine") == 3
    assert watch.total("Orders", "Till=1", "Shop=a", namespace="Mine") == 4
    assert watch.statistics("Orders", namespace="Mine", Unit="Bytes", Statistics=["Sum"]) == []


def test_refusals(served: Served) -> None:
    watch = Watch(served)
    with pytest.raises(ClientError, match="Must specify either Statistics or ExtendedStatistics"):
        watch.statistics("Invocations", Unit="Count")
    with pytest.raises(ClientError, match="must be percentiles"):
        watch.statistics("Invocations", ExtendedStatistics=["median"])
    with pytest.raises(ClientError, match="StartTime must be less than"):
        watch.client.get_metric_statistics(
            Namespace="AWS/Lambda",
            MetricName="Invocations",
            StartTime=watch.now,
            EndTime=watch.now,
            Period=60,
            Statistics=["Sum"],
        )
