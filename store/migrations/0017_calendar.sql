-- When people work: one row a day of a calendar. The one place where business time and fiscal periods are read from.
CREATE TABLE IF NOT EXISTS calendar (
    calendar LowCardinality(String) COMMENT 'name of the calendar file',
    version LowCardinality(String) COMMENT 'hash of all its days',
    known_at DateTime64(6, 'UTC') COMMENT 'this version holds from here on; the first one of a calendar holds for all known times',
    zone LowCardinality(String) COMMENT 'time zone of its days',
    date Date32 COMMENT 'day in that zone',
    starts_at DateTime64(6, 'UTC') COMMENT 'its midnight, in UTC',
    ends_at DateTime64(6, 'UTC') COMMENT 'the next midnight; 23 or 25 hours later when the clocks change',
    is_business Bool COMMENT 'whether it is worked',
    ordinal Int32 COMMENT 'business days up to and including this one: a difference of two is a number of business days',
    opens_at DateTime64(6, 'UTC') COMMENT 'begin of working time; equal to closes_at when nobody works',
    closes_at DateTime64(6, 'UTC') COMMENT 'end of working time',
    cutoff_at DateTime64(6, 'UTC') COMMENT 'last moment that counts for this business day; what comes later counts for the next',
    business_s Int64 COMMENT 'seconds of working time before this day',
    reason String COMMENT 'holiday, closure or working day by its name; empty on a usual day',
    fiscal_year Nullable(UInt16) COMMENT 'fiscal year; unknown outside of a list of periods',
    fiscal_period Nullable(UInt8) COMMENT 'period of the fiscal year, from 1',
    day_of_period Nullable(UInt16) COMMENT 'day of the period, from 1',
    period_starts_on Nullable(Date32) COMMENT 'first day of the period',
    period_ends_on Nullable(Date32) COMMENT 'last day of the period',
    close_day Nullable(Date32) COMMENT 'day on which the books of the period are closed, where the file says how long that takes'
) ENGINE = MergeTree
ORDER BY (calendar, known_at, date)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1,
    min_rows_to_fsync_after_merge = 1, min_compressed_bytes_to_fsync_after_merge = 1, old_parts_lifetime = 480;

-- Which calendar an expectation is counted and aged by.
ALTER TABLE expectations ADD COLUMN IF NOT EXISTS
    calendar LowCardinality(String) COMMENT 'calendar of its due time and its age; empty: every hour of every day, in UTC';

ALTER TABLE workflow_versions ADD COLUMN IF NOT EXISTS
    calendars Map(LowCardinality(String), String) COMMENT 'calendars that this version counts with, and their versions';
