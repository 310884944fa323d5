-- title: Synchronisation gap
-- description: "What one system did and the other does not show, and the reverse. Proven by the watermark of the source; otherwise unknown."
-- unit: ratio
-- direction: lower_is_better
-- kind: cohort
-- measures:
--   - {name: gap_rate, unit: ratio, title: Missing of what is due}
--   - {name: missing, unit: count, title: Missing}
--   - {name: amount, unit: currency, title: Money missing of the money due}
--   - {name: without_amount, unit: count, title: Missing without a known amount}
--   - {name: orphan_rate, unit: ratio, title: Arrived without what must come before}
--   - {name: orphans, unit: count, title: Orphans}
--   - {name: immature, unit: ratio, title: Not due yet}
-- formula: K08, MISSING / items due; ORPHAN / records that must have a predecessor or a trace
-- inputs: [verdicts_at, records_at]
-- every: 15m
WITH
judged AS (
    SELECT
        multiIf({dimension:String} = '', 'total', dims[{dimension:String}] = '', 'unmapped', dims[{dimension:String}]) AS segment,
        due = 1 AS is_due, state = 'MISSING' AS is_missing, unknown = 1 AND due = 1 AS is_unknown,
        state IN ('NOT_DUE', 'IN_FLIGHT') AS is_immature,
        if(currency = '', 'XXX', toString(currency)) AS code,
        abs(if(kind = 'tie_out', expected, amount)) AS money
    FROM verdicts_at(as_of = {as_of:DateTime64(6, 'UTC')}, known_at = {known_at:DateTime64(6, 'UTC')})
    WHERE workflow = {workflow:String} AND due_at > {window_start:DateTime64(6, 'UTC')} AND kind IN ('sequence', 'reference', 'tie_out', 'landed')
),
tallies AS (
    SELECT
        segment,
        countIf(is_due) AS dues, countIf(is_missing) AS gaps, countIf(is_unknown) AS unclear, countIf(is_immature) AS young,
        countIf(is_missing AND isNull(money)) AS unpriced,
        toUInt64(0) AS records, toUInt64(0) AS lone, toUInt64(0) AS lone_unclear,
        groupUniqArrayIf(code, is_due AND isNotNull(money)) AS some_codes,
        sumMapIf(map(code, assumeNotNull(money)), is_due AND isNotNull(money)) AS money_due,
        sumMapIf(map(code, assumeNotNull(money)), is_missing AND isNotNull(money)) AS money_missing,
        sumMapIf(map(code, assumeNotNull(money)), is_unknown AND isNotNull(money)) AS money_unclear
    FROM judged
    GROUP BY segment
    UNION ALL
    SELECT
        multiIf({dimension:String} = '', 'total', dims[{dimension:String}] = '', 'unmapped', dims[{dimension:String}]) AS segment,
        0, 0, 0, 0, 0, count(), countIf(state = 'ORPHAN'), countIf(state = 'UNKNOWN'), [],
        CAST(map(), 'Map(String, Decimal(38, 6))'), CAST(map(), 'Map(String, Decimal(38, 6))'), CAST(map(), 'Map(String, Decimal(38, 6))')
    FROM records_at(kind = 'precedence', as_of = {as_of:DateTime64(6, 'UTC')}, known_at = {known_at:DateTime64(6, 'UTC')})
    WHERE workflow = {workflow:String} AND occurred_at > {window_start:DateTime64(6, 'UTC')}
    GROUP BY segment
    UNION ALL
    -- What is in the state of a system and must have come there by a step.
    SELECT
        multiIf({dimension:String} = '', 'total', dims[{dimension:String}] = '', 'unmapped', dims[{dimension:String}]) AS segment,
        0, 0, 0, 0, 0, count(), countIf(state = 'ORPHAN'), countIf(state = 'UNKNOWN'), [],
        CAST(map(), 'Map(String, Decimal(38, 6))'), CAST(map(), 'Map(String, Decimal(38, 6))'), CAST(map(), 'Map(String, Decimal(38, 6))')
    FROM verdicts_at(as_of = {as_of:DateTime64(6, 'UTC')}, known_at = {known_at:DateTime64(6, 'UTC')})
    WHERE workflow = {workflow:String} AND opened_at > {window_start:DateTime64(6, 'UTC')} AND kind = 'traced'
        AND state IN ('MATCHED', 'ORPHAN', 'UNKNOWN')
    GROUP BY segment
),
counted AS (
    SELECT
        segment,
        sum(dues) AS items, sum(gaps) AS missing, sum(unclear) AS unknowns, sum(young) AS immature, sum(unpriced) AS without_money,
        sum(records) AS arrivals, sum(lone) AS orphans, sum(lone_unclear) AS orphans_unclear,
        arraySort(groupUniqArrayArray(some_codes)) AS codes,
        sumMap(money_due) AS due_money, sumMap(money_missing) AS missing_money, sumMap(money_unclear) AS unclear_money
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
        ('gap_rate', 'ratio', toDecimal128(missing, 6), toDecimal128(unknowns, 6), CAST(toDecimal128(items, 6), 'Nullable(Decimal(38, 6))'), items),
        ('missing', 'count', toDecimal128(missing, 6), toDecimal128(unknowns, 6), NULL, items),
        ('without_amount', 'count', toDecimal128(without_money, 6), toDecimal128(0, 6), NULL, missing),
        ('orphan_rate', 'ratio', toDecimal128(orphans, 6), toDecimal128(orphans_unclear, 6), CAST(toDecimal128(arrivals, 6), 'Nullable(Decimal(38, 6))'), arrivals),
        ('orphans', 'count', toDecimal128(orphans, 6), toDecimal128(orphans_unclear, 6), NULL, arrivals),
        ('immature', 'ratio', toDecimal128(immature, 6), toDecimal128(0, 6), CAST(toDecimal128(items + immature, 6), 'Nullable(Decimal(38, 6))'), items + immature)],
    arrayMap(c -> ('amount', c, missing_money[c], unclear_money[c], CAST(due_money[c], 'Nullable(Decimal(38, 6))'), items), codes)) AS figure
