-- What the exporter creates with `json: true`, as far as it matters.
CREATE TABLE otel_traces (Timestamp DateTime64(9), TraceId String, ResourceAttributes JSON, SpanAttributes JSON)
ENGINE = MergeTree ORDER BY Timestamp;
