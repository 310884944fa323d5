-- Last run of every job of tieout itself
SELECT
    job, max(started_at) AS last_started_at, argMax(finished_at, started_at) AS last_finished_at,
    argMax(status, started_at) AS last_status, argMax(rows, started_at) AS last_rows, argMax(error, started_at) AS last_error,
    countIf(status != 'ok') AS bad_runs, count() AS runs
FROM job_runs
GROUP BY job
ORDER BY job
