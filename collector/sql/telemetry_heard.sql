-- Stretches of business time in which a source was heard with no silence longer than `silence`, as spans and log records of
-- (from, until] make or lengthen them. What the receiver traces of itself says nothing of others; nothing is heard in the future.
WITH
minutes AS (
    SELECT source, min(heard_at) AS begins, max(heard_at) AS ends
    FROM (
        SELECT
            coalesce(
                nullIf(if(mapContains(own, 'tieout.source'), own['tieout.source'], resource['tieout.source']), ''),
                concat('otlp/', service)) AS source,
            least(toDateTime64(at, 6, 'UTC'), {now:DateTime64(6, 'UTC')}) AS heard_at
        FROM telemetry
        WHERE known_at > {from:DateTime64(6, 'UTC')} AND known_at <= {until:DateTime64(6, 'UTC')} AND scope != 'tieout.collector'
    )
    WHERE has({sources:Array(String)}, source)
    GROUP BY source, toStartOfMinute(heard_at)
),
-- With the stretches they may join: those that end before the first of them, less the silence, are over.
stretches AS (
    SELECT source, begins, ends, true AS is_new FROM minutes
    UNION ALL
    SELECT toString(source), heard_from, max(heard_through), false
    FROM telemetry_heard
    WHERE source IN (SELECT source FROM minutes)
        AND heard_through >= (SELECT min(begins) FROM minutes) - toIntervalMicrosecond({silence_us:Int64})
    GROUP BY source, heard_from
),
joined AS (
    SELECT
        *,
        begins > max(ends) OVER before_this + toIntervalMicrosecond({silence_us:Int64}) AS breaks
    FROM stretches
    WINDOW before_this AS (PARTITION BY source ORDER BY begins, ends ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
),
numbered AS (
    SELECT *, sum(breaks) OVER (PARTITION BY source ORDER BY begins, ends ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS number
    FROM joined
)
SELECT source, min(begins) AS heard_from, max(ends) AS heard_through
FROM numbered
GROUP BY source, number
HAVING max(is_new) AND (source, heard_from, heard_through) NOT IN (
    SELECT toString(source), heard_from, heard_through FROM telemetry_heard)
ORDER BY source, heard_from
