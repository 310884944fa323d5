"""What a request should look like in otel_traces, said in plain Python."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from collector.value_text import text
from store.client import Store

KINDS = ["Unspecified", "Internal", "Server", "Client", "Producer", "Consumer"]
CODES = ["Unset", "Ok", "Error"]
COLUMNS = """
    toUnixTimestamp64Nano(Timestamp) AS start, TraceId, SpanId, ParentSpanId, TraceState, SpanName, SpanKind,
    ServiceName, ResourceAttributes, ScopeName, ScopeVersion, SpanAttributes, Duration, StatusCode,
    StatusMessage,
    arrayMap(t -> toUnixTimestamp64Nano(t), Events.Timestamp) AS event_times, Events.Name AS event_names,
    Events.Attributes AS event_attributes, Links.TraceId AS link_traces, Links.SpanId AS link_spans,
    Links.TraceState AS link_states, Links.Attributes AS link_attributes
"""

ORDER = [
    part.split(" AS ")[-1].strip()
    for part in COLUMNS.replace("t -> toUnixTimestamp64Nano(t), ", "").split(",")
]


def texts(attributes: Iterable[KeyValue]) -> dict[str, str]:
    return {pair.key: text(pair.value) for pair in attributes}


def expected(request: ExportTraceServiceRequest) -> list[dict[str, Any]]:
    """One row a span; all spans must be valid."""
    rows = []
    for group in request.resource_spans:
        resource = texts(group.resource.attributes)
        for scope in group.scope_spans:
            for span in scope.spans:
                row = {
                    "ServiceName": resource.get("service.name", ""),
                    "ResourceAttributes": resource,
                    "ScopeName": scope.scope.name,
                    "ScopeVersion": scope.scope.version,
                    **_of_span(span),
                }
                rows.append({name: row[name] for name in ORDER})
    return sorted(rows, key=repr)


def hex_or_empty(identity: bytes) -> str:
    """All zero means that there is none."""
    return identity.hex() if any(identity) else ""


def _of_span(span: Span) -> dict[str, Any]:
    start, end = span.start_time_unix_nano, span.end_time_unix_nano
    return {
        "start": start,
        "TraceId": span.trace_id.hex(),
        "SpanId": span.span_id.hex(),
        "ParentSpanId": hex_or_empty(span.parent_span_id),
        "TraceState": span.trace_state,
        "SpanName": span.name,
        "SpanKind": KINDS[span.kind] if 0 <= span.kind < len(KINDS) else str(span.kind),
        "SpanAttributes": texts(span.attributes),
        "Duration": (end - start) % (1 << 64) if end else 0,
        "StatusCode": CODES[span.status.code]
        if 0 <= span.status.code < len(CODES)
        else str(span.status.code),
        "StatusMessage": span.status.message,
        "event_times": [event.time_unix_nano for event in span.events],
        "event_names": [event.name for event in span.events],
        "event_attributes": [texts(event.attributes) for event in span.events],
        "link_traces": [hex_or_empty(link.trace_id) for link in span.links],
        "link_spans": [hex_or_empty(link.span_id) for link in span.links],
        "link_states": [link.trace_state for link in span.links],
        "link_attributes": [texts(link.attributes) for link in span.links],
    }


def rows(store: Store) -> list[dict[str, Any]]:
    """What is stored, in the same form and order."""
    found = store.rows(f"SELECT {COLUMNS} FROM otel_traces")
    return sorted(({name: row[name] for name in ORDER} for row in found), key=repr)


def known_at(store: Store) -> list[datetime]:
    found = [row["known_at"] for row in store.rows("SELECT DISTINCT known_at FROM otel_traces")]
    assert all(moment.tzinfo is not None and moment.utcoffset() == UTC.utcoffset(None) for moment in found)
    return found
