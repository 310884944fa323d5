"""Repairs export requests for traces."""

from __future__ import annotations

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import ScopeSpans, Span

from collector.repair.common import END_OF_TIME_NS, Findings, adopt_deprecated, clean, keep_only

TRACE_ID = "trace_id is not 16 bytes, or all zero"
SPAN_ID = "span_id is not 8 bytes, or all zero"
PARENT_ID = "parent_span_id is neither empty nor 8 bytes"
START_TIME = "start_time_unix_nano is 0 or after 2106"
DEPRECATED = "instrumentation_library_spans"


def repair(request: ExportTraceServiceRequest) -> Findings:
    """Changes `request` in place and says what was found. Raises UndecodableError for a broken old field."""
    found = Findings()
    for group in request.resource_spans:
        adopt_deprecated(group, group.scope_spans, ScopeSpans, DEPRECATED, found)
        clean(group.resource.attributes, found)
        for scope in group.scope_spans:
            keep_only(scope.spans, why_rejected, found)
            for span in scope.spans:
                _clean_span(span, found)
    return found


def why_rejected(span: Span) -> str:
    """Why the span cannot be kept, or an empty text."""
    if len(span.trace_id) != 16 or not any(span.trace_id):
        return TRACE_ID
    if len(span.span_id) != 8 or not any(span.span_id):
        return SPAN_ID
    if len(span.parent_span_id) not in (0, 8):
        return PARENT_ID
    return "" if 0 < span.start_time_unix_nano < END_OF_TIME_NS else START_TIME


def _clean_span(span: Span, found: Findings) -> None:
    clean(span.attributes, found)
    for event in span.events:
        clean(event.attributes, found, lists=False)
    for link in span.links:
        clean(link.attributes, found, lists=False)
