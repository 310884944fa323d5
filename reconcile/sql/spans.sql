-- Spans of some traces by V as known at K, once each, in order of start.
SELECT
    TraceId AS trace_id, SpanId AS span_id, any(ParentSpanId) AS parent_span_id, any(SpanName) AS name,
    any(SpanKind) AS kind, any(ServiceName) AS service, any(ResourceAttributes['service.version']) AS version,
    any(Timestamp) AS at, any(Duration) AS duration_ns, any(StatusCode) AS status,
    any(coalesce(nullIf(SpanAttributes['error.type'], ''), nullIf(arrayFirst(e -> e['exception.type'] != '', Events.Attributes)['exception.type'], ''),
        SpanAttributes['http.response.status_code'])) AS error,
    any(toUInt32OrZero(SpanAttributes['http.request.resend_count'])) AS resent,
    any(SpanAttributes['messaging.destination.name']) AS queue,
    -- A queue that probes know as one that others send what failed to.
    queue != '' AND queue IN (
        SELECT object_key
        FROM snapshots
        WHERE object_type = 'queue' AND known_at <= {known_at:DateTime64(6, 'UTC')}
        GROUP BY object_key
        HAVING argMax(fields['dead_letter'], (valid_from, known_at)) = 'true') AS is_dead_letter
FROM otel_traces
WHERE TraceId IN {traces:Array(String)}
    AND Timestamp >= (SELECT min(Start) FROM otel_traces_trace_id_ts WHERE TraceId IN {traces:Array(String)})
    AND Timestamp <= (SELECT max(End) + 1 FROM otel_traces_trace_id_ts WHERE TraceId IN {traces:Array(String)})
    AND Timestamp <= {as_of:DateTime64(6, 'UTC')} AND known_at <= {known_at:DateTime64(6, 'UTC')}
GROUP BY TraceId, SpanId
ORDER BY at, span_id
LIMIT 500
