-- Versions of what steps bring into the state of a system, for items with new states or new events of these steps
-- `landed` opens with the first event of its step and arrives when the item is there; `traced` opens when the item first is
-- there and arrives with the event, or is void when the item is gone before.
WITH
    {rules:Array(Tuple(
        name String, kind String, item String, system String, step String, code String, owner String, within Int64, unit String,
        calendar String, sources Array(String)))} AS rules,
    {failed_steps:Array(String)} AS failed_steps,
    toDateTime64({mark:String}, 6, 'UTC') AS mark,
    toDateTime64({until:String}, 6, 'UTC') AS until,
    toDateTime64('2299-01-01 00:00:00', 6, 'UTC') AS never,
touched AS (
    SELECT toString(object_type) AS item_type, object_key AS item_key, known_at AS version_at
    FROM snapshots
    WHERE known_at > mark AND known_at <= until AND has(arrayMap(r -> r.item, rules), object_type)
        AND cityHash64(object_key) % {shares:UInt32} = {share:UInt32}
    UNION DISTINCT
    SELECT toString(object_type), object_key, known_at
    FROM event_objects
    WHERE workflow = {workflow:String} AND known_at > mark AND known_at <= until AND has(arrayMap(r -> r.item, rules), object_type)
        AND has(arrayMap(r -> r.step, rules), step) AND cityHash64(object_key) % {shares:UInt32} = {share:UInt32}
),
-- What was told of each item by then, in order.
worded AS (
    SELECT
        rule, item_type, item_key, version_at,
        arraySort(groupUniqArray((s.valid_from, s.known_at, s.row_hash, s.deleted))) AS words,
        min(s.known_at) AS first_told_at,
        toString(argMin(s.source, (s.known_at, s.valid_from, s.row_hash))) AS told_by,
        argMinIf(
            (s.amount, toString(s.currency), mapFilter((name, value) -> has({dimensions:Array(String)}, name) AND value != '', s.fields)),
            (s.valid_from, s.known_at, s.row_hash), NOT s.deleted) AS first_state
    FROM touched AS t
    INNER JOIN (
        SELECT object_type, object_key, system, fields, amount, currency, deleted, valid_from, known_at, row_hash, source
        FROM snapshots
        WHERE known_at <= until AND (object_type, object_key) IN (SELECT item_type, item_key FROM touched)
    ) AS s ON s.object_type = t.item_type AND s.object_key = t.item_key
    ARRAY JOIN arrayFilter(n -> rules[n].item = t.item_type AND rules[n].system IN ('', s.system), arrayEnumerate(rules)) AS rule
    WHERE s.known_at <= t.version_at
    GROUP BY rule, item_type, item_key, version_at
),
reached AS (
    SELECT
        rule, item_type, item_key, version_at,
        uniqExact(e.event_id) AS events,
        min((e.occurred_at, e.event_id)) AS first_event,
        argMin((e.amount, toString(e.currency), e.trace_id, mapFilter((name, value) -> value != '', e.dims)), (e.occurred_at, e.event_id)) AS said
    FROM touched AS t
    INNER JOIN (
        SELECT object_type, object_key, step, event_id, occurred_at, known_at, amount, currency, trace_id, dims
        FROM event_objects
        WHERE workflow = {workflow:String} AND known_at <= until AND has(arrayMap(r -> r.step, rules), step)
            -- A try that failed has not reached its step, unless the step itself is the failing.
            AND (outcome != 'failed' OR has(failed_steps, step))
            AND (object_type, object_key) IN (SELECT item_type, item_key FROM touched)
    ) AS e ON e.object_type = t.item_type AND e.object_key = t.item_key
    ARRAY JOIN arrayFilter(n -> rules[n].item = t.item_type AND rules[n].step = e.step, arrayEnumerate(rules)) AS rule
    WHERE e.known_at <= t.version_at
    GROUP BY rule, item_type, item_key, version_at
),
opened AS (
    SELECT
        t.item_type AS item_type, t.item_key AS item_key, t.version_at AS version_at, number AS rule, rules[number] AS r,
        w.words AS words, w.told_by AS told_by, w.first_told_at AS first_told_at, w.first_state AS first_state,
        e.events AS events, e.first_event AS first_event, e.said AS said,
        arrayFirst(word -> NOT word.4, words) AS first_word,
        r.kind = 'landed' AS lands,
        if(lands, events > 0, arrayExists(word -> NOT word.4, words)) AS is_result,
        if(lands, first_event.1, first_word.1) AS opened_at,
        arrayMap((word, n) -> if(n < length(words), words[n + 1].1, never), words, arrayEnumerate(words)) AS next_words,
        -- The first moment, from the event on, at which the newest word is not that the item is gone.
        arrayFirstOrNull((word, next) -> NOT word.4 AND next > greatest(opened_at, word.1), words, next_words).1 AS there_at,
        arrayFirstOrNull(word -> word.4 AND word.1 > opened_at, words).1 AS gone_at,
        multiIf(
            lands, if(isNull(there_at), NULL, greatest(opened_at, there_at)),
            events = 0, gone_at,
            least(greatest(opened_at, first_event.1), ifNull(gone_at, never))) AS closed_at,
        multiIf(isNull(closed_at), '', NOT lands AND ifNull(gone_at, never) <= closed_at AND (events = 0 OR first_event.1 > gone_at), 'voided', 'arrived')
            AS closed_as
    FROM (
        SELECT item_type, item_key, version_at, number
        FROM touched
        ARRAY JOIN arrayFilter(n -> rules[n].item = item_type, arrayEnumerate(rules)) AS number
    ) AS t
    LEFT JOIN worded AS w ON w.rule = t.number AND w.item_type = t.item_type AND w.item_key = t.item_key AND w.version_at = t.version_at
    LEFT JOIN reached AS e ON e.rule = t.number AND e.item_type = t.item_type AND e.item_key = t.item_key AND e.version_at = t.version_at
    WHERE is_result
),
-- How far its source had read before it first told of the item: it came there after that. What the first reading found may
-- be of any age.
read_before AS (
    SELECT source, known_at, max(complete_through) OVER (PARTITION BY source ORDER BY known_at ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS through
    FROM watermarks
    WHERE known_at <= until AND source IN (SELECT told_by FROM opened WHERE NOT lands)
        AND known_at >= (SELECT min(first_told_at) FROM opened WHERE NOT lands) - toIntervalDay({recent_days:UInt16})
),
-- Which source of telemetry carried each of the steps on which day, the last day first, and since when that is known.
carriers AS (
    SELECT step, arraySort(c -> (-toInt32(c.1), c.2), groupArray((day, source, greatest(carried_known_at, heard_known_at)))) AS carried
    FROM (
        SELECT toString(step) AS step, toString(source) AS source, toDate32(occurred_at) AS day, min(known_at) AS carried_known_at
        FROM events
        WHERE workflow = {workflow:String} AND step IN (SELECT r.step FROM opened WHERE NOT lands) AND known_at <= until
            AND occurred_at >= (SELECT min(opened_at) FROM opened WHERE NOT lands) - toIntervalDay({recent_days:UInt16})
        GROUP BY step, source, day
    ) AS c
    INNER JOIN (
        SELECT toString(source) AS heard_source, min(known_at) AS heard_known_at FROM telemetry_heard GROUP BY heard_source
    ) AS h ON h.heard_source = c.source
    GROUP BY step
)
SELECT
    o.r.name AS expectation, o.r.kind AS kind, o.item_type AS item_type, o.item_key AS item_key, o.opened_at AS opened_at,
    if(o.lands, o.first_event.2, o.told_by) AS opened_by, o.r.step AS opened_step,
    o.closed_at AS closed_at,
    multiIf(o.closed_as = '', '', o.lands OR o.closed_as = 'voided', o.told_by, o.first_event.2) AS closed_by,
    o.closed_as AS closed_as, NULL AS reversed_at, [] AS failed_at,
    if(o.lands, o.said.1, o.first_state.1) AS amount, if(o.lands, o.said.2, o.first_state.2) AS currency,
    o.r.code AS code, '' AS clock, o.r.owner AS owner, 0 AS tolerance_abs, 0 AS tolerance_pct,
    multiIf(
        o.lands, o.r.sources,
        b.source = '', [],
        arrayFilter(s -> s != '', [arrayFirst(
            c -> c.1 <= toDate32(addSeconds(o.opened_at, o.r.within)) AND c.1 >= toDate32(o.opened_at) - {recent_days:UInt16}
                AND c.3 <= o.version_at, k.carried).2])) AS sources,
    CAST(if(o.lands, o.said.4, o.first_state.3), 'Map(String, String)') AS dims,
    o.said.3 AS trace_id, o.version_at AS known_at, toUInt32(length(o.words) + o.events) AS evidence,
    multiIf(
        o.r.calendar != '', o.r.calendar,
        mapContains({calendar_by:Map(String, String)}, dims[{calendar_dimension:String}]),
            {calendar_by:Map(String, String)}[dims[{calendar_dimension:String}]],
        {calendar_default:String}) AS calendar,
    -- The step may have come as long before as it may come after.
    if(o.lands, toDateTime64(0, 6, 'UTC'), subtractSeconds(least(o.opened_at, b.through), o.r.within)) AS heard_from,
    o.r.within AS within, o.r.unit AS unit
FROM opened AS o
ASOF LEFT JOIN read_before AS b ON b.source = o.told_by AND b.known_at < o.first_told_at
LEFT JOIN carriers AS k ON k.step = o.r.step
WHERE (item_type, item_key, known_at, evidence, expectation, opened_by) NOT IN (
    SELECT item_type, item_key, known_at, evidence, expectation, opened_by
    FROM expectations
    WHERE workflow = {workflow:String} AND version = {version:String} AND kind IN ('landed', 'traced')
        AND known_at > mark AND known_at <= until AND cityHash64(item_key) % {shares:UInt32} = {share:UInt32})
