-- Runs each system did not serve since it last served one
WITH
served AS (
    SELECT system, max(finished_at) AS served_at
    FROM probe_runs
    WHERE system IN {systems:Array(String)} AND status != 'skipped' AND NOT unserved
    GROUP BY system
)
SELECT
    r.system AS system_name, count() AS failures, max(r.finished_at) AS last_failed_at,
    argMax(r.error_code, r.finished_at) AS last_code, argMax(r.probe, r.finished_at) AS last_probe
FROM probe_runs AS r
LEFT JOIN served AS s ON s.system = r.system
WHERE r.system IN {systems:Array(String)} AND r.unserved AND r.finished_at > {since:DateTime64(6, 'UTC')}
    AND r.finished_at > s.served_at
GROUP BY r.system
