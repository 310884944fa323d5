// Sends spans with business keys, and prints what the SDK says of each batch. Arguments: URL, number, encoding.
import { setTimeout } from 'node:timers/promises';
import { ExportResultCode } from '@opentelemetry/core';
import { OTLPTraceExporter as JsonExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { OTLPTraceExporter as ProtobufExporter } from '@opentelemetry/exporter-trace-otlp-proto';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { BatchSpanProcessor, NodeTracerProvider } from '@opentelemetry/sdk-trace-node';

class Reporting {
  constructor(inner) {
    this.inner = inner;
  }

  export(spans, done) {
    const ids = spans.map((span) => span.spanContext().spanId).join(' ');
    this.inner.export(spans, (result) => {
      console.log(result.code === ExportResultCode.SUCCESS ? 'exported' : 'failed', ids);
      done(result);
    });
  }

  forceFlush() {
    return this.inner.forceFlush();
  }

  shutdown() {
    return this.inner.shutdown();
  }
}

const [url, count, encoding] = process.argv.slice(2);
const Exporter = encoding === 'json' ? JsonExporter : ProtobufExporter;
// What is left at the end goes out at once.
const exporter = new Exporter({ url, timeoutMillis: 30_000, concurrencyLimit: 1000 });
const provider = new NodeTracerProvider({
  resource: resourceFromAttributes({ 'service.name': 'javascript' }),
  spanProcessors: [
    new BatchSpanProcessor(new Reporting(exporter), {
      maxExportBatchSize: 20,
      maxQueueSize: 100_000,
      scheduledDelayMillis: 50,
      exportTimeoutMillis: 60_000,
    }),
  ],
});
const tracer = provider.getTracer('interop');
const pause = Number(process.env.SEND_PAUSE_MS ?? 2);
for (let number = 0; number < Number(count); number++) {
  const span = tracer.startSpan('order.released');
  span.setAttributes({ 'tieout.object.order': `ORD-${number}`, lines: number % 7 });
  span.end();
  await setTimeout(pause);
}
await provider.shutdown();
