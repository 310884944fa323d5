-- Items whose references may have changed since the mark: new links, new states of their targets, new events of theirs
WITH
    {rules:Array(Tuple(
        name String, item String, code String, owner String, within Int64, unit String, calendar String,
        role String, target String, sources Array(String)))} AS rules,
    toDateTime64({mark:String}, 6, 'UTC') AS mark,
    toDateTime64({until:String}, 6, 'UTC') AS until
SELECT groupUniqArray({most:UInt32})((item_type, item_key)) AS things
FROM (
    SELECT toString(from_type) AS item_type, from_key AS item_key
    FROM object_links
    WHERE workflow = {workflow:String} AND known_at > mark AND known_at <= until
        AND has(arrayMap(r -> r.role, rules), role)
    UNION ALL
    SELECT toString(from_type), from_key
    FROM object_links
    WHERE workflow = {workflow:String} AND known_at <= until AND has(arrayMap(r -> r.role, rules), role)
        AND (to_type, to_key) IN (
            SELECT object_type, object_key
            FROM snapshots
            WHERE known_at > mark AND known_at <= until AND has(arrayMap(r -> r.target, rules), object_type))
    UNION ALL
    SELECT toString(object_type), object_key
    FROM event_objects
    WHERE workflow = {workflow:String} AND known_at > mark AND known_at <= until
        AND has(arrayMap(r -> r.item, rules), object_type)
)
