-- What the values of each column look like: number, time, boolean, list, or text where they differ; the first records tell
SELECT
    column AS name, count() AS filled,
    multiIf(
        countIf(NOT match(value, '^[+-]?([0-9]+[.]?[0-9]*|[.][0-9]+)([eE][+-]?[0-9]{1,2})?$')) = 0, 'number',
        countIf(NOT match(value, '^[0-9]{4}-[0-9]{2}-[0-9]{2}([T ][0-9]{2}:[0-9]{2}|$)')) = 0, 'time',
        countIf(value NOT IN ('true', 'false')) = 0, 'boolean',
        countIf(NOT match(value, '^[\\[{]')) = 0, 'list',
        'text') AS looks_like
FROM (
    SELECT arrayJoin(fields) AS pair, pair.1 AS column, trimBoth(pair.2) AS value
    FROM probe_rows
    WHERE reading = {reading:String} AND broken = '' AND number <= 100000
)
WHERE value != ''
GROUP BY column
ORDER BY column
