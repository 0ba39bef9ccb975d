"""moto's CloudWatch: shows the metrics of Lambda, and is taught what it lacks of statistics.

As moto has it, a metric without dimensions is the sum over all dimensions, one with some of them is
mixed with those that have more, and there are no percentiles.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from labkit.core.metric_statistics import Sample, merged, percentile_of
from labkit.live.moto_seam.patching import original, replace
from labkit.live.telemetry.metrics import NAMESPACE, MetricStore, Series, SeriesKey

if TYPE_CHECKING:
    from moto.cloudwatch.models import CloudWatchBackend
    from moto.cloudwatch.responses import CloudWatchResponse

_MINUTE_S: Final = 60

_Dimensions = Sequence[Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class _Query:
    """What a request asks of one metric; times are in seconds since 1970."""

    namespace: str
    name: str
    dimensions: frozenset[tuple[str, str]]
    unit: str | None
    start_s: float
    end_s: float
    period_s: int


@dataclass(frozen=True, slots=True)
class _Listed:
    """A metric as ListMetrics names it."""

    namespace: str
    name: str
    dimensions: list[Any]


def install(store: MetricStore) -> None:
    """Let moto answer with the metrics of Lambda, too."""
    from moto.cloudwatch.models import CloudWatchBackend, Dimension
    from moto.cloudwatch.responses import CloudWatchResponse

    moto_get_metric_data = original(CloudWatchBackend.get_metric_data)

    def get_metric_data(
        self: CloudWatchBackend,
        queries: list[dict[str, Any]],
        start_time: datetime,
        end_time: datetime,
        scan_by: str = "TimestampAscending",
    ) -> list[dict[str, Any]]:
        others = [{**query, "ReturnData": True} for query in queries if "MetricStat" not in query]
        # Also without queries: moto checks the times.
        answered = moto_get_metric_data(self, others, start_time, end_time, scan_by)
        results = {result["id"]: result for result in answered}
        for query in queries:
            if "MetricStat" in query:
                found = _metric_data(self, store, query, start_time, end_time)
                if scan_by == "TimestampDescending":
                    found["values"].reverse()
                    found["timestamps"].reverse()
                results[query["Id"]] = found
        for query in others:  # moto's only expression that does something is another query's name
            if query.get("Expression") in results:
                source = results[query["Expression"]]
                for column in ("values", "timestamps"):
                    results[query["Id"]][column] = source[column]
        return [results[query["Id"]] for query in queries if query.get("ReturnData", True)]

    def get_metric_statistics(self: CloudWatchResponse) -> Any:
        return _metric_statistics(self, store)

    def get_filtered_metrics(
        self: CloudWatchBackend, metric_name: str, namespace: str, dimensions: _Dimensions
    ) -> list[_Listed]:
        return [
            _Listed(space, name, [Dimension(key, value) for key, value in pairs])
            for space, name, pairs in _series_names(self, store)
            if namespace in (None, space)
            and metric_name in (None, name)
            and all(_has(pairs, wanted) for wanted in dimensions or [])
        ]

    replace(CloudWatchBackend, "get_metric_data", get_metric_data)
    replace(CloudWatchBackend, "get_filtered_metrics", get_filtered_metrics)
    replace(CloudWatchResponse, "get_metric_statistics", get_metric_statistics)


def _metric_statistics(response: CloudWatchResponse, store: MetricStore) -> Any:
    """Answer GetMetricStatistics."""
    from moto.cloudwatch.exceptions import InvalidParameterCombination, InvalidParameterValue
    from moto.core.responses import ActionResult

    get = response._get_param
    statistics, extended = get("Statistics", []) or [], get("ExtendedStatistics", []) or []
    if not statistics and not extended:
        raise InvalidParameterCombination("Must specify either Statistics or ExtendedStatistics")
    if any(percentile_of(name) is None for name in extended):
        raise InvalidParameterValue(
            "The value for parameter ExtendedStatistics must be percentiles, such as p99."
        )
    query = _Query(
        namespace=get("Namespace"),
        name=get("MetricName"),
        dimensions=_pairs(get("Dimensions", [])),
        unit=get("Unit"),
        start_s=_seconds(get("StartTime")),
        end_s=_seconds(get("EndTime")),
        period_s=int(get("Period")),
    )
    if query.start_s >= query.end_s:
        raise InvalidParameterValue(
            "The parameter StartTime must be less than the parameter EndTime."
        )
    datapoints = []
    for start_s, (sample, unit) in _periods(response.cloudwatch_backend, store, query):
        point: dict[str, Any] = {"Timestamp": _moment(start_s), "Unit": unit}
        point.update({name: sample.statistic(name) for name in statistics})
        if extended:
            found = {name: sample.statistic(name) for name in extended}
            point["ExtendedStatistics"] = {
                name: value for name, value in found.items() if value is not None
            }
        datapoints.append(point)
    return ActionResult({"Label": query.name, "Datapoints": datapoints})


def _metric_data(
    backend: CloudWatchBackend,
    store: MetricStore,
    query: Mapping[str, Any],
    start_time: datetime,
    end_time: datetime,
) -> dict[str, Any]:
    """Answer one query of GetMetricData that names a metric, oldest value first."""
    asked = query["MetricStat"]
    metric, statistic = asked["Metric"], asked["Stat"]
    periods = _periods(
        backend,
        store,
        _Query(
            namespace=metric["Namespace"],
            name=metric["MetricName"],
            dimensions=_pairs(metric.get("Dimensions", [])),
            unit=asked.get("Unit"),
            start_s=_seconds(start_time),
            end_s=_seconds(end_time),
            period_s=int(asked["Period"]),
        ),
    )
    found = [(start_s, sample.statistic(statistic)) for start_s, (sample, _) in periods]
    return {
        "id": query["Id"],
        "label": query.get("Label") or f"{metric['MetricName']} {statistic}",
        "values": [value for _, value in found if value is not None],
        "timestamps": [_moment(start_s) for start_s, value in found if value is not None],
        "status_code": "Complete",
    }


def _periods(
    backend: CloudWatchBackend, store: MetricStore, query: _Query
) -> list[tuple[float, tuple[Sample, str]]]:
    """Return the periods that have values: start, values and their unit."""
    # Source: CloudWatch API reference: StartTime is rounded down to the minute.
    first_s = query.start_s // _MINUTE_S * _MINUTE_S
    if query.period_s < _MINUTE_S:
        first_s = query.start_s // query.period_s * query.period_s
    gathered: dict[float, tuple[list[Sample], str]] = {}
    for time_s, sample, unit in _values(backend, store, query):
        if first_s <= time_s < query.end_s:
            start_s = time_s - (time_s - first_s) % query.period_s
            gathered.setdefault(start_s, ([], unit))[0].append(sample)
    return [
        (start_s, (merged(samples), unit)) for start_s, (samples, unit) in sorted(gathered.items())
    ]


def _values(
    backend: CloudWatchBackend, store: MetricStore, query: _Query
) -> list[tuple[float, Sample, str]]:
    """Return all values of a metric with exactly these dimensions: time, values, unit."""
    found = []
    for datum in backend.get_all_metrics():
        if (datum.namespace, datum.name) != (query.namespace, query.name):
            continue
        if frozenset((one.name, one.value) for one in datum.dimensions) != query.dimensions:
            continue
        if query.unit in (None, datum.unit):
            found.append((_seconds(datum.timestamp), _sample(datum), datum.unit or "None"))

    def add(series: dict[SeriesKey, Series]) -> None:
        for (region, name, dimensions), one in series.items():
            if (region, name) != (backend.region_name, query.name):
                continue
            if frozenset(dimensions) == query.dimensions and query.unit in (None, one.unit):
                # Copies: later values must not come into an answer that is being made.
                found.extend(
                    (minute * float(_MINUTE_S), merged([sample]), one.unit)
                    for minute, sample in one.minutes.items()
                )

    if query.namespace == NAMESPACE:
        store.read(add)
    return found


def _series_names(
    backend: CloudWatchBackend, store: MetricStore
) -> Iterator[tuple[str, str, tuple[tuple[str, str], ...]]]:
    """Yield namespace, name and dimensions of each metric once."""
    names: dict[tuple[str, str, frozenset[tuple[str, str]]], tuple[tuple[str, str], ...]] = {}
    for datum in backend.get_all_metrics():
        pairs = tuple((str(one.name), str(one.value)) for one in datum.dimensions)
        names.setdefault((datum.namespace, datum.name, frozenset(pairs)), pairs)

    def add(series: dict[SeriesKey, Series]) -> None:
        for region, name, pairs in series:
            if region == backend.region_name:
                names.setdefault((NAMESPACE, name, frozenset(pairs)), pairs)

    store.read(add)
    for (namespace, name, _), pairs in names.items():
        yield namespace, name, pairs


def _has(pairs: tuple[tuple[str, str], ...], wanted: Mapping[str, str]) -> bool:
    """Tell whether a metric has a dimension; any value will do if none is asked for."""
    return any(
        name == wanted["Name"] and wanted.get("Value") in (None, value) for name, value in pairs
    )


def _pairs(dimensions: _Dimensions | None) -> frozenset[tuple[str, str]]:
    return frozenset((one["Name"], one["Value"]) for one in dimensions or [])


def _sample(datum: Any) -> Sample:
    """The values of one of moto's own data."""
    if hasattr(datum, "value"):
        return Sample(Counter([datum.value]))
    return Sample(sets=[(datum.min, datum.max, datum.sum, datum.sample_count)])


def _seconds(moment: datetime) -> float:
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _moment(time_s: float) -> datetime:
    return datetime.fromtimestamp(time_s, UTC).replace(tzinfo=None)
