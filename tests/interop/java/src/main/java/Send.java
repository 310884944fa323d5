import io.opentelemetry.api.common.AttributeKey;
import io.opentelemetry.api.common.Attributes;
import io.opentelemetry.api.trace.Span;
import io.opentelemetry.api.trace.Tracer;
import io.opentelemetry.exporter.otlp.http.trace.OtlpHttpSpanExporter;
import io.opentelemetry.sdk.common.CompletableResultCode;
import io.opentelemetry.sdk.resources.Resource;
import io.opentelemetry.sdk.trace.SdkTracerProvider;
import io.opentelemetry.sdk.trace.data.SpanData;
import io.opentelemetry.sdk.trace.export.BatchSpanProcessor;
import io.opentelemetry.sdk.trace.export.SpanExporter;
import java.time.Duration;
import java.util.Collection;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;

/** Sends spans with business keys, and prints what the SDK says of each batch. Arguments: URL, number of spans. */
public final class Send {
  public static void main(String[] arguments) throws Exception {
    SpanExporter exporter = OtlpHttpSpanExporter.builder().setEndpoint(arguments[0]).setTimeout(Duration.ofSeconds(30)).build();
    SdkTracerProvider provider =
        SdkTracerProvider.builder()
            .setResource(Resource.create(Attributes.of(AttributeKey.stringKey("service.name"), "java")))
            .addSpanProcessor(
                BatchSpanProcessor.builder(new Reporting(exporter))
                    .setMaxExportBatchSize(20)
                    .setMaxQueueSize(100_000)
                    .setScheduleDelay(Duration.ofMillis(50))
                    .setExporterTimeout(Duration.ofSeconds(30))
                    .build())
            .build();
    Tracer tracer = provider.get("interop");
    long pause = Long.parseLong(System.getenv().getOrDefault("SEND_PAUSE_MS", "2"));
    int count = Integer.parseInt(arguments[1]);
    for (int number = 0; number < count; number++) {
      Span span = tracer.spanBuilder("order.released").startSpan();
      span.setAttribute("tieout.object.order", "ORD-" + number).setAttribute("lines", number % 7);
      span.end();
      Thread.sleep(pause);
    }
    provider.shutdown().join(60, TimeUnit.SECONDS);
  }

  private record Reporting(SpanExporter inner) implements SpanExporter {
    @Override
    public CompletableResultCode export(Collection<SpanData> spans) {
      String ids = spans.stream().map(SpanData::getSpanId).collect(Collectors.joining(" "));
      CompletableResultCode result = inner.export(spans);
      result.whenComplete(() -> System.out.println((result.isSuccess() ? "exported " : "failed ") + ids));
      return result;
    }

    @Override
    public CompletableResultCode flush() {
      return inner.flush();
    }

    @Override
    public CompletableResultCode shutdown() {
      return inner.shutdown();
    }
  }
}
