-- What each expectation with `learn` learns by one midnight, from the lags that had ended by then and were known then
INSERT INTO learned_windows (workflow, version, expectation, learned_at, learned, unit, window_s, window_bd, lags, quantile, over_s)
WITH
    {learns:Array(Tuple(name String, unit String, quantile Decimal(9, 6), over_s Int64, least UInt64, floor Int64, cap Int64))} AS learns,
    toDateTime64({midnight:String}, 6, 'UTC') AS midnight,
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
),
arrivals AS (
    SELECT expectation, calendar, opened_at, closed_at, learns[indexOf(learns.name, expectation)].unit AS unit
    FROM ended
    WHERE (item_type, item_key, decided, version_of) IN (SELECT item_type, item_key, decided, version_of FROM newest)
),
measured AS (
    SELECT expectation, count() AS lags, arraySort(groupArray(lag)) AS in_order
    FROM (
{lags}
    )
    GROUP BY expectation
)
SELECT
    {workflow:String}, {version:String}, r.name, midnight, m.lags >= r.least AS is_learned, r.unit,
    -- The smallest lag that so many are no longer than.
    if(r.unit = 'bd', 0,
        if(is_learned, greatest(r.floor, least(r.cap, m.in_order[toUInt64(ceil(CAST(r.quantile, 'Decimal(38, 6)') * m.lags))])), 0) AS window),
    if(r.unit = 'bd', window, 0), m.lags, r.quantile, r.over_s
FROM (SELECT arrayJoin(learns) AS r) AS asked
LEFT JOIN measured AS m ON m.expectation = asked.r.name
