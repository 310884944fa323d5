-- title: Reversal rate
-- description: "Arrivals that were taken back, of all arrivals that fell due in the period."
-- unit: ratio
-- direction: lower_is_better
-- kind: cohort
-- measures:
--   - {name: rate, unit: ratio, title: Taken back after a match}
--   - {name: reversed, unit: count, title: Taken back}
--   - {name: amount, unit: currency, title: Money taken back}
-- formula: K15, reversed matched items / matched
-- inputs: [verdicts_at]
-- every: 15m
WITH
judged AS (
    SELECT
        multiIf({dimension:String} = '', 'total', dims[{dimension:String}] = '', 'unmapped', dims[{dimension:String}]) AS segment,
        state = 'REVERSED' AS is_reversed, if(currency = '', 'XXX', toString(currency)) AS code, abs(amount) AS money
    FROM verdicts_at(as_of = {as_of:DateTime64(6, 'UTC')}, known_at = {known_at:DateTime64(6, 'UTC')})
    WHERE workflow = {workflow:String} AND due_at > {window_start:DateTime64(6, 'UTC')} AND due_at <= {as_of:DateTime64(6, 'UTC')}
        AND kind = 'sequence' AND state IN ('REVERSED', 'MATCHED')
),
counted AS (
    SELECT
        segment, count() AS items, countIf(is_reversed) AS taken_back,
        arraySort(groupUniqArrayIf(code, isNotNull(money))) AS codes,
        sumMapIf(map(code, assumeNotNull(money)), isNotNull(money)) AS all_money,
        sumMapIf(map(code, assumeNotNull(money)), is_reversed AND isNotNull(money)) AS reversed_money
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
        ('rate', 'ratio', toDecimal128(taken_back, 6), toDecimal128(0, 6), CAST(toDecimal128(items, 6), 'Nullable(Decimal(38, 6))'), items),
        ('reversed', 'count', toDecimal128(taken_back, 6), toDecimal128(0, 6), NULL, items)],
    arrayMap(c -> ('amount', c, reversed_money[c], toDecimal128(0, 6), CAST(all_money[c], 'Nullable(Decimal(38, 6))'), items), codes)) AS figure
