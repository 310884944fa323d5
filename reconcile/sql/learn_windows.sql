-- What everything with `learn` learns by one midnight, from the lags that had ended by then and were known then
INSERT INTO learned_windows (workflow, version, expectation, learned_at, learned, unit, window_s, window_bd, lags, quantile, over_s)
WITH
    {learns:Array(Tuple(name String, unit String, quantile Decimal(9, 6), over_s Int64, least UInt64, floor Int64, cap Int64))} AS learns,
    toDateTime64({midnight:String}, 6, 'UTC') AS midnight,
arrivals AS (
{arrivals}
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
