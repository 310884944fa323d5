-- title: Stuck work
-- description: "Where work stands still. Cut by opened_step it shows the stage each item has not left."
-- unit: count
-- direction: lower_is_better
-- kind: stock
-- measures:
--   - {name: stuck, unit: count, title: Steps past their allowance}
--   - {name: amount, unit: currency, title: Money in them}
--   - {name: without_amount, unit: count, title: Without a known amount}
--   - {name: oldest, unit: days, title: Longest past its allowance}
--   - {name: business_oldest, unit: days, title: "Longest past its allowance in business days, of those with a calendar"}
--   - {name: waiting, unit: count, title: Waiting within their allowance}
-- formula: K21, stock per stage past the stage allowance; days by the dates of the calendar, of UTC without one
-- inputs: [waits_at]
-- dimensions: [all, opened_step]
-- every: 15m
WITH
judged AS (
    SELECT
        multiIf(
            {dimension:String} = '', 'total', {dimension:String} = 'opened_step', toString(opened_step),
            dims[{dimension:String}] = '', 'unmapped', dims[{dimension:String}]) AS segment,
        state = 'MISSING' AS is_stuck, state = 'UNKNOWN' AS is_unknown, state IN ('NOT_DUE', 'IN_FLIGHT') AS is_waiting,
        days_past, business_days_past,
        if(currency = '', 'XXX', toString(currency)) AS code, abs(amount) AS money
    FROM waits_at(as_of = {as_of:DateTime64(6, 'UTC')}, known_at = {known_at:DateTime64(6, 'UTC')})
    WHERE workflow = {workflow:String}
),
counted AS (
    SELECT
        segment,
        countIf(is_stuck) AS items, countIf(is_unknown) AS unknowns, countIf(is_waiting) AS waiting,
        countIf(is_stuck AND isNull(money)) AS without_money, maxIf(days_past, is_stuck) AS longest,
        maxIf(business_days_past, is_stuck) AS business_longest, countIf(is_stuck AND isNotNull(business_days_past)) AS business_items,
        arraySort(groupUniqArrayIf(code, (is_stuck OR is_unknown) AND isNotNull(money))) AS codes,
        sumMapIf(map(code, assumeNotNull(money)), is_stuck AND isNotNull(money)) AS stuck_money,
        sumMapIf(map(code, assumeNotNull(money)), is_unknown AND isNotNull(money)) AS unknown_money
    FROM judged
    GROUP BY segment
),
-- What a figure is divided by; nothing due gives none.
toFloat64(multiIf(figure.2 IN ('ratio', 'number'), nullIf(figure.5, 0), figure.2 = 'per_1000', nullIf(figure.5, 0) / 1000, 1)) AS per
SELECT
    segment, figure.1 AS measure, figure.2 AS unit,
    if(figure.4 = 0, toFloat64(figure.3) / per, NULL) AS value,
    -- Unknown items make an interval: all of them fail, all of them pass.
    if(figure.4 = 0, NULL, toFloat64(figure.3) / per) AS low,
    if(figure.4 = 0, NULL, toFloat64(figure.3 + figure.4) / per) AS high,
    figure.3 AS numerator, figure.5 AS denominator, figure.6 AS n
FROM counted
ARRAY JOIN arrayConcat(
    [
        ('stuck', 'count', toDecimal128(items, 6), toDecimal128(unknowns, 6), NULL, items),
        ('without_amount', 'count', toDecimal128(without_money, 6), toDecimal128(0, 6), NULL, items),
        ('waiting', 'count', toDecimal128(waiting, 6), toDecimal128(0, 6), NULL, waiting)],
    if(items = 0, [], [('oldest', 'days', toDecimal128(longest, 6), toDecimal128(0, 6), NULL, items)]),
    if(business_items = 0, [], [
        ('business_oldest', 'days', toDecimal128(assumeNotNull(business_longest), 6), toDecimal128(0, 6), NULL, business_items)]),
    arrayMap(c -> ('amount', c, stuck_money[c], unknown_money[c], NULL, items), codes)) AS figure
