-- What a probe run holds while it works. One partition a reading, dropped when the run ends; these tables have no
-- deduplication window, because the same records come again with every run, and no fsync, because nothing rests on them.
CREATE TABLE IF NOT EXISTS probe_rows (
    reading String COMMENT 'probe that is running, or its dry run',
    number UInt64 COMMENT 'record number within the run, 1 is the first',
    origin LowCardinality(String) COMMENT 'file or page the record came from',
    origin_sha256 LowCardinality(String) COMMENT 'content of the file, empty for other sources',
    line UInt64 COMMENT 'record number within the origin',
    as_of DateTime64(6, 'UTC') COMMENT 'time the origin speaks of',
    broken LowCardinality(String) COMMENT 'what is wrong with a line that is not a record',
    fields Map(LowCardinality(String), String) COMMENT 'columns the probe file names; a null is left out'
) ENGINE = MergeTree
PARTITION BY reading
ORDER BY (reading, number);

CREATE TABLE IF NOT EXISTS probe_states (
    reading String COMMENT 'probe that is running, or its dry run',
    number UInt64 COMMENT 'record number within the run',
    object_key String COMMENT 'normalised business key, empty when the record has none',
    deleted Bool COMMENT 'the source says the object is deleted',
    dated Bool COMMENT 'whether the record itself says from when it holds',
    holds_from DateTime64(6, 'UTC') COMMENT 'that time, else the time the origin speaks of',
    amount Nullable(Decimal(38, 6)) COMMENT 'money of the object',
    currency LowCardinality(String) COMMENT 'ISO 4217',
    fields Map(LowCardinality(String), String) COMMENT 'fields of the allow-list',
    links Array(Tuple(role String, type String, key String, inverse Bool)) COMMENT 'objects it refers to',
    steps Array(Tuple(step String, at DateTime64(6, 'UTC'))) COMMENT 'steps it proves',
    row_hash String COMMENT 'hash of the state',
    place LowCardinality(String) COMMENT 'newest or earlier state of its object, repeated, or aside',
    reason LowCardinality(String) COMMENT 'why it is set aside',
    detail LowCardinality(String) COMMENT 'column and expectation, never the value'
) ENGINE = MergeTree
PARTITION BY reading
ORDER BY (reading, object_key, number);

-- Files that were read completely: an unchanged one is not read again.
CREATE TABLE IF NOT EXISTS probe_files (
    probe LowCardinality(String) COMMENT 'probe file',
    file String COMMENT 'path inside the folder of the probe',
    fingerprint String COMMENT 'size, time of change in nanoseconds and SHA-256',
    as_of DateTime64(6, 'UTC') COMMENT 'time the file was changed',
    run_id String COMMENT 'run that read it',
    known_at DateTime64(6, 'UTC') COMMENT 'when that was stored'
) ENGINE = MergeTree
ORDER BY (probe, file, known_at)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1,
    min_rows_to_fsync_after_merge = 1, min_compressed_bytes_to_fsync_after_merge = 1, old_parts_lifetime = 480;
