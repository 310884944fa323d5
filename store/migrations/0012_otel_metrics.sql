-- Metrics in the shape of the OpenTelemetry Collector's ClickHouse exporter (released generation), plus known_at and the
-- request. Times keep their nanoseconds, as in its earlier generation: in whole seconds two points could not be told apart.
CREATE TABLE IF NOT EXISTS otel_metrics_gauge (
    ResourceAttributes Map(LowCardinality(String), String) CODEC(ZSTD(1)) COMMENT 'resource attributes',
    ResourceSchemaUrl String CODEC(ZSTD(1)) COMMENT 'schema of the resource attributes',
    ScopeName String CODEC(ZSTD(1)) COMMENT 'instrumentation scope',
    ScopeVersion String CODEC(ZSTD(1)) COMMENT 'its version',
    ScopeAttributes Map(LowCardinality(String), String) CODEC(ZSTD(1)) COMMENT 'its attributes',
    ScopeDroppedAttrCount UInt32 CODEC(ZSTD(1)) COMMENT 'attributes of the scope that the sender left out',
    ScopeSchemaUrl String CODEC(ZSTD(1)) COMMENT 'schema of scope and metrics',
    ServiceName LowCardinality(String) CODEC(ZSTD(1)) COMMENT 'service.name of the resource',
    MetricName LowCardinality(String) CODEC(ZSTD(1)) COMMENT 'metric',
    MetricDescription String CODEC(ZSTD(1)) COMMENT 'what it measures',
    MetricUnit String CODEC(ZSTD(1)) COMMENT 'unit, in UCUM',
    Attributes Map(LowCardinality(String), String) CODEC(ZSTD(1)) COMMENT 'attributes of the data point',
    StartTimeUnix DateTime64(9) CODEC(Delta, ZSTD(1)) COMMENT 'start of the interval measured, 1970 when not known, UTC',
    TimeUnix DateTime64(9) CODEC(Delta, ZSTD(1)) COMMENT 'end of the interval measured, UTC',
    Value Float64 CODEC(ZSTD(1)) COMMENT 'value at the time',
    Flags UInt32 CODEC(ZSTD(1)) COMMENT '1: there is no value, the sender lost sight of it',
    Exemplars Nested (FilteredAttributes Map(LowCardinality(String), String), TimeUnix DateTime64(9), Value Float64, SpanId String, TraceId String) CODEC(ZSTD(1)) COMMENT 'single measurements and the spans they were taken in',
    known_at DateTime64(6, 'UTC') DEFAULT now64(6) CODEC(Delta, ZSTD(1)) COMMENT 'when tieout stored the point',
    request_id String CODEC(ZSTD(1)) COMMENT 'id of the export request the row came in, empty when another program wrote it',
    request_items UInt32 CODEC(ZSTD(1)) COMMENT 'data points in that request, in all metrics',
    INDEX idx_res_attr_key mapKeys(ResourceAttributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_res_attr_value mapValues(ResourceAttributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_scope_attr_key mapKeys(ScopeAttributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_scope_attr_value mapValues(ScopeAttributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_attr_key mapKeys(Attributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_attr_value mapValues(Attributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_time_minmax TimeUnix TYPE minmax GRANULARITY 1,
    INDEX idx_known_at known_at TYPE minmax GRANULARITY 1
) ENGINE = MergeTree
PARTITION BY toDate(TimeUnix)
ORDER BY (ServiceName, MetricName, toStartOfHour(TimeUnix), cityHash64(Attributes), TimeUnix)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1,
    min_rows_to_fsync_after_merge = 1, min_compressed_bytes_to_fsync_after_merge = 1, old_parts_lifetime = 480;

CREATE TABLE IF NOT EXISTS otel_metrics_sum (
    ResourceAttributes Map(LowCardinality(String), String) CODEC(ZSTD(1)) COMMENT 'resource attributes',
    ResourceSchemaUrl String CODEC(ZSTD(1)) COMMENT 'schema of the resource attributes',
    ScopeName String CODEC(ZSTD(1)) COMMENT 'instrumentation scope',
    ScopeVersion String CODEC(ZSTD(1)) COMMENT 'its version',
    ScopeAttributes Map(LowCardinality(String), String) CODEC(ZSTD(1)) COMMENT 'its attributes',
    ScopeDroppedAttrCount UInt32 CODEC(ZSTD(1)) COMMENT 'attributes of the scope that the sender left out',
    ScopeSchemaUrl String CODEC(ZSTD(1)) COMMENT 'schema of scope and metrics',
    ServiceName LowCardinality(String) CODEC(ZSTD(1)) COMMENT 'service.name of the resource',
    MetricName LowCardinality(String) CODEC(ZSTD(1)) COMMENT 'metric',
    MetricDescription String CODEC(ZSTD(1)) COMMENT 'what it measures',
    MetricUnit String CODEC(ZSTD(1)) COMMENT 'unit, in UCUM',
    Attributes Map(LowCardinality(String), String) CODEC(ZSTD(1)) COMMENT 'attributes of the data point',
    StartTimeUnix DateTime64(9) CODEC(Delta, ZSTD(1)) COMMENT 'start of the interval measured, 1970 when not known, UTC',
    TimeUnix DateTime64(9) CODEC(Delta, ZSTD(1)) COMMENT 'end of the interval measured, UTC',
    Value Float64 CODEC(ZSTD(1)) COMMENT 'sum over the interval',
    Flags UInt32 CODEC(ZSTD(1)) COMMENT '1: there is no value, the sender lost sight of it',
    Exemplars Nested (FilteredAttributes Map(LowCardinality(String), String), TimeUnix DateTime64(9), Value Float64, SpanId String, TraceId String) CODEC(ZSTD(1)) COMMENT 'single measurements and the spans they were taken in',
    AggregationTemporality Int32 CODEC(ZSTD(1)) COMMENT '1 delta since the last point, 2 cumulative since the start, 0 not said',
    IsMonotonic Bool CODEC(Delta, ZSTD(1)) COMMENT 'whether it only grows',
    known_at DateTime64(6, 'UTC') DEFAULT now64(6) CODEC(Delta, ZSTD(1)) COMMENT 'when tieout stored the point',
    request_id String CODEC(ZSTD(1)) COMMENT 'id of the export request the row came in, empty when another program wrote it',
    request_items UInt32 CODEC(ZSTD(1)) COMMENT 'data points in that request, in all metrics',
    INDEX idx_res_attr_key mapKeys(ResourceAttributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_res_attr_value mapValues(ResourceAttributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_scope_attr_key mapKeys(ScopeAttributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_scope_attr_value mapValues(ScopeAttributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_attr_key mapKeys(Attributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_attr_value mapValues(Attributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_time_minmax TimeUnix TYPE minmax GRANULARITY 1,
    INDEX idx_known_at known_at TYPE minmax GRANULARITY 1
) ENGINE = MergeTree
PARTITION BY toDate(TimeUnix)
ORDER BY (ServiceName, MetricName, toStartOfHour(TimeUnix), cityHash64(Attributes), TimeUnix)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1,
    min_rows_to_fsync_after_merge = 1, min_compressed_bytes_to_fsync_after_merge = 1, old_parts_lifetime = 480;

CREATE TABLE IF NOT EXISTS otel_metrics_histogram (
    ResourceAttributes Map(LowCardinality(String), String) CODEC(ZSTD(1)) COMMENT 'resource attributes',
    ResourceSchemaUrl String CODEC(ZSTD(1)) COMMENT 'schema of the resource attributes',
    ScopeName String CODEC(ZSTD(1)) COMMENT 'instrumentation scope',
    ScopeVersion String CODEC(ZSTD(1)) COMMENT 'its version',
    ScopeAttributes Map(LowCardinality(String), String) CODEC(ZSTD(1)) COMMENT 'its attributes',
    ScopeDroppedAttrCount UInt32 CODEC(ZSTD(1)) COMMENT 'attributes of the scope that the sender left out',
    ScopeSchemaUrl String CODEC(ZSTD(1)) COMMENT 'schema of scope and metrics',
    ServiceName LowCardinality(String) CODEC(ZSTD(1)) COMMENT 'service.name of the resource',
    MetricName LowCardinality(String) CODEC(ZSTD(1)) COMMENT 'metric',
    MetricDescription String CODEC(ZSTD(1)) COMMENT 'what it measures',
    MetricUnit String CODEC(ZSTD(1)) COMMENT 'unit, in UCUM',
    Attributes Map(LowCardinality(String), String) CODEC(ZSTD(1)) COMMENT 'attributes of the data point',
    StartTimeUnix DateTime64(9) CODEC(Delta, ZSTD(1)) COMMENT 'start of the interval measured, 1970 when not known, UTC',
    TimeUnix DateTime64(9) CODEC(Delta, ZSTD(1)) COMMENT 'end of the interval measured, UTC',
    Count UInt64 CODEC(Delta, ZSTD(1)) COMMENT 'measurements',
    Sum Float64 CODEC(ZSTD(1)) COMMENT 'sum of them, 0 when not known',
    BucketCounts Array(UInt64) CODEC(ZSTD(1)) COMMENT 'measurements in each bucket, one more than bounds',
    ExplicitBounds Array(Float64) CODEC(ZSTD(1)) COMMENT 'upper bound of each bucket but the last, inclusive',
    Exemplars Nested (FilteredAttributes Map(LowCardinality(String), String), TimeUnix DateTime64(9), Value Float64, SpanId String, TraceId String) CODEC(ZSTD(1)) COMMENT 'single measurements and the spans they were taken in',
    Flags UInt32 CODEC(ZSTD(1)) COMMENT '1: there is no value, the sender lost sight of it',
    Min Float64 CODEC(ZSTD(1)) COMMENT 'smallest, 0 when not known',
    Max Float64 CODEC(ZSTD(1)) COMMENT 'largest, 0 when not known',
    AggregationTemporality Int32 CODEC(ZSTD(1)) COMMENT '1 delta since the last point, 2 cumulative since the start, 0 not said',
    known_at DateTime64(6, 'UTC') DEFAULT now64(6) CODEC(Delta, ZSTD(1)) COMMENT 'when tieout stored the point',
    request_id String CODEC(ZSTD(1)) COMMENT 'id of the export request the row came in, empty when another program wrote it',
    request_items UInt32 CODEC(ZSTD(1)) COMMENT 'data points in that request, in all metrics',
    INDEX idx_res_attr_key mapKeys(ResourceAttributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_res_attr_value mapValues(ResourceAttributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_scope_attr_key mapKeys(ScopeAttributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_scope_attr_value mapValues(ScopeAttributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_attr_key mapKeys(Attributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_attr_value mapValues(Attributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_time_minmax TimeUnix TYPE minmax GRANULARITY 1,
    INDEX idx_known_at known_at TYPE minmax GRANULARITY 1
) ENGINE = MergeTree
PARTITION BY toDate(TimeUnix)
ORDER BY (ServiceName, MetricName, toStartOfHour(TimeUnix), cityHash64(Attributes), TimeUnix)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1,
    min_rows_to_fsync_after_merge = 1, min_compressed_bytes_to_fsync_after_merge = 1, old_parts_lifetime = 480;

CREATE TABLE IF NOT EXISTS otel_metrics_exponential_histogram (
    ResourceAttributes Map(LowCardinality(String), String) CODEC(ZSTD(1)) COMMENT 'resource attributes',
    ResourceSchemaUrl String CODEC(ZSTD(1)) COMMENT 'schema of the resource attributes',
    ScopeName String CODEC(ZSTD(1)) COMMENT 'instrumentation scope',
    ScopeVersion String CODEC(ZSTD(1)) COMMENT 'its version',
    ScopeAttributes Map(LowCardinality(String), String) CODEC(ZSTD(1)) COMMENT 'its attributes',
    ScopeDroppedAttrCount UInt32 CODEC(ZSTD(1)) COMMENT 'attributes of the scope that the sender left out',
    ScopeSchemaUrl String CODEC(ZSTD(1)) COMMENT 'schema of scope and metrics',
    ServiceName LowCardinality(String) CODEC(ZSTD(1)) COMMENT 'service.name of the resource',
    MetricName LowCardinality(String) CODEC(ZSTD(1)) COMMENT 'metric',
    MetricDescription String CODEC(ZSTD(1)) COMMENT 'what it measures',
    MetricUnit String CODEC(ZSTD(1)) COMMENT 'unit, in UCUM',
    Attributes Map(LowCardinality(String), String) CODEC(ZSTD(1)) COMMENT 'attributes of the data point',
    StartTimeUnix DateTime64(9) CODEC(Delta, ZSTD(1)) COMMENT 'start of the interval measured, 1970 when not known, UTC',
    TimeUnix DateTime64(9) CODEC(Delta, ZSTD(1)) COMMENT 'end of the interval measured, UTC',
    Count UInt64 CODEC(Delta, ZSTD(1)) COMMENT 'measurements',
    Sum Float64 CODEC(ZSTD(1)) COMMENT 'sum of them, 0 when not known',
    Scale Int32 CODEC(ZSTD(1)) COMMENT 'buckets grow by 2 to the power of 2 to the power of -scale',
    ZeroCount UInt64 CODEC(ZSTD(1)) COMMENT 'measurements not farther from zero than ZeroThreshold',
    PositiveOffset Int32 CODEC(ZSTD(1)) COMMENT 'index of the first positive bucket',
    PositiveBucketCounts Array(UInt64) CODEC(ZSTD(1)) COMMENT 'measurements in each positive bucket',
    NegativeOffset Int32 CODEC(ZSTD(1)) COMMENT 'index of the first negative bucket',
    NegativeBucketCounts Array(UInt64) CODEC(ZSTD(1)) COMMENT 'measurements in each negative bucket',
    Exemplars Nested (FilteredAttributes Map(LowCardinality(String), String), TimeUnix DateTime64(9), Value Float64, SpanId String, TraceId String) CODEC(ZSTD(1)) COMMENT 'single measurements and the spans they were taken in',
    Flags UInt32 CODEC(ZSTD(1)) COMMENT '1: there is no value, the sender lost sight of it',
    Min Float64 CODEC(ZSTD(1)) COMMENT 'smallest, 0 when not known',
    Max Float64 CODEC(ZSTD(1)) COMMENT 'largest, 0 when not known',
    AggregationTemporality Int32 CODEC(ZSTD(1)) COMMENT '1 delta since the last point, 2 cumulative since the start, 0 not said',
    ZeroThreshold Float64 CODEC(ZSTD(1)) COMMENT 'half the width of the zero bucket; not in the exporter''s table',
    known_at DateTime64(6, 'UTC') DEFAULT now64(6) CODEC(Delta, ZSTD(1)) COMMENT 'when tieout stored the point',
    request_id String CODEC(ZSTD(1)) COMMENT 'id of the export request the row came in, empty when another program wrote it',
    request_items UInt32 CODEC(ZSTD(1)) COMMENT 'data points in that request, in all metrics',
    INDEX idx_res_attr_key mapKeys(ResourceAttributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_res_attr_value mapValues(ResourceAttributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_scope_attr_key mapKeys(ScopeAttributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_scope_attr_value mapValues(ScopeAttributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_attr_key mapKeys(Attributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_attr_value mapValues(Attributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_time_minmax TimeUnix TYPE minmax GRANULARITY 1,
    INDEX idx_known_at known_at TYPE minmax GRANULARITY 1
) ENGINE = MergeTree
PARTITION BY toDate(TimeUnix)
ORDER BY (ServiceName, MetricName, toStartOfHour(TimeUnix), cityHash64(Attributes), TimeUnix)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1,
    min_rows_to_fsync_after_merge = 1, min_compressed_bytes_to_fsync_after_merge = 1, old_parts_lifetime = 480;

CREATE TABLE IF NOT EXISTS otel_metrics_summary (
    ResourceAttributes Map(LowCardinality(String), String) CODEC(ZSTD(1)) COMMENT 'resource attributes',
    ResourceSchemaUrl String CODEC(ZSTD(1)) COMMENT 'schema of the resource attributes',
    ScopeName String CODEC(ZSTD(1)) COMMENT 'instrumentation scope',
    ScopeVersion String CODEC(ZSTD(1)) COMMENT 'its version',
    ScopeAttributes Map(LowCardinality(String), String) CODEC(ZSTD(1)) COMMENT 'its attributes',
    ScopeDroppedAttrCount UInt32 CODEC(ZSTD(1)) COMMENT 'attributes of the scope that the sender left out',
    ScopeSchemaUrl String CODEC(ZSTD(1)) COMMENT 'schema of scope and metrics',
    ServiceName LowCardinality(String) CODEC(ZSTD(1)) COMMENT 'service.name of the resource',
    MetricName LowCardinality(String) CODEC(ZSTD(1)) COMMENT 'metric',
    MetricDescription String CODEC(ZSTD(1)) COMMENT 'what it measures',
    MetricUnit String CODEC(ZSTD(1)) COMMENT 'unit, in UCUM',
    Attributes Map(LowCardinality(String), String) CODEC(ZSTD(1)) COMMENT 'attributes of the data point',
    StartTimeUnix DateTime64(9) CODEC(Delta, ZSTD(1)) COMMENT 'start of the interval measured, 1970 when not known, UTC',
    TimeUnix DateTime64(9) CODEC(Delta, ZSTD(1)) COMMENT 'end of the interval measured, UTC',
    Count UInt64 CODEC(Delta, ZSTD(1)) COMMENT 'measurements',
    Sum Float64 CODEC(ZSTD(1)) COMMENT 'sum of them, 0 when not known',
    ValueAtQuantiles Nested (Quantile Float64, Value Float64) CODEC(ZSTD(1)) COMMENT 'quantiles, 0 to 1',
    Flags UInt32 CODEC(ZSTD(1)) COMMENT '1: there is no value, the sender lost sight of it',
    known_at DateTime64(6, 'UTC') DEFAULT now64(6) CODEC(Delta, ZSTD(1)) COMMENT 'when tieout stored the point',
    request_id String CODEC(ZSTD(1)) COMMENT 'id of the export request the row came in, empty when another program wrote it',
    request_items UInt32 CODEC(ZSTD(1)) COMMENT 'data points in that request, in all metrics',
    INDEX idx_res_attr_key mapKeys(ResourceAttributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_res_attr_value mapValues(ResourceAttributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_scope_attr_key mapKeys(ScopeAttributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_scope_attr_value mapValues(ScopeAttributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_attr_key mapKeys(Attributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_attr_value mapValues(Attributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_time_minmax TimeUnix TYPE minmax GRANULARITY 1,
    INDEX idx_known_at known_at TYPE minmax GRANULARITY 1
) ENGINE = MergeTree
PARTITION BY toDate(TimeUnix)
ORDER BY (ServiceName, MetricName, toStartOfHour(TimeUnix), cityHash64(Attributes), TimeUnix)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1,
    min_rows_to_fsync_after_merge = 1, min_compressed_bytes_to_fsync_after_merge = 1, old_parts_lifetime = 480;

-- Where OTLP bodies come in, as for traces (0007): columns are paths of fields; `value` and `data` are the number of the
-- member of a `oneof` that was set, 0 when none was.
CREATE TABLE IF NOT EXISTS otlp_metrics_in (
    `receipts.id` Array(String) COMMENT 'request that each resource came in',
    `receipts.items` Array(UInt32) COMMENT 'data points in that request',
    `resource_metrics.schema_url` Array(String) COMMENT 'schema of the resource attributes',
    `resource_metrics.resource.attributes` Array(Array(Tuple(
        key String,
        value Tuple(value Int8, string_value String, bool_value String, int_value String, double_value String, bytes_value String,
            array_value Tuple(values Array(Tuple(value Int8, string_value String)))))))
        COMMENT 'attributes of each resource',
    `resource_metrics.deprecated_metrics` Array(Array(String)) COMMENT 'metrics in the field that came before scope_metrics',
    `resource_metrics.scope_metrics.schema_url` Array(Array(String)) COMMENT 'schema of scope and metrics',
    `resource_metrics.scope_metrics.scope.name` Array(Array(String)) COMMENT 'instrumentation scope',
    `resource_metrics.scope_metrics.scope.version` Array(Array(String)) COMMENT 'its version',
    `resource_metrics.scope_metrics.scope.attributes` Array(Array(Array(Tuple(
        key String,
        value Tuple(value Int8, string_value String, bool_value String, int_value String, double_value String, bytes_value String)))))
        COMMENT 'attributes of each scope',
    `resource_metrics.scope_metrics.scope.dropped_attributes_count` Array(Array(UInt32)) COMMENT 'attributes left out',
    `resource_metrics.scope_metrics.metrics.name` Array(Array(Array(String))) COMMENT 'metric',
    `resource_metrics.scope_metrics.metrics.description` Array(Array(Array(String))) COMMENT 'what it measures',
    `resource_metrics.scope_metrics.metrics.unit` Array(Array(Array(String))) COMMENT 'unit',
    `resource_metrics.scope_metrics.metrics.data` Array(Array(Array(Int8))) COMMENT 'kind: 5 gauge, 7 sum, 9 histogram, 10 exponential histogram, 11 summary',
    `resource_metrics.scope_metrics.metrics.sum.aggregation_temporality` Array(Array(Array(Int32))) COMMENT '1 delta, 2 cumulative',
    `resource_metrics.scope_metrics.metrics.sum.is_monotonic` Array(Array(Array(Bool))) COMMENT 'whether it only grows',
    `resource_metrics.scope_metrics.metrics.histogram.aggregation_temporality` Array(Array(Array(Int32))) COMMENT '1 delta, 2 cumulative',
    `resource_metrics.scope_metrics.metrics.exponential_histogram.aggregation_temporality` Array(Array(Array(Int32))) COMMENT '1 delta, 2 cumulative',
    `resource_metrics.scope_metrics.metrics.gauge.data_points` Array(Array(Array(Array(Tuple(
        start_time_unix_nano UInt64, time_unix_nano UInt64, flags UInt32, value Int8, as_double Float64, as_int Int64,
        attributes Array(Tuple(
            key String,
            value Tuple(value Int8, string_value String, bool_value String, int_value String, double_value String, bytes_value String))),
        exemplars Array(Tuple(
            time_unix_nano UInt64, value Int8, as_double Float64, as_int Int64, trace_id String, span_id String,
            filtered_attributes Array(Tuple(
                key String,
                value Tuple(value Int8, string_value String, bool_value String, int_value String, double_value String, bytes_value String))))))))))
        COMMENT 'points of gauges',
    `resource_metrics.scope_metrics.metrics.sum.data_points` Array(Array(Array(Array(Tuple(
        start_time_unix_nano UInt64, time_unix_nano UInt64, flags UInt32, value Int8, as_double Float64, as_int Int64,
        attributes Array(Tuple(
            key String,
            value Tuple(value Int8, string_value String, bool_value String, int_value String, double_value String, bytes_value String))),
        exemplars Array(Tuple(
            time_unix_nano UInt64, value Int8, as_double Float64, as_int Int64, trace_id String, span_id String,
            filtered_attributes Array(Tuple(
                key String,
                value Tuple(value Int8, string_value String, bool_value String, int_value String, double_value String, bytes_value String))))))))))
        COMMENT 'points of sums',
    `resource_metrics.scope_metrics.metrics.histogram.data_points` Array(Array(Array(Array(Tuple(
        start_time_unix_nano UInt64, time_unix_nano UInt64, flags UInt32, count UInt64, sum Float64, min Float64, max Float64,
        bucket_counts Array(UInt64), explicit_bounds Array(Float64),
        attributes Array(Tuple(
            key String,
            value Tuple(value Int8, string_value String, bool_value String, int_value String, double_value String, bytes_value String))),
        exemplars Array(Tuple(
            time_unix_nano UInt64, value Int8, as_double Float64, as_int Int64, trace_id String, span_id String,
            filtered_attributes Array(Tuple(
                key String,
                value Tuple(value Int8, string_value String, bool_value String, int_value String, double_value String, bytes_value String))))))))))
        COMMENT 'points of histograms',
    `resource_metrics.scope_metrics.metrics.exponential_histogram.data_points` Array(Array(Array(Array(Tuple(
        start_time_unix_nano UInt64, time_unix_nano UInt64, flags UInt32, count UInt64, sum Float64, min Float64, max Float64,
        scale Int32, zero_count UInt64, zero_threshold Float64,
        positive Tuple(offset Int32, bucket_counts Array(UInt64)), negative Tuple(offset Int32, bucket_counts Array(UInt64)),
        attributes Array(Tuple(
            key String,
            value Tuple(value Int8, string_value String, bool_value String, int_value String, double_value String, bytes_value String))),
        exemplars Array(Tuple(
            time_unix_nano UInt64, value Int8, as_double Float64, as_int Int64, trace_id String, span_id String,
            filtered_attributes Array(Tuple(
                key String,
                value Tuple(value Int8, string_value String, bool_value String, int_value String, double_value String, bytes_value String))))))))))
        COMMENT 'points of exponential histograms',
    `resource_metrics.scope_metrics.metrics.summary.data_points` Array(Array(Array(Array(Tuple(
        start_time_unix_nano UInt64, time_unix_nano UInt64, flags UInt32, count UInt64, sum Float64,
        quantile_values Array(Tuple(quantile Float64, value Float64)),
        attributes Array(Tuple(
            key String,
            value Tuple(value Int8, string_value String, bool_value String, int_value String, double_value String, bytes_value String))))))))
        COMMENT 'points of summaries'
) ENGINE = Null;

-- Points of all kinds on their way to the tables: what they share is worked out once. Nothing is stored here.
CREATE TABLE IF NOT EXISTS otlp_metric_points (
    kind Int8 COMMENT '5 gauge, 7 sum, 9 histogram, 10 exponential histogram, 11 summary',
    ResourceAttributes Map(LowCardinality(String), String) COMMENT 'resource attributes',
    ResourceSchemaUrl String COMMENT 'schema of the resource attributes',
    ScopeName String COMMENT 'instrumentation scope',
    ScopeVersion String COMMENT 'its version',
    ScopeAttributes Map(LowCardinality(String), String) COMMENT 'its attributes',
    ScopeDroppedAttrCount UInt32 COMMENT 'attributes left out',
    ScopeSchemaUrl String COMMENT 'schema of scope and metrics',
    ServiceName LowCardinality(String) COMMENT 'service.name of the resource',
    MetricName String COMMENT 'metric',
    MetricDescription String COMMENT 'what it measures',
    MetricUnit String COMMENT 'unit',
    Attributes Map(LowCardinality(String), String) COMMENT 'attributes of the data point',
    StartTimeUnix DateTime64(9) COMMENT 'start of the interval measured',
    TimeUnix DateTime64(9) COMMENT 'end of it',
    Flags UInt32 COMMENT 'flags of the data point',
    AggregationTemporality Int32 COMMENT '1 delta, 2 cumulative',
    IsMonotonic Bool COMMENT 'whether a sum only grows',
    `Exemplars.FilteredAttributes` Array(Map(LowCardinality(String), String)) COMMENT 'attributes of exemplars',
    `Exemplars.TimeUnix` Array(DateTime64(9)) COMMENT 'their times',
    `Exemplars.Value` Array(Float64) COMMENT 'their values',
    `Exemplars.SpanId` Array(String) COMMENT 'spans they were taken in',
    `Exemplars.TraceId` Array(String) COMMENT 'traces of those',
    number_point Tuple(
        start_time_unix_nano UInt64, time_unix_nano UInt64, flags UInt32, value Int8, as_double Float64, as_int Int64,
        attributes Array(Tuple(
            key String,
            value Tuple(value Int8, string_value String, bool_value String, int_value String, double_value String, bytes_value String))),
        exemplars Array(Tuple(
            time_unix_nano UInt64, value Int8, as_double Float64, as_int Int64, trace_id String, span_id String,
            filtered_attributes Array(Tuple(
                key String,
                value Tuple(value Int8, string_value String, bool_value String, int_value String, double_value String, bytes_value String))))))
        COMMENT 'point of a gauge or a sum',
    histogram_point Tuple(
        start_time_unix_nano UInt64, time_unix_nano UInt64, flags UInt32, count UInt64, sum Float64, min Float64, max Float64,
        bucket_counts Array(UInt64), explicit_bounds Array(Float64),
        attributes Array(Tuple(
            key String,
            value Tuple(value Int8, string_value String, bool_value String, int_value String, double_value String, bytes_value String))),
        exemplars Array(Tuple(
            time_unix_nano UInt64, value Int8, as_double Float64, as_int Int64, trace_id String, span_id String,
            filtered_attributes Array(Tuple(
                key String,
                value Tuple(value Int8, string_value String, bool_value String, int_value String, double_value String, bytes_value String))))))
        COMMENT 'point of a histogram',
    exponential_point Tuple(
        start_time_unix_nano UInt64, time_unix_nano UInt64, flags UInt32, count UInt64, sum Float64, min Float64, max Float64,
        scale Int32, zero_count UInt64, zero_threshold Float64,
        positive Tuple(offset Int32, bucket_counts Array(UInt64)), negative Tuple(offset Int32, bucket_counts Array(UInt64)),
        attributes Array(Tuple(
            key String,
            value Tuple(value Int8, string_value String, bool_value String, int_value String, double_value String, bytes_value String))),
        exemplars Array(Tuple(
            time_unix_nano UInt64, value Int8, as_double Float64, as_int Int64, trace_id String, span_id String,
            filtered_attributes Array(Tuple(
                key String,
                value Tuple(value Int8, string_value String, bool_value String, int_value String, double_value String, bytes_value String))))))
        COMMENT 'point of an exponential histogram',
    summary_point Tuple(
        start_time_unix_nano UInt64, time_unix_nano UInt64, flags UInt32, count UInt64, sum Float64,
        quantile_values Array(Tuple(quantile Float64, value Float64)),
        attributes Array(Tuple(
            key String,
            value Tuple(value Int8, string_value String, bool_value String, int_value String, double_value String, bytes_value String))))
        COMMENT 'point of a summary',
    request_id String COMMENT 'request the point came in',
    request_items UInt32 COMMENT 'data points in that request'
) ENGINE = Null;

-- A metric has points of one kind; the lists of the other kinds are empty and are made as long. So the members of the tuples
-- not meant are zero or empty, and what the kinds share is the largest of them, or all of them one after the other.
CREATE MATERIALIZED VIEW IF NOT EXISTS otlp_metrics_mv TO otlp_metric_points AS
WITH
    greatest(number_point.start_time_unix_nano, histogram_point.start_time_unix_nano, exponential_point.start_time_unix_nano,
        summary_point.start_time_unix_nano) AS start_time,
    greatest(number_point.time_unix_nano, histogram_point.time_unix_nano, exponential_point.time_unix_nano,
        summary_point.time_unix_nano) AS end_time,
    arrayConcat(number_point.attributes, histogram_point.attributes, exponential_point.attributes, summary_point.attributes)
        AS attributes,
    arrayConcat(number_point.exemplars, histogram_point.exemplars, exponential_point.exemplars) AS exemplars
SELECT
    kind,
    resource AS ResourceAttributes,
    resource_url AS ResourceSchemaUrl,
    scope_name AS ScopeName,
    scope_version AS ScopeVersion,
    scope AS ScopeAttributes,
    scope_dropped AS ScopeDroppedAttrCount,
    scope_url AS ScopeSchemaUrl,
    resource['service.name'] AS ServiceName,
    name AS MetricName,
    description AS MetricDescription,
    unit AS MetricUnit,
    CAST(arrayMap(a -> (a.key, multiIf(
        a.value.value = 1, a.value.string_value,
        a.value.value = 2, a.value.bool_value,
        a.value.value = 3, a.value.int_value,
        a.value.value = 4, replaceRegexpOne(transform(a.value.double_value, ['inf', '-inf', 'nan'], ['Infinity', '-Infinity', 'NaN'], a.value.double_value), 'e([0-9])', 'e+\\1'),
        a.value.value = 7, base64Encode(a.value.bytes_value),
        '')), attributes), 'Map(LowCardinality(String), String)') AS Attributes,
    fromUnixTimestamp64Nano(reinterpretAsInt64(start_time)) AS StartTimeUnix,
    fromUnixTimestamp64Nano(reinterpretAsInt64(end_time)) AS TimeUnix,
    greatest(number_point.flags, histogram_point.flags, exponential_point.flags, summary_point.flags) AS Flags,
    temporality AS AggregationTemporality,
    monotonic AS IsMonotonic,
    arrayMap(pairs -> CAST(arrayMap(a -> (a.key, multiIf(
        a.value.value = 1, a.value.string_value,
        a.value.value = 2, a.value.bool_value,
        a.value.value = 3, a.value.int_value,
        a.value.value = 4, replaceRegexpOne(transform(a.value.double_value, ['inf', '-inf', 'nan'], ['Infinity', '-Infinity', 'NaN'], a.value.double_value), 'e([0-9])', 'e+\\1'),
        a.value.value = 7, base64Encode(a.value.bytes_value),
        '')), pairs), 'Map(LowCardinality(String), String)'), exemplars.filtered_attributes) AS `Exemplars.FilteredAttributes`,
    arrayMap(at -> fromUnixTimestamp64Nano(reinterpretAsInt64(at)), exemplars.time_unix_nano) AS `Exemplars.TimeUnix`,
    arrayMap(e -> if(e.value = 6, toFloat64(e.as_int), e.as_double), exemplars) AS `Exemplars.Value`,
    arrayMap(id -> if(id = unhex('0000000000000000'), '', lower(hex(id))), exemplars.span_id) AS `Exemplars.SpanId`,
    arrayMap(id -> if(id = unhex('00000000000000000000000000000000'), '', lower(hex(id))), exemplars.trace_id) AS `Exemplars.TraceId`,
    number_point,
    histogram_point,
    exponential_point,
    summary_point,
    request_id,
    request_items
FROM (
    SELECT request_id, request_items, resource_url, resource, scope_url, scope_name, scope_version, scope, scope_dropped,
        kind, name, description, unit, greatest(sum_temporality, histogram_temporality, exponential_temporality) AS temporality, monotonic,
        arrayConcat(gauge_points, sum_points) AS numbers,
        length(numbers) + length(histogram_points) + length(exponential_points) + length(summary_points) AS points,
        arrayResize(numbers, points) AS all_numbers,
        arrayResize(histogram_points, points) AS all_histograms,
        arrayResize(exponential_points, points) AS all_exponentials,
        arrayResize(summary_points, points) AS all_summaries
    FROM (
        SELECT request_id, request_items, resource_url, resource, scope_url, scope_name, scope_version, scope_dropped,
            CAST(arrayMap(a -> (a.key, multiIf(
                a.value.value = 1, a.value.string_value,
                a.value.value = 2, a.value.bool_value,
                a.value.value = 3, a.value.int_value,
                a.value.value = 4, replaceRegexpOne(transform(a.value.double_value, ['inf', '-inf', 'nan'], ['Infinity', '-Infinity', 'NaN'], a.value.double_value), 'e([0-9])', 'e+\\1'),
                a.value.value = 7, base64Encode(a.value.bytes_value),
                '')), scope_attributes), 'Map(LowCardinality(String), String)') AS scope,
            kinds, names, descriptions, units, sum_temporalities, histogram_temporalities, exponential_temporalities, monotonics,
            gauges, sums, histograms, exponentials, summaries
        FROM (
            SELECT request_id, request_items, resource_url,
                CAST(arrayMap(a -> (a.key, multiIf(
                    a.value.value = 1, a.value.string_value,
                    a.value.value = 2, a.value.bool_value,
                    a.value.value = 3, a.value.int_value,
                    a.value.value = 4, replaceRegexpOne(transform(a.value.double_value, ['inf', '-inf', 'nan'], ['Infinity', '-Infinity', 'NaN'], a.value.double_value), 'e([0-9])', 'e+\\1'),
                    a.value.value = 5, toJSONString(a.value.array_value.values.string_value),
                    a.value.value = 7, base64Encode(a.value.bytes_value),
                    '')), resource_attributes), 'Map(LowCardinality(String), String)') AS resource,
                scope_url, scope_name, scope_version, scope_attributes, scope_dropped, kinds, names, descriptions, units,
                sum_temporalities, histogram_temporalities, exponential_temporalities, monotonics,
                gauges, sums, histograms, exponentials, summaries
            FROM otlp_metrics_in
            ARRAY JOIN
                `receipts.id` AS request_id,
                `receipts.items` AS request_items,
                `resource_metrics.schema_url` AS resource_url,
                `resource_metrics.resource.attributes` AS resource_attributes,
                `resource_metrics.deprecated_metrics` AS deprecated_metrics,
                `resource_metrics.scope_metrics.schema_url` AS scope_url,
                `resource_metrics.scope_metrics.scope.name` AS scope_name,
                `resource_metrics.scope_metrics.scope.version` AS scope_version,
                `resource_metrics.scope_metrics.scope.attributes` AS scope_attributes,
                `resource_metrics.scope_metrics.scope.dropped_attributes_count` AS scope_dropped,
                `resource_metrics.scope_metrics.metrics.name` AS names,
                `resource_metrics.scope_metrics.metrics.description` AS descriptions,
                `resource_metrics.scope_metrics.metrics.unit` AS units,
                `resource_metrics.scope_metrics.metrics.data` AS kinds,
                `resource_metrics.scope_metrics.metrics.sum.aggregation_temporality` AS sum_temporalities,
                `resource_metrics.scope_metrics.metrics.sum.is_monotonic` AS monotonics,
                `resource_metrics.scope_metrics.metrics.histogram.aggregation_temporality` AS histogram_temporalities,
                `resource_metrics.scope_metrics.metrics.exponential_histogram.aggregation_temporality` AS exponential_temporalities,
                `resource_metrics.scope_metrics.metrics.gauge.data_points` AS gauges,
                `resource_metrics.scope_metrics.metrics.sum.data_points` AS sums,
                `resource_metrics.scope_metrics.metrics.histogram.data_points` AS histograms,
                `resource_metrics.scope_metrics.metrics.exponential_histogram.data_points` AS exponentials,
                `resource_metrics.scope_metrics.metrics.summary.data_points` AS summaries
            WHERE throwIf(
                notEmpty(deprecated_metrics)
                OR length(resource_attributes.key) != arrayUniq(resource_attributes.key)
                OR has(resource_attributes.value.value, 6)
                OR arrayExists(kinds_of_values -> arrayExists(v -> v != 1, kinds_of_values), resource_attributes.value.array_value.values.value),
                'this resource needs repair') = 0
        )
        ARRAY JOIN scope_url, scope_name, scope_version, scope_attributes, scope_dropped, kinds, names, descriptions, units,
            sum_temporalities, histogram_temporalities, exponential_temporalities, monotonics,
            gauges, sums, histograms, exponentials, summaries
        WHERE throwIf(
            has(kinds, 0)
            OR length(scope_attributes.key) != arrayUniq(scope_attributes.key)
            OR hasAny(scope_attributes.value.value, [5, 6]),
            'this scope needs repair') = 0
    )
    ARRAY JOIN kinds AS kind, names AS name, descriptions AS description, units AS unit, sum_temporalities AS sum_temporality,
        histogram_temporalities AS histogram_temporality, exponential_temporalities AS exponential_temporality, monotonics AS monotonic,
        gauges AS gauge_points, sums AS sum_points, histograms AS histogram_points, exponentials AS exponential_points,
        summaries AS summary_points
)
ARRAY JOIN all_numbers AS number_point, all_histograms AS histogram_point, all_exponentials AS exponential_point,
    all_summaries AS summary_point
WHERE throwIf(
    end_time = 0
    OR end_time >= 4294967296000000000
    OR start_time >= 4294967296000000000
    OR length(attributes.key) != arrayUniq(attributes.key)
    OR hasAny(attributes.value.value, [5, 6])
    OR arrayExists(keys -> length(keys) != arrayUniq(keys), exemplars.filtered_attributes.key)
    OR arrayExists(kinds_of_values -> hasAny(kinds_of_values, [5, 6]), exemplars.filtered_attributes.value.value),
    'this data point needs repair') = 0;

CREATE MATERIALIZED VIEW IF NOT EXISTS otlp_metrics_gauge_mv TO otel_metrics_gauge AS
SELECT
    ResourceAttributes, ResourceSchemaUrl, ScopeName, ScopeVersion, ScopeAttributes, ScopeDroppedAttrCount, ScopeSchemaUrl, ServiceName,
    MetricName, MetricDescription, MetricUnit, Attributes, StartTimeUnix, TimeUnix, Flags,
    `Exemplars.FilteredAttributes`, `Exemplars.TimeUnix`, `Exemplars.Value`, `Exemplars.SpanId`, `Exemplars.TraceId`,
    if(number_point.value = 6, toFloat64(number_point.as_int), number_point.as_double) AS Value,
    request_id, request_items
FROM otlp_metric_points
WHERE kind = 5;

CREATE MATERIALIZED VIEW IF NOT EXISTS otlp_metrics_sum_mv TO otel_metrics_sum AS
SELECT
    ResourceAttributes, ResourceSchemaUrl, ScopeName, ScopeVersion, ScopeAttributes, ScopeDroppedAttrCount, ScopeSchemaUrl, ServiceName,
    MetricName, MetricDescription, MetricUnit, Attributes, StartTimeUnix, TimeUnix, Flags,
    `Exemplars.FilteredAttributes`, `Exemplars.TimeUnix`, `Exemplars.Value`, `Exemplars.SpanId`, `Exemplars.TraceId`,
    if(number_point.value = 6, toFloat64(number_point.as_int), number_point.as_double) AS Value, AggregationTemporality, IsMonotonic,
    request_id, request_items
FROM otlp_metric_points
WHERE kind = 7;

CREATE MATERIALIZED VIEW IF NOT EXISTS otlp_metrics_histogram_mv TO otel_metrics_histogram AS
SELECT
    ResourceAttributes, ResourceSchemaUrl, ScopeName, ScopeVersion, ScopeAttributes, ScopeDroppedAttrCount, ScopeSchemaUrl, ServiceName,
    MetricName, MetricDescription, MetricUnit, Attributes, StartTimeUnix, TimeUnix, Flags,
    `Exemplars.FilteredAttributes`, `Exemplars.TimeUnix`, `Exemplars.Value`, `Exemplars.SpanId`, `Exemplars.TraceId`,
    histogram_point.count AS Count, histogram_point.sum AS Sum, histogram_point.min AS Min, histogram_point.max AS Max,
    histogram_point.bucket_counts AS BucketCounts, histogram_point.explicit_bounds AS ExplicitBounds, AggregationTemporality,
    request_id, request_items
FROM otlp_metric_points
WHERE kind = 9;

CREATE MATERIALIZED VIEW IF NOT EXISTS otlp_metrics_exponential_histogram_mv TO otel_metrics_exponential_histogram AS
SELECT
    ResourceAttributes, ResourceSchemaUrl, ScopeName, ScopeVersion, ScopeAttributes, ScopeDroppedAttrCount, ScopeSchemaUrl, ServiceName,
    MetricName, MetricDescription, MetricUnit, Attributes, StartTimeUnix, TimeUnix, Flags,
    `Exemplars.FilteredAttributes`, `Exemplars.TimeUnix`, `Exemplars.Value`, `Exemplars.SpanId`, `Exemplars.TraceId`,
    exponential_point.count AS Count, exponential_point.sum AS Sum, exponential_point.min AS Min, exponential_point.max AS Max,
    exponential_point.scale AS Scale, exponential_point.zero_count AS ZeroCount, exponential_point.zero_threshold AS ZeroThreshold,
    exponential_point.positive.offset AS PositiveOffset, exponential_point.positive.bucket_counts AS PositiveBucketCounts,
    exponential_point.negative.offset AS NegativeOffset, exponential_point.negative.bucket_counts AS NegativeBucketCounts, AggregationTemporality,
    request_id, request_items
FROM otlp_metric_points
WHERE kind = 10;

CREATE MATERIALIZED VIEW IF NOT EXISTS otlp_metrics_summary_mv TO otel_metrics_summary AS
SELECT
    ResourceAttributes, ResourceSchemaUrl, ScopeName, ScopeVersion, ScopeAttributes, ScopeDroppedAttrCount, ScopeSchemaUrl, ServiceName,
    MetricName, MetricDescription, MetricUnit, Attributes, StartTimeUnix, TimeUnix, Flags,
    summary_point.count AS Count, summary_point.sum AS Sum, summary_point.quantile_values.quantile AS `ValueAtQuantiles.Quantile`,
    summary_point.quantile_values.value AS `ValueAtQuantiles.Value`,
    request_id, request_items
FROM otlp_metric_points
WHERE kind = 11;
