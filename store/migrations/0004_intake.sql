-- What came in: imports, rows set aside, dead letters, probe runs.
CREATE TABLE IF NOT EXISTS import_rows (
    import_id String COMMENT 'run of the importer; one partition each, dropped when it is done',
    part LowCardinality(String) COMMENT 'table inside the file: rows, event, object, link, ...',
    line UInt64 COMMENT 'line or record number in the file, 1 is the first',
    file String COMMENT 'name of the file',
    fields Map(LowCardinality(String), String) COMMENT 'the row as read, by column name'
) ENGINE = MergeTree
PARTITION BY import_id
ORDER BY (part, file, line)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1,
    min_rows_to_fsync_after_merge = 1, min_compressed_bytes_to_fsync_after_merge = 1, old_parts_lifetime = 480;

CREATE TABLE IF NOT EXISTS import_rejects (
    import_id String COMMENT 'run of the importer',
    source LowCardinality(String) COMMENT 'import mapping',
    file String COMMENT 'name of the file',
    file_sha256 String COMMENT 'content of the file',
    line UInt64 COMMENT 'line or record number in the file',
    reason LowCardinality(String) COMMENT 'code of what is wrong',
    detail String COMMENT 'column and expectation, never the value',
    fields Map(LowCardinality(String), String) COMMENT 'the row as read, so that it can be repaired',
    known_at DateTime64(6, 'UTC') COMMENT 'when it was set aside'
) ENGINE = MergeTree
ORDER BY (source, file_sha256, line)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1,
    min_rows_to_fsync_after_merge = 1, min_compressed_bytes_to_fsync_after_merge = 1, old_parts_lifetime = 480;

CREATE TABLE IF NOT EXISTS imports (
    import_id String COMMENT 'run of the importer',
    source LowCardinality(String) COMMENT 'import mapping',
    file String COMMENT 'name of the file',
    file_sha256 String COMMENT 'content of the file',
    bytes UInt64 COMMENT 'size of the file',
    started_at DateTime64(6, 'UTC') COMMENT 'start of the run',
    finished_at DateTime64(6, 'UTC') COMMENT 'end of the run',
    status LowCardinality(String) COMMENT 'done or failed',
    rows_read UInt64 COMMENT 'rows in the file',
    rows_new UInt64 COMMENT 'facts written',
    rows_known UInt64 COMMENT 'facts that were there already',
    rows_rejected UInt64 COMMENT 'rows set aside'
) ENGINE = MergeTree
ORDER BY (source, started_at, import_id)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1,
    min_rows_to_fsync_after_merge = 1, min_compressed_bytes_to_fsync_after_merge = 1, old_parts_lifetime = 480;

CREATE TABLE IF NOT EXISTS dead_letters (
    received_at DateTime64(6, 'UTC') COMMENT 'when the request came',
    signal LowCardinality(String) COMMENT 'traces',
    reason LowCardinality(String) COMMENT 'code of what is wrong',
    encoding LowCardinality(String) COMMENT 'protobuf or json',
    items UInt32 COMMENT 'spans refused, 0 when it could not be decoded',
    bytes UInt64 COMMENT 'size after decompression',
    sha256 String COMMENT 'content of the request'
) ENGINE = MergeTree
ORDER BY (received_at, sha256)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1,
    min_rows_to_fsync_after_merge = 1, min_compressed_bytes_to_fsync_after_merge = 1, old_parts_lifetime = 480;

CREATE TABLE IF NOT EXISTS probe_runs (
    run_id String COMMENT 'identity of the run',
    probe LowCardinality(String) COMMENT 'probe file',
    kind LowCardinality(String) COMMENT 'sql, rest, files',
    started_at DateTime64(6, 'UTC') COMMENT 'start, UTC',
    finished_at DateTime64(6, 'UTC') COMMENT 'end, UTC',
    status LowCardinality(String) COMMENT 'ok, partial or failed',
    complete Bool COMMENT 'whether it saw everything it should see',
    attempts UInt16 COMMENT 'tries it took',
    records_read UInt64 COMMENT 'records the source gave',
    records_changed UInt64 COMMENT 'snapshots written',
    records_rejected UInt64 COMMENT 'records set aside',
    cursor String COMMENT 'where the next incremental run goes on',
    error_code LowCardinality(String) COMMENT 'short code, empty when ok',
    error String COMMENT 'what happened and what to do; no payload, no secret'
) ENGINE = MergeTree
ORDER BY (probe, started_at, run_id)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1,
    min_rows_to_fsync_after_merge = 1, min_compressed_bytes_to_fsync_after_merge = 1, old_parts_lifetime = 480;
