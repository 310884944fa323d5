-- A run looks up the records of ten thousand keys at once and reads hundreds of rows beside each: what it compares there is to be
-- short. One number stands for rule, version and pass, another for leg and record: of those all are read quicker than a projection
-- was searched.
CREATE OR REPLACE TABLE match_records_new (
    rule LowCardinality(String) COMMENT 'matching rule',
    version LowCardinality(String) COMMENT 'rule version that read it',
    pass UInt8 COMMENT 'which key of the rule, 1 is the first',
    stream UInt64 MATERIALIZED cityHash64(rule, version, pass) COMMENT 'rule, version and pass as one number',
    key String COMMENT 'normalised key, its parts joined by the unit separator',
    record_hash UInt64 MATERIALIZED cityHash64(leg, record) COMMENT 'leg and record as one number',
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
    counts_from DateTime64(6, 'UTC') COMMENT 'from when windows count by this record alone: the date it names, else when it is there',
    due Array(Tuple(counts_from DateTime64(6, 'UTC'), due_at DateTime64(6, 'UTC'), learned_at DateTime64(6, 'UTC'))) COMMENT 'of each leg from when its window counts, when it is due and when that window was learned, by this record alone; empty where windows are of the clock and fixed',
    dated Bool COMMENT 'that counts from a date it names, not from when it is there',
    business_day Int32 COMMENT 'business day it counts for, of the calendar that windows are counted by; 0 without one',
    INDEX idx_known_at known_at TYPE minmax GRANULARITY 4,
    INDEX idx_record record TYPE bloom_filter(0.01) GRANULARITY 4
) ENGINE = MergeTree
ORDER BY (stream, key, leg, record, origin, occurred_at, known_at)
SETTINGS index_granularity = 512, min_compress_block_size = 8192, non_replicated_deduplication_window = 1000, fsync_after_insert = 1,
    fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1, min_compressed_bytes_to_fsync_after_merge = 1,
    old_parts_lifetime = 480, merge_selector_base = 12, auto_statistics_types = ''
AS SELECT
    rule, version, pass, key, leg, record, origin, occurred_at, known_at, substring(row_hash, 1, if(startsWith(row_hash, '~'), 51, 16)), gone, day,
    numbers, texts, currency, rate, worth, original, problem, keys, dims, occurred_at, arrayMap(d -> (occurred_at, d, toDateTime64(0, 6, 'UTC')), due), dated, business_day
FROM match_records;

DROP TABLE IF EXISTS match_records;

RENAME TABLE IF EXISTS match_records_new TO match_records;
