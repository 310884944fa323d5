-- Each probe's last run, last good run, the tries it took lately and the time it is complete through
WITH
runs AS (
    SELECT
        probe,
        argMax(tuple(status, complete, started_at, finished_at, attempts, records_read, records_changed, records_rejected,
            error_code, error, clock_ahead_s), (started_at, finished_at)) AS last,
        maxIf(finished_at, status IN ('ok', 'partial')) AS last_good_at,
        countIf(status IN ('ok', 'partial')) AS good_runs
    FROM probe_runs
    WHERE probe IN {probes:Array(String)} AND purpose = 'run'
    GROUP BY probe
),
marks_of AS (
    SELECT source, max(complete_through) AS complete_at FROM watermarks WHERE source IN {probes:Array(String)} GROUP BY source
),
tries AS (
    SELECT probe, countIf(code != '') AS failed_tries, count() AS all_tries
    FROM probe_attempts
    WHERE probe IN {probes:Array(String)} AND started_at > {since:DateTime64(6, 'UTC')}
    GROUP BY probe
),
columns AS (
    SELECT probe, count() AS changed
    FROM probe_columns
    WHERE probe IN {probes:Array(String)} AND change != 'first' AND known_at > {last_week:DateTime64(6, 'UTC')}
    GROUP BY probe
)
SELECT
    r.probe AS probe, last.1 AS status, last.2 AS complete, last.3 AS started_at, last.4 AS finished_at, last.5 AS attempts,
    last.6 AS records_read, last.7 AS records_changed, last.8 AS records_rejected, last.9 AS error_code, last.10 AS error,
    last.11 AS clock_ahead_s,
    if(good_runs > 0, last_good_at, NULL) AS last_good,
    if(m.source = '', NULL, m.complete_at) AS complete_through,
    t.failed_tries AS failed_tries_24h, t.all_tries AS tries_24h,
    c.changed AS changed_columns_7d
FROM runs AS r
LEFT JOIN marks_of AS m ON m.source = r.probe
LEFT JOIN tries AS t ON t.probe = r.probe
LEFT JOIN columns AS c ON c.probe = r.probe
ORDER BY probe
