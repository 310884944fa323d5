-- Small parts are merged less often: with the engine's own 5, inserts of some thousand rows were written again seven times.
ALTER TABLE otel_traces MODIFY SETTING merge_selector_base = 12;

ALTER TABLE otel_traces_trace_id_ts MODIFY SETTING merge_selector_base = 12;

ALTER TABLE otel_logs MODIFY SETTING merge_selector_base = 12;

ALTER TABLE otel_metrics_gauge MODIFY SETTING merge_selector_base = 12;

ALTER TABLE otel_metrics_sum MODIFY SETTING merge_selector_base = 12;

ALTER TABLE otel_metrics_histogram MODIFY SETTING merge_selector_base = 12;

ALTER TABLE otel_metrics_exponential_histogram MODIFY SETTING merge_selector_base = 12;

ALTER TABLE otel_metrics_summary MODIFY SETTING merge_selector_base = 12;

-- A row of the tables that requests come in by is one scope with its resource, no longer a whole request: what takes it apart
-- is planned in two thirds of the time, as that grows with the depth of the types. Numbers are read as numbers and written as
-- text where they are some.
DROP VIEW IF EXISTS otlp_traces_mv;

DROP TABLE IF EXISTS otlp_traces_in;

DROP VIEW IF EXISTS otlp_traces_private_mv;

DROP TABLE IF EXISTS otlp_traces_private_in;

DROP VIEW IF EXISTS otlp_logs_mv;

DROP TABLE IF EXISTS otlp_logs_in;

DROP VIEW IF EXISTS otlp_logs_private_mv;

DROP TABLE IF EXISTS otlp_logs_private_in;

DROP VIEW IF EXISTS otlp_metrics_mv;

DROP TABLE IF EXISTS otlp_metrics_in;

DROP VIEW IF EXISTS otlp_metrics_private_mv;

DROP TABLE IF EXISTS otlp_metrics_private_in;

-- Columns are paths of fields in collector/otlp_traces.proto; `value` is the number of the AnyValue field that was set, 0 when none was.
CREATE TABLE IF NOT EXISTS otlp_traces_in (
    `resource.attributes` Array(Tuple(
        key String,
        value Tuple(value Int8, string_value String, bool_value Bool, int_value Int64, double_value Float64, bytes_value String,
            array_value Tuple(values Array(Tuple(value Int8, string_value String)))))) COMMENT 'attributes of the resource',
    deprecated Bool COMMENT 'whether the resource has spans in the field that came before scopes',
    `receipt.id` String COMMENT 'request',
    `receipt.items` UInt32 COMMENT 'rows of that request',
    `scope_spans.scope.name` String COMMENT 'instrumentation scope',
    `scope_spans.scope.version` String COMMENT 'its version',
    `scope_spans.spans.trace_id` Array(String) COMMENT '16 bytes',
    `scope_spans.spans.span_id` Array(String) COMMENT '8 bytes',
    `scope_spans.spans.trace_state` Array(String) COMMENT 'W3C trace state',
    `scope_spans.spans.parent_span_id` Array(String) COMMENT '8 bytes, empty for a root span',
    `scope_spans.spans.name` Array(String) COMMENT 'operation',
    `scope_spans.spans.kind` Array(Int32) COMMENT 'number of the kind',
    `scope_spans.spans.start_time_unix_nano` Array(UInt64) COMMENT 'start',
    `scope_spans.spans.end_time_unix_nano` Array(UInt64) COMMENT 'end, 0 when unknown',
    `scope_spans.spans.attributes` Array(Array(Tuple(
        key String,
        value Tuple(value Int8, string_value String, bool_value Bool, int_value Int64, double_value Float64, bytes_value String,
            array_value Tuple(values Array(Tuple(value Int8, string_value String))))))) COMMENT 'attributes of each span',
    `scope_spans.spans.events` Array(Array(Tuple(
        time_unix_nano UInt64, name String,
        attributes Array(Tuple(
            key String,
            value Tuple(value Int8, string_value String, bool_value Bool, int_value Int64, double_value Float64, bytes_value String)))))) COMMENT 'span events',
    `scope_spans.spans.links` Array(Array(Tuple(
        trace_id String, span_id String, trace_state String,
        attributes Array(Tuple(
            key String,
            value Tuple(value Int8, string_value String, bool_value Bool, int_value Int64, double_value Float64, bytes_value String)))))) COMMENT 'span links',
    `scope_spans.spans.status.message` Array(String) COMMENT 'text of the status',
    `scope_spans.spans.status.code` Array(Int32) COMMENT 'number of the status'
) ENGINE = Null;

