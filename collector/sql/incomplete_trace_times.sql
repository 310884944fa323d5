-- Inserts of late of which not all spans are counted in the table of trace times, and how many spans they brought: a process can
-- die after it wrote the spans.
SELECT known_at, sum(stored) AS rows
FROM (
    SELECT known_at, count() AS stored, 0 AS counted
    FROM otel_traces
    WHERE known_at >= {since:DateTime64(6, 'UTC')} AND TraceId != ''
    GROUP BY known_at
    UNION ALL
    SELECT known_at, 0, sum(spans)
    FROM otel_traces_trace_id_ts
    WHERE known_at >= {since:DateTime64(6, 'UTC')}
    GROUP BY known_at
)
GROUP BY known_at
HAVING rows > sum(counted)
ORDER BY known_at
