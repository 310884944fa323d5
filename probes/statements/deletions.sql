-- An object absent from a complete reading is gone: that is a fact with a time of its own
INSERT INTO snapshots (
    system, object_type, object_key, fields, amount, currency, deleted, valid_from, captured_at, known_at, row_hash,
    source, run_id
)
SELECT
    {system:String}, {object_type:String}, object_key, map(), NULL, '', true,
    -- The last state is known to have held; the end of it cannot come before its beginning.
    greatest({as_of:DateTime64(6, 'UTC')}, last_from),
    {captured_at:DateTime64(6, 'UTC')}, {known_at:DateTime64(6, 'UTC')}, 'absent', {source:String}, {run_id:String}
FROM (
    SELECT object_key, max(valid_from) AS last_from
    FROM snapshots
    WHERE object_type = {object_type:String} AND system = {system:String} AND source = {source:String}
        AND in_slice(object_key, {slices:UInt32}, {slice:UInt32})
    GROUP BY object_key
    HAVING NOT argMax(deleted, (captured_at, valid_from))
)
WHERE object_key NOT IN (
    SELECT object_key FROM probe_states WHERE reading = {reading:String} AND in_slice(object_key, {slices:UInt32}, {slice:UInt32}))