-- Text of values is as the Collector's ClickHouse exporter writes it. What SQL cannot say well (nested and mixed values,
-- repeated keys) or must not store (wrong ids, times that a partition cannot hold) is refused with error 395:
-- the receiver then repairs the request, which it does not have to look at otherwise.
CREATE MATERIALIZED VIEW IF NOT EXISTS otlp_traces_mv TO otel_traces AS
SELECT
    fromUnixTimestamp64Nano(reinterpretAsInt64(start_time)) AS Timestamp,
    lower(hex(trace_id)) AS TraceId,
    lower(hex(span_id)) AS SpanId,
    if(parent_span_id = unhex('0000000000000000'), '', lower(hex(parent_span_id))) AS ParentSpanId,
    trace_state AS TraceState,
    name AS SpanName,
    transform(kind, [0, 1, 2, 3, 4, 5], ['Unspecified', 'Internal', 'Server', 'Client', 'Producer', 'Consumer'], toString(kind)) AS SpanKind,
    resource['service.name'] AS ServiceName,
    resource AS ResourceAttributes,
    scope_name AS ScopeName,
    scope_version AS ScopeVersion,
    CAST(arrayMap(a -> (a.key, multiIf(
        a.value.value = 1, a.value.string_value,
        a.value.value = 2, toString(a.value.bool_value),
        a.value.value = 3, toString(a.value.int_value),
        a.value.value = 4, replaceRegexpOne(transform(toString(a.value.double_value), ['inf', '-inf', 'nan'], ['Infinity', '-Infinity', 'NaN'], toString(a.value.double_value)), 'e([0-9])', 'e+\\1'),
        a.value.value = 5, toJSONString(a.value.array_value.values.string_value),
        a.value.value = 7, base64Encode(a.value.bytes_value),
        '')), attributes), 'Map(LowCardinality(String), String)') AS SpanAttributes,
    if(end_time = 0, 0, end_time - start_time) AS Duration,
    transform(status_code, [0, 1, 2], ['Unset', 'Ok', 'Error'], toString(status_code)) AS StatusCode,
    status_message AS StatusMessage,
    arrayMap(at -> fromUnixTimestamp64Nano(reinterpretAsInt64(at)), events.time_unix_nano) AS `Events.Timestamp`,
    events.name AS `Events.Name`,
    arrayMap(pairs -> CAST(arrayMap(a -> (a.key, multiIf(
        a.value.value = 1, a.value.string_value,
        a.value.value = 2, toString(a.value.bool_value),
        a.value.value = 3, toString(a.value.int_value),
        a.value.value = 4, replaceRegexpOne(transform(toString(a.value.double_value), ['inf', '-inf', 'nan'], ['Infinity', '-Infinity', 'NaN'], toString(a.value.double_value)), 'e([0-9])', 'e+\\1'),
        a.value.value = 7, base64Encode(a.value.bytes_value),
        '')), pairs), 'Map(LowCardinality(String), String)'), events.attributes) AS `Events.Attributes`,
    arrayMap(id -> if(id = unhex('00000000000000000000000000000000'), '', lower(hex(id))), links.trace_id) AS `Links.TraceId`,
    arrayMap(id -> if(id = unhex('0000000000000000'), '', lower(hex(id))), links.span_id) AS `Links.SpanId`,
    links.trace_state AS `Links.TraceState`,
    arrayMap(pairs -> CAST(arrayMap(a -> (a.key, multiIf(
        a.value.value = 1, a.value.string_value,
        a.value.value = 2, toString(a.value.bool_value),
        a.value.value = 3, toString(a.value.int_value),
        a.value.value = 4, replaceRegexpOne(transform(toString(a.value.double_value), ['inf', '-inf', 'nan'], ['Infinity', '-Infinity', 'NaN'], toString(a.value.double_value)), 'e([0-9])', 'e+\\1'),
        a.value.value = 7, base64Encode(a.value.bytes_value),
        '')), pairs), 'Map(LowCardinality(String), String)'), links.attributes) AS `Links.Attributes`,
    request_id,
    request_items
FROM (
    SELECT `receipt.id` AS request_id, `receipt.items` AS request_items,
        CAST(arrayMap(a -> (a.key, multiIf(
            a.value.value = 1, a.value.string_value,
            a.value.value = 2, toString(a.value.bool_value),
            a.value.value = 3, toString(a.value.int_value),
            a.value.value = 4, replaceRegexpOne(transform(toString(a.value.double_value), ['inf', '-inf', 'nan'], ['Infinity', '-Infinity', 'NaN'], toString(a.value.double_value)), 'e([0-9])', 'e+\\1'),
            a.value.value = 5, toJSONString(a.value.array_value.values.string_value),
            a.value.value = 7, base64Encode(a.value.bytes_value),
            '')), `resource.attributes`), 'Map(LowCardinality(String), String)') AS resource,
        `scope_spans.scope.name` AS scope_name, `scope_spans.scope.version` AS scope_version,
        `scope_spans.spans.trace_id`,
        `scope_spans.spans.span_id`,
        `scope_spans.spans.trace_state`,
        `scope_spans.spans.parent_span_id`,
        `scope_spans.spans.name`,
        `scope_spans.spans.kind`,
        `scope_spans.spans.start_time_unix_nano`,
        `scope_spans.spans.end_time_unix_nano`,
        `scope_spans.spans.attributes`,
        `scope_spans.spans.events`,
        `scope_spans.spans.links`,
        `scope_spans.spans.status.message`,
        `scope_spans.spans.status.code`
    FROM otlp_traces_in
    WHERE throwIf(
        deprecated
        OR length(`resource.attributes`.key) != arrayUniq(`resource.attributes`.key)
        OR has(`resource.attributes`.value.value, 6)
        OR arrayExists(kinds_of_values -> arrayExists(v -> v != 1, kinds_of_values), `resource.attributes`.value.array_value.values.value),
        'this resource needs repair') = 0
)
ARRAY JOIN
    `scope_spans.spans.trace_id` AS trace_id,
    `scope_spans.spans.span_id` AS span_id,
    `scope_spans.spans.trace_state` AS trace_state,
    `scope_spans.spans.parent_span_id` AS parent_span_id,
    `scope_spans.spans.name` AS name,
    `scope_spans.spans.kind` AS kind,
    `scope_spans.spans.start_time_unix_nano` AS start_time,
    `scope_spans.spans.end_time_unix_nano` AS end_time,
    `scope_spans.spans.attributes` AS attributes,
    `scope_spans.spans.events` AS events,
    `scope_spans.spans.links` AS links,
    `scope_spans.spans.status.message` AS status_message,
    `scope_spans.spans.status.code` AS status_code
WHERE throwIf(
    length(trace_id) != 16
    OR length(span_id) != 8
    OR length(parent_span_id) NOT IN (0, 8)
    OR trace_id = unhex('00000000000000000000000000000000')
    OR span_id = unhex('0000000000000000')
    OR start_time = 0
    OR start_time >= 4294967296000000000
    OR length(attributes.key) != arrayUniq(attributes.key)
    OR has(attributes.value.value, 6)
    OR arrayExists(kinds_of_values -> arrayExists(v -> v != 1, kinds_of_values), attributes.value.array_value.values.value)
    OR arrayExists(keys -> length(keys) != arrayUniq(keys), events.attributes.key)
    OR arrayExists(kinds_of_values -> hasAny(kinds_of_values, [5, 6]), events.attributes.value.value)
    OR arrayExists(keys -> length(keys) != arrayUniq(keys), links.attributes.key)
    OR arrayExists(kinds_of_values -> hasAny(kinds_of_values, [5, 6]), links.attributes.value.value),
    'this span needs repair') = 0;

