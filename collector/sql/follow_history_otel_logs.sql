-- As for spans; a record has no id, it is what it says.
INSERT INTO otel_logs (
    Timestamp, TraceId, SpanId, TraceFlags, SeverityText, SeverityNumber, ServiceName, Body, ResourceSchemaUrl, ResourceAttributes,
    ScopeSchemaUrl, ScopeName, ScopeVersion, ScopeAttributes, LogAttributes, EventName)
SELECT *
FROM ({select})
WHERE Timestamp >= {hour:DateTime('UTC')} AND Timestamp < {hour:DateTime('UTC')} + INTERVAL 1 HOUR
    AND (Timestamp, sipHash128(TraceId, SpanId, SeverityNumber, Body, EventName, mapSort(LogAttributes))) NOT IN (
        SELECT Timestamp, sipHash128(TraceId, SpanId, SeverityNumber, Body, EventName, mapSort(LogAttributes))
        FROM otel_logs
        WHERE Timestamp >= {hour:DateTime('UTC')} AND Timestamp < {hour:DateTime('UTC')} + INTERVAL 1 HOUR)
