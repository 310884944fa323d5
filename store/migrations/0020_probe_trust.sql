-- What protects against a source that changes: how records become states, its columns, what was filled in and repaired.
ALTER TABLE probe_runs
    ADD COLUMN IF NOT EXISTS mapping String COMMENT 'hash of how records become states; another one judges set-aside records anew'
    AFTER purpose,
    ADD COLUMN IF NOT EXISTS columns Array(LowCardinality(String)) COMMENT 'columns that were read' AFTER mapping;

CREATE TABLE IF NOT EXISTS probe_columns (
    probe LowCardinality(String) COMMENT 'probe file',
    name String COMMENT 'column or path of the source',
    change LowCardinality(String) COMMENT 'first, appeared, vanished or retyped',
    before String COMMENT 'type it had, empty when unknown',
    after String COMMENT 'type it has: as the source declares it, else what its values look like',
    needed Bool COMMENT 'the probe file names it',
    known_at DateTime64(6, 'UTC') COMMENT 'when that was seen',
    run_id String COMMENT 'run that saw it'
) ENGINE = MergeTree
ORDER BY (probe, name, known_at)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1,
    min_rows_to_fsync_after_merge = 1, min_compressed_bytes_to_fsync_after_merge = 1, old_parts_lifetime = 480;

CREATE TABLE IF NOT EXISTS probe_backfills (
    probe LowCardinality(String) COMMENT 'probe file',
    backfill_from DateTime64(6, 'UTC') COMMENT 'start of the whole time asked for',
    backfill_to DateTime64(6, 'UTC') COMMENT 'its end, not included',
    window_from DateTime64(6, 'UTC') COMMENT 'start of the part that is done',
    window_to DateTime64(6, 'UTC') COMMENT 'end of the part that is done, not included',
    records UInt64 COMMENT 'records read',
    changed UInt64 COMMENT 'snapshots written',
    rejected UInt64 COMMENT 'records set aside',
    run_id String COMMENT 'run that read it',
    known_at DateTime64(6, 'UTC') COMMENT 'when it was done'
) ENGINE = MergeTree
ORDER BY (probe, backfill_from, backfill_to, window_from)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1,
    min_rows_to_fsync_after_merge = 1, min_compressed_bytes_to_fsync_after_merge = 1, old_parts_lifetime = 480;

CREATE TABLE IF NOT EXISTS probe_repairs (
    source LowCardinality(String) COMMENT 'probe whose record was set aside',
    reason LowCardinality(String) COMMENT 'why it was',
    detail String COMMENT 'column and expectation that were not met',
    content UInt64 COMMENT 'sipHash64 of its fields',
    run_id String COMMENT 'run that understood it, or set it aside for another reason',
    known_at DateTime64(6, 'UTC') COMMENT 'when that was'
) ENGINE = MergeTree
ORDER BY (source, reason, content, known_at)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1,
    min_rows_to_fsync_after_merge = 1, min_compressed_bytes_to_fsync_after_merge = 1, old_parts_lifetime = 480;
