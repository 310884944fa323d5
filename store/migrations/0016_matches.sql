-- Matching of records by keys between systems: rules, their tables, records as rules see them, decisions.
CREATE TABLE IF NOT EXISTS matching_versions (
    rule LowCardinality(String) COMMENT 'name of the matching rule',
    version String COMMENT 'hash of the rule and of the tables it reads',
    workflow LowCardinality(String) COMMENT 'workflow it belongs to',
    content String COMMENT 'the rule as JSON',
    activated_at DateTime64(6, 'UTC') COMMENT 'known time from which it decides'
) ENGINE = MergeTree
ORDER BY (rule, activated_at)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1,
    min_rows_to_fsync_after_merge = 1, min_compressed_bytes_to_fsync_after_merge = 1, old_parts_lifetime = 480;

CREATE TABLE IF NOT EXISTS matching_tables (
    name LowCardinality(String) COMMENT 'name of the table file',
    version String COMMENT 'hash of its content',
    value String COMMENT 'what is looked up',
    result String COMMENT 'what it means',
    valid_from Date32 COMMENT 'first day it holds',
    valid_until Date32 COMMENT 'first day it no longer holds'
) ENGINE = MergeTree
ORDER BY (name, version, value, valid_from)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1,
    min_rows_to_fsync_after_merge = 1, min_compressed_bytes_to_fsync_after_merge = 1, old_parts_lifetime = 480;

-- Each state of each record under each key it ever had; where it no longer stands it is gone. Read by key.
CREATE TABLE IF NOT EXISTS match_records (
    rule LowCardinality(String) COMMENT 'matching rule',
    version String COMMENT 'rule version that read it',
    pass UInt8 COMMENT 'which key of the rule, 1 is the first',
    key String COMMENT 'normalised key, its parts joined by the unit separator',
    leg LowCardinality(String) COMMENT 'leg of the rule',
    record String COMMENT 'key of the object, or event id',
    origin String COMMENT 'key that left it open, empty for the first pass',
    occurred_at DateTime64(6, 'UTC') COMMENT 'business time from which it stands like this',
    known_at DateTime64(6, 'UTC') COMMENT 'when tieout learned it',
    row_hash String COMMENT 'of two states with the same times the one with the larger hash holds',
    gone Bool COMMENT 'not under this key from then on: changed, deleted, not in a state that counts, or matched by an earlier key',
    day Date32 COMMENT 'business day',
    numbers Array(Nullable(Decimal(38, 12))) COMMENT 'numbers of the rule in base unit and its currency',
    texts Array(String) COMMENT 'texts of the rule',
    currency LowCardinality(String) COMMENT 'ISO 4217, after conversion',
    rate Decimal(38, 12) COMMENT 'exchange rate used',
    worth Nullable(Decimal(38, 6)) COMMENT 'money of the record',
    original String COMMENT 'record it takes back',
    problem LowCardinality(String) COMMENT 'exception code of what makes it unusable',
    keys Array(String) COMMENT 'its key for each pass',
    dims Map(LowCardinality(String), String) COMMENT 'segments',
    INDEX idx_known_at known_at TYPE minmax GRANULARITY 4,
    INDEX idx_record record TYPE bloom_filter(0.01) GRANULARITY 4
) ENGINE = MergeTree
ORDER BY (rule, version, pass, key, leg, record, origin, occurred_at, known_at)
SETTINGS index_granularity = 512, non_replicated_deduplication_window = 1000, fsync_after_insert = 1,
    fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1, min_compressed_bytes_to_fsync_after_merge = 1,
    old_parts_lifetime = 480;

