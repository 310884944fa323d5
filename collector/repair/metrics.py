"""Repairs export requests for metrics."""

from __future__ import annotations

from typing import Any

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric, ScopeMetrics

from collector.repair.common import END_OF_TIME_NS, Findings, adopt_deprecated, clean, keep_only

TIME = "time_unix_nano is 0 or after 2106"
START_TIME = "start_time_unix_nano is after 2106"
NO_DATA = "metrics without data of a kind known here were passed over"
DEPRECATED = "instrumentation_library_metrics"


def repair(request: ExportMetricsServiceRequest) -> Findings:
    """Changes `request` in place and says what was found. Raises UndecodableError for a broken old field."""
    found = Findings()
    for group in request.resource_metrics:
        adopt_deprecated(group, group.scope_metrics, ScopeMetrics, DEPRECATED, found)
        clean(group.resource.attributes, found)
        for scope in group.scope_metrics:
            clean(scope.scope.attributes, found, lists=False)
            _drop_without_data(scope, found)
            for metric in scope.metrics:
                _clean_points(metric, found)
    return found


def data_points(metric: Metric) -> Any:
    """The points of the metric, of whatever kind; an empty list when it has none."""
    kind = metric.WhichOneof("data")
    return getattr(metric, kind).data_points if kind else []


def why_rejected(point: Any) -> str:
    """Why a data point cannot be kept, or an empty text."""
    if not 0 < point.time_unix_nano < END_OF_TIME_NS:
        return TIME
    return "" if point.start_time_unix_nano < END_OF_TIME_NS else START_TIME


def _drop_without_data(scope: ScopeMetrics, found: Findings) -> None:
    """They hold no point, so none is rejected."""
    dropped = Findings()
    keep_only(scope.metrics, lambda metric: "" if metric.WhichOneof("data") else NO_DATA, dropped)
    found.advice.update(dropped.rejected)


def _clean_points(metric: Metric, found: Findings) -> None:
    points = data_points(metric)
    keep_only(points, why_rejected, found)
    for point in points:
        clean(point.attributes, found, lists=False)
        if metric.WhichOneof("data") == "summary":
            continue
        for exemplar in point.exemplars:
            clean(exemplar.filtered_attributes, found, lists=False)
