-- Versions of the links whose target must exist, for items with new links or targets that appeared
INSERT INTO expectations (
    workflow, version, expectation, kind, item_type, item_key, opened_at, opened_by, opened_step, due_at,
    closed_at, closed_by, closed_as, reversed_at, failed_at, amount, currency,
    code, clock, owner, tolerance_abs, tolerance_pct, sources, dims, trace_id, known_at, evidence
)
WITH
    {rules:Array(Tuple(
        name String, item String, code String, owner String, within_s Int64, role String, target String,
        sources Array(String)))} AS rules,
    toDateTime64({mark:String}, 6, 'UTC') AS mark,
    toDateTime64({until:String}, 6, 'UTC') AS until,
links AS (
    SELECT rule, from_type, from_key, to_key, min(valid_from) AS linked_at, min(known_at) AS linked_known_at
    FROM object_links
    ARRAY JOIN arrayFilter(r -> r.item = from_type AND r.role = role AND r.target = to_type, rules) AS rule
    WHERE workflow = {workflow:String} AND known_at <= until
    GROUP BY rule, from_type, from_key, to_key
),
-- The first time each target was seen to exist, as known at each moment.
targets AS (
    SELECT object_type, object_key, known_at AS seen_known_at, min(valid_from) AS seen_at
    FROM snapshots
    WHERE NOT deleted AND known_at <= until AND has(arrayMap(r -> r.target, rules), object_type)
    GROUP BY object_type, object_key, known_at
),
touched AS (
    SELECT DISTINCT from_type, from_key, linked_known_at AS version_at FROM links WHERE linked_known_at > mark
    UNION DISTINCT
    SELECT DISTINCT from_type, from_key, greatest(linked_known_at, seen_known_at) AS version_at
    FROM links INNER JOIN targets ON object_type = rule.target AND object_key = to_key
    WHERE version_at > mark
),
found AS (
    SELECT
        l.rule AS r, t.from_type AS item_type, t.from_key AS item_key, l.to_key AS target_key, t.version_at AS version_at,
        l.linked_at AS opened_at, minIf(s.seen_at, s.seen_known_at <= t.version_at) AS seen,
        countIf(s.object_key != '' AND s.seen_known_at <= t.version_at) > 0 AS exists_now
    FROM touched AS t
    INNER JOIN links AS l ON l.from_type = t.from_type AND l.from_key = t.from_key
    LEFT JOIN targets AS s ON s.object_type = l.rule.target AND s.object_key = l.to_key
    WHERE l.linked_known_at <= t.version_at
    GROUP BY r, item_type, item_key, target_key, version_at, opened_at
),
segments AS (
    SELECT
        object_type, object_key,
        arrayFold((acc, x) -> mapUpdate(acc, x.2), arraySort(x -> x.1, groupArray((occurred_at, CAST(mapFilter((k, v) -> v != '', dims), 'Map(String, String)')))),
            CAST(map(), 'Map(String, String)')) AS item_dims
    FROM event_objects
    WHERE workflow = {workflow:String} AND known_at <= until
        AND (object_type, object_key) IN (SELECT item_type, item_key FROM found)
    GROUP BY object_type, object_key
)
SELECT
    {workflow:String}, {version:String}, r.name, 'reference', item_type, item_key, opened_at, target_key, '',
    addSeconds(opened_at, r.within_s),
    if(exists_now, greatest(opened_at, seen), NULL), if(exists_now, target_key, ''), if(exists_now, 'arrived', ''),
    NULL, [], NULL, '',
    r.code, '', r.owner, 0, 0, r.sources, item_dims, '', version_at,
    toUInt32(sum(1 + exists_now) OVER (PARTITION BY item_type, item_key, version_at)) AS evidence
FROM found
LEFT JOIN segments ON object_type = item_type AND object_key = item_key
QUALIFY (item_type, item_key, version_at, evidence) NOT IN (
    SELECT item_type, item_key, known_at, evidence
    FROM expectations
    WHERE workflow = {workflow:String} AND version = {version:String} AND kind = 'reference'
        AND known_at > mark AND known_at <= until
)
