-- States that differ from the last one stored for their object, and earlier ones that came late
INSERT INTO snapshots (
    system, object_type, object_key, fields, amount, currency, deleted, valid_from, captured_at, known_at, row_hash,
    source, run_id
)
WITH
stored AS (
    SELECT
        object_key,
        argMax(row_hash, (captured_at, valid_from)) AS last_hash,
        argMax(deleted, (captured_at, valid_from)) AS was_deleted,
        argMax(valid_from, (captured_at, valid_from)) AS was_from
    FROM snapshots
    WHERE object_type = {object_type:String} AND system = {system:String} AND source = {source:String}
        AND in_slice(object_key, {slices:UInt32}, {slice:UInt32})
        -- Of few objects, only those are looked up.
        AND ({slices:UInt32} > 1 OR object_key IN (SELECT object_key FROM probe_states WHERE reading = {reading:String}))
    GROUP BY object_key
),
late AS (
    SELECT number, object_key
    FROM probe_states
    WHERE reading = {reading:String} AND place = 'earlier' AND dated AND in_slice(object_key, {slices:UInt32}, {slice:UInt32})
        AND (object_key, holds_from, row_hash) NOT IN (
            SELECT object_key, valid_from, row_hash
            FROM snapshots
            WHERE object_type = {object_type:String} AND system = {system:String} AND source = {source:String}
                AND in_slice(object_key, {slices:UInt32}, {slice:UInt32})
                AND object_key IN (
                    SELECT object_key
                    FROM probe_states
                    WHERE reading = {reading:String} AND place = 'earlier' AND in_slice(object_key, {slices:UInt32}, {slice:UInt32})))
)
SELECT
    {system:String}, {object_type:String}, s.object_key, s.fields, s.amount, s.currency, s.deleted,
    -- An object that was gone and is there again holds from now, whatever time it carries.
    if(p.was_deleted AND NOT s.deleted AND s.place = 'newest' AND s.holds_from <= p.was_from,
        greatest(s.holds_from, {as_of:DateTime64(6, 'UTC')}), s.holds_from),
    {captured_at:DateTime64(6, 'UTC')}, {known_at:DateTime64(6, 'UTC')}, s.row_hash, {source:String}, {run_id:String}
FROM probe_states AS s
LEFT JOIN stored AS p ON p.object_key = s.object_key
WHERE s.reading = {reading:String} AND in_slice(s.object_key, {slices:UInt32}, {slice:UInt32}) AND (
    s.number IN (SELECT number FROM late)
    -- With an earlier state added, the newest is repeated, so that what was captured last is what holds.
    OR (s.place = 'newest' AND (s.row_hash != p.last_hash OR s.object_key IN (SELECT object_key FROM late)))
)
