-- How many records, among those with news since the mark, have ever stood under another key
SELECT count() AS records
FROM (
    SELECT cityHash64(leg, record) AS its_hash
    FROM match_records
    WHERE rule = {rule:String} AND version = {version:String} AND pass = 1
        AND cityHash64(leg, record) >= {from_hash:UInt64} AND cityHash64(leg, record) <= {to_hash:UInt64}
        AND ({everything:Bool} OR cityHash64(leg, record) IN (
            SELECT cityHash64(leg, record)
            FROM match_records
            WHERE rule = {rule:String} AND version = {version:String} AND pass = 1
                AND known_at > toDateTime64({mark:String}, 6, 'UTC') AND known_at <= toDateTime64({until:String}, 6, 'UTC')))
    GROUP BY its_hash
    HAVING min(key) != max(key)
)
