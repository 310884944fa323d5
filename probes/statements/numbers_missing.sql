-- Series whose sender leaves no number out, and the first gap in each. More than half of all numbers away is a new beginning.
WITH
given AS (
    SELECT series, number, max(last) AS highest FROM control_numbers WHERE probe = {source:String} AND last > 0 GROUP BY series, number
),
span AS (
    SELECT series, min(number) AS low, max(number) AS high, max(highest) AS end FROM given GROUP BY series
),
known AS (
    SELECT g.series AS series, g.number AS number, s.end AS end FROM given AS g INNER JOIN span AS s ON s.series = g.series
    UNION DISTINCT
    SELECT series, arrayJoin(arrayFilter(n -> n BETWEEN low AND high, {excused:Array(UInt64)})) AS number, end FROM span
)
SELECT series, count() AS gaps, min(number) + 1 AS first_missing, argMin(following, number) - 1 AS last_missing
FROM (
    SELECT
        series, number, end,
        leadInFrame(number, 1, number) OVER (
            PARTITION BY series ORDER BY number ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING) AS following
    FROM known
)
WHERE following > number + 1 AND following - number < intDiv(end, 2)
GROUP BY series
ORDER BY series
