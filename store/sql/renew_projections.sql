-- Projections are written without an fsync, so after a power cut a damaged one would fail every query that reads it. What is missing is read from
-- the table itself until it is made again.
ALTER TABLE match_records CLEAR PROJECTION IF EXISTS by_record SETTINGS mutations_sync = 1;

ALTER TABLE match_records MATERIALIZE PROJECTION IF EXISTS by_record SETTINGS mutations_sync = 0;
