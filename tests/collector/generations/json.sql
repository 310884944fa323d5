-- What the exporter's release 0.161 creates with `json: true`.
CREATE TABLE otel_traces (
    Timestamp DateTime64(9) CODEC(Delta, ZSTD(1)), TraceId String, SpanId String, ParentSpanId String, TraceState String,
    SpanName LowCardinality(String), SpanKind LowCardinality(String), ServiceName LowCardinality(String),
    ResourceAttributes JSON, ResourceAttributesKeys Array(LowCardinality(String)), ScopeName String, ScopeVersion String,
    SpanAttributes JSON, SpanAttributesKeys Array(LowCardinality(String)), Duration UInt64, StatusCode LowCardinality(String), StatusMessage String,
    Events Nested (Timestamp DateTime64(9), Name LowCardinality(String), Attributes JSON),
    Links Nested (TraceId String, SpanId String, TraceState String, Attributes JSON),
    INDEX idx_span_attr_keys SpanAttributesKeys TYPE bloom_filter(0.01) GRANULARITY 1
) ENGINE = MergeTree PARTITION BY toDate(Timestamp) ORDER BY (ServiceName, SpanName, toDateTime(Timestamp), Timestamp);

CREATE TABLE otel_logs (
    Timestamp DateTime64(9), TraceId String, SpanId String, TraceFlags UInt8, SeverityText LowCardinality(String), SeverityNumber UInt8,
    ServiceName LowCardinality(String), Body String, ResourceSchemaUrl LowCardinality(String), ResourceAttributes JSON,
    ResourceAttributesKeys Array(LowCardinality(String)), ScopeSchemaUrl LowCardinality(String), ScopeName String,
    ScopeVersion LowCardinality(String), ScopeAttributes JSON, ScopeAttributesKeys Array(LowCardinality(String)), LogAttributes JSON,
    LogAttributesKeys Array(LowCardinality(String)), EventName String
) ENGINE = MergeTree PARTITION BY toDate(Timestamp) PRIMARY KEY (toStartOfFiveMinutes(Timestamp), ServiceName)
ORDER BY (toStartOfFiveMinutes(Timestamp), ServiceName, Timestamp);
