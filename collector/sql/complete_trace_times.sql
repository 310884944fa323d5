-- Traces of late that the table of their times does not hold, or not as far as their spans reach: a process can die after
-- it wrote the spans.
INSERT INTO otel_traces_trace_id_ts
WITH recent AS (
    SELECT TraceId, toDateTime(min(Timestamp)) AS first_at, toDateTime(max(Timestamp)) AS last_at
    FROM otel_traces
    WHERE known_at >= {since:DateTime64(6, 'UTC')} AND TraceId != ''
    GROUP BY TraceId
),
held AS (
    SELECT TraceId, min(Start) AS held_from, max(End) AS held_to
    FROM otel_traces_trace_id_ts
    WHERE TraceId IN (SELECT TraceId FROM recent)
    GROUP BY TraceId
)
SELECT recent.TraceId AS TraceId, first_at AS Start, last_at AS End
FROM recent
LEFT JOIN held ON held.TraceId = recent.TraceId
WHERE held.TraceId = '' OR first_at < held_from OR last_at > held_to
