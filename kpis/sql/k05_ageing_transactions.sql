-- title: Ageing transactions
-- description: "Items with a step overdue, each counted once; its money is the largest amount at stake."
-- unit: count
-- direction: lower_is_better
-- kind: stock
-- measures:
--   - {name: items, unit: count, title: Items past their time}
--   - {name: amount, unit: currency, title: Money in them}
--   - {name: without_amount, unit: count, title: Items without a known amount}
--   - {name: oldest, unit: days, title: Longest past its time}
--   - {name: business_oldest, unit: days, title: "Longest past its time in business days, of those with a calendar"}
--   - {name: count_0_1, unit: count, title: 0 to 1 day past}
--   - {name: count_2_3, unit: count, title: 2 to 3 days past}
--   - {name: count_4_7, unit: count, title: 4 to 7 days past}
--   - {name: count_8_30, unit: count, title: 8 to 30 days past}
--   - {name: count_31_60, unit: count, title: 31 to 60 days past}
--   - {name: count_61_90, unit: count, title: 61 to 90 days past}
--   - {name: count_over_90, unit: count, title: More than 90 days past}
--   - {name: business_count_0_1, unit: count, title: "0 to 1 business day past, of those with a calendar"}
--   - {name: business_count_2_3, unit: count, title: 2 to 3 business days past}
--   - {name: business_count_4_7, unit: count, title: 4 to 7 business days past}
--   - {name: business_count_8_30, unit: count, title: 8 to 30 business days past}
--   - {name: business_count_31_60, unit: count, title: 31 to 60 business days past}
--   - {name: business_count_61_90, unit: count, title: 61 to 90 business days past}
--   - {name: business_count_over_90, unit: count, title: More than 90 business days past}
-- formula: K05, items not terminal and past expected-by, by stage; age = V − due of the step longest overdue, in calendar days by the dates of the calendar, of UTC without one
-- inputs: [waits_at]
-- dimensions: [all, opened_step]
-- every: 15m
WITH
['0-1', '2-3', '4-7', '8-30', '31-60', '61-90', '>90'] AS buckets,
['0_1', '2_3', '4_7', '8_30', '31_60', '61_90', 'over_90'] AS names,
items AS (
    SELECT
        multiIf(
            {dimension:String} = '', 'total', {dimension:String} = 'opened_step', toString(opened_step),
            dims[{dimension:String}] = '', 'unmapped', dims[{dimension:String}]) AS segment,
        item_type, item_key,
        countIf(state = 'MISSING') AS overdue, countIf(state = 'UNKNOWN') AS unclear,
        maxIf(days_past, state IN ('MISSING', 'UNKNOWN')) AS age,
        maxIf(business_days_past, state IN ('MISSING', 'UNKNOWN')) AS business_age,
        arraySort(groupUniqArrayIf(if(currency = '', 'XXX', toString(currency)), state IN ('MISSING', 'UNKNOWN') AND isNotNull(amount))) AS item_codes,
        maxMapIf(map(if(currency = '', 'XXX', toString(currency)), abs(assumeNotNull(amount))), state IN ('MISSING', 'UNKNOWN') AND isNotNull(amount)) AS money
    FROM waits_at(as_of = {as_of:DateTime64(6, 'UTC')}, known_at = {known_at:DateTime64(6, 'UTC')})
    WHERE workflow = {workflow:String}
    GROUP BY segment, item_type, item_key
),
counted AS (
    SELECT
        segment,
        countIf(overdue > 0) AS items_overdue, countIf(overdue = 0 AND unclear > 0) AS items_unclear,
        countIf(overdue + unclear > 0 AND empty(item_codes)) AS without_money,
        maxIf(age, overdue > 0) AS longest, maxIf(business_age, overdue > 0) AS business_longest,
        countIf(overdue > 0 AND isNotNull(business_age)) AS business_items,
        countIf(overdue + unclear > 0 AND isNotNull(business_age)) AS with_calendar,
        sumMapIf(map(age_bucket(age), toUInt64(1)), overdue > 0) AS overdue_in,
        sumMapIf(map(age_bucket(age), toUInt64(1)), overdue = 0 AND unclear > 0) AS unclear_in,
        sumMapIf(map(age_bucket(assumeNotNull(business_age)), toUInt64(1)), overdue > 0 AND isNotNull(business_age)) AS business_overdue_in,
        sumMapIf(map(age_bucket(assumeNotNull(business_age)), toUInt64(1)), overdue = 0 AND unclear > 0 AND isNotNull(business_age))
            AS business_unclear_in,
        arraySort(groupUniqArrayArray(item_codes)) AS codes,
        sumMapIf(money, overdue > 0) AS overdue_money, sumMapIf(money, overdue = 0) AS unclear_money
    FROM items
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
        ('items', 'count', toDecimal128(items_overdue, 6), toDecimal128(items_unclear, 6), NULL, items_overdue),
        ('without_amount', 'count', toDecimal128(without_money, 6), toDecimal128(0, 6), NULL, items_overdue)],
    if(items_overdue = 0, [], [('oldest', 'days', toDecimal128(longest, 6), toDecimal128(0, 6), NULL, items_overdue)]),
    if(business_items = 0, [], [
        ('business_oldest', 'days', toDecimal128(assumeNotNull(business_longest), 6), toDecimal128(0, 6), NULL, business_items)]),
    arrayMap((b, name) -> (
        concat('count_', name), 'count', toDecimal128(overdue_in[b], 6), toDecimal128(unclear_in[b], 6), NULL, items_overdue), buckets, names),
    -- Only where a calendar says which days are business days.
    if(with_calendar = 0, [], arrayMap((b, name) -> (
        concat('business_count_', name), 'count', toDecimal128(business_overdue_in[b], 6), toDecimal128(business_unclear_in[b], 6),
        NULL, business_items), buckets, names)),
    arrayMap(c -> ('amount', c, overdue_money[c], unclear_money[c], NULL, items_overdue), codes)) AS figure
