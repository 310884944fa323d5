-- Traces in the shape of the OpenTelemetry Collector's ClickHouse exporter (released generation), plus known_at.
CREATE TABLE IF NOT EXISTS otel_traces (
    Timestamp DateTime64(9) CODEC(Delta, ZSTD(1)) COMMENT 'start of the span, UTC',
    TraceId String CODEC(ZSTD(1)) COMMENT '32 lower-case hex digits',
    SpanId String CODEC(ZSTD(1)) COMMENT '16 lower-case hex digits',
    ParentSpanId String CODEC(ZSTD(1)) COMMENT 'empty for a root span',
    TraceState String CODEC(ZSTD(1)) COMMENT 'W3C trace state',
    SpanName LowCardinality(String) CODEC(ZSTD(1)) COMMENT 'operation',
    SpanKind LowCardinality(String) CODEC(ZSTD(1)) COMMENT 'Internal, Server, Client, Producer, Consumer',
    ServiceName LowCardinality(String) CODEC(ZSTD(1)) COMMENT 'service.name of the resource',
    ResourceAttributes Map(LowCardinality(String), String) CODEC(ZSTD(1)) COMMENT 'resource attributes',
    ScopeName String CODEC(ZSTD(1)) COMMENT 'instrumentation scope',
    ScopeVersion String CODEC(ZSTD(1)) COMMENT 'its version',
    SpanAttributes Map(LowCardinality(String), String) CODEC(ZSTD(1)) COMMENT 'span attributes',
    Duration UInt64 CODEC(ZSTD(1)) COMMENT 'nanoseconds',
    StatusCode LowCardinality(String) CODEC(ZSTD(1)) COMMENT 'Unset, Ok, Error',
    StatusMessage String CODEC(ZSTD(1)) COMMENT 'text of the status',
    Events Nested (Timestamp DateTime64(9), Name LowCardinality(String), Attributes Map(LowCardinality(String), String)) CODEC(ZSTD(1)) COMMENT 'span events',
    Links Nested (TraceId String, SpanId String, TraceState String, Attributes Map(LowCardinality(String), String)) CODEC(ZSTD(1)) COMMENT 'span links',
    known_at DateTime64(6, 'UTC') DEFAULT now64(6) CODEC(Delta, ZSTD(1)) COMMENT 'when tieout stored the span',
    INDEX idx_trace_id TraceId TYPE bloom_filter(0.001) GRANULARITY 1,
    INDEX idx_res_attr_key mapKeys(ResourceAttributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_res_attr_value mapValues(ResourceAttributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_span_attr_key mapKeys(SpanAttributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_span_attr_value mapValues(SpanAttributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_duration Duration TYPE minmax GRANULARITY 1,
    INDEX idx_known_at known_at TYPE minmax GRANULARITY 1
) ENGINE = MergeTree
PARTITION BY toDate(Timestamp)
ORDER BY (ServiceName, SpanName, toDateTime(Timestamp))
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1,
    min_rows_to_fsync_after_merge = 1, min_compressed_bytes_to_fsync_after_merge = 1, old_parts_lifetime = 480;

CREATE TABLE IF NOT EXISTS otel_traces_trace_id_ts (
    TraceId String CODEC(ZSTD(1)) COMMENT '32 lower-case hex digits',
    Start DateTime CODEC(Delta, ZSTD(1)) COMMENT 'first span of the trace, UTC',
    End DateTime CODEC(Delta, ZSTD(1)) COMMENT 'last span of the trace, UTC',
    INDEX idx_trace_id TraceId TYPE bloom_filter(0.01) GRANULARITY 1
) ENGINE = MergeTree
PARTITION BY toDate(Start)
ORDER BY (TraceId, Start)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1,
    min_rows_to_fsync_after_merge = 1, min_compressed_bytes_to_fsync_after_merge = 1, old_parts_lifetime = 480;

CREATE MATERIALIZED VIEW IF NOT EXISTS otel_traces_trace_id_ts_mv TO otel_traces_trace_id_ts AS
SELECT TraceId, min(Timestamp) AS Start, max(Timestamp) AS End
FROM otel_traces
WHERE TraceId != ''
GROUP BY TraceId;