-- As for traces.
CREATE TABLE IF NOT EXISTS otlp_logs_in (
    `resource.attributes` Array(Tuple(
        key String,
        value Tuple(value Int8, string_value String, bool_value Bool, int_value Int64, double_value Float64, bytes_value String,
            array_value Tuple(values Array(Tuple(value Int8, string_value String)))))) COMMENT 'attributes of the resource',
    deprecated Bool COMMENT 'whether the resource has logs in the field that came before scopes',
    `receipt.id` String COMMENT 'request',
    `receipt.items` UInt32 COMMENT 'rows of that request',
    schema_url String COMMENT 'schema of the resource attributes',
    `scope_logs.schema_url` String COMMENT 'schema of scope and log attributes',
    `scope_logs.scope` Tuple(
        name String, version String,
        attributes Array(Tuple(
            key String,
            value Tuple(value Int8, string_value String, bool_value Bool, int_value Int64, double_value Float64, bytes_value String)))) COMMENT 'instrumentation scope',
    `scope_logs.log_records.time_unix_nano` Array(UInt64) COMMENT 'when it happened, 0 when unknown',
    `scope_logs.log_records.observed_time_unix_nano` Array(UInt64) COMMENT 'when it was seen',
    `scope_logs.log_records.severity_number` Array(Int32) COMMENT 'number of the severity',
    `scope_logs.log_records.severity_text` Array(String) COMMENT 'level as the program names it',
    `scope_logs.log_records.event_name` Array(String) COMMENT 'kind of event',
    `scope_logs.log_records.flags` Array(UInt32) COMMENT 'the lowest byte are W3C trace flags',
    `scope_logs.log_records.trace_id` Array(String) COMMENT '16 bytes, empty outside of traces',
    `scope_logs.log_records.span_id` Array(String) COMMENT '8 bytes, empty outside of spans',
    `scope_logs.log_records.body` Array(Tuple(value Int8, string_value String, bool_value Bool, int_value Int64, double_value Float64, bytes_value String,
            array_value Tuple(values Array(Tuple(value Int8, string_value String))))) COMMENT 'the message',
    `scope_logs.log_records.attributes` Array(Array(Tuple(
        key String,
        value Tuple(value Int8, string_value String, bool_value Bool, int_value Int64, double_value Float64, bytes_value String,
            array_value Tuple(values Array(Tuple(value Int8, string_value String))))))) COMMENT 'attributes of each record'
) ENGINE = Null;

CREATE MATERIALIZED VIEW IF NOT EXISTS otlp_logs_mv TO otel_logs AS
WITH if(happened = 0, observed, happened) AS at
SELECT
    if(at = 0, now64(9), fromUnixTimestamp64Nano(reinterpretAsInt64(at))) AS Timestamp,
    if(trace_id = unhex('00000000000000000000000000000000'), '', lower(hex(trace_id))) AS TraceId,
    if(span_id = unhex('0000000000000000'), '', lower(hex(span_id))) AS SpanId,
    toUInt8(bitAnd(flags, 255)) AS TraceFlags,
    severity_text AS SeverityText,
    if(severity BETWEEN 0 AND 255, toUInt8(severity), 0) AS SeverityNumber,
    resource['service.name'] AS ServiceName,
    multiIf(
        body.value = 1, body.string_value,
        body.value = 2, toString(body.bool_value),
        body.value = 3, toString(body.int_value),
        body.value = 4, replaceRegexpOne(transform(toString(body.double_value), ['inf', '-inf', 'nan'], ['Infinity', '-Infinity', 'NaN'], toString(body.double_value)), 'e([0-9])', 'e+\\1'),
        body.value = 5, toJSONString(body.array_value.values.string_value),
        body.value = 7, base64Encode(body.bytes_value),
        '') AS Body,
    schema_url AS ResourceSchemaUrl,
    resource AS ResourceAttributes,
    scope_url AS ScopeSchemaUrl,
    scope_name AS ScopeName,
    scope_version AS ScopeVersion,
    scope AS ScopeAttributes,
    CAST(arrayMap(a -> (a.key, multiIf(
        a.value.value = 1, a.value.string_value,
        a.value.value = 2, toString(a.value.bool_value),
        a.value.value = 3, toString(a.value.int_value),
        a.value.value = 4, replaceRegexpOne(transform(toString(a.value.double_value), ['inf', '-inf', 'nan'], ['Infinity', '-Infinity', 'NaN'], toString(a.value.double_value)), 'e([0-9])', 'e+\\1'),
        a.value.value = 5, toJSONString(a.value.array_value.values.string_value),
        a.value.value = 7, base64Encode(a.value.bytes_value),
        '')), attributes), 'Map(LowCardinality(String), String)') AS LogAttributes,
    event_name AS EventName,
    request_id,
    request_items
