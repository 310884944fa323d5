-- How long a table keeps its rows, in seconds, when we have said so; nothing when it keeps them or somebody else decides.
SELECT toUInt64OrNull(extract(engine_full, 'TTL toDateTime\\((?:known_at|End)\\) \\+ toIntervalSecond\\(_CAST\\((\\d+)')) AS seconds
FROM system.tables
WHERE database = currentDatabase() AND name = {table:String}
