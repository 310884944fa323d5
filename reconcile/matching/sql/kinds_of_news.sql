-- Kinds of records of which something became known since the mark: object types, and steps of the workflow
WITH
    toDateTime64({mark:String}, 6, 'UTC') AS mark,
    toDateTime64({until:String}, 6, 'UTC') AS until
SELECT DISTINCT toString(object_type) AS kind
FROM snapshots
WHERE known_at > mark AND known_at <= until AND object_type IN {types:Array(String)}
UNION ALL
SELECT DISTINCT toString(step)
FROM events
WHERE known_at > mark AND known_at <= until AND workflow = {workflow:String} AND step IN {steps:Array(String)}