FROM (
    SELECT `receipt.id` AS request_id, `receipt.items` AS request_items, schema_url,
        CAST(arrayMap(a -> (a.key, multiIf(
            a.value.value = 1, a.value.string_value,
            a.value.value = 2, toString(a.value.bool_value),
            a.value.value = 3, toString(a.value.int_value),
            a.value.value = 4, replaceRegexpOne(transform(toString(a.value.double_value), ['inf', '-inf', 'nan'], ['Infinity', '-Infinity', 'NaN'], toString(a.value.double_value)), 'e([0-9])', 'e+\\1'),
            a.value.value = 5, toJSONString(a.value.array_value.values.string_value),
            a.value.value = 7, base64Encode(a.value.bytes_value),
            '')), `resource.attributes`), 'Map(LowCardinality(String), String)') AS resource,
        CAST(arrayMap(a -> (a.key, multiIf(
            a.value.value = 1, a.value.string_value,
            a.value.value = 2, toString(a.value.bool_value),
            a.value.value = 3, toString(a.value.int_value),
            a.value.value = 4, replaceRegexpOne(transform(toString(a.value.double_value), ['inf', '-inf', 'nan'], ['Infinity', '-Infinity', 'NaN'], toString(a.value.double_value)), 'e([0-9])', 'e+\\1'),
            a.value.value = 7, base64Encode(a.value.bytes_value),
            '')), `scope_logs.scope`.attributes), 'Map(LowCardinality(String), String)') AS scope,
        `scope_logs.schema_url` AS scope_url, `scope_logs.scope`.name AS scope_name, `scope_logs.scope`.version AS scope_version,
        `scope_logs.log_records.time_unix_nano`,
        `scope_logs.log_records.observed_time_unix_nano`,
        `scope_logs.log_records.severity_number`,
        `scope_logs.log_records.severity_text`,
        `scope_logs.log_records.event_name`,
        `scope_logs.log_records.flags`,
        `scope_logs.log_records.trace_id`,
        `scope_logs.log_records.span_id`,
        `scope_logs.log_records.body`,
        `scope_logs.log_records.attributes`
    FROM otlp_logs_in
    WHERE throwIf(
        deprecated
        OR length(`resource.attributes`.key) != arrayUniq(`resource.attributes`.key)
        OR has(`resource.attributes`.value.value, 6)
        OR arrayExists(kinds_of_values -> arrayExists(v -> v != 1, kinds_of_values), `resource.attributes`.value.array_value.values.value)
        OR length(`scope_logs.scope`.attributes.key) != arrayUniq(`scope_logs.scope`.attributes.key)
        OR hasAny(`scope_logs.scope`.attributes.value.value, [5, 6]),
        'this resource or scope needs repair') = 0
)
ARRAY JOIN
    `scope_logs.log_records.time_unix_nano` AS happened,
    `scope_logs.log_records.observed_time_unix_nano` AS observed,
    `scope_logs.log_records.severity_number` AS severity,
    `scope_logs.log_records.severity_text` AS severity_text,
    `scope_logs.log_records.event_name` AS event_name,
    `scope_logs.log_records.flags` AS flags,
    `scope_logs.log_records.trace_id` AS trace_id,
    `scope_logs.log_records.span_id` AS span_id,
    `scope_logs.log_records.body` AS body,
    `scope_logs.log_records.attributes` AS attributes
WHERE throwIf(
    length(trace_id) NOT IN (0, 16)
    OR length(span_id) NOT IN (0, 8)
    OR at >= 4294967296000000000
    OR body.value = 6
    OR arrayExists(v -> v != 1, body.array_value.values.value)
    OR length(attributes.key) != arrayUniq(attributes.key)
    OR has(attributes.value.value, 6)
    OR arrayExists(kinds_of_values -> arrayExists(v -> v != 1, kinds_of_values), attributes.value.array_value.values.value),
    'this record needs repair') = 0;