-- Decisions on all records of one key. Rows of one key, business time and known time are one version.
CREATE TABLE IF NOT EXISTS matches (
    rule LowCardinality(String) COMMENT 'matching rule',
    version String COMMENT 'rule version that decided',
    workflow LowCardinality(String) COMMENT 'workflow of the rule',
    pass UInt8 COMMENT 'which key of the rule',
    group_key String COMMENT 'normalised key, its parts joined by the unit separator',
    item UInt32 COMMENT 'number of the decision within its version',
    occurred_at DateTime64(6, 'UTC') COMMENT 'business time from which it holds',
    known_at DateTime64(6, 'UTC') COMMENT 'newest evidence used: it holds from here on',
    evidence UInt32 COMMENT 'states used; of two versions for the same times the one with more holds',
    verdict LowCardinality(String) COMMENT 'none, open, matched, matched_tol, partial, mismatch, ambiguous, duplicate, reversed, unusable',
    outcome LowCardinality(String) COMMENT 'clear, suggest, wait, except',
    final Bool COMMENT 'false when a later key still tries it',
    `members.leg` Array(LowCardinality(String)) COMMENT 'leg of each record of the decision',
    `members.type` Array(LowCardinality(String)) COMMENT 'its object type, empty for an event',
    `members.record` Array(String) COMMENT 'its key',
    `members.day` Array(Date32) COMMENT 'its business day',
    `members.amount` Array(Nullable(Decimal(38, 6))) COMMENT 'its money, allocated to this decision whole',
    header String COMMENT 'key fields by which items are rolled up',
    opened_at DateTime64(6, 'UTC') COMMENT 'when the first of its records was there',
    due_at DateTime64(6, 'UTC') COMMENT 'when all legs should be there',
    closed_at Nullable(DateTime64(6, 'UTC')) COMMENT 'when the last record of a match was there',
    expected Nullable(Decimal(38, 6)) COMMENT 'money the expected leg says',
    actual Nullable(Decimal(38, 6)) COMMENT 'money the actual leg says',
    residual Nullable(Decimal(38, 6)) COMMENT 'actual less expected',
    currency LowCardinality(String) COMMENT 'ISO 4217',
    variance Map(LowCardinality(String), Decimal(38, 6)) COMMENT 'the residual by cause; sums to it exactly',
    `points.rank` Array(UInt8) COMMENT 'what there is to say: 1 a fault, 2 a leg not there, 3 the whole, 4 a fault that is over',
    `points.code` Array(LowCardinality(String)) COMMENT 'exception code',
    `points.field` Array(LowCardinality(String)) COMMENT 'comparison or leg it is about',
    `points.leg` Array(LowCardinality(String)) COMMENT 'leg it is about',
    `points.said` Array(String) COMMENT 'what was expected',
    `points.found` Array(String) COMMENT 'what was found',
    `points.amount` Array(Nullable(Decimal(38, 6))) COMMENT 'money in it',
    `points.owner` Array(LowCardinality(String)) COMMENT 'team that clears it',
    `points.since` Array(DateTime64(6, 'UTC')) COMMENT 'business time since which it is so',
    `points.until` Array(Nullable(DateTime64(6, 'UTC'))) COMMENT 'business time it ended',
    `points.due_at` Array(DateTime64(6, 'UTC')) COMMENT 'when it is due',
    `points.sources` Array(Array(LowCardinality(String))) COMMENT 'sources that prove a leg is not there',
    gates String COMMENT 'every test with both sides, as JSON',
    options String COMMENT 'groupings between which nothing decides, as JSON',
    margin Nullable(Decimal(38, 6)) COMMENT 'how much more the next best pairing differs',
    nearest String COMMENT 'what nearly matched, and what change would have let it',
    aged_from DateTime64(6, 'UTC') COMMENT 'what the age of an exception counts from',
    dims Map(LowCardinality(String), String) COMMENT 'segments of its first record',
    INDEX idx_known_at known_at TYPE minmax GRANULARITY 4,
    INDEX idx_members members.record TYPE bloom_filter(0.01) GRANULARITY 1
) ENGINE = MergeTree
ORDER BY (rule, version, pass, group_key, occurred_at, known_at, item)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1,
    min_rows_to_fsync_after_merge = 1, min_compressed_bytes_to_fsync_after_merge = 1, old_parts_lifetime = 480;
