-- What the reading holds: how many records, how many set aside, how far the cursor and the completeness column got
WITH
    text -> parseDateTime64BestEffortOrNull(text, 6, {timezone:String}) AS time_of
SELECT
    countIf(flaw IN ('', 'bad_line')) AS records,
    (SELECT countIf(place = 'aside' AND reason NOT IN ('not_whole', 'remark')) FROM probe_states WHERE reading = {reading:String})
        AS rejected,
    countIf(flaw = 'bad_line') AS broken_lines,
    countIf(flaw = 'remark') AS remarks,
    countIf(mapContains(fields, {cursor:String})) AS with_cursor,
    multiIf(
        {cursor_type:String} IN ('time', 'local_time'),
            formatDateTime(toTimeZone(least(max(time_of(fields[{cursor:String}])), {end:DateTime64(6, 'UTC')}), 'UTC'), '%Y-%m-%dT%H:%i:%S.%fZ'),
        {cursor_type:String} = 'number', toString(max(toDecimal256OrNull(fields[{cursor:String}], 10))),
        max(fields[{cursor:String}])) AS newest_cursor,
    toTimeZone(max(time_of(fields[{complete:String}])), 'UTC') AS newest_complete
FROM probe_rows
WHERE reading = {reading:String}
