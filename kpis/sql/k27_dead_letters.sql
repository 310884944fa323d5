-- title: Dead letters
-- description: "What failed and waits in queues of dead letters, as probes of queues saw it: how much, how old, in how many. A probe that has been silent for an hour says nothing of now."
-- unit: count
-- direction: lower_is_better
-- kind: stock
-- measures:
--   - {name: depth, unit: count, title: Messages in queues of dead letters}
--   - {name: oldest, unit: hours, title: Age of the oldest of them}
--   - {name: filled, unit: count, title: Queues that hold some}
--   - {name: unknown, unit: count, title: Queues whose depth is unknown}
-- formula: K27, stock of dead letters; as-of time − the time the oldest was sent
-- inputs: [snapshots, watermarks, workflow_versions]
-- dimensions: [queue, system]
-- every: 15m
WITH
followed AS (
    SELECT arrayJoin(JSONExtract(active, 'sources', 'Array(String)')) AS name
    FROM (
        SELECT argMax(content, activated_at) AS active
        FROM workflow_versions
        WHERE workflow = {workflow:String} AND activated_at <= {known_at:DateTime64(6, 'UTC')}
    )
),
proven AS (
    SELECT source AS name, max(complete_through) AS seen_to
    FROM watermarks
    WHERE known_at <= {known_at:DateTime64(6, 'UTC')}
    GROUP BY source
),
queues AS (
    SELECT
        system AS of_system, object_key AS queue, argMax(source, (valid_from, s.known_at)) AS seen_by,
        argMax(fields, (valid_from, s.known_at)) AS said, argMax(deleted, (valid_from, s.known_at)) AS gone
    FROM snapshots AS s
    WHERE object_type = 'queue' AND valid_from <= {as_of:DateTime64(6, 'UTC')} AND s.known_at <= {known_at:DateTime64(6, 'UTC')}
        AND source IN (SELECT name FROM followed)
    GROUP BY of_system, queue
    HAVING NOT gone AND said['dead_letter'] = 'true'
),
judged AS (
    SELECT
        multiIf({dimension:String} = '', 'total', {dimension:String} = 'queue', queue, toString(of_system)) AS segment,
        -- A source without a watermark joins as 1970, long silent.
        if(p.seen_to < {as_of:DateTime64(6, 'UTC')} - INTERVAL 1 HOUR, NULL, toUInt64OrNull(said['depth'])) AS messages,
        parseDateTime64BestEffortOrNull(said['oldest_at'], 6, 'UTC') AS sent_at,
        dateDiff('microsecond', sent_at, {as_of:DateTime64(6, 'UTC')}) / 3600000000 AS hours
    FROM queues AS q
    LEFT JOIN proven AS p ON p.name = q.seen_by
),
counted AS (
    SELECT
        segment, count() AS queues_seen, sum(messages) AS depth, countIf(messages > 0) AS filled, countIf(isNull(messages)) AS unknowns,
        countIf(ifNull(messages > 0, true) AND (isNull(messages) OR isNull(sent_at))) AS ageless,
        maxIf(hours, messages > 0) AS longest
    FROM judged
    GROUP BY segment
)
SELECT
    segment, figure.1 AS measure, figure.2 AS unit,
    if(figure.4 = 0, toFloat64(figure.3), NULL) AS value,
    -- Of a queue in the dark, anything may be in it: what is known is at least.
    if(figure.4 = 0, NULL, toFloat64(figure.3)) AS low,
    if(figure.4 = 0 OR figure.1 != 'filled', NULL, toFloat64(figure.3) + figure.4) AS high,
    figure.3 AS numerator, CAST(NULL, 'Nullable(Decimal(38, 6))') AS denominator, figure.5 AS n
FROM counted
ARRAY JOIN arrayConcat(
    [
        ('depth', 'count', CAST(ifNull(depth, 0), 'Nullable(Decimal(38, 6))'), unknowns, queues_seen),
        ('filled', 'count', CAST(filled, 'Nullable(Decimal(38, 6))'), unknowns, queues_seen),
        ('unknown', 'count', CAST(unknowns, 'Nullable(Decimal(38, 6))'), 0, queues_seen)],
    if(filled + ageless = 0, [], [('oldest', 'hours', CAST(longest, 'Nullable(Decimal(38, 6))'), ageless, queues_seen)])) AS figure
