-- Objects around the legs that may have changed since the mark. A path of up to three links that has a new one runs
-- only through objects at most two links away from it.
WITH
    {legs:Array(Tuple(
        rule String, item String, leg String, expected Bool, step String, roles Array(String), types Array(String)))} AS legs,
    arrayDistinct(arrayFlatten(arrayMap(l -> l.roles, legs))) AS roles,
    toDateTime64({mark:String}, 6, 'UTC') AS mark,
    toDateTime64({until:String}, 6, 'UTC') AS until,
new AS (
    SELECT arrayJoin([(toString(from_type), from_key), (toString(to_type), to_key)]) AS thing
    FROM object_links
    WHERE workflow = {workflow:String} AND known_at > mark AND known_at <= until AND has(roles, role)
),
near AS (
    SELECT thing FROM new
    UNION ALL
    SELECT (toString(to_type), to_key) FROM object_links
    WHERE workflow = {workflow:String} AND known_at <= until AND has(roles, role)
        AND (from_type, from_key) IN (SELECT thing.1, thing.2 FROM new)
    UNION ALL
    SELECT (toString(from_type), from_key) FROM object_links
    WHERE workflow = {workflow:String} AND known_at <= until AND has(roles, role)
        AND (to_type, to_key) IN (SELECT thing.1, thing.2 FROM new)
)
SELECT groupUniqArray({most:UInt32})(thing) AS things
FROM (
    SELECT thing FROM near
    UNION ALL
    SELECT (toString(to_type), to_key) FROM object_links
    WHERE workflow = {workflow:String} AND known_at <= until AND has(roles, role)
        AND (from_type, from_key) IN (SELECT thing.1, thing.2 FROM near)
    UNION ALL
    SELECT (toString(from_type), from_key) FROM object_links
    WHERE workflow = {workflow:String} AND known_at <= until AND has(roles, role)
        AND (to_type, to_key) IN (SELECT thing.1, thing.2 FROM near)
    UNION ALL
    SELECT (toString(object_type), object_key) FROM event_objects
    WHERE workflow = {workflow:String} AND known_at > mark AND known_at <= until
        AND has(arrayMap(l -> l.step, legs), step)
)
