-- What each system says of each object, and how objects hang together.
CREATE TABLE IF NOT EXISTS object_links (
    workflow LowCardinality(String) COMMENT 'workflow whose objects are linked',
    from_type LowCardinality(String) COMMENT 'type of the referring object',
    from_key String COMMENT 'its key',
    to_type LowCardinality(String) COMMENT 'type of the object referred to',
    to_key String COMMENT 'its key; the object itself may not exist',
    role LowCardinality(String) COMMENT 'qualifier of the link',
    valid_from DateTime64(6, 'UTC') COMMENT 'business time from which the link is true',
    known_at DateTime64(6, 'UTC') COMMENT 'when tieout learned it',
    source LowCardinality(String) COMMENT 'import mapping, probe or telemetry source',
    INDEX idx_to_key to_key TYPE bloom_filter(0.001) GRANULARITY 1,
    INDEX idx_known_at known_at TYPE minmax GRANULARITY 1
) ENGINE = MergeTree
ORDER BY (workflow, from_type, from_key, role, to_type, to_key)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1,
    min_rows_to_fsync_after_merge = 1, min_compressed_bytes_to_fsync_after_merge = 1, old_parts_lifetime = 480;

CREATE TABLE IF NOT EXISTS snapshots (
    system LowCardinality(String) COMMENT 'system that said it',
    object_type LowCardinality(String) COMMENT 'type of the object',
    object_key String COMMENT 'normalised business key',
    fields Map(LowCardinality(String), String) COMMENT 'compared and shown fields, by the allow-list of the mapping',
    amount Nullable(Decimal(38, 6)) COMMENT 'money of the object, unknown when null',
    currency LowCardinality(String) COMMENT 'ISO 4217',
    deleted Bool COMMENT 'the object is absent from a complete snapshot',
    valid_from DateTime64(6, 'UTC') COMMENT 'business time from which this state holds',
    captured_at DateTime64(6, 'UTC') COMMENT 'when the source was read',
    known_at DateTime64(6, 'UTC') COMMENT 'when tieout stored it',
    row_hash String COMMENT 'hash of the state; unchanged states are not written again',
    source LowCardinality(String) COMMENT 'import mapping or probe',
    run_id String COMMENT 'run that read it',
    INDEX idx_object_key object_key TYPE bloom_filter(0.001) GRANULARITY 1,
    INDEX idx_known_at known_at TYPE minmax GRANULARITY 1
) ENGINE = MergeTree
ORDER BY (object_type, object_key, system, valid_from, known_at)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1,
    min_rows_to_fsync_after_merge = 1, min_compressed_bytes_to_fsync_after_merge = 1, old_parts_lifetime = 480;

-- Nothing is missing before the watermark of its source passes the due time.
CREATE TABLE IF NOT EXISTS watermarks (
    source LowCardinality(String) COMMENT 'import mapping, probe or telemetry source',
    complete_through DateTime64(6, 'UTC') COMMENT 'newest business time proven complete',
    heartbeat_at DateTime64(6, 'UTC') COMMENT 'when the source last answered',
    known_at DateTime64(6, 'UTC') COMMENT 'when this row was written',
    run_id String COMMENT 'run that proved it'
) ENGINE = MergeTree
ORDER BY (source, known_at)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1,
    min_rows_to_fsync_after_merge = 1, min_compressed_bytes_to_fsync_after_merge = 1, old_parts_lifetime = 480;
