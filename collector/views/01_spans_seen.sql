-- Spans as all readers see them.
CREATE OR REPLACE VIEW spans_seen AS
SELECT
    'span' AS signal, TraceId, SpanId, toString(SpanName) AS name, toString(ServiceName) AS service,
    StatusCode IN ('Error', 'STATUS_CODE_ERROR') AS failed, toDateTime64(Timestamp, 9, 'UTC') AS at, reinterpretAsInt64(toUInt64(Duration)) AS duration,
    CAST(SpanAttributes, 'Map(String, String)') AS own, CAST(ResourceAttributes, 'Map(String, String)') AS resource,
    CAST(arrayConcat(Events.Attributes, Links.Attributes), 'Array(Map(String, String))') AS inner,
    '' AS record, ScopeName AS scope, known_at
FROM otel_traces;
