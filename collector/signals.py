"""The kinds of telemetry that are taken: traces, logs and metrics."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from google.protobuf.message import Message
from google.protobuf.unknown_fields import UnknownFieldSet
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import (
    ExportLogsServiceRequest,
    ExportLogsServiceResponse,
)
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from collector.repair import logs, metrics, traces
from collector.repair.common import Findings

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Signal:
    """One kind of telemetry: its messages, the table its bodies go to, and how requests are repaired.

    `items` is what senders call them, `rejected_field` where an answer counts those set aside, `targets` the
    tables that hold their rows, one an item. `groups`, `scopes` and `entries` name the fields from a request
    down to them. `items_of` counts the items in an entry, where an entry is not itself one. `completion` names
    what follows from the rows: which inserts lack some of it, and what writes it, are two files in `sql/`.
    """

    name: str
    items: str
    table: str
    targets: tuple[str, ...]
    schema: Path
    request: type[Message]
    response: type[Message]
    repair: Callable[[Any], Findings]
    groups: str
    scopes: str
    entries: str
    rejected_field: str
    items_of: Callable[[Any], int] | None = None
    completion: str = ""

    @property
    def private_table(self) -> str:
        """The table for bodies that a privacy policy is applied to."""
        return f"otlp_{self.name}_private_in"

    def groups_of(self, request: Message) -> Any:
        """The resource groups of a request."""
        return getattr(request, self.groups)

    def has_items(self, request: Message) -> bool:
        """Whether there may be anything to store; looks at groups, not at items."""
        return any(
            any(len(getattr(scope, self.entries)) for scope in getattr(group, self.scopes))
            or len(UnknownFieldSet(group))
            for group in self.groups_of(request)
        )

    def size(self, request: Message) -> int:
        """The number of rows that a request will have."""
        groups = self.groups_of(request)
        entries = [getattr(scope, self.entries) for group in groups for scope in getattr(group, self.scopes)]
        if self.items_of is None:
            return sum(map(len, entries))
        return sum(self.items_of(entry) for some in entries for entry in some)


TRACES = Signal(
    name="traces",
    items="spans",
    table="otlp_traces_in",
    targets=("otel_traces",),
    schema=HERE / "otlp_traces.proto",
    request=ExportTraceServiceRequest,
    response=ExportTraceServiceResponse,
    repair=traces.repair,
    groups="resource_spans",
    scopes="scope_spans",
    entries="spans",
    rejected_field="rejected_spans",
    completion="trace_times",
)
LOGS = Signal(
    name="logs",
    items="log records",
    table="otlp_logs_in",
    targets=("otel_logs",),
    schema=HERE / "otlp_logs.proto",
    request=ExportLogsServiceRequest,
    response=ExportLogsServiceResponse,
    repair=logs.repair,
    groups="resource_logs",
    scopes="scope_logs",
    entries="log_records",
    rejected_field="rejected_log_records",
)
METRICS = Signal(
    name="metrics",
    items="data points",
    table="otlp_metrics_in",
    targets=(
        "otel_metrics_gauge",
        "otel_metrics_sum",
        "otel_metrics_histogram",
        "otel_metrics_exponential_histogram",
        "otel_metrics_summary",
    ),
    schema=HERE / "otlp_metrics.proto",
    request=ExportMetricsServiceRequest,
    response=ExportMetricsServiceResponse,
    repair=metrics.repair,
    groups="resource_metrics",
    scopes="scope_metrics",
    entries="metrics",
    rejected_field="rejected_data_points",
    items_of=lambda metric: len(metrics.data_points(metric)),
)
SIGNALS = (TRACES, LOGS, METRICS)
