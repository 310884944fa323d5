-- When the legs with `learn` were whole, of the matches that stood; a leg that was there first took no time
WITH
    {legs:Array(Tuple(name String, calendar String))} AS legs,
newest AS (
    SELECT pass, group_key, max((occurred_at, known_at, evidence)) AS version_of
    FROM matches
    WHERE rule = {rule:String} AND version = {version:String} AND known_at <= midnight AND occurred_at <= midnight
        AND (pass, group_key) IN (
            SELECT pass, group_key
            FROM matches
            WHERE rule = {rule:String} AND version = {version:String} AND known_at <= midnight
                AND closed_at > midnight - toIntervalSecond(arrayMax(learns.over_s)))
    GROUP BY pass, group_key
)
SELECT legs.name[place] AS expectation, legs.calendar[place] AS calendar, opened_at, closed_at, learns[indexOf(learns.name, expectation)].unit AS unit
FROM (
    SELECT place, lags.from[place] AS opened_at, greatest(lags.from[place], lags.until[place]) AS closed_at
    FROM matches
    ARRAY JOIN arrayEnumerate(lags.from) AS place
    WHERE rule = {rule:String} AND version = {version:String} AND verdict IN ('matched', 'matched_tol') AND outcome = 'clear'
        AND (pass, group_key, (occurred_at, known_at, evidence)) IN (SELECT pass, group_key, version_of FROM newest)
)
WHERE has(learns.name, expectation) AND closed_at <= midnight
    AND closed_at > midnight - toIntervalSecond(learns[indexOf(learns.name, expectation)].over_s)
