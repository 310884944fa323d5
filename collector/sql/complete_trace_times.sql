-- Times of the traces that some inserts brought.
INSERT INTO otel_traces_trace_id_ts (TraceId, Start, End, known_at, spans)
SELECT TraceId, min(Timestamp) AS Start, max(Timestamp) AS End, known_at, count() AS spans
FROM otel_traces
WHERE TraceId != '' AND known_at IN {inserts:Array(DateTime64(6, 'UTC'))}
GROUP BY TraceId, known_at
