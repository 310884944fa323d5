-- Written by `python -m store.dump` from migrations/; change those, never this.

CREATE TABLE alert_events
(
    `rule` LowCardinality(String) COMMENT 'rule of the alert file',
    `fingerprint` String COMMENT 'hash of rule and labels',
    `labels` Map(LowCardinality(String), String) COMMENT 'severity, workflow, segment, ...',
    `state` LowCardinality(String) COMMENT 'inactive, pending, firing',
    `previous` LowCardinality(String) COMMENT 'state before',
    `reason` LowCardinality(String) COMMENT 'why the state changed',
    `value` Nullable(Float64) COMMENT 'value that was compared',
    `active_since` Nullable(DateTime64(6, 'UTC')) COMMENT 'start of the present pending or firing spell',
    `last_true_at` Nullable(DateTime64(6, 'UTC')) COMMENT 'last evaluation with a breach',
    `evaluated_at` DateTime64(6, 'UTC') COMMENT 'time of the evaluation',
    `known_at` DateTime64(6, 'UTC') COMMENT 'when the row was written'
)
ENGINE = MergeTree
ORDER BY (rule, fingerprint, evaluated_at)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1, min_compressed_bytes_to_fsync_after_merge = 1, old_parts_lifetime = 480, index_granularity = 8192

CREATE TABLE audit_log
(
    `seq` UInt64 COMMENT 'place in the chain, from 1, without gaps',
    `at` DateTime64(6, 'UTC') COMMENT 'when it was written',
    `actor` String COMMENT 'who did it; tieout for what it does by itself',
    `kind` LowCardinality(String) COMMENT 'act, match_act, sign_in, activation, publication',
    `subject` String COMMENT 'exception, decision by hand, person, workflow or run',
    `batch` String COMMENT 'rows written together have the same one',
    `content` String COMMENT 'what was done, as JSON',
    `key_id` LowCardinality(String) COMMENT 'name of the key',
    `previous` String COMMENT 'mac of the row before; empty for the first',
    `mac` String COMMENT 'HMAC-SHA-256 of all the other columns, in hexadecimal'
)
ENGINE = MergeTree
ORDER BY seq
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1, min_compressed_bytes_to_fsync_after_merge = 1, old_parts_lifetime = 480, index_granularity = 8192

CREATE TABLE calendar
(
    `calendar` LowCardinality(String) COMMENT 'name of the calendar file',
    `version` LowCardinality(String) COMMENT 'hash of all its days',
    `known_at` DateTime64(6, 'UTC') COMMENT 'this version holds from here on; the first one of a calendar holds for all known times',
    `zone` LowCardinality(String) COMMENT 'time zone of its days',
    `date` Date32 COMMENT 'day in that zone',
    `starts_at` DateTime64(6, 'UTC') COMMENT 'its midnight, in UTC',
    `ends_at` DateTime64(6, 'UTC') COMMENT 'the next midnight; 23 or 25 hours later when the clocks change',
    `is_business` Bool COMMENT 'whether it is worked',
    `ordinal` Int32 COMMENT 'business days up to and including this one: a difference of two is a number of business days',
    `opens_at` DateTime64(6, 'UTC') COMMENT 'begin of working time; equal to closes_at when nobody works',
    `closes_at` DateTime64(6, 'UTC') COMMENT 'end of working time',
    `cutoff_at` DateTime64(6, 'UTC') COMMENT 'last moment that counts for this business day; what comes later counts for the next',
    `business_s` Int64 COMMENT 'seconds of working time before this day',
    `reason` String COMMENT 'holiday, closure or working day by its name; empty on a usual day',
    `fiscal_year` Nullable(UInt16) COMMENT 'fiscal year; unknown outside of a list of periods',
    `fiscal_period` Nullable(UInt8) COMMENT 'period of the fiscal year, from 1',
    `day_of_period` Nullable(UInt16) COMMENT 'day of the period, from 1',
    `period_starts_on` Nullable(Date32) COMMENT 'first day of the period',
    `period_ends_on` Nullable(Date32) COMMENT 'last day of the period',
    `close_day` Nullable(Date32) COMMENT 'day on which the books of the period are closed, where the file says how long that takes'
)
ENGINE = MergeTree
ORDER BY (calendar, known_at, date)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1, min_compressed_bytes_to_fsync_after_merge = 1, old_parts_lifetime = 480, index_granularity = 8192

CREATE TABLE control_numbers
(
    `probe` LowCardinality(String) COMMENT 'probe file',
    `series` String COMMENT 'who counts what for whom',
    `number` UInt64 COMMENT 'control number',
    `last` UInt64 COMMENT 'the sender leaves none out and begins again at 1 after this one; 0 when it may leave some out',
    `file` String COMMENT 'path inside the folder of the probe',
    `file_sha256` String COMMENT 'content of the file',
    `line` UInt64 COMMENT 'line, record or segment number of the number in the file',
    `run_id` String COMMENT 'run that read it',
    `known_at` DateTime64(6, 'UTC') COMMENT 'when that was stored'
)
ENGINE = ReplacingMergeTree
ORDER BY (probe, series, number, file, file_sha256, line)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1, min_compressed_bytes_to_fsync_after_merge = 1, old_parts_lifetime = 480, index_granularity = 8192

CREATE TABLE dead_letters
(
    `received_at` DateTime64(6, 'UTC') COMMENT 'when the request came',
    `signal` LowCardinality(String) COMMENT 'traces',
    `reason` LowCardinality(String) COMMENT 'code of what is wrong',
    `encoding` LowCardinality(String) COMMENT 'protobuf or json',
    `items` UInt32 COMMENT 'spans refused, 0 when it could not be decoded',
    `bytes` UInt64 COMMENT 'size after decompression',
    `sha256` String COMMENT 'content of the request'
)
ENGINE = MergeTree
ORDER BY (received_at, sha256)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1, min_compressed_bytes_to_fsync_after_merge = 1, old_parts_lifetime = 480, index_granularity = 8192

CREATE TABLE event_objects
(
    `object_type` LowCardinality(String) COMMENT 'type of the object',
    `object_key` String COMMENT 'normalised business key',
    `role` LowCardinality(String) COMMENT 'role of the object in the event',
    `workflow` LowCardinality(String) COMMENT 'workflow of the event',
    `step` LowCardinality(String) COMMENT 'step of the event',
    `occurred_at` DateTime64(6, 'UTC') COMMENT 'business time',
    `known_at` DateTime64(6, 'UTC') COMMENT 'when tieout learned it',
    `event_id` String COMMENT 'the event',
    `amount` Nullable(Decimal(38, 6)) COMMENT 'money in the event',
    `currency` LowCardinality(String) COMMENT 'ISO 4217',
    `outcome` LowCardinality(String) COMMENT 'ok or failed',
    `attempt` UInt16 COMMENT 'delivery attempt',
    `actor` String COMMENT 'who did it',
    `dims` Map(LowCardinality(String), String) COMMENT 'segments as they were',
    `trace_id` String COMMENT 'trace, or empty',
    `span_id` String COMMENT 'span, or empty',
    `source` LowCardinality(String) COMMENT 'where the event came from',
    INDEX idx_object_key object_key TYPE bloom_filter(0.001) GRANULARITY 1,
    INDEX idx_known_at known_at TYPE minmax GRANULARITY 1
)
ENGINE = MergeTree
ORDER BY (workflow, object_type, object_key, occurred_at, event_id)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1, min_compressed_bytes_to_fsync_after_merge = 1, old_parts_lifetime = 480, index_granularity = 8192

CREATE MATERIALIZED VIEW event_objects_mv TO event_objects
(
    `object_type` LowCardinality(String),
    `object_key` String,
    `role` LowCardinality(String),
    `workflow` LowCardinality(String),
    `step` LowCardinality(String),
    `occurred_at` DateTime64(6, 'UTC'),
    `known_at` DateTime64(6, 'UTC'),
    `event_id` String,
    `amount` Nullable(Decimal(38, 6)),
    `currency` LowCardinality(String),
    `outcome` LowCardinality(String),
    `attempt` UInt16,
    `actor` String,
    `dims` Map(LowCardinality(String), String),
    `trace_id` String,
    `span_id` String,
    `source` LowCardinality(String)
)
AS SELECT
    type AS object_type,
    key AS object_key,
    role,
    workflow,
    step,
    occurred_at,
    known_at,
    event_id,
    amount,
    currency,
    outcome,
    attempt,
    actor,
    dims,
    trace_id,
    span_id,
    source
FROM events
ARRAY JOIN
    objects.type AS type,
    objects.key AS key,
    objects.role AS role

CREATE TABLE events
(
    `event_id` String COMMENT 'stable identity: hash of source and natural key',
    `workflow` LowCardinality(String) COMMENT 'workflow file that gave the meaning',
    `step` LowCardinality(String) COMMENT 'step of the workflow',
    `occurred_at` DateTime64(6, 'UTC') COMMENT 'business time',
    `known_at` DateTime64(6, 'UTC') COMMENT 'when tieout learned it',
    `objects.type` Array(LowCardinality(String)) COMMENT 'business objects touched',
    `objects.key` Array(String) COMMENT 'business objects touched',
    `objects.role` Array(LowCardinality(String)) COMMENT 'business objects touched',
    `amount` Nullable(Decimal(38, 6)) COMMENT 'money in the event, unknown when null',
    `currency` LowCardinality(String) COMMENT 'ISO 4217, empty when there is no amount',
    `outcome` LowCardinality(String) COMMENT 'ok or failed',
    `attempt` UInt16 COMMENT 'delivery attempt, 1 is the first',
    `actor` String COMMENT 'person, job or interface that did it',
    `dims` Map(LowCardinality(String), String) COMMENT 'segments as they were: department, facility, system, ...',
    `attributes` Map(LowCardinality(String), String) COMMENT 'other facts, by the allow-list of the mapping',
    `trace_id` String COMMENT 'trace the event was derived from, or empty',
    `span_id` String COMMENT 'span the event was derived from, or empty',
    `source` LowCardinality(String) COMMENT 'import mapping, probe or telemetry source',
    `source_ref` String COMMENT 'place in the source, for example file:line',
    INDEX idx_event_id event_id TYPE bloom_filter(0.001) GRANULARITY 1,
    INDEX idx_known_at known_at TYPE minmax GRANULARITY 1,
    INDEX idx_trace_id trace_id TYPE bloom_filter(0.001) GRANULARITY 1
)
ENGINE = MergeTree
ORDER BY (workflow, step, occurred_at, event_id)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1, min_compressed_bytes_to_fsync_after_merge = 1, old_parts_lifetime = 480, index_granularity = 8192

CREATE TABLE exceptions
(
    `exception_id` String COMMENT 'stable hash of workflow, expectation, item and opening',
    `action` LowCardinality(String) COMMENT 'assigned, acknowledged, commented, explained, waiver_requested, waived, waiver_refused, resolved, reopened, lapsed',
    `at` DateTime64(6, 'UTC') COMMENT 'when it was done',
    `known_at` DateTime64(6, 'UTC') COMMENT 'when tieout stored it',
    `actor` String COMMENT 'who did it',
    `owner` String COMMENT 'new owner, for assigned',
    `reason` LowCardinality(String) COMMENT 'reason code, for explained and resolved',
    `note` String COMMENT 'what the person wrote',
    `act_id` String DEFAULT lower(hex(sipHash128(exception_id, action, at, known_at, actor))) COMMENT 'given by who acts; the same one twice is one act',
    `until` Nullable(DateTime64(6, 'UTC')) COMMENT 'when an acknowledgement or a waiver ends by itself',
    `amount` Nullable(Decimal(38, 6)) COMMENT 'money at stake when it was acknowledged or waived',
    `currency` LowCardinality(String) COMMENT 'ISO 4217',
    `failures` UInt32 COMMENT 'failed tries when it was acknowledged or waived'
)
ENGINE = MergeTree
ORDER BY (exception_id, at)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1, min_compressed_bytes_to_fsync_after_merge = 1, old_parts_lifetime = 480, index_granularity = 8192

CREATE TABLE expectations
(
    `workflow` LowCardinality(String) COMMENT 'name of the workflow',
    `version` String COMMENT 'rule version that decided',
    `expectation` LowCardinality(String) COMMENT 'name of the rule in the workflow file',
    `kind` LowCardinality(String) COMMENT 'sequence, precedence, once, reference, tie_out',
    `item_type` LowCardinality(String) COMMENT 'type of the item',
    `item_key` String COMMENT 'key of the item',
    `opened_at` DateTime64(6, 'UTC') COMMENT 'business time the successor became expected',
    `opened_by` String COMMENT 'event id, or the linked object for a reference',
    `opened_step` LowCardinality(String) COMMENT 'step that opened it',
    `due_at` DateTime64(6, 'UTC') COMMENT 'expected by',
    `closed_at` Nullable(DateTime64(6, 'UTC')) COMMENT 'business time it ended',
    `closed_by` String COMMENT 'event id or object that ended it',
    `closed_as` LowCardinality(String) COMMENT 'arrived, voided, written_off, or empty while open',
    `reversed_at` Nullable(DateTime64(6, 'UTC')) COMMENT 'business time an arrival was taken back',
    `failed_at` Array(DateTime64(6, 'UTC')) COMMENT 'business times of the failed tries of the expected step',
    `amount` Nullable(Decimal(38, 6)) COMMENT 'money at stake, unknown when null',
    `currency` LowCardinality(String) COMMENT 'ISO 4217',
    `code` LowCardinality(String) COMMENT 'exception code when it fails',
    `clock` LowCardinality(String) COMMENT 'what its latency means: step, sync, end_to_end, or empty',
    `owner` LowCardinality(String) COMMENT 'team that clears it',
    `tolerance_abs` Decimal(38, 6) COMMENT 'money a tie-out may differ by',
    `tolerance_pct` Decimal(38, 6) COMMENT 'percent of the expected leg a tie-out may differ by',
    `sources` Array(LowCardinality(String)) COMMENT 'sources whose watermark proves an absence; any one is enough',
    `dims` Map(LowCardinality(String), String) COMMENT 'segments as they were when it opened',
    `trace_id` String COMMENT 'trace of the opening event, or empty',
    `known_at` DateTime64(6, 'UTC') COMMENT 'newest evidence used: this version holds from here on',
    `evidence` UInt32 COMMENT 'facts used; of two versions for the same known_at the one with more evidence holds',
    `calendar` LowCardinality(String) COMMENT 'calendar of its due time and its age; empty: every hour of every day, in UTC',
    `heard_from` DateTime64(6, 'UTC') COMMENT 'business time from which its source must have been heard; of kind traced',
    INDEX idx_item_key item_key TYPE bloom_filter(0.001) GRANULARITY 1,
    INDEX idx_known_at known_at TYPE minmax GRANULARITY 1
)
ENGINE = MergeTree
ORDER BY (workflow, item_type, item_key, known_at, expectation, opened_at, opened_by)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1, min_compressed_bytes_to_fsync_after_merge = 1, old_parts_lifetime = 480, index_granularity = 8192

CREATE TABLE import_rejects
(
    `import_id` String COMMENT 'run of the importer',
    `source` LowCardinality(String) COMMENT 'import mapping',
    `file` String COMMENT 'name of the file',
    `file_sha256` String COMMENT 'content of the file',
    `line` UInt64 COMMENT 'line or record number in the file',
    `reason` LowCardinality(String) COMMENT 'code of what is wrong',
    `detail` String COMMENT 'column and expectation, never the value',
    `fields` Map(LowCardinality(String), String) COMMENT 'the row as read, so that it can be repaired',
    `known_at` DateTime64(6, 'UTC') COMMENT 'when it was set aside'
)
ENGINE = MergeTree
ORDER BY (source, file_sha256, line)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1, min_compressed_bytes_to_fsync_after_merge = 1, old_parts_lifetime = 480, index_granularity = 8192

CREATE TABLE import_rows
(
    `import_id` String COMMENT 'run of the importer; one partition each, dropped when it is done',
    `part` LowCardinality(String) COMMENT 'table inside the file: rows, event, object, link, ...',
    `line` UInt64 COMMENT 'line or record number in the file, 1 is the first',
    `file` String COMMENT 'name of the file',
    `fields` Map(LowCardinality(String), String) COMMENT 'the row as read, by column name'
)
ENGINE = MergeTree
PARTITION BY import_id
ORDER BY (part, file, line)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1, min_compressed_bytes_to_fsync_after_merge = 1, old_parts_lifetime = 480, index_granularity = 8192

CREATE TABLE imports
(
    `import_id` String COMMENT 'run of the importer',
    `source` LowCardinality(String) COMMENT 'import mapping',
    `file` String COMMENT 'name of the file',
    `file_sha256` String COMMENT 'content of the file',
    `bytes` UInt64 COMMENT 'size of the file',
    `started_at` DateTime64(6, 'UTC') COMMENT 'start of the run',
    `finished_at` DateTime64(6, 'UTC') COMMENT 'end of the run',
    `status` LowCardinality(String) COMMENT 'done or failed',
    `rows_read` UInt64 COMMENT 'rows in the file',
    `rows_new` UInt64 COMMENT 'facts written',
    `rows_known` UInt64 COMMENT 'facts that were there already',
    `rows_rejected` UInt64 COMMENT 'rows set aside'
)
ENGINE = MergeTree
ORDER BY (source, started_at, import_id)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1, min_compressed_bytes_to_fsync_after_merge = 1, old_parts_lifetime = 480, index_granularity = 8192

CREATE TABLE job_runs
(
    `run_id` String COMMENT 'identity of the run',
    `job` LowCardinality(String) COMMENT 'job',
    `scheduled_at` DateTime64(6, 'UTC') COMMENT 'when it should have run',
    `started_at` DateTime64(6, 'UTC') COMMENT 'start',
    `finished_at` DateTime64(6, 'UTC') COMMENT 'end',
    `status` LowCardinality(String) COMMENT 'ok, failed, missed',
    `rows` UInt64 COMMENT 'rows written',
    `error` String COMMENT 'what happened; no payload'
)
ENGINE = MergeTree
ORDER BY (job, started_at, run_id)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1, min_compressed_bytes_to_fsync_after_merge = 1, old_parts_lifetime = 480, index_granularity = 8192

CREATE TABLE kpi_values
(
    `kpi` LowCardinality(String) COMMENT 'K01 ... K73 or a site KPI',
    `version` String COMMENT 'hash of the query',
    `workflow` LowCardinality(String) COMMENT 'workflow',
    `dimension` LowCardinality(String) COMMENT 'segment dimension, empty for the total',
    `segment` String COMMENT 'value of the dimension',
    `measure` LowCardinality(String) COMMENT 'which figure of the KPI: rate, count, amount, p50, ...',
    `unit` LowCardinality(String) COMMENT 'ratio, count, seconds, days or a currency',
    `value` Nullable(Float64) COMMENT 'null when unknown',
    `low` Nullable(Float64) COMMENT 'lower end when unknown items make it an interval',
    `high` Nullable(Float64) COMMENT 'upper end',
    `numerator` Nullable(Decimal(38, 6)) COMMENT 'exact',
    `denominator` Nullable(Decimal(38, 6)) COMMENT 'exact',
    `n` UInt64 COMMENT 'items behind the figure',
    `window_start` DateTime64(6, 'UTC') COMMENT 'start of the period',
    `as_of` DateTime64(6, 'UTC') COMMENT 'business time the figure speaks of',
    `known_at` DateTime64(6, 'UTC') COMMENT 'evidence known up to here was used',
    `published_at` DateTime64(6, 'UTC') COMMENT 'when it was computed',
    `run_id` String COMMENT 'job run'
)
ENGINE = MergeTree
ORDER BY (kpi, workflow, dimension, segment, measure, as_of, published_at)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1, min_compressed_bytes_to_fsync_after_merge = 1, old_parts_lifetime = 480, index_granularity = 8192

CREATE TABLE learned_windows
(
    `workflow` LowCardinality(String) COMMENT 'name of the workflow',
    `version` String COMMENT 'rule version it is of',
    `expectation` LowCardinality(String) COMMENT 'name of the rule in the workflow file',
    `learned_at` DateTime64(6, 'UTC') COMMENT 'midnight by which it was learned, of business and of known time; it holds for what opens on that day',
    `learned` Bool COMMENT 'false while there were too few lags: the fixed window holds',
    `unit` LowCardinality(String) DEFAULT 's' COMMENT 'what the window is of: s, seconds of the clock; bs, seconds of working time; bd, business days',
    `window_s` Int64 COMMENT 'seconds from opening to due time, of the clock or of working time; 0 where unit is bd or while there were too few lags',
    `window_bd` Int32 COMMENT 'business days from opening to due time where unit is bd, else 0',
    `lags` UInt64 COMMENT 'lags that ended in the time looked at and were known',
    `quantile` Decimal(9, 6) COMMENT 'share of the lags that are no longer than the window',
    `over_s` Int64 COMMENT 'how far back was looked, in seconds'
)
ENGINE = MergeTree
ORDER BY (workflow, version, expectation, learned_at)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1, min_compressed_bytes_to_fsync_after_merge = 1, old_parts_lifetime = 480, index_granularity = 8192

CREATE TABLE leg_members
(
    `workflow` LowCardinality(String) COMMENT 'name of the workflow',
    `version` String COMMENT 'rule version that decided',
    `expectation` LowCardinality(String) COMMENT 'name of the tie-out',
    `item_type` LowCardinality(String) COMMENT 'type of the item',
    `item_key` String COMMENT 'key of the item',
    `leg` LowCardinality(String) COMMENT 'leg of the tie-out',
    `expected` Bool COMMENT 'true for the leg that says what should be',
    `member_type` LowCardinality(String) COMMENT 'type of the object, or empty for an event',
    `member_key` String COMMENT 'key of the object, or event id',
    `amount` Nullable(Decimal(38, 6)) COMMENT 'amount of the event; null for an object',
    `currency` LowCardinality(String) COMMENT 'ISO 4217, of the event',
    `joined_at` DateTime64(6, 'UTC') COMMENT 'business time from which it belongs to the leg',
    `known_at` DateTime64(6, 'UTC') COMMENT 'newest evidence used'
)
ENGINE = MergeTree
ORDER BY (workflow, expectation, item_key, leg, member_type, member_key)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1, min_compressed_bytes_to_fsync_after_merge = 1, old_parts_lifetime = 480, index_granularity = 8192

CREATE TABLE marks
(
    `job` LowCardinality(String) COMMENT 'job and what it reads',
    `mark` DateTime64(6, 'UTC') COMMENT 'known_at up to which everything is done',
    `at` DateTime64(6, 'UTC') COMMENT 'when the mark was set',
    `facts` UInt64 COMMENT 'facts known up to the mark when it was set; more of them now means that some were stored late'
)
ENGINE = MergeTree
ORDER BY (job, at)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1, min_compressed_bytes_to_fsync_after_merge = 1, old_parts_lifetime = 480, index_granularity = 8192

CREATE TABLE match_acts
(
    `act_id` String COMMENT 'given by who acts; the same one twice is one act',
    `decision_id` String COMMENT 'the decision by hand that it makes, approves, refuses or takes back',
    `action` LowCardinality(String) COMMENT 'joined, accepted, requested, approved, refused, undone, withdrawn',
    `rule` LowCardinality(String) COMMENT 'matching rule',
    `workflow` LowCardinality(String) COMMENT 'workflow of the rule',
    `known_at` DateTime64(6, 'UTC') COMMENT 'when it was done, later than every act on the rule before it: it holds from here on, for every business time',
    `actor` String COMMENT 'who did it',
    `reason` LowCardinality(String) COMMENT 'reason code',
    `note` String COMMENT 'what should be remembered',
    `members.leg` Array(LowCardinality(String)) COMMENT 'leg of each record of the decision',
    `members.record` Array(String) COMMENT 'its key',
    `members.amount` Array(Nullable(Decimal(38, 6))) COMMENT 'its money when the act was done',
    `difference` Nullable(Decimal(38, 6)) COMMENT 'actual less expected money when the act was done, null when it is not known',
    `currency` LowCardinality(String) COMMENT 'ISO 4217',
    `accepted` String COMMENT 'tests of the rule that failed then and were accepted, with both sides, as JSON',
    `said` String COMMENT 'what the rule had decided of these records then'
)
ENGINE = MergeTree
ORDER BY (rule, known_at, act_id)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1, min_compressed_bytes_to_fsync_after_merge = 1, old_parts_lifetime = 480, index_granularity = 8192

CREATE TABLE match_records
(
    `rule` LowCardinality(String) COMMENT 'matching rule',
    `version` LowCardinality(String) COMMENT 'rule version that read it',
    `pass` UInt8 COMMENT 'which key of the rule, 1 is the first',
    `stream` UInt64 MATERIALIZED cityHash64(rule, version, pass) COMMENT 'rule, version and pass as one number',
    `key` String COMMENT 'normalised key, its parts joined by the unit separator',
    `record_hash` UInt64 MATERIALIZED cityHash64(leg, record) COMMENT 'leg and record as one number',
    `leg` LowCardinality(String) COMMENT 'leg of the rule',
    `record` String COMMENT 'key of the object, or event id',
    `origin` String COMMENT 'key that left it open, empty for the first pass',
    `occurred_at` DateTime64(6, 'UTC') COMMENT 'business time from which it stands like this',
    `known_at` DateTime64(6, 'UTC') COMMENT 'when tieout learned it',
    `row_hash` String COMMENT 'of two states with the same times the one with the larger hash holds',
    `gone` Bool COMMENT 'not under this key from then on: changed, deleted, not in a state that counts, or matched by an earlier key',
    `day` Date32 COMMENT 'business day',
    `numbers` Array(Nullable(Decimal(38, 12))) COMMENT 'numbers of the rule in base unit and its currency',
    `texts` Array(String) COMMENT 'texts of the rule',
    `currency` LowCardinality(String) COMMENT 'ISO 4217, after conversion',
    `rate` Decimal(38, 12) COMMENT 'exchange rate used',
    `worth` Nullable(Decimal(38, 6)) COMMENT 'money of the record',
    `original` String COMMENT 'record it takes back',
    `problem` LowCardinality(String) COMMENT 'exception code of what makes it unusable',
    `keys` Array(String) COMMENT 'its key for each pass',
    `dims` Map(LowCardinality(String), String) COMMENT 'segments',
    `counts_from` DateTime64(6, 'UTC') COMMENT 'from when windows count by this record alone: the date it names, else when it is there',
    `due` Array(Tuple(
        counts_from DateTime64(6, 'UTC'),
        due_at DateTime64(6, 'UTC'),
        learned_at DateTime64(6, 'UTC'))) COMMENT 'of each leg from when its window counts, when it is due and when that window was learned, by this record alone; empty where windows are of the clock and fixed',
    `dated` Bool COMMENT 'that counts from a date it names, not from when it is there',
    `business_day` Int32 COMMENT 'business day it counts for, of the calendar that windows are counted by; 0 without one',
    INDEX idx_known_at known_at TYPE minmax GRANULARITY 4,
    INDEX idx_record record TYPE bloom_filter(0.01) GRANULARITY 4
)
ENGINE = MergeTree
ORDER BY (stream, key, leg, record, origin, occurred_at, known_at)
SETTINGS index_granularity = 512, min_compress_block_size = 8192, non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1, min_compressed_bytes_to_fsync_after_merge = 1, old_parts_lifetime = 480, merge_selector_base = 12, auto_statistics_types = ''

