-- One hour of what was there before, but for spans that came twice: with a view that followed already, or a reading that ended halfway.
INSERT INTO otel_traces (
    Timestamp, TraceId, SpanId, ParentSpanId, TraceState, SpanName, SpanKind, ServiceName, ResourceAttributes, ScopeName, ScopeVersion,
    SpanAttributes, Duration, StatusCode, StatusMessage, Events.Timestamp, Events.Name, Events.Attributes,
    Links.TraceId, Links.SpanId, Links.TraceState, Links.Attributes)
SELECT *
FROM ({select})
WHERE Timestamp >= {hour:DateTime('UTC')} AND Timestamp < {hour:DateTime('UTC')} + INTERVAL 1 HOUR
    AND (Timestamp, TraceId, SpanId) NOT IN (
        SELECT Timestamp, TraceId, SpanId
        FROM otel_traces
        WHERE Timestamp >= {hour:DateTime('UTC')} AND Timestamp < {hour:DateTime('UTC')} + INTERVAL 1 HOUR)
