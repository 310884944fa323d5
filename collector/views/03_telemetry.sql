-- All that may be a business step.
CREATE OR REPLACE VIEW telemetry AS
SELECT * FROM spans_seen
UNION ALL
SELECT * FROM logs_seen;
