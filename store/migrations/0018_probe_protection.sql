-- How runs of probes went: which system, which attempts, whose clock.
ALTER TABLE probe_runs
    ADD COLUMN IF NOT EXISTS system LowCardinality(String) COMMENT 'system that was asked',
    ADD COLUMN IF NOT EXISTS purpose LowCardinality(String) DEFAULT 'run' COMMENT 'run, backfill or repair',
    ADD COLUMN IF NOT EXISTS unserved Bool COMMENT 'the system did not serve it; such runs in a row open its circuit breaker',
    ADD COLUMN IF NOT EXISTS clock_ahead_s Nullable(Float64) COMMENT 'seconds the clock of the source was ahead of ours, null when it shows none';

CREATE TABLE IF NOT EXISTS probe_attempts (
    run_id String COMMENT 'run it belongs to',
    probe LowCardinality(String) COMMENT 'probe file',
    system LowCardinality(String) COMMENT 'system that was asked',
    number UInt16 COMMENT '1 is the first of its run',
    started_at DateTime64(6, 'UTC') COMMENT 'when it began, UTC',
    seconds Float64 COMMENT 'how long it took',
    records UInt64 COMMENT 'records it read',
    code LowCardinality(String) COMMENT 'error code, empty when it came through'
) ENGINE = MergeTree
ORDER BY (probe, started_at, number)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1,
    min_rows_to_fsync_after_merge = 1, min_compressed_bytes_to_fsync_after_merge = 1, old_parts_lifetime = 480;
