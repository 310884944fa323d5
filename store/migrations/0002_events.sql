-- Business steps reached, object-centric: one event may touch an order, three receipts and an invoice.
CREATE TABLE IF NOT EXISTS events (
    event_id String COMMENT 'stable identity: hash of source and natural key',
    workflow LowCardinality(String) COMMENT 'workflow file that gave the meaning',
    step LowCardinality(String) COMMENT 'step of the workflow',
    occurred_at DateTime64(6, 'UTC') COMMENT 'business time',
    known_at DateTime64(6, 'UTC') COMMENT 'when tieout learned it',
    objects Nested (type LowCardinality(String), key String, role LowCardinality(String)) COMMENT 'business objects touched',
    amount Nullable(Decimal(38, 6)) COMMENT 'money in the event, unknown when null',
    currency LowCardinality(String) COMMENT 'ISO 4217, empty when there is no amount',
    outcome LowCardinality(String) COMMENT 'ok or failed',
    attempt UInt16 COMMENT 'delivery attempt, 1 is the first',
    actor String COMMENT 'person, job or interface that did it',
    dims Map(LowCardinality(String), String) COMMENT 'segments as they were: department, facility, system, ...',
    attributes Map(LowCardinality(String), String) COMMENT 'other facts, by the allow-list of the mapping',
    trace_id String COMMENT 'trace the event was derived from, or empty',
    span_id String COMMENT 'span the event was derived from, or empty',
    source LowCardinality(String) COMMENT 'import mapping, probe or telemetry source',
    source_ref String COMMENT 'place in the source, for example file:line',
    INDEX idx_event_id event_id TYPE bloom_filter(0.001) GRANULARITY 1,
    INDEX idx_known_at known_at TYPE minmax GRANULARITY 1,
    INDEX idx_trace_id trace_id TYPE bloom_filter(0.001) GRANULARITY 1
) ENGINE = MergeTree
ORDER BY (workflow, step, occurred_at, event_id)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1,
    min_rows_to_fsync_after_merge = 1, min_compressed_bytes_to_fsync_after_merge = 1, old_parts_lifetime = 480;

-- The same events by object: what one item went through, in one read.
CREATE TABLE IF NOT EXISTS event_objects (
    object_type LowCardinality(String) COMMENT 'type of the object',
    object_key String COMMENT 'normalised business key',
    role LowCardinality(String) COMMENT 'role of the object in the event',
    workflow LowCardinality(String) COMMENT 'workflow of the event',
    step LowCardinality(String) COMMENT 'step of the event',
    occurred_at DateTime64(6, 'UTC') COMMENT 'business time',
    known_at DateTime64(6, 'UTC') COMMENT 'when tieout learned it',
    event_id String COMMENT 'the event',
    amount Nullable(Decimal(38, 6)) COMMENT 'money in the event',
    currency LowCardinality(String) COMMENT 'ISO 4217',
    outcome LowCardinality(String) COMMENT 'ok or failed',
    attempt UInt16 COMMENT 'delivery attempt',
    actor String COMMENT 'who did it',
    dims Map(LowCardinality(String), String) COMMENT 'segments as they were',
    trace_id String COMMENT 'trace, or empty',
    span_id String COMMENT 'span, or empty',
    source LowCardinality(String) COMMENT 'where the event came from',
    INDEX idx_object_key object_key TYPE bloom_filter(0.001) GRANULARITY 1,
    INDEX idx_known_at known_at TYPE minmax GRANULARITY 1
) ENGINE = MergeTree
ORDER BY (workflow, object_type, object_key, occurred_at, event_id)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1,
    min_rows_to_fsync_after_merge = 1, min_compressed_bytes_to_fsync_after_merge = 1, old_parts_lifetime = 480;

CREATE MATERIALIZED VIEW IF NOT EXISTS event_objects_mv TO event_objects AS
SELECT
    type AS object_type, key AS object_key, role, workflow, step, occurred_at, known_at, event_id,
    amount, currency, outcome, attempt, actor, dims, trace_id, span_id, source
FROM events
ARRAY JOIN objects.type AS type, objects.key AS key, objects.role AS role;