-- `data` is the number of the kind that was set, 0 when none was. Numbers in attributes stay text: `otlp_metric_points` has them so.
CREATE TABLE IF NOT EXISTS otlp_metrics_in (
    `resource.attributes` Array(Tuple(
        key String,
        value Tuple(value Int8, string_value String, bool_value String, int_value String, double_value String, bytes_value String,
            array_value Tuple(values Array(Tuple(value Int8, string_value String)))))) COMMENT 'attributes of the resource',
    deprecated Bool COMMENT 'whether the resource has metrics in the field that came before scopes',
    `receipt.id` String COMMENT 'request',
    `receipt.items` UInt32 COMMENT 'rows of that request',
    schema_url String COMMENT 'schema of the resource attributes',
    `scope_metrics.schema_url` String COMMENT 'schema of scope and metrics',
    `scope_metrics.scope` Tuple(
        name String, version String, dropped_attributes_count UInt32,
        attributes Array(Tuple(
            key String,
            value Tuple(value Int8, string_value String, bool_value String, int_value String, double_value String, bytes_value String)))) COMMENT 'instrumentation scope',
    `scope_metrics.metrics.name` Array(String) COMMENT 'metric',
    `scope_metrics.metrics.description` Array(String) COMMENT 'what it measures',
    `scope_metrics.metrics.unit` Array(String) COMMENT 'unit',
    `scope_metrics.metrics.data` Array(Int8) COMMENT 'kind: 5 gauge, 7 sum, 9 histogram, 10 exponential histogram, 11 summary',
    `scope_metrics.metrics.sum.aggregation_temporality` Array(Int32) COMMENT '1 delta, 2 cumulative',
    `scope_metrics.metrics.sum.is_monotonic` Array(Bool) COMMENT 'whether it only grows',
    `scope_metrics.metrics.histogram.aggregation_temporality` Array(Int32) COMMENT '1 delta, 2 cumulative',
    `scope_metrics.metrics.exponential_histogram.aggregation_temporality` Array(Int32) COMMENT '1 delta, 2 cumulative',
    `scope_metrics.metrics.gauge.data_points` Array(Array(Tuple(
        start_time_unix_nano UInt64, time_unix_nano UInt64, flags UInt32, value Int8, as_double Float64, as_int Int64,
        attributes Array(Tuple(
            key String,
            value Tuple(value Int8, string_value String, bool_value String, int_value String, double_value String, bytes_value String))),
        exemplars Array(Tuple(
            time_unix_nano UInt64, value Int8, as_double Float64, as_int Int64, trace_id String, span_id String,
            filtered_attributes Array(Tuple(
                key String,
                value Tuple(value Int8, string_value String, bool_value String, int_value String, double_value String, bytes_value String))))))))
        COMMENT 'points of gauges',
    `scope_metrics.metrics.sum.data_points` Array(Array(Tuple(
        start_time_unix_nano UInt64, time_unix_nano UInt64, flags UInt32, value Int8, as_double Float64, as_int Int64,
        attributes Array(Tuple(
            key String,
            value Tuple(value Int8, string_value String, bool_value String, int_value String, double_value String, bytes_value String))),
        exemplars Array(Tuple(
            time_unix_nano UInt64, value Int8, as_double Float64, as_int Int64, trace_id String, span_id String,
            filtered_attributes Array(Tuple(
                key String,
                value Tuple(value Int8, string_value String, bool_value String, int_value String, double_value String, bytes_value String))))))))
        COMMENT 'points of sums',
    `scope_metrics.metrics.histogram.data_points` Array(Array(Tuple(
        start_time_unix_nano UInt64, time_unix_nano UInt64, flags UInt32, count UInt64, sum Float64, min Float64, max Float64,
        bucket_counts Array(UInt64), explicit_bounds Array(Float64),
        attributes Array(Tuple(
            key String,
            value Tuple(value Int8, string_value String, bool_value String, int_value String, double_value String, bytes_value String))),
        exemplars Array(Tuple(
            time_unix_nano UInt64, value Int8, as_double Float64, as_int Int64, trace_id String, span_id String,
            filtered_attributes Array(Tuple(
                key String,
                value Tuple(value Int8, string_value String, bool_value String, int_value String, double_value String, bytes_value String))))))))
        COMMENT 'points of histograms',
    `scope_metrics.metrics.exponential_histogram.data_points` Array(Array(Tuple(
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
                value Tuple(value Int8, string_value String, bool_value String, int_value String, double_value String, bytes_value String))))))))
        COMMENT 'points of exponential histograms',
    `scope_metrics.metrics.summary.data_points` Array(Array(Tuple(
        start_time_unix_nano UInt64, time_unix_nano UInt64, flags UInt32, count UInt64, sum Float64,
        quantile_values Array(Tuple(quantile Float64, value Float64)),
        attributes Array(Tuple(
            key String,
            value Tuple(value Int8, string_value String, bool_value String, int_value String, double_value String, bytes_value String))))))
        COMMENT 'points of summaries'
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
        SELECT `receipt.id` AS request_id, `receipt.items` AS request_items, schema_url AS resource_url,
            CAST(arrayMap(a -> (a.key, multiIf(
                a.value.value = 1, a.value.string_value,
                a.value.value = 2, a.value.bool_value,
                a.value.value = 3, a.value.int_value,
                a.value.value = 4, replaceRegexpOne(transform(a.value.double_value, ['inf', '-inf', 'nan'], ['Infinity', '-Infinity', 'NaN'], a.value.double_value), 'e([0-9])', 'e+\\1'),
                a.value.value = 5, toJSONString(a.value.array_value.values.string_value),
                a.value.value = 7, base64Encode(a.value.bytes_value),
                '')), `resource.attributes`), 'Map(LowCardinality(String), String)') AS resource,
            `scope_metrics.schema_url` AS scope_url, `scope_metrics.scope`.name AS scope_name, `scope_metrics.scope`.version AS scope_version,
            CAST(arrayMap(a -> (a.key, multiIf(
                a.value.value = 1, a.value.string_value,
                a.value.value = 2, a.value.bool_value,
                a.value.value = 3, a.value.int_value,
                a.value.value = 4, replaceRegexpOne(transform(a.value.double_value, ['inf', '-inf', 'nan'], ['Infinity', '-Infinity', 'NaN'], a.value.double_value), 'e([0-9])', 'e+\\1'),
                a.value.value = 7, base64Encode(a.value.bytes_value),
                '')), `scope_metrics.scope`.attributes), 'Map(LowCardinality(String), String)') AS scope,
            `scope_metrics.scope`.dropped_attributes_count AS scope_dropped,
            `scope_metrics.metrics.name` AS names,
            `scope_metrics.metrics.description` AS descriptions,
            `scope_metrics.metrics.unit` AS units,
            `scope_metrics.metrics.data` AS kinds,
            `scope_metrics.metrics.sum.aggregation_temporality` AS sum_temporalities,
            `scope_metrics.metrics.sum.is_monotonic` AS monotonics,
            `scope_metrics.metrics.histogram.aggregation_temporality` AS histogram_temporalities,
            `scope_metrics.metrics.exponential_histogram.aggregation_temporality` AS exponential_temporalities,
            `scope_metrics.metrics.gauge.data_points` AS gauges,
            `scope_metrics.metrics.sum.data_points` AS sums,
            `scope_metrics.metrics.histogram.data_points` AS histograms,
            `scope_metrics.metrics.exponential_histogram.data_points` AS exponentials,
            `scope_metrics.metrics.summary.data_points` AS summaries
        FROM otlp_metrics_in
        WHERE throwIf(
            deprecated
            OR length(`resource.attributes`.key) != arrayUniq(`resource.attributes`.key)
            OR has(`resource.attributes`.value.value, 6)
            OR arrayExists(kinds_of_values -> arrayExists(v -> v != 1, kinds_of_values), `resource.attributes`.value.array_value.values.value)
            OR has(kinds, 0)
            OR length(`scope_metrics.scope`.attributes.key) != arrayUniq(`scope_metrics.scope`.attributes.key)
            OR hasAny(`scope_metrics.scope`.attributes.value.value, [5, 6]),
            'this resource or scope needs repair') = 0
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

-- With a privacy policy: the same with the policy beside it (0013).
CREATE TABLE IF NOT EXISTS otlp_traces_private_in AS otlp_traces_in;

ALTER TABLE otlp_traces_private_in
    ADD COLUMN IF NOT EXISTS `policy.id` String COMMENT 'policy that the receiver relies on',
    ADD COLUMN IF NOT EXISTS `policy.key_ids` Array(String) COMMENT 'names of the keys of tokens, the newest first',
    ADD COLUMN IF NOT EXISTS `policy.keys` Array(String) COMMENT 'the keys, which are never stored';

CREATE TABLE IF NOT EXISTS otlp_logs_private_in AS otlp_logs_in;

ALTER TABLE otlp_logs_private_in
    ADD COLUMN IF NOT EXISTS `policy.id` String COMMENT 'policy that the receiver relies on',
    ADD COLUMN IF NOT EXISTS `policy.key_ids` Array(String) COMMENT 'names of the keys of tokens, the newest first',
    ADD COLUMN IF NOT EXISTS `policy.keys` Array(String) COMMENT 'the keys, which are never stored';

CREATE TABLE IF NOT EXISTS otlp_metrics_private_in AS otlp_metrics_in;

ALTER TABLE otlp_metrics_private_in
    ADD COLUMN IF NOT EXISTS `policy.id` String COMMENT 'policy that the receiver relies on',
    ADD COLUMN IF NOT EXISTS `policy.key_ids` Array(String) COMMENT 'names of the keys of tokens, the newest first',
    ADD COLUMN IF NOT EXISTS `policy.keys` Array(String) COMMENT 'the keys, which are never stored';

