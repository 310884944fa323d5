-- What telemetry tells against what systems hold: when a source was heard, and from when it must have been.
CREATE TABLE IF NOT EXISTS telemetry_heard (
    source LowCardinality(String) COMMENT 'telemetry source',
    heard_from DateTime64(6, 'UTC') COMMENT 'business time a stretch without a longer silence begins',
    heard_through DateTime64(6, 'UTC') COMMENT 'newest business time heard in it',
    known_at DateTime64(6, 'UTC') COMMENT 'when this row was written',
    INDEX idx_heard_through heard_through TYPE minmax GRANULARITY 1
) ENGINE = MergeTree
ORDER BY (source, heard_from, known_at)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1,
    min_rows_to_fsync_after_merge = 1, min_compressed_bytes_to_fsync_after_merge = 1, old_parts_lifetime = 480;

ALTER TABLE expectations
    ADD COLUMN IF NOT EXISTS heard_from DateTime64(6, 'UTC') COMMENT 'business time from which its source must have been heard; of kind traced';
