-- Windows that expectations learned from lags: what was decided by on each day, and from how much.
CREATE TABLE IF NOT EXISTS learned_windows (
    workflow LowCardinality(String) COMMENT 'name of the workflow',
    version String COMMENT 'rule version it is of',
    expectation LowCardinality(String) COMMENT 'name of the rule in the workflow file',
    learned_at DateTime64(6, 'UTC') COMMENT 'midnight by which it was learned, of business and of known time; it holds for what opens on that day',
    learned Bool COMMENT 'false while there were too few lags: the fixed window holds',
    window_s Int64 COMMENT 'seconds from opening to due time, 0 while there were too few lags',
    lags UInt64 COMMENT 'lags that ended in the time looked at and were known',
    quantile Decimal(9, 6) COMMENT 'share of the lags that are no longer than the window',
    over_s Int64 COMMENT 'how far back was looked, in seconds'
) ENGINE = MergeTree
ORDER BY (workflow, version, expectation, learned_at)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1,
    min_rows_to_fsync_after_merge = 1, min_compressed_bytes_to_fsync_after_merge = 1, old_parts_lifetime = 480;