CREATE MATERIALIZED VIEW IF NOT EXISTS otlp_traces_private_mv TO otel_traces_private AS
SELECT
    fromUnixTimestamp64Nano(reinterpretAsInt64(start_time)) AS Timestamp,
    lower(hex(trace_id)) AS TraceId,
    lower(hex(span_id)) AS SpanId,
    if(parent_span_id = unhex('0000000000000000'), '', lower(hex(parent_span_id))) AS ParentSpanId,
    trace_state AS TraceState,
    name AS SpanName,
    transform(kind, [0, 1, 2, 3, 4, 5], ['Unspecified', 'Internal', 'Server', 'Client', 'Producer', 'Consumer'], toString(kind)) AS SpanKind,
    resource['service.name'] AS ServiceName,
    resource AS ResourceAttributes,
    scope_name AS ScopeName,
    scope_version AS ScopeVersion,
    CAST(arrayMap(a -> (a.key, multiIf(
        a.value.value = 1, a.value.string_value,
        a.value.value = 2, toString(a.value.bool_value),
        a.value.value = 3, toString(a.value.int_value),
        a.value.value = 4, replaceRegexpOne(transform(toString(a.value.double_value), ['inf', '-inf', 'nan'], ['Infinity', '-Infinity', 'NaN'], toString(a.value.double_value)), 'e([0-9])', 'e+\\1'),
        a.value.value = 5, toJSONString(a.value.array_value.values.string_value),
        a.value.value = 7, base64Encode(a.value.bytes_value),
        '')), attributes), 'Map(LowCardinality(String), String)') AS SpanAttributes,
    if(end_time = 0, 0, end_time - start_time) AS Duration,
    transform(status_code, [0, 1, 2], ['Unset', 'Ok', 'Error'], toString(status_code)) AS StatusCode,
    status_message AS StatusMessage,
    arrayMap(at -> fromUnixTimestamp64Nano(reinterpretAsInt64(at)), events.time_unix_nano) AS `Events.Timestamp`,
    events.name AS `Events.Name`,
    arrayMap(pairs -> CAST(arrayMap(a -> (a.key, multiIf(
        a.value.value = 1, a.value.string_value,
        a.value.value = 2, toString(a.value.bool_value),
        a.value.value = 3, toString(a.value.int_value),
        a.value.value = 4, replaceRegexpOne(transform(toString(a.value.double_value), ['inf', '-inf', 'nan'], ['Infinity', '-Infinity', 'NaN'], toString(a.value.double_value)), 'e([0-9])', 'e+\\1'),
        a.value.value = 7, base64Encode(a.value.bytes_value),
        '')), pairs), 'Map(LowCardinality(String), String)'), events.attributes) AS `Events.Attributes`,
    arrayMap(id -> if(id = unhex('00000000000000000000000000000000'), '', lower(hex(id))), links.trace_id) AS `Links.TraceId`,
    arrayMap(id -> if(id = unhex('0000000000000000'), '', lower(hex(id))), links.span_id) AS `Links.SpanId`,
    links.trace_state AS `Links.TraceState`,
    arrayMap(pairs -> CAST(arrayMap(a -> (a.key, multiIf(
        a.value.value = 1, a.value.string_value,
        a.value.value = 2, toString(a.value.bool_value),
        a.value.value = 3, toString(a.value.int_value),
        a.value.value = 4, replaceRegexpOne(transform(toString(a.value.double_value), ['inf', '-inf', 'nan'], ['Infinity', '-Infinity', 'NaN'], toString(a.value.double_value)), 'e([0-9])', 'e+\\1'),
        a.value.value = 7, base64Encode(a.value.bytes_value),
        '')), pairs), 'Map(LowCardinality(String), String)'), links.attributes) AS `Links.Attributes`,
    request_id,
    request_items,
    policy_id, policy_key_ids, policy_keys
FROM (
    SELECT `policy.id` AS policy_id, `policy.key_ids` AS policy_key_ids, `policy.keys` AS policy_keys,
        `receipt.id` AS request_id, `receipt.items` AS request_items,
        CAST(arrayMap(a -> (a.key, multiIf(
            a.value.value = 1, a.value.string_value,
            a.value.value = 2, toString(a.value.bool_value),
            a.value.value = 3, toString(a.value.int_value),
            a.value.value = 4, replaceRegexpOne(transform(toString(a.value.double_value), ['inf', '-inf', 'nan'], ['Infinity', '-Infinity', 'NaN'], toString(a.value.double_value)), 'e([0-9])', 'e+\\1'),
            a.value.value = 5, toJSONString(a.value.array_value.values.string_value),
            a.value.value = 7, base64Encode(a.value.bytes_value),
            '')), `resource.attributes`), 'Map(LowCardinality(String), String)') AS resource,
        `scope_spans.scope.name` AS scope_name, `scope_spans.scope.version` AS scope_version,
        `scope_spans.spans.trace_id`,
        `scope_spans.spans.span_id`,
        `scope_spans.spans.trace_state`,
        `scope_spans.spans.parent_span_id`,
        `scope_spans.spans.name`,
        `scope_spans.spans.kind`,
        `scope_spans.spans.start_time_unix_nano`,
        `scope_spans.spans.end_time_unix_nano`,
        `scope_spans.spans.attributes`,
        `scope_spans.spans.events`,
        `scope_spans.spans.links`,
        `scope_spans.spans.status.message`,
        `scope_spans.spans.status.code`
    FROM otlp_traces_private_in
    WHERE throwIf(
        deprecated
        OR length(`resource.attributes`.key) != arrayUniq(`resource.attributes`.key)
        OR has(`resource.attributes`.value.value, 6)
        OR arrayExists(kinds_of_values -> arrayExists(v -> v != 1, kinds_of_values), `resource.attributes`.value.array_value.values.value),
        'this resource needs repair') = 0
)
ARRAY JOIN
    `scope_spans.spans.trace_id` AS trace_id,
    `scope_spans.spans.span_id` AS span_id,
    `scope_spans.spans.trace_state` AS trace_state,
    `scope_spans.spans.parent_span_id` AS parent_span_id,
    `scope_spans.spans.name` AS name,
    `scope_spans.spans.kind` AS kind,
    `scope_spans.spans.start_time_unix_nano` AS start_time,
    `scope_spans.spans.end_time_unix_nano` AS end_time,
    `scope_spans.spans.attributes` AS attributes,
    `scope_spans.spans.events` AS events,
    `scope_spans.spans.links` AS links,
    `scope_spans.spans.status.message` AS status_message,
    `scope_spans.spans.status.code` AS status_code
