-- Log records of another database, as for spans. Older exporters have no name of the event.
SELECT
    Timestamp, TraceId, SpanId, TraceFlags, SeverityText, SeverityNumber, ServiceName, Body, ResourceSchemaUrl,
    {text}(ResourceAttributes) AS ResourceAttributes, ScopeSchemaUrl, ScopeName, ScopeVersion, {text}(ScopeAttributes) AS ScopeAttributes,
    {text}(LogAttributes) AS LogAttributes, {event_name} AS EventName
FROM {database:Identifier}.otel_logs
