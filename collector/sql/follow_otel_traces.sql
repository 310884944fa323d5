-- Spans of another database, under the names and types of ours; `{text}` and `{texts}` are functions that give attributes as text.
SELECT
    Timestamp, TraceId, SpanId, ParentSpanId, TraceState, SpanName, SpanKind, ServiceName,
    {text}(ResourceAttributes) AS ResourceAttributes, ScopeName, ScopeVersion, {text}(SpanAttributes) AS SpanAttributes,
    Duration, StatusCode, StatusMessage, Events.Timestamp, Events.Name, {texts}(Events.Attributes) AS `Events.Attributes`,
    Links.TraceId, Links.SpanId, Links.TraceState, {texts}(Links.Attributes) AS `Links.Attributes`
FROM {database:Identifier}.otel_traces