WHERE throwIf(
    length(trace_id) != 16
    OR length(span_id) != 8
    OR length(parent_span_id) NOT IN (0, 8)
    OR trace_id = unhex('00000000000000000000000000000000')
    OR span_id = unhex('0000000000000000')
    OR start_time = 0
    OR start_time >= 4294967296000000000
    OR length(attributes.key) != arrayUniq(attributes.key)
    OR has(attributes.value.value, 6)
    OR arrayExists(kinds_of_values -> arrayExists(v -> v != 1, kinds_of_values), attributes.value.array_value.values.value)
    OR arrayExists(keys -> length(keys) != arrayUniq(keys), events.attributes.key)
    OR arrayExists(kinds_of_values -> hasAny(kinds_of_values, [5, 6]), events.attributes.value.value)
    OR arrayExists(keys -> length(keys) != arrayUniq(keys), links.attributes.key)
    OR arrayExists(kinds_of_values -> hasAny(kinds_of_values, [5, 6]), links.attributes.value.value),
    'this span needs repair') = 0;

CREATE MATERIALIZED VIEW IF NOT EXISTS otlp_logs_private_mv TO otel_logs_private AS
WITH if(happened = 0, observed, happened) AS at
SELECT
    if(at = 0, now64(9), fromUnixTimestamp64Nano(reinterpretAsInt64(at))) AS Timestamp,
    if(trace_id = unhex('00000000000000000000000000000000'), '', lower(hex(trace_id))) AS TraceId,
    if(span_id = unhex('0000000000000000'), '', lower(hex(span_id))) AS SpanId,
    toUInt8(bitAnd(flags, 255)) AS TraceFlags,
    severity_text AS SeverityText,
    if(severity BETWEEN 0 AND 255, toUInt8(severity), 0) AS SeverityNumber,
    resource['service.name'] AS ServiceName,
    multiIf(
        body.value = 1, body.string_value,
        body.value = 2, toString(body.bool_value),
        body.value = 3, toString(body.int_value),
        body.value = 4, replaceRegexpOne(transform(toString(body.double_value), ['inf', '-inf', 'nan'], ['Infinity', '-Infinity', 'NaN'], toString(body.double_value)), 'e([0-9])', 'e+\\1'),
        body.value = 5, toJSONString(body.array_value.values.string_value),
        body.value = 7, base64Encode(body.bytes_value),
        '') AS Body,
    schema_url AS ResourceSchemaUrl,
    resource AS ResourceAttributes,
    scope_url AS ScopeSchemaUrl,
    scope_name AS ScopeName,
    scope_version AS ScopeVersion,
    scope AS ScopeAttributes,
    CAST(arrayMap(a -> (a.key, multiIf(
        a.value.value = 1, a.value.string_value,
        a.value.value = 2, toString(a.value.bool_value),
        a.value.value = 3, toString(a.value.int_value),
        a.value.value = 4, replaceRegexpOne(transform(toString(a.value.double_value), ['inf', '-inf', 'nan'], ['Infinity', '-Infinity', 'NaN'], toString(a.value.double_value)), 'e([0-9])', 'e+\\1'),
        a.value.value = 5, toJSONString(a.value.array_value.values.string_value),
        a.value.value = 7, base64Encode(a.value.bytes_value),
        '')), attributes), 'Map(LowCardinality(String), String)') AS LogAttributes,
    event_name AS EventName,
    request_id,
    request_items,
    policy_id, policy_key_ids, policy_keys
FROM (
    SELECT `policy.id` AS policy_id, `policy.key_ids` AS policy_key_ids, `policy.keys` AS policy_keys,
        `receipt.id` AS request_id, `receipt.items` AS request_items, schema_url,
        CAST(arrayMap(a -> (a.key, multiIf(
            a.value.value = 1, a.value.string_value,
            a.value.value = 2, toString(a.value.bool_value),
            a.value.value = 3, toString(a.value.int_value),
            a.value.value = 4, replaceRegexpOne(transform(toString(a.value.double_value), ['inf', '-inf', 'nan'], ['Infinity', '-Infinity', 'NaN'], toString(a.value.double_value)), 'e([0-9])', 'e+\\1'),
            a.value.value = 5, toJSONString(a.value.array_value.values.string_value),
            a.value.value = 7, base64Encode(a.value.bytes_value),
            '')), `resource.attributes`), 'Map(LowCardinality(String), String)') AS resource,
        CAST(arrayMap(a -> (a.key, multiIf(
            a.value.value = 1, a.value.string_value,
            a.value.value = 2, toString(a.value.bool_value),
            a.value.value = 3, toString(a.value.int_value),
            a.value.value = 4, replaceRegexpOne(transform(toString(a.value.double_value), ['inf', '-inf', 'nan'], ['Infinity', '-Infinity', 'NaN'], toString(a.value.double_value)), 'e([0-9])', 'e+\\1'),
            a.value.value = 7, base64Encode(a.value.bytes_value),
            '')), `scope_logs.scope`.attributes), 'Map(LowCardinality(String), String)') AS scope,
        `scope_logs.schema_url` AS scope_url, `scope_logs.scope`.name AS scope_name, `scope_logs.scope`.version AS scope_version,
        `scope_logs.log_records.time_unix_nano`,
        `scope_logs.log_records.observed_time_unix_nano`,
        `scope_logs.log_records.severity_number`,
        `scope_logs.log_records.severity_text`,
        `scope_logs.log_records.event_name`,
        `scope_logs.log_records.flags`,
        `scope_logs.log_records.trace_id`,
        `scope_logs.log_records.span_id`,
        `scope_logs.log_records.body`,
        `scope_logs.log_records.attributes`
    FROM otlp_logs_private_in
    WHERE throwIf(
        deprecated
        OR length(`resource.attributes`.key) != arrayUniq(`resource.attributes`.key)
        OR has(`resource.attributes`.value.value, 6)
        OR arrayExists(kinds_of_values -> arrayExists(v -> v != 1, kinds_of_values), `resource.attributes`.value.array_value.values.value)
        OR length(`scope_logs.scope`.attributes.key) != arrayUniq(`scope_logs.scope`.attributes.key)
        OR hasAny(`scope_logs.scope`.attributes.value.value, [5, 6]),
        'this resource or scope needs repair') = 0
)
ARRAY JOIN
    `scope_logs.log_records.time_unix_nano` AS happened,
    `scope_logs.log_records.observed_time_unix_nano` AS observed,
    `scope_logs.log_records.severity_number` AS severity,
    `scope_logs.log_records.severity_text` AS severity_text,
    `scope_logs.log_records.event_name` AS event_name,
    `scope_logs.log_records.flags` AS flags,
    `scope_logs.log_records.trace_id` AS trace_id,
    `scope_logs.log_records.span_id` AS span_id,
    `scope_logs.log_records.body` AS body,
    `scope_logs.log_records.attributes` AS attributes
