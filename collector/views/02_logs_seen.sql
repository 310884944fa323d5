-- Log records as all readers see them. A record has no id: it is what it says.
CREATE OR REPLACE VIEW logs_seen AS
SELECT
    'log' AS signal, TraceId, SpanId, if(EventName != '', EventName, LogAttributes['event.name']) AS name, toString(ServiceName) AS service,
    SeverityNumber >= 17 AS failed, toDateTime64(Timestamp, 9, 'UTC') AS at, toInt64(0) AS duration,
    CAST(LogAttributes, 'Map(String, String)') AS own, CAST(ResourceAttributes, 'Map(String, String)') AS resource,
    CAST([], 'Array(Map(String, String))') AS inner,
    hex(sipHash128(Timestamp, SeverityNumber, EventName, Body, mapSort(own), mapSort(resource))) AS record, ScopeName AS scope, known_at
FROM otel_logs;
