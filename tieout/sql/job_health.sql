-- Newest run of each job and how its last day went.
SELECT
    job, max(started_at) AS last_start, argMax(status, started_at) AS last_status, argMax(error, started_at) AS last_error,
    countIf(status = 'failed') AS failed, countIf(status = 'missed') AS missed, count() AS runs
FROM job_runs
WHERE started_at > {since:DateTime64(6, 'UTC')}
GROUP BY job
ORDER BY job
