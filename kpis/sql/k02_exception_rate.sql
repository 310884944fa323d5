-- title: Exception rate
-- description: "Of the items with something due in the period, how many ever had an exception; resolved ones stay counted."
-- unit: ratio
-- direction: lower_is_better
-- kind: cohort
-- measures:
--   - {name: rate, unit: ratio, title: Items with an exception}
--   - {name: expectation_rate, unit: ratio, title: Expectations with an exception}
--   - {name: value_rate, unit: ratio, title: Share of the money (one currency only)}
--   - {name: amount, unit: currency, title: Money with an exception of the money due}
--   - {name: without_amount, unit: count, title: Due without a known amount}
--   - {name: immature, unit: ratio, title: Not due yet}
-- formula: K02, due items with at least one exception ever / items due
-- inputs: [verdicts_at]
-- every: 15m
WITH
judged AS (
    SELECT
        multiIf({dimension:String} = '', 'total', dims[{dimension:String}] = '', 'unmapped', dims[{dimension:String}]) AS segment,
        item_type, item_key,
        due = 1 AS is_due, if(kind = 'tie_out', faults > 0, isNotNull(detected_at)) AS is_exception,
        due = 1 AND unknown = 1 AND NOT is_exception AS is_unknown,
        state IN ('NOT_DUE', 'IN_FLIGHT') AS is_immature,
        if(currency = '', 'XXX', toString(currency)) AS code,
        abs(if(kind = 'tie_out', expected, amount)) AS money
    FROM (
        -- Of a match one row is due, and each fault that it ever had is a row of its own.
        SELECT *, countIf(isNotNull(detected_at)) OVER (PARTITION BY item_type, item_key, expectation) AS faults
        FROM verdicts_at(as_of = {as_of:DateTime64(6, 'UTC')}, known_at = {known_at:DateTime64(6, 'UTC')})
        WHERE workflow = {workflow:String}
    )
    WHERE due_at > {window_start:DateTime64(6, 'UTC')}
),
items AS (
    SELECT
        segment, item_type, item_key,
        countIf(is_due) AS dues, countIf(is_due AND is_exception) AS faulty, countIf(is_unknown) AS unclear,
        countIf(is_immature) AS young, countIf(is_due AND isNull(money)) AS unpriced,
        countIf(is_exception) AS any_faulty,
        groupUniqArrayIf(code, is_due AND isNotNull(money)) AS item_codes,
        sumMapIf(map(code, assumeNotNull(money)), is_due AND isNotNull(money)) AS money_due,
        sumMapIf(map(code, assumeNotNull(money)), is_due AND is_exception AND isNotNull(money)) AS money_faulty,
        sumMapIf(map(code, assumeNotNull(money)), is_unknown AND isNotNull(money)) AS money_unclear
    FROM judged
    GROUP BY segment, item_type, item_key
),
counted AS (
    SELECT
        segment,
        countIf(dues > 0) AS items, countIf(dues > 0 AND any_faulty > 0) AS faulty_items,
        countIf(dues > 0 AND any_faulty = 0 AND unclear > 0) AS unclear_items,
        sum(dues) AS expectations, sum(faulty) AS faulty_expectations, sum(unclear) AS unclear_expectations,
        sum(young) AS immature, sum(unpriced) AS without_money,
        arraySort(groupUniqArrayArray(item_codes)) AS codes,
        sumMap(money_due) AS due_money, sumMap(money_faulty) AS faulty_money, sumMap(money_unclear) AS unclear_money
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
        ('rate', 'ratio', toDecimal128(faulty_items, 6), toDecimal128(unclear_items, 6), CAST(toDecimal128(items, 6), 'Nullable(Decimal(38, 6))'), items),
        ('expectation_rate', 'ratio', toDecimal128(faulty_expectations, 6), toDecimal128(unclear_expectations, 6), CAST(toDecimal128(expectations, 6), 'Nullable(Decimal(38, 6))'), expectations),
        ('without_amount', 'count', toDecimal128(without_money, 6), toDecimal128(0, 6), NULL, expectations),
        ('immature', 'ratio', toDecimal128(immature, 6), toDecimal128(0, 6), CAST(toDecimal128(expectations + immature, 6), 'Nullable(Decimal(38, 6))'), expectations + immature)],
    arrayMap(c -> ('amount', c, faulty_money[c], unclear_money[c], CAST(due_money[c], 'Nullable(Decimal(38, 6))'), expectations), codes),
    -- Money of several currencies has no common share.
    arrayMap(c -> ('value_rate', 'ratio', faulty_money[c], unclear_money[c], CAST(due_money[c], 'Nullable(Decimal(38, 6))'), expectations),
        if(length(codes) = 1, codes, []))) AS figure
