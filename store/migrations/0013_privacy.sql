-- Privacy before the first disk write: with a policy, requests come in by tables of their own. Everything they pass through
-- is a Null table; what reaches a real one has been through the rules. Without a policy nobody comes here.
CREATE TABLE IF NOT EXISTS privacy_rules (
    policy String COMMENT 'hash of the whole policy; the newest one holds',
    kind LowCardinality(String) COMMENT 'attributes and names that are kept; special, tokens, urls, statements, texts among the attributes; bodies; keys',
    pattern String COMMENT 'regular expression of whole names; for bodies keep, mask or drop; for keys their names',
    known_at DateTime64(6, 'UTC') COMMENT 'since when the policy holds'
) ENGINE = MergeTree
ORDER BY (known_at, policy, kind)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1,
    min_rows_to_fsync_after_merge = 1, min_compressed_bytes_to_fsync_after_merge = 1, old_parts_lifetime = 480;

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

-- Decoded and not yet private: nothing is stored here.
CREATE TABLE IF NOT EXISTS otel_traces_private AS otel_traces ENGINE = Null;

ALTER TABLE otel_traces_private
    ADD COLUMN IF NOT EXISTS policy_id String COMMENT 'policy that the receiver relies on',
    ADD COLUMN IF NOT EXISTS policy_key_ids Array(String) COMMENT 'names of the keys of tokens, the newest first',
    ADD COLUMN IF NOT EXISTS policy_keys Array(String) COMMENT 'the keys';

CREATE TABLE IF NOT EXISTS otel_logs_private AS otel_logs ENGINE = Null;

ALTER TABLE otel_logs_private
    ADD COLUMN IF NOT EXISTS policy_id String COMMENT 'policy that the receiver relies on',
    ADD COLUMN IF NOT EXISTS policy_key_ids Array(String) COMMENT 'names of the keys of tokens, the newest first',
    ADD COLUMN IF NOT EXISTS policy_keys Array(String) COMMENT 'the keys';

CREATE TABLE IF NOT EXISTS otlp_metric_points_private AS otlp_metric_points;

ALTER TABLE otlp_metric_points_private
    ADD COLUMN IF NOT EXISTS policy_id String COMMENT 'policy that the receiver relies on',
    ADD COLUMN IF NOT EXISTS policy_key_ids Array(String) COMMENT 'names of the keys of tokens, the newest first',
    ADD COLUMN IF NOT EXISTS policy_keys Array(String) COMMENT 'the keys';

-- The three views below decode as those of 0010, 0011 and 0012 do, and carry the policy along. Two texts are the price for
-- an open path that costs nothing: one text for both would be planned longer by a third.
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
        a.value.value = 2, a.value.bool_value,
        a.value.value = 3, a.value.int_value,
        a.value.value = 4, replaceRegexpOne(transform(a.value.double_value, ['inf', '-inf', 'nan'], ['Infinity', '-Infinity', 'NaN'], a.value.double_value), 'e([0-9])', 'e+\\1'),
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
        a.value.value = 2, a.value.bool_value,
        a.value.value = 3, a.value.int_value,
        a.value.value = 4, replaceRegexpOne(transform(a.value.double_value, ['inf', '-inf', 'nan'], ['Infinity', '-Infinity', 'NaN'], a.value.double_value), 'e([0-9])', 'e+\\1'),
        a.value.value = 7, base64Encode(a.value.bytes_value),
        '')), pairs), 'Map(LowCardinality(String), String)'), events.attributes) AS `Events.Attributes`,
    arrayMap(id -> if(id = unhex('00000000000000000000000000000000'), '', lower(hex(id))), links.trace_id) AS `Links.TraceId`,
    arrayMap(id -> if(id = unhex('0000000000000000'), '', lower(hex(id))), links.span_id) AS `Links.SpanId`,
    links.trace_state AS `Links.TraceState`,
    arrayMap(pairs -> CAST(arrayMap(a -> (a.key, multiIf(
        a.value.value = 1, a.value.string_value,
        a.value.value = 2, a.value.bool_value,
        a.value.value = 3, a.value.int_value,
        a.value.value = 4, replaceRegexpOne(transform(a.value.double_value, ['inf', '-inf', 'nan'], ['Infinity', '-Infinity', 'NaN'], a.value.double_value), 'e([0-9])', 'e+\\1'),
        a.value.value = 7, base64Encode(a.value.bytes_value),
        '')), pairs), 'Map(LowCardinality(String), String)'), links.attributes) AS `Links.Attributes`,
    request_id, request_items, policy_id, policy_key_ids, policy_keys
