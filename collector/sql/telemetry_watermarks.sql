-- Telemetry sources that spans and log records of (from, until] bring further: newest start less the lag, or of a
-- heartbeat as it is; what the receiver traces of itself proves nothing of others. No source is complete beyond `now`, whatever a clock elsewhere says.
SELECT source, complete_through, heartbeat_at
FROM (
    SELECT
        coalesce(
            nullIf(if(mapContains(own, 'tieout.source'), own['tieout.source'], resource['tieout.source']), ''),
            concat('otlp/', service)) AS source,
        least(
            max(toDateTime64(at, 6, 'UTC') - toIntervalMicrosecond(if(own['tieout.heartbeat'] = 'true', 0, {lag_us:Int64}))),
            {now:DateTime64(6, 'UTC')}) AS complete_through,
        max(known_at) AS heartbeat_at
    FROM telemetry
    WHERE known_at > {from:DateTime64(6, 'UTC')} AND known_at <= {until:DateTime64(6, 'UTC')}
        AND scope != 'tieout.collector'
    GROUP BY source
) AS seen
LEFT JOIN (
    SELECT source, max(complete_through) AS proven FROM watermarks GROUP BY source
) AS before ON before.source = seen.source
WHERE has({sources:Array(String)}, source) AND complete_through > proven