CREATE TABLE matches
(
    `rule` LowCardinality(String) COMMENT 'matching rule',
    `version` String COMMENT 'rule version that decided',
    `workflow` LowCardinality(String) COMMENT 'workflow of the rule',
    `pass` UInt8 COMMENT 'which key of the rule',
    `group_key` String COMMENT 'normalised key, its parts joined by the unit separator',
    `item` UInt32 COMMENT 'number of the decision within its version',
    `occurred_at` DateTime64(6, 'UTC') COMMENT 'business time from which it holds',
    `known_at` DateTime64(6, 'UTC') COMMENT 'newest evidence used: it holds from here on',
    `evidence` UInt32 COMMENT 'states used; of two versions for the same times the one with more holds',
    `verdict` LowCardinality(String) COMMENT 'none, open, matched, matched_tol, partial, mismatch, ambiguous, duplicate, reversed, unusable',
    `outcome` LowCardinality(String) COMMENT 'clear, suggest, wait, except',
    `final` Bool COMMENT 'false when a later key still tries it',
    `members.leg` Array(LowCardinality(String)) COMMENT 'leg of each record of the decision',
    `members.type` Array(LowCardinality(String)) COMMENT 'its object type, empty for an event',
    `members.record` Array(String) COMMENT 'its key',
    `members.day` Array(Date32) COMMENT 'its business day',
    `members.amount` Array(Nullable(Decimal(38, 6))) COMMENT 'its money, allocated to this decision whole',
    `header` String COMMENT 'key fields by which items are rolled up',
    `opened_at` DateTime64(6, 'UTC') COMMENT 'when the first of its records was there',
    `due_at` DateTime64(6, 'UTC') COMMENT 'when all legs should be there',
    `closed_at` Nullable(DateTime64(6, 'UTC')) COMMENT 'when the last record of a match was there',
    `lags.from` Array(DateTime64(6, 'UTC')) COMMENT 'from when the window of each leg counted; of matches of rules that learn windows, else empty',
    `lags.until` Array(DateTime64(6, 'UTC')) COMMENT 'when each leg was whole',
    `expected` Nullable(Decimal(38, 6)) COMMENT 'money the expected leg says',
    `actual` Nullable(Decimal(38, 6)) COMMENT 'money the actual leg says',
    `residual` Nullable(Decimal(38, 6)) COMMENT 'actual less expected',
    `currency` LowCardinality(String) COMMENT 'ISO 4217',
    `variance` Map(LowCardinality(String), Decimal(38, 6)) COMMENT 'the residual by cause; sums to it exactly',
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
    `gates` String COMMENT 'every test with both sides, as JSON',
    `options` String COMMENT 'groupings between which nothing decides, as JSON',
    `margin` Nullable(Decimal(38, 6)) COMMENT 'how much more the next best pairing differs',
    `nearest` String COMMENT 'what nearly matched, and what change would have let it',
    `aged_from` DateTime64(6, 'UTC') COMMENT 'what the age of an exception counts from',
    `dims` Map(LowCardinality(String), String) COMMENT 'segments of its first record',
    `calendar` LowCardinality(String) COMMENT 'calendar that ages are counted by; empty: every hour of every day, in UTC',
    INDEX idx_known_at known_at TYPE minmax GRANULARITY 4,
    INDEX idx_members members.record TYPE bloom_filter(0.01) GRANULARITY 1
)
ENGINE = MergeTree
ORDER BY (rule, version, pass, group_key, occurred_at, known_at, item)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1, min_compressed_bytes_to_fsync_after_merge = 1, old_parts_lifetime = 480, index_granularity = 8192, merge_selector_base = 12, auto_statistics_types = ''

CREATE TABLE matching_tables
(
    `name` LowCardinality(String) COMMENT 'name of the table file',
    `version` String COMMENT 'hash of its content',
    `value` String COMMENT 'what is looked up',
    `result` String COMMENT 'what it means',
    `valid_from` Date32 COMMENT 'first day it holds',
    `valid_until` Date32 COMMENT 'first day it no longer holds'
)
ENGINE = MergeTree
ORDER BY (name, version, value, valid_from)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1, min_compressed_bytes_to_fsync_after_merge = 1, old_parts_lifetime = 480, index_granularity = 8192

CREATE TABLE matching_versions
(
    `rule` LowCardinality(String) COMMENT 'name of the matching rule',
    `version` String COMMENT 'hash of the rule and of the tables it reads',
    `workflow` LowCardinality(String) COMMENT 'workflow it belongs to',
    `content` String COMMENT 'the rule as JSON',
    `activated_at` DateTime64(6, 'UTC') COMMENT 'known time from which it decides',
    `calendars` Map(LowCardinality(String), String) COMMENT 'calendars that this version counts with, and their versions'
)
ENGINE = MergeTree
ORDER BY (rule, activated_at)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1, min_compressed_bytes_to_fsync_after_merge = 1, old_parts_lifetime = 480, index_granularity = 8192

CREATE TABLE notifications
(
    `notification_id` String COMMENT 'stable: fingerprint, state change and receiver',
    `rule` LowCardinality(String) COMMENT 'rule of the alert file',
    `fingerprint` String COMMENT 'alert it tells of',
    `receiver` LowCardinality(String) COMMENT 'receiver of the alert file',
    `status` LowCardinality(String) COMMENT 'firing or resolved',
    `outcome` LowCardinality(String) COMMENT 'planned, sent, failed, given_up',
    `attempt` UInt16 COMMENT 'try',
    `error_code` LowCardinality(String) COMMENT 'short code, empty when sent',
    `at` DateTime64(6, 'UTC') COMMENT 'time of the try',
    `payload` String COMMENT 'the message, for a retry after a restart'
)
ENGINE = MergeTree
ORDER BY (notification_id, at, attempt)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1, min_compressed_bytes_to_fsync_after_merge = 1, old_parts_lifetime = 480, index_granularity = 8192

CREATE TABLE object_links
(
    `workflow` LowCardinality(String) COMMENT 'workflow whose objects are linked',
    `from_type` LowCardinality(String) COMMENT 'type of the referring object',
    `from_key` String COMMENT 'its key',
    `to_type` LowCardinality(String) COMMENT 'type of the object referred to',
    `to_key` String COMMENT 'its key; the object itself may not exist',
    `role` LowCardinality(String) COMMENT 'qualifier of the link',
    `valid_from` DateTime64(6, 'UTC') COMMENT 'business time from which the link is true',
    `known_at` DateTime64(6, 'UTC') COMMENT 'when tieout learned it',
    `source` LowCardinality(String) COMMENT 'import mapping, probe or telemetry source',
    INDEX idx_to_key to_key TYPE bloom_filter(0.001) GRANULARITY 1,
    INDEX idx_known_at known_at TYPE minmax GRANULARITY 1
)
ENGINE = MergeTree
ORDER BY (workflow, from_type, from_key, role, to_type, to_key)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1, min_compressed_bytes_to_fsync_after_merge = 1, old_parts_lifetime = 480, index_granularity = 8192

