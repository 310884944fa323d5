-- Objects of this source that were there and are not in a complete reading: how many, and of how many
SELECT
    countIf(object_key NOT IN (
        SELECT object_key FROM probe_states WHERE reading = {reading:String} AND in_slice(object_key, {slices:UInt32}, {slice:UInt32}))) AS absent,
    count() AS live
FROM (
    SELECT object_key
    FROM snapshots
    WHERE object_type = {object_type:String} AND system = {system:String} AND source = {source:String}
        AND in_slice(object_key, {slices:UInt32}, {slice:UInt32})
    GROUP BY object_key
    HAVING NOT argMax(deleted, (captured_at, valid_from))
)
