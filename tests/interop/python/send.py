"""Sends spans with business keys, and prints what the SDK says of each batch.

Between two spans it waits 2 ms, or as long as SEND_PAUSE_MS says.
Arguments: URL, number of spans, and `grpc` when the URL is that of a gRPC receiver.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence

import grpc
from opentelemetry.exporter.otlp.proto.grpc import trace_exporter as over_grpc
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult


class Reporting(SpanExporter):
    def __init__(self, inner: SpanExporter) -> None:
        self._inner = inner

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        result = self._inner.export(spans)
        word = "exported" if result is SpanExportResult.SUCCESS else "failed"
        ids = [f"{span.context.span_id:016x}" for span in spans if span.context]
        sys.stdout.write(f"{word} {' '.join(ids)}\n")
        sys.stdout.flush()
        return result

    def shutdown(self) -> None:
        self._inner.shutdown()


def exporter_to(url: str, transport: str) -> SpanExporter:
    if transport == "grpc":
        gzip = grpc.Compression.Gzip
        return over_grpc.OTLPSpanExporter(endpoint=url, insecure=True, compression=gzip, timeout=30)
    return OTLPSpanExporter(endpoint=url, compression=Compression.Gzip, timeout=30)


def main(url: str, count: str, transport: str = "http") -> None:
    provider = TracerProvider(resource=Resource({"service.name": "python"}))
    exporter = exporter_to(url, transport)
    provider.add_span_processor(
        BatchSpanProcessor(
            Reporting(exporter), max_queue_size=100_000, max_export_batch_size=20, schedule_delay_millis=50
        )
    )
    tracer = provider.get_tracer("interop")
    pause_s = float(os.environ.get("SEND_PAUSE_MS", "2")) / 1000
    for number in range(int(count)):
        with tracer.start_as_current_span("order.released") as span:
            span.set_attributes({"tieout.object.order": f"ORD-{number}", "lines": number % 7})
        time.sleep(pause_s)
    # What waits is sent first: ending, the SDK gives it up after half a minute.
    provider.force_flush(600_000)
    provider.shutdown()


if __name__ == "__main__":
    main(*sys.argv[1:])
