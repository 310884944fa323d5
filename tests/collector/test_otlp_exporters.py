"""The exporter of the OpenTelemetry SDK for Python against the receiver, as a customer's program uses it."""

from __future__ import annotations

import gzip

import httpx
import pytest
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from store.client import Store


@pytest.mark.parametrize("compression", [Compression.NoCompression, Compression.Gzip, Compression.Deflate])
def test_spans_of_a_program_arrive_complete(otlp_url: str, store: Store, compression: Compression) -> None:
    provider = TracerProvider(
        resource=Resource({"service.name": "billing", "process.command_args": ["run", "--now"]})
    )
    exporter = OTLPSpanExporter(endpoint=f"{otlp_url}/v1/traces", compression=compression)
    provider.add_span_processor(BatchSpanProcessor(exporter, max_export_batch_size=64))
    tracer = provider.get_tracer("program", "2.0")
    for number in range(200):
        with tracer.start_as_current_span("outer", kind=trace.SpanKind.SERVER) as outer:
            outer.set_attributes(
                {"n": number, "ratio": 0.5, "ok": True, "tags": ["a", "b"], "counts": [1, 2]}
            )
            with tracer.start_as_current_span(
                "inner", links=[trace.Link(outer.get_span_context(), {"why": "batch"})]
            ) as inner:
                inner.add_event("sent", {"bytes": 5})
                inner.set_status(trace.StatusCode.ERROR, "refused")
    provider.shutdown()
    assert store.value("SELECT count() FROM otel_traces") == 400
    outer_row = store.one("SELECT * FROM otel_traces WHERE SpanName = 'outer' AND SpanAttributes['n'] = '7'")
    assert outer_row["ServiceName"] == "billing"
    assert outer_row["ResourceAttributes"]["process.command_args"] == '["run","--now"]'
    assert outer_row["SpanAttributes"] == {
        "n": "7",
        "ratio": "0.5",
        "ok": "true",
        "tags": '["a","b"]',
        "counts": "[1,2]",
    }
    assert (outer_row["SpanKind"], outer_row["StatusCode"], outer_row["ParentSpanId"]) == (
        "Server",
        "Unset",
        "",
    )
    inner_row = store.one(
        "SELECT * FROM otel_traces WHERE ParentSpanId = {parent:String}", {"parent": outer_row["SpanId"]}
    )
    assert (inner_row["StatusCode"], inner_row["StatusMessage"]) == ("Error", "refused")
    assert inner_row["Links.SpanId"] == [outer_row["SpanId"]]
    assert inner_row["Links.Attributes"] == [{"why": "batch"}]
    assert inner_row["Events.Name"] == ["sent"]
    assert inner_row["TraceId"] == outer_row["TraceId"]


def test_a_body_of_the_exporter_may_be_sent_by_any_client(otlp: httpx.Client, store: Store) -> None:
    """The same as the exporter sends, by hand: headers in any case, gzip."""
    from otlp_bodies import body

    response = otlp.post(
        "/v1/traces",
        content=gzip.compress(body(3)),
        headers={"CONTENT-TYPE": "application/x-protobuf", "content-encoding": "gzip", "user-agent": "curl"},
    )
    assert response.status_code == 200
    assert store.value("SELECT count() FROM otel_traces") == 3