FROM (
    SELECT resource, policy_id, policy_key_ids, policy_keys, request_id, request_items, scope_name, scope_version,
        trace_ids AS trace_id, span_ids AS span_id, trace_states AS trace_state, parents AS parent_span_id, names AS name,
        kinds AS kind, starts AS start_time, ends AS end_time, attribute_lists AS attributes, event_lists AS events,
        link_lists AS links, messages AS status_message, codes AS status_code
    FROM (
        SELECT
            CAST(arrayMap(a -> (a.key, multiIf(
                a.value.value = 1, a.value.string_value,
                a.value.value = 2, a.value.bool_value,
                a.value.value = 3, a.value.int_value,
                a.value.value = 4, replaceRegexpOne(transform(a.value.double_value, ['inf', '-inf', 'nan'], ['Infinity', '-Infinity', 'NaN'], a.value.double_value), 'e([0-9])', 'e+\\1'),
                a.value.value = 5, toJSONString(a.value.array_value.values.string_value),
                a.value.value = 7, base64Encode(a.value.bytes_value),
                '')), resource_attributes), 'Map(LowCardinality(String), String)') AS resource,
            policy_id, policy_key_ids, policy_keys, request_id, request_items, scope_name, scope_version, trace_ids, span_ids, trace_states, parents, names, kinds, starts,
            ends, attribute_lists, event_lists, link_lists, messages, codes
        FROM (
            SELECT `policy.id` AS policy_id, `policy.key_ids` AS policy_key_ids, `policy.keys` AS policy_keys,
                resource_attributes, request_id, request_items, scope_name, scope_version, trace_ids, span_ids, trace_states, parents, names, kinds,
                starts, ends, attribute_lists, event_lists, link_lists, messages, codes
            FROM otlp_traces_private_in
            ARRAY JOIN
                `resource_spans.resource.attributes` AS resource_attributes,
                `resource_spans.deprecated_spans` AS deprecated_spans,
                `receipts.id` AS request_id,
                `receipts.items` AS request_items,
                `resource_spans.scope_spans.scope.name` AS scope_name,
                `resource_spans.scope_spans.scope.version` AS scope_version,
                `resource_spans.scope_spans.spans.trace_id` AS trace_ids,
                `resource_spans.scope_spans.spans.span_id` AS span_ids,
                `resource_spans.scope_spans.spans.trace_state` AS trace_states,
                `resource_spans.scope_spans.spans.parent_span_id` AS parents,
                `resource_spans.scope_spans.spans.name` AS names,
                `resource_spans.scope_spans.spans.kind` AS kinds,
                `resource_spans.scope_spans.spans.start_time_unix_nano` AS starts,
                `resource_spans.scope_spans.spans.end_time_unix_nano` AS ends,
                `resource_spans.scope_spans.spans.attributes` AS attribute_lists,
                `resource_spans.scope_spans.spans.events` AS event_lists,
                `resource_spans.scope_spans.spans.links` AS link_lists,
                `resource_spans.scope_spans.spans.status.message` AS messages,
                `resource_spans.scope_spans.spans.status.code` AS codes
            WHERE throwIf(
                notEmpty(deprecated_spans)
                OR length(resource_attributes.key) != arrayUniq(resource_attributes.key)
                OR has(resource_attributes.value.value, 6)
                OR arrayExists(kinds_of_values -> arrayExists(v -> v != 1, kinds_of_values), resource_attributes.value.array_value.values.value),
                'this resource needs repair') = 0
        )
        ARRAY JOIN scope_name, scope_version, trace_ids, span_ids, trace_states, parents, names, kinds, starts, ends,
            attribute_lists, event_lists, link_lists, messages, codes
    )
    ARRAY JOIN trace_ids, span_ids, trace_states, parents, names, kinds, starts, ends, attribute_lists, event_lists,
        link_lists, messages, codes
)
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
    request_items,
    policy_id, policy_key_ids, policy_keys