CREATE TABLE otel_logs
(
    `Timestamp` DateTime64(9) COMMENT 'when it happened, else when it was seen, else when it was stored, UTC' CODEC(Delta(8), ZSTD(1)),
    `TraceId` String COMMENT '32 lower-case hex digits, empty outside of traces' CODEC(ZSTD(1)),
    `SpanId` String COMMENT '16 lower-case hex digits, empty outside of spans' CODEC(ZSTD(1)),
    `TraceFlags` UInt8 COMMENT 'W3C trace flags',
    `SeverityText` LowCardinality(String) COMMENT 'level as the program names it' CODEC(ZSTD(1)),
    `SeverityNumber` UInt8 COMMENT '1 to 24, 0 when not known',
    `ServiceName` LowCardinality(String) COMMENT 'service.name of the resource' CODEC(ZSTD(1)),
    `Body` String COMMENT 'the message; JSON when it is a list or a map' CODEC(ZSTD(1)),
    `ResourceSchemaUrl` LowCardinality(String) COMMENT 'schema of the resource attributes' CODEC(ZSTD(1)),
    `ResourceAttributes` Map(LowCardinality(String), String) COMMENT 'resource attributes' CODEC(ZSTD(1)),
    `ScopeSchemaUrl` LowCardinality(String) COMMENT 'schema of scope and log attributes' CODEC(ZSTD(1)),
    `ScopeName` String COMMENT 'instrumentation scope, usually the logger' CODEC(ZSTD(1)),
    `ScopeVersion` LowCardinality(String) COMMENT 'its version' CODEC(ZSTD(1)),
    `ScopeAttributes` Map(LowCardinality(String), String) COMMENT 'its attributes' CODEC(ZSTD(1)),
    `LogAttributes` Map(LowCardinality(String), String) COMMENT 'log attributes' CODEC(ZSTD(1)),
    `EventName` String COMMENT 'kind of event, empty for plain logs' CODEC(ZSTD(1)),
    `__otel_materialized_k8s.cluster.name` LowCardinality(String) ALIAS ResourceAttributes['k8s.cluster.name'] COMMENT 'resource attribute',
    `__otel_materialized_k8s.container.name` LowCardinality(String) ALIAS ResourceAttributes['k8s.container.name'] COMMENT 'resource attribute',
    `__otel_materialized_k8s.deployment.name` LowCardinality(String) ALIAS ResourceAttributes['k8s.deployment.name'] COMMENT 'resource attribute',
    `__otel_materialized_k8s.namespace.name` LowCardinality(String) ALIAS ResourceAttributes['k8s.namespace.name'] COMMENT 'resource attribute',
    `__otel_materialized_k8s.node.name` LowCardinality(String) ALIAS ResourceAttributes['k8s.node.name'] COMMENT 'resource attribute',
    `__otel_materialized_k8s.pod.name` LowCardinality(String) ALIAS ResourceAttributes['k8s.pod.name'] COMMENT 'resource attribute',
    `__otel_materialized_k8s.pod.uid` LowCardinality(String) ALIAS ResourceAttributes['k8s.pod.uid'] COMMENT 'resource attribute',
    `__otel_materialized_deployment.environment.name` LowCardinality(String) ALIAS ResourceAttributes['deployment.environment.name'] COMMENT 'resource attribute',
    `known_at` DateTime64(6, 'UTC') DEFAULT now64(6) COMMENT 'when tieout stored the record' CODEC(Delta(8), ZSTD(1)),
    `request_id` String COMMENT 'id of the export request the row came in, empty when another program wrote it' CODEC(ZSTD(1)),
    `request_items` UInt32 COMMENT 'records in that request' CODEC(ZSTD(1)),
    INDEX idx_trace_id TraceId TYPE bloom_filter(0.001) GRANULARITY 1,
    INDEX idx_res_attr_key mapKeys(ResourceAttributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_res_attr_value mapValues(ResourceAttributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_scope_attr_key mapKeys(ScopeAttributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_scope_attr_value mapValues(ScopeAttributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_log_attr_key mapKeys(LogAttributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_log_attr_value mapValues(LogAttributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_lower_body lower(Body) TYPE tokenbf_v1(32768, 3, 0) GRANULARITY 8,
    INDEX idx_known_at known_at TYPE minmax GRANULARITY 1
)
ENGINE = MergeTree
PARTITION BY toDate(Timestamp)
ORDER BY (toStartOfFiveMinutes(Timestamp), ServiceName, Timestamp)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1, min_compressed_bytes_to_fsync_after_merge = 1, old_parts_lifetime = 480, index_granularity = 8192, merge_selector_base = 12

CREATE TABLE otel_logs_private
(
    `Timestamp` DateTime64(9) COMMENT 'when it happened, else when it was seen, else when it was stored, UTC' CODEC(Delta(8), ZSTD(1)),
    `TraceId` String COMMENT '32 lower-case hex digits, empty outside of traces' CODEC(ZSTD(1)),
    `SpanId` String COMMENT '16 lower-case hex digits, empty outside of spans' CODEC(ZSTD(1)),
    `TraceFlags` UInt8 COMMENT 'W3C trace flags',
    `SeverityText` LowCardinality(String) COMMENT 'level as the program names it' CODEC(ZSTD(1)),
    `SeverityNumber` UInt8 COMMENT '1 to 24, 0 when not known',
    `ServiceName` LowCardinality(String) COMMENT 'service.name of the resource' CODEC(ZSTD(1)),
    `Body` String COMMENT 'the message; JSON when it is a list or a map' CODEC(ZSTD(1)),
    `ResourceSchemaUrl` LowCardinality(String) COMMENT 'schema of the resource attributes' CODEC(ZSTD(1)),
    `ResourceAttributes` Map(LowCardinality(String), String) COMMENT 'resource attributes' CODEC(ZSTD(1)),
    `ScopeSchemaUrl` LowCardinality(String) COMMENT 'schema of scope and log attributes' CODEC(ZSTD(1)),
    `ScopeName` String COMMENT 'instrumentation scope, usually the logger' CODEC(ZSTD(1)),
    `ScopeVersion` LowCardinality(String) COMMENT 'its version' CODEC(ZSTD(1)),
    `ScopeAttributes` Map(LowCardinality(String), String) COMMENT 'its attributes' CODEC(ZSTD(1)),
    `LogAttributes` Map(LowCardinality(String), String) COMMENT 'log attributes' CODEC(ZSTD(1)),
    `EventName` String COMMENT 'kind of event, empty for plain logs' CODEC(ZSTD(1)),
    `__otel_materialized_k8s.cluster.name` LowCardinality(String) ALIAS ResourceAttributes['k8s.cluster.name'] COMMENT 'resource attribute',
    `__otel_materialized_k8s.container.name` LowCardinality(String) ALIAS ResourceAttributes['k8s.container.name'] COMMENT 'resource attribute',
    `__otel_materialized_k8s.deployment.name` LowCardinality(String) ALIAS ResourceAttributes['k8s.deployment.name'] COMMENT 'resource attribute',
    `__otel_materialized_k8s.namespace.name` LowCardinality(String) ALIAS ResourceAttributes['k8s.namespace.name'] COMMENT 'resource attribute',
    `__otel_materialized_k8s.node.name` LowCardinality(String) ALIAS ResourceAttributes['k8s.node.name'] COMMENT 'resource attribute',
    `__otel_materialized_k8s.pod.name` LowCardinality(String) ALIAS ResourceAttributes['k8s.pod.name'] COMMENT 'resource attribute',
    `__otel_materialized_k8s.pod.uid` LowCardinality(String) ALIAS ResourceAttributes['k8s.pod.uid'] COMMENT 'resource attribute',
    `__otel_materialized_deployment.environment.name` LowCardinality(String) ALIAS ResourceAttributes['deployment.environment.name'] COMMENT 'resource attribute',
    `known_at` DateTime64(6, 'UTC') DEFAULT now64(6) COMMENT 'when tieout stored the record' CODEC(Delta(8), ZSTD(1)),
    `request_id` String COMMENT 'id of the export request the row came in, empty when another program wrote it' CODEC(ZSTD(1)),
    `request_items` UInt32 COMMENT 'records in that request' CODEC(ZSTD(1)),
    `policy_id` String COMMENT 'policy that the receiver relies on',
    `policy_key_ids` Array(String) COMMENT 'names of the keys of tokens, the newest first',
    `policy_keys` Array(String) COMMENT 'the keys'
)
ENGINE = `Null`

CREATE MATERIALIZED VIEW otel_logs_private_mv TO otel_logs
(
    `Timestamp` DateTime64(9),
    `TraceId` String,
    `SpanId` String,
    `TraceFlags` UInt8,
    `SeverityText` String,
    `SeverityNumber` UInt8,
    `ServiceName` String,
    `Body` String,
    `ResourceSchemaUrl` String,
    `ResourceAttributes` Map(LowCardinality(String), String),
    `ScopeSchemaUrl` String,
    `ScopeName` String,
    `ScopeVersion` String,
    `ScopeAttributes` Map(LowCardinality(String), String),
    `LogAttributes` Map(LowCardinality(String), String),
    `EventName` String,
    `request_id` String,
    `request_items` UInt32
)
AS WITH
    (
        SELECT CAST(groupArray((kind, pattern)), 'Map(String, String)')
        FROM privacy_rules
        WHERE (known_at, policy) = (
            SELECT max((known_at, policy))
            FROM privacy_rules
        )
    ) AS rules,
    CAST(mapApply((name, value) -> (name, if(match(name, rules['special']), multiIf(match(name, rules['tokens']), arrayMap(tokens -> multiIf(empty(tokens), '', length(tokens) = 1, tokens[1], toJSONString(tokens)), [arrayFlatten(arrayMap(text -> arrayMap((id, key) -> concat(id, ':', lower(hex(substring(HMAC('sha256', text, '[HIDDEN]'), 1, 16)))), p.policy_key_ids, p.policy_keys), arrayFilter(text -> (text != ''), arrayMap(text -> replaceRegexpAll(text, '^[\\s\\p{Z}]+|[\\s\\p{Z}]+$', ''), if(startsWith(value, '[') AND isValidJSON(value), JSONExtract(value, 'Array(String)'), [value])))))])[1], match(name, rules['urls']), replaceRegexpOne(extract(replaceRegexpOne(value, '^([a-z]+://)[^/?#@]*@', '\\1'), '^((?:https?|wss?|ftps?|sftp|grpcs?|amqps?|mqtts?|kafka|redis|postgres|postgresql|mysql|mongodb)://[A-Za-z0-9._-]+)(?::[0-9]+)?(?:[/?#].*)?$'), '://[0-9.]+$', '://?'), match(name, rules['statements']), if(match(value, '(?i)^\\s*(?:SELECT|INSERT|UPDATE|DELETE|WITH|MERGE|REPLACE|CALL|EXEC|EXECUTE)\\s') AND (NOT match(value, '\\\\|[$][$A-Za-z_]|#|`[^`]*[^A-Za-z0-9_`][^`]*`')), normalizeQuery(replaceRegexpAll(value, '(?s)\'(?:[^\']|\'\')*\'|"(?:[^"]|"")*"|/[*].*?[*]/|--[^\\n]*', '\'?\'')), '(withheld)'), match(name, rules['texts']), arrayStringConcat(arrayMap(word -> if(match(word, '^(?:[a-z]+|(?:[a-z_]+[.])*[A-Z][A-Za-z]*(?:Error|Exception|Warning|Timeout|Failure))[.,:;!?]*$'), word, '?'), splitByWhitespace(replaceRegexpOne(value, '(?s)(?:(?:^|[^\\p{L}])\'|["`]|“|„|‟|‘|‚|«|‹|»|›)(?:.*(?:[\'"`]|“|”|‟|’|«|»|‹|›)|.*$)', ' ? '))), ' '), ''), value)), mapFilter((name, value) -> match(name, rules['attributes']), p.ResourceAttributes)), 'Map(LowCardinality(String), String)') AS resource
SELECT
    p.Timestamp AS Timestamp,
    p.TraceId AS TraceId,
    p.SpanId AS SpanId,
    p.TraceFlags AS TraceFlags,
    if(match(p.SeverityText, '(?i)^(?:(?:trace|debug|info|warn|error|fatal)[1-4]?|verbose|information|notice|warning|err|severe|critical|crit|alert|emerg|emergency|panic)$'), p.SeverityText, '') AS SeverityText,
    p.SeverityNumber AS SeverityNumber,
    resource['service.name'] AS ServiceName,
    multiIf((rules['bodies']) = 'keep', p.Body, (rules['bodies']) = 'mask', arrayStringConcat(arrayMap(word -> if(match(word, '^(?:[a-z]+|(?:[a-z_]+[.])*[A-Z][A-Za-z]*(?:Error|Exception|Warning|Timeout|Failure))[.,:;!?]*$'), word, '?'), splitByWhitespace(replaceRegexpOne(p.Body, '(?s)(?:(?:^|[^\\p{L}])\'|["`]|“|„|‟|‘|‚|«|‹|»|›)(?:.*(?:[\'"`]|“|”|‟|’|«|»|‹|›)|.*$)', ' ? '))), ' '), '') AS Body,
    if(match(p.ResourceSchemaUrl, '^https://opentelemetry[.]io/schemas/[0-9]+[.][0-9]+[.][0-9]+$'), p.ResourceSchemaUrl, '') AS ResourceSchemaUrl,
    resource AS ResourceAttributes,
    if(match(p.ScopeSchemaUrl, '^https://opentelemetry[.]io/schemas/[0-9]+[.][0-9]+[.][0-9]+$'), p.ScopeSchemaUrl, '') AS ScopeSchemaUrl,
    if((p.ScopeName = '') OR match(p.ScopeName, rules['names']), p.ScopeName, '(withheld)') AS ScopeName,
    '' AS ScopeVersion,
    CAST(mapApply((name, value) -> (name, if(match(name, rules['special']), multiIf(match(name, rules['tokens']), arrayMap(tokens -> multiIf(empty(tokens), '', length(tokens) = 1, tokens[1], toJSONString(tokens)), [arrayFlatten(arrayMap(text -> arrayMap((id, key) -> concat(id, ':', lower(hex(substring(HMAC('sha256', text, '[HIDDEN]'), 1, 16)))), p.policy_key_ids, p.policy_keys), arrayFilter(text -> (text != ''), arrayMap(text -> replaceRegexpAll(text, '^[\\s\\p{Z}]+|[\\s\\p{Z}]+$', ''), if(startsWith(value, '[') AND isValidJSON(value), JSONExtract(value, 'Array(String)'), [value])))))])[1], match(name, rules['urls']), replaceRegexpOne(extract(replaceRegexpOne(value, '^([a-z]+://)[^/?#@]*@', '\\1'), '^((?:https?|wss?|ftps?|sftp|grpcs?|amqps?|mqtts?|kafka|redis|postgres|postgresql|mysql|mongodb)://[A-Za-z0-9._-]+)(?::[0-9]+)?(?:[/?#].*)?$'), '://[0-9.]+$', '://?'), match(name, rules['statements']), if(match(value, '(?i)^\\s*(?:SELECT|INSERT|UPDATE|DELETE|WITH|MERGE|REPLACE|CALL|EXEC|EXECUTE)\\s') AND (NOT match(value, '\\\\|[$][$A-Za-z_]|#|`[^`]*[^A-Za-z0-9_`][^`]*`')), normalizeQuery(replaceRegexpAll(value, '(?s)\'(?:[^\']|\'\')*\'|"(?:[^"]|"")*"|/[*].*?[*]/|--[^\\n]*', '\'?\'')), '(withheld)'), match(name, rules['texts']), arrayStringConcat(arrayMap(word -> if(match(word, '^(?:[a-z]+|(?:[a-z_]+[.])*[A-Z][A-Za-z]*(?:Error|Exception|Warning|Timeout|Failure))[.,:;!?]*$'), word, '?'), splitByWhitespace(replaceRegexpOne(value, '(?s)(?:(?:^|[^\\p{L}])\'|["`]|“|„|‟|‘|‚|«|‹|»|›)(?:.*(?:[\'"`]|“|”|‟|’|«|»|‹|›)|.*$)', ' ? '))), ' '), ''), value)), mapFilter((name, value) -> match(name, rules['attributes']), p.ScopeAttributes)), 'Map(LowCardinality(String), String)') AS ScopeAttributes,
    CAST(mapApply((name, value) -> (name, if(match(name, rules['special']), multiIf(match(name, rules['tokens']), arrayMap(tokens -> multiIf(empty(tokens), '', length(tokens) = 1, tokens[1], toJSONString(tokens)), [arrayFlatten(arrayMap(text -> arrayMap((id, key) -> concat(id, ':', lower(hex(substring(HMAC('sha256', text, '[HIDDEN]'), 1, 16)))), p.policy_key_ids, p.policy_keys), arrayFilter(text -> (text != ''), arrayMap(text -> replaceRegexpAll(text, '^[\\s\\p{Z}]+|[\\s\\p{Z}]+$', ''), if(startsWith(value, '[') AND isValidJSON(value), JSONExtract(value, 'Array(String)'), [value])))))])[1], match(name, rules['urls']), replaceRegexpOne(extract(replaceRegexpOne(value, '^([a-z]+://)[^/?#@]*@', '\\1'), '^((?:https?|wss?|ftps?|sftp|grpcs?|amqps?|mqtts?|kafka|redis|postgres|postgresql|mysql|mongodb)://[A-Za-z0-9._-]+)(?::[0-9]+)?(?:[/?#].*)?$'), '://[0-9.]+$', '://?'), match(name, rules['statements']), if(match(value, '(?i)^\\s*(?:SELECT|INSERT|UPDATE|DELETE|WITH|MERGE|REPLACE|CALL|EXEC|EXECUTE)\\s') AND (NOT match(value, '\\\\|[$][$A-Za-z_]|#|`[^`]*[^A-Za-z0-9_`][^`]*`')), normalizeQuery(replaceRegexpAll(value, '(?s)\'(?:[^\']|\'\')*\'|"(?:[^"]|"")*"|/[*].*?[*]/|--[^\\n]*', '\'?\'')), '(withheld)'), match(name, rules['texts']), arrayStringConcat(arrayMap(word -> if(match(word, '^(?:[a-z]+|(?:[a-z_]+[.])*[A-Z][A-Za-z]*(?:Error|Exception|Warning|Timeout|Failure))[.,:;!?]*$'), word, '?'), splitByWhitespace(replaceRegexpOne(value, '(?s)(?:(?:^|[^\\p{L}])\'|["`]|“|„|‟|‘|‚|«|‹|»|›)(?:.*(?:[\'"`]|“|”|‟|’|«|»|‹|›)|.*$)', ' ? '))), ' '), ''), value)), mapFilter((name, value) -> match(name, rules['attributes']), p.LogAttributes)), 'Map(LowCardinality(String), String)') AS LogAttributes,
    if((p.EventName = '') OR match(p.EventName, rules['names']), p.EventName, '(withheld)') AS EventName,
    p.request_id AS request_id,
    p.request_items AS request_items
FROM otel_logs_private AS p
WHERE throwIf((p.policy_id = '') OR (p.policy_id != (rules['policy'])), 'another privacy policy holds in this store') = 0

CREATE TABLE otel_metrics_exponential_histogram
(
    `ResourceAttributes` Map(LowCardinality(String), String) COMMENT 'resource attributes' CODEC(ZSTD(1)),
    `ResourceSchemaUrl` String COMMENT 'schema of the resource attributes' CODEC(ZSTD(1)),
    `ScopeName` String COMMENT 'instrumentation scope' CODEC(ZSTD(1)),
    `ScopeVersion` String COMMENT 'its version' CODEC(ZSTD(1)),
    `ScopeAttributes` Map(LowCardinality(String), String) COMMENT 'its attributes' CODEC(ZSTD(1)),
    `ScopeDroppedAttrCount` UInt32 COMMENT 'attributes of the scope that the sender left out' CODEC(ZSTD(1)),
    `ScopeSchemaUrl` String COMMENT 'schema of scope and metrics' CODEC(ZSTD(1)),
    `ServiceName` LowCardinality(String) COMMENT 'service.name of the resource' CODEC(ZSTD(1)),
    `MetricName` LowCardinality(String) COMMENT 'metric' CODEC(ZSTD(1)),
    `MetricDescription` String COMMENT 'what it measures' CODEC(ZSTD(1)),
    `MetricUnit` String COMMENT 'unit, in UCUM' CODEC(ZSTD(1)),
    `Attributes` Map(LowCardinality(String), String) COMMENT 'attributes of the data point' CODEC(ZSTD(1)),
    `StartTimeUnix` DateTime64(9) COMMENT 'start of the interval measured, 1970 when not known, UTC' CODEC(Delta(8), ZSTD(1)),
    `TimeUnix` DateTime64(9) COMMENT 'end of the interval measured, UTC' CODEC(Delta(8), ZSTD(1)),
    `Count` UInt64 COMMENT 'measurements' CODEC(Delta(8), ZSTD(1)),
    `Sum` Float64 COMMENT 'sum of them, 0 when not known' CODEC(ZSTD(1)),
    `Scale` Int32 COMMENT 'buckets grow by 2 to the power of 2 to the power of -scale' CODEC(ZSTD(1)),
    `ZeroCount` UInt64 COMMENT 'measurements not farther from zero than ZeroThreshold' CODEC(ZSTD(1)),
    `PositiveOffset` Int32 COMMENT 'index of the first positive bucket' CODEC(ZSTD(1)),
    `PositiveBucketCounts` Array(UInt64) COMMENT 'measurements in each positive bucket' CODEC(ZSTD(1)),
    `NegativeOffset` Int32 COMMENT 'index of the first negative bucket' CODEC(ZSTD(1)),
    `NegativeBucketCounts` Array(UInt64) COMMENT 'measurements in each negative bucket' CODEC(ZSTD(1)),
    `Exemplars.FilteredAttributes` Array(Map(LowCardinality(String), String)) COMMENT 'single measurements and the spans they were taken in' CODEC(ZSTD(1)),
    `Exemplars.TimeUnix` Array(DateTime64(9)) COMMENT 'single measurements and the spans they were taken in' CODEC(ZSTD(1)),
    `Exemplars.Value` Array(Float64) COMMENT 'single measurements and the spans they were taken in' CODEC(ZSTD(1)),
    `Exemplars.SpanId` Array(String) COMMENT 'single measurements and the spans they were taken in' CODEC(ZSTD(1)),
    `Exemplars.TraceId` Array(String) COMMENT 'single measurements and the spans they were taken in' CODEC(ZSTD(1)),
    `Flags` UInt32 COMMENT '1: there is no value, the sender lost sight of it' CODEC(ZSTD(1)),
    `Min` Float64 COMMENT 'smallest, 0 when not known' CODEC(ZSTD(1)),
    `Max` Float64 COMMENT 'largest, 0 when not known' CODEC(ZSTD(1)),
    `AggregationTemporality` Int32 COMMENT '1 delta since the last point, 2 cumulative since the start, 0 not said' CODEC(ZSTD(1)),
    `ZeroThreshold` Float64 COMMENT 'half the width of the zero bucket; not in the exporter\'s table' CODEC(ZSTD(1)),
    `known_at` DateTime64(6, 'UTC') DEFAULT now64(6) COMMENT 'when tieout stored the point' CODEC(Delta(8), ZSTD(1)),
    `request_id` String COMMENT 'id of the export request the row came in, empty when another program wrote it' CODEC(ZSTD(1)),
    `request_items` UInt32 COMMENT 'data points in that request, in all metrics' CODEC(ZSTD(1)),
    INDEX idx_res_attr_key mapKeys(ResourceAttributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_res_attr_value mapValues(ResourceAttributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_scope_attr_key mapKeys(ScopeAttributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_scope_attr_value mapValues(ScopeAttributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_attr_key mapKeys(Attributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_attr_value mapValues(Attributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_time_minmax TimeUnix TYPE minmax GRANULARITY 1,
    INDEX idx_known_at known_at TYPE minmax GRANULARITY 1
)
ENGINE = MergeTree
PARTITION BY toDate(TimeUnix)
ORDER BY (ServiceName, MetricName, toStartOfHour(TimeUnix), cityHash64(Attributes), TimeUnix)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1, min_compressed_bytes_to_fsync_after_merge = 1, old_parts_lifetime = 480, index_granularity = 8192, merge_selector_base = 12

CREATE TABLE otel_metrics_gauge
(
    `ResourceAttributes` Map(LowCardinality(String), String) COMMENT 'resource attributes' CODEC(ZSTD(1)),
    `ResourceSchemaUrl` String COMMENT 'schema of the resource attributes' CODEC(ZSTD(1)),
    `ScopeName` String COMMENT 'instrumentation scope' CODEC(ZSTD(1)),
    `ScopeVersion` String COMMENT 'its version' CODEC(ZSTD(1)),
    `ScopeAttributes` Map(LowCardinality(String), String) COMMENT 'its attributes' CODEC(ZSTD(1)),
    `ScopeDroppedAttrCount` UInt32 COMMENT 'attributes of the scope that the sender left out' CODEC(ZSTD(1)),
    `ScopeSchemaUrl` String COMMENT 'schema of scope and metrics' CODEC(ZSTD(1)),
    `ServiceName` LowCardinality(String) COMMENT 'service.name of the resource' CODEC(ZSTD(1)),
    `MetricName` LowCardinality(String) COMMENT 'metric' CODEC(ZSTD(1)),
    `MetricDescription` String COMMENT 'what it measures' CODEC(ZSTD(1)),
    `MetricUnit` String COMMENT 'unit, in UCUM' CODEC(ZSTD(1)),
    `Attributes` Map(LowCardinality(String), String) COMMENT 'attributes of the data point' CODEC(ZSTD(1)),
    `StartTimeUnix` DateTime64(9) COMMENT 'start of the interval measured, 1970 when not known, UTC' CODEC(Delta(8), ZSTD(1)),
    `TimeUnix` DateTime64(9) COMMENT 'end of the interval measured, UTC' CODEC(Delta(8), ZSTD(1)),
    `Value` Float64 COMMENT 'value at the time' CODEC(ZSTD(1)),
    `Flags` UInt32 COMMENT '1: there is no value, the sender lost sight of it' CODEC(ZSTD(1)),
    `Exemplars.FilteredAttributes` Array(Map(LowCardinality(String), String)) COMMENT 'single measurements and the spans they were taken in' CODEC(ZSTD(1)),
    `Exemplars.TimeUnix` Array(DateTime64(9)) COMMENT 'single measurements and the spans they were taken in' CODEC(ZSTD(1)),
    `Exemplars.Value` Array(Float64) COMMENT 'single measurements and the spans they were taken in' CODEC(ZSTD(1)),
    `Exemplars.SpanId` Array(String) COMMENT 'single measurements and the spans they were taken in' CODEC(ZSTD(1)),
    `Exemplars.TraceId` Array(String) COMMENT 'single measurements and the spans they were taken in' CODEC(ZSTD(1)),
    `known_at` DateTime64(6, 'UTC') DEFAULT now64(6) COMMENT 'when tieout stored the point' CODEC(Delta(8), ZSTD(1)),
    `request_id` String COMMENT 'id of the export request the row came in, empty when another program wrote it' CODEC(ZSTD(1)),
    `request_items` UInt32 COMMENT 'data points in that request, in all metrics' CODEC(ZSTD(1)),
    INDEX idx_res_attr_key mapKeys(ResourceAttributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_res_attr_value mapValues(ResourceAttributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_scope_attr_key mapKeys(ScopeAttributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_scope_attr_value mapValues(ScopeAttributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_attr_key mapKeys(Attributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_attr_value mapValues(Attributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_time_minmax TimeUnix TYPE minmax GRANULARITY 1,
    INDEX idx_known_at known_at TYPE minmax GRANULARITY 1
)
ENGINE = MergeTree
PARTITION BY toDate(TimeUnix)
ORDER BY (ServiceName, MetricName, toStartOfHour(TimeUnix), cityHash64(Attributes), TimeUnix)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1, min_compressed_bytes_to_fsync_after_merge = 1, old_parts_lifetime = 480, index_granularity = 8192, merge_selector_base = 12

CREATE TABLE otel_metrics_histogram
(
    `ResourceAttributes` Map(LowCardinality(String), String) COMMENT 'resource attributes' CODEC(ZSTD(1)),
    `ResourceSchemaUrl` String COMMENT 'schema of the resource attributes' CODEC(ZSTD(1)),
    `ScopeName` String COMMENT 'instrumentation scope' CODEC(ZSTD(1)),
    `ScopeVersion` String COMMENT 'its version' CODEC(ZSTD(1)),
    `ScopeAttributes` Map(LowCardinality(String), String) COMMENT 'its attributes' CODEC(ZSTD(1)),
    `ScopeDroppedAttrCount` UInt32 COMMENT 'attributes of the scope that the sender left out' CODEC(ZSTD(1)),
    `ScopeSchemaUrl` String COMMENT 'schema of scope and metrics' CODEC(ZSTD(1)),
    `ServiceName` LowCardinality(String) COMMENT 'service.name of the resource' CODEC(ZSTD(1)),
    `MetricName` LowCardinality(String) COMMENT 'metric' CODEC(ZSTD(1)),
    `MetricDescription` String COMMENT 'what it measures' CODEC(ZSTD(1)),
    `MetricUnit` String COMMENT 'unit, in UCUM' CODEC(ZSTD(1)),
    `Attributes` Map(LowCardinality(String), String) COMMENT 'attributes of the data point' CODEC(ZSTD(1)),
    `StartTimeUnix` DateTime64(9) COMMENT 'start of the interval measured, 1970 when not known, UTC' CODEC(Delta(8), ZSTD(1)),
    `TimeUnix` DateTime64(9) COMMENT 'end of the interval measured, UTC' CODEC(Delta(8), ZSTD(1)),
    `Count` UInt64 COMMENT 'measurements' CODEC(Delta(8), ZSTD(1)),
    `Sum` Float64 COMMENT 'sum of them, 0 when not known' CODEC(ZSTD(1)),
    `BucketCounts` Array(UInt64) COMMENT 'measurements in each bucket, one more than bounds' CODEC(ZSTD(1)),
    `ExplicitBounds` Array(Float64) COMMENT 'upper bound of each bucket but the last, inclusive' CODEC(ZSTD(1)),
    `Exemplars.FilteredAttributes` Array(Map(LowCardinality(String), String)) COMMENT 'single measurements and the spans they were taken in' CODEC(ZSTD(1)),
    `Exemplars.TimeUnix` Array(DateTime64(9)) COMMENT 'single measurements and the spans they were taken in' CODEC(ZSTD(1)),
    `Exemplars.Value` Array(Float64) COMMENT 'single measurements and the spans they were taken in' CODEC(ZSTD(1)),
    `Exemplars.SpanId` Array(String) COMMENT 'single measurements and the spans they were taken in' CODEC(ZSTD(1)),
    `Exemplars.TraceId` Array(String) COMMENT 'single measurements and the spans they were taken in' CODEC(ZSTD(1)),
    `Flags` UInt32 COMMENT '1: there is no value, the sender lost sight of it' CODEC(ZSTD(1)),
    `Min` Float64 COMMENT 'smallest, 0 when not known' CODEC(ZSTD(1)),
    `Max` Float64 COMMENT 'largest, 0 when not known' CODEC(ZSTD(1)),
    `AggregationTemporality` Int32 COMMENT '1 delta since the last point, 2 cumulative since the start, 0 not said' CODEC(ZSTD(1)),
    `known_at` DateTime64(6, 'UTC') DEFAULT now64(6) COMMENT 'when tieout stored the point' CODEC(Delta(8), ZSTD(1)),
    `request_id` String COMMENT 'id of the export request the row came in, empty when another program wrote it' CODEC(ZSTD(1)),
    `request_items` UInt32 COMMENT 'data points in that request, in all metrics' CODEC(ZSTD(1)),
    INDEX idx_res_attr_key mapKeys(ResourceAttributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_res_attr_value mapValues(ResourceAttributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_scope_attr_key mapKeys(ScopeAttributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_scope_attr_value mapValues(ScopeAttributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_attr_key mapKeys(Attributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_attr_value mapValues(Attributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_time_minmax TimeUnix TYPE minmax GRANULARITY 1,
    INDEX idx_known_at known_at TYPE minmax GRANULARITY 1
)
ENGINE = MergeTree
PARTITION BY toDate(TimeUnix)
ORDER BY (ServiceName, MetricName, toStartOfHour(TimeUnix), cityHash64(Attributes), TimeUnix)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1, min_compressed_bytes_to_fsync_after_merge = 1, old_parts_lifetime = 480, index_granularity = 8192, merge_selector_base = 12

CREATE TABLE otel_metrics_sum
(
    `ResourceAttributes` Map(LowCardinality(String), String) COMMENT 'resource attributes' CODEC(ZSTD(1)),
    `ResourceSchemaUrl` String COMMENT 'schema of the resource attributes' CODEC(ZSTD(1)),
    `ScopeName` String COMMENT 'instrumentation scope' CODEC(ZSTD(1)),
    `ScopeVersion` String COMMENT 'its version' CODEC(ZSTD(1)),
    `ScopeAttributes` Map(LowCardinality(String), String) COMMENT 'its attributes' CODEC(ZSTD(1)),
    `ScopeDroppedAttrCount` UInt32 COMMENT 'attributes of the scope that the sender left out' CODEC(ZSTD(1)),
    `ScopeSchemaUrl` String COMMENT 'schema of scope and metrics' CODEC(ZSTD(1)),
    `ServiceName` LowCardinality(String) COMMENT 'service.name of the resource' CODEC(ZSTD(1)),
    `MetricName` LowCardinality(String) COMMENT 'metric' CODEC(ZSTD(1)),
    `MetricDescription` String COMMENT 'what it measures' CODEC(ZSTD(1)),
    `MetricUnit` String COMMENT 'unit, in UCUM' CODEC(ZSTD(1)),
    `Attributes` Map(LowCardinality(String), String) COMMENT 'attributes of the data point' CODEC(ZSTD(1)),
    `StartTimeUnix` DateTime64(9) COMMENT 'start of the interval measured, 1970 when not known, UTC' CODEC(Delta(8), ZSTD(1)),
    `TimeUnix` DateTime64(9) COMMENT 'end of the interval measured, UTC' CODEC(Delta(8), ZSTD(1)),
    `Value` Float64 COMMENT 'sum over the interval' CODEC(ZSTD(1)),
    `Flags` UInt32 COMMENT '1: there is no value, the sender lost sight of it' CODEC(ZSTD(1)),
    `Exemplars.FilteredAttributes` Array(Map(LowCardinality(String), String)) COMMENT 'single measurements and the spans they were taken in' CODEC(ZSTD(1)),
    `Exemplars.TimeUnix` Array(DateTime64(9)) COMMENT 'single measurements and the spans they were taken in' CODEC(ZSTD(1)),
    `Exemplars.Value` Array(Float64) COMMENT 'single measurements and the spans they were taken in' CODEC(ZSTD(1)),
    `Exemplars.SpanId` Array(String) COMMENT 'single measurements and the spans they were taken in' CODEC(ZSTD(1)),
    `Exemplars.TraceId` Array(String) COMMENT 'single measurements and the spans they were taken in' CODEC(ZSTD(1)),
    `AggregationTemporality` Int32 COMMENT '1 delta since the last point, 2 cumulative since the start, 0 not said' CODEC(ZSTD(1)),
    `IsMonotonic` Bool COMMENT 'whether it only grows' CODEC(Delta(1), ZSTD(1)),
    `known_at` DateTime64(6, 'UTC') DEFAULT now64(6) COMMENT 'when tieout stored the point' CODEC(Delta(8), ZSTD(1)),
    `request_id` String COMMENT 'id of the export request the row came in, empty when another program wrote it' CODEC(ZSTD(1)),
    `request_items` UInt32 COMMENT 'data points in that request, in all metrics' CODEC(ZSTD(1)),
    INDEX idx_res_attr_key mapKeys(ResourceAttributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_res_attr_value mapValues(ResourceAttributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_scope_attr_key mapKeys(ScopeAttributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_scope_attr_value mapValues(ScopeAttributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_attr_key mapKeys(Attributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_attr_value mapValues(Attributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_time_minmax TimeUnix TYPE minmax GRANULARITY 1,
    INDEX idx_known_at known_at TYPE minmax GRANULARITY 1
)
ENGINE = MergeTree
PARTITION BY toDate(TimeUnix)
ORDER BY (ServiceName, MetricName, toStartOfHour(TimeUnix), cityHash64(Attributes), TimeUnix)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1, min_compressed_bytes_to_fsync_after_merge = 1, old_parts_lifetime = 480, index_granularity = 8192, merge_selector_base = 12

CREATE TABLE otel_metrics_summary
(
    `ResourceAttributes` Map(LowCardinality(String), String) COMMENT 'resource attributes' CODEC(ZSTD(1)),
    `ResourceSchemaUrl` String COMMENT 'schema of the resource attributes' CODEC(ZSTD(1)),
    `ScopeName` String COMMENT 'instrumentation scope' CODEC(ZSTD(1)),
    `ScopeVersion` String COMMENT 'its version' CODEC(ZSTD(1)),
    `ScopeAttributes` Map(LowCardinality(String), String) COMMENT 'its attributes' CODEC(ZSTD(1)),
    `ScopeDroppedAttrCount` UInt32 COMMENT 'attributes of the scope that the sender left out' CODEC(ZSTD(1)),
    `ScopeSchemaUrl` String COMMENT 'schema of scope and metrics' CODEC(ZSTD(1)),
    `ServiceName` LowCardinality(String) COMMENT 'service.name of the resource' CODEC(ZSTD(1)),
    `MetricName` LowCardinality(String) COMMENT 'metric' CODEC(ZSTD(1)),
    `MetricDescription` String COMMENT 'what it measures' CODEC(ZSTD(1)),
    `MetricUnit` String COMMENT 'unit, in UCUM' CODEC(ZSTD(1)),
    `Attributes` Map(LowCardinality(String), String) COMMENT 'attributes of the data point' CODEC(ZSTD(1)),
    `StartTimeUnix` DateTime64(9) COMMENT 'start of the interval measured, 1970 when not known, UTC' CODEC(Delta(8), ZSTD(1)),
    `TimeUnix` DateTime64(9) COMMENT 'end of the interval measured, UTC' CODEC(Delta(8), ZSTD(1)),
    `Count` UInt64 COMMENT 'measurements' CODEC(Delta(8), ZSTD(1)),
    `Sum` Float64 COMMENT 'sum of them, 0 when not known' CODEC(ZSTD(1)),
    `ValueAtQuantiles.Quantile` Array(Float64) COMMENT 'quantiles, 0 to 1' CODEC(ZSTD(1)),
    `ValueAtQuantiles.Value` Array(Float64) COMMENT 'quantiles, 0 to 1' CODEC(ZSTD(1)),
    `Flags` UInt32 COMMENT '1: there is no value, the sender lost sight of it' CODEC(ZSTD(1)),
    `known_at` DateTime64(6, 'UTC') DEFAULT now64(6) COMMENT 'when tieout stored the point' CODEC(Delta(8), ZSTD(1)),
    `request_id` String COMMENT 'id of the export request the row came in, empty when another program wrote it' CODEC(ZSTD(1)),
    `request_items` UInt32 COMMENT 'data points in that request, in all metrics' CODEC(ZSTD(1)),
    INDEX idx_res_attr_key mapKeys(ResourceAttributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_res_attr_value mapValues(ResourceAttributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_scope_attr_key mapKeys(ScopeAttributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_scope_attr_value mapValues(ScopeAttributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_attr_key mapKeys(Attributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_attr_value mapValues(Attributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_time_minmax TimeUnix TYPE minmax GRANULARITY 1,
    INDEX idx_known_at known_at TYPE minmax GRANULARITY 1
)
ENGINE = MergeTree
PARTITION BY toDate(TimeUnix)
ORDER BY (ServiceName, MetricName, toStartOfHour(TimeUnix), cityHash64(Attributes), TimeUnix)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1, min_compressed_bytes_to_fsync_after_merge = 1, old_parts_lifetime = 480, index_granularity = 8192, merge_selector_base = 12

CREATE TABLE otel_traces
(
    `Timestamp` DateTime64(9) COMMENT 'start of the span, UTC' CODEC(Delta(8), ZSTD(1)),
    `TraceId` String COMMENT '32 lower-case hex digits' CODEC(ZSTD(1)),
    `SpanId` String COMMENT '16 lower-case hex digits' CODEC(ZSTD(1)),
    `ParentSpanId` String COMMENT 'empty for a root span' CODEC(ZSTD(1)),
    `TraceState` String COMMENT 'W3C trace state' CODEC(ZSTD(1)),
    `SpanName` LowCardinality(String) COMMENT 'operation' CODEC(ZSTD(1)),
    `SpanKind` LowCardinality(String) COMMENT 'Internal, Server, Client, Producer, Consumer' CODEC(ZSTD(1)),
    `ServiceName` LowCardinality(String) COMMENT 'service.name of the resource' CODEC(ZSTD(1)),
    `ResourceAttributes` Map(LowCardinality(String), String) COMMENT 'resource attributes' CODEC(ZSTD(1)),
    `ScopeName` String COMMENT 'instrumentation scope' CODEC(ZSTD(1)),
    `ScopeVersion` String COMMENT 'its version' CODEC(ZSTD(1)),
    `SpanAttributes` Map(LowCardinality(String), String) COMMENT 'span attributes' CODEC(ZSTD(1)),
    `Duration` UInt64 COMMENT 'nanoseconds' CODEC(ZSTD(1)),
    `StatusCode` LowCardinality(String) COMMENT 'Unset, Ok, Error' CODEC(ZSTD(1)),
    `StatusMessage` String COMMENT 'text of the status' CODEC(ZSTD(1)),
    `Events.Timestamp` Array(DateTime64(9)) COMMENT 'span events' CODEC(ZSTD(1)),
    `Events.Name` Array(LowCardinality(String)) COMMENT 'span events' CODEC(ZSTD(1)),
    `Events.Attributes` Array(Map(LowCardinality(String), String)) COMMENT 'span events' CODEC(ZSTD(1)),
    `Links.TraceId` Array(String) COMMENT 'span links' CODEC(ZSTD(1)),
    `Links.SpanId` Array(String) COMMENT 'span links' CODEC(ZSTD(1)),
    `Links.TraceState` Array(String) COMMENT 'span links' CODEC(ZSTD(1)),
    `Links.Attributes` Array(Map(LowCardinality(String), String)) COMMENT 'span links' CODEC(ZSTD(1)),
    `known_at` DateTime64(6, 'UTC') DEFAULT now64(6) COMMENT 'when tieout stored the span' CODEC(Delta(8), ZSTD(1)),
    `request_id` String COMMENT 'export request the row came in, empty when another program wrote it' CODEC(ZSTD(1)),
    `request_items` UInt32 COMMENT 'rows of that request' CODEC(ZSTD(1)),
    INDEX idx_trace_id TraceId TYPE bloom_filter(0.001) GRANULARITY 1,
    INDEX idx_res_attr_key mapKeys(ResourceAttributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_res_attr_value mapValues(ResourceAttributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_span_attr_key mapKeys(SpanAttributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_span_attr_value mapValues(SpanAttributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_duration Duration TYPE minmax GRANULARITY 1,
    INDEX idx_known_at known_at TYPE minmax GRANULARITY 1
)
ENGINE = MergeTree
PARTITION BY toDate(Timestamp)
ORDER BY (ServiceName, SpanName, toDateTime(Timestamp))
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1, min_compressed_bytes_to_fsync_after_merge = 1, old_parts_lifetime = 480, index_granularity = 8192, merge_selector_base = 12

CREATE TABLE otel_traces_private
(
    `Timestamp` DateTime64(9) COMMENT 'start of the span, UTC' CODEC(Delta(8), ZSTD(1)),
    `TraceId` String COMMENT '32 lower-case hex digits' CODEC(ZSTD(1)),
    `SpanId` String COMMENT '16 lower-case hex digits' CODEC(ZSTD(1)),
    `ParentSpanId` String COMMENT 'empty for a root span' CODEC(ZSTD(1)),
    `TraceState` String COMMENT 'W3C trace state' CODEC(ZSTD(1)),
    `SpanName` LowCardinality(String) COMMENT 'operation' CODEC(ZSTD(1)),
    `SpanKind` LowCardinality(String) COMMENT 'Internal, Server, Client, Producer, Consumer' CODEC(ZSTD(1)),
    `ServiceName` LowCardinality(String) COMMENT 'service.name of the resource' CODEC(ZSTD(1)),
    `ResourceAttributes` Map(LowCardinality(String), String) COMMENT 'resource attributes' CODEC(ZSTD(1)),
    `ScopeName` String COMMENT 'instrumentation scope' CODEC(ZSTD(1)),
    `ScopeVersion` String COMMENT 'its version' CODEC(ZSTD(1)),
    `SpanAttributes` Map(LowCardinality(String), String) COMMENT 'span attributes' CODEC(ZSTD(1)),
    `Duration` UInt64 COMMENT 'nanoseconds' CODEC(ZSTD(1)),
    `StatusCode` LowCardinality(String) COMMENT 'Unset, Ok, Error' CODEC(ZSTD(1)),
    `StatusMessage` String COMMENT 'text of the status' CODEC(ZSTD(1)),
    `Events.Timestamp` Array(DateTime64(9)) COMMENT 'span events' CODEC(ZSTD(1)),
    `Events.Name` Array(LowCardinality(String)) COMMENT 'span events' CODEC(ZSTD(1)),
    `Events.Attributes` Array(Map(LowCardinality(String), String)) COMMENT 'span events' CODEC(ZSTD(1)),
    `Links.TraceId` Array(String) COMMENT 'span links' CODEC(ZSTD(1)),
    `Links.SpanId` Array(String) COMMENT 'span links' CODEC(ZSTD(1)),
    `Links.TraceState` Array(String) COMMENT 'span links' CODEC(ZSTD(1)),
    `Links.Attributes` Array(Map(LowCardinality(String), String)) COMMENT 'span links' CODEC(ZSTD(1)),
    `known_at` DateTime64(6, 'UTC') DEFAULT now64(6) COMMENT 'when tieout stored the span' CODEC(Delta(8), ZSTD(1)),
    `request_id` String COMMENT 'export request the row came in, empty when another program wrote it' CODEC(ZSTD(1)),
    `request_items` UInt32 COMMENT 'rows of that request' CODEC(ZSTD(1)),
    `policy_id` String COMMENT 'policy that the receiver relies on',
    `policy_key_ids` Array(String) COMMENT 'names of the keys of tokens, the newest first',
    `policy_keys` Array(String) COMMENT 'the keys'
)
ENGINE = `Null`

CREATE MATERIALIZED VIEW otel_traces_private_mv TO otel_traces
(
    `Timestamp` DateTime64(9),
    `TraceId` String,
    `SpanId` String,
    `ParentSpanId` String,
    `TraceState` String,
    `SpanName` String,
    `SpanKind` String,
    `ServiceName` String,
    `ResourceAttributes` Map(LowCardinality(String), String),
    `ScopeName` String,
    `ScopeVersion` String,
    `SpanAttributes` Map(LowCardinality(String), String),
    `Duration` UInt64,
    `StatusCode` String,
    `StatusMessage` String,
    `Events.Timestamp` Array(DateTime64(9)),
    `Events.Name` Array(String),
    `Events.Attributes` Array(Map(LowCardinality(String), String)),
    `Links.TraceId` Array(String),
    `Links.SpanId` Array(String),
    `Links.TraceState` Array(String),
    `Links.Attributes` Array(Map(LowCardinality(String), String)),
    `request_id` String,
    `request_items` UInt32
)
AS WITH
    (
        SELECT CAST(groupArray((kind, pattern)), 'Map(String, String)')
        FROM privacy_rules
        WHERE (known_at, policy) = (
            SELECT max((known_at, policy))
            FROM privacy_rules
        )
    ) AS rules,
    CAST(mapApply((name, value) -> (name, if(match(name, rules['special']), multiIf(match(name, rules['tokens']), arrayMap(tokens -> multiIf(empty(tokens), '', length(tokens) = 1, tokens[1], toJSONString(tokens)), [arrayFlatten(arrayMap(text -> arrayMap((id, key) -> concat(id, ':', lower(hex(substring(HMAC('sha256', text, '[HIDDEN]'), 1, 16)))), p.policy_key_ids, p.policy_keys), arrayFilter(text -> (text != ''), arrayMap(text -> replaceRegexpAll(text, '^[\\s\\p{Z}]+|[\\s\\p{Z}]+$', ''), if(startsWith(value, '[') AND isValidJSON(value), JSONExtract(value, 'Array(String)'), [value])))))])[1], match(name, rules['urls']), replaceRegexpOne(extract(replaceRegexpOne(value, '^([a-z]+://)[^/?#@]*@', '\\1'), '^((?:https?|wss?|ftps?|sftp|grpcs?|amqps?|mqtts?|kafka|redis|postgres|postgresql|mysql|mongodb)://[A-Za-z0-9._-]+)(?::[0-9]+)?(?:[/?#].*)?$'), '://[0-9.]+$', '://?'), match(name, rules['statements']), if(match(value, '(?i)^\\s*(?:SELECT|INSERT|UPDATE|DELETE|WITH|MERGE|REPLACE|CALL|EXEC|EXECUTE)\\s') AND (NOT match(value, '\\\\|[$][$A-Za-z_]|#|`[^`]*[^A-Za-z0-9_`][^`]*`')), normalizeQuery(replaceRegexpAll(value, '(?s)\'(?:[^\']|\'\')*\'|"(?:[^"]|"")*"|/[*].*?[*]/|--[^\\n]*', '\'?\'')), '(withheld)'), match(name, rules['texts']), arrayStringConcat(arrayMap(word -> if(match(word, '^(?:[a-z]+|(?:[a-z_]+[.])*[A-Z][A-Za-z]*(?:Error|Exception|Warning|Timeout|Failure))[.,:;!?]*$'), word, '?'), splitByWhitespace(replaceRegexpOne(value, '(?s)(?:(?:^|[^\\p{L}])\'|["`]|“|„|‟|‘|‚|«|‹|»|›)(?:.*(?:[\'"`]|“|”|‟|’|«|»|‹|›)|.*$)', ' ? '))), ' '), ''), value)), mapFilter((name, value) -> match(name, rules['attributes']), p.ResourceAttributes)), 'Map(LowCardinality(String), String)') AS resource
SELECT
    p.Timestamp AS Timestamp,
    p.TraceId AS TraceId,
    p.SpanId AS SpanId,
    p.ParentSpanId AS ParentSpanId,
    '' AS TraceState,
    if((p.SpanName = '') OR match(p.SpanName, rules['names']), p.SpanName, '(withheld)') AS SpanName,
    if((p.SpanKind IN ('Internal', 'Server', 'Client', 'Producer', 'Consumer')), p.SpanKind, 'Unspecified') AS SpanKind,
    resource['service.name'] AS ServiceName,
    resource AS ResourceAttributes,
    if((p.ScopeName = '') OR match(p.ScopeName, rules['names']), p.ScopeName, '(withheld)') AS ScopeName,
    '' AS ScopeVersion,
    CAST(mapApply((name, value) -> (name, if(match(name, rules['special']), multiIf(match(name, rules['tokens']), arrayMap(tokens -> multiIf(empty(tokens), '', length(tokens) = 1, tokens[1], toJSONString(tokens)), [arrayFlatten(arrayMap(text -> arrayMap((id, key) -> concat(id, ':', lower(hex(substring(HMAC('sha256', text, '[HIDDEN]'), 1, 16)))), p.policy_key_ids, p.policy_keys), arrayFilter(text -> (text != ''), arrayMap(text -> replaceRegexpAll(text, '^[\\s\\p{Z}]+|[\\s\\p{Z}]+$', ''), if(startsWith(value, '[') AND isValidJSON(value), JSONExtract(value, 'Array(String)'), [value])))))])[1], match(name, rules['urls']), replaceRegexpOne(extract(replaceRegexpOne(value, '^([a-z]+://)[^/?#@]*@', '\\1'), '^((?:https?|wss?|ftps?|sftp|grpcs?|amqps?|mqtts?|kafka|redis|postgres|postgresql|mysql|mongodb)://[A-Za-z0-9._-]+)(?::[0-9]+)?(?:[/?#].*)?$'), '://[0-9.]+$', '://?'), match(name, rules['statements']), if(match(value, '(?i)^\\s*(?:SELECT|INSERT|UPDATE|DELETE|WITH|MERGE|REPLACE|CALL|EXEC|EXECUTE)\\s') AND (NOT match(value, '\\\\|[$][$A-Za-z_]|#|`[^`]*[^A-Za-z0-9_`][^`]*`')), normalizeQuery(replaceRegexpAll(value, '(?s)\'(?:[^\']|\'\')*\'|"(?:[^"]|"")*"|/[*].*?[*]/|--[^\\n]*', '\'?\'')), '(withheld)'), match(name, rules['texts']), arrayStringConcat(arrayMap(word -> if(match(word, '^(?:[a-z]+|(?:[a-z_]+[.])*[A-Z][A-Za-z]*(?:Error|Exception|Warning|Timeout|Failure))[.,:;!?]*$'), word, '?'), splitByWhitespace(replaceRegexpOne(value, '(?s)(?:(?:^|[^\\p{L}])\'|["`]|“|„|‟|‘|‚|«|‹|»|›)(?:.*(?:[\'"`]|“|”|‟|’|«|»|‹|›)|.*$)', ' ? '))), ' '), ''), value)), mapFilter((name, value) -> match(name, rules['attributes']), p.SpanAttributes)), 'Map(LowCardinality(String), String)') AS SpanAttributes,
    p.Duration AS Duration,
    if((p.StatusCode IN ('Ok', 'Error')), p.StatusCode, 'Unset') AS StatusCode,
    '' AS StatusMessage,
    p.`Events.Timestamp` AS `Events.Timestamp`,
    arrayMap(event -> if((event = '') OR match(event, rules['names']), event, '(withheld)'), p.`Events.Name`) AS `Events.Name`,
    arrayMap(pairs -> CAST(mapApply((name, value) -> (name, if(match(name, rules['special']), multiIf(match(name, rules['tokens']), arrayMap(tokens -> multiIf(empty(tokens), '', length(tokens) = 1, tokens[1], toJSONString(tokens)), [arrayFlatten(arrayMap(text -> arrayMap((id, key) -> concat(id, ':', lower(hex(substring(HMAC('sha256', text, '[HIDDEN]'), 1, 16)))), p.policy_key_ids, p.policy_keys), arrayFilter(text -> (text != ''), arrayMap(text -> replaceRegexpAll(text, '^[\\s\\p{Z}]+|[\\s\\p{Z}]+$', ''), if(startsWith(value, '[') AND isValidJSON(value), JSONExtract(value, 'Array(String)'), [value])))))])[1], match(name, rules['urls']), replaceRegexpOne(extract(replaceRegexpOne(value, '^([a-z]+://)[^/?#@]*@', '\\1'), '^((?:https?|wss?|ftps?|sftp|grpcs?|amqps?|mqtts?|kafka|redis|postgres|postgresql|mysql|mongodb)://[A-Za-z0-9._-]+)(?::[0-9]+)?(?:[/?#].*)?$'), '://[0-9.]+$', '://?'), match(name, rules['statements']), if(match(value, '(?i)^\\s*(?:SELECT|INSERT|UPDATE|DELETE|WITH|MERGE|REPLACE|CALL|EXEC|EXECUTE)\\s') AND (NOT match(value, '\\\\|[$][$A-Za-z_]|#|`[^`]*[^A-Za-z0-9_`][^`]*`')), normalizeQuery(replaceRegexpAll(value, '(?s)\'(?:[^\']|\'\')*\'|"(?:[^"]|"")*"|/[*].*?[*]/|--[^\\n]*', '\'?\'')), '(withheld)'), match(name, rules['texts']), arrayStringConcat(arrayMap(word -> if(match(word, '^(?:[a-z]+|(?:[a-z_]+[.])*[A-Z][A-Za-z]*(?:Error|Exception|Warning|Timeout|Failure))[.,:;!?]*$'), word, '?'), splitByWhitespace(replaceRegexpOne(value, '(?s)(?:(?:^|[^\\p{L}])\'|["`]|“|„|‟|‘|‚|«|‹|»|›)(?:.*(?:[\'"`]|“|”|‟|’|«|»|‹|›)|.*$)', ' ? '))), ' '), ''), value)), mapFilter((name, value) -> match(name, rules['attributes']), pairs)), 'Map(LowCardinality(String), String)'), p.`Events.Attributes`) AS `Events.Attributes`,
    arrayMap(id -> if(length(id) = 32, id, ''), p.`Links.TraceId`) AS `Links.TraceId`,
    arrayMap(id -> if(length(id) = 16, id, ''), p.`Links.SpanId`) AS `Links.SpanId`,
    arrayMap(state -> '', p.`Links.TraceState`) AS `Links.TraceState`,
    arrayMap(pairs -> CAST(mapApply((name, value) -> (name, if(match(name, rules['special']), multiIf(match(name, rules['tokens']), arrayMap(tokens -> multiIf(empty(tokens), '', length(tokens) = 1, tokens[1], toJSONString(tokens)), [arrayFlatten(arrayMap(text -> arrayMap((id, key) -> concat(id, ':', lower(hex(substring(HMAC('sha256', text, '[HIDDEN]'), 1, 16)))), p.policy_key_ids, p.policy_keys), arrayFilter(text -> (text != ''), arrayMap(text -> replaceRegexpAll(text, '^[\\s\\p{Z}]+|[\\s\\p{Z}]+$', ''), if(startsWith(value, '[') AND isValidJSON(value), JSONExtract(value, 'Array(String)'), [value])))))])[1], match(name, rules['urls']), replaceRegexpOne(extract(replaceRegexpOne(value, '^([a-z]+://)[^/?#@]*@', '\\1'), '^((?:https?|wss?|ftps?|sftp|grpcs?|amqps?|mqtts?|kafka|redis|postgres|postgresql|mysql|mongodb)://[A-Za-z0-9._-]+)(?::[0-9]+)?(?:[/?#].*)?$'), '://[0-9.]+$', '://?'), match(name, rules['statements']), if(match(value, '(?i)^\\s*(?:SELECT|INSERT|UPDATE|DELETE|WITH|MERGE|REPLACE|CALL|EXEC|EXECUTE)\\s') AND (NOT match(value, '\\\\|[$][$A-Za-z_]|#|`[^`]*[^A-Za-z0-9_`][^`]*`')), normalizeQuery(replaceRegexpAll(value, '(?s)\'(?:[^\']|\'\')*\'|"(?:[^"]|"")*"|/[*].*?[*]/|--[^\\n]*', '\'?\'')), '(withheld)'), match(name, rules['texts']), arrayStringConcat(arrayMap(word -> if(match(word, '^(?:[a-z]+|(?:[a-z_]+[.])*[A-Z][A-Za-z]*(?:Error|Exception|Warning|Timeout|Failure))[.,:;!?]*$'), word, '?'), splitByWhitespace(replaceRegexpOne(value, '(?s)(?:(?:^|[^\\p{L}])\'|["`]|“|„|‟|‘|‚|«|‹|»|›)(?:.*(?:[\'"`]|“|”|‟|’|«|»|‹|›)|.*$)', ' ? '))), ' '), ''), value)), mapFilter((name, value) -> match(name, rules['attributes']), pairs)), 'Map(LowCardinality(String), String)'), p.`Links.Attributes`) AS `Links.Attributes`,
    p.request_id AS request_id,
    p.request_items AS request_items
FROM otel_traces_private AS p
WHERE throwIf((p.policy_id = '') OR (p.policy_id != (rules['policy'])), 'another privacy policy holds in this store') = 0

CREATE TABLE otel_traces_trace_id_ts
(
    `TraceId` String COMMENT '32 lower-case hex digits' CODEC(ZSTD(1)),
    `Start` DateTime COMMENT 'first span of the trace, UTC' CODEC(Delta(4), ZSTD(1)),
    `End` DateTime COMMENT 'last span of the trace, UTC' CODEC(Delta(4), ZSTD(1)),
    `known_at` DateTime64(6, 'UTC') COMMENT 'when tieout stored the spans' CODEC(Delta(8), ZSTD(1)),
    `spans` UInt32 COMMENT 'spans of the trace that were stored then' CODEC(ZSTD(1)),
    INDEX idx_trace_id TraceId TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_known_at known_at TYPE minmax GRANULARITY 1
)
ENGINE = MergeTree
PARTITION BY toDate(Start)
ORDER BY (TraceId, Start)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1, min_compressed_bytes_to_fsync_after_merge = 1, old_parts_lifetime = 480, index_granularity = 8192, merge_selector_base = 12

CREATE MATERIALIZED VIEW otel_traces_trace_id_ts_mv TO otel_traces_trace_id_ts
(
    `TraceId` String,
    `Start` DateTime64(9),
    `End` DateTime64(9),
    `known_at` DateTime64(6, 'UTC'),
    `spans` UInt64
)
AS SELECT
    TraceId,
    min(Timestamp) AS Start,
    max(Timestamp) AS End,
    known_at,
    count() AS spans
FROM otel_traces
WHERE TraceId != ''
GROUP BY
    TraceId,
    known_at

CREATE TABLE otlp_logs_in
(
    `resource.attributes` Array(Tuple(
        key String,
        value Tuple(
            value Int8,
            string_value String,
            bool_value Bool,
            int_value Int64,
            double_value Float64,
            bytes_value String,
            array_value Tuple(`values` Array(Tuple(
                value Int8,
                string_value String)))))) COMMENT 'attributes of the resource',
    `deprecated` Bool COMMENT 'whether the resource has logs in the field that came before scopes',
    `receipt.id` String COMMENT 'request',
    `receipt.items` UInt32 COMMENT 'rows of that request',
    `schema_url` String COMMENT 'schema of the resource attributes',
    `scope_logs.schema_url` String COMMENT 'schema of scope and log attributes',
    `scope_logs.scope` Tuple(
        name String,
        version String,
        attributes Array(Tuple(
            key String,
            value Tuple(
                value Int8,
                string_value String,
                bool_value Bool,
                int_value Int64,
                double_value Float64,
                bytes_value String)))) COMMENT 'instrumentation scope',
    `scope_logs.log_records.time_unix_nano` Array(UInt64) COMMENT 'when it happened, 0 when unknown',
    `scope_logs.log_records.observed_time_unix_nano` Array(UInt64) COMMENT 'when it was seen',
    `scope_logs.log_records.severity_number` Array(Int32) COMMENT 'number of the severity',
    `scope_logs.log_records.severity_text` Array(String) COMMENT 'level as the program names it',
    `scope_logs.log_records.event_name` Array(String) COMMENT 'kind of event',
    `scope_logs.log_records.flags` Array(UInt32) COMMENT 'the lowest byte are W3C trace flags',
    `scope_logs.log_records.trace_id` Array(String) COMMENT '16 bytes, empty outside of traces',
    `scope_logs.log_records.span_id` Array(String) COMMENT '8 bytes, empty outside of spans',
    `scope_logs.log_records.body` Array(Tuple(
        value Int8,
        string_value String,
        bool_value Bool,
        int_value Int64,
        double_value Float64,
        bytes_value String,
        array_value Tuple(`values` Array(Tuple(
            value Int8,
            string_value String))))) COMMENT 'the message',
    `scope_logs.log_records.attributes` Array(Array(Tuple(
        key String,
        value Tuple(
            value Int8,
            string_value String,
            bool_value Bool,
            int_value Int64,
            double_value Float64,
            bytes_value String,
            array_value Tuple(`values` Array(Tuple(
                value Int8,
                string_value String))))))) COMMENT 'attributes of each record'
)
ENGINE = `Null`

CREATE MATERIALIZED VIEW otlp_logs_mv TO otel_logs
(
    `Timestamp` DateTime64(9),
    `TraceId` String,
    `SpanId` String,
    `TraceFlags` UInt8,
    `SeverityText` String,
    `SeverityNumber` UInt8,
    `ServiceName` String,
    `Body` String,
    `ResourceSchemaUrl` String,
    `ResourceAttributes` Map(LowCardinality(String), String),
    `ScopeSchemaUrl` String,
    `ScopeName` String,
    `ScopeVersion` String,
    `ScopeAttributes` Map(LowCardinality(String), String),
    `LogAttributes` Map(LowCardinality(String), String),
    `EventName` String,
    `request_id` String,
    `request_items` UInt32
)
AS WITH
    if(happened = 0, observed, happened) AS at
SELECT
    if(at = 0, now64(9), fromUnixTimestamp64Nano(reinterpretAsInt64(at))) AS Timestamp,
    if(trace_id = unhex('00000000000000000000000000000000'), '', lower(hex(trace_id))) AS TraceId,
    if(span_id = unhex('0000000000000000'), '', lower(hex(span_id))) AS SpanId,
    toUInt8(bitAnd(flags, 255)) AS TraceFlags,
    severity_text AS SeverityText,
    if((severity >= 0) AND (severity <= 255), toUInt8(severity), 0) AS SeverityNumber,
    resource['service.name'] AS ServiceName,
    multiIf(body.value = 1, body.string_value, body.value = 2, toString(body.bool_value), body.value = 3, toString(body.int_value), body.value = 4, replaceRegexpOne(transform(toString(body.double_value), ['inf', '-inf', 'nan'], ['Infinity', '-Infinity', 'NaN'], toString(body.double_value)), 'e([0-9])', 'e+\\1'), body.value = 5, toJSONString(body.array_value.`values`.string_value), body.value = 7, base64Encode(body.bytes_value), '') AS Body,
    schema_url AS ResourceSchemaUrl,
    resource AS ResourceAttributes,
    scope_url AS ScopeSchemaUrl,
    scope_name AS ScopeName,
    scope_version AS ScopeVersion,
    scope AS ScopeAttributes,
    CAST(arrayMap(a -> (a.key, multiIf(a.value.value = 1, a.value.string_value, a.value.value = 2, toString(a.value.bool_value), a.value.value = 3, toString(a.value.int_value), a.value.value = 4, replaceRegexpOne(transform(toString(a.value.double_value), ['inf', '-inf', 'nan'], ['Infinity', '-Infinity', 'NaN'], toString(a.value.double_value)), 'e([0-9])', 'e+\\1'), a.value.value = 5, toJSONString(a.value.array_value.`values`.string_value), a.value.value = 7, base64Encode(a.value.bytes_value), '')), attributes), 'Map(LowCardinality(String), String)') AS LogAttributes,
    event_name AS EventName,
    request_id,
    request_items
FROM
(
    SELECT
        `receipt.id` AS request_id,
        `receipt.items` AS request_items,
        schema_url,
        CAST(arrayMap(a -> (a.key, multiIf(a.value.value = 1, a.value.string_value, a.value.value = 2, toString(a.value.bool_value), a.value.value = 3, toString(a.value.int_value), a.value.value = 4, replaceRegexpOne(transform(toString(a.value.double_value), ['inf', '-inf', 'nan'], ['Infinity', '-Infinity', 'NaN'], toString(a.value.double_value)), 'e([0-9])', 'e+\\1'), a.value.value = 5, toJSONString(a.value.array_value.`values`.string_value), a.value.value = 7, base64Encode(a.value.bytes_value), '')), `resource.attributes`), 'Map(LowCardinality(String), String)') AS resource,
        CAST(arrayMap(a -> (a.key, multiIf(a.value.value = 1, a.value.string_value, a.value.value = 2, toString(a.value.bool_value), a.value.value = 3, toString(a.value.int_value), a.value.value = 4, replaceRegexpOne(transform(toString(a.value.double_value), ['inf', '-inf', 'nan'], ['Infinity', '-Infinity', 'NaN'], toString(a.value.double_value)), 'e([0-9])', 'e+\\1'), a.value.value = 7, base64Encode(a.value.bytes_value), '')), `scope_logs.scope`.attributes), 'Map(LowCardinality(String), String)') AS scope,
        `scope_logs.schema_url` AS scope_url,
        `scope_logs.scope`.name AS scope_name,
        `scope_logs.scope`.version AS scope_version,
        `scope_logs.log_records.time_unix_nano`,
        `scope_logs.log_records.observed_time_unix_nano`,
        `scope_logs.log_records.severity_number`,
        `scope_logs.log_records.severity_text`,
        `scope_logs.log_records.event_name`,
        `scope_logs.log_records.flags`,
        `scope_logs.log_records.trace_id`,
        `scope_logs.log_records.span_id`,
        `scope_logs.log_records.body`,
        `scope_logs.log_records.attributes`
    FROM otlp_logs_in
    WHERE throwIf(deprecated OR (length(`resource.attributes`.key) != arrayUniq(`resource.attributes`.key)) OR has(`resource.attributes`.value.value, 6) OR arrayExists(kinds_of_values -> arrayExists(v -> (v != 1), kinds_of_values), `resource.attributes`.value.array_value.`values`.value) OR (length(`scope_logs.scope`.attributes.key) != arrayUniq(`scope_logs.scope`.attributes.key)) OR hasAny(`scope_logs.scope`.attributes.value.value, [5, 6]), 'this resource or scope needs repair') = 0
)
ARRAY JOIN
    `scope_logs.log_records.time_unix_nano` AS happened,
    `scope_logs.log_records.observed_time_unix_nano` AS observed,
    `scope_logs.log_records.severity_number` AS severity,
    `scope_logs.log_records.severity_text` AS severity_text,
    `scope_logs.log_records.event_name` AS event_name,
    `scope_logs.log_records.flags` AS flags,
    `scope_logs.log_records.trace_id` AS trace_id,
    `scope_logs.log_records.span_id` AS span_id,
    `scope_logs.log_records.body` AS body,
    `scope_logs.log_records.attributes` AS attributes
WHERE throwIf((length(trace_id) NOT IN (0, 16)) OR (length(span_id) NOT IN (0, 8)) OR (at >= 4294967296000000000) OR (body.value = 6) OR arrayExists(v -> (v != 1), body.array_value.`values`.value) OR (length(attributes.key) != arrayUniq(attributes.key)) OR has(attributes.value.value, 6) OR arrayExists(kinds_of_values -> arrayExists(v -> (v != 1), kinds_of_values), attributes.value.array_value.`values`.value), 'this record needs repair') = 0

CREATE TABLE otlp_logs_private_in
(
    `resource.attributes` Array(Tuple(
        key String,
        value Tuple(
            value Int8,
            string_value String,
            bool_value Bool,
            int_value Int64,
            double_value Float64,
            bytes_value String,
            array_value Tuple(`values` Array(Tuple(
                value Int8,
                string_value String)))))) COMMENT 'attributes of the resource',
    `deprecated` Bool COMMENT 'whether the resource has logs in the field that came before scopes',
    `receipt.id` String COMMENT 'request',
    `receipt.items` UInt32 COMMENT 'rows of that request',
    `schema_url` String COMMENT 'schema of the resource attributes',
    `scope_logs.schema_url` String COMMENT 'schema of scope and log attributes',
    `scope_logs.scope` Tuple(
        name String,
        version String,
        attributes Array(Tuple(
            key String,
            value Tuple(
                value Int8,
                string_value String,
                bool_value Bool,
                int_value Int64,
                double_value Float64,
                bytes_value String)))) COMMENT 'instrumentation scope',
    `scope_logs.log_records.time_unix_nano` Array(UInt64) COMMENT 'when it happened, 0 when unknown',
    `scope_logs.log_records.observed_time_unix_nano` Array(UInt64) COMMENT 'when it was seen',
    `scope_logs.log_records.severity_number` Array(Int32) COMMENT 'number of the severity',
    `scope_logs.log_records.severity_text` Array(String) COMMENT 'level as the program names it',
    `scope_logs.log_records.event_name` Array(String) COMMENT 'kind of event',
    `scope_logs.log_records.flags` Array(UInt32) COMMENT 'the lowest byte are W3C trace flags',
    `scope_logs.log_records.trace_id` Array(String) COMMENT '16 bytes, empty outside of traces',
    `scope_logs.log_records.span_id` Array(String) COMMENT '8 bytes, empty outside of spans',
    `scope_logs.log_records.body` Array(Tuple(
        value Int8,
        string_value String,
        bool_value Bool,
        int_value Int64,
        double_value Float64,
        bytes_value String,
        array_value Tuple(`values` Array(Tuple(
            value Int8,
            string_value String))))) COMMENT 'the message',
    `scope_logs.log_records.attributes` Array(Array(Tuple(
        key String,
        value Tuple(
            value Int8,
            string_value String,
            bool_value Bool,
            int_value Int64,
            double_value Float64,
            bytes_value String,
            array_value Tuple(`values` Array(Tuple(
                value Int8,
                string_value String))))))) COMMENT 'attributes of each record',
    `policy.id` String COMMENT 'policy that the receiver relies on',
    `policy.key_ids` Array(String) COMMENT 'names of the keys of tokens, the newest first',
    `policy.keys` Array(String) COMMENT 'the keys, which are never stored'
)
ENGINE = `Null`

CREATE MATERIALIZED VIEW otlp_logs_private_mv TO otel_logs_private
(
    `Timestamp` DateTime64(9),
    `TraceId` String,
    `SpanId` String,
    `TraceFlags` UInt8,
    `SeverityText` String,
    `SeverityNumber` UInt8,
    `ServiceName` String,
    `Body` String,
    `ResourceSchemaUrl` String,
    `ResourceAttributes` Map(LowCardinality(String), String),
    `ScopeSchemaUrl` String,
    `ScopeName` String,
    `ScopeVersion` String,
    `ScopeAttributes` Map(LowCardinality(String), String),
    `LogAttributes` Map(LowCardinality(String), String),
    `EventName` String,
    `request_id` String,
    `request_items` UInt32,
    `policy_id` String,
    `policy_key_ids` Array(String),
    `policy_keys` Array(String)
)
AS WITH
    if(happened = 0, observed, happened) AS at
SELECT
    if(at = 0, now64(9), fromUnixTimestamp64Nano(reinterpretAsInt64(at))) AS Timestamp,
    if(trace_id = unhex('00000000000000000000000000000000'), '', lower(hex(trace_id))) AS TraceId,
    if(span_id = unhex('0000000000000000'), '', lower(hex(span_id))) AS SpanId,
    toUInt8(bitAnd(flags, 255)) AS TraceFlags,
    severity_text AS SeverityText,
    if((severity >= 0) AND (severity <= 255), toUInt8(severity), 0) AS SeverityNumber,
    resource['service.name'] AS ServiceName,
    multiIf(body.value = 1, body.string_value, body.value = 2, toString(body.bool_value), body.value = 3, toString(body.int_value), body.value = 4, replaceRegexpOne(transform(toString(body.double_value), ['inf', '-inf', 'nan'], ['Infinity', '-Infinity', 'NaN'], toString(body.double_value)), 'e([0-9])', 'e+\\1'), body.value = 5, toJSONString(body.array_value.`values`.string_value), body.value = 7, base64Encode(body.bytes_value), '') AS Body,
    schema_url AS ResourceSchemaUrl,
    resource AS ResourceAttributes,
    scope_url AS ScopeSchemaUrl,
    scope_name AS ScopeName,
    scope_version AS ScopeVersion,
    scope AS ScopeAttributes,
    CAST(arrayMap(a -> (a.key, multiIf(a.value.value = 1, a.value.string_value, a.value.value = 2, toString(a.value.bool_value), a.value.value = 3, toString(a.value.int_value), a.value.value = 4, replaceRegexpOne(transform(toString(a.value.double_value), ['inf', '-inf', 'nan'], ['Infinity', '-Infinity', 'NaN'], toString(a.value.double_value)), 'e([0-9])', 'e+\\1'), a.value.value = 5, toJSONString(a.value.array_value.`values`.string_value), a.value.value = 7, base64Encode(a.value.bytes_value), '')), attributes), 'Map(LowCardinality(String), String)') AS LogAttributes,
    event_name AS EventName,
    request_id,
    request_items,
    policy_id,
    policy_key_ids,
    policy_keys
FROM
(
    SELECT
        `policy.id` AS policy_id,
        `policy.key_ids` AS policy_key_ids,
        `policy.keys` AS policy_keys,
        `receipt.id` AS request_id,
        `receipt.items` AS request_items,
        schema_url,
        CAST(arrayMap(a -> (a.key, multiIf(a.value.value = 1, a.value.string_value, a.value.value = 2, toString(a.value.bool_value), a.value.value = 3, toString(a.value.int_value), a.value.value = 4, replaceRegexpOne(transform(toString(a.value.double_value), ['inf', '-inf', 'nan'], ['Infinity', '-Infinity', 'NaN'], toString(a.value.double_value)), 'e([0-9])', 'e+\\1'), a.value.value = 5, toJSONString(a.value.array_value.`values`.string_value), a.value.value = 7, base64Encode(a.value.bytes_value), '')), `resource.attributes`), 'Map(LowCardinality(String), String)') AS resource,
        CAST(arrayMap(a -> (a.key, multiIf(a.value.value = 1, a.value.string_value, a.value.value = 2, toString(a.value.bool_value), a.value.value = 3, toString(a.value.int_value), a.value.value = 4, replaceRegexpOne(transform(toString(a.value.double_value), ['inf', '-inf', 'nan'], ['Infinity', '-Infinity', 'NaN'], toString(a.value.double_value)), 'e([0-9])', 'e+\\1'), a.value.value = 7, base64Encode(a.value.bytes_value), '')), `scope_logs.scope`.attributes), 'Map(LowCardinality(String), String)') AS scope,
        `scope_logs.schema_url` AS scope_url,
        `scope_logs.scope`.name AS scope_name,
        `scope_logs.scope`.version AS scope_version,
        `scope_logs.log_records.time_unix_nano`,
        `scope_logs.log_records.observed_time_unix_nano`,
        `scope_logs.log_records.severity_number`,
        `scope_logs.log_records.severity_text`,
        `scope_logs.log_records.event_name`,
        `scope_logs.log_records.flags`,
        `scope_logs.log_records.trace_id`,
        `scope_logs.log_records.span_id`,
        `scope_logs.log_records.body`,
        `scope_logs.log_records.attributes`
    FROM otlp_logs_private_in
    WHERE throwIf(deprecated OR (length(`resource.attributes`.key) != arrayUniq(`resource.attributes`.key)) OR has(`resource.attributes`.value.value, 6) OR arrayExists(kinds_of_values -> arrayExists(v -> (v != 1), kinds_of_values), `resource.attributes`.value.array_value.`values`.value) OR (length(`scope_logs.scope`.attributes.key) != arrayUniq(`scope_logs.scope`.attributes.key)) OR hasAny(`scope_logs.scope`.attributes.value.value, [5, 6]), 'this resource or scope needs repair') = 0
)
ARRAY JOIN
    `scope_logs.log_records.time_unix_nano` AS happened,
    `scope_logs.log_records.observed_time_unix_nano` AS observed,
    `scope_logs.log_records.severity_number` AS severity,
    `scope_logs.log_records.severity_text` AS severity_text,
    `scope_logs.log_records.event_name` AS event_name,
    `scope_logs.log_records.flags` AS flags,
    `scope_logs.log_records.trace_id` AS trace_id,
    `scope_logs.log_records.span_id` AS span_id,
    `scope_logs.log_records.body` AS body,
    `scope_logs.log_records.attributes` AS attributes
WHERE throwIf((length(trace_id) NOT IN (0, 16)) OR (length(span_id) NOT IN (0, 8)) OR (at >= 4294967296000000000) OR (body.value = 6) OR arrayExists(v -> (v != 1), body.array_value.`values`.value) OR (length(attributes.key) != arrayUniq(attributes.key)) OR has(attributes.value.value, 6) OR arrayExists(kinds_of_values -> arrayExists(v -> (v != 1), kinds_of_values), attributes.value.array_value.`values`.value), 'this record needs repair') = 0

CREATE TABLE otlp_metric_points
(
    `kind` Int8 COMMENT '5 gauge, 7 sum, 9 histogram, 10 exponential histogram, 11 summary',
    `ResourceAttributes` Map(LowCardinality(String), String) COMMENT 'resource attributes',
    `ResourceSchemaUrl` String COMMENT 'schema of the resource attributes',
    `ScopeName` String COMMENT 'instrumentation scope',
    `ScopeVersion` String COMMENT 'its version',
    `ScopeAttributes` Map(LowCardinality(String), String) COMMENT 'its attributes',
    `ScopeDroppedAttrCount` UInt32 COMMENT 'attributes left out',
    `ScopeSchemaUrl` String COMMENT 'schema of scope and metrics',
    `ServiceName` LowCardinality(String) COMMENT 'service.name of the resource',
    `MetricName` String COMMENT 'metric',
    `MetricDescription` String COMMENT 'what it measures',
    `MetricUnit` String COMMENT 'unit',
    `Attributes` Map(LowCardinality(String), String) COMMENT 'attributes of the data point',
    `StartTimeUnix` DateTime64(9) COMMENT 'start of the interval measured',
    `TimeUnix` DateTime64(9) COMMENT 'end of it',
    `Flags` UInt32 COMMENT 'flags of the data point',
    `AggregationTemporality` Int32 COMMENT '1 delta, 2 cumulative',
    `IsMonotonic` Bool COMMENT 'whether a sum only grows',
    `Exemplars.FilteredAttributes` Array(Map(LowCardinality(String), String)) COMMENT 'attributes of exemplars',
    `Exemplars.TimeUnix` Array(DateTime64(9)) COMMENT 'their times',
    `Exemplars.Value` Array(Float64) COMMENT 'their values',
    `Exemplars.SpanId` Array(String) COMMENT 'spans they were taken in',
    `Exemplars.TraceId` Array(String) COMMENT 'traces of those',
    `number_point` Tuple(
        start_time_unix_nano UInt64,
        time_unix_nano UInt64,
        flags UInt32,
        value Int8,
        as_double Float64,
        as_int Int64,
        attributes Array(Tuple(
            key String,
            value Tuple(
                value Int8,
                string_value String,
                bool_value String,
                int_value String,
                double_value String,
                bytes_value String))),
        exemplars Array(Tuple(
            time_unix_nano UInt64,
            value Int8,
            as_double Float64,
            as_int Int64,
            trace_id String,
            span_id String,
            filtered_attributes Array(Tuple(
                key String,
                value Tuple(
                    value Int8,
                    string_value String,
                    bool_value String,
                    int_value String,
                    double_value String,
                    bytes_value String)))))) COMMENT 'point of a gauge or a sum',
    `histogram_point` Tuple(
        start_time_unix_nano UInt64,
        time_unix_nano UInt64,
        flags UInt32,
        count UInt64,
        sum Float64,
        min Float64,
        max Float64,
        bucket_counts Array(UInt64),
        explicit_bounds Array(Float64),
        attributes Array(Tuple(
            key String,
            value Tuple(
                value Int8,
                string_value String,
                bool_value String,
                int_value String,
                double_value String,
                bytes_value String))),
        exemplars Array(Tuple(
            time_unix_nano UInt64,
            value Int8,
            as_double Float64,
            as_int Int64,
            trace_id String,
            span_id String,
            filtered_attributes Array(Tuple(
                key String,
                value Tuple(
                    value Int8,
                    string_value String,
                    bool_value String,
                    int_value String,
                    double_value String,
                    bytes_value String)))))) COMMENT 'point of a histogram',
    `exponential_point` Tuple(
        start_time_unix_nano UInt64,
        time_unix_nano UInt64,
        flags UInt32,
        count UInt64,
        sum Float64,
        min Float64,
        max Float64,
        scale Int32,
        zero_count UInt64,
        zero_threshold Float64,
        positive Tuple(
            offset Int32,
            bucket_counts Array(UInt64)),
        negative Tuple(
            offset Int32,
            bucket_counts Array(UInt64)),
        attributes Array(Tuple(
            key String,
            value Tuple(
                value Int8,
                string_value String,
                bool_value String,
                int_value String,
                double_value String,
                bytes_value String))),
        exemplars Array(Tuple(
            time_unix_nano UInt64,
            value Int8,
            as_double Float64,
            as_int Int64,
            trace_id String,
            span_id String,
            filtered_attributes Array(Tuple(
                key String,
                value Tuple(
                    value Int8,
                    string_value String,
                    bool_value String,
                    int_value String,
                    double_value String,
                    bytes_value String)))))) COMMENT 'point of an exponential histogram',
    `summary_point` Tuple(
        start_time_unix_nano UInt64,
        time_unix_nano UInt64,
        flags UInt32,
        count UInt64,
        sum Float64,
        quantile_values Array(Tuple(
            quantile Float64,
            value Float64)),
        attributes Array(Tuple(
            key String,
            value Tuple(
                value Int8,
                string_value String,
                bool_value String,
                int_value String,
                double_value String,
                bytes_value String)))) COMMENT 'point of a summary',
    `request_id` String COMMENT 'request the point came in',
    `request_items` UInt32 COMMENT 'data points in that request'
)
ENGINE = `Null`

CREATE TABLE otlp_metric_points_private
(
    `kind` Int8 COMMENT '5 gauge, 7 sum, 9 histogram, 10 exponential histogram, 11 summary',
    `ResourceAttributes` Map(LowCardinality(String), String) COMMENT 'resource attributes',
    `ResourceSchemaUrl` String COMMENT 'schema of the resource attributes',
    `ScopeName` String COMMENT 'instrumentation scope',
    `ScopeVersion` String COMMENT 'its version',
    `ScopeAttributes` Map(LowCardinality(String), String) COMMENT 'its attributes',
    `ScopeDroppedAttrCount` UInt32 COMMENT 'attributes left out',
    `ScopeSchemaUrl` String COMMENT 'schema of scope and metrics',
    `ServiceName` LowCardinality(String) COMMENT 'service.name of the resource',
    `MetricName` String COMMENT 'metric',
    `MetricDescription` String COMMENT 'what it measures',
    `MetricUnit` String COMMENT 'unit',
    `Attributes` Map(LowCardinality(String), String) COMMENT 'attributes of the data point',
    `StartTimeUnix` DateTime64(9) COMMENT 'start of the interval measured',
    `TimeUnix` DateTime64(9) COMMENT 'end of it',
    `Flags` UInt32 COMMENT 'flags of the data point',
    `AggregationTemporality` Int32 COMMENT '1 delta, 2 cumulative',
    `IsMonotonic` Bool COMMENT 'whether a sum only grows',
    `Exemplars.FilteredAttributes` Array(Map(LowCardinality(String), String)) COMMENT 'attributes of exemplars',
    `Exemplars.TimeUnix` Array(DateTime64(9)) COMMENT 'their times',
    `Exemplars.Value` Array(Float64) COMMENT 'their values',
    `Exemplars.SpanId` Array(String) COMMENT 'spans they were taken in',
    `Exemplars.TraceId` Array(String) COMMENT 'traces of those',
    `number_point` Tuple(
        start_time_unix_nano UInt64,
        time_unix_nano UInt64,
        flags UInt32,
        value Int8,
        as_double Float64,
        as_int Int64,
        attributes Array(Tuple(
            key String,
            value Tuple(
                value Int8,
                string_value String,
                bool_value String,
                int_value String,
                double_value String,
                bytes_value String))),
        exemplars Array(Tuple(
            time_unix_nano UInt64,
            value Int8,
            as_double Float64,
            as_int Int64,
            trace_id String,
            span_id String,
            filtered_attributes Array(Tuple(
                key String,
                value Tuple(
                    value Int8,
                    string_value String,
                    bool_value String,
                    int_value String,
                    double_value String,
                    bytes_value String)))))) COMMENT 'point of a gauge or a sum',
    `histogram_point` Tuple(
        start_time_unix_nano UInt64,
        time_unix_nano UInt64,
        flags UInt32,
        count UInt64,
        sum Float64,
        min Float64,
        max Float64,
        bucket_counts Array(UInt64),
        explicit_bounds Array(Float64),
        attributes Array(Tuple(
            key String,
            value Tuple(
                value Int8,
                string_value String,
                bool_value String,
                int_value String,
                double_value String,
                bytes_value String))),
        exemplars Array(Tuple(
            time_unix_nano UInt64,
            value Int8,
            as_double Float64,
            as_int Int64,
            trace_id String,
            span_id String,
            filtered_attributes Array(Tuple(
                key String,
                value Tuple(
                    value Int8,
                    string_value String,
                    bool_value String,
                    int_value String,
                    double_value String,
                    bytes_value String)))))) COMMENT 'point of a histogram',
    `exponential_point` Tuple(
        start_time_unix_nano UInt64,
        time_unix_nano UInt64,
        flags UInt32,
        count UInt64,
        sum Float64,
        min Float64,
        max Float64,
        scale Int32,
        zero_count UInt64,
        zero_threshold Float64,
        positive Tuple(
            offset Int32,
            bucket_counts Array(UInt64)),
        negative Tuple(
            offset Int32,
            bucket_counts Array(UInt64)),
        attributes Array(Tuple(
            key String,
            value Tuple(
                value Int8,
                string_value String,
                bool_value String,
                int_value String,
                double_value String,
                bytes_value String))),
        exemplars Array(Tuple(
            time_unix_nano UInt64,
            value Int8,
            as_double Float64,
            as_int Int64,
            trace_id String,
            span_id String,
            filtered_attributes Array(Tuple(
                key String,
                value Tuple(
                    value Int8,
                    string_value String,
                    bool_value String,
                    int_value String,
                    double_value String,
                    bytes_value String)))))) COMMENT 'point of an exponential histogram',
    `summary_point` Tuple(
        start_time_unix_nano UInt64,
        time_unix_nano UInt64,
        flags UInt32,
        count UInt64,
        sum Float64,
        quantile_values Array(Tuple(
            quantile Float64,
            value Float64)),
        attributes Array(Tuple(
            key String,
            value Tuple(
                value Int8,
                string_value String,
                bool_value String,
                int_value String,
                double_value String,
                bytes_value String)))) COMMENT 'point of a summary',
    `request_id` String COMMENT 'request the point came in',
    `request_items` UInt32 COMMENT 'data points in that request',
    `policy_id` String COMMENT 'policy that the receiver relies on',
    `policy_key_ids` Array(String) COMMENT 'names of the keys of tokens, the newest first',
    `policy_keys` Array(String) COMMENT 'the keys'
)
ENGINE = `Null`

CREATE MATERIALIZED VIEW otlp_metric_points_private_mv TO otlp_metric_points
(
    `kind` Int8,
    `ResourceAttributes` Map(LowCardinality(String), String),
    `ResourceSchemaUrl` String,
    `ScopeName` String,
    `ScopeVersion` String,
    `ScopeAttributes` Map(LowCardinality(String), String),
    `ScopeDroppedAttrCount` UInt32,
    `ScopeSchemaUrl` String,
    `ServiceName` String,
    `MetricName` String,
    `MetricDescription` String,
    `MetricUnit` String,
    `Attributes` Map(LowCardinality(String), String),
    `StartTimeUnix` DateTime64(9),
    `TimeUnix` DateTime64(9),
    `Flags` UInt32,
    `AggregationTemporality` Int32,
    `IsMonotonic` Bool,
    `Exemplars.FilteredAttributes` Array(Map(LowCardinality(String), String)),
    `Exemplars.TimeUnix` Array(DateTime64(9)),
    `Exemplars.Value` Array(Float64),
    `Exemplars.SpanId` Array(String),
    `Exemplars.TraceId` Array(String),
    `number_point` Tuple(
        start_time_unix_nano UInt64,
        time_unix_nano UInt64,
        flags UInt32,
        value Int8,
        as_double Float64,
        as_int Int64,
        attributes Array(Tuple(
            key String,
            value Tuple(
                value Int8,
                string_value String,
                bool_value String,
                int_value String,
                double_value String,
                bytes_value String))),
        exemplars Array(Tuple(
            time_unix_nano UInt64,
            value Int8,
            as_double Float64,
            as_int Int64,
            trace_id String,
            span_id String,
            filtered_attributes Array(Tuple(
                key String,
                value Tuple(
                    value Int8,
                    string_value String,
                    bool_value String,
                    int_value String,
                    double_value String,
                    bytes_value String)))))),
    `histogram_point` Tuple(
        start_time_unix_nano UInt64,
        time_unix_nano UInt64,
        flags UInt32,
        count UInt64,
        sum Float64,
        min Float64,
        max Float64,
        bucket_counts Array(UInt64),
        explicit_bounds Array(Float64),
        attributes Array(Tuple(
            key String,
            value Tuple(
                value Int8,
                string_value String,
                bool_value String,
                int_value String,
                double_value String,
                bytes_value String))),
        exemplars Array(Tuple(
            time_unix_nano UInt64,
            value Int8,
            as_double Float64,
            as_int Int64,
            trace_id String,
            span_id String,
            filtered_attributes Array(Tuple(
                key String,
                value Tuple(
                    value Int8,
                    string_value String,
                    bool_value String,
                    int_value String,
                    double_value String,
                    bytes_value String)))))),
    `exponential_point` Tuple(
        start_time_unix_nano UInt64,
        time_unix_nano UInt64,
        flags UInt32,
        count UInt64,
        sum Float64,
        min Float64,
        max Float64,
        scale Int32,
        zero_count UInt64,
        zero_threshold Float64,
        positive Tuple(
            offset Int32,
            bucket_counts Array(UInt64)),
        negative Tuple(
            offset Int32,
            bucket_counts Array(UInt64)),
        attributes Array(Tuple(
            key String,
            value Tuple(
                value Int8,
                string_value String,
                bool_value String,
                int_value String,
                double_value String,
                bytes_value String))),
        exemplars Array(Tuple(
            time_unix_nano UInt64,
            value Int8,
            as_double Float64,
            as_int Int64,
            trace_id String,
            span_id String,
            filtered_attributes Array(Tuple(
                key String,
                value Tuple(
                    value Int8,
                    string_value String,
                    bool_value String,
                    int_value String,
                    double_value String,
                    bytes_value String)))))),
    `summary_point` Tuple(
        start_time_unix_nano UInt64,
        time_unix_nano UInt64,
        flags UInt32,
        count UInt64,
        sum Float64,
        quantile_values Array(Tuple(
            quantile Float64,
            value Float64)),
        attributes Array(Tuple(
            key String,
            value Tuple(
                value Int8,
                string_value String,
                bool_value String,
                int_value String,
                double_value String,
                bytes_value String)))),
    `request_id` String,
    `request_items` UInt32
)
AS WITH
    (
        SELECT CAST(groupArray((kind, pattern)), 'Map(String, String)')
        FROM privacy_rules
        WHERE (known_at, policy) = (
            SELECT max((known_at, policy))
            FROM privacy_rules
        )
    ) AS rules,
    CAST(mapApply((name, value) -> (name, if(match(name, rules['special']), multiIf(match(name, rules['tokens']), arrayMap(tokens -> multiIf(empty(tokens), '', length(tokens) = 1, tokens[1], toJSONString(tokens)), [arrayFlatten(arrayMap(text -> arrayMap((id, key) -> concat(id, ':', lower(hex(substring(HMAC('sha256', text, '[HIDDEN]'), 1, 16)))), p.policy_key_ids, p.policy_keys), arrayFilter(text -> (text != ''), arrayMap(text -> replaceRegexpAll(text, '^[\\s\\p{Z}]+|[\\s\\p{Z}]+$', ''), if(startsWith(value, '[') AND isValidJSON(value), JSONExtract(value, 'Array(String)'), [value])))))])[1], match(name, rules['urls']), replaceRegexpOne(extract(replaceRegexpOne(value, '^([a-z]+://)[^/?#@]*@', '\\1'), '^((?:https?|wss?|ftps?|sftp|grpcs?|amqps?|mqtts?|kafka|redis|postgres|postgresql|mysql|mongodb)://[A-Za-z0-9._-]+)(?::[0-9]+)?(?:[/?#].*)?$'), '://[0-9.]+$', '://?'), match(name, rules['statements']), if(match(value, '(?i)^\\s*(?:SELECT|INSERT|UPDATE|DELETE|WITH|MERGE|REPLACE|CALL|EXEC|EXECUTE)\\s') AND (NOT match(value, '\\\\|[$][$A-Za-z_]|#|`[^`]*[^A-Za-z0-9_`][^`]*`')), normalizeQuery(replaceRegexpAll(value, '(?s)\'(?:[^\']|\'\')*\'|"(?:[^"]|"")*"|/[*].*?[*]/|--[^\\n]*', '\'?\'')), '(withheld)'), match(name, rules['texts']), arrayStringConcat(arrayMap(word -> if(match(word, '^(?:[a-z]+|(?:[a-z_]+[.])*[A-Z][A-Za-z]*(?:Error|Exception|Warning|Timeout|Failure))[.,:;!?]*$'), word, '?'), splitByWhitespace(replaceRegexpOne(value, '(?s)(?:(?:^|[^\\p{L}])\'|["`]|“|„|‟|‘|‚|«|‹|»|›)(?:.*(?:[\'"`]|“|”|‟|’|«|»|‹|›)|.*$)', ' ? '))), ' '), ''), value)), mapFilter((name, value) -> match(name, rules['attributes']), p.ResourceAttributes)), 'Map(LowCardinality(String), String)') AS resource
SELECT
    p.kind AS kind,
    resource AS ResourceAttributes,
    if(match(p.ResourceSchemaUrl, '^https://opentelemetry[.]io/schemas/[0-9]+[.][0-9]+[.][0-9]+$'), p.ResourceSchemaUrl, '') AS ResourceSchemaUrl,
    if((p.ScopeName = '') OR match(p.ScopeName, rules['names']), p.ScopeName, '(withheld)') AS ScopeName,
    '' AS ScopeVersion,
    CAST(mapApply((name, value) -> (name, if(match(name, rules['special']), multiIf(match(name, rules['tokens']), arrayMap(tokens -> multiIf(empty(tokens), '', length(tokens) = 1, tokens[1], toJSONString(tokens)), [arrayFlatten(arrayMap(text -> arrayMap((id, key) -> concat(id, ':', lower(hex(substring(HMAC('sha256', text, '[HIDDEN]'), 1, 16)))), p.policy_key_ids, p.policy_keys), arrayFilter(text -> (text != ''), arrayMap(text -> replaceRegexpAll(text, '^[\\s\\p{Z}]+|[\\s\\p{Z}]+$', ''), if(startsWith(value, '[') AND isValidJSON(value), JSONExtract(value, 'Array(String)'), [value])))))])[1], match(name, rules['urls']), replaceRegexpOne(extract(replaceRegexpOne(value, '^([a-z]+://)[^/?#@]*@', '\\1'), '^((?:https?|wss?|ftps?|sftp|grpcs?|amqps?|mqtts?|kafka|redis|postgres|postgresql|mysql|mongodb)://[A-Za-z0-9._-]+)(?::[0-9]+)?(?:[/?#].*)?$'), '://[0-9.]+$', '://?'), match(name, rules['statements']), if(match(value, '(?i)^\\s*(?:SELECT|INSERT|UPDATE|DELETE|WITH|MERGE|REPLACE|CALL|EXEC|EXECUTE)\\s') AND (NOT match(value, '\\\\|[$][$A-Za-z_]|#|`[^`]*[^A-Za-z0-9_`][^`]*`')), normalizeQuery(replaceRegexpAll(value, '(?s)\'(?:[^\']|\'\')*\'|"(?:[^"]|"")*"|/[*].*?[*]/|--[^\\n]*', '\'?\'')), '(withheld)'), match(name, rules['texts']), arrayStringConcat(arrayMap(word -> if(match(word, '^(?:[a-z]+|(?:[a-z_]+[.])*[A-Z][A-Za-z]*(?:Error|Exception|Warning|Timeout|Failure))[.,:;!?]*$'), word, '?'), splitByWhitespace(replaceRegexpOne(value, '(?s)(?:(?:^|[^\\p{L}])\'|["`]|“|„|‟|‘|‚|«|‹|»|›)(?:.*(?:[\'"`]|“|”|‟|’|«|»|‹|›)|.*$)', ' ? '))), ' '), ''), value)), mapFilter((name, value) -> match(name, rules['attributes']), p.ScopeAttributes)), 'Map(LowCardinality(String), String)') AS ScopeAttributes,
    p.ScopeDroppedAttrCount AS ScopeDroppedAttrCount,
    if(match(p.ScopeSchemaUrl, '^https://opentelemetry[.]io/schemas/[0-9]+[.][0-9]+[.][0-9]+$'), p.ScopeSchemaUrl, '') AS ScopeSchemaUrl,
    resource['service.name'] AS ServiceName,
    if((p.MetricName = '') OR match(p.MetricName, rules['names']), p.MetricName, '(withheld)') AS MetricName,
    '' AS MetricDescription,
    if(match(p.MetricUnit, '^(?:1|%|[munp]?s|min|h|d|[kKMGT]?i?By|[kKMGT]?i?bit|Hz|Cel|[kmc]?m|[km]?g|[kMm]?W|[mk]?V|m?A)(?:/s|/min|/h)?$'), p.MetricUnit, '') AS MetricUnit,
    CAST(mapApply((name, value) -> (name, if(match(name, rules['special']), multiIf(match(name, rules['tokens']), arrayMap(tokens -> multiIf(empty(tokens), '', length(tokens) = 1, tokens[1], toJSONString(tokens)), [arrayFlatten(arrayMap(text -> arrayMap((id, key) -> concat(id, ':', lower(hex(substring(HMAC('sha256', text, '[HIDDEN]'), 1, 16)))), p.policy_key_ids, p.policy_keys), arrayFilter(text -> (text != ''), arrayMap(text -> replaceRegexpAll(text, '^[\\s\\p{Z}]+|[\\s\\p{Z}]+$', ''), if(startsWith(value, '[') AND isValidJSON(value), JSONExtract(value, 'Array(String)'), [value])))))])[1], match(name, rules['urls']), replaceRegexpOne(extract(replaceRegexpOne(value, '^([a-z]+://)[^/?#@]*@', '\\1'), '^((?:https?|wss?|ftps?|sftp|grpcs?|amqps?|mqtts?|kafka|redis|postgres|postgresql|mysql|mongodb)://[A-Za-z0-9._-]+)(?::[0-9]+)?(?:[/?#].*)?$'), '://[0-9.]+$', '://?'), match(name, rules['statements']), if(match(value, '(?i)^\\s*(?:SELECT|INSERT|UPDATE|DELETE|WITH|MERGE|REPLACE|CALL|EXEC|EXECUTE)\\s') AND (NOT match(value, '\\\\|[$][$A-Za-z_]|#|`[^`]*[^A-Za-z0-9_`][^`]*`')), normalizeQuery(replaceRegexpAll(value, '(?s)\'(?:[^\']|\'\')*\'|"(?:[^"]|"")*"|/[*].*?[*]/|--[^\\n]*', '\'?\'')), '(withheld)'), match(name, rules['texts']), arrayStringConcat(arrayMap(word -> if(match(word, '^(?:[a-z]+|(?:[a-z_]+[.])*[A-Z][A-Za-z]*(?:Error|Exception|Warning|Timeout|Failure))[.,:;!?]*$'), word, '?'), splitByWhitespace(replaceRegexpOne(value, '(?s)(?:(?:^|[^\\p{L}])\'|["`]|“|„|‟|‘|‚|«|‹|»|›)(?:.*(?:[\'"`]|“|”|‟|’|«|»|‹|›)|.*$)', ' ? '))), ' '), ''), value)), mapFilter((name, value) -> match(name, rules['attributes']), p.Attributes)), 'Map(LowCardinality(String), String)') AS Attributes,
    p.StartTimeUnix AS StartTimeUnix,
    p.TimeUnix AS TimeUnix,
    bitAnd(p.Flags, 1) AS Flags,
    if((p.AggregationTemporality IN (1, 2)), p.AggregationTemporality, 0) AS AggregationTemporality,
    p.IsMonotonic AS IsMonotonic,
    arrayMap(pairs -> CAST(mapApply((name, value) -> (name, if(match(name, rules['special']), multiIf(match(name, rules['tokens']), arrayMap(tokens -> multiIf(empty(tokens), '', length(tokens) = 1, tokens[1], toJSONString(tokens)), [arrayFlatten(arrayMap(text -> arrayMap((id, key) -> concat(id, ':', lower(hex(substring(HMAC('sha256', text, '[HIDDEN]'), 1, 16)))), p.policy_key_ids, p.policy_keys), arrayFilter(text -> (text != ''), arrayMap(text -> replaceRegexpAll(text, '^[\\s\\p{Z}]+|[\\s\\p{Z}]+$', ''), if(startsWith(value, '[') AND isValidJSON(value), JSONExtract(value, 'Array(String)'), [value])))))])[1], match(name, rules['urls']), replaceRegexpOne(extract(replaceRegexpOne(value, '^([a-z]+://)[^/?#@]*@', '\\1'), '^((?:https?|wss?|ftps?|sftp|grpcs?|amqps?|mqtts?|kafka|redis|postgres|postgresql|mysql|mongodb)://[A-Za-z0-9._-]+)(?::[0-9]+)?(?:[/?#].*)?$'), '://[0-9.]+$', '://?'), match(name, rules['statements']), if(match(value, '(?i)^\\s*(?:SELECT|INSERT|UPDATE|DELETE|WITH|MERGE|REPLACE|CALL|EXEC|EXECUTE)\\s') AND (NOT match(value, '\\\\|[$][$A-Za-z_]|#|`[^`]*[^A-Za-z0-9_`][^`]*`')), normalizeQuery(replaceRegexpAll(value, '(?s)\'(?:[^\']|\'\')*\'|"(?:[^"]|"")*"|/[*].*?[*]/|--[^\\n]*', '\'?\'')), '(withheld)'), match(name, rules['texts']), arrayStringConcat(arrayMap(word -> if(match(word, '^(?:[a-z]+|(?:[a-z_]+[.])*[A-Z][A-Za-z]*(?:Error|Exception|Warning|Timeout|Failure))[.,:;!?]*$'), word, '?'), splitByWhitespace(replaceRegexpOne(value, '(?s)(?:(?:^|[^\\p{L}])\'|["`]|“|„|‟|‘|‚|«|‹|»|›)(?:.*(?:[\'"`]|“|”|‟|’|«|»|‹|›)|.*$)', ' ? '))), ' '), ''), value)), mapFilter((name, value) -> match(name, rules['attributes']), pairs)), 'Map(LowCardinality(String), String)'), p.`Exemplars.FilteredAttributes`) AS `Exemplars.FilteredAttributes`,
    p.`Exemplars.TimeUnix` AS `Exemplars.TimeUnix`,
    p.`Exemplars.Value` AS `Exemplars.Value`,
    arrayMap(id -> if(length(id) = 16, id, ''), p.`Exemplars.SpanId`) AS `Exemplars.SpanId`,
    arrayMap(id -> if(length(id) = 32, id, ''), p.`Exemplars.TraceId`) AS `Exemplars.TraceId`,
    p.number_point AS number_point,
    p.histogram_point AS histogram_point,
    p.exponential_point AS exponential_point,
    p.summary_point AS summary_point,
    p.request_id AS request_id,
    p.request_items AS request_items
FROM otlp_metric_points_private AS p
WHERE throwIf((p.policy_id = '') OR (p.policy_id != (rules['policy'])), 'another privacy policy holds in this store') = 0

CREATE MATERIALIZED VIEW otlp_metrics_exponential_histogram_mv TO otel_metrics_exponential_histogram
(
    `ResourceAttributes` Map(LowCardinality(String), String),
    `ResourceSchemaUrl` String,
    `ScopeName` String,
    `ScopeVersion` String,
    `ScopeAttributes` Map(LowCardinality(String), String),
    `ScopeDroppedAttrCount` UInt32,
    `ScopeSchemaUrl` String,
    `ServiceName` LowCardinality(String),
    `MetricName` String,
    `MetricDescription` String,
    `MetricUnit` String,
    `Attributes` Map(LowCardinality(String), String),
    `StartTimeUnix` DateTime64(9),
    `TimeUnix` DateTime64(9),
    `Flags` UInt32,
    `Exemplars.FilteredAttributes` Array(Map(LowCardinality(String), String)),
    `Exemplars.TimeUnix` Array(DateTime64(9)),
    `Exemplars.Value` Array(Float64),
    `Exemplars.SpanId` Array(String),
    `Exemplars.TraceId` Array(String),
    `Count` UInt64,
    `Sum` Float64,
    `Min` Float64,
    `Max` Float64,
    `Scale` Int32,
    `ZeroCount` UInt64,
    `ZeroThreshold` Float64,
    `PositiveOffset` Int32,
    `PositiveBucketCounts` Array(UInt64),
    `NegativeOffset` Int32,
    `NegativeBucketCounts` Array(UInt64),
    `AggregationTemporality` Int32,
    `request_id` String,
    `request_items` UInt32
)
AS SELECT
    ResourceAttributes,
    ResourceSchemaUrl,
    ScopeName,
    ScopeVersion,
    ScopeAttributes,
    ScopeDroppedAttrCount,
    ScopeSchemaUrl,
    ServiceName,
    MetricName,
    MetricDescription,
    MetricUnit,
    Attributes,
    StartTimeUnix,
    TimeUnix,
    Flags,
    `Exemplars.FilteredAttributes`,
    `Exemplars.TimeUnix`,
    `Exemplars.Value`,
    `Exemplars.SpanId`,
    `Exemplars.TraceId`,
    exponential_point.count AS Count,
    exponential_point.sum AS Sum,
    exponential_point.min AS Min,
    exponential_point.max AS Max,
    exponential_point.scale AS Scale,
    exponential_point.zero_count AS ZeroCount,
    exponential_point.zero_threshold AS ZeroThreshold,
    exponential_point.positive.offset AS PositiveOffset,
    exponential_point.positive.bucket_counts AS PositiveBucketCounts,
    exponential_point.negative.offset AS NegativeOffset,
    exponential_point.negative.bucket_counts AS NegativeBucketCounts,
    AggregationTemporality,
    request_id,
    request_items
FROM otlp_metric_points
WHERE kind = 10

CREATE MATERIALIZED VIEW otlp_metrics_gauge_mv TO otel_metrics_gauge
(
    `ResourceAttributes` Map(LowCardinality(String), String),
    `ResourceSchemaUrl` String,
    `ScopeName` String,
    `ScopeVersion` String,
    `ScopeAttributes` Map(LowCardinality(String), String),
    `ScopeDroppedAttrCount` UInt32,
    `ScopeSchemaUrl` String,
    `ServiceName` LowCardinality(String),
    `MetricName` String,
    `MetricDescription` String,
    `MetricUnit` String,
    `Attributes` Map(LowCardinality(String), String),
    `StartTimeUnix` DateTime64(9),
    `TimeUnix` DateTime64(9),
    `Flags` UInt32,
    `Exemplars.FilteredAttributes` Array(Map(LowCardinality(String), String)),
    `Exemplars.TimeUnix` Array(DateTime64(9)),
    `Exemplars.Value` Array(Float64),
    `Exemplars.SpanId` Array(String),
    `Exemplars.TraceId` Array(String),
    `Value` Float64,
    `request_id` String,
    `request_items` UInt32
)
AS SELECT
    ResourceAttributes,
    ResourceSchemaUrl,
    ScopeName,
    ScopeVersion,
    ScopeAttributes,
    ScopeDroppedAttrCount,
    ScopeSchemaUrl,
    ServiceName,
    MetricName,
    MetricDescription,
    MetricUnit,
    Attributes,
    StartTimeUnix,
    TimeUnix,
    Flags,
    `Exemplars.FilteredAttributes`,
    `Exemplars.TimeUnix`,
    `Exemplars.Value`,
    `Exemplars.SpanId`,
    `Exemplars.TraceId`,
    if(number_point.value = 6, toFloat64(number_point.as_int), number_point.as_double) AS Value,
    request_id,
    request_items
FROM otlp_metric_points
WHERE kind = 5

CREATE MATERIALIZED VIEW otlp_metrics_histogram_mv TO otel_metrics_histogram
(
    `ResourceAttributes` Map(LowCardinality(String), String),
    `ResourceSchemaUrl` String,
    `ScopeName` String,
    `ScopeVersion` String,
    `ScopeAttributes` Map(LowCardinality(String), String),
    `ScopeDroppedAttrCount` UInt32,
    `ScopeSchemaUrl` String,
    `ServiceName` LowCardinality(String),
    `MetricName` String,
    `MetricDescription` String,
    `MetricUnit` String,
    `Attributes` Map(LowCardinality(String), String),
    `StartTimeUnix` DateTime64(9),
    `TimeUnix` DateTime64(9),
    `Flags` UInt32,
    `Exemplars.FilteredAttributes` Array(Map(LowCardinality(String), String)),
    `Exemplars.TimeUnix` Array(DateTime64(9)),
    `Exemplars.Value` Array(Float64),
    `Exemplars.SpanId` Array(String),
    `Exemplars.TraceId` Array(String),
    `Count` UInt64,
    `Sum` Float64,
    `Min` Float64,
    `Max` Float64,
    `BucketCounts` Array(UInt64),
    `ExplicitBounds` Array(Float64),
    `AggregationTemporality` Int32,
    `request_id` String,
    `request_items` UInt32
)
AS SELECT
    ResourceAttributes,
    ResourceSchemaUrl,
    ScopeName,
    ScopeVersion,
    ScopeAttributes,
    ScopeDroppedAttrCount,
    ScopeSchemaUrl,
    ServiceName,
    MetricName,
    MetricDescription,
    MetricUnit,
    Attributes,
    StartTimeUnix,
    TimeUnix,
    Flags,
    `Exemplars.FilteredAttributes`,
    `Exemplars.TimeUnix`,
    `Exemplars.Value`,
    `Exemplars.SpanId`,
    `Exemplars.TraceId`,
    histogram_point.count AS Count,
    histogram_point.sum AS Sum,
    histogram_point.min AS Min,
    histogram_point.max AS Max,
    histogram_point.bucket_counts AS BucketCounts,
    histogram_point.explicit_bounds AS ExplicitBounds,
    AggregationTemporality,
    request_id,
    request_items
FROM otlp_metric_points
WHERE kind = 9

CREATE TABLE otlp_metrics_in
(
    `resource.attributes` Array(Tuple(
        key String,
        value Tuple(
            value Int8,
            string_value String,
            bool_value String,
            int_value String,
            double_value String,
            bytes_value String,
            array_value Tuple(`values` Array(Tuple(
                value Int8,
                string_value String)))))) COMMENT 'attributes of the resource',
    `deprecated` Bool COMMENT 'whether the resource has metrics in the field that came before scopes',
    `receipt.id` String COMMENT 'request',
    `receipt.items` UInt32 COMMENT 'rows of that request',
    `schema_url` String COMMENT 'schema of the resource attributes',
    `scope_metrics.schema_url` String COMMENT 'schema of scope and metrics',
    `scope_metrics.scope` Tuple(
        name String,
        version String,
        dropped_attributes_count UInt32,
        attributes Array(Tuple(
            key String,
            value Tuple(
                value Int8,
                string_value String,
                bool_value String,
                int_value String,
                double_value String,
                bytes_value String)))) COMMENT 'instrumentation scope',
    `scope_metrics.metrics.name` Array(String) COMMENT 'metric',
    `scope_metrics.metrics.description` Array(String) COMMENT 'what it measures',
    `scope_metrics.metrics.unit` Array(String) COMMENT 'unit',
    `scope_metrics.metrics.data` Array(Int8) COMMENT 'kind: 5 gauge, 7 sum, 9 histogram, 10 exponential histogram, 11 summary',
    `scope_metrics.metrics.sum.aggregation_temporality` Array(Int32) COMMENT '1 delta, 2 cumulative',
    `scope_metrics.metrics.sum.is_monotonic` Array(Bool) COMMENT 'whether it only grows',
    `scope_metrics.metrics.histogram.aggregation_temporality` Array(Int32) COMMENT '1 delta, 2 cumulative',
    `scope_metrics.metrics.exponential_histogram.aggregation_temporality` Array(Int32) COMMENT '1 delta, 2 cumulative',
    `scope_metrics.metrics.gauge.data_points` Array(Array(Tuple(
        start_time_unix_nano UInt64,
        time_unix_nano UInt64,
        flags UInt32,
        value Int8,
        as_double Float64,
        as_int Int64,
        attributes Array(Tuple(
            key String,
            value Tuple(
                value Int8,
                string_value String,
                bool_value String,
                int_value String,
                double_value String,
                bytes_value String))),
        exemplars Array(Tuple(
            time_unix_nano UInt64,
            value Int8,
            as_double Float64,
            as_int Int64,
            trace_id String,
            span_id String,
            filtered_attributes Array(Tuple(
                key String,
                value Tuple(
                    value Int8,
                    string_value String,
                    bool_value String,
                    int_value String,
                    double_value String,
                    bytes_value String)))))))) COMMENT 'points of gauges',
    `scope_metrics.metrics.sum.data_points` Array(Array(Tuple(
        start_time_unix_nano UInt64,
        time_unix_nano UInt64,
        flags UInt32,
        value Int8,
        as_double Float64,
        as_int Int64,
        attributes Array(Tuple(
            key String,
            value Tuple(
                value Int8,
                string_value String,
                bool_value String,
                int_value String,
                double_value String,
                bytes_value String))),
        exemplars Array(Tuple(
            time_unix_nano UInt64,
            value Int8,
            as_double Float64,
            as_int Int64,
            trace_id String,
            span_id String,
            filtered_attributes Array(Tuple(
                key String,
                value Tuple(
                    value Int8,
                    string_value String,
                    bool_value String,
                    int_value String,
                    double_value String,
                    bytes_value String)))))))) COMMENT 'points of sums',
    `scope_metrics.metrics.histogram.data_points` Array(Array(Tuple(
        start_time_unix_nano UInt64,
        time_unix_nano UInt64,
        flags UInt32,
        count UInt64,
        sum Float64,
        min Float64,
        max Float64,
        bucket_counts Array(UInt64),
        explicit_bounds Array(Float64),
        attributes Array(Tuple(
            key String,
            value Tuple(
                value Int8,
                string_value String,
                bool_value String,
                int_value String,
                double_value String,
                bytes_value String))),
        exemplars Array(Tuple(
            time_unix_nano UInt64,
            value Int8,
            as_double Float64,
            as_int Int64,
            trace_id String,
            span_id String,
            filtered_attributes Array(Tuple(
                key String,
                value Tuple(
                    value Int8,
                    string_value String,
                    bool_value String,
                    int_value String,
                    double_value String,
                    bytes_value String)))))))) COMMENT 'points of histograms',
    `scope_metrics.metrics.exponential_histogram.data_points` Array(Array(Tuple(
        start_time_unix_nano UInt64,
        time_unix_nano UInt64,
        flags UInt32,
        count UInt64,
        sum Float64,
        min Float64,
        max Float64,
        scale Int32,
        zero_count UInt64,
        zero_threshold Float64,
        positive Tuple(
            offset Int32,
            bucket_counts Array(UInt64)),
        negative Tuple(
            offset Int32,
            bucket_counts Array(UInt64)),
        attributes Array(Tuple(
            key String,
            value Tuple(
                value Int8,
                string_value String,
                bool_value String,
                int_value String,
                double_value String,
                bytes_value String))),
        exemplars Array(Tuple(
            time_unix_nano UInt64,
            value Int8,
            as_double Float64,
            as_int Int64,
            trace_id String,
            span_id String,
            filtered_attributes Array(Tuple(
                key String,
                value Tuple(
                    value Int8,
                    string_value String,
                    bool_value String,
                    int_value String,
                    double_value String,
                    bytes_value String)))))))) COMMENT 'points of exponential histograms',
    `scope_metrics.metrics.summary.data_points` Array(Array(Tuple(
        start_time_unix_nano UInt64,
        time_unix_nano UInt64,
        flags UInt32,
        count UInt64,
        sum Float64,
        quantile_values Array(Tuple(
            quantile Float64,
            value Float64)),
        attributes Array(Tuple(
            key String,
            value Tuple(
                value Int8,
                string_value String,
                bool_value String,
                int_value String,
                double_value String,
                bytes_value String)))))) COMMENT 'points of summaries'
)
ENGINE = `Null`

CREATE MATERIALIZED VIEW otlp_metrics_mv TO otlp_metric_points
(
    `kind` Int8,
    `ResourceAttributes` Map(LowCardinality(String), String),
    `ResourceSchemaUrl` String,
    `ScopeName` String,
    `ScopeVersion` String,
    `ScopeAttributes` Map(LowCardinality(String), String),
    `ScopeDroppedAttrCount` UInt32,
    `ScopeSchemaUrl` String,
    `ServiceName` String,
    `MetricName` String,
    `MetricDescription` String,
    `MetricUnit` String,
    `Attributes` Map(LowCardinality(String), String),
    `StartTimeUnix` DateTime64(9),
    `TimeUnix` DateTime64(9),
    `Flags` UInt32,
    `AggregationTemporality` Int32,
    `IsMonotonic` Bool,
    `Exemplars.FilteredAttributes` Array(Map(LowCardinality(String), String)),
    `Exemplars.TimeUnix` Array(DateTime64(9)),
    `Exemplars.Value` Array(Float64),
    `Exemplars.SpanId` Array(String),
    `Exemplars.TraceId` Array(String),
    `number_point` Tuple(
        start_time_unix_nano UInt64,
        time_unix_nano UInt64,
        flags UInt32,
        value Int8,
        as_double Float64,
        as_int Int64,
        attributes Array(Tuple(
            key String,
            value Tuple(
                value Int8,
                string_value String,
                bool_value String,
                int_value String,
                double_value String,
                bytes_value String))),
        exemplars Array(Tuple(
            time_unix_nano UInt64,
            value Int8,
            as_double Float64,
            as_int Int64,
            trace_id String,
            span_id String,
            filtered_attributes Array(Tuple(
                key String,
                value Tuple(
                    value Int8,
                    string_value String,
                    bool_value String,
                    int_value String,
                    double_value String,
                    bytes_value String)))))),
    `histogram_point` Tuple(
        start_time_unix_nano UInt64,
        time_unix_nano UInt64,
        flags UInt32,
        count UInt64,
        sum Float64,
        min Float64,
        max Float64,
        bucket_counts Array(UInt64),
        explicit_bounds Array(Float64),
        attributes Array(Tuple(
            key String,
            value Tuple(
                value Int8,
                string_value String,
                bool_value String,
                int_value String,
                double_value String,
                bytes_value String))),
        exemplars Array(Tuple(
            time_unix_nano UInt64,
            value Int8,
            as_double Float64,
            as_int Int64,
            trace_id String,
            span_id String,
            filtered_attributes Array(Tuple(
                key String,
                value Tuple(
                    value Int8,
                    string_value String,
                    bool_value String,
                    int_value String,
                    double_value String,
                    bytes_value String)))))),
    `exponential_point` Tuple(
        start_time_unix_nano UInt64,
        time_unix_nano UInt64,
        flags UInt32,
        count UInt64,
        sum Float64,
        min Float64,
        max Float64,
        scale Int32,
        zero_count UInt64,
        zero_threshold Float64,
        positive Tuple(
            offset Int32,
            bucket_counts Array(UInt64)),
        negative Tuple(
            offset Int32,
            bucket_counts Array(UInt64)),
        attributes Array(Tuple(
            key String,
            value Tuple(
                value Int8,
                string_value String,
                bool_value String,
                int_value String,
                double_value String,
                bytes_value String))),
        exemplars Array(Tuple(
            time_unix_nano UInt64,
            value Int8,
            as_double Float64,
            as_int Int64,
            trace_id String,
            span_id String,
            filtered_attributes Array(Tuple(
                key String,
                value Tuple(
                    value Int8,
                    string_value String,
                    bool_value String,
                    int_value String,
                    double_value String,
                    bytes_value String)))))),
    `summary_point` Tuple(
        start_time_unix_nano UInt64,
        time_unix_nano UInt64,
        flags UInt32,
        count UInt64,
        sum Float64,
        quantile_values Array(Tuple(
            quantile Float64,
            value Float64)),
        attributes Array(Tuple(
            key String,
            value Tuple(
                value Int8,
                string_value String,
                bool_value String,
                int_value String,
                double_value String,
                bytes_value String)))),
    `request_id` String,
    `request_items` UInt32
)
AS WITH
    greatest(number_point.start_time_unix_nano, histogram_point.start_time_unix_nano, exponential_point.start_time_unix_nano, summary_point.start_time_unix_nano) AS start_time,
    greatest(number_point.time_unix_nano, histogram_point.time_unix_nano, exponential_point.time_unix_nano, summary_point.time_unix_nano) AS end_time,
    arrayConcat(number_point.attributes, histogram_point.attributes, exponential_point.attributes, summary_point.attributes) AS attributes,
    arrayConcat(number_point.exemplars, histogram_point.exemplars, exponential_point.exemplars) AS exemplars
SELECT
    kind,
    resource AS ResourceAttributes,
    resource_url AS ResourceSchemaUrl,
    scope_name AS ScopeName,
    scope_version AS ScopeVersion,
    scope AS ScopeAttributes,
    scope_dropped AS ScopeDroppedAttrCount,
    scope_url AS ScopeSchemaUrl,
    resource['service.name'] AS ServiceName,
    name AS MetricName,
    description AS MetricDescription,
    unit AS MetricUnit,
    CAST(arrayMap(a -> (a.key, multiIf(a.value.value = 1, a.value.string_value, a.value.value = 2, a.value.bool_value, a.value.value = 3, a.value.int_value, a.value.value = 4, replaceRegexpOne(transform(a.value.double_value, ['inf', '-inf', 'nan'], ['Infinity', '-Infinity', 'NaN'], a.value.double_value), 'e([0-9])', 'e+\\1'), a.value.value = 7, base64Encode(a.value.bytes_value), '')), attributes), 'Map(LowCardinality(String), String)') AS Attributes,
    fromUnixTimestamp64Nano(reinterpretAsInt64(start_time)) AS StartTimeUnix,
    fromUnixTimestamp64Nano(reinterpretAsInt64(end_time)) AS TimeUnix,
    greatest(number_point.flags, histogram_point.flags, exponential_point.flags, summary_point.flags) AS Flags,
    temporality AS AggregationTemporality,
    monotonic AS IsMonotonic,
    arrayMap(pairs -> CAST(arrayMap(a -> (a.key, multiIf(a.value.value = 1, a.value.string_value, a.value.value = 2, a.value.bool_value, a.value.value = 3, a.value.int_value, a.value.value = 4, replaceRegexpOne(transform(a.value.double_value, ['inf', '-inf', 'nan'], ['Infinity', '-Infinity', 'NaN'], a.value.double_value), 'e([0-9])', 'e+\\1'), a.value.value = 7, base64Encode(a.value.bytes_value), '')), pairs), 'Map(LowCardinality(String), String)'), exemplars.filtered_attributes) AS `Exemplars.FilteredAttributes`,
    arrayMap(at -> fromUnixTimestamp64Nano(reinterpretAsInt64(at)), exemplars.time_unix_nano) AS `Exemplars.TimeUnix`,
    arrayMap(e -> if(e.value = 6, toFloat64(e.as_int), e.as_double), exemplars) AS `Exemplars.Value`,
    arrayMap(id -> if(id = unhex('0000000000000000'), '', lower(hex(id))), exemplars.span_id) AS `Exemplars.SpanId`,
    arrayMap(id -> if(id = unhex('00000000000000000000000000000000'), '', lower(hex(id))), exemplars.trace_id) AS `Exemplars.TraceId`,
    number_point,
    histogram_point,
    exponential_point,
    summary_point,
    request_id,
    request_items
FROM
(
    SELECT
        request_id,
        request_items,
        resource_url,
        resource,
        scope_url,
        scope_name,
        scope_version,
        scope,
        scope_dropped,
        kind,
        name,
        description,
        unit,
        greatest(sum_temporality, histogram_temporality, exponential_temporality) AS temporality,
        monotonic,
        arrayConcat(gauge_points, sum_points) AS numbers,
        ((length(numbers) + length(histogram_points)) + length(exponential_points)) + length(summary_points) AS points,
        arrayResize(numbers, points) AS all_numbers,
        arrayResize(histogram_points, points) AS all_histograms,
        arrayResize(exponential_points, points) AS all_exponentials,
        arrayResize(summary_points, points) AS all_summaries
    FROM
    (
        SELECT
            `receipt.id` AS request_id,
            `receipt.items` AS request_items,
            schema_url AS resource_url,
            CAST(arrayMap(a -> (a.key, multiIf(a.value.value = 1, a.value.string_value, a.value.value = 2, a.value.bool_value, a.value.value = 3, a.value.int_value, a.value.value = 4, replaceRegexpOne(transform(a.value.double_value, ['inf', '-inf', 'nan'], ['Infinity', '-Infinity', 'NaN'], a.value.double_value), 'e([0-9])', 'e+\\1'), a.value.value = 5, toJSONString(a.value.array_value.`values`.string_value), a.value.value = 7, base64Encode(a.value.bytes_value), '')), `resource.attributes`), 'Map(LowCardinality(String), String)') AS resource,
            `scope_metrics.schema_url` AS scope_url,
            `scope_metrics.scope`.name AS scope_name,
            `scope_metrics.scope`.version AS scope_version,
            CAST(arrayMap(a -> (a.key, multiIf(a.value.value = 1, a.value.string_value, a.value.value = 2, a.value.bool_value, a.value.value = 3, a.value.int_value, a.value.value = 4, replaceRegexpOne(transform(a.value.double_value, ['inf', '-inf', 'nan'], ['Infinity', '-Infinity', 'NaN'], a.value.double_value), 'e([0-9])', 'e+\\1'), a.value.value = 7, base64Encode(a.value.bytes_value), '')), `scope_metrics.scope`.attributes), 'Map(LowCardinality(String), String)') AS scope,
            `scope_metrics.scope`.dropped_attributes_count AS scope_dropped,
            `scope_metrics.metrics.name` AS names,
            `scope_metrics.metrics.description` AS descriptions,
            `scope_metrics.metrics.unit` AS units,
            `scope_metrics.metrics.data` AS kinds,
            `scope_metrics.metrics.sum.aggregation_temporality` AS sum_temporalities,
            `scope_metrics.metrics.sum.is_monotonic` AS monotonics,
            `scope_metrics.metrics.histogram.aggregation_temporality` AS histogram_temporalities,
            `scope_metrics.metrics.exponential_histogram.aggregation_temporality` AS exponential_temporalities,
            `scope_metrics.metrics.gauge.data_points` AS gauges,
            `scope_metrics.metrics.sum.data_points` AS sums,
            `scope_metrics.metrics.histogram.data_points` AS histograms,
            `scope_metrics.metrics.exponential_histogram.data_points` AS exponentials,
            `scope_metrics.metrics.summary.data_points` AS summaries
        FROM otlp_metrics_in
        WHERE throwIf(deprecated OR (length(`resource.attributes`.key) != arrayUniq(`resource.attributes`.key)) OR has(`resource.attributes`.value.value, 6) OR arrayExists(kinds_of_values -> arrayExists(v -> (v != 1), kinds_of_values), `resource.attributes`.value.array_value.`values`.value) OR has(kinds, 0) OR (length(`scope_metrics.scope`.attributes.key) != arrayUniq(`scope_metrics.scope`.attributes.key)) OR hasAny(`scope_metrics.scope`.attributes.value.value, [5, 6]), 'this resource or scope needs repair') = 0
    )
    ARRAY JOIN
        kinds AS kind,
        names AS name,
        descriptions AS description,
        units AS unit,
        sum_temporalities AS sum_temporality,
        histogram_temporalities AS histogram_temporality,
        exponential_temporalities AS exponential_temporality,
        monotonics AS monotonic,
        gauges AS gauge_points,
        sums AS sum_points,
        histograms AS histogram_points,
        exponentials AS exponential_points,
        summaries AS summary_points
)
ARRAY JOIN
    all_numbers AS number_point,
    all_histograms AS histogram_point,
    all_exponentials AS exponential_point,
    all_summaries AS summary_point
WHERE throwIf((end_time = 0) OR (end_time >= 4294967296000000000) OR (start_time >= 4294967296000000000) OR (length(attributes.key) != arrayUniq(attributes.key)) OR hasAny(attributes.value.value, [5, 6]) OR arrayExists(keys -> (length(keys) != arrayUniq(keys)), exemplars.filtered_attributes.key) OR arrayExists(kinds_of_values -> hasAny(kinds_of_values, [5, 6]), exemplars.filtered_attributes.value.value), 'this data point needs repair') = 0

CREATE TABLE otlp_metrics_private_in
(
    `resource.attributes` Array(Tuple(
        key String,
        value Tuple(
            value Int8,
            string_value String,
            bool_value String,
            int_value String,
            double_value String,
            bytes_value String,
            array_value Tuple(`values` Array(Tuple(
                value Int8,
                string_value String)))))) COMMENT 'attributes of the resource',
    `deprecated` Bool COMMENT 'whether the resource has metrics in the field that came before scopes',
    `receipt.id` String COMMENT 'request',
    `receipt.items` UInt32 COMMENT 'rows of that request',
    `schema_url` String COMMENT 'schema of the resource attributes',
    `scope_metrics.schema_url` String COMMENT 'schema of scope and metrics',
    `scope_metrics.scope` Tuple(
        name String,
        version String,
        dropped_attributes_count UInt32,
        attributes Array(Tuple(
            key String,
            value Tuple(
                value Int8,
                string_value String,
                bool_value String,
                int_value String,
                double_value String,
                bytes_value String)))) COMMENT 'instrumentation scope',
    `scope_metrics.metrics.name` Array(String) COMMENT 'metric',
    `scope_metrics.metrics.description` Array(String) COMMENT 'what it measures',
    `scope_metrics.metrics.unit` Array(String) COMMENT 'unit',
    `scope_metrics.metrics.data` Array(Int8) COMMENT 'kind: 5 gauge, 7 sum, 9 histogram, 10 exponential histogram, 11 summary',
    `scope_metrics.metrics.sum.aggregation_temporality` Array(Int32) COMMENT '1 delta, 2 cumulative',
    `scope_metrics.metrics.sum.is_monotonic` Array(Bool) COMMENT 'whether it only grows',
    `scope_metrics.metrics.histogram.aggregation_temporality` Array(Int32) COMMENT '1 delta, 2 cumulative',
    `scope_metrics.metrics.exponential_histogram.aggregation_temporality` Array(Int32) COMMENT '1 delta, 2 cumulative',
    `scope_metrics.metrics.gauge.data_points` Array(Array(Tuple(
        start_time_unix_nano UInt64,
        time_unix_nano UInt64,
        flags UInt32,
        value Int8,
        as_double Float64,
        as_int Int64,
        attributes Array(Tuple(
            key String,
            value Tuple(
                value Int8,
                string_value String,
                bool_value String,
                int_value String,
                double_value String,
                bytes_value String))),
        exemplars Array(Tuple(
            time_unix_nano UInt64,
            value Int8,
            as_double Float64,
            as_int Int64,
            trace_id String,
            span_id String,
            filtered_attributes Array(Tuple(
                key String,
                value Tuple(
                    value Int8,
                    string_value String,
                    bool_value String,
                    int_value String,
                    double_value String,
                    bytes_value String)))))))) COMMENT 'points of gauges',
    `scope_metrics.metrics.sum.data_points` Array(Array(Tuple(
        start_time_unix_nano UInt64,
        time_unix_nano UInt64,
        flags UInt32,
        value Int8,
        as_double Float64,
        as_int Int64,
        attributes Array(Tuple(
            key String,
            value Tuple(
                value Int8,
                string_value String,
                bool_value String,
                int_value String,
                double_value String,
                bytes_value String))),
        exemplars Array(Tuple(
            time_unix_nano UInt64,
            value Int8,
            as_double Float64,
            as_int Int64,
            trace_id String,
            span_id String,
            filtered_attributes Array(Tuple(
                key String,
                value Tuple(
                    value Int8,
                    string_value String,
                    bool_value String,
                    int_value String,
                    double_value String,
                    bytes_value String)))))))) COMMENT 'points of sums',
    `scope_metrics.metrics.histogram.data_points` Array(Array(Tuple(
        start_time_unix_nano UInt64,
        time_unix_nano UInt64,
        flags UInt32,
        count UInt64,
        sum Float64,
        min Float64,
        max Float64,
        bucket_counts Array(UInt64),
        explicit_bounds Array(Float64),
        attributes Array(Tuple(
            key String,
            value Tuple(
                value Int8,
                string_value String,
                bool_value String,
                int_value String,
                double_value String,
                bytes_value String))),
        exemplars Array(Tuple(
            time_unix_nano UInt64,
            value Int8,
            as_double Float64,
            as_int Int64,
            trace_id String,
            span_id String,
            filtered_attributes Array(Tuple(
                key String,
                value Tuple(
                    value Int8,
                    string_value String,
                    bool_value String,
                    int_value String,
                    double_value String,
                    bytes_value String)))))))) COMMENT 'points of histograms',
    `scope_metrics.metrics.exponential_histogram.data_points` Array(Array(Tuple(
        start_time_unix_nano UInt64,
        time_unix_nano UInt64,
        flags UInt32,
        count UInt64,
        sum Float64,
        min Float64,
        max Float64,
        scale Int32,
        zero_count UInt64,
        zero_threshold Float64,
        positive Tuple(
            offset Int32,
            bucket_counts Array(UInt64)),
        negative Tuple(
            offset Int32,
            bucket_counts Array(UInt64)),
        attributes Array(Tuple(
            key String,
            value Tuple(
                value Int8,
                string_value String,
                bool_value String,
                int_value String,
                double_value String,
                bytes_value String))),
        exemplars Array(Tuple(
            time_unix_nano UInt64,
            value Int8,
            as_double Float64,
            as_int Int64,
            trace_id String,
            span_id String,
            filtered_attributes Array(Tuple(
                key String,
                value Tuple(
                    value Int8,
                    string_value String,
                    bool_value String,
                    int_value String,
                    double_value String,
                    bytes_value String)))))))) COMMENT 'points of exponential histograms',
    `scope_metrics.metrics.summary.data_points` Array(Array(Tuple(
        start_time_unix_nano UInt64,
        time_unix_nano UInt64,
        flags UInt32,
        count UInt64,
        sum Float64,
        quantile_values Array(Tuple(
            quantile Float64,
            value Float64)),
        attributes Array(Tuple(
            key String,
            value Tuple(
                value Int8,
                string_value String,
                bool_value String,
                int_value String,
                double_value String,
                bytes_value String)))))) COMMENT 'points of summaries',
    `policy.id` String COMMENT 'policy that the receiver relies on',
    `policy.key_ids` Array(String) COMMENT 'names of the keys of tokens, the newest first',
    `policy.keys` Array(String) COMMENT 'the keys, which are never stored'
)
ENGINE = `Null`

CREATE MATERIALIZED VIEW otlp_metrics_private_mv TO otlp_metric_points_private
(
    `kind` Int8,
    `ResourceAttributes` Map(LowCardinality(String), String),
    `ResourceSchemaUrl` String,
    `ScopeName` String,
    `ScopeVersion` String,
    `ScopeAttributes` Map(LowCardinality(String), String),
    `ScopeDroppedAttrCount` UInt32,
    `ScopeSchemaUrl` String,
    `ServiceName` String,
    `MetricName` String,
    `MetricDescription` String,
    `MetricUnit` String,
    `Attributes` Map(LowCardinality(String), String),
    `StartTimeUnix` DateTime64(9),
    `TimeUnix` DateTime64(9),
    `Flags` UInt32,
    `AggregationTemporality` Int32,
    `IsMonotonic` Bool,
    `Exemplars.FilteredAttributes` Array(Map(LowCardinality(String), String)),
    `Exemplars.TimeUnix` Array(DateTime64(9)),
    `Exemplars.Value` Array(Float64),
    `Exemplars.SpanId` Array(String),
    `Exemplars.TraceId` Array(String),
    `number_point` Tuple(
        start_time_unix_nano UInt64,
        time_unix_nano UInt64,
        flags UInt32,
        value Int8,
        as_double Float64,
        as_int Int64,
        attributes Array(Tuple(
            key String,
            value Tuple(
                value Int8,
                string_value String,
                bool_value String,
                int_value String,
                double_value String,
                bytes_value String))),
        exemplars Array(Tuple(
            time_unix_nano UInt64,
            value Int8,
            as_double Float64,
            as_int Int64,
            trace_id String,
            span_id String,
            filtered_attributes Array(Tuple(
                key String,
                value Tuple(
                    value Int8,
                    string_value String,
                    bool_value String,
                    int_value String,
                    double_value String,
                    bytes_value String)))))),
    `histogram_point` Tuple(
        start_time_unix_nano UInt64,
        time_unix_nano UInt64,
        flags UInt32,
        count UInt64,
        sum Float64,
        min Float64,
        max Float64,
        bucket_counts Array(UInt64),
        explicit_bounds Array(Float64),
        attributes Array(Tuple(
            key String,
            value Tuple(
                value Int8,
                string_value String,
                bool_value String,
                int_value String,
                double_value String,
                bytes_value String))),
        exemplars Array(Tuple(
            time_unix_nano UInt64,
            value Int8,
            as_double Float64,
            as_int Int64,
            trace_id String,
            span_id String,
            filtered_attributes Array(Tuple(
                key String,
                value Tuple(
                    value Int8,
                    string_value String,
                    bool_value String,
                    int_value String,
                    double_value String,
                    bytes_value String)))))),
    `exponential_point` Tuple(
        start_time_unix_nano UInt64,
        time_unix_nano UInt64,
        flags UInt32,
        count UInt64,
        sum Float64,
        min Float64,
        max Float64,
        scale Int32,
        zero_count UInt64,
        zero_threshold Float64,
        positive Tuple(
            offset Int32,
            bucket_counts Array(UInt64)),
        negative Tuple(
            offset Int32,
            bucket_counts Array(UInt64)),
        attributes Array(Tuple(
            key String,
            value Tuple(
                value Int8,
                string_value String,
                bool_value String,
                int_value String,
                double_value String,
                bytes_value String))),
        exemplars Array(Tuple(
            time_unix_nano UInt64,
            value Int8,
            as_double Float64,
            as_int Int64,
            trace_id String,
            span_id String,
            filtered_attributes Array(Tuple(
                key String,
                value Tuple(
                    value Int8,
                    string_value String,
                    bool_value String,
                    int_value String,
                    double_value String,
                    bytes_value String)))))),
    `summary_point` Tuple(
        start_time_unix_nano UInt64,
        time_unix_nano UInt64,
        flags UInt32,
        count UInt64,
        sum Float64,
        quantile_values Array(Tuple(
            quantile Float64,
            value Float64)),
        attributes Array(Tuple(
            key String,
            value Tuple(
                value Int8,
                string_value String,
                bool_value String,
                int_value String,
                double_value String,
                bytes_value String)))),
    `request_id` String,
    `request_items` UInt32,
    `policy_id` String,
    `policy_key_ids` Array(String),
    `policy_keys` Array(String)
)
AS WITH
    greatest(number_point.start_time_unix_nano, histogram_point.start_time_unix_nano, exponential_point.start_time_unix_nano, summary_point.start_time_unix_nano) AS start_time,
    greatest(number_point.time_unix_nano, histogram_point.time_unix_nano, exponential_point.time_unix_nano, summary_point.time_unix_nano) AS end_time,
    arrayConcat(number_point.attributes, histogram_point.attributes, exponential_point.attributes, summary_point.attributes) AS attributes,
    arrayConcat(number_point.exemplars, histogram_point.exemplars, exponential_point.exemplars) AS exemplars
SELECT
    kind,
    resource AS ResourceAttributes,
    resource_url AS ResourceSchemaUrl,
    scope_name AS ScopeName,
    scope_version AS ScopeVersion,
    scope AS ScopeAttributes,
    scope_dropped AS ScopeDroppedAttrCount,
    scope_url AS ScopeSchemaUrl,
    resource['service.name'] AS ServiceName,
    name AS MetricName,
    description AS MetricDescription,
    unit AS MetricUnit,
    CAST(arrayMap(a -> (a.key, multiIf(a.value.value = 1, a.value.string_value, a.value.value = 2, a.value.bool_value, a.value.value = 3, a.value.int_value, a.value.value = 4, replaceRegexpOne(transform(a.value.double_value, ['inf', '-inf', 'nan'], ['Infinity', '-Infinity', 'NaN'], a.value.double_value), 'e([0-9])', 'e+\\1'), a.value.value = 7, base64Encode(a.value.bytes_value), '')), attributes), 'Map(LowCardinality(String), String)') AS Attributes,
    fromUnixTimestamp64Nano(reinterpretAsInt64(start_time)) AS StartTimeUnix,
    fromUnixTimestamp64Nano(reinterpretAsInt64(end_time)) AS TimeUnix,
    greatest(number_point.flags, histogram_point.flags, exponential_point.flags, summary_point.flags) AS Flags,
    temporality AS AggregationTemporality,
    monotonic AS IsMonotonic,
    arrayMap(pairs -> CAST(arrayMap(a -> (a.key, multiIf(a.value.value = 1, a.value.string_value, a.value.value = 2, a.value.bool_value, a.value.value = 3, a.value.int_value, a.value.value = 4, replaceRegexpOne(transform(a.value.double_value, ['inf', '-inf', 'nan'], ['Infinity', '-Infinity', 'NaN'], a.value.double_value), 'e([0-9])', 'e+\\1'), a.value.value = 7, base64Encode(a.value.bytes_value), '')), pairs), 'Map(LowCardinality(String), String)'), exemplars.filtered_attributes) AS `Exemplars.FilteredAttributes`,
    arrayMap(at -> fromUnixTimestamp64Nano(reinterpretAsInt64(at)), exemplars.time_unix_nano) AS `Exemplars.TimeUnix`,
    arrayMap(e -> if(e.value = 6, toFloat64(e.as_int), e.as_double), exemplars) AS `Exemplars.Value`,
    arrayMap(id -> if(id = unhex('0000000000000000'), '', lower(hex(id))), exemplars.span_id) AS `Exemplars.SpanId`,
    arrayMap(id -> if(id = unhex('00000000000000000000000000000000'), '', lower(hex(id))), exemplars.trace_id) AS `Exemplars.TraceId`,
    number_point,
    histogram_point,
    exponential_point,
    summary_point,
    request_id,
    request_items,
    policy_id,
    policy_key_ids,
    policy_keys
FROM
(
    SELECT
        policy_id,
        policy_key_ids,
        policy_keys,
        request_id,
        request_items,
        resource_url,
        resource,
        scope_url,
        scope_name,
        scope_version,
        scope,
        scope_dropped,
        kind,
        name,
        description,
        unit,
        greatest(sum_temporality, histogram_temporality, exponential_temporality) AS temporality,
        monotonic,
        arrayConcat(gauge_points, sum_points) AS numbers,
        ((length(numbers) + length(histogram_points)) + length(exponential_points)) + length(summary_points) AS points,
        arrayResize(numbers, points) AS all_numbers,
        arrayResize(histogram_points, points) AS all_histograms,
        arrayResize(exponential_points, points) AS all_exponentials,
        arrayResize(summary_points, points) AS all_summaries
    FROM
    (
        SELECT
            `policy.id` AS policy_id,
            `policy.key_ids` AS policy_key_ids,
            `policy.keys` AS policy_keys,
            `receipt.id` AS request_id,
            `receipt.items` AS request_items,
            schema_url AS resource_url,
            CAST(arrayMap(a -> (a.key, multiIf(a.value.value = 1, a.value.string_value, a.value.value = 2, a.value.bool_value, a.value.value = 3, a.value.int_value, a.value.value = 4, replaceRegexpOne(transform(a.value.double_value, ['inf', '-inf', 'nan'], ['Infinity', '-Infinity', 'NaN'], a.value.double_value), 'e([0-9])', 'e+\\1'), a.value.value = 5, toJSONString(a.value.array_value.`values`.string_value), a.value.value = 7, base64Encode(a.value.bytes_value), '')), `resource.attributes`), 'Map(LowCardinality(String), String)') AS resource,
            `scope_metrics.schema_url` AS scope_url,
            `scope_metrics.scope`.name AS scope_name,
            `scope_metrics.scope`.version AS scope_version,
            CAST(arrayMap(a -> (a.key, multiIf(a.value.value = 1, a.value.string_value, a.value.value = 2, a.value.bool_value, a.value.value = 3, a.value.int_value, a.value.value = 4, replaceRegexpOne(transform(a.value.double_value, ['inf', '-inf', 'nan'], ['Infinity', '-Infinity', 'NaN'], a.value.double_value), 'e([0-9])', 'e+\\1'), a.value.value = 7, base64Encode(a.value.bytes_value), '')), `scope_metrics.scope`.attributes), 'Map(LowCardinality(String), String)') AS scope,
            `scope_metrics.scope`.dropped_attributes_count AS scope_dropped,
            `scope_metrics.metrics.name` AS names,
            `scope_metrics.metrics.description` AS descriptions,
            `scope_metrics.metrics.unit` AS units,
            `scope_metrics.metrics.data` AS kinds,
            `scope_metrics.metrics.sum.aggregation_temporality` AS sum_temporalities,
            `scope_metrics.metrics.sum.is_monotonic` AS monotonics,
            `scope_metrics.metrics.histogram.aggregation_temporality` AS histogram_temporalities,
            `scope_metrics.metrics.exponential_histogram.aggregation_temporality` AS exponential_temporalities,
            `scope_metrics.metrics.gauge.data_points` AS gauges,
            `scope_metrics.metrics.sum.data_points` AS sums,
            `scope_metrics.metrics.histogram.data_points` AS histograms,
            `scope_metrics.metrics.exponential_histogram.data_points` AS exponentials,
            `scope_metrics.metrics.summary.data_points` AS summaries
        FROM otlp_metrics_private_in
        WHERE throwIf(deprecated OR (length(`resource.attributes`.key) != arrayUniq(`resource.attributes`.key)) OR has(`resource.attributes`.value.value, 6) OR arrayExists(kinds_of_values -> arrayExists(v -> (v != 1), kinds_of_values), `resource.attributes`.value.array_value.`values`.value) OR has(kinds, 0) OR (length(`scope_metrics.scope`.attributes.key) != arrayUniq(`scope_metrics.scope`.attributes.key)) OR hasAny(`scope_metrics.scope`.attributes.value.value, [5, 6]), 'this resource or scope needs repair') = 0
    )
    ARRAY JOIN
        kinds AS kind,
        names AS name,
        descriptions AS description,
        units AS unit,
        sum_temporalities AS sum_temporality,
        histogram_temporalities AS histogram_temporality,
        exponential_temporalities AS exponential_temporality,
        monotonics AS monotonic,
        gauges AS gauge_points,
        sums AS sum_points,
        histograms AS histogram_points,
        exponentials AS exponential_points,
        summaries AS summary_points
)
ARRAY JOIN
    all_numbers AS number_point,
    all_histograms AS histogram_point,
    all_exponentials AS exponential_point,
    all_summaries AS summary_point
WHERE throwIf((end_time = 0) OR (end_time >= 4294967296000000000) OR (start_time >= 4294967296000000000) OR (length(attributes.key) != arrayUniq(attributes.key)) OR hasAny(attributes.value.value, [5, 6]) OR arrayExists(keys -> (length(keys) != arrayUniq(keys)), exemplars.filtered_attributes.key) OR arrayExists(kinds_of_values -> hasAny(kinds_of_values, [5, 6]), exemplars.filtered_attributes.value.value), 'this data point needs repair') = 0

CREATE MATERIALIZED VIEW otlp_metrics_sum_mv TO otel_metrics_sum
(
    `ResourceAttributes` Map(LowCardinality(String), String),
    `ResourceSchemaUrl` String,
    `ScopeName` String,
    `ScopeVersion` String,
    `ScopeAttributes` Map(LowCardinality(String), String),
    `ScopeDroppedAttrCount` UInt32,
    `ScopeSchemaUrl` String,
    `ServiceName` LowCardinality(String),
    `MetricName` String,
    `MetricDescription` String,
    `MetricUnit` String,
    `Attributes` Map(LowCardinality(String), String),
    `StartTimeUnix` DateTime64(9),
    `TimeUnix` DateTime64(9),
    `Flags` UInt32,
    `Exemplars.FilteredAttributes` Array(Map(LowCardinality(String), String)),
    `Exemplars.TimeUnix` Array(DateTime64(9)),
    `Exemplars.Value` Array(Float64),
    `Exemplars.SpanId` Array(String),
    `Exemplars.TraceId` Array(String),
    `Value` Float64,
    `AggregationTemporality` Int32,
    `IsMonotonic` Bool,
    `request_id` String,
    `request_items` UInt32
)
AS SELECT
    ResourceAttributes,
    ResourceSchemaUrl,
    ScopeName,
    ScopeVersion,
    ScopeAttributes,
    ScopeDroppedAttrCount,
    ScopeSchemaUrl,
    ServiceName,
    MetricName,
    MetricDescription,
    MetricUnit,
    Attributes,
    StartTimeUnix,
    TimeUnix,
    Flags,
    `Exemplars.FilteredAttributes`,
    `Exemplars.TimeUnix`,
    `Exemplars.Value`,
    `Exemplars.SpanId`,
    `Exemplars.TraceId`,
    if(number_point.value = 6, toFloat64(number_point.as_int), number_point.as_double) AS Value,
    AggregationTemporality,
    IsMonotonic,
    request_id,
    request_items
FROM otlp_metric_points
WHERE kind = 7

CREATE MATERIALIZED VIEW otlp_metrics_summary_mv TO otel_metrics_summary
(
    `ResourceAttributes` Map(LowCardinality(String), String),
    `ResourceSchemaUrl` String,
    `ScopeName` String,
    `ScopeVersion` String,
    `ScopeAttributes` Map(LowCardinality(String), String),
    `ScopeDroppedAttrCount` UInt32,
    `ScopeSchemaUrl` String,
    `ServiceName` LowCardinality(String),
    `MetricName` String,
    `MetricDescription` String,
    `MetricUnit` String,
    `Attributes` Map(LowCardinality(String), String),
    `StartTimeUnix` DateTime64(9),
    `TimeUnix` DateTime64(9),
    `Flags` UInt32,
    `Count` UInt64,
    `Sum` Float64,
    `ValueAtQuantiles.Quantile` Array(Float64),
    `ValueAtQuantiles.Value` Array(Float64),
    `request_id` String,
    `request_items` UInt32
)
AS SELECT
    ResourceAttributes,
    ResourceSchemaUrl,
    ScopeName,
    ScopeVersion,
    ScopeAttributes,
    ScopeDroppedAttrCount,
    ScopeSchemaUrl,
    ServiceName,
    MetricName,
    MetricDescription,
    MetricUnit,
    Attributes,
    StartTimeUnix,
    TimeUnix,
    Flags,
    summary_point.count AS Count,
    summary_point.sum AS Sum,
    summary_point.quantile_values.quantile AS `ValueAtQuantiles.Quantile`,
    summary_point.quantile_values.value AS `ValueAtQuantiles.Value`,
    request_id,
    request_items
FROM otlp_metric_points
WHERE kind = 11

CREATE TABLE otlp_traces_in
(
    `resource.attributes` Array(Tuple(
        key String,
        value Tuple(
            value Int8,
            string_value String,
            bool_value Bool,
            int_value Int64,
            double_value Float64,
            bytes_value String,
            array_value Tuple(`values` Array(Tuple(
                value Int8,
                string_value String)))))) COMMENT 'attributes of the resource',
    `deprecated` Bool COMMENT 'whether the resource has spans in the field that came before scopes',
    `receipt.id` String COMMENT 'request',
    `receipt.items` UInt32 COMMENT 'rows of that request',
    `scope_spans.scope.name` String COMMENT 'instrumentation scope',
    `scope_spans.scope.version` String COMMENT 'its version',
    `scope_spans.spans.trace_id` Array(String) COMMENT '16 bytes',
    `scope_spans.spans.span_id` Array(String) COMMENT '8 bytes',
    `scope_spans.spans.trace_state` Array(String) COMMENT 'W3C trace state',
    `scope_spans.spans.parent_span_id` Array(String) COMMENT '8 bytes, empty for a root span',
    `scope_spans.spans.name` Array(String) COMMENT 'operation',
    `scope_spans.spans.kind` Array(Int32) COMMENT 'number of the kind',
    `scope_spans.spans.start_time_unix_nano` Array(UInt64) COMMENT 'start',
    `scope_spans.spans.end_time_unix_nano` Array(UInt64) COMMENT 'end, 0 when unknown',
    `scope_spans.spans.attributes` Array(Array(Tuple(
        key String,
        value Tuple(
            value Int8,
            string_value String,
            bool_value Bool,
            int_value Int64,
            double_value Float64,
            bytes_value String,
            array_value Tuple(`values` Array(Tuple(
                value Int8,
                string_value String))))))) COMMENT 'attributes of each span',
    `scope_spans.spans.events` Array(Array(Tuple(
        time_unix_nano UInt64,
        name String,
        attributes Array(Tuple(
            key String,
            value Tuple(
                value Int8,
                string_value String,
                bool_value Bool,
                int_value Int64,
                double_value Float64,
                bytes_value String)))))) COMMENT 'span events',
    `scope_spans.spans.links` Array(Array(Tuple(
        trace_id String,
        span_id String,
        trace_state String,
        attributes Array(Tuple(
            key String,
            value Tuple(
                value Int8,
                string_value String,
                bool_value Bool,
                int_value Int64,
                double_value Float64,
                bytes_value String)))))) COMMENT 'span links',
    `scope_spans.spans.status.message` Array(String) COMMENT 'text of the status',
    `scope_spans.spans.status.code` Array(Int32) COMMENT 'number of the status'
)
ENGINE = `Null`

CREATE MATERIALIZED VIEW otlp_traces_mv TO otel_traces
(
    `Timestamp` DateTime64(9),
    `TraceId` String,
    `SpanId` String,
    `ParentSpanId` String,
    `TraceState` String,
    `SpanName` String,
    `SpanKind` String,
    `ServiceName` String,
    `ResourceAttributes` Map(LowCardinality(String), String),
    `ScopeName` String,
    `ScopeVersion` String,
    `SpanAttributes` Map(LowCardinality(String), String),
    `Duration` Int64,
    `StatusCode` String,
    `StatusMessage` String,
    `Events.Timestamp` Array(DateTime64(9)),
    `Events.Name` Array(String),
    `Events.Attributes` Array(Map(LowCardinality(String), String)),
    `Links.TraceId` Array(String),
    `Links.SpanId` Array(String),
    `Links.TraceState` Array(String),
    `Links.Attributes` Array(Map(LowCardinality(String), String)),
    `request_id` String,
    `request_items` UInt32
)
AS SELECT
    fromUnixTimestamp64Nano(reinterpretAsInt64(start_time)) AS Timestamp,
    lower(hex(trace_id)) AS TraceId,
    lower(hex(span_id)) AS SpanId,
    if(parent_span_id = unhex('0000000000000000'), '', lower(hex(parent_span_id))) AS ParentSpanId,
    trace_state AS TraceState,
    name AS SpanName,
    transform(kind, [0, 1, 2, 3, 4, 5], ['Unspecified', 'Internal', 'Server', 'Client', 'Producer', 'Consumer'], toString(kind)) AS SpanKind,
    resource['service.name'] AS ServiceName,
    resource AS ResourceAttributes,
    scope_name AS ScopeName,
    scope_version AS ScopeVersion,
    CAST(arrayMap(a -> (a.key, multiIf(a.value.value = 1, a.value.string_value, a.value.value = 2, toString(a.value.bool_value), a.value.value = 3, toString(a.value.int_value), a.value.value = 4, replaceRegexpOne(transform(toString(a.value.double_value), ['inf', '-inf', 'nan'], ['Infinity', '-Infinity', 'NaN'], toString(a.value.double_value)), 'e([0-9])', 'e+\\1'), a.value.value = 5, toJSONString(a.value.array_value.`values`.string_value), a.value.value = 7, base64Encode(a.value.bytes_value), '')), attributes), 'Map(LowCardinality(String), String)') AS SpanAttributes,
    if(end_time = 0, 0, end_time - start_time) AS Duration,
    transform(status_code, [0, 1, 2], ['Unset', 'Ok', 'Error'], toString(status_code)) AS StatusCode,
    status_message AS StatusMessage,
    arrayMap(at -> fromUnixTimestamp64Nano(reinterpretAsInt64(at)), events.time_unix_nano) AS `Events.Timestamp`,
    events.name AS `Events.Name`,
    arrayMap(pairs -> CAST(arrayMap(a -> (a.key, multiIf(a.value.value = 1, a.value.string_value, a.value.value = 2, toString(a.value.bool_value), a.value.value = 3, toString(a.value.int_value), a.value.value = 4, replaceRegexpOne(transform(toString(a.value.double_value), ['inf', '-inf', 'nan'], ['Infinity', '-Infinity', 'NaN'], toString(a.value.double_value)), 'e([0-9])', 'e+\\1'), a.value.value = 7, base64Encode(a.value.bytes_value), '')), pairs), 'Map(LowCardinality(String), String)'), events.attributes) AS `Events.Attributes`,
    arrayMap(id -> if(id = unhex('00000000000000000000000000000000'), '', lower(hex(id))), links.trace_id) AS `Links.TraceId`,
    arrayMap(id -> if(id = unhex('0000000000000000'), '', lower(hex(id))), links.span_id) AS `Links.SpanId`,
    links.trace_state AS `Links.TraceState`,
    arrayMap(pairs -> CAST(arrayMap(a -> (a.key, multiIf(a.value.value = 1, a.value.string_value, a.value.value = 2, toString(a.value.bool_value), a.value.value = 3, toString(a.value.int_value), a.value.value = 4, replaceRegexpOne(transform(toString(a.value.double_value), ['inf', '-inf', 'nan'], ['Infinity', '-Infinity', 'NaN'], toString(a.value.double_value)), 'e([0-9])', 'e+\\1'), a.value.value = 7, base64Encode(a.value.bytes_value), '')), pairs), 'Map(LowCardinality(String), String)'), links.attributes) AS `Links.Attributes`,
    request_id,
    request_items
FROM
(
    SELECT
        `receipt.id` AS request_id,
        `receipt.items` AS request_items,
        CAST(arrayMap(a -> (a.key, multiIf(a.value.value = 1, a.value.string_value, a.value.value = 2, toString(a.value.bool_value), a.value.value = 3, toString(a.value.int_value), a.value.value = 4, replaceRegexpOne(transform(toString(a.value.double_value), ['inf', '-inf', 'nan'], ['Infinity', '-Infinity', 'NaN'], toString(a.value.double_value)), 'e([0-9])', 'e+\\1'), a.value.value = 5, toJSONString(a.value.array_value.`values`.string_value), a.value.value = 7, base64Encode(a.value.bytes_value), '')), `resource.attributes`), 'Map(LowCardinality(String), String)') AS resource,
        `scope_spans.scope.name` AS scope_name,
        `scope_spans.scope.version` AS scope_version,
        `scope_spans.spans.trace_id`,
        `scope_spans.spans.span_id`,
        `scope_spans.spans.trace_state`,
        `scope_spans.spans.parent_span_id`,
        `scope_spans.spans.name`,
        `scope_spans.spans.kind`,
        `scope_spans.spans.start_time_unix_nano`,
        `scope_spans.spans.end_time_unix_nano`,
        `scope_spans.spans.attributes`,
        `scope_spans.spans.events`,
        `scope_spans.spans.links`,
        `scope_spans.spans.status.message`,
        `scope_spans.spans.status.code`
    FROM otlp_traces_in
    WHERE throwIf(deprecated OR (length(`resource.attributes`.key) != arrayUniq(`resource.attributes`.key)) OR has(`resource.attributes`.value.value, 6) OR arrayExists(kinds_of_values -> arrayExists(v -> (v != 1), kinds_of_values), `resource.attributes`.value.array_value.`values`.value), 'this resource needs repair') = 0
)
ARRAY JOIN
    `scope_spans.spans.trace_id` AS trace_id,
    `scope_spans.spans.span_id` AS span_id,
    `scope_spans.spans.trace_state` AS trace_state,
    `scope_spans.spans.parent_span_id` AS parent_span_id,
    `scope_spans.spans.name` AS name,
    `scope_spans.spans.kind` AS kind,
    `scope_spans.spans.start_time_unix_nano` AS start_time,
    `scope_spans.spans.end_time_unix_nano` AS end_time,
    `scope_spans.spans.attributes` AS attributes,
    `scope_spans.spans.events` AS events,
    `scope_spans.spans.links` AS links,
    `scope_spans.spans.status.message` AS status_message,
    `scope_spans.spans.status.code` AS status_code
WHERE throwIf((length(trace_id) != 16) OR (length(span_id) != 8) OR (length(parent_span_id) NOT IN (0, 8)) OR (trace_id = unhex('00000000000000000000000000000000')) OR (span_id = unhex('0000000000000000')) OR (start_time = 0) OR (start_time >= 4294967296000000000) OR (length(attributes.key) != arrayUniq(attributes.key)) OR has(attributes.value.value, 6) OR arrayExists(kinds_of_values -> arrayExists(v -> (v != 1), kinds_of_values), attributes.value.array_value.`values`.value) OR arrayExists(keys -> (length(keys) != arrayUniq(keys)), events.attributes.key) OR arrayExists(kinds_of_values -> hasAny(kinds_of_values, [5, 6]), events.attributes.value.value) OR arrayExists(keys -> (length(keys) != arrayUniq(keys)), links.attributes.key) OR arrayExists(kinds_of_values -> hasAny(kinds_of_values, [5, 6]), links.attributes.value.value), 'this span needs repair') = 0

CREATE TABLE otlp_traces_private_in
(
    `resource.attributes` Array(Tuple(
        key String,
        value Tuple(
            value Int8,
            string_value String,
            bool_value Bool,
            int_value Int64,
            double_value Float64,
            bytes_value String,
            array_value Tuple(`values` Array(Tuple(
                value Int8,
                string_value String)))))) COMMENT 'attributes of the resource',
    `deprecated` Bool COMMENT 'whether the resource has spans in the field that came before scopes',
    `receipt.id` String COMMENT 'request',
    `receipt.items` UInt32 COMMENT 'rows of that request',
    `scope_spans.scope.name` String COMMENT 'instrumentation scope',
    `scope_spans.scope.version` String COMMENT 'its version',
    `scope_spans.spans.trace_id` Array(String) COMMENT '16 bytes',
    `scope_spans.spans.span_id` Array(String) COMMENT '8 bytes',
    `scope_spans.spans.trace_state` Array(String) COMMENT 'W3C trace state',
    `scope_spans.spans.parent_span_id` Array(String) COMMENT '8 bytes, empty for a root span',
    `scope_spans.spans.name` Array(String) COMMENT 'operation',
    `scope_spans.spans.kind` Array(Int32) COMMENT 'number of the kind',
    `scope_spans.spans.start_time_unix_nano` Array(UInt64) COMMENT 'start',
    `scope_spans.spans.end_time_unix_nano` Array(UInt64) COMMENT 'end, 0 when unknown',
    `scope_spans.spans.attributes` Array(Array(Tuple(
        key String,
        value Tuple(
            value Int8,
            string_value String,
            bool_value Bool,
            int_value Int64,
            double_value Float64,
            bytes_value String,
            array_value Tuple(`values` Array(Tuple(
                value Int8,
                string_value String))))))) COMMENT 'attributes of each span',
    `scope_spans.spans.events` Array(Array(Tuple(
        time_unix_nano UInt64,
        name String,
        attributes Array(Tuple(
            key String,
            value Tuple(
                value Int8,
                string_value String,
                bool_value Bool,
                int_value Int64,
                double_value Float64,
                bytes_value String)))))) COMMENT 'span events',
    `scope_spans.spans.links` Array(Array(Tuple(
        trace_id String,
        span_id String,
        trace_state String,
        attributes Array(Tuple(
            key String,
            value Tuple(
                value Int8,
                string_value String,
                bool_value Bool,
                int_value Int64,
                double_value Float64,
                bytes_value String)))))) COMMENT 'span links',
    `scope_spans.spans.status.message` Array(String) COMMENT 'text of the status',
    `scope_spans.spans.status.code` Array(Int32) COMMENT 'number of the status',
    `policy.id` String COMMENT 'policy that the receiver relies on',
    `policy.key_ids` Array(String) COMMENT 'names of the keys of tokens, the newest first',
    `policy.keys` Array(String) COMMENT 'the keys, which are never stored'
)
ENGINE = `Null`

CREATE MATERIALIZED VIEW otlp_traces_private_mv TO otel_traces_private
(
    `Timestamp` DateTime64(9),
    `TraceId` String,
    `SpanId` String,
    `ParentSpanId` String,
    `TraceState` String,
    `SpanName` String,
    `SpanKind` String,
    `ServiceName` String,
    `ResourceAttributes` Map(LowCardinality(String), String),
    `ScopeName` String,
    `ScopeVersion` String,
    `SpanAttributes` Map(LowCardinality(String), String),
    `Duration` Int64,
    `StatusCode` String,
    `StatusMessage` String,
    `Events.Timestamp` Array(DateTime64(9)),
    `Events.Name` Array(String),
    `Events.Attributes` Array(Map(LowCardinality(String), String)),
    `Links.TraceId` Array(String),
    `Links.SpanId` Array(String),
    `Links.TraceState` Array(String),
    `Links.Attributes` Array(Map(LowCardinality(String), String)),
    `request_id` String,
    `request_items` UInt32,
    `policy_id` String,
    `policy_key_ids` Array(String),
    `policy_keys` Array(String)
)
AS SELECT
    fromUnixTimestamp64Nano(reinterpretAsInt64(start_time)) AS Timestamp,
    lower(hex(trace_id)) AS TraceId,
    lower(hex(span_id)) AS SpanId,
    if(parent_span_id = unhex('0000000000000000'), '', lower(hex(parent_span_id))) AS ParentSpanId,
    trace_state AS TraceState,
    name AS SpanName,
    transform(kind, [0, 1, 2, 3, 4, 5], ['Unspecified', 'Internal', 'Server', 'Client', 'Producer', 'Consumer'], toString(kind)) AS SpanKind,
    resource['service.name'] AS ServiceName,
    resource AS ResourceAttributes,
    scope_name AS ScopeName,
    scope_version AS ScopeVersion,
    CAST(arrayMap(a -> (a.key, multiIf(a.value.value = 1, a.value.string_value, a.value.value = 2, toString(a.value.bool_value), a.value.value = 3, toString(a.value.int_value), a.value.value = 4, replaceRegexpOne(transform(toString(a.value.double_value), ['inf', '-inf', 'nan'], ['Infinity', '-Infinity', 'NaN'], toString(a.value.double_value)), 'e([0-9])', 'e+\\1'), a.value.value = 5, toJSONString(a.value.array_value.`values`.string_value), a.value.value = 7, base64Encode(a.value.bytes_value), '')), attributes), 'Map(LowCardinality(String), String)') AS SpanAttributes,
    if(end_time = 0, 0, end_time - start_time) AS Duration,
    transform(status_code, [0, 1, 2], ['Unset', 'Ok', 'Error'], toString(status_code)) AS StatusCode,
    status_message AS StatusMessage,
    arrayMap(at -> fromUnixTimestamp64Nano(reinterpretAsInt64(at)), events.time_unix_nano) AS `Events.Timestamp`,
    events.name AS `Events.Name`,
    arrayMap(pairs -> CAST(arrayMap(a -> (a.key, multiIf(a.value.value = 1, a.value.string_value, a.value.value = 2, toString(a.value.bool_value), a.value.value = 3, toString(a.value.int_value), a.value.value = 4, replaceRegexpOne(transform(toString(a.value.double_value), ['inf', '-inf', 'nan'], ['Infinity', '-Infinity', 'NaN'], toString(a.value.double_value)), 'e([0-9])', 'e+\\1'), a.value.value = 7, base64Encode(a.value.bytes_value), '')), pairs), 'Map(LowCardinality(String), String)'), events.attributes) AS `Events.Attributes`,
    arrayMap(id -> if(id = unhex('00000000000000000000000000000000'), '', lower(hex(id))), links.trace_id) AS `Links.TraceId`,
    arrayMap(id -> if(id = unhex('0000000000000000'), '', lower(hex(id))), links.span_id) AS `Links.SpanId`,
    links.trace_state AS `Links.TraceState`,
    arrayMap(pairs -> CAST(arrayMap(a -> (a.key, multiIf(a.value.value = 1, a.value.string_value, a.value.value = 2, toString(a.value.bool_value), a.value.value = 3, toString(a.value.int_value), a.value.value = 4, replaceRegexpOne(transform(toString(a.value.double_value), ['inf', '-inf', 'nan'], ['Infinity', '-Infinity', 'NaN'], toString(a.value.double_value)), 'e([0-9])', 'e+\\1'), a.value.value = 7, base64Encode(a.value.bytes_value), '')), pairs), 'Map(LowCardinality(String), String)'), links.attributes) AS `Links.Attributes`,
    request_id,
    request_items,
    policy_id,
    policy_key_ids,
    policy_keys
FROM
(
    SELECT
        `policy.id` AS policy_id,
        `policy.key_ids` AS policy_key_ids,
        `policy.keys` AS policy_keys,
        `receipt.id` AS request_id,
        `receipt.items` AS request_items,
        CAST(arrayMap(a -> (a.key, multiIf(a.value.value = 1, a.value.string_value, a.value.value = 2, toString(a.value.bool_value), a.value.value = 3, toString(a.value.int_value), a.value.value = 4, replaceRegexpOne(transform(toString(a.value.double_value), ['inf', '-inf', 'nan'], ['Infinity', '-Infinity', 'NaN'], toString(a.value.double_value)), 'e([0-9])', 'e+\\1'), a.value.value = 5, toJSONString(a.value.array_value.`values`.string_value), a.value.value = 7, base64Encode(a.value.bytes_value), '')), `resource.attributes`), 'Map(LowCardinality(String), String)') AS resource,
        `scope_spans.scope.name` AS scope_name,
        `scope_spans.scope.version` AS scope_version,
        `scope_spans.spans.trace_id`,
        `scope_spans.spans.span_id`,
        `scope_spans.spans.trace_state`,
        `scope_spans.spans.parent_span_id`,
        `scope_spans.spans.name`,
        `scope_spans.spans.kind`,
        `scope_spans.spans.start_time_unix_nano`,
        `scope_spans.spans.end_time_unix_nano`,
        `scope_spans.spans.attributes`,
        `scope_spans.spans.events`,
        `scope_spans.spans.links`,
        `scope_spans.spans.status.message`,
        `scope_spans.spans.status.code`
    FROM otlp_traces_private_in
    WHERE throwIf(deprecated OR (length(`resource.attributes`.key) != arrayUniq(`resource.attributes`.key)) OR has(`resource.attributes`.value.value, 6) OR arrayExists(kinds_of_values -> arrayExists(v -> (v != 1), kinds_of_values), `resource.attributes`.value.array_value.`values`.value), 'this resource needs repair') = 0
)
ARRAY JOIN
    `scope_spans.spans.trace_id` AS trace_id,
    `scope_spans.spans.span_id` AS span_id,
    `scope_spans.spans.trace_state` AS trace_state,
    `scope_spans.spans.parent_span_id` AS parent_span_id,
    `scope_spans.spans.name` AS name,
    `scope_spans.spans.kind` AS kind,
    `scope_spans.spans.start_time_unix_nano` AS start_time,
    `scope_spans.spans.end_time_unix_nano` AS end_time,
    `scope_spans.spans.attributes` AS attributes,
    `scope_spans.spans.events` AS events,
    `scope_spans.spans.links` AS links,
    `scope_spans.spans.status.message` AS status_message,
    `scope_spans.spans.status.code` AS status_code
WHERE throwIf((length(trace_id) != 16) OR (length(span_id) != 8) OR (length(parent_span_id) NOT IN (0, 8)) OR (trace_id = unhex('00000000000000000000000000000000')) OR (span_id = unhex('0000000000000000')) OR (start_time = 0) OR (start_time >= 4294967296000000000) OR (length(attributes.key) != arrayUniq(attributes.key)) OR has(attributes.value.value, 6) OR arrayExists(kinds_of_values -> arrayExists(v -> (v != 1), kinds_of_values), attributes.value.array_value.`values`.value) OR arrayExists(keys -> (length(keys) != arrayUniq(keys)), events.attributes.key) OR arrayExists(kinds_of_values -> hasAny(kinds_of_values, [5, 6]), events.attributes.value.value) OR arrayExists(keys -> (length(keys) != arrayUniq(keys)), links.attributes.key) OR arrayExists(kinds_of_values -> hasAny(kinds_of_values, [5, 6]), links.attributes.value.value), 'this span needs repair') = 0

CREATE TABLE privacy_rules
(
    `policy` String COMMENT 'hash of the whole policy; the newest one holds',
    `kind` LowCardinality(String) COMMENT 'attributes and names that are kept; special, tokens, urls, statements, texts among the attributes; bodies; keys',
    `pattern` String COMMENT 'regular expression of whole names; for bodies keep, mask or drop; for keys their names',
    `known_at` DateTime64(6, 'UTC') COMMENT 'since when the policy holds'
)
ENGINE = MergeTree
ORDER BY (known_at, policy, kind)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1, min_compressed_bytes_to_fsync_after_merge = 1, old_parts_lifetime = 480, index_granularity = 8192

CREATE TABLE probe_attempts
(
    `run_id` String COMMENT 'run it belongs to',
    `probe` LowCardinality(String) COMMENT 'probe file',
    `system` LowCardinality(String) COMMENT 'system that was asked',
    `number` UInt16 COMMENT '1 is the first of its run',
    `started_at` DateTime64(6, 'UTC') COMMENT 'when it began, UTC',
    `seconds` Float64 COMMENT 'how long it took',
    `records` UInt64 COMMENT 'records it read',
    `code` LowCardinality(String) COMMENT 'error code, empty when it came through'
)
ENGINE = MergeTree
ORDER BY (probe, started_at, number)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1, min_compressed_bytes_to_fsync_after_merge = 1, old_parts_lifetime = 480, index_granularity = 8192

CREATE TABLE probe_backfills
(
    `probe` LowCardinality(String) COMMENT 'probe file',
    `backfill_from` DateTime64(6, 'UTC') COMMENT 'start of the whole time asked for',
    `backfill_to` DateTime64(6, 'UTC') COMMENT 'its end, not included',
    `window_from` DateTime64(6, 'UTC') COMMENT 'start of the part that is done',
    `window_to` DateTime64(6, 'UTC') COMMENT 'end of the part that is done, not included',
    `records` UInt64 COMMENT 'records read',
    `changed` UInt64 COMMENT 'snapshots written',
    `rejected` UInt64 COMMENT 'records set aside',
    `run_id` String COMMENT 'run that read it',
    `known_at` DateTime64(6, 'UTC') COMMENT 'when it was done'
)
ENGINE = MergeTree
ORDER BY (probe, backfill_from, backfill_to, window_from)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1, min_compressed_bytes_to_fsync_after_merge = 1, old_parts_lifetime = 480, index_granularity = 8192

CREATE TABLE probe_columns
(
    `probe` LowCardinality(String) COMMENT 'probe file',
    `name` String COMMENT 'column or path of the source',
    `change` LowCardinality(String) COMMENT 'first, appeared, vanished or retyped',
    `before` String COMMENT 'type it had, empty when unknown',
    `after` String COMMENT 'type it has: as the source declares it, else what its values look like',
    `needed` Bool COMMENT 'the probe file names it',
    `known_at` DateTime64(6, 'UTC') COMMENT 'when that was seen',
    `run_id` String COMMENT 'run that saw it'
)
ENGINE = MergeTree
ORDER BY (probe, name, known_at)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1, min_compressed_bytes_to_fsync_after_merge = 1, old_parts_lifetime = 480, index_granularity = 8192

CREATE TABLE probe_files
(
    `probe` LowCardinality(String) COMMENT 'probe file',
    `file` String COMMENT 'path inside the folder of the probe',
    `fingerprint` String COMMENT 'size, time of change in nanoseconds and SHA-256',
    `as_of` DateTime64(6, 'UTC') COMMENT 'time the file was changed',
    `run_id` String COMMENT 'run that read it',
    `known_at` DateTime64(6, 'UTC') COMMENT 'when that was stored'
)
ENGINE = MergeTree
ORDER BY (probe, file, known_at)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1, min_compressed_bytes_to_fsync_after_merge = 1, old_parts_lifetime = 480, index_granularity = 8192

CREATE TABLE probe_repairs
(
    `source` LowCardinality(String) COMMENT 'probe whose record was set aside',
    `reason` LowCardinality(String) COMMENT 'why it was',
    `detail` String COMMENT 'column and expectation that were not met',
    `content` UInt64 COMMENT 'sipHash64 of its fields',
    `run_id` String COMMENT 'run that understood it, or set it aside for another reason',
    `known_at` DateTime64(6, 'UTC') COMMENT 'when that was'
)
ENGINE = MergeTree
ORDER BY (source, reason, content, known_at)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1, min_compressed_bytes_to_fsync_after_merge = 1, old_parts_lifetime = 480, index_granularity = 8192

CREATE TABLE probe_rows
(
    `reading` String COMMENT 'probe that is running, or its dry run',
    `number` UInt64 COMMENT 'record number within the run, 1 is the first',
    `origin` LowCardinality(String) COMMENT 'file or page the record came from',
    `origin_sha256` LowCardinality(String) COMMENT 'content of the file, empty for other sources',
    `line` UInt64 COMMENT 'record number within the origin',
    `as_of` DateTime64(6, 'UTC') COMMENT 'time the origin speaks of',
    `broken` LowCardinality(String) COMMENT 'what is wrong with a line that is not a record',
    `flaw` LowCardinality(String) COMMENT 'bad_line: a record is lost; not_whole: the file is not what was sent; remark: nothing is lost',
    `fields` Map(LowCardinality(String), String) COMMENT 'columns the probe file names; a null is left out'
)
ENGINE = MergeTree
PARTITION BY reading
ORDER BY (reading, number)
SETTINGS index_granularity = 8192

CREATE TABLE probe_runs
(
    `run_id` String COMMENT 'identity of the run',
    `probe` LowCardinality(String) COMMENT 'probe file',
    `kind` LowCardinality(String) COMMENT 'sql, rest, files',
    `started_at` DateTime64(6, 'UTC') COMMENT 'start, UTC',
    `finished_at` DateTime64(6, 'UTC') COMMENT 'end, UTC',
    `status` LowCardinality(String) COMMENT 'ok, partial or failed',
    `complete` Bool COMMENT 'whether it saw everything it should see',
    `attempts` UInt16 COMMENT 'tries it took',
    `records_read` UInt64 COMMENT 'records the source gave',
    `records_changed` UInt64 COMMENT 'snapshots written',
    `records_rejected` UInt64 COMMENT 'records set aside',
    `cursor` String COMMENT 'where the next incremental run goes on',
    `error_code` LowCardinality(String) COMMENT 'short code, empty when ok',
    `error` String COMMENT 'what happened and what to do; no payload, no secret',
    `system` LowCardinality(String) COMMENT 'system that was asked',
    `purpose` LowCardinality(String) DEFAULT 'run' COMMENT 'run, backfill or repair',
    `mapping` String COMMENT 'hash of how records become states; another one judges set-aside records anew',
    `columns` Array(LowCardinality(String)) COMMENT 'columns that were read',
    `unserved` Bool COMMENT 'the system did not serve it; such runs in a row open its circuit breaker',
    `clock_ahead_s` Nullable(Float64) COMMENT 'seconds the clock of the source was ahead of ours, null when it shows none'
)
ENGINE = MergeTree
ORDER BY (probe, started_at, run_id)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1, min_compressed_bytes_to_fsync_after_merge = 1, old_parts_lifetime = 480, index_granularity = 8192

CREATE TABLE probe_states
(
    `reading` String COMMENT 'probe that is running, or its dry run',
    `number` UInt64 COMMENT 'record number within the run',
    `object_key` String COMMENT 'normalised business key, empty when the record has none',
    `deleted` Bool COMMENT 'the source says the object is deleted',
    `dated` Bool COMMENT 'whether the record itself says from when it holds',
    `holds_from` DateTime64(6, 'UTC') COMMENT 'that time, else the time the origin speaks of',
    `amount` Nullable(Decimal(38, 6)) COMMENT 'money of the object',
    `currency` LowCardinality(String) COMMENT 'ISO 4217',
    `fields` Map(LowCardinality(String), String) COMMENT 'fields of the allow-list',
    `links` Array(Tuple(
        role String,
        type String,
        key String,
        inverse Bool)) COMMENT 'objects it refers to',
    `steps` Array(Tuple(
        step String,
        at DateTime64(6, 'UTC'))) COMMENT 'steps it proves',
    `row_hash` String COMMENT 'hash of the state',
    `place` LowCardinality(String) COMMENT 'newest or earlier state of its object, repeated, or aside',
    `reason` LowCardinality(String) COMMENT 'why it is set aside',
    `detail` LowCardinality(String) COMMENT 'column and expectation, never the value'
)
ENGINE = MergeTree
PARTITION BY reading
ORDER BY (reading, object_key, number)
SETTINGS index_granularity = 8192

CREATE TABLE schema_migrations
(
    `id` UInt32 COMMENT 'number of the migration file',
    `name` String COMMENT 'name of the migration file',
    `checksum` String COMMENT 'SHA-256 of its text',
    `statement` UInt32 COMMENT 'statements of it that are done',
    `finished` Bool COMMENT 'whether all of them are done',
    `applied_at` DateTime64(6, 'UTC') COMMENT 'when this row was written'
)
ENGINE = MergeTree
ORDER BY (id, statement)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1, min_compressed_bytes_to_fsync_after_merge = 1, old_parts_lifetime = 480, index_granularity = 8192

CREATE TABLE service_levels
(
    `version` String COMMENT 'hash of all rules',
    `activated_at` DateTime64(6, 'UTC') COMMENT 'known time from which they hold',
    `position` UInt16 COMMENT 'place in the file, from 1; 0 stands alone where there is none',
    `name` String COMMENT 'name of the rule',
    `workflow` LowCardinality(String) COMMENT 'only this workflow, or empty',
    `expectation` LowCardinality(String) COMMENT 'only this rule of the workflow, or empty',
    `code` LowCardinality(String) COMMENT 'only this exception code, or empty',
    `owner` LowCardinality(String) COMMENT 'only this team, or empty',
    `currency` LowCardinality(String) COMMENT 'only money in this currency, or empty',
    `at_least` Nullable(Decimal(38, 6)) COMMENT 'only from this amount on',
    `severity` LowCardinality(String) COMMENT 'what the exception is then called',
    `acknowledge_s` UInt64 COMMENT 'seconds until somebody must have taken it on; 0 for never, or when that is said in business time',
    `resolve_s` UInt64 COMMENT 'seconds until it must be over, waivers not counted; 0 for never, or when that is said in business time',
    `acknowledge_unit` LowCardinality(String) COMMENT 'bd for business days, bh for hours of working time, empty for seconds',
    `acknowledge_count` UInt32 COMMENT 'so many of them until somebody must have taken it on',
    `resolve_unit` LowCardinality(String) COMMENT 'bd for business days, bh for hours of working time, empty for seconds',
    `resolve_count` UInt32 COMMENT 'so many of them until it must be over, waivers not counted',
    `calendar` LowCardinality(String) COMMENT 'counted by this one; empty for that of the exception'
)
ENGINE = MergeTree
ORDER BY (activated_at, position)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1, min_compressed_bytes_to_fsync_after_merge = 1, old_parts_lifetime = 480, index_granularity = 8192

CREATE TABLE snapshots
(
    `system` LowCardinality(String) COMMENT 'system that said it',
    `object_type` LowCardinality(String) COMMENT 'type of the object',
    `object_key` String COMMENT 'normalised business key',
    `fields` Map(LowCardinality(String), String) COMMENT 'compared and shown fields, by the allow-list of the mapping',
    `amount` Nullable(Decimal(38, 6)) COMMENT 'money of the object, unknown when null',
    `currency` LowCardinality(String) COMMENT 'ISO 4217',
    `deleted` Bool COMMENT 'the object is absent from a complete snapshot',
    `valid_from` DateTime64(6, 'UTC') COMMENT 'business time from which this state holds',
    `captured_at` DateTime64(6, 'UTC') COMMENT 'when the source was read',
    `known_at` DateTime64(6, 'UTC') COMMENT 'when tieout stored it',
    `row_hash` String COMMENT 'hash of the state; unchanged states are not written again',
    `source` LowCardinality(String) COMMENT 'import mapping or probe',
    `run_id` String COMMENT 'run that read it',
    INDEX idx_object_key object_key TYPE bloom_filter(0.001) GRANULARITY 1,
    INDEX idx_known_at known_at TYPE minmax GRANULARITY 1
)
ENGINE = MergeTree
ORDER BY (object_type, object_key, system, valid_from, known_at)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1, min_compressed_bytes_to_fsync_after_merge = 1, old_parts_lifetime = 480, index_granularity = 8192

CREATE TABLE telemetry_heard
(
    `source` LowCardinality(String) COMMENT 'telemetry source',
    `heard_from` DateTime64(6, 'UTC') COMMENT 'business time a stretch without a longer silence begins',
    `heard_through` DateTime64(6, 'UTC') COMMENT 'newest business time heard in it',
    `known_at` DateTime64(6, 'UTC') COMMENT 'when this row was written',
    INDEX idx_heard_through heard_through TYPE minmax GRANULARITY 1
)
ENGINE = MergeTree
ORDER BY (source, heard_from, known_at)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1, min_compressed_bytes_to_fsync_after_merge = 1, old_parts_lifetime = 480, index_granularity = 8192

CREATE TABLE watermarks
(
    `source` LowCardinality(String) COMMENT 'import mapping, probe or telemetry source',
    `complete_through` DateTime64(6, 'UTC') COMMENT 'newest business time proven complete',
    `heartbeat_at` DateTime64(6, 'UTC') COMMENT 'when the source last answered',
    `known_at` DateTime64(6, 'UTC') COMMENT 'when this row was written',
    `run_id` String COMMENT 'run that proved it'
)
ENGINE = MergeTree
ORDER BY (source, known_at)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1, min_compressed_bytes_to_fsync_after_merge = 1, old_parts_lifetime = 480, index_granularity = 8192

CREATE TABLE workflow_versions
(
    `workflow` LowCardinality(String) COMMENT 'name of the workflow file',
    `version` String COMMENT 'hash of its content',
    `content` String COMMENT 'the file as JSON',
    `activated_at` DateTime64(6, 'UTC') COMMENT 'known time from which it decides',
    `calendars` Map(LowCardinality(String), String) COMMENT 'calendars that this version counts with, and their versions'
)
ENGINE = MergeTree
ORDER BY (workflow, activated_at)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1, min_compressed_bytes_to_fsync_after_merge = 1, old_parts_lifetime = 480, index_granularity = 8192
