-- Whether keys with news were left over by the statement that decides most of them, where nothing was decided before this run
SELECT count() > 0 AS some
FROM (
    SELECT 1
    FROM match_records
    WHERE stream = stream_of({rule:String}, {version:String}, {pass:UInt8})
        AND known_at > toDateTime64({mark:String}, 6, 'UTC') AND known_at <= toDateTime64({until:String}, 6, 'UTC')
        AND key >= {from_key:String} AND ({to_end:Bool} OR key < {to_key:String})
        AND key NOT IN (
            SELECT group_key
            FROM matches
            WHERE rule = {rule:String} AND version = {version:String} AND pass = {pass:UInt8}
                AND known_at > toDateTime64({mark:String}, 6, 'UTC') AND known_at <= toDateTime64({until:String}, 6, 'UTC')
                AND group_key >= {from_key:String} AND ({to_end:Bool} OR group_key < {to_key:String}))
    LIMIT 1
)
