-- Every row that came in as OTLP names its request and how many rows that request has: the rows are the ledger by which
-- a request sent again is recognised, and one that was stored in part is found. Empty for rows other programs wrote.
ALTER TABLE otel_traces
    ADD COLUMN IF NOT EXISTS request_id String CODEC(ZSTD(1)) COMMENT 'export request the row came in, empty when another program wrote it',
    ADD COLUMN IF NOT EXISTS request_items UInt32 CODEC(ZSTD(1)) COMMENT 'rows of that request';

ALTER TABLE otlp_traces_in
    ADD COLUMN IF NOT EXISTS `receipts.id` Array(String) COMMENT 'request, once for each of its resources',
    ADD COLUMN IF NOT EXISTS `receipts.items` Array(UInt32) COMMENT 'rows of that request';

DROP VIEW IF EXISTS otlp_traces_mv;

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
    request_id, request_items
FROM (
    SELECT resource, request_id, request_items, scope_name, scope_version,
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
            request_id, request_items, scope_name, scope_version, trace_ids, span_ids, trace_states, parents, names, kinds, starts,
            ends, attribute_lists, event_lists, link_lists, messages, codes
        FROM (
            SELECT resource_attributes, request_id, request_items, scope_name, scope_version, trace_ids, span_ids, trace_states, parents, names, kinds,
                starts, ends, attribute_lists, event_lists, link_lists, messages, codes
            FROM otlp_traces_in
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
