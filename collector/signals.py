"""The kinds of telemetry: their messages, where their bodies go, and how requests of each are repaired."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from collector.repair import Findings, repair


@dataclass(frozen=True)
class Signal:
    """One kind of telemetry. `items` is what senders call them, `targets` the tables that hold their rows.

    `size` gives the resources of a request and the rows it will have; it looks at groups, not at items.
    """

    name: str
    items: str
    table: str
    targets: tuple[str, ...]
    schema: Path
    request: type[ExportTraceServiceRequest]
    response: type[ExportTraceServiceResponse]
    size: Callable[[ExportTraceServiceRequest], tuple[int, int]]
    repair: Callable[[ExportTraceServiceRequest], Findings]


def _spans(request: ExportTraceServiceRequest) -> tuple[int, int]:
    resources = request.resource_spans
    return len(resources), sum(len(scope.spans) for one in resources for scope in one.scope_spans)


TRACES = Signal(
    name="traces",
    items="spans",
    table="otlp_traces_in",
    targets=("otel_traces",),
    schema=Path(__file__).parent / "otlp_traces.proto",
    request=ExportTraceServiceRequest,
    response=ExportTraceServiceResponse,
    size=_spans,
    repair=repair,
)
