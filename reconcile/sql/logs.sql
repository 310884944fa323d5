-- What programs logged in some traces by V as known at K, in order of time; the worst of them are never cut off.
SELECT at, service, severity, body, trace_id
FROM (
    SELECT
        Timestamp AS at, ServiceName AS service, SeverityNumber AS level,
        if(SeverityText = '', transform(intDiv(SeverityNumber + 3, 4), [1, 2, 3, 4, 5, 6], ['trace', 'debug', 'info', 'warn', 'error', 'fatal'], ''),
            lower(SeverityText)) AS severity,
        substringUTF8(if(Body = '', EventName, Body), 1, 500) AS body, TraceId AS trace_id
    FROM otel_logs
    WHERE TraceId IN {traces:Array(String)} AND Timestamp <= {as_of:DateTime64(6, 'UTC')} AND known_at <= {known_at:DateTime64(6, 'UTC')}
    ORDER BY level DESC, at
    LIMIT 200
)
ORDER BY at, service, body
