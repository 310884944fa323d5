-- How many states of records became known since the mark
SELECT count() AS news
FROM match_records
WHERE rule = {rule:String} AND version = {version:String} AND pass = {pass:UInt8}
    AND known_at > toDateTime64({mark:String}, 6, 'UTC') AND known_at <= toDateTime64({until:String}, 6, 'UTC')
