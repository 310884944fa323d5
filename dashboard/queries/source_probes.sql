-- Last run of every probe
SELECT
    probe, argMax(kind, started_at) AS last_kind, max(started_at) AS last_started_at, argMax(finished_at, started_at) AS last_finished_at,
    argMax(status, started_at) AS last_status, argMax(complete, started_at) AS last_complete,
    argMax(records_read, started_at) AS last_read, argMax(records_changed, started_at) AS last_changed,
    argMax(records_rejected, started_at) AS last_rejected, argMax(error, started_at) AS last_error,
    maxIf(started_at, status = 'ok') AS last_ok_at, countIf(status = 'ok') AS ok_runs, count() AS runs
FROM probe_runs
GROUP BY probe
ORDER BY probe
