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
-- formula: K05, items not terminal and past expected-by, by stage
-- inputs: [verdicts_at]
-- dimensions: [all, opened_step]
-- every: 15m
WITH
items AS (
    SELECT
        multiIf(
            {dimension:String} = '', 'total', {dimension:String} = 'opened_step', toString(opened_step),
            dims[{dimension:String}] = '', 'unmapped', dims[{dimension:String}]) AS segment,
        item_type, item_key,
        countIf(state = 'MISSING') AS overdue, countIf(state = 'UNKNOWN') AS unclear,
        maxIf(dateDiff('day', due_at, {as_of:DateTime64(6, 'UTC')}), state IN ('MISSING', 'UNKNOWN')) AS days_past,
        arraySort(groupUniqArrayIf(if(currency = '', 'XXX', toString(currency)), state IN ('MISSING', 'UNKNOWN') AND isNotNull(amount))) AS item_codes,
        maxMapIf(map(if(currency = '', 'XXX', toString(currency)), abs(assumeNotNull(amount))), state IN ('MISSING', 'UNKNOWN') AND isNotNull(amount)) AS money
    FROM verdicts_at(as_of = {as_of:DateTime64(6, 'UTC')}, known_at = {known_at:DateTime64(6, 'UTC')})
    WHERE workflow = {workflow:String} AND kind = 'sequence'
    GROUP BY segment, item_type, item_key
),
counted AS (
    SELECT
        segment,
        countIf(overdue > 0) AS items_overdue, countIf(overdue = 0 AND unclear > 0) AS items_unclear,
        countIf(overdue + unclear > 0 AND empty(item_codes)) AS without_money,
        maxIf(days_past, overdue > 0) AS longest,
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
    arrayMap(c -> ('amount', c, overdue_money[c], unclear_money[c], NULL, items_overdue), codes)) AS figure
