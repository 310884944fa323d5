-- title: Unresolved exceptions
-- description: "What is wrong now. Items whose source is silent are neither counted as wrong nor as right; they stand apart."
-- unit: count
-- direction: lower_is_better
-- kind: stock
-- measures:
--   - {name: open, unit: count, title: Open now}
--   - {name: items, unit: count, title: Items with an open one}
--   - {name: amount, unit: currency, title: Money in the open ones}
--   - {name: without_amount, unit: count, title: Open without a known amount}
--   - {name: unknown, unit: count, title: Overdue but not provable (source silent)}
-- formula: K03, count of open exceptions and Σ |amount|
-- inputs: [exceptions_at, verdicts_at]
-- every: 15m
WITH
tallies AS (
    SELECT
        multiIf({dimension:String} = '', 'total', dims[{dimension:String}] = '', 'unmapped', dims[{dimension:String}]) AS segment,
        countIf(is_open = 1) AS open_ones,
        uniqExactIf((item_type, item_key), is_open = 1) AS open_items,
        countIf(is_open = 1 AND isNull(amount)) AS unpriced,
        toUInt64(0) AS unclear,
        groupUniqArrayIf(if(currency = '', 'XXX', toString(currency)), is_open = 1 AND isNotNull(amount)) AS some_codes,
        sumMapIf(map(if(currency = '', 'XXX', toString(currency)), abs(assumeNotNull(amount))), is_open = 1 AND isNotNull(amount)) AS money
    FROM exceptions_at(as_of = {as_of:DateTime64(6, 'UTC')}, known_at = {known_at:DateTime64(6, 'UTC')})
    WHERE workflow = {workflow:String}
    GROUP BY segment
    UNION ALL
    SELECT multiIf({dimension:String} = '', 'total', dims[{dimension:String}] = '', 'unmapped', dims[{dimension:String}]) AS segment, 0, 0, 0, countIf(unknown = 1), [], CAST(map(), 'Map(String, Decimal(38, 6))')
    FROM verdicts_at(as_of = {as_of:DateTime64(6, 'UTC')}, known_at = {known_at:DateTime64(6, 'UTC')})
    WHERE workflow = {workflow:String}
    GROUP BY segment
),
counted AS (
    SELECT
        segment, sum(open_ones) AS all_open, sum(open_items) AS items, sum(unpriced) AS without_money, sum(unclear) AS unknowns,
        arraySort(groupUniqArrayArray(some_codes)) AS codes, sumMap(money) AS open_money
    FROM tallies
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
        ('open', 'count', toDecimal128(all_open, 6), toDecimal128(0, 6), NULL, all_open),
        ('items', 'count', toDecimal128(items, 6), toDecimal128(0, 6), NULL, items),
        ('without_amount', 'count', toDecimal128(without_money, 6), toDecimal128(0, 6), NULL, all_open),
        ('unknown', 'count', toDecimal128(unknowns, 6), toDecimal128(0, 6), NULL, unknowns)],
    arrayMap(c -> ('amount', c, open_money[c], toDecimal128(0, 6), NULL, all_open), codes)) AS figure
