-- Exceptions of matching rules age by the calendar of their rule.
ALTER TABLE matches
    ADD COLUMN IF NOT EXISTS calendar LowCardinality(String) COMMENT 'calendar that ages are counted by; empty: every hour of every day, in UTC';

ALTER TABLE matching_versions
    ADD COLUMN IF NOT EXISTS calendars Map(LowCardinality(String), String) COMMENT 'calendars that this version counts with, and their versions';
