"""What a request should look like in otel_logs, said in plain Python."""

from __future__ import annotations

from typing import Any

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from otlp_rows import hex_or_empty, texts

from collector.value_text import text
from store.client import Store

COLUMNS = """
    toUnixTimestamp64Nano(Timestamp) AS at, TraceId, SpanId, TraceFlags, SeverityText, SeverityNumber, ServiceName, Body,
    ResourceSchemaUrl, ResourceAttributes, ScopeSchemaUrl, ScopeName, ScopeVersion, ScopeAttributes, LogAttributes, EventName
"""


def expected(request: ExportLogsServiceRequest) -> list[dict[str, Any]]:
    """One row a record that has a time before 2106."""
    rows = []
    for group in request.resource_logs:
        resource = texts(group.resource.attributes)
        for scope in group.scope_logs:
            shared = {
                "ServiceName": resource.get("service.name", ""),
                "ResourceSchemaUrl": group.schema_url,
                "ResourceAttributes": resource,
                "ScopeSchemaUrl": scope.schema_url,
                "ScopeName": scope.scope.name,
                "ScopeVersion": scope.scope.version,
                "ScopeAttributes": texts(scope.scope.attributes),
            }
            rows += [{**shared, **_of_record(record)} for record in scope.log_records]
    return in_order([row for row in rows if row["at"] < (1 << 32) * 10**9])


def _of_record(record: LogRecord) -> dict[str, Any]:
    return {
        "at": record.time_unix_nano or record.observed_time_unix_nano,
        "TraceId": hex_or_empty(record.trace_id) if len(record.trace_id) == 16 else "",
        "SpanId": hex_or_empty(record.span_id) if len(record.span_id) == 8 else "",
        "TraceFlags": record.flags % 256,
        "SeverityText": record.severity_text,
        "SeverityNumber": record.severity_number if 0 <= record.severity_number < 256 else 0,
        "Body": text(record.body),
        "LogAttributes": texts(record.attributes),
        "EventName": record.event_name,
    }


def rows(store: Store) -> list[dict[str, Any]]:
    """What is stored, in the same form and order."""
    return in_order(store.rows(f"SELECT {COLUMNS} FROM otel_logs"))


def in_order(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted((dict(sorted(row.items())) for row in rows), key=repr)
