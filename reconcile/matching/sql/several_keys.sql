-- How many records, among those with news since the mark, have ever stood under another key
SELECT count() AS records
FROM (
    SELECT record_hash
    FROM match_records
    WHERE stream = stream_of({rule:String}, {version:String}, 1)
        AND record_hash >= {from_hash:UInt64} AND record_hash <= {to_hash:UInt64}
        AND ({everything:Bool} OR record_hash IN (
            SELECT record_hash
            FROM match_records
            WHERE stream = stream_of({rule:String}, {version:String}, 1)
                AND known_at > toDateTime64({mark:String}, 6, 'UTC') AND known_at <= toDateTime64({until:String}, 6, 'UTC')))
    GROUP BY record_hash
    HAVING min(cityHash64(key)) != max(cityHash64(key))
)
