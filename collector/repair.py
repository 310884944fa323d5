"""Makes an export request fit for the engine: the way of requests that the engine alone would refuse.

Nested and mixed values become their text, of equal attribute keys the last one stays, spans that cannot be
kept are taken out and counted. Everything else is left as it came.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from google.protobuf.internal.containers import RepeatedCompositeFieldContainer as Repeated
from google.protobuf.message import DecodeError
from google.protobuf.unknown_fields import UnknownFieldSet
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span

from collector.refusals import UndecodableError
from collector.value_text import text

# The first second that a 32-bit time cannot hold, in nanoseconds: 2106-02-07T06:28:16Z.
END_OF_TIME_NS = (1 << 32) * 1_000_000_000
MESSAGE_BYTES = 1_000
# Where spans stood before scope_spans; the same shape, so nothing has to be lost.
DEPRECATED_FIELD = 1000

TRACE_ID = "trace_id is not 16 bytes, or all zero"
SPAN_ID = "span_id is not 8 bytes, or all zero"
PARENT_ID = "parent_span_id is neither empty nor 8 bytes"
START_TIME = "start_time_unix_nano is 0 or after 2106"
REPEATED_KEY = "of attributes with the same key the last one was kept"
STRING_INDEX = "string indices outside of profiles were read as absent"
DEPRECATED = "spans in the deprecated field instrumentation_library_spans were read; it will go away"


@dataclass
class Findings:
    """Spans taken out, by reason, and what the sender should know about the rest."""

    rejected: Counter[str] = field(default_factory=Counter)
    advice: Counter[str] = field(default_factory=Counter)

    def message(self, items: str) -> str:
        """For the sender, in English, with reasons and counts; empty when there is nothing to say."""
        parts = []
        if self.rejected:
            reasons = "; ".join(f"{reason} ({count})" for reason, count in self.rejected.most_common())
            parts.append(f"{self.rejected.total()} {items} were not stored: {reasons}")
        parts += [f"{advice} ({count})" for advice, count in self.advice.most_common()]
        return ". ".join(parts)[:MESSAGE_BYTES]


def repair(request: ExportTraceServiceRequest) -> Findings:
    """Changes `request` in place and says what was found."""
    found = Findings()
    for resource_spans in request.resource_spans:
        _adopt_deprecated(resource_spans, found)
        _clean(resource_spans.resource.attributes, found)
        for scope_spans in resource_spans.scope_spans:
            _clean_spans(scope_spans, found)
    return found


def _adopt_deprecated(resource_spans: ResourceSpans, found: Findings) -> None:
    unknown = UnknownFieldSet(resource_spans)
    old = [unknown[n].data for n in range(len(unknown)) if unknown[n].field_number == DEPRECATED_FIELD]
    if not old:
        return
    resource_spans.DiscardUnknownFields()
    for data in old:
        try:
            resource_spans.scope_spans.append(ScopeSpans.FromString(data))
        except (DecodeError, TypeError):
            raise UndecodableError("instrumentation_library_spans is not valid protobuf") from None
    found.advice[DEPRECATED] += len(old)


def _clean_spans(scope_spans: ScopeSpans, found: Findings) -> None:
    keep = []
    for span in scope_spans.spans:
        reason = why_rejected(span)
        if reason:
            found.rejected[reason] += 1
            continue
        _clean(span.attributes, found)
        for event in span.events:
            _clean(event.attributes, found, lists=False)
        for link in span.links:
            _clean(link.attributes, found, lists=False)
        keep.append(span)
    if len(keep) < len(scope_spans.spans):
        kept = ScopeSpans(spans=keep)
        del scope_spans.spans[:]
        scope_spans.spans.extend(kept.spans)


def why_rejected(span: Span) -> str:
    """Why the span cannot be kept, or an empty text."""
    if len(span.trace_id) != 16 or not any(span.trace_id):
        return TRACE_ID
    if len(span.span_id) != 8 or not any(span.span_id):
        return SPAN_ID
    if len(span.parent_span_id) not in (0, 8):
        return PARENT_ID
    return "" if 0 < span.start_time_unix_nano < END_OF_TIME_NS else START_TIME


def _clean(attributes: Repeated[KeyValue], found: Findings, *, lists: bool = True) -> None:
    """`lists`: whether the engine reads lists of strings at this place."""
    last = {pair.key: pair for pair in attributes}
    if len(last) < len(attributes):
        found.advice[REPEATED_KEY] += len(attributes) - len(last)
        kept = [KeyValue(key=pair.key, value=pair.value) for pair in last.values()]
        del attributes[:]
        attributes.extend(kept)
    for pair in attributes:
        if pair.key_strindex:
            found.advice[STRING_INDEX] += 1
        _simplify(pair.value, found, lists)


def _simplify(value: AnyValue, found: Findings, lists: bool) -> None:
    kind = value.WhichOneof("value")
    if kind == "string_value_strindex":
        found.advice[STRING_INDEX] += 1
        value.Clear()
    elif kind == "array_value" and lists and _strings(value.array_value.values):
        return
    elif kind in ("array_value", "kvlist_value"):
        value.string_value = text(value)


def _strings(values: Iterable[AnyValue]) -> bool:
    return all(value.WhichOneof("value") == "string_value" for value in values)
