-- How many events of a workflow fall into each of some periods that end at V
SELECT sumForEach(arrayMap(
    length_us -> toUInt64(toUnixTimestamp64Micro({as_of:DateTime64(6, 'UTC')}) - toUnixTimestamp64Micro(occurred_at) < length_us),
    {lengths_us:Array(Int64)})) AS event_counts
FROM events
WHERE workflow = {workflow:String}
    AND occurred_at <= {as_of:DateTime64(6, 'UTC')} AND known_at <= {known_at:DateTime64(6, 'UTC')}
