-- Telemetry sources that spans of (from, until] bring further: newest start of a span less the lag, or of a
-- heartbeat as it is; what the receiver traces of itself proves nothing of others. No source is complete beyond `now`, whatever a clock elsewhere says.
SELECT source, complete_through, heartbeat_at
FROM (
    SELECT
        coalesce(
            nullIf(if(mapContains(SpanAttributes, 'tieout.source'), SpanAttributes['tieout.source'], ResourceAttributes['tieout.source']), ''),
            concat('otlp/', ServiceName)) AS source,
        least(
            max(toDateTime64(Timestamp, 6, 'UTC') - toIntervalMicrosecond(if(SpanAttributes['tieout.heartbeat'] = 'true', 0, {lag_us:Int64}))),
            {now:DateTime64(6, 'UTC')}) AS complete_through,
        max(known_at) AS heartbeat_at
    FROM otel_traces
    WHERE known_at > {from:DateTime64(6, 'UTC')} AND known_at <= {until:DateTime64(6, 'UTC')}
        AND ScopeName != 'tieout.collector'
    GROUP BY source
) AS seen
LEFT JOIN (
    SELECT source, max(complete_through) AS proven FROM watermarks GROUP BY source
) AS before ON before.source = seen.source
WHERE has({sources:Array(String)}, source) AND complete_through > proven
