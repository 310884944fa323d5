-- What people do with an exception can end by itself, and every act, sign-in, activation and publication is chained.
ALTER TABLE exceptions
    MODIFY COLUMN action COMMENT 'assigned, acknowledged, commented, explained, waiver_requested, waived, waiver_refused, resolved, reopened, lapsed',
    ADD COLUMN IF NOT EXISTS act_id String DEFAULT lower(hex(sipHash128(exception_id, action, at, known_at, actor))) COMMENT 'given by who acts; the same one twice is one act',
    ADD COLUMN IF NOT EXISTS until Nullable(DateTime64(6, 'UTC')) COMMENT 'when an acknowledgement or a waiver ends by itself',
    ADD COLUMN IF NOT EXISTS amount Nullable(Decimal(38, 6)) COMMENT 'money at stake when it was acknowledged or waived',
    ADD COLUMN IF NOT EXISTS currency LowCardinality(String) COMMENT 'ISO 4217',
    ADD COLUMN IF NOT EXISTS failures UInt32 COMMENT 'failed tries when it was acknowledged or waived';

-- Each row names the one before it; see docs/decisions/0009.
CREATE TABLE IF NOT EXISTS audit_log (
    seq UInt64 COMMENT 'place in the chain, from 1, without gaps',
    at DateTime64(6, 'UTC') COMMENT 'when it was written',
    actor String COMMENT 'who did it; tieout for what it does by itself',
    kind LowCardinality(String) COMMENT 'act, sign_in, activation, publication',
    subject String COMMENT 'exception, person, workflow or run',
    batch String COMMENT 'rows written together have the same one',
    content String COMMENT 'what was done, as JSON',
    key_id LowCardinality(String) COMMENT 'name of the key',
    previous String COMMENT 'mac of the row before; empty for the first',
    mac String COMMENT 'HMAC-SHA-256 of all the other columns, in hexadecimal'
) ENGINE = MergeTree
ORDER BY seq
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1,
    min_rows_to_fsync_after_merge = 1, min_compressed_bytes_to_fsync_after_merge = 1, old_parts_lifetime = 480;

-- How soon somebody must act. Rows of one version are the rules in force, in order: the first that fits holds.
CREATE TABLE IF NOT EXISTS service_levels (
    version String COMMENT 'hash of all rules',
    activated_at DateTime64(6, 'UTC') COMMENT 'known time from which they hold',
    position UInt16 COMMENT 'place in the file, from 1; 0 stands alone where there is none',
    name String COMMENT 'name of the rule',
    workflow LowCardinality(String) COMMENT 'only this workflow, or empty',
    expectation LowCardinality(String) COMMENT 'only this rule of the workflow, or empty',
    code LowCardinality(String) COMMENT 'only this exception code, or empty',
    owner LowCardinality(String) COMMENT 'only this team, or empty',
    currency LowCardinality(String) COMMENT 'only money in this currency, or empty',
    at_least Nullable(Decimal(38, 6)) COMMENT 'only from this amount on',
    severity LowCardinality(String) COMMENT 'what the exception is then called',
    acknowledge_s UInt64 COMMENT 'seconds until somebody must have taken it on; 0 for never',
    resolve_s UInt64 COMMENT 'seconds until it must be over, waivers not counted; 0 for never'
) ENGINE = MergeTree
ORDER BY (activated_at, position)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1,
    min_rows_to_fsync_after_merge = 1, min_compressed_bytes_to_fsync_after_merge = 1, old_parts_lifetime = 480;
