-- title: Failed transactions
-- description: "An item failed for good when a try failed and it was written off or has not come by its time. Failed tries of the period are counted apart."
-- unit: ratio
-- direction: lower_is_better
-- kind: cohort
-- measures:
--   - {name: rate, unit: ratio, title: Items that failed for good}
--   - {name: items, unit: count, title: Items that failed for good}
--   - {name: attempts, unit: count, title: Failed tries}
--   - {name: amount, unit: currency, title: Money in items that failed for good}
--   - {name: without_amount, unit: count, title: Failed items without a known amount}
-- formula: K25, items with terminal failure / items due; failed attempts apart
-- inputs: [verdicts_at]
-- every: 15m
WITH
judged AS (
    SELECT
        multiIf({dimension:String} = '', 'total', dims[{dimension:String}] = '', 'unmapped', dims[{dimension:String}]) AS segment,
        item_type, item_key, due = 1 AS is_due,
        failures > 0 AND state IN ('MISSING', 'WRITTEN_OFF') AND due = 1 AS is_failed, failures > 0 AND unknown = 1 AS is_unclear,
        arrayFilter(t -> t > {window_start:DateTime64(6, 'UTC')}, failed_at) AS recent_failures,
        due_at > {window_start:DateTime64(6, 'UTC')} AS in_window,
        if(currency = '', 'XXX', toString(currency)) AS code, abs(amount) AS money
    FROM verdicts_at(as_of = {as_of:DateTime64(6, 'UTC')}, known_at = {known_at:DateTime64(6, 'UTC')})
    WHERE workflow = {workflow:String} AND kind = 'sequence'
        AND (due_at > {window_start:DateTime64(6, 'UTC')} OR notEmpty(failed_at))
),
items AS (
    SELECT
        segment, item_type, item_key,
        countIf(in_window AND is_due) AS dues, countIf(in_window AND is_failed) AS failed, countIf(in_window AND is_unclear) AS unclear,
        -- Several expectations may look at the same try.
        length(groupUniqArrayArray(recent_failures)) AS tries,
        arraySort(groupUniqArrayIf(code, in_window AND (is_failed OR is_unclear) AND isNotNull(money))) AS item_codes,
        maxMapIf(map(code, assumeNotNull(money)), in_window AND (is_failed OR is_unclear) AND isNotNull(money)) AS money_at_stake
    FROM judged
    GROUP BY segment, item_type, item_key
),
counted AS (
    SELECT
        segment,
        countIf(dues > 0) AS items, countIf(failed > 0) AS failures, countIf(failed = 0 AND unclear > 0) AS unknowns, sum(tries) AS attempts,
        countIf(failed > 0 AND empty(item_codes)) AS without_money,
        arraySort(groupUniqArrayArray(item_codes)) AS codes,
        sumMapIf(money_at_stake, failed > 0) AS failed_money, sumMapIf(money_at_stake, failed = 0) AS unknown_money
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
        ('rate', 'ratio', toDecimal128(failures, 6), toDecimal128(unknowns, 6), CAST(toDecimal128(items, 6), 'Nullable(Decimal(38, 6))'), items),
        ('items', 'count', toDecimal128(failures, 6), toDecimal128(unknowns, 6), NULL, items),
        ('attempts', 'count', toDecimal128(attempts, 6), toDecimal128(0, 6), NULL, attempts),
        ('without_amount', 'count', toDecimal128(without_money, 6), toDecimal128(0, 6), NULL, failures)],
    arrayMap(c -> ('amount', c, failed_money[c], unknown_money[c], NULL, failures), codes)) AS figure
