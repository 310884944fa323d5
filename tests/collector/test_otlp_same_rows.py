"""Protobuf, JSON and a plain reading in Python agree on the rows and on what is set aside."""

from __future__ import annotations

import math
import struct

import httpx
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from otlp_bodies import answer_of, pairs, post
from otlp_random import as_json, attributes, span_ids, texts, times, trace_ids, unlike_any_other
from otlp_rows import expected, rows

from collector.repair.traces import why_rejected
from collector.value_text import number
from store.client import Store


@st.composite
def spans(draw: st.DrawFn) -> Span:
    made = Span(
        trace_id=draw(trace_ids), span_id=draw(span_ids), name=draw(texts), kind=draw(st.integers(0, 7)),
        parent_span_id=draw(span_ids | st.just(b"")), trace_state=draw(texts),
        start_time_unix_nano=draw(times), end_time_unix_nano=draw(times), attributes=pairs(draw(attributes)),
    )  # fmt: skip
    made.status.code, made.status.message = draw(st.integers(0, 3)), draw(texts)
    for _ in range(draw(st.integers(0, 2))):
        made.events.add(time_unix_nano=draw(times), name=draw(texts), attributes=pairs(draw(attributes)))
        link = made.links.add(trace_id=draw(trace_ids), span_id=draw(span_ids), trace_state=draw(texts))
        link.attributes.extend(pairs(draw(attributes)))
    return made


@st.composite
def requests(draw: st.DrawFn) -> ExportTraceServiceRequest:
    made = ExportTraceServiceRequest()
    for _ in range(draw(st.integers(0, 3))):
        group = made.resource_spans.add()
        group.resource.attributes.extend(pairs({**draw(attributes), "service.name": draw(texts)}))
        for _ in range(draw(st.integers(0, 3))):
            scope = group.scope_spans.add()
            scope.scope.name, scope.scope.version = draw(texts), draw(texts)
            scope.spans.extend(draw(st.lists(spans(), max_size=3)))
    return made


def without_invalid(request: ExportTraceServiceRequest) -> tuple[ExportTraceServiceRequest, int]:
    kept, rejected = ExportTraceServiceRequest(), 0
    kept.CopyFrom(request)
    for group in kept.resource_spans:
        for scope in group.scope_spans:
            good = [span for span in scope.spans if not why_rejected(span)]
            rejected += len(scope.spans) - len(good)
            made = type(scope)(spans=good)
            del scope.spans[:]
            scope.spans.extend(made.spans)
    return kept, rejected


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(sent=requests())
def test_protobuf_json_and_python_agree(
    otlp: httpx.Client, store: Store, sent: ExportTraceServiceRequest
) -> None:
    sent = unlike_any_other(sent, "resource_spans")
    kept, rejected = without_invalid(sent)
    for content, media_type in [
        (sent.SerializeToString(), "application/x-protobuf"),
        (as_json(sent), "application/json"),
    ]:
        store.command("TRUNCATE TABLE otel_traces")
        answer = answer_of(post(otlp, content, media_type)).partial_success
        assert answer.rejected_spans == rejected
        assert rows(store) == expected(kept)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(value=st.floats())
def test_a_double_reads_the_same_in_the_engine_and_in_python_and_is_lossless(
    store: Store, value: float
) -> None:
    text = number(value)
    back = float(text)
    assert (math.isnan(value) and math.isnan(back)) or (
        back == value and math.copysign(1, back) == math.copysign(1, value)
    )
    if math.isfinite(value) and abs(value) < 1e21:
        assert text == store.value(
            "SELECT toString(reinterpretAsFloat64({bits:Int64}))", {"bits": bits(value)}
        )


def bits(value: float) -> int:
    return int(struct.unpack("<q", struct.pack("<d", value))[0])


@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
@given(content=st.binary(max_size=200))
def test_arbitrary_bytes_are_answered_and_never_break_the_receiver(
    otlp: httpx.Client, store: Store, content: bytes
) -> None:
    for media_type in ("application/x-protobuf", "application/json"):
        assert post(otlp, content, media_type).status_code in (200, 400)


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(sent=requests(), at=st.floats(0, 1), put=st.binary(min_size=0, max_size=4), drop=st.integers(0, 4))
def test_damaged_requests_are_answered_and_never_break_the_receiver(
    otlp: httpx.Client, store: Store, sent: ExportTraceServiceRequest, at: float, put: bytes, drop: int
) -> None:
    whole = sent.SerializeToString()
    place = int(at * len(whole))
    assert post(otlp, whole[:place] + put + whole[place + drop :]).status_code in (200, 400)
