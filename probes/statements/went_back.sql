-- Whether a full reading is older than what is stored: its newest business time, records that are older, records that are gone
WITH
stored AS (
    SELECT
        object_key,
        argMax(valid_from, (captured_at, valid_from)) AS was_from,
        argMax(row_hash, (captured_at, valid_from)) AS last_hash
    FROM snapshots
    WHERE object_type = {object_type:String} AND system = {system:String} AND source = {source:String}
    GROUP BY object_key
    HAVING NOT argMax(deleted, (captured_at, valid_from))
),
reading AS (
    SELECT object_key, max(holds_from) AS read_from, argMax(row_hash, (holds_from, number)) AS read_hash
    FROM probe_states
    WHERE reading = {reading:String} AND place != 'aside' AND dated
    GROUP BY object_key
),
bounds AS (
    SELECT (SELECT max(was_from) FROM stored) AS newest_stored, (SELECT max(read_from) FROM reading) AS newest_read
)
SELECT
    any(bounds.newest_stored) AS stored_to, any(bounds.newest_read) AS read_to,
    read_to < stored_to AS went_back,
    countIf(r.object_key != '' AND r.read_from < s.was_from AND r.read_hash != s.last_hash) AS older,
    countIf(s.object_key NOT IN (SELECT object_key FROM probe_states WHERE reading = {reading:String})) AS lost,
    countIf(s.object_key NOT IN (SELECT object_key FROM probe_states WHERE reading = {reading:String})
        AND s.was_from > bounds.newest_read) AS lost_newer
FROM stored AS s
CROSS JOIN bounds
LEFT JOIN reading AS r ON r.object_key = s.object_key
