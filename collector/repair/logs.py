"""Repairs export requests for logs.

A record outside of traces is as good as one inside, so an id that is none does not cost the record.
"""

from __future__ import annotations

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, ScopeLogs

from collector.repair.common import END_OF_TIME_NS, Findings, adopt_deprecated, clean, keep_only, simplify

TIME = "time_unix_nano, or observed_time_unix_nano where it is 0, is after 2106"
TRACE_ID = "a trace_id that is not 16 bytes was read as absent"
SPAN_ID = "a span_id that is not 8 bytes was read as absent"
DEPRECATED = "instrumentation_library_logs"


def repair(request: ExportLogsServiceRequest) -> Findings:
    """Changes `request` in place and says what was found. Raises UndecodableError for a broken old field."""
    found = Findings()
    for group in request.resource_logs:
        adopt_deprecated(group, group.scope_logs, ScopeLogs, DEPRECATED, found)
        clean(group.resource.attributes, found)
        for scope in group.scope_logs:
            clean(scope.scope.attributes, found, lists=False)
            keep_only(scope.log_records, why_rejected, found)
            for record in scope.log_records:
                _clean_record(record, found)
    return found


def why_rejected(record: LogRecord) -> str:
    """Why the record cannot be kept, or an empty text."""
    return "" if (record.time_unix_nano or record.observed_time_unix_nano) < END_OF_TIME_NS else TIME


def _clean_record(record: LogRecord, found: Findings) -> None:
    if len(record.trace_id) not in (0, 16):
        found.advice[TRACE_ID] += 1
        record.trace_id = b""
    if len(record.span_id) not in (0, 8):
        found.advice[SPAN_ID] += 1
        record.span_id = b""
    simplify(record.body, found)
    clean(record.attributes, found)
