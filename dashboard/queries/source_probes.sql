-- Last run of every probe, and how often a try of it failed within a day of that
WITH
tries AS (
    SELECT probe, max(started_at) AS last_try_at FROM probe_attempts GROUP BY probe
),
retries AS (
    SELECT a.probe AS probe, countIf(a.code != '') AS failed_tries
    FROM probe_attempts AS a
    INNER JOIN tries AS t ON t.probe = a.probe
    WHERE a.started_at > t.last_try_at - INTERVAL 1 DAY
    GROUP BY a.probe
),
last_runs AS (
    SELECT
        probe, argMax(system, started_at) AS last_system, argMax(kind, started_at) AS last_kind, max(started_at) AS last_started_at,
        argMax(finished_at, started_at) AS last_finished_at, argMax(status, started_at) AS last_status,
        argMax(complete, started_at) AS last_complete, argMax(records_read, started_at) AS last_read,
        argMax(records_changed, started_at) AS last_changed, argMax(records_rejected, started_at) AS last_rejected,
        argMax(error, started_at) AS last_error, maxIf(started_at, status = 'ok') AS last_ok_at,
        countIf(status = 'ok') AS ok_runs, count() AS runs
    FROM probe_runs
    WHERE purpose = 'run'
    GROUP BY probe
)
SELECT r.*, retries.failed_tries AS failed_tries
FROM last_runs AS r
LEFT JOIN retries ON retries.probe = r.probe
ORDER BY probe
