-- What is due and what became of it. Rows of one item and known_at together are one version of that item.
CREATE TABLE IF NOT EXISTS workflow_versions (
    workflow LowCardinality(String) COMMENT 'name of the workflow file',
    version String COMMENT 'hash of its content',
    content String COMMENT 'the file as JSON',
    activated_at DateTime64(6, 'UTC') COMMENT 'known time from which it decides'
) ENGINE = MergeTree
ORDER BY (workflow, activated_at)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1,
    min_rows_to_fsync_after_merge = 1, min_compressed_bytes_to_fsync_after_merge = 1, old_parts_lifetime = 480;

CREATE TABLE IF NOT EXISTS expectations (
    workflow LowCardinality(String) COMMENT 'name of the workflow',
    version String COMMENT 'rule version that decided',
    expectation LowCardinality(String) COMMENT 'name of the rule in the workflow file',
    kind LowCardinality(String) COMMENT 'sequence, precedence, once, reference, tie_out',
    item_type LowCardinality(String) COMMENT 'type of the item',
    item_key String COMMENT 'key of the item',
    opened_at DateTime64(6, 'UTC') COMMENT 'business time the successor became expected',
    opened_by String COMMENT 'event id, or the linked object for a reference',
    opened_step LowCardinality(String) COMMENT 'step that opened it',
    due_at DateTime64(6, 'UTC') COMMENT 'expected by',
    closed_at Nullable(DateTime64(6, 'UTC')) COMMENT 'business time it ended',
    closed_by String COMMENT 'event id or object that ended it',
    closed_as LowCardinality(String) COMMENT 'arrived, voided, written_off, or empty while open',
    reversed_at Nullable(DateTime64(6, 'UTC')) COMMENT 'business time an arrival was taken back',
    failed_at Array(DateTime64(6, 'UTC')) COMMENT 'business times of the failed tries of the expected step',
    amount Nullable(Decimal(38, 6)) COMMENT 'money at stake, unknown when null',
    currency LowCardinality(String) COMMENT 'ISO 4217',
    code LowCardinality(String) COMMENT 'exception code when it fails',
    clock LowCardinality(String) COMMENT 'what its latency means: step, sync, end_to_end, or empty',
    owner LowCardinality(String) COMMENT 'team that clears it',
    tolerance_abs Decimal(38, 6) COMMENT 'money a tie-out may differ by',
    tolerance_pct Decimal(38, 6) COMMENT 'percent of the expected leg a tie-out may differ by',
    sources Array(LowCardinality(String)) COMMENT 'sources whose watermark proves an absence; any one is enough',
    dims Map(LowCardinality(String), String) COMMENT 'segments as they were when it opened',
    trace_id String COMMENT 'trace of the opening event, or empty',
    known_at DateTime64(6, 'UTC') COMMENT 'newest evidence used: this version holds from here on',
    evidence UInt32 COMMENT 'facts used; of two versions for the same known_at the one with more evidence holds',
    INDEX idx_item_key item_key TYPE bloom_filter(0.001) GRANULARITY 1,
    INDEX idx_known_at known_at TYPE minmax GRANULARITY 1
) ENGINE = MergeTree
ORDER BY (workflow, item_type, item_key, known_at, expectation, opened_at, opened_by)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1,
    min_rows_to_fsync_after_merge = 1, min_compressed_bytes_to_fsync_after_merge = 1, old_parts_lifetime = 480;

-- Which objects and events make up each leg of a tie-out. Amounts of objects are read from their state when asked.
CREATE TABLE IF NOT EXISTS leg_members (
    workflow LowCardinality(String) COMMENT 'name of the workflow',
    version String COMMENT 'rule version that decided',
    expectation LowCardinality(String) COMMENT 'name of the tie-out',
    item_type LowCardinality(String) COMMENT 'type of the item',
    item_key String COMMENT 'key of the item',
    leg LowCardinality(String) COMMENT 'leg of the tie-out',
    expected Bool COMMENT 'true for the leg that says what should be',
    member_type LowCardinality(String) COMMENT 'type of the object, or empty for an event',
    member_key String COMMENT 'key of the object, or event id',
    amount Nullable(Decimal(38, 6)) COMMENT 'amount of the event; null for an object',
    currency LowCardinality(String) COMMENT 'ISO 4217, of the event',
    joined_at DateTime64(6, 'UTC') COMMENT 'business time from which it belongs to the leg',
    known_at DateTime64(6, 'UTC') COMMENT 'newest evidence used'
) ENGINE = MergeTree
ORDER BY (workflow, expectation, item_key, leg, member_type, member_key)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1,
    min_rows_to_fsync_after_merge = 1, min_compressed_bytes_to_fsync_after_merge = 1, old_parts_lifetime = 480;

-- What people did with an exception. What the machine found is derived; see docs/decisions.
CREATE TABLE IF NOT EXISTS exceptions (
    exception_id String COMMENT 'stable hash of workflow, expectation, item and opening',
    action LowCardinality(String) COMMENT 'assigned, acknowledged, explained, resolved, reopened',
    at DateTime64(6, 'UTC') COMMENT 'when it was done',
    known_at DateTime64(6, 'UTC') COMMENT 'when tieout stored it',
    actor String COMMENT 'who did it',
    owner String COMMENT 'new owner, for assigned',
    reason LowCardinality(String) COMMENT 'reason code, for explained and resolved',
    note String COMMENT 'what the person wrote'
) ENGINE = MergeTree
ORDER BY (exception_id, at)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1,
    min_rows_to_fsync_after_merge = 1, min_compressed_bytes_to_fsync_after_merge = 1, old_parts_lifetime = 480;
