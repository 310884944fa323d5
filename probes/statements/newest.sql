-- The newest business time of a full reading, and of all that was ever stored of its source
SELECT
    (SELECT max(holds_from) FROM probe_states WHERE reading = {reading:String} AND place != 'aside' AND dated) AS read_to,
    (SELECT count() FROM probe_states WHERE reading = {reading:String} AND place != 'aside' AND dated) AS records,
    (
        SELECT max(valid_from)
        FROM snapshots
        WHERE object_type = {object_type:String} AND system = {system:String} AND source = {source:String} AND row_hash != 'absent'
    ) AS newest_ever
