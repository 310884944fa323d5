-- Versions of the links whose target must exist, for items with news of their links, their targets or themselves
WITH
    {rules:Array(Tuple(
        name String, item String, code String, owner String, within Int64, unit String, calendar String,
        role String, target String, sources Array(String)))} AS rules,
    {steps:Array(String)} AS steps,
    toDateTime64({mark:String}, 6, 'UTC') AS mark,
    toDateTime64({until:String}, 6, 'UTC') AS until,
    toDateTime64('2299-01-01 00:00:00', 6, 'UTC') AS never,
links AS (
    SELECT rule, from_type, from_key, to_key, valid_from, known_at
    FROM object_links
    ARRAY JOIN arrayFilter(r -> r.item = from_type AND r.role = role AND r.target = to_type, rules) AS rule
    WHERE workflow = {workflow:String} AND known_at <= until
        AND ({all:Bool} OR (from_type, from_key) IN {things:Array(Tuple(String, String))})
),
states AS (
    SELECT object_type, object_key, valid_from, known_at, row_hash, deleted
    FROM snapshots
    WHERE known_at <= until AND (object_type, object_key) IN (SELECT rule.target, to_key FROM links)
),
-- Events of the items: they say in which segments a link came to be.
happened AS (
    SELECT object_type, object_key, step, occurred_at, known_at, event_id,
        CAST(mapFilter((k, v) -> v != '', dims), 'Map(String, String)') AS said
    FROM event_objects
    WHERE workflow = {workflow:String} AND known_at <= until
        AND (object_type, object_key) IN (SELECT from_type, from_key FROM links)
),
touched AS (
    SELECT from_type, from_key, known_at AS version_at FROM links WHERE known_at > mark
    UNION DISTINCT
    SELECT l.from_type, l.from_key, s.known_at
    FROM links AS l
    INNER JOIN states AS s ON s.object_type = l.rule.target AND s.object_key = l.to_key
    -- A link that became known later tells by its own row.
    WHERE s.known_at > mark AND l.known_at <= s.known_at
    UNION DISTINCT
    SELECT object_type, object_key, known_at FROM happened WHERE known_at > mark
),
found AS (
    SELECT
        l.rule AS r, t.from_type AS item_type, t.from_key AS item_key, l.to_key AS target_key, t.version_at AS version_at,
        min(l.valid_from) AS opened_at, count() AS link_rows
    FROM touched AS t
    INNER JOIN links AS l ON l.from_type = t.from_type AND l.from_key = t.from_key
    WHERE l.known_at <= t.version_at
    GROUP BY r, item_type, item_key, target_key, version_at
),
-- What was told of each target by then, in order, and when the next word came.
told AS (
    SELECT
        f.*,
        arraySort(groupArrayIf((s.valid_from, s.known_at, s.row_hash, s.deleted), s.object_key != '' AND s.known_at <= f.version_at))
            AS words,
        arrayMap((word, n) -> if(n < length(words), words[n + 1].1, never), words, arrayEnumerate(words)) AS next_words,
        -- The first moment, from the link on, at which the newest word is not that the target is gone.
        arrayFilter((word, next) -> NOT word.4 AND next > greatest(f.opened_at, word.1), words, next_words) AS of_existence
    FROM found AS f
    LEFT JOIN states AS s ON s.object_type = f.r.target AND s.object_key = f.target_key
    GROUP BY ALL
),
placed AS (
    SELECT
        t.*,
        groupArrayIf(
            ((h.occurred_at, indexOf(steps, h.step), h.event_id), h.said),
            h.object_key != '' AND h.known_at <= t.version_at AND h.occurred_at <= t.opened_at) AS segments
    FROM told AS t
    LEFT JOIN happened AS h ON h.object_type = t.item_type AND h.object_key = t.item_key
    GROUP BY ALL
)
SELECT
    r.name AS expectation, 'reference' AS kind, item_type, item_key, opened_at, target_key AS opened_by, '' AS opened_step,
    if(empty(of_existence), NULL, greatest(opened_at, of_existence[1].1)) AS closed_at,
    if(empty(of_existence), '', target_key) AS closed_by, if(empty(of_existence), '', 'arrived') AS closed_as,
    NULL AS reversed_at, [] AS failed_at, NULL AS amount, '' AS currency,
    r.code AS code, '' AS clock, r.owner AS owner, 0 AS tolerance_abs, 0 AS tolerance_pct, r.sources AS sources,
    arrayFold((acc, x) -> mapUpdate(acc, x.2), arraySort(x -> x.1, segments), CAST(map(), 'Map(String, String)')) AS dims,
    '' AS trace_id, version_at AS known_at,
    toUInt32(sum(link_rows + length(words) + length(segments)) OVER (PARTITION BY item_type, item_key, version_at)) AS evidence,
    multiIf(
        r.calendar != '', r.calendar,
        mapContains({calendar_by:Map(String, String)}, dims[{calendar_dimension:String}]),
            {calendar_by:Map(String, String)}[dims[{calendar_dimension:String}]],
        {calendar_default:String}) AS calendar,
    toDateTime64(0, 6, 'UTC') AS heard_from,
    r.within AS within, r.unit AS unit
FROM placed
QUALIFY (item_type, item_key, version_at, evidence, r.name, target_key) NOT IN (
    SELECT item_type, item_key, known_at, evidence, expectation, opened_by
    FROM expectations
    WHERE workflow = {workflow:String} AND version = {version:String} AND kind = 'reference'
        AND known_at > mark AND known_at <= until
)
