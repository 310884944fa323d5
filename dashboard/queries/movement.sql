-- Exceptions that began and ended, by period before V
SELECT
    toUInt32(intDiv(toUnixTimestamp64Micro({as_of:DateTime64(6, 'UTC')}) - toUnixTimestamp64Micro(move.1), {period_us:Int64})) AS period,
    countIf(move.2 = 'begun') AS begun,
    countIf(move.2 = 'ended') AS ended
FROM (
    SELECT arrayJoin([
        (CAST(detected_at, 'Nullable(DateTime64(6, \'UTC\'))'), 'begun'),
        (if(is_open = 1, NULL, least(resolved_at, {as_of:DateTime64(6, 'UTC')})), 'ended')]) AS move
    FROM exceptions_at(as_of = {as_of:DateTime64(6, 'UTC')}, known_at = {known_at:DateTime64(6, 'UTC')})
    WHERE workflow = {workflow:String}
)
WHERE isNotNull(move.1)
GROUP BY period
HAVING period < {periods:UInt32}
ORDER BY period
