-- How many records, among those with news since the mark, have ever stood under another key
SELECT count() AS records
FROM (
    SELECT leg, record
    FROM match_records
    WHERE rule = {rule:String} AND version = {version:String} AND pass = 1 AND known_at <= toDateTime64({until:String}, 6, 'UTC')
        AND record IN (
            SELECT record
            FROM match_records
            WHERE rule = {rule:String} AND version = {version:String} AND pass = 1
                AND known_at > toDateTime64({mark:String}, 6, 'UTC') AND known_at <= toDateTime64({until:String}, 6, 'UTC'))
    GROUP BY leg, record
    HAVING uniqExact(keys[1]) > 1
)
