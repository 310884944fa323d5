-- How many states of records became known since the mark
SELECT count() AS news
FROM match_records
WHERE stream = stream_of({rule:String}, {version:String}, {pass:UInt8})
    AND known_at > toDateTime64({mark:String}, 6, 'UTC') AND known_at <= toDateTime64({until:String}, 6, 'UTC')
