-- What people decide on matches by hand. Rows are acts; a decision is what its acts make of it, see docs/decisions/0015.
CREATE TABLE IF NOT EXISTS match_acts (
    act_id String COMMENT 'given by who acts; the same one twice is one act',
    decision_id String COMMENT 'the decision by hand that it makes, approves, refuses or takes back',
    action LowCardinality(String) COMMENT 'joined, accepted, requested, approved, refused, undone, withdrawn',
    rule LowCardinality(String) COMMENT 'matching rule',
    workflow LowCardinality(String) COMMENT 'workflow of the rule',
    known_at DateTime64(6, 'UTC') COMMENT 'when it was done, later than every act on the rule before it: it holds from here on, for every business time',
    actor String COMMENT 'who did it',
    reason LowCardinality(String) COMMENT 'reason code',
    note String COMMENT 'what should be remembered',
    `members.leg` Array(LowCardinality(String)) COMMENT 'leg of each record of the decision',
    `members.record` Array(String) COMMENT 'its key',
    `members.amount` Array(Nullable(Decimal(38, 6))) COMMENT 'its money when the act was done',
    difference Nullable(Decimal(38, 6)) COMMENT 'actual less expected money when the act was done, null when it is not known',
    currency LowCardinality(String) COMMENT 'ISO 4217',
    accepted String COMMENT 'tests of the rule that failed then and were accepted, with both sides, as JSON',
    said String COMMENT 'what the rule had decided of these records then'
) ENGINE = MergeTree
ORDER BY (rule, known_at, act_id)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1,
    min_rows_to_fsync_after_merge = 1, min_compressed_bytes_to_fsync_after_merge = 1, old_parts_lifetime = 480;

ALTER TABLE audit_log MODIFY COLUMN kind COMMENT 'act, match_act, sign_in, activation, publication';

ALTER TABLE audit_log MODIFY COLUMN subject COMMENT 'exception, decision by hand, person, workflow or run';
