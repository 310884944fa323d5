-- Logs in the shape of the OpenTelemetry Collector's ClickHouse exporter (released generation), plus known_at and the
-- request. The indexes are those of engines without full-text search, so that every server takes them.
CREATE TABLE IF NOT EXISTS otel_logs (
    Timestamp DateTime64(9) CODEC(Delta(8), ZSTD(1)) COMMENT 'when it happened, else when it was seen, else when it was stored, UTC',
    TraceId String CODEC(ZSTD(1)) COMMENT '32 lower-case hex digits, empty outside of traces',
    SpanId String CODEC(ZSTD(1)) COMMENT '16 lower-case hex digits, empty outside of spans',
    TraceFlags UInt8 COMMENT 'W3C trace flags',
    SeverityText LowCardinality(String) CODEC(ZSTD(1)) COMMENT 'level as the program names it',
    SeverityNumber UInt8 COMMENT '1 to 24, 0 when not known',
    ServiceName LowCardinality(String) CODEC(ZSTD(1)) COMMENT 'service.name of the resource',
    Body String CODEC(ZSTD(1)) COMMENT 'the message; JSON when it is a list or a map',
    ResourceSchemaUrl LowCardinality(String) CODEC(ZSTD(1)) COMMENT 'schema of the resource attributes',
    ResourceAttributes Map(LowCardinality(String), String) CODEC(ZSTD(1)) COMMENT 'resource attributes',
    ScopeSchemaUrl LowCardinality(String) CODEC(ZSTD(1)) COMMENT 'schema of scope and log attributes',
    ScopeName String CODEC(ZSTD(1)) COMMENT 'instrumentation scope, usually the logger',
    ScopeVersion LowCardinality(String) CODEC(ZSTD(1)) COMMENT 'its version',
    ScopeAttributes Map(LowCardinality(String), String) CODEC(ZSTD(1)) COMMENT 'its attributes',
    LogAttributes Map(LowCardinality(String), String) CODEC(ZSTD(1)) COMMENT 'log attributes',
    EventName String CODEC(ZSTD(1)) COMMENT 'kind of event, empty for plain logs',
    -- The exporter stores these eight; read from the map they answer the same and cost nothing to write.
    `__otel_materialized_k8s.cluster.name` LowCardinality(String) ALIAS ResourceAttributes['k8s.cluster.name'] COMMENT 'resource attribute',
    `__otel_materialized_k8s.container.name` LowCardinality(String) ALIAS ResourceAttributes['k8s.container.name'] COMMENT 'resource attribute',
    `__otel_materialized_k8s.deployment.name` LowCardinality(String) ALIAS ResourceAttributes['k8s.deployment.name'] COMMENT 'resource attribute',
    `__otel_materialized_k8s.namespace.name` LowCardinality(String) ALIAS ResourceAttributes['k8s.namespace.name'] COMMENT 'resource attribute',
    `__otel_materialized_k8s.node.name` LowCardinality(String) ALIAS ResourceAttributes['k8s.node.name'] COMMENT 'resource attribute',
    `__otel_materialized_k8s.pod.name` LowCardinality(String) ALIAS ResourceAttributes['k8s.pod.name'] COMMENT 'resource attribute',
    `__otel_materialized_k8s.pod.uid` LowCardinality(String) ALIAS ResourceAttributes['k8s.pod.uid'] COMMENT 'resource attribute',
    `__otel_materialized_deployment.environment.name` LowCardinality(String) ALIAS ResourceAttributes['deployment.environment.name'] COMMENT 'resource attribute',
    known_at DateTime64(6, 'UTC') DEFAULT now64(6) CODEC(Delta, ZSTD(1)) COMMENT 'when tieout stored the record',
    request_id String CODEC(ZSTD(1)) COMMENT 'id of the export request the row came in, empty when another program wrote it',
    request_items UInt32 CODEC(ZSTD(1)) COMMENT 'records in that request',
    INDEX idx_trace_id TraceId TYPE bloom_filter(0.001) GRANULARITY 1,
    INDEX idx_res_attr_key mapKeys(ResourceAttributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_res_attr_value mapValues(ResourceAttributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_scope_attr_key mapKeys(ScopeAttributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_scope_attr_value mapValues(ScopeAttributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_log_attr_key mapKeys(LogAttributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_log_attr_value mapValues(LogAttributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_lower_body lower(Body) TYPE tokenbf_v1(32768, 3, 0) GRANULARITY 8,
    INDEX idx_known_at known_at TYPE minmax GRANULARITY 1
) ENGINE = MergeTree
PARTITION BY toDate(Timestamp)
ORDER BY (toStartOfFiveMinutes(Timestamp), ServiceName, Timestamp)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1,
    min_rows_to_fsync_after_merge = 1, min_compressed_bytes_to_fsync_after_merge = 1, old_parts_lifetime = 480;

-- Where OTLP bodies come in, as for traces (0007): columns are paths of fields, `value` is the number of the AnyValue field.
CREATE TABLE IF NOT EXISTS otlp_logs_in (
    `receipts.id` Array(String) COMMENT 'request that each resource came in',
    `receipts.items` Array(UInt32) COMMENT 'records in that request',
    `resource_logs.schema_url` Array(String) COMMENT 'schema of the resource attributes',
    `resource_logs.resource.attributes` Array(Array(Tuple(
        key String,
        value Tuple(value Int8, string_value String, bool_value String, int_value String, double_value String, bytes_value String,
            array_value Tuple(values Array(Tuple(value Int8, string_value String)))))))
        COMMENT 'attributes of each resource',
    `resource_logs.deprecated_logs` Array(Array(String)) COMMENT 'logs in the field that came before scope_logs',
    `resource_logs.scope_logs.schema_url` Array(Array(String)) COMMENT 'schema of scope and log attributes',
    `resource_logs.scope_logs.scope.name` Array(Array(String)) COMMENT 'instrumentation scope',
    `resource_logs.scope_logs.scope.version` Array(Array(String)) COMMENT 'its version',
    `resource_logs.scope_logs.scope.attributes` Array(Array(Array(Tuple(
        key String,
        value Tuple(value Int8, string_value String, bool_value String, int_value String, double_value String, bytes_value String)))))
        COMMENT 'attributes of each scope',
    `resource_logs.scope_logs.log_records.time_unix_nano` Array(Array(Array(UInt64))) COMMENT 'when it happened, 0 when unknown',
    `resource_logs.scope_logs.log_records.observed_time_unix_nano` Array(Array(Array(UInt64))) COMMENT 'when it was seen',
    `resource_logs.scope_logs.log_records.severity_number` Array(Array(Array(Int32))) COMMENT 'number of the severity',
    `resource_logs.scope_logs.log_records.severity_text` Array(Array(Array(String))) COMMENT 'level as the program names it',
    `resource_logs.scope_logs.log_records.event_name` Array(Array(Array(String))) COMMENT 'kind of event',
    `resource_logs.scope_logs.log_records.flags` Array(Array(Array(UInt32))) COMMENT 'the lowest byte are W3C trace flags',
    `resource_logs.scope_logs.log_records.trace_id` Array(Array(Array(String))) COMMENT '16 bytes, empty outside of traces',
    `resource_logs.scope_logs.log_records.span_id` Array(Array(Array(String))) COMMENT '8 bytes, empty outside of spans',
    `resource_logs.scope_logs.log_records.body` Array(Array(Array(
        Tuple(value Int8, string_value String, bool_value String, int_value String, double_value String, bytes_value String,
            array_value Tuple(values Array(Tuple(value Int8, string_value String)))))))
        COMMENT 'the message',
    `resource_logs.scope_logs.log_records.attributes` Array(Array(Array(Array(Tuple(
        key String,
        value Tuple(value Int8, string_value String, bool_value String, int_value String, double_value String, bytes_value String,
            array_value Tuple(values Array(Tuple(value Int8, string_value String)))))))))
        COMMENT 'attributes of each record'
) ENGINE = Null;

-- Text of values, and what is refused with error 395 and repaired by the receiver: as for traces (0007).
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
        body.value = 2, body.bool_value,
        body.value = 3, body.int_value,
        body.value = 4, replaceRegexpOne(transform(body.double_value, ['inf', '-inf', 'nan'], ['Infinity', '-Infinity', 'NaN'], body.double_value), 'e([0-9])', 'e+\\1'),
        body.value = 5, toJSONString(body.array_value.values.string_value),
        body.value = 7, base64Encode(body.bytes_value),
        '') AS Body,
    resource_url AS ResourceSchemaUrl,
    resource AS ResourceAttributes,
    scope_url AS ScopeSchemaUrl,
    scope_name AS ScopeName,
    scope_version AS ScopeVersion,
    scope AS ScopeAttributes,
    CAST(arrayMap(a -> (a.key, multiIf(
        a.value.value = 1, a.value.string_value,
        a.value.value = 2, a.value.bool_value,
        a.value.value = 3, a.value.int_value,
        a.value.value = 4, replaceRegexpOne(transform(a.value.double_value, ['inf', '-inf', 'nan'], ['Infinity', '-Infinity', 'NaN'], a.value.double_value), 'e([0-9])', 'e+\\1'),
        a.value.value = 5, toJSONString(a.value.array_value.values.string_value),
        a.value.value = 7, base64Encode(a.value.bytes_value),
        '')), attributes), 'Map(LowCardinality(String), String)') AS LogAttributes,
    event_name AS EventName,
    request_id,
    request_items
FROM (
    SELECT request_id, request_items, resource_url, resource, scope_url, scope_name, scope_version,
        CAST(arrayMap(a -> (a.key, multiIf(
            a.value.value = 1, a.value.string_value,
            a.value.value = 2, a.value.bool_value,
            a.value.value = 3, a.value.int_value,
            a.value.value = 4, replaceRegexpOne(transform(a.value.double_value, ['inf', '-inf', 'nan'], ['Infinity', '-Infinity', 'NaN'], a.value.double_value), 'e([0-9])', 'e+\\1'),
            a.value.value = 7, base64Encode(a.value.bytes_value),
            '')), scope_attributes), 'Map(LowCardinality(String), String)') AS scope,
        times, seen, severities, texts, event_names, all_flags, trace_ids, span_ids, bodies, attribute_lists
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
            scope_url, scope_name, scope_version, scope_attributes, times, seen, severities, texts, event_names, all_flags,
            trace_ids, span_ids, bodies, attribute_lists
        FROM otlp_logs_in
        ARRAY JOIN
            `receipts.id` AS request_id,
            `receipts.items` AS request_items,
            `resource_logs.schema_url` AS resource_url,
            `resource_logs.resource.attributes` AS resource_attributes,
            `resource_logs.deprecated_logs` AS deprecated_logs,
            `resource_logs.scope_logs.schema_url` AS scope_url,
            `resource_logs.scope_logs.scope.name` AS scope_name,
            `resource_logs.scope_logs.scope.version` AS scope_version,
            `resource_logs.scope_logs.scope.attributes` AS scope_attributes,
            `resource_logs.scope_logs.log_records.time_unix_nano` AS times,
            `resource_logs.scope_logs.log_records.observed_time_unix_nano` AS seen,
            `resource_logs.scope_logs.log_records.severity_number` AS severities,
            `resource_logs.scope_logs.log_records.severity_text` AS texts,
            `resource_logs.scope_logs.log_records.event_name` AS event_names,
            `resource_logs.scope_logs.log_records.flags` AS all_flags,
            `resource_logs.scope_logs.log_records.trace_id` AS trace_ids,
            `resource_logs.scope_logs.log_records.span_id` AS span_ids,
            `resource_logs.scope_logs.log_records.body` AS bodies,
            `resource_logs.scope_logs.log_records.attributes` AS attribute_lists
        WHERE throwIf(
            notEmpty(deprecated_logs)
            OR length(resource_attributes.key) != arrayUniq(resource_attributes.key)
            OR has(resource_attributes.value.value, 6)
            OR arrayExists(kinds_of_values -> arrayExists(v -> v != 1, kinds_of_values), resource_attributes.value.array_value.values.value),
            'this resource needs repair') = 0
    )
    ARRAY JOIN scope_url, scope_name, scope_version, scope_attributes, times, seen, severities, texts, event_names,
        all_flags, trace_ids, span_ids, bodies, attribute_lists
    WHERE throwIf(
        length(scope_attributes.key) != arrayUniq(scope_attributes.key)
        OR hasAny(scope_attributes.value.value, [5, 6]),
        'this scope needs repair') = 0
)
ARRAY JOIN times AS happened, seen AS observed, severities AS severity, texts AS severity_text, event_names AS event_name,
    all_flags AS flags, trace_ids AS trace_id, span_ids AS span_id, bodies AS body, attribute_lists AS attributes
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