FROM (
    SELECT policy_id, policy_key_ids, policy_keys, request_id, request_items, resource_url, resource, scope_url, scope_name, scope_version,
        CAST(arrayMap(a -> (a.key, multiIf(
            a.value.value = 1, a.value.string_value,
            a.value.value = 2, a.value.bool_value,
            a.value.value = 3, a.value.int_value,
            a.value.value = 4, replaceRegexpOne(transform(a.value.double_value, ['inf', '-inf', 'nan'], ['Infinity', '-Infinity', 'NaN'], a.value.double_value), 'e([0-9])', 'e+\\1'),
            a.value.value = 7, base64Encode(a.value.bytes_value),
            '')), scope_attributes), 'Map(LowCardinality(String), String)') AS scope,
        times, seen, severities, texts, event_names, all_flags, trace_ids, span_ids, bodies, attribute_lists
    FROM (
        SELECT `policy.id` AS policy_id, `policy.key_ids` AS policy_key_ids, `policy.keys` AS policy_keys,
            request_id, request_items, resource_url,
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
        FROM otlp_logs_private_in
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
        SELECT policy_id, policy_key_ids, policy_keys, request_id, request_items, resource_url, resource, scope_url, scope_name, scope_version, scope_dropped,
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
            SELECT `policy.id` AS policy_id, `policy.key_ids` AS policy_key_ids, `policy.keys` AS policy_keys,
                request_id, request_items, resource_url,
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
            FROM otlp_metrics_private_in
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

-- Functions of this file only: the engine writes them out in the views that use them.
-- Of a free text only plain words in small letters and names of error classes stay. From the first quotation mark to the last
-- everything goes, as what stands between two of them may be the quotation; and to the end, when there is only one.
CREATE OR REPLACE FUNCTION private_text AS (text) -> arrayStringConcat(
    arrayMap(
        word -> if(match(word, '^(?:[a-z]+|(?:[a-z_]+[.])*[A-Z][A-Za-z]*(?:Error|Exception|Warning|Timeout|Failure))[.,:;!?]*$'), word, '?'),
        splitByWhitespace(replaceRegexpOne(text, '(?s)(?:(?:^|[^\\p{L}])\'|["`]|“|„|‟|‘|‚|«|‹|»|›)(?:.*(?:[\'"`]|“|”|‟|’|«|»|‹|›)|.*$)', ' ? '))),
    ' ');

-- A token for each element and key: while two keys hold, what is stored meets what came before and what comes after.
CREATE OR REPLACE FUNCTION private_token AS (value, ids, keys) -> arrayMap(
    tokens -> multiIf(empty(tokens), '', length(tokens) = 1, tokens[1], toJSONString(tokens)),
    [arrayFlatten(arrayMap(
        text -> arrayMap((id, key) -> concat(id, ':', lower(hex(substring(HMAC('sha256', text, key), 1, 16)))), ids, keys),
        arrayFilter(
            text -> text != '',
            arrayMap(
                text -> replaceRegexpAll(text, '^[\\s\\p{Z}]+|[\\s\\p{Z}]+$', ''),
                if(startsWith(value, '[') AND isValidJSON(value), JSONExtract(value, 'Array(String)'), [value])))))])[1];

-- Scheme and host, when the host is a name; no user, port, path, query.
CREATE OR REPLACE FUNCTION private_url AS (url) -> replaceRegexpOne(
    extract(
        replaceRegexpOne(url, '^([a-z]+://)[^/?#@]*@', '\\1'),
        '^((?:https?|wss?|ftps?|sftp|grpcs?|amqps?|mqtts?|kafka|redis|postgres|postgresql|mysql|mongodb)://[A-Za-z0-9._-]+)(?::[0-9]+)?(?:[/?#].*)?$'),
    '://[0-9.]+$', '://?');

-- A statement without its literals. What quotes in a way that dialects read differently is withheld.
CREATE OR REPLACE FUNCTION private_statement AS (statement) -> if(
    match(statement, '(?i)^\\s*(?:SELECT|INSERT|UPDATE|DELETE|WITH|MERGE|REPLACE|CALL|EXEC|EXECUTE)\\s')
    AND NOT match(statement, '\\\\|[$][$A-Za-z_]|#|`[^`]*[^A-Za-z0-9_`][^`]*`'),
    normalizeQuery(replaceRegexpAll(
        statement, '(?s)\'(?:[^\']|\'\')*\'|"(?:[^"]|"")*"|/[*].*?[*]/|--[^\\n]*', '\'?\'')),
    '(withheld)');

CREATE OR REPLACE FUNCTION private_value AS (name, value, rules, ids, keys) -> multiIf(
    match(name, rules['tokens']), private_token(value, ids, keys),
    match(name, rules['urls']), private_url(value),
    match(name, rules['statements']), private_statement(value),
    match(name, rules['texts']), private_text(value),
    '');

CREATE OR REPLACE FUNCTION private_map AS (attributes, rules, ids, keys) -> CAST(
    mapApply(
        (name, value) -> (name, if(match(name, rules['special']), private_value(name, value, rules, ids, keys), value)),
        mapFilter((name, value) -> match(name, rules['attributes']), attributes)),
    'Map(LowCardinality(String), String)');

CREATE OR REPLACE FUNCTION private_name AS (name, rules) -> if(name = '' OR match(name, rules['names']), name, '(withheld)');

CREATE OR REPLACE FUNCTION private_schema AS (url) -> if(match(url, '^https://opentelemetry[.]io/schemas/[0-9]+[.][0-9]+[.][0-9]+$'), url, '');

-- An id that is longer or shorter is none.
CREATE OR REPLACE FUNCTION private_id AS (id, digits) -> if(length(id) = digits, id, '');

-- A receiver with another policy than the newest in the store, or with none, stores nothing.
CREATE MATERIALIZED VIEW IF NOT EXISTS otel_traces_private_mv TO otel_traces AS
WITH
    (
        SELECT CAST(groupArray((kind, pattern)), 'Map(String, String)')
        FROM privacy_rules
        WHERE (known_at, policy) = (SELECT max((known_at, policy)) FROM privacy_rules)
    ) AS rules,
    private_map(p.ResourceAttributes, rules, p.policy_key_ids, p.policy_keys) AS resource
SELECT
    p.Timestamp AS Timestamp,
    p.TraceId AS TraceId,
    p.SpanId AS SpanId,
    p.ParentSpanId AS ParentSpanId,
    '' AS TraceState,
    private_name(p.SpanName, rules) AS SpanName,
    if(p.SpanKind IN ('Internal', 'Server', 'Client', 'Producer', 'Consumer'), p.SpanKind, 'Unspecified') AS SpanKind,
    resource['service.name'] AS ServiceName,
    resource AS ResourceAttributes,
    private_name(p.ScopeName, rules) AS ScopeName,
    '' AS ScopeVersion,
    private_map(p.SpanAttributes, rules, p.policy_key_ids, p.policy_keys) AS SpanAttributes,
    p.Duration AS Duration,
    if(p.StatusCode IN ('Ok', 'Error'), p.StatusCode, 'Unset') AS StatusCode,
    '' AS StatusMessage,
    p.`Events.Timestamp` AS `Events.Timestamp`,
    arrayMap(event -> private_name(event, rules), p.`Events.Name`) AS `Events.Name`,
    arrayMap(pairs -> private_map(pairs, rules, p.policy_key_ids, p.policy_keys), p.`Events.Attributes`) AS `Events.Attributes`,
    arrayMap(id -> private_id(id, 32), p.`Links.TraceId`) AS `Links.TraceId`,
    arrayMap(id -> private_id(id, 16), p.`Links.SpanId`) AS `Links.SpanId`,
    arrayMap(state -> '', p.`Links.TraceState`) AS `Links.TraceState`,
    arrayMap(pairs -> private_map(pairs, rules, p.policy_key_ids, p.policy_keys), p.`Links.Attributes`) AS `Links.Attributes`,
    p.request_id AS request_id,
    p.request_items AS request_items
FROM otel_traces_private AS p
WHERE throwIf(p.policy_id = '' OR p.policy_id != rules['policy'], 'another privacy policy holds in this store') = 0;

CREATE MATERIALIZED VIEW IF NOT EXISTS otel_logs_private_mv TO otel_logs AS
WITH
    (
        SELECT CAST(groupArray((kind, pattern)), 'Map(String, String)')
        FROM privacy_rules
        WHERE (known_at, policy) = (SELECT max((known_at, policy)) FROM privacy_rules)
    ) AS rules,
    private_map(p.ResourceAttributes, rules, p.policy_key_ids, p.policy_keys) AS resource
SELECT
    p.Timestamp AS Timestamp,
    p.TraceId AS TraceId,
    p.SpanId AS SpanId,
    p.TraceFlags AS TraceFlags,
    if(match(p.SeverityText, '(?i)^(?:(?:trace|debug|info|warn|error|fatal)[1-4]?|verbose|information|notice|warning|err|severe|critical|crit|alert|emerg|emergency|panic)$'),
        p.SeverityText, '') AS SeverityText,
    p.SeverityNumber AS SeverityNumber,
    resource['service.name'] AS ServiceName,
    multiIf(rules['bodies'] = 'keep', p.Body, rules['bodies'] = 'mask', private_text(p.Body), '') AS Body,
    private_schema(p.ResourceSchemaUrl) AS ResourceSchemaUrl,
    resource AS ResourceAttributes,
    private_schema(p.ScopeSchemaUrl) AS ScopeSchemaUrl,
    private_name(p.ScopeName, rules) AS ScopeName,
    '' AS ScopeVersion,
    private_map(p.ScopeAttributes, rules, p.policy_key_ids, p.policy_keys) AS ScopeAttributes,
    private_map(p.LogAttributes, rules, p.policy_key_ids, p.policy_keys) AS LogAttributes,
    private_name(p.EventName, rules) AS EventName,
    p.request_id AS request_id,
    p.request_items AS request_items
FROM otel_logs_private AS p
WHERE throwIf(p.policy_id = '' OR p.policy_id != rules['policy'], 'another privacy policy holds in this store') = 0;

-- Points go on to the tables of their kinds. Of the tuples those views read numbers only.
CREATE MATERIALIZED VIEW IF NOT EXISTS otlp_metric_points_private_mv TO otlp_metric_points AS
WITH
    (
        SELECT CAST(groupArray((kind, pattern)), 'Map(String, String)')
        FROM privacy_rules
        WHERE (known_at, policy) = (SELECT max((known_at, policy)) FROM privacy_rules)
    ) AS rules,
    private_map(p.ResourceAttributes, rules, p.policy_key_ids, p.policy_keys) AS resource
SELECT
    p.kind AS kind,
    resource AS ResourceAttributes,
    private_schema(p.ResourceSchemaUrl) AS ResourceSchemaUrl,
    private_name(p.ScopeName, rules) AS ScopeName,
    '' AS ScopeVersion,
    private_map(p.ScopeAttributes, rules, p.policy_key_ids, p.policy_keys) AS ScopeAttributes,
    p.ScopeDroppedAttrCount AS ScopeDroppedAttrCount,
    private_schema(p.ScopeSchemaUrl) AS ScopeSchemaUrl,
    resource['service.name'] AS ServiceName,
    private_name(p.MetricName, rules) AS MetricName,
    '' AS MetricDescription,
    if(match(p.MetricUnit, '^(?:1|%|[munp]?s|min|h|d|[kKMGT]?i?By|[kKMGT]?i?bit|Hz|Cel|[kmc]?m|[km]?g|[kMm]?W|[mk]?V|m?A)(?:/s|/min|/h)?$'), p.MetricUnit, '') AS MetricUnit,
    private_map(p.Attributes, rules, p.policy_key_ids, p.policy_keys) AS Attributes,
    p.StartTimeUnix AS StartTimeUnix,
    p.TimeUnix AS TimeUnix,
    bitAnd(p.Flags, 1) AS Flags,
    if(p.AggregationTemporality IN (1, 2), p.AggregationTemporality, 0) AS AggregationTemporality,
    p.IsMonotonic AS IsMonotonic,
    arrayMap(pairs -> private_map(pairs, rules, p.policy_key_ids, p.policy_keys), p.`Exemplars.FilteredAttributes`) AS `Exemplars.FilteredAttributes`,
    p.`Exemplars.TimeUnix` AS `Exemplars.TimeUnix`,
    p.`Exemplars.Value` AS `Exemplars.Value`,
    arrayMap(id -> private_id(id, 16), p.`Exemplars.SpanId`) AS `Exemplars.SpanId`,
    arrayMap(id -> private_id(id, 32), p.`Exemplars.TraceId`) AS `Exemplars.TraceId`,
    p.number_point AS number_point,
    p.histogram_point AS histogram_point,
    p.exponential_point AS exponential_point,
    p.summary_point AS summary_point,
    p.request_id AS request_id,
    p.request_items AS request_items
FROM otlp_metric_points_private AS p
WHERE throwIf(p.policy_id = '' OR p.policy_id != rules['policy'], 'another privacy policy holds in this store') = 0;

DROP FUNCTION IF EXISTS private_map;

DROP FUNCTION IF EXISTS private_value;

DROP FUNCTION IF EXISTS private_text;

DROP FUNCTION IF EXISTS private_token;

DROP FUNCTION IF EXISTS private_url;

DROP FUNCTION IF EXISTS private_statement;

DROP FUNCTION IF EXISTS private_name;

DROP FUNCTION IF EXISTS private_schema;

DROP FUNCTION IF EXISTS private_id;
