-- What arrived of the expectations with `learn`, as it was known last
WITH
ended AS (
    SELECT item_type, item_key, decided, version_of, expectation, calendar, opened_at, closed_at
    FROM (
        SELECT
            toString(item_type) AS item_type, item_key, toString(expectation) AS expectation, toString(calendar) AS calendar,
            opened_at, assumeNotNull(closed_at) AS closed_at, kind = 'landed' AS decided, (known_at, evidence) AS version_of,
            learns[indexOf(learns.name, toString(expectation))].over_s AS over_s
        FROM expectations
        WHERE workflow = {workflow:String} AND version = {version:String} AND known_at <= midnight
            AND has(learns.name, toString(expectation)) AND closed_as = 'arrived' AND closed_at <= midnight
    )
    WHERE closed_at > midnight - toIntervalSecond(over_s)
),
-- Of each item what was known last; what an older version of it says was put right since.
newest AS (
    SELECT toString(item_type) AS item_type, item_key, kind = 'landed' AS decided, max((known_at, evidence)) AS version_of
    FROM expectations
    WHERE workflow = {workflow:String} AND version = {version:String} AND known_at <= midnight AND kind NOT IN ('reference')
        AND (item_type, item_key) IN (SELECT item_type, item_key FROM ended)
    GROUP BY item_type, item_key, decided
)
SELECT expectation, calendar, opened_at, closed_at, learns[indexOf(learns.name, expectation)].unit AS unit
FROM ended
WHERE (item_type, item_key, decided, version_of) IN (SELECT item_type, item_key, decided, version_of FROM newest)