WHERE throwIf(
    length(trace_id) NOT IN (0, 16)
    OR length(span_id) NOT IN (0, 8)
    OR at >= 4294967296000000000
    OR body.value = 6
    OR arrayExists(v -> v != 1, body.array_value.values.value)
    OR length(attributes.key) != arrayUniq(attributes.key)
    OR has(attributes.value.value, 6)
    OR arrayExists(kinds_of_values -> arrayExists(v -> v != 1, kinds_of_values), attributes.value.array_value.values.value),
    'this record needs repair') = 0;

CREATE MATERIALIZED VIEW IF NOT EXISTS otlp_metrics_private_mv TO otlp_metric_points_private AS
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
    request_items,
    policy_id, policy_key_ids, policy_keys
FROM (
    SELECT policy_id, policy_key_ids, policy_keys, request_id, request_items, resource_url, resource, scope_url, scope_name, scope_version, scope, scope_dropped,
        kind, name, description, unit, greatest(sum_temporality, histogram_temporality, exponential_temporality) AS temporality, monotonic,
        arrayConcat(gauge_points, sum_points) AS numbers,
        length(numbers) + length(histogram_points) + length(exponential_points) + length(summary_points) AS points,
        arrayResize(numbers, points) AS all_numbers,
        arrayResize(histogram_points, points) AS all_histograms,
        arrayResize(exponential_points, points) AS all_exponentials,
        arrayResize(summary_points, points) AS all_summaries
    FROM (
        SELECT `policy.id` AS policy_id, `policy.key_ids` AS policy_key_ids, `policy.keys` AS policy_keys,
            `receipt.id` AS request_id, `receipt.items` AS request_items, schema_url AS resource_url,
            CAST(arrayMap(a -> (a.key, multiIf(
                a.value.value = 1, a.value.string_value,
                a.value.value = 2, a.value.bool_value,
                a.value.value = 3, a.value.int_value,
                a.value.value = 4, replaceRegexpOne(transform(a.value.double_value, ['inf', '-inf', 'nan'], ['Infinity', '-Infinity', 'NaN'], a.value.double_value), 'e([0-9])', 'e+\\1'),
                a.value.value = 5, toJSONString(a.value.array_value.values.string_value),
                a.value.value = 7, base64Encode(a.value.bytes_value),
                '')), `resource.attributes`), 'Map(LowCardinality(String), String)') AS resource,
            `scope_metrics.schema_url` AS scope_url, `scope_metrics.scope`.name AS scope_name, `scope_metrics.scope`.version AS scope_version,
            CAST(arrayMap(a -> (a.key, multiIf(
                a.value.value = 1, a.value.string_value,
                a.value.value = 2, a.value.bool_value,
                a.value.value = 3, a.value.int_value,
                a.value.value = 4, replaceRegexpOne(transform(a.value.double_value, ['inf', '-inf', 'nan'], ['Infinity', '-Infinity', 'NaN'], a.value.double_value), 'e([0-9])', 'e+\\1'),
                a.value.value = 7, base64Encode(a.value.bytes_value),
                '')), `scope_metrics.scope`.attributes), 'Map(LowCardinality(String), String)') AS scope,
            `scope_metrics.scope`.dropped_attributes_count AS scope_dropped,
            `scope_metrics.metrics.name` AS names,
            `scope_metrics.metrics.description` AS descriptions,
            `scope_metrics.metrics.unit` AS units,
            `scope_metrics.metrics.data` AS kinds,
            `scope_metrics.metrics.sum.aggregation_temporality` AS sum_temporalities,
            `scope_metrics.metrics.sum.is_monotonic` AS monotonics,
            `scope_metrics.metrics.histogram.aggregation_temporality` AS histogram_temporalities,
            `scope_metrics.metrics.exponential_histogram.aggregation_temporality` AS exponential_temporalities,
            `scope_metrics.metrics.gauge.data_points` AS gauges,
            `scope_metrics.metrics.sum.data_points` AS sums,
            `scope_metrics.metrics.histogram.data_points` AS histograms,
            `scope_metrics.metrics.exponential_histogram.data_points` AS exponentials,
            `scope_metrics.metrics.summary.data_points` AS summaries
        FROM otlp_metrics_private_in
        WHERE throwIf(
            deprecated
            OR length(`resource.attributes`.key) != arrayUniq(`resource.attributes`.key)
            OR has(`resource.attributes`.value.value, 6)
            OR arrayExists(kinds_of_values -> arrayExists(v -> v != 1, kinds_of_values), `resource.attributes`.value.array_value.values.value)
            OR has(kinds, 0)
            OR length(`scope_metrics.scope`.attributes.key) != arrayUniq(`scope_metrics.scope`.attributes.key)
            OR hasAny(`scope_metrics.scope`.attributes.value.value, [5, 6]),
            'this resource or scope needs repair') = 0
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
