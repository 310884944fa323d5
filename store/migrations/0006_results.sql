-- Computed figures, alert life and own health.
CREATE TABLE IF NOT EXISTS kpi_values (
    kpi LowCardinality(String) COMMENT 'K01 ... K73 or a site KPI',
    version String COMMENT 'hash of the query',
    workflow LowCardinality(String) COMMENT 'workflow',
    dimension LowCardinality(String) COMMENT 'segment dimension, empty for the total',
    segment String COMMENT 'value of the dimension',
    measure LowCardinality(String) COMMENT 'which figure of the KPI: rate, count, amount, p50, ...',
    unit LowCardinality(String) COMMENT 'ratio, count, seconds, days or a currency',
    value Nullable(Float64) COMMENT 'null when unknown',
    low Nullable(Float64) COMMENT 'lower end when unknown items make it an interval',
    high Nullable(Float64) COMMENT 'upper end',
    numerator Nullable(Decimal(38, 6)) COMMENT 'exact',
    denominator Nullable(Decimal(38, 6)) COMMENT 'exact',
    n UInt64 COMMENT 'items behind the figure',
    window_start DateTime64(6, 'UTC') COMMENT 'start of the period',
    as_of DateTime64(6, 'UTC') COMMENT 'business time the figure speaks of',
    known_at DateTime64(6, 'UTC') COMMENT 'evidence known up to here was used',
    published_at DateTime64(6, 'UTC') COMMENT 'when it was computed',
    run_id String COMMENT 'job run'
) ENGINE = MergeTree
ORDER BY (kpi, workflow, dimension, segment, measure, as_of, published_at)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1,
    min_rows_to_fsync_after_merge = 1, min_compressed_bytes_to_fsync_after_merge = 1, old_parts_lifetime = 480;

CREATE TABLE IF NOT EXISTS alert_events (
    rule LowCardinality(String) COMMENT 'rule of the alert file',
    fingerprint String COMMENT 'hash of rule and labels',
    labels Map(LowCardinality(String), String) COMMENT 'severity, workflow, segment, ...',
    state LowCardinality(String) COMMENT 'inactive, pending, firing',
    previous LowCardinality(String) COMMENT 'state before',
    reason LowCardinality(String) COMMENT 'why the state changed',
    value Nullable(Float64) COMMENT 'value that was compared',
    active_since Nullable(DateTime64(6, 'UTC')) COMMENT 'start of the present pending or firing spell',
    last_true_at Nullable(DateTime64(6, 'UTC')) COMMENT 'last evaluation with a breach',
    evaluated_at DateTime64(6, 'UTC') COMMENT 'time of the evaluation',
    known_at DateTime64(6, 'UTC') COMMENT 'when the row was written'
) ENGINE = MergeTree
ORDER BY (rule, fingerprint, evaluated_at)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1,
    min_rows_to_fsync_after_merge = 1, min_compressed_bytes_to_fsync_after_merge = 1, old_parts_lifetime = 480;

CREATE TABLE IF NOT EXISTS notifications (
    notification_id String COMMENT 'stable: fingerprint, state change and receiver',
    rule LowCardinality(String) COMMENT 'rule of the alert file',
    fingerprint String COMMENT 'alert it tells of',
    receiver LowCardinality(String) COMMENT 'receiver of the alert file',
    status LowCardinality(String) COMMENT 'firing or resolved',
    outcome LowCardinality(String) COMMENT 'planned, sent, failed, given_up',
    attempt UInt16 COMMENT 'try',
    error_code LowCardinality(String) COMMENT 'short code, empty when sent',
    at DateTime64(6, 'UTC') COMMENT 'time of the try',
    payload String COMMENT 'the message, for a retry after a restart'
) ENGINE = MergeTree
ORDER BY (notification_id, at, attempt)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1,
    min_rows_to_fsync_after_merge = 1, min_compressed_bytes_to_fsync_after_merge = 1, old_parts_lifetime = 480;

CREATE TABLE IF NOT EXISTS job_runs (
    run_id String COMMENT 'identity of the run',
    job LowCardinality(String) COMMENT 'job',
    scheduled_at DateTime64(6, 'UTC') COMMENT 'when it should have run',
    started_at DateTime64(6, 'UTC') COMMENT 'start',
    finished_at DateTime64(6, 'UTC') COMMENT 'end',
    status LowCardinality(String) COMMENT 'ok, failed, missed',
    rows UInt64 COMMENT 'rows written',
    error String COMMENT 'what happened; no payload'
) ENGINE = MergeTree
ORDER BY (job, started_at, run_id)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1,
    min_rows_to_fsync_after_merge = 1, min_compressed_bytes_to_fsync_after_merge = 1, old_parts_lifetime = 480;

-- How far each incremental job has read.
CREATE TABLE IF NOT EXISTS marks (
    job LowCardinality(String) COMMENT 'job and what it reads',
    mark DateTime64(6, 'UTC') COMMENT 'known_at up to which everything is done',
    at DateTime64(6, 'UTC') COMMENT 'when the mark was set'
) ENGINE = MergeTree
ORDER BY (job, at)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1,
    min_rows_to_fsync_after_merge = 1, min_compressed_bytes_to_fsync_after_merge = 1, old_parts_lifetime = 480;
