// Sends spans with business keys, and prints what the SDK says of each batch. Arguments: URL, number of spans.
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	"go.opentelemetry.io/otel/sdk/trace"
)

type reporting struct{ trace.SpanExporter }

func (r reporting) ExportSpans(ctx context.Context, spans []trace.ReadOnlySpan) error {
	ids := make([]string, 0, len(spans))
	for _, span := range spans {
		ids = append(ids, span.SpanContext().SpanID().String())
	}
	err := r.SpanExporter.ExportSpans(ctx, spans)
	// The exporter retries what a server refuses for the moment, but gives up at once when nobody listens.
	for tries := 0; errors.Is(err, syscall.ECONNREFUSED) && tries < 100; tries++ {
		time.Sleep(200 * time.Millisecond)
		err = r.SpanExporter.ExportSpans(ctx, spans)
	}
	word := "exported"
	if err != nil {
		word = "failed"
	}
	fmt.Println(word, strings.Join(ids, " "))
	return err
}

func main() {
	count, err := strconv.Atoi(os.Args[2])
	if err != nil {
		log.Fatal(err)
	}
	pause := 2 * time.Millisecond
	if given, err := strconv.Atoi(os.Getenv("SEND_PAUSE_MS")); err == nil {
		pause = time.Duration(given) * time.Millisecond
	}
	ctx := context.Background()
	exporter, err := otlptracehttp.New(ctx,
		otlptracehttp.WithEndpointURL(os.Args[1]),
		otlptracehttp.WithCompression(otlptracehttp.GzipCompression),
		otlptracehttp.WithRetry(otlptracehttp.RetryConfig{
			Enabled: true, InitialInterval: 200 * time.Millisecond, MaxInterval: time.Second, MaxElapsedTime: time.Minute,
		}),
	)
	if err != nil {
		log.Fatal(err)
	}
	provider := trace.NewTracerProvider(
		trace.WithResource(resource.NewSchemaless(attribute.String("service.name", "go"))),
		trace.WithBatcher(reporting{exporter},
			trace.WithMaxExportBatchSize(20), trace.WithMaxQueueSize(100_000), trace.WithBatchTimeout(50*time.Millisecond)),
	)
	tracer := provider.Tracer("interop")
	for number := range count {
		_, span := tracer.Start(ctx, "order.released")
		span.SetAttributes(attribute.String("tieout.object.order", fmt.Sprintf("ORD-%d", number)), attribute.Int("lines", number%7))
		span.End()
		time.Sleep(pause)
	}
	if err := provider.Shutdown(ctx); err != nil {
		log.Fatal(err)
	}
}
