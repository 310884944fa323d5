-- Files that prove themselves: senders count what they send, so that what is lost or sent twice shows.
-- Repeated rows, from a run that is killed and repeated, become one.
CREATE TABLE IF NOT EXISTS control_numbers (
    probe LowCardinality(String) COMMENT 'probe file',
    series String COMMENT 'who counts what for whom',
    number UInt64 COMMENT 'control number',
    last UInt64 COMMENT 'the sender leaves none out and begins again at 1 after this one; 0 when it may leave some out',
    file String COMMENT 'path inside the folder of the probe',
    file_sha256 String COMMENT 'content of the file',
    line UInt64 COMMENT 'line, record or segment number of the number in the file',
    run_id String COMMENT 'run that read it',
    known_at DateTime64(6, 'UTC') COMMENT 'when that was stored'
) ENGINE = ReplacingMergeTree
ORDER BY (probe, series, number, file, file_sha256, line)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1,
    min_rows_to_fsync_after_merge = 1, min_compressed_bytes_to_fsync_after_merge = 1, old_parts_lifetime = 480;

ALTER TABLE probe_rows
    ADD COLUMN IF NOT EXISTS flaw LowCardinality(String)
    COMMENT 'bad_line: a record is lost; not_whole: the file is not what was sent; remark: nothing is lost'
    AFTER broken;
