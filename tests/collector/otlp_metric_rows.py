"""What a request should look like in the tables of metrics, said in plain Python."""

from __future__ import annotations

from typing import Any

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.metrics.v1.metrics_pb2 import Exemplar, Metric
from otlp_rows import hex_or_empty, texts
from otlp_send import exact

from store.client import Store

END_OF_TIME_NS = (1 << 32) * 10**9
TABLES = {
    "gauge": "otel_metrics_gauge",
    "sum": "otel_metrics_sum",
    "histogram": "otel_metrics_histogram",
    "exponential_histogram": "otel_metrics_exponential_histogram",
    "summary": "otel_metrics_summary",
}
SHARED = """
    ResourceAttributes, ResourceSchemaUrl, ScopeName, ScopeVersion, ScopeAttributes, ScopeDroppedAttrCount, ScopeSchemaUrl,
    ServiceName, MetricName, MetricDescription, MetricUnit, Attributes,
    toUnixTimestamp64Nano(StartTimeUnix) AS start, toUnixTimestamp64Nano(TimeUnix) AS at, Flags
"""
EXEMPLARS = """
    Exemplars.FilteredAttributes AS exemplar_attributes,
    arrayMap(t -> toUnixTimestamp64Nano(t), Exemplars.TimeUnix) AS exemplar_times,
    Exemplars.Value AS exemplar_values, Exemplars.SpanId AS exemplar_spans, Exemplars.TraceId AS exemplar_traces
"""
OWN = {
    "gauge": f"{EXEMPLARS}, Value",
    "sum": f"{EXEMPLARS}, Value, AggregationTemporality, IsMonotonic",
    "histogram": f"{EXEMPLARS}, Count, Sum, Min, Max, BucketCounts, ExplicitBounds, AggregationTemporality",
    "exponential_histogram": f"""{EXEMPLARS}, Count, Sum, Min, Max, Scale, ZeroCount, ZeroThreshold, PositiveOffset,
        PositiveBucketCounts, NegativeOffset, NegativeBucketCounts, AggregationTemporality""",
    "summary": "Count, Sum, ValueAtQuantiles.Quantile AS quantiles, ValueAtQuantiles.Value AS quantile_values",
}
Rows = dict[str, list[dict[str, Any]]]


def expected(request: ExportMetricsServiceRequest) -> Rows:
    """By kind, one row a point that has a time and no time after 2106."""
    found: Rows = {kind: [] for kind in TABLES}
    for group in request.resource_metrics:
        resource = texts(group.resource.attributes)
        for scope in group.scope_metrics:
            shared = {
                "ResourceAttributes": resource,
                "ResourceSchemaUrl": group.schema_url,
                "ScopeName": scope.scope.name,
                "ScopeVersion": scope.scope.version,
                "ScopeAttributes": texts(scope.scope.attributes),
                "ScopeDroppedAttrCount": scope.scope.dropped_attributes_count,
                "ScopeSchemaUrl": scope.schema_url,
                "ServiceName": resource.get("service.name", ""),
            }
            for metric in scope.metrics:
                kind = metric.WhichOneof("data")
                if kind:
                    found[kind] += [{**shared, **row} for row in _of_metric(metric, kind)]
    return {kind: in_order(rows) for kind, rows in found.items()}


def _of_metric(metric: Metric, kind: str) -> list[dict[str, Any]]:
    data = getattr(metric, kind)
    named = {"MetricName": metric.name, "MetricDescription": metric.description, "MetricUnit": metric.unit}
    if kind not in ("gauge", "summary"):
        named["AggregationTemporality"] = data.aggregation_temporality
    if kind == "sum":
        named["IsMonotonic"] = data.is_monotonic
    return [
        {**named, **_shared_by_points(point), **_of_point(point, kind)}
        for point in data.data_points
        if 0 < point.time_unix_nano < END_OF_TIME_NS and point.start_time_unix_nano < END_OF_TIME_NS
    ]


def _shared_by_points(point: Any) -> dict[str, Any]:
    return {
        "Attributes": texts(point.attributes),
        "start": point.start_time_unix_nano,
        "at": point.time_unix_nano,
        "Flags": point.flags,
    }


def _of_point(point: Any, kind: str) -> dict[str, Any]:
    if kind == "summary":
        return {
            "Count": point.count, "Sum": point.sum,
            "quantiles": [pair.quantile for pair in point.quantile_values],
            "quantile_values": [pair.value for pair in point.quantile_values],
        }  # fmt: skip
    exemplars = _of_exemplars(point.exemplars)
    if kind in ("gauge", "sum"):
        return {**exemplars, "Value": _number(point)}
    own = {"Count": point.count, "Sum": point.sum, "Min": point.min, "Max": point.max}
    if kind == "histogram":
        buckets = {
            "BucketCounts": list(point.bucket_counts),
            "ExplicitBounds": list(point.explicit_bounds),
        }
    else:
        buckets = {
            "Scale": point.scale, "ZeroCount": point.zero_count, "ZeroThreshold": point.zero_threshold,
            "PositiveOffset": point.positive.offset, "PositiveBucketCounts": list(point.positive.bucket_counts),
            "NegativeOffset": point.negative.offset, "NegativeBucketCounts": list(point.negative.bucket_counts),
        }  # fmt: skip
    return {**exemplars, **own, **buckets}


def _of_exemplars(exemplars: Any) -> dict[str, Any]:
    return {
        "exemplar_attributes": [texts(one.filtered_attributes) for one in exemplars],
        "exemplar_times": [one.time_unix_nano for one in exemplars],
        "exemplar_values": [_number(one) for one in exemplars],
        "exemplar_spans": [hex_or_empty(one.span_id) for one in exemplars],
        "exemplar_traces": [hex_or_empty(one.trace_id) for one in exemplars],
    }


def _number(point: Any | Exemplar) -> float:
    return float(point.as_int) if point.WhichOneof("value") == "as_int" else point.as_double


def rows(store: Store) -> Rows:
    """What is stored, in the same form and order."""
    return {
        kind: in_order(store.rows(f"SELECT {SHARED}, {OWN[kind]} FROM {table}"))
        for kind, table in TABLES.items()
    }


def in_order(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted((exact(dict(sorted(row.items()))) for row in rows), key=repr)
