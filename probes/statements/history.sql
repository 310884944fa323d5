-- States that were read for a time gone by: what is known since stays what holds
INSERT INTO snapshots (
    system, object_type, object_key, fields, amount, currency, deleted, valid_from, captured_at, known_at, row_hash,
    source, run_id
)
WITH
stored AS (
    SELECT
        object_key,
        argMax(tuple(fields, amount, currency, deleted, valid_from, row_hash), (captured_at, valid_from)) AS newest
    FROM snapshots
    WHERE object_type = {object_type:String} AND system = {system:String} AND source = {source:String}
        AND in_slice(object_key, {slices:UInt32}, {slice:UInt32})
        AND object_key IN (SELECT object_key FROM probe_states WHERE reading = {reading:String} AND place != 'aside')
    GROUP BY object_key
),
fresh AS (
    SELECT s.*, stored.object_key != '' AND s.holds_from < stored.newest.5 AS older
    FROM probe_states AS s
    LEFT JOIN stored ON stored.object_key = s.object_key
    WHERE s.reading = {reading:String} AND s.place IN ('newest', 'earlier')
        AND in_slice(s.object_key, {slices:UInt32}, {slice:UInt32})
        AND (s.object_key, s.holds_from, s.row_hash) NOT IN (
            SELECT object_key, valid_from, row_hash
            FROM snapshots
            WHERE object_type = {object_type:String} AND system = {system:String} AND source = {source:String}
                AND object_key IN (SELECT object_key FROM stored))
        AND (older OR stored.object_key = '' OR s.row_hash != stored.newest.6)
)
SELECT
    {system:String}, {object_type:String}, state.1, state.2, state.3, state.4, state.5, state.6,
    {captured_at:DateTime64(6, 'UTC')}, {known_at:DateTime64(6, 'UTC')}, state.7, {source:String}, {run_id:String}
FROM (
    SELECT tuple(object_key, fields, amount, currency, deleted, holds_from, row_hash) AS state FROM fresh
    UNION ALL
    -- What was captured last is what holds, so the newest state is captured again behind an older one.
    SELECT tuple(object_key, newest.1, newest.2, newest.3, newest.4, newest.5, newest.6)
    FROM stored
    WHERE object_key IN (SELECT object_key FROM fresh WHERE older)
)
